//! All patterns of a scope, tried on a response in one pass (semantics S6).

use std::collections::HashMap;
use std::sync::Arc;

use regex::RegexSet;

use super::Rule;
use super::grams::{Frequencies, TextIndex};
use super::literal::has_folded;
use super::pattern::{Exceeded, Pattern};

/// What the patterns that have to be tried on every response may compile to together, in bytes.
const SET_LIMIT_BYTES: usize = 1 << 20;

/// The rules of a scope, compiled.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    rules: Vec<Arc<Rule>>,
    patterns: Vec<Entry>,
    /// Looks for texts that patterns need.
    texts: Option<TextIndex>,
    /// For each text, the patterns that need it.
    needed_by: Vec<Vec<usize>>,
    /// Patterns that are tried when the response has letters that fold to ASCII ones, whatever texts it has.
    folding: Vec<usize>,
    /// Patterns without such texts, tried together on every response.
    together: Option<(RegexSet, Vec<usize>)>,
    /// Patterns without such texts, tried on every response one by one.
    alone: Vec<usize>,
    /// Whether some rule looks at the host's own responses.
    any_internal: bool,
}

/// A pattern and the rules that have it.
#[derive(Debug)]
struct Entry {
    pattern: Arc<Pattern>,
    rules: Vec<usize>,
}

/// What a response matched: indices of rules, ascending.
#[derive(PartialEq, Eq, Debug, Default)]
pub(super) struct Hits {
    pub(super) matched: Vec<usize>,
    /// Rules with a pattern on which the bounded engine gave up, unless another pattern of theirs matched.
    pub(super) exceeded: Vec<usize>,
}

impl Matcher {
    /// Compiles the rules of one scope; each comes with its patterns.
    pub(super) fn new(rules: Vec<(Arc<Rule>, &[Arc<Pattern>])>) -> Self {
        let mut matcher = Self::default();
        let mut known: HashMap<Arc<str>, usize> = HashMap::new();
        for (rule, patterns) in rules {
            let index = matcher.rules.len();
            matcher.any_internal |= rule.match_internal;
            matcher.rules.push(rule);
            for pattern in patterns {
                let at = *known.entry(pattern.text.clone()).or_insert_with(|| {
                    matcher.patterns.push(Entry { pattern: pattern.clone(), rules: Vec::new() });
                    matcher.patterns.len() - 1
                });
                matcher.patterns[at].rules.push(index);
            }
        }
        matcher.index_texts();
        matcher.gather_rest();
        matcher
    }

    /// Chooses for each pattern what it is looked for by: what the fewest patterns need, else what is longest.
    fn index_texts(&mut self) {
        let needs = self.patterns.iter().filter_map(|entry| entry.pattern.need.as_ref());
        let frequencies = Frequencies::of(needs.flat_map(|need| need.sets.iter().flatten()).map(String::as_str));
        let mut texts: Vec<Box<str>> = Vec::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (at, entry) in self.patterns.iter().enumerate() {
            let Some(need) = &entry.pattern.need else { continue };
            if need.folds {
                self.folding.push(at);
            }
            for text in need.choose(|text| frequencies.rarity(text)) {
                let id = *known.entry(text).or_insert_with(|| {
                    texts.push(text.as_str().into());
                    self.needed_by.push(Vec::new());
                    texts.len() - 1
                });
                self.needed_by[id].push(at);
            }
        }
        if !texts.is_empty() {
            self.texts = Some(TextIndex::new(texts, &frequencies));
        }
    }

    fn gather_rest(&mut self) {
        let rest = self.patterns.iter().enumerate().filter(|(_, entry)| entry.pattern.need.is_none());
        let (plain, fancy): (Vec<_>, Vec<_>) = rest.partition(|(_, entry)| entry.pattern.is_plain());
        let texts = plain.iter().map(|(_, entry)| &*entry.pattern.text);
        let set = regex::RegexSetBuilder::new(texts).size_limit(SET_LIMIT_BYTES).build();
        let places = |list: Vec<(usize, &Entry)>| list.into_iter().map(|(at, _)| at).collect::<Vec<_>>();
        let (plain, mut alone) = (places(plain), places(fancy));
        match set {
            Ok(set) if plain.len() > 1 => self.together = Some((set, plain)),
            // One pattern is no set, and too many of them are none either.
            _ => alone.extend(plain),
        }
        self.alone = alone;
    }

    pub(super) fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// The first pattern of a rule, in the order of the file, that matches.
    pub(super) fn first_match(&self, rule: usize, text: &str) -> Option<&Arc<str>> {
        let matches = |wanted: &&Arc<str>| {
            let mut entries = self.patterns.iter().filter(|entry| entry.rules.contains(&rule));
            entries.any(|entry| entry.pattern.text == **wanted && entry.pattern.is_match(text) == Ok(true))
        };
        self.rules.get(rule)?.regex.iter().find(matches)
    }

    /// The rules that match a response. `internal` says that the mail host made it up itself (semantics R5).
    pub(super) fn find(&self, text: &str, internal: bool) -> Hits {
        if internal && !self.any_internal {
            return Hits::default();
        }
        let mut search = Search::new(self, text, internal);
        if let Some(texts) = &self.texts {
            texts.each(text, |id, start| {
                for at in &self.needed_by[id] {
                    search.meet(*at, start);
                }
            });
            if has_folded(text) {
                search.attempt_all(&self.folding);
            }
        }
        search.attempt_all(&self.alone);
        if let Some((set, places)) = &self.together {
            for at in set.matches(text) {
                search.hit(places[at]);
            }
        }
        search.finish()
    }
}

