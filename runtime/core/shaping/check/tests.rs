//! Whole files, and what is said about them.

mod block;

use std::sync::Arc;

use super::*;
use crate::shaping::{parse, parse_lossy, site_name};

fn checked(texts: &[&str]) -> Vec<Checked> {
    let read = |(at, text): (usize, &&str)| {
        let source = Source::new(&format!("{}.toml", at + 1), *text);
        let file = Arc::new(parse(&source).unwrap_or_else(|findings| panic!("{findings}")));
        Checked { source, file }
    };
    texts.iter().enumerate().map(read).collect()
}

fn owner(host: &str) -> String {
    let last: Vec<&str> = host.rsplitn(3, '.').take(2).collect();
    last.join(".")
}

fn look<'a>(files: &'a [Checked], change: impl FnOnce(&mut Input<'a>)) -> Vec<Finding> {
    let mut input =
        Input { files, complete: true, mx: None, responses: &[], has_source: None, owner: &owner, without_effect: &[] };
    change(&mut input);
    check(&input)
}

fn shown(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{} {}:{}", finding.code, finding.origin, finding.origin.column)).collect()
}

/// `CODE FILE:LINE:COLUMN` of all that is said about files named `1.toml`, `2.toml` and so on.
#[track_caller]
fn said(texts: &[&str]) -> Vec<String> {
    shown(&look(&checked(texts), |_| {}))
}

/// The codes of what is said about rules of one domain, each written as pattern, actions, trigger, duration.
#[track_caller]
fn said_of_rules(rules: &[(&str, &str, &str, &str)]) -> Vec<&'static str> {
    let rule = |(regex, action, trigger, duration): &(&str, &str, &str, &str)| {
        format!(
            "[['a.b'.automation]]\nregex = '{regex}'\naction = {action}\ntrigger = {trigger}\nduration = '{duration}'\n"
        )
    };
    let text: String = rules.iter().map(rule).collect();
    look(&checked(&[&text]), |_| {}).iter().map(|finding| finding.code).collect()
}

const NOW: &str = "'Immediate'";
const HOLD: &str = "'Suspend'";
const SLOW: &str = "{SetConfig={name='max_message_rate', value='1/min'}}";
const SLOWER: &str = "{SetConfig={name='max_message_rate', value='1/hr'}}";

#[test]
fn s5_a_copy_of_a_rule_leaves_it_nothing_to_do() {
    let rule = ("busy", HOLD, NOW, "1h");
    assert_eq!(said_of_rules(&[rule]), [""; 0]);
    assert_eq!(said_of_rules(&[rule, rule]), ["rule-shadowed"], "the later one");
}

#[test]
fn t2_a_rule_is_shadowed_by_one_that_acts_as_soon_and_lasts_as_long() {
    let wide = |trigger, duration| ("busy", HOLD, trigger, duration);
    let narrow = |trigger, duration| ("server busy", HOLD, trigger, duration);
    let (rare, often) = ("{Threshold='5/hr'}", "{Threshold='2/hr'}");
    for (one, other, expected) in [
        (wide(NOW, "2h"), narrow(NOW, "2h"), true),
        (wide(NOW, "2h"), narrow(rare, "1h"), true),
        (wide(often, "2h"), narrow(rare, "2h"), true),
        (wide(rare, "2h"), narrow(often, "2h"), false),
        (wide(often, "2h"), narrow(NOW, "2h"), false),
        (wide("{Threshold='2/10m'}", "2h"), narrow("{Threshold='2/hr'}", "2h"), false),
        (wide(NOW, "1h"), narrow(NOW, "2h"), false),
        (narrow(NOW, "1h"), wide(NOW, "2h"), true),
    ] {
        let codes: &[&str] = if expected { &["rule-shadowed"] } else { &[] };
        assert_eq!(said_of_rules(&[one, other]), codes, "{one:?} {other:?}");
        assert_eq!(said_of_rules(&[other, one]), codes, "the order changes nothing");
    }
}

