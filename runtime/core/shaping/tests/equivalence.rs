//! The matcher finds what trying each pattern by itself finds (semantics S6).

use super::*;
use proptest::prelude::*;

/// Pieces of patterns and of texts alike, so that some texts match.
const WORDS: &[&str] = &["busy", "too many", "kiss", "full", "421 ", "größe", "Skilo", "ab", "x", "4.7.0"];

fn atom() -> impl Strategy<Value = String> {
    let words = prop::sample::select(WORDS).prop_map(regex::escape);
    let others = prop::sample::select(
        &[
            ".",
            r"\d",
            r"\w",
            r"\b",
            "^",
            "$",
            "[abk]",
            "[^b]",
            "[sS]",
            "(?i:kiss)",
            "(?i:busy)",
            ".*",
            r"\s",
            "é",
            "ſ",
            "",
        ][..],
    );
    prop_oneof![3 => words, 2 => others.prop_map(str::to_owned)]
}

/// Patterns of the linear engine.
fn plain() -> impl Strategy<Value = String> {
    atom().prop_recursive(3, 12, 3, |inner| {
        let many = |range| prop::collection::vec(inner.clone(), range);
        let count = prop::sample::select(&["?", "*", "+", "{2}", "{1,3}", "{0,2}", "+?"][..]);
        prop_oneof![
            4 => many(1..4).prop_map(|parts| parts.concat()),
            2 => many(2..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            1 => (inner.clone(), count).prop_map(|(part, count)| format!("(?:{part}){count}")),
            1 => inner.clone().prop_map(|part| format!("({part})")),
            1 => inner.prop_map(|part| format!("(?i:{part})")),
        ]
    })
}

/// Patterns of either engine.
fn pattern() -> impl Strategy<Value = String> {
    let look = prop::sample::select(&["(?!", "(?=", "(?<!x)(?:", "(?>"][..]);
    prop_oneof![
        4 => plain(),
        1 => plain().prop_map(|part| format!("(?i){part}")),
        1 => (plain(), look, plain(), plain()).prop_map(|(before, look, inside, after)| format!("{before}{look}{inside}){after}")),
        1 => (plain(), plain()).prop_map(|(part, after)| format!("({part})x?\\1{after}")),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let other = prop::sample::select(
        &["S", "K", "ſ", "\u{212a}", "BUSY", "Full", "kisS", " ", "é", "É", "GRÖSSE", "7", "FULL", "ki\u{17f}\u{17f}"]
            [..],
    );
    prop::collection::vec(prop_oneof![prop::sample::select(WORDS), other], 0..8).prop_map(|parts| parts.concat())
}

/// `None` when the pattern does not compile or is given up on the text.
fn naive(pattern: &str, text: &str) -> Option<bool> {
    match regex::Regex::new(pattern) {
        Ok(regex) => Some(regex.is_match(text)),
        Err(_) => fancy_regex::Regex::new(pattern).ok()?.is_match(text).ok(),
    }
}

fn compiles(pattern: &str) -> bool {
    naive(pattern, "").is_some()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s6_one_pass_finds_what_each_pattern_finds(
        patterns in prop::collection::vec(pattern().prop_filter("it compiles", |p| compiles(p)), 1..6),
        texts in prop::collection::vec(text(), 1..6),
    ) {
        let rules = patterns.iter().enumerate().map(|(n, pattern)| {
            serde_json::json!({"regex": pattern, "action": "Suspend", "duration": n + 1})
        });
        let file = serde_json::json!({"default": {"automation": rules.collect::<Vec<_>>()}});
        let file = parse(&Source::new("p.json", file.to_string())).unwrap();
        let shaping = Shaping::merge(&[Arc::new(file)], &mx, &LoadOptions::default()).unwrap();
        for text in &texts {
            let matches = shaping.matches("a.com", "", text, false);
            let found: Vec<u64> = matches.matched.iter().map(|m| m.rule.duration.as_secs()).collect();
            let given_up: Vec<u64> = matches.exceeded.iter().map(|rule| rule.duration.as_secs()).collect();
            for (at, pattern) in (1..).zip(&patterns) {
                if given_up.contains(&at) {
                    continue;
                }
                if let Some(expected) = naive(pattern, text) {
                    prop_assert_eq!(found.contains(&at), expected, "{:?} on {:?}", pattern, text);
                }
            }
        }
    }
}
