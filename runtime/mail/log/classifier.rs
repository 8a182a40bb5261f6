//! Bounce classes: what a refusal is about, by patterns (`kumo.configure_bounce_classifier`).

use std::path::Path;

use indexed::Rules;
use kumo_tsa_core::wire::Kind;
use serde::Deserialize;

use crate::host::Paths;
use crate::mail::reply::Reply;

/// A file of rules that is of no use.
#[derive(Debug, thiserror::Error)]
pub enum BadRules {
    /// It cannot be read.
    #[error("cannot read `{file}`: {why}")]
    Read {
        /// The documented path.
        file: String,
        /// Why not.
        why: std::io::Error,
    },
    /// It is neither TOML nor JSON as it should be.
    #[error("cannot use `{file}`: {why}")]
    Parse {
        /// The documented path.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// One of its patterns does not compile.
    #[error("`{file}`: class `{class}`: invalid pattern `{pattern}`: {why}")]
    Pattern {
        /// The documented path.
        file: String,
        /// The class.
        class: String,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The rules of all files; the first that fits says the class.
#[derive(Debug)]
pub struct Classifier {
    /// Those that the fast engine takes, each with its place among all.
    plain: regex::RegexSet,
    plain_at: Vec<usize>,
    /// Those with look-around or back-references.
    fancy: Vec<(usize, fancy_regex::Regex)>,
    classes: Vec<String>,
}

/// A file: for each class its patterns.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rules: Rules,
}

impl Classifier {
    /// Reads the files, in TOML or JSON by their names' ends.
    ///
    /// # Errors
    /// Names the file, and the class and pattern that is of no use.
    pub fn load(paths: &Paths, files: &[impl AsRef<Path>]) -> Result<Self, BadRules> {
        let mut rules = Vec::new();
        for file in files.iter().map(AsRef::as_ref) {
            let name = || file.display().to_string();
            let bytes = paths.read(file).map_err(|why| BadRules::Read { file: name(), why })?;
            let parsed = parse(file, &bytes).map_err(|why| BadRules::Parse { file: name(), why })?;
            for (class, patterns) in parsed.rules.0 {
                rules.extend(patterns.into_iter().map(|pattern| (name(), class.clone(), pattern)));
            }
        }
        Self::new(&rules)
    }

    /// From file, class and pattern.
    fn new(rules: &[(String, String, String)]) -> Result<Self, BadRules> {
        let (mut plain, mut plain_at, mut fancy) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (file, class, pattern)) in rules.iter().enumerate() {
            if regex::Regex::new(pattern).is_ok() {
                plain.push(pattern);
                plain_at.push(at);
                continue;
            }
            let compiled = fancy_regex::Regex::new(pattern).map_err(|cause| BadRules::Pattern {
                file: file.clone(),
                class: class.clone(),
                pattern: pattern.clone(),
                why: cause.to_string(),
            })?;
            fancy.push((at, compiled));
        }
        let plain = regex::RegexSet::new(plain)
            .map_err(|cause| BadRules::Parse { file: "all files".to_owned(), why: cause.to_string() })?;
        Ok(Self { plain, plain_at, fancy, classes: rules.iter().map(|(_, class, _)| class.clone()).collect() })
    }

    /// The class of a response; none for records that tell of no refusal.
    pub fn classify(&self, kind: Kind, reply: &Reply) -> Option<&str> {
        let refused =
            matches!(kind, Kind::Bounce | Kind::TransientFailure | Kind::Expiration | Kind::AdminBounce | Kind::Oob);
        if !refused {
            return None;
        }
        let text = reply.to_string();
        let plain = self.plain.matches(&text).iter().find_map(|index| self.plain_at.get(index).copied());
        let fits = |(at, pattern): &&(usize, fancy_regex::Regex)| {
            plain.is_none_or(|plain| *at < plain) && pattern.is_match(&text).unwrap_or(false)
        };
        let first = self.fancy.iter().find(fits).map(|(at, _)| *at).or(plain)?;
        self.classes.get(first).map(String::as_str)
    }
}

fn parse(file: &Path, bytes: &[u8]) -> Result<File, String> {
    match file.extension().and_then(|end| end.to_str()) {
        Some("toml") => {
            let text = std::str::from_utf8(bytes).map_err(|cause| cause.to_string())?;
            toml::from_str(text).map_err(|cause| cause.to_string())
        }
        Some("json") => serde_json::from_slice(bytes).map_err(|cause| cause.to_string()),
        _ => Err("its name ends in neither `.toml` nor `.json`".to_owned()),
    }
}

/// A map in the order of the file, which says which pattern goes first.
mod indexed {
    use std::fmt;