#[test]
fn s1_a_rule_of_default_shadows_those_of_other_scopes() {
    let default = "[[default.automation]]\nregex = 'busy'\naction = 'Suspend'\nduration = '2h'\n";
    let provider = "[provider.p]\nmatch = [{MXSuffix='.p.net'}]\n[[provider.p.automation]]\nregex = 'server busy'\naction = 'Suspend'\nduration = '1h'\n";
    assert_eq!(said(&[default, provider]), ["rule-shadowed 2.toml:3:1"]);
    let other = provider.replace("'Suspend'", "'SuspendTenant'");
    assert_eq!(said(&[default, &other]), [""; 0]);
    let swapped = [&*provider.replace("server busy", "busy"), &*default.replace("busy", "server busy")];
    assert_eq!(said(&swapped), [""; 0], "what a provider does is not done for others");
}

#[test]
fn r5_a_rule_that_sees_internal_responses_is_not_shadowed_by_one_that_does_not() {
    let text = "[['a.b'.automation]]\nregex = 'busy'\naction = 'Suspend'\nduration = '2h'\n[['a.b'.automation]]\nregex = 'server busy'\naction = 'Suspend'\nduration = '2h'\nmatch_internal = true\n";
    assert_eq!(said(&[text]), [""; 0]);
}

#[test]
fn s6_known_responses_tell_where_nothing_can_be_proven() {
    let text = "[['a.b'.automation]]\nregex = 'busy'\naction = 'Suspend'\nduration = '2h'\n[['a.b'.automation]]\nregex = 'try later'\naction = 'Suspend'\nduration = '2h'\n";
    let files = checked(&[text]);
    let responses =
        ["busy, try later 1", "busy, try later 2", "busy, try later 3", "busy"].map(|text| format!("421 {text}"));
    let found = look(&files, |input| input.responses = &responses);
    assert_eq!(shown(&found), ["rule-shadowed 1.toml:5:1"]);
    assert!(
        found[0].message.ends_with("(judged by the 3 known responses that this one matches)"),
        "{}",
        found[0].message
    );
    assert_eq!(look(&files, |input| input.responses = &responses[1..]), [], "two tell too little");
    let contrary = [responses.as_slice(), &["421 try later".to_owned()]].concat();
    assert_eq!(look(&files, |input| input.responses = &contrary), []);
}

#[test]
fn a8_a_stricter_override_always_stands() {
    let (wide, narrow) = (("busy", SLOWER, NOW, "1h"), ("server busy", SLOW, NOW, "1h"));
    assert_eq!(said_of_rules(&[wide, narrow]), ["override-never-wins"]);
    assert_eq!(said_of_rules(&[("busy", SLOW, NOW, "1h"), ("server busy", SLOWER, NOW, "1h")]), [""; 0]);
    assert_eq!(said_of_rules(&[wide, ("server busy", SLOW, NOW, "2h")]), [""; 0]);
    let both = format!("[{SLOW}, {SLOWER}]");
    assert_eq!(said_of_rules(&[("busy", &both, NOW, "1h")]), ["override-never-wins"]);
    let limit = format!("[{SLOW}, {{SetConfig={{name='connection_limit', value=1}}}}]");
    assert_eq!(said_of_rules(&[("busy", &limit, NOW, "1h")]), [""; 0]);
}

#[test]
fn a1_a3_what_a_suspension_leaves_without_effect() {
    let both = format!("['Suspend', {SLOW}]");
    assert_eq!(said_of_rules(&[("busy", &both, NOW, "1h")]), ["action-without-effect"]);
    assert_eq!(said_of_rules(&[("busy", "['Suspend', 'SuspendTenant']", NOW, "1h")]), [""; 0]);
    assert_eq!(
        said_of_rules(&[("busy", "['SuspendTenant', 'SuspendCampaign']", NOW, "1h")]),
        ["action-without-effect"]
    );
    let slow = |duration| ("busy", SLOW, NOW, duration);
    let hold = |duration| ("server busy", HOLD, NOW, duration);
    assert_eq!(said_of_rules(&[slow("1h"), hold("2h")]), ["rule-contradicts"]);
    assert_eq!(said_of_rules(&[slow("3h"), hold("2h")]), [""; 0], "the override outlives the suspension");
    assert_eq!(
        said_of_rules(&[slow("1h"), ("server busy", HOLD, "{Threshold='9/hr'}", "2h")]),
        [""; 0],
        "first the one, then the other"
    );
    assert_eq!(said_of_rules(&[("busy", SLOW, NOW, "3h"), ("busy", HOLD, NOW, "2h")]), ["rule-same-pattern"]);
    assert_eq!(said_of_rules(&[("busy", HOLD, NOW, "1h"), ("full", SLOW, NOW, "1h")]), [""; 0]);
}

