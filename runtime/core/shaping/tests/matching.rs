//! How a response finds its rules (semantics S1, S3, S6, R5, A3).

use super::*;

fn rule(block: &str, regex: &str) -> String {
    format!("[[{block}.automation]]\nregex={regex}\naction='Suspend'\nduration='1h'\n")
}

/// Scope and flag of each match.
fn found(shaping: &Shaping, domain: &str, site: &str, text: &str) -> Vec<(String, bool)> {
    let matches = shaping.matches(domain, site, text, false);
    assert!(matches.exceeded.is_empty());
    matches.matched.iter().map(|m| (m.rule.scope.to_string(), m.rolled)).collect()
}

#[test]
fn s1_s3_a3_every_scope_that_applies_is_looked_at() {
    let text: String = ["default", "provider.mx", "provider.domain", "provider.both", "'a.com'", "'c.com'", "'d.com'"]
        .iter()
        .map(|block| rule(block, "'busy'"))
        .collect();
    let blocks = "['c.com']\nmx_rollup=false\n[provider.mx]\nmatch=[{MXSuffix='.shared.net'}]\n\
                  [provider.domain]\nmatch=[{DomainSuffix='c.com'}]\n[provider.both]\nmatch=[{DomainSuffix='c.com'},{MXSuffix='.shared.net'}]\n\
                  [provider.bare]\nmatch=[{DomainSuffix='c.com'}]\n";
    let shaping = merged(&[blocks, &format!("{text}['c.com']\nmx_rollup=false")]);
    let scope = |name: &str, rolled| (name.to_owned(), rolled);
    assert_eq!(
        found(&shaping, "C.com", "(mx1|mx2).shared.net", "421 busy"),
        [
            scope("default", true),
            scope("provider:mx", true),
            scope("provider:domain", false),
            scope("provider:both", true),
            scope("site:(mx1|mx2).shared.net", true),
            scope("domain:c.com", false),
        ]
    );
    assert_eq!(
        found(&shaping, "c.com", "mx.x.org", "421 busy"),
        [
            scope("default", true),
            scope("provider:domain", false),
            scope("provider:both", false),
            scope("domain:c.com", false)
        ]
    );
    assert_eq!(found(&shaping, "x.org", "mx.x.org", "421 busy"), [scope("default", true)]);
    assert_eq!(found(&shaping, "x.org", "(mx1|mx2).d.com", "busy").len(), 2);
    assert_eq!(found(&shaping, "c.com", "(mx1|mx2).shared.net", "421 Busy"), []);
    assert_eq!(found(&shaping, "http://c.com", "mx.shared.net", "busy"), [scope("default", true)], "no DNS name");
}

#[test]
fn s6_a_rule_with_several_patterns_matches_once() {
    let text = rule("default", "['busy', 'full', 'b.sy', 'x', 'y+', '(?=b)busy']") + &rule("default", "['full', 'z']");
    let shaping = merged(&[&text]);
    assert_eq!(found(&shaping, "a.com", "", "busy full xyy").len(), 2);
    assert_eq!(found(&shaping, "a.com", "", "busy").len(), 1);
    assert_eq!(found(&shaping, "a.com", "", "x").len(), 1);
    assert_eq!(found(&shaping, "a.com", "", "z").len(), 1);
    assert_eq!(found(&shaping, "a.com", "", "a"), []);
    assert_eq!(found(&shaping, "a.com", "", "Busy BUSY fulL busy").len(), 1, "the right case may come later");
}

#[test]
fn s6_rules_come_in_the_order_of_the_file() {
    let text: String =
        ["'gamma'", "'a'", "'beta'", "'alpha'", "'b'"].iter().map(|regex| rule("default", regex)).collect();
    let shaping = merged(&[&text]);
    let matches = shaping.matches("a.com", "", "alpha beta gamma", false);
    let lines: Vec<u32> = matches.matched.iter().map(|m| m.rule.origin.line).collect();
    assert_eq!(lines, [1, 5, 9, 13, 17]);
}

