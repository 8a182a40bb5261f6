//! What is looked at: shaping files, responses, mail hosts.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use kumo_tsa_core::shaping::check::Checked;
use kumo_tsa_core::shaping::{Finding, Level, Mx, Origin, Source, code, parse_lossy};

use crate::dns::{self, Resolver};
use crate::host::Host;

/// Responses of our own, which patterns are tried on.
const OWN: [&str; 2] = [include_str!("../../../examples/quickstart/responses.tsv"), include_str!("responses.tsv")];

/// Shaping files as they were read.
#[derive(Default)]
pub(super) struct Read {
    /// What of them can be read.
    pub(super) checked: Vec<Checked>,
    pub(super) texts: Vec<(Arc<str>, String)>,
    /// All that is wrong in them.
    pub(super) findings: Vec<Finding>,
    /// Those of which nothing can be read.
    pub(super) unread: Vec<String>,
}

/// Why a file is no text.
#[derive(Debug)]
pub(super) struct NoText {
    why: String,
    /// Where, from 1.
    line: u32,
    column: u32,
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
            Err(refused) => {
                all.findings.push(refused.finding(&name, "name a shaping file, TOML or JSON in UTF-8"));
                all.unread.push(name);
                continue;
            }
        };
        let source = Source::new(&name, text);
        all.texts.push((source.name.clone(), source.text.clone()));
        let (file, errors) = parse_lossy(&source);
        all.findings.extend(errors);
        match file {
            Some(file) => {
                all.findings.extend(file.warnings().iter().cloned());
                all.checked.push(Checked { source, file: Arc::new(file) });
            }
            None => all.unread.push(name),
        }
    }
    all
}

/// Reads a file as text.
pub(super) fn text(host: &Host, path: &Path) -> Result<String, NoText> {
    let name = path.to_string_lossy();
    if name.starts_with("http://") || name.starts_with("https://") {
        return Err(NoText::new("it is a URL; fetch it first, as with `curl -o shaping.toml URL`".to_owned()));
    }
    let bytes = host.paths().read(path).map_err(|error| NoText::new(error.to_string()))?;
    match String::from_utf8(bytes.into_owned()) {
        Ok(text) => match text.find('\0') {
            Some(at) => Err(NoText::at(&text, at, "it is no text: there is a zero byte")),
            None => Ok(text),
        },
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let why = if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
                "it is UTF-16, not UTF-8"
            } else {
                "it is not UTF-8"
            };
            Err(NoText::at(&String::from_utf8_lossy(&bytes), at, why))
        }
    }
}

impl NoText {
    fn new(why: String) -> Self {
        Self { why, line: 1, column: 1 }
    }

    /// At a byte of what can be read.
    fn at(text: &str, at: usize, why: &str) -> Self {
        let before = text.get(..at).unwrap_or("");
        let number = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
        let line = number(before.matches('\n').count());
        let column = number(before.rsplit('\n').next().map_or(0, |line| line.chars().count()));
        Self { why: format!("{why} at line {line}, column {column}"), line, column }
    }

    /// As an error in a file.
    pub(super) fn finding(&self, file: &str, help: &str) -> Finding {
        let mut finding = whole(code::UNREADABLE, file, format!("cannot be read: {}", self.why), help);
        (finding.origin.line, finding.origin.column) = (self.line, self.column);
        finding
    }
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