#[test]
fn a5_bouncing_needs_a_threshold() {
    for action in ["Bounce", "BounceTenant", "BounceCampaign"] {
        let action = format!("'{action}'");
        assert_eq!(said_of_rules(&[("gone", &action, NOW, "1h")]), ["bounce-without-threshold"]);
        assert_eq!(said_of_rules(&[("gone", &action, "{Threshold='3/hr'}", "1h")]), [""; 0]);
    }
}

#[test]
fn t2_thresholds_that_make_no_difference() {
    for (threshold, duration, expected) in [
        ("1/hr", "1h", true),
        ("2/hr", "30m", false),
        ("2/hr", "15m", false),
        ("2/hr", "14m", true),
        ("3/hr", "15m", false),
        ("2/day", "5m", true),
        ("100/day", "10m", false),
    ] {
        let trigger = format!("{{Threshold='{threshold}'}}");
        let codes: &[&str] = if expected { &["threshold-pointless"] } else { &[] };
        assert_eq!(said_of_rules(&[("busy", HOLD, &trigger, duration)]), codes, "{threshold} {duration}");
    }
}

#[test]
fn a7_what_can_be_read_of_files_with_errors_is_looked_at() {
    let read = |text: &str| {
        let source = Source::new("1.toml", text);
        let (file, errors) = parse_lossy(&source);
        (file.map(|file| Checked { source, file: Arc::new(file) }), errors)
    };
    let text = "[provider.p]\nmatch = [{MXSuffix = '.P.net'}]\nconection_limit = 5\n[[provider.p.automation]]\nregex = '^Too many'\naction = 'Suspend'\nduration = '1h'\n[[provider.p.automation]]\nregex = '('\naction = 'Suspend'\nduration = '1h'\n";
    let (file, errors) = read(text);
    assert_eq!(shown(&errors), ["unknown-option 1.toml:3:1", "bad-pattern 1.toml:9:9"]);
    let found = look(std::slice::from_ref(&file.unwrap()), |_| {});
    assert_eq!(shown(&found), ["match-never-fits 1.toml:2:22", "pattern-anchor 1.toml:5:9"]);
    let (none, errors) = read("[provider.p\n");
    assert!(none.is_none() && errors[0].code == "syntax", "{errors:?}");
}

#[test]
fn s6_patterns_with_look_around_or_beyond_ascii() {
    let codes = |pattern: &str| said_of_rules(&[(pattern, HOLD, NOW, "1h")]);
    assert_eq!(codes("^Too (?!few)many"), ["pattern-anchor", "pattern-slow"]);
    assert_eq!(codes(r"\\d (?!few)many"), ["pattern-escaped-twice", "pattern-slow"]);
    assert_eq!(codes("^421 (?!few)many"), ["pattern-slow"]);
    assert_eq!(codes("^Refusé"), ["pattern-anchor"]);
    assert_eq!(codes("refusé|拒否"), [""; 0]);
    assert_eq!(codes("(?m)^Too many"), ["pattern-anchor"]);
    let wide = ("refusé", HOLD, NOW, "2h");
    assert_eq!(said_of_rules(&[wide, ("messagerie refusée", HOLD, NOW, "1h")]), ["rule-shadowed"]);
    assert_eq!(said_of_rules(&[("refus", HOLD, NOW, "2h"), ("refusé", HOLD, NOW, "1h")]), ["rule-shadowed"]);
    assert_eq!(said_of_rules(&[wide, ("refus", HOLD, NOW, "1h")]), [""; 0]);
    let slow = ("^(?!.*internal).*RL000010", HOLD, NOW, "1h");
    assert_eq!(said_of_rules(&[("RL0000", HOLD, NOW, "2h"), slow]), ["rule-shadowed", "pattern-slow"]);
    assert_eq!(
        said_of_rules(&[("^(?!.*internal).*RL0000", HOLD, NOW, "2h"), ("RL000010", HOLD, NOW, "1h")]),
        ["pattern-slow"]
    );
}