#[test]
fn s6_many_rules_of_all_sorts() {
    let many: String = (0..200).map(|n| rule("default", &format!("['word{n}!', '{n}$', '(?!x)look{n}!']"))).collect();
    let shaping = merged(&[&many]);
    let lines = |text: &str| -> Vec<u32> {
        shaping.matches("a.com", "", text, false).matched.iter().map(|m| (m.rule.origin.line - 1) / 4).collect()
    };
    assert_eq!(lines("word7! and word130! and look64! at 9"), [7, 9, 64, 130]);
    assert_eq!(lines("word"), [0; 0]);
    assert_eq!(lines("63 word65! 64"), [4, 64, 65]);
}

#[test]
fn s6_letters_that_fold_to_ascii_are_not_missed() {
    let shaping =
        merged(&[&(rule("default", "'(?i)busy'") + &rule("default", "'(?i)kilo'") + &rule("default", "'busy'"))]);
    assert_eq!(found(&shaping, "a.com", "", "bu\u{17f}y").len(), 1);
    assert_eq!(found(&shaping, "a.com", "", "\u{212a}ILO busy").len(), 3);
}

#[test]
fn s6_a_pattern_that_is_given_up_is_said() {
    let heavy = "'^(?:(a|b|ab)(?=a|b|c))*c'";
    let text = rule("default", heavy)
        + &rule("default", &format!("[{heavy}, 'abab']"))
        + &rule("default", &format!("[{heavy}, 'never', '^(?:(a|b|ab)(?=a|b|c|d))*c']"))
        + &rule("'c.com'", "'abab'");
    let shaping = merged(&[&text]);
    let response = format!("{}!", "ab".repeat(40));
    let matches = shaping.matches("a.com", "", &response, false);
    let lines = |rules: Vec<&Arc<Rule>>| rules.iter().map(|rule| rule.origin.line).collect::<Vec<_>>();
    assert_eq!(lines(matches.matched.iter().map(|m| m.rule).collect()), [5]);
    assert_eq!(lines(matches.exceeded), [1, 9], "each once, and none that matched otherwise");
}

#[test]
fn r5_the_hosts_own_responses_match_only_rules_that_ask_for_them() {
    let internal = |regex: &str| rule("default", regex) + "match_internal=true\n";
    let text = rule("default", "'busy'") + &internal("['busy', '(?=b)busy']") + &rule("'a.com'", "'busy'");
    let shaping = merged(&[&text]);
    let site = "(mx1|mx2).shared.net";
    let lines = |internal: bool| -> Vec<u32> {
        let matches = shaping.matches("a.com", site, "451 4.4.4 KumoMTA internal: busy", internal);
        matches.matched.iter().map(|m| m.rule.origin.line).collect()
    };
    assert_eq!(lines(false), [1, 5, 10]);
    assert_eq!(lines(true), [5]);
    let heavy = "'^(?:(a|b|ab)(?=a|b|c))*c'";
    let shaping = merged(&[&(rule("default", heavy) + &internal(&format!("[{heavy}, 'x']")))]);
    let response = format!("{}!", "ab".repeat(40));
    assert_eq!(shaping.matches("a.com", "", &response, true).exceeded.len(), 1);
    assert_eq!(shaping.matches("a.com", "", &response, false).exceeded.len(), 2);
}

#[test]
fn s6_patterns_too_large_to_be_tried_together_are_tried_alone() {
    let regexes: Vec<String> = (0..8).map(|n| format!(r"'\d{{100}}{n}?$|^{n}+$'")).collect();
    let text: String = regexes.iter().map(|regex| rule("default", regex)).collect();
    let shaping = merged(&[&text]);
    let lines: Vec<u32> =
        shaping.matches("a.com", "", "333", false).matched.iter().map(|m| m.rule.origin.line).collect();
    assert_eq!(lines, [13]);
}
