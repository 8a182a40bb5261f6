//! All patterns of a scope, tried on a response in one pass (semantics S6).

use std::collections::HashMap;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::Rule;
use super::literal::has_folded;
use super::pattern::{Exceeded, Pattern};

/// Up to so many bytes of texts the automaton is a full table, which is fast and takes some 300 times as many bytes.
const TABLE_LIMIT_BYTES: usize = 1 << 16;

/// The rules of a scope, compiled.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    rules: Vec<Arc<Rule>>,
    patterns: Vec<Entry>,
    /// Looks for the texts that patterns need.
    texts: Option<AhoCorasick>,
    /// For each text, the patterns that need it.
    needed_by: Vec<Vec<u32>>,
    /// Patterns that are tried on every response.
    always: Vec<u32>,
    /// Patterns that are tried too when the response has letters that fold to ASCII ones.
    folding: Vec<u32>,
    /// Whether some rule looks at the host's own responses.
    any_internal: bool,
}

#[derive(Debug)]
struct Entry {
    pattern: Arc<Pattern>,
    /// The rules that have it.
    rules: Vec<u32>,
}

/// What a response matched: indices of rules, ascending.
#[derive(PartialEq, Eq, Debug, Default)]
pub(super) struct Hits {
    pub(super) matched: Vec<u32>,
    /// Rules with a pattern on which the bounded engine gave up, unless another pattern of theirs matched.
    pub(super) exceeded: Vec<u32>,
}

/// Too many patterns for one automaton.
#[derive(Debug, thiserror::Error)]
#[error("the patterns of `{scope}` are too many to be looked for together")]
pub(super) struct TooMany {
    scope: String,
    #[source]
    source: aho_corasick::BuildError,
}

impl Matcher {
    /// Compiles the rules of one scope; each comes with its patterns.
    pub(super) fn new(rules: Vec<(Arc<Rule>, &[Arc<Pattern>])>) -> Result<Self, TooMany> {
        let mut matcher = Self::default();
        let mut known: HashMap<Arc<str>, u32> = HashMap::new();
        for (rule, patterns) in rules {
            let index = number(matcher.rules.len());
            matcher.any_internal |= rule.match_internal;
            matcher.rules.push(rule);
            for pattern in patterns {
                let at = *known.entry(pattern.text.clone()).or_insert_with(|| {
                    matcher.patterns.push(Entry { pattern: pattern.clone(), rules: Vec::new() });
                    number(matcher.patterns.len() - 1)
                });
                matcher.patterns[at as usize].rules.push(index);
            }
        }
        matcher.index()?;
        Ok(matcher)
    }

    fn index(&mut self) -> Result<(), TooMany> {
        let mut texts: Vec<&str> = Vec::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (at, entry) in self.patterns.iter().enumerate() {
            let at = number(at);
            let Some(need) = &entry.pattern.need else {
                self.always.push(at);
                continue;
            };
            if need.folds {
                self.folding.push(at);
            }
            for text in &need.texts {
                let id = *known.entry(text).or_insert_with(|| {
                    texts.push(text);
                    self.needed_by.push(Vec::new());
                    texts.len() - 1
                });
                self.needed_by[id].push(at);
            }
        }
        if !texts.is_empty() {
            self.texts = Some(automaton(&texts).map_err(|source| self.too_many(source))?);
        }
        Ok(())
    }

    fn too_many(&self, source: aho_corasick::BuildError) -> TooMany {
        TooMany { scope: self.rules.first().map_or_else(String::new, |rule| rule.scope.to_string()), source }
    }

    pub(super) fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// The rules that match a response. `internal` says that the mail host made it up itself (semantics R5).
    pub(super) fn find(&self, text: &str, internal: bool) -> Hits {
        if internal && !self.any_internal {
            return Hits::default();
        }
        let mut search = Search {
            matcher: self,
            text,
            internal,
            tried: Seen::default(),
            hit: Seen::default(),
            hits: Hits::default(),
        };
        self.always.iter().for_each(|at| search.attempt(*at));
        if let Some(texts) = &self.texts {
            for found in texts.find_overlapping_iter(text) {
                self.needed_by[found.pattern().as_usize()].iter().for_each(|at| search.attempt(*at));
            }
            if has_folded(text) {
                self.folding.iter().for_each(|at| search.attempt(*at));
            }
        }
        search.finish()
    }
}

fn automaton(texts: &[&str]) -> Result<AhoCorasick, aho_corasick::BuildError> {
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    let kind = if bytes <= TABLE_LIMIT_BYTES { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
    AhoCorasick::builder().ascii_case_insensitive(true).match_kind(MatchKind::Standard).kind(Some(kind)).build(texts)
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// One response on its way through the patterns.
struct Search<'m> {
    matcher: &'m Matcher,
    text: &'m str,
    internal: bool,
    /// Patterns that were tried.
    tried: Seen,
    /// Rules that matched.
    hit: Seen,
    hits: Hits,
}

impl Search<'_> {
    fn attempt(&mut self, at: u32) {
        if !self.tried.insert(at) {
            return;
        }
        let entry = &self.matcher.patterns[at as usize];
        match entry.pattern.is_match(self.text) {
            Ok(false) => {}
            Ok(true) => {
                for rule in self.relevant(entry) {
                    if self.hit.insert(rule) {
                        self.hits.matched.push(rule);
                    }
                }
            }
            Err(Exceeded) => {
                let rules = self.relevant(entry);
                self.hits.exceeded.extend(rules);
            }
        }
    }

    fn relevant(&self, entry: &Entry) -> Vec<u32> {
        let applies = |rule: &&u32| !self.internal || self.matcher.rules[**rule as usize].match_internal;
        entry.rules.iter().filter(applies).copied().collect()
    }

    fn finish(self) -> Hits {
        let Self { mut hits, hit, .. } = self;
        hits.matched.sort_unstable();
        hits.exceeded.retain(|rule| !hit.contains(*rule));
        hits.exceeded.sort_unstable();
        hits.exceeded.dedup();
        hits
    }
}

/// A set of small numbers.
#[derive(Default)]
struct Seen(Vec<u64>);

impl Seen {
    /// Whether it was not there yet.
    fn insert(&mut self, number: u32) -> bool {
        let (word, bit) = place(number);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let had = self.0[word] & bit != 0;
        self.0[word] |= bit;
        !had
    }

    fn contains(&self, number: u32) -> bool {
        let (word, bit) = place(number);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }
}

fn place(number: u32) -> (usize, u64) {
    ((number / 64) as usize, 1 << (number % 64))
}