#[test]
fn s6_a_slow_pattern_that_matches_all_known_responses_matches_all() {
    let text = "[['a.b'.automation]]\nregex = '^(?!.*nobody says this)'\naction = 'Suspend'\nduration = '2h'\n";
    let files = checked(&[text]);
    let responses: Vec<String> = (0..100).map(|number| format!("421 4.7.0 number {number}")).collect();
    let codes = |responses: &[String]| -> Vec<&str> {
        let input = Input {
            files: &files,
            complete: true,
            mx: None,
            responses,
            has_source: None,
            owner: &owner,
            without_effect: &[],
        };
        check(&input).iter().map(|finding| finding.code).collect()
    };
    assert_eq!(codes(&responses), ["pattern-matches-all", "pattern-slow"]);
    assert_eq!(codes(&responses[1..]), ["pattern-slow"], "a few tell too little");
}

#[test]
fn a5_bouncing_what_another_rule_holds() {
    let often = "{Threshold='3/hr'}";
    for (bounce, hold, expected) in [
        ("Bounce", "Suspend", true),
        ("Bounce", "SuspendTenant", true),
        ("BounceTenant", "SuspendTenant", true),
        ("BounceTenant", "Suspend", false),
    ] {
        let (bounce, hold) = (format!("'{bounce}'"), format!("'{hold}'"));
        let codes: &[&str] = if expected { &["rule-contradicts"] } else { &[] };
        assert_eq!(said_of_rules(&[("busy", &bounce, often, "1h"), ("server busy", &hold, often, "1h")]), codes);
        assert_eq!(said_of_rules(&[("busy", &hold, often, "1h"), ("server busy", &bounce, often, "1h")]), codes);
    }
    assert_eq!(
        said_of_rules(&[("gone", "'Bounce'", "{Threshold='1/hr'}", "1h")]),
        ["bounce-without-threshold", "threshold-pointless"],
        "one match is no threshold"
    );
}

#[test]
fn t2_each_rule_is_said_once_to_have_the_pattern_of_another() {
    let rules = ["1h", "2h", "3h"].map(|duration| ("busy", HOLD, NOW, duration));
    assert_eq!(said_of_rules(&rules), ["rule-shadowed"; 2], "what is shadowed is in no quarrel");
    let limit = |option: &str| format!("{{SetConfig={{name='{option}', value=1}}}}");
    let actions = ["connection_limit", "max_ready", "max_deliveries_per_connection"].map(limit);
    let rules: Vec<_> = actions.iter().map(|action| ("busy", action.as_str(), NOW, "1h")).collect();
    assert_eq!(said_of_rules(&rules), ["rule-same-pattern"; 2]);
}

#[test]
fn s6_the_patterns_of_one_rule_cover_together() {
    let rule = |regex: &str, duration: &str| {
        format!("[['a.b'.automation]]\nregex = {regex}\naction = 'Suspend'\nduration = '{duration}'\n")
    };
    let both = |one: &str, other: &str| said(&[&format!("{}{}", rule(one, "2h"), rule(other, "1h"))]);
    let shadowed = ["rule-shadowed 1.toml:5:1"];
    assert_eq!(both("['^4.* busy', '^5.* busy']", "'^[45]21 so busy'"), shadowed, "neither alone");
    assert_eq!(both("['^4.* busy', 'full']", "'^421 so busy'"), shadowed);
    assert_eq!(both("['^4.* busy', '^5.* full']", "'^[45]21 so busy'"), [""; 0]);
    assert_eq!(both("['^4.* busy', '^5.* refusé']", "['^421 so busy', '^550 est refusé']"), shadowed);
}
