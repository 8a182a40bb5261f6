//! What is looked at: shaping files, responses, mail hosts.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use kumo_tsa_core::shaping::check::Checked;
use kumo_tsa_core::shaping::{Finding, Level, Mx, Origin, Source, code, parse};

use crate::dns::{self, Resolver};
use crate::host::Host;

/// Responses of our own, which patterns are tried on.
const OWN: [&str; 2] = [include_str!("../../../examples/quickstart/responses.tsv"), include_str!("responses.tsv")];

/// Shaping files as they were read.
#[derive(Default)]
pub(super) struct Read {
    /// Those that can be used.
    pub(super) checked: Vec<Checked>,
    pub(super) texts: Vec<(Arc<str>, String)>,
    /// All that is wrong in the others.
    pub(super) findings: Vec<Finding>,
}

/// What is known of the mail hosts of domains.
pub(super) struct Exchangers(HashMap<String, Mx>);

impl Exchangers {
    pub(super) fn of(&self, domain: &str) -> Mx {
        self.0.get(domain).cloned().unwrap_or_else(|| Mx::Unresolved { why: "it was not asked for".to_owned() })
    }
}

/// An error that is about a whole file.
pub(super) fn whole(code: &'static str, file: &str, message: String, help: &str) -> Finding {
    let origin = Origin { file: file.into(), line: 1, column: 1 };
    Finding { code, level: Level::Error, origin, span: 0..0, message, help: Some(help.to_owned()), notes: Vec::new() }
}

/// Reads and parses files in their order.
pub(super) fn read(host: &Host, files: &[PathBuf]) -> Read {
    let mut all = Read::default();
    for path in files {
        let name = path.display().to_string();
        let text = match text(host, path) {
            Ok(text) => text,
            Err(why) => {
                let message = format!("cannot be read: {why}");
                all.findings.push(whole(
                    code::UNREADABLE,
                    &name,
                    message,
                    "name a shaping file, TOML or JSON in UTF-8",
                ));
                continue;
            }
        };
        let source = Source::new(&name, text);
        all.texts.push((source.name.clone(), source.text.clone()));
        match parse(&source) {
            Ok(file) => all.checked.push(Checked { source, file: Arc::new(file) }),
            Err(findings) => all.findings.extend(findings.0),
        }
    }
    if all.findings.is_empty() {
        all.findings.extend(all.checked.iter().flat_map(|one| one.file.warnings().iter().cloned()));
    }
    all
}

pub(super) fn text(host: &Host, path: &Path) -> Result<String, String> {
    let name = path.to_string_lossy();
    if name.starts_with("http://") || name.starts_with("https://") {
        return Err("it is a URL; fetch it first, as with `curl -o shaping.toml URL`".to_owned());
    }
    let bytes = host.paths().read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes.into_owned()).map_err(|_| "it is not UTF-8".to_owned())
}

/// Responses as patterns see them: those of our own, and those of a file.
pub(super) fn responses(file: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let mut all: Vec<String> = OWN.iter().flat_map(|text| text.lines()).filter_map(response).collect();
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading responses `{}`", file.display()))?;
        let before = all.len();
        all.extend(text.lines().filter_map(response));
        if all.len() == before {
            bail!("no responses in `{}`: expected lines of provider, code and text, with tabs between", file.display());
        }
    }
    Ok(all)
}

/// Code and text of a line `provider<TAB>code<TAB>text`. Comments and deliveries are of no concern.
fn response(line: &str) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut columns = line.split('\t').skip(1);
    let (code, text) = (columns.next()?, columns.next()?);
    let fails = code.len() == 3 && code.starts_with(['4', '5']) && code.bytes().all(|byte| byte.is_ascii_digit());
    fails.then(|| format!("{code} {text}"))
}

/// The sources that blocks name.
pub(super) fn sources(checked: &[Checked]) -> BTreeSet<String> {
    checked.iter().flat_map(|one| one.file.sources()).map(str::to_owned).collect()
}

/// Asks for the mail hosts of all domains that roll up; `None` without zones.
pub(super) async fn exchangers(host: &Host, checked: &[Checked], ask: bool) -> Option<Exchangers> {
    if !ask {
        return None;
    }
    let resolver = Resolver::of(host);
    let mut known = HashMap::new();
    for (domain, _) in checked.iter().flat_map(|one| one.file.rolled_domains()) {
        if !known.contains_key(domain) {
            known.insert(domain.to_owned(), answer(resolver.mx(domain).await));
        }
    }
    Some(Exchangers(known))
}

fn answer(answer: Result<Arc<dns::Mx>, dns::Error>) -> Mx {
    match answer {
        Ok(mx) if mx.is_null() => Mx::Null,
        Ok(mx) => Mx::Site {
            name: mx.site_name.clone(),
            hosts: mx.hosts.iter().map(|host| host.trim_end_matches('.').to_owned()).collect(),
        },
        Err(error) => Mx::Unresolved { why: error.to_string() },
    }
}

/// The registered domain of a host.
pub(super) fn owner(host: &str) -> String {
    psl::domain_str(host).unwrap_or(host).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_read_as_patterns_see_them() {
        assert_eq!(response("google\t421\t4.7.0 Try again").as_deref(), Some("421 4.7.0 Try again"));
        for other in ["# google\t421\t", "google\t250\tok", "google", "google\t42\tx", "google\t4xx\tx"] {
            assert_eq!(response(other), None, "{other}");
        }
        let own = responses(None).unwrap();
        assert!(own.len() > 200, "{}", own.len());
        assert!(own.iter().all(|line| line.is_ascii() || !line.contains('\n')));
        assert!(responses(Some(Path::new("/nowhere.tsv"))).unwrap_err().to_string().contains("/nowhere.tsv"));
    }

    #[test]
    fn the_owner_of_a_host() {
        assert_eq!(owner("mx1.eu.example.co.uk"), "example.co.uk");
        assert_eq!(owner("com"), "com");
    }
}