/// One response on its way through the patterns.
struct Search<'m> {
    matcher: &'m Matcher,
    text: &'m str,
    internal: bool,
    /// The text in lower case as far as ASCII goes, once it is asked for.
    lower: Option<String>,
    /// Patterns that are done with.
    done: Seen,
    /// Rules that matched.
    hit: Seen,
    hits: Hits,
}

impl<'m> Search<'m> {
    fn new(matcher: &'m Matcher, text: &'m str, internal: bool) -> Self {
        let (done, hit, hits) = (Seen::default(), Seen::default(), Hits::default());
        Self { matcher, text, internal, lower: None, done, hit, hits }
    }

    /// A text that the pattern needs begins at `start`.
    fn meet(&mut self, at: usize, start: usize) {
        let Some(literal) = self.matcher.patterns[at].pattern.literal() else { return self.attempt(at) };
        let here = self.text.as_bytes().get(start..).unwrap_or_default();
        if here.starts_with(literal.as_bytes()) && self.done.insert(at, self.matcher.patterns.len()) {
            self.hit(at);
        }
    }

    fn attempt_all(&mut self, patterns: &[usize]) {
        for at in patterns {
            self.attempt(*at);
        }
    }

    fn attempt(&mut self, at: usize) {
        if !self.done.insert(at, self.matcher.patterns.len()) || !self.has_all_that_it_needs(at) {
            return;
        }
        match self.matcher.patterns[at].pattern.is_match(self.text) {
            Ok(false) => {}
            Ok(true) => self.hit(at),
            Err(Exceeded) => self.hits.exceeded.extend(relevant(self.matcher, at, self.internal)),
        }
    }

    /// Whether the response has, besides the text that led here, one of each further set that the pattern needs: asking that
    /// first is much cheaper than trying the pattern.
    fn has_all_that_it_needs(&mut self, at: usize) -> bool {
        let Some(need) = &self.matcher.patterns[at].pattern.need else { return true };
        if need.sets.len() < 2 || (need.folds && has_folded(self.text)) {
            return true;
        }
        let lower = self.lower.get_or_insert_with(|| self.text.to_ascii_lowercase());
        need.sets.iter().all(|set| set.iter().any(|text| lower.contains(text.as_str())))
    }

    fn hit(&mut self, at: usize) {
        for rule in relevant(self.matcher, at, self.internal) {
            if self.hit.insert(rule, self.matcher.rules.len()) {
                self.hits.matched.push(rule);
            }
        }
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

/// The rules of a pattern that look at such responses.
fn relevant(matcher: &Matcher, pattern: usize, internal: bool) -> impl Iterator<Item = usize> {
    matcher.patterns[pattern].rules.iter().copied().filter(move |rule| !internal || matcher.rules[*rule].match_internal)
}

/// A set of numbers below a bound.
#[derive(Default)]
struct Seen(Vec<u64>);

impl Seen {
    /// Whether it was not there yet.
    fn insert(&mut self, number: usize, bound: usize) -> bool {
        if self.0.is_empty() {
            self.0.resize(bound.div_ceil(64), 0);
        }
        let (word, bit) = (number / 64, 1 << (number % 64));
        let had = self.0[word] & bit != 0;
        self.0[word] |= bit;
        !had
    }

    fn contains(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Origin, RuleId, Scope, Trigger};
    use super::*;

    fn matcher(patterns: &[&str]) -> Matcher {
        let patterns: Vec<_> = patterns.iter().map(|text| Arc::new(Pattern::parse(text).unwrap())).collect();
        let rule = Rule {
            id: RuleId([1; 32]),
            scope: Scope::Default,
            regex: patterns.iter().map(|pattern| pattern.text.clone()).collect(),
            actions: vec![Action::Suspend],
            trigger: Trigger::Immediate,
            duration: std::time::Duration::from_secs(1),
            match_internal: false,
            origin: Origin { file: "a.toml".into(), line: 1, column: 1 },
        };
        Matcher::new(vec![(Arc::new(rule), &patterns)])
    }

    #[test]
    fn s6_patterns_without_texts_are_tried_together_when_there_are_several() {
        let together = matcher(&["4[25]1", "^5", "rate limit", "(?!x)4"]);
        assert_eq!(together.together.as_ref().map(|(_, places)| places.clone()), Some(vec![0, 1]));
        assert_eq!(together.alone, [3], "the bounded engine has no sets");
        let single = matcher(&["4[25]1", "rate limit", "(?!x)4"]);
        assert!(single.together.is_none());
        assert_eq!(single.alone, [2, 0]);
        for (matcher, text) in [(&together, "451"), (&together, "550"), (&single, "421"), (&single, "rate limit")] {
            assert_eq!(matcher.find(text, false).matched, [0], "{text}");
        }
    }

    #[test]
    fn s6_a_pattern_is_tried_only_where_all_that_it_needs_is_there() {
        let matcher = matcher(&["rate.*limit", "busy", "(?i)slow.*kilo"]);
        let has = |at: usize, text: &str| Search::new(&matcher, text, false).has_all_that_it_needs(at);
        assert!(has(0, "the Rate is at its LIMIT"));
        assert!(!has(0, "the rate is fine"), "one of two sets");
        assert!(!has(0, "the rate is high, \u{212a}"), "letters that fold are nothing to it");
        assert!(has(1, "nothing of it"), "its one text has been found before it is asked");
        assert!(has(2, "slow \u{212a}ilo"), "letters that fold to ASCII are not looked for");
        assert!(!has(2, "slow"));
    }

    #[test]
    fn s6_a_pattern_that_was_tried_is_not_tried_again() {
        let matcher = matcher(&["(?!x)busy.*full|busy"]);
        let mut search = Search::new(&matcher, "busy", false);
        search.attempt(0);
        search.hits.matched.clear();
        search.hit = Seen::default();
        search.attempt(0);
        assert!(search.hits.matched.is_empty());
    }
}
