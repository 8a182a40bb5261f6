//! What tests have not come by: lines of Lua, and rules.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::session::folder_of;
use super::test::Test;
use super::world::RuleSeen;
use crate::policy::{Covered, Lines};

/// Lua that travels inside the executable: whoever writes the specs did not write that.
const OWN: &str = "/opt/kumomta/share/";

/// What ran, and what did not.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// Policies and what they require, in order.
    pub(super) files: Vec<File>,
    /// The rules of the shaping files that were loaded, in order.
    pub(super) rules: Vec<RuleSeen>,
}

#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) lines: Covered,
}

impl File {
    /// The lines with code that did not run: `3, 7-9`. Lines without code between two of them do not part them.
    pub(super) fn missed(&self) -> String {
        let mut spans: Vec<(usize, usize)> = Vec::new();
        let mut goes_on = false;
        for line in &self.lines.code {
            if self.lines.ran.contains(line) {
                goes_on = false;
                continue;
            }
            match spans.last_mut() {
                Some(last) if goes_on => last.1 = *line,
                _ => spans.push((*line, *line)),
            }
            goes_on = true;
        }
        let span = |(first, last): &(usize, usize)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        spans.iter().map(span).collect::<Vec<_>>().join(", ")
    }
}

/// Gathers it while tests run.
#[derive(Debug)]
pub(super) struct Gathering {
    /// By folder of specs: what one calls `/opt/kumomta/etc/policy/init.lua` is another file for the other.
    lines: HashMap<PathBuf, Lines>,
    specs: Vec<String>,
    rules: BTreeMap<(PathBuf, u32, String), bool>,
}

impl Gathering {
    pub(super) fn new(specs: &[PathBuf]) -> Self {
        let lines = specs.iter().filter_map(|spec| Some((folder_of(spec).ok()?, Lines::default()))).collect();
        let specs = specs.iter().map(|spec| spec.display().to_string()).collect();
        Self { lines, specs, rules: BTreeMap::new() }
    }

    /// Where what runs for a test is noted.
    pub(super) fn lines_of(&self, test: &Test) -> Option<Lines> {
        self.lines.get(&folder_of(&test.file).ok()?).cloned()
    }

    /// Takes in the rules that a test came by.
    pub(super) fn add(&mut self, rules: Vec<RuleSeen>) {
        for rule in rules {
            *self.rules.entry((shown(&rule.file), rule.line, rule.name)).or_default() |= rule.matched;
        }
    }

    pub(super) fn finish(self) -> Coverage {
        let mut files = BTreeMap::<String, Covered>::new();
        for (name, covered) in self.lines.values().flat_map(Lines::covered) {
            if name.starts_with(OWN) || self.specs.contains(&name) || went_with_the_test(Path::new(&name)) {
                continue;
            }
            let all = files.entry(shown(Path::new(&name)).display().to_string()).or_default();
            all.code.extend(covered.code);
            all.ran.extend(covered.ran);
        }
        let rule = |((file, line, name), matched)| RuleSeen { file, line, name, matched };
        Coverage {
            files: files.into_iter().map(|(name, lines)| File { name, lines }).collect(),
            rules: self.rules.into_iter().map(rule).collect(),
        }
    }
}

/// Whether a file was in the folder of a test, such as the policy of a daemon that was given none.
fn went_with_the_test(path: &Path) -> bool {
    path.starts_with(std::env::temp_dir()) && !path.exists()
}

/// From the folder that the tool was called in, where it is below it.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).or_else(|_| path.strip_prefix(".")).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_lines_are_told_in_spans() {
        let lines = Covered { code: [1, 2, 4, 6, 7, 9, 12].into(), ran: [1, 7].into() };
        assert_eq!(File { name: String::new(), lines }.missed(), "2-6, 9-12");
    }
}
