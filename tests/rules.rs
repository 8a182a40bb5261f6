//! The default rules against the quickstart's responses: every pattern earns its place, and no two rules of a scope answer
//! the same response.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;

struct Rule {
    scope: String,
    patterns: Vec<Regex>,
    action: String,
    threshold: Option<String>,
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// Provider and response, as one line.
fn responses() -> Vec<(String, String)> {
    read("examples/quickstart/responses.tsv")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<_> = line.split('\t').collect();
            let [provider, code, text] = columns[..] else { panic!("three columns: {line}") };
            assert!(code.len() == 3 && code.parse::<u16>().is_ok(), "a code: {line}");
            (provider.to_owned(), format!("{code} {text}"))
        })
        .collect()
}

fn strings(value: &toml::Value) -> Vec<String> {
    let one = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    value.as_array().map_or_else(|| vec![one(value)], |list| list.iter().map(one).collect())
}

fn rules_of(scope: &str, block: &toml::Value) -> Vec<Rule> {
    let rules = block.get("automation").and_then(toml::Value::as_array);
    rules.into_iter().flatten().map(|rule| rule_of(scope, rule)).collect()
}

fn rule_of(scope: &str, rule: &toml::Value) -> Rule {
    let threshold = rule.get("trigger").map(|t| t["Threshold"].as_str().unwrap().to_owned());
    Rule {
        scope: scope.to_owned(),
        patterns: strings(&rule["regex"]).iter().map(|p| Regex::new(p).unwrap()).collect(),
        action: strings(&rule["action"]).join(" "),
        threshold,
    }
}

fn rules(files: &[&str]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for file in files {
        let file: toml::Value = toml::from_str(&read(file)).unwrap();
        rules.extend(file.get("default").iter().flat_map(|block| rules_of("default", block)));
        for (name, block) in file["provider"].as_table().unwrap() {
            rules.extend(rules_of(name, block));
        }
    }
    rules
}

const DEFAULT: &str = "policy-extras/shaping.toml";
const QUICKSTART: &str = "examples/quickstart/shaping.toml";

#[test]
fn every_pattern_of_the_default_rules_matches_a_response() {
    let responses = responses();
    for rule in rules(&[DEFAULT, QUICKSTART]) {
        for pattern in &rule.patterns {
            let in_scope = |provider: &str| rule.scope == "default" || rule.scope == provider;
            let hit = responses.iter().any(|(provider, text)| in_scope(provider) && pattern.is_match(text));
            assert!(hit, "`{pattern}` of {} matches no response of the quickstart", rule.scope);
        }
    }
}

#[test]
fn no_response_is_answered_by_two_rules() {
    let rules = rules(&[DEFAULT, QUICKSTART]);
    for (provider, text) in responses() {
        let hits: Vec<_> = rules
            .iter()
            .filter(|rule| rule.scope == "default" || rule.scope == provider)
            .filter(|rule| rule.patterns.iter().any(|pattern| pattern.is_match(&text)))
            .map(|rule| format!("{}: {}", rule.scope, rule.patterns[0]))
            .collect();
        assert!(hits.len() < 2, "{provider}: {text}: {hits:?}");
    }
}

#[test]
fn every_default_rule_waits_for_a_threshold_and_none_bounces() {
    for rule in rules(&[DEFAULT]) {
        assert!(rule.threshold.is_some(), "{}: {}", rule.scope, rule.patterns[0]);
        assert!(!rule.action.contains("Bounce"), "{}: {}", rule.scope, rule.patterns[0]);
    }
}

#[test]
fn delivered_mail_sets_off_no_rule_and_every_provider_delivers() {
    let rules = rules(&[DEFAULT, QUICKSTART]);
    let responses = responses();
    for (provider, text) in responses.iter().filter(|(_, text)| text.starts_with("250 ")) {
        assert!(!rules.iter().flat_map(|rule| &rule.patterns).any(|p| p.is_match(text)), "{provider}: {text}");
    }
    let all: BTreeSet<_> = responses.iter().map(|(provider, _)| provider).collect();
    let delivering: BTreeSet<_> = responses.iter().filter(|(_, t)| t.starts_with("250 ")).map(|(p, _)| p).collect();
    assert_eq!(all, delivering);
}