    use serde::Deserialize;
    use serde::de::{Deserializer, MapAccess, Visitor};

    pub(super) struct Rules(pub(super) Vec<(String, Vec<String>)>);

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a pattern or a list of patterns")]
    enum Patterns {
        One(String),
        Many(Vec<String>),
    }

    impl<'de> Deserialize<'de> for Rules {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Classes;
            impl<'de> Visitor<'de> for Classes {
                type Value = Rules;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("classes with their patterns")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rules, A::Error> {
                    let mut rules = Vec::new();
                    while let Some((class, patterns)) = map.next_entry::<String, Patterns>()? {
                        let patterns = match patterns {
                            Patterns::One(one) => vec![one],
                            Patterns::Many(many) => many,
                        };
                        rules.push((class, patterns));
                    }
                    Ok(Rules(rules))
                }
            }
            deserializer.deserialize_map(Classes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IANA: &str = "/opt/kumomta/share/bounce_classifier/iana.toml";

    #[test]
    fn the_file_that_ships_knows_the_codes() {
        let classifier = Classifier::load(&Paths::documented(), &[IANA]).unwrap();
        let class = |code, text| classifier.classify(Kind::Bounce, &Reply::new(code, text));
        assert_eq!(class(550, "5.1.1 no such user"), Some("InvalidRecipient"));
        assert_eq!(class(552, "5.2.2 mailbox full"), Some("QuotaIssues"));
        assert_eq!(class(550, "5.7.26 unauthenticated"), Some("AuthenticationFailed"));
        assert_eq!(class(550, "5.7.1 no"), Some("PolicyRelated"));
        assert_eq!(class(550, "no code"), None);
        assert_eq!(classifier.classify(Kind::Delivery, &Reply::new(250, "5.1.1 odd")), None);
    }

    #[test]
    fn the_first_rule_that_fits_wins() {
        let folder = tempfile::tempdir().unwrap();
        let (own, json) = (folder.path().join("own.toml"), folder.path().join("more.json"));
        std::fs::write(&own, "[rules]\nLook = '^5\\d\\d (?!5\\.).*blocked'\nSpam = ['spam', 'blocked']\n").unwrap();
        std::fs::write(&json, r#"{"rules": {"Other": ["."]}}"#).unwrap();
        let classifier = Classifier::load(&Paths::documented(), &[&own, &json]).unwrap();
        let class = |text| classifier.classify(Kind::TransientFailure, &Reply::new(554, text));
        assert_eq!(class("you are blocked"), Some("Look"));
        assert_eq!(class("5.7.1 you are blocked"), Some("Spam"));
        assert_eq!(class("hm"), Some("Other"));
        std::fs::write(&own, "[rules]\nBad = '('\n").unwrap();
        let error = Classifier::load(&Paths::documented(), &[&own]).unwrap_err().to_string();
        assert!(error.contains("class `Bad`: invalid pattern `(`"), "{error}");
        let absent = Classifier::load(&Paths::documented(), &["/no/such.toml"]).unwrap_err().to_string();
        assert!(absent.starts_with("cannot read `/no/such.toml`"), "{absent}");
    }
}
