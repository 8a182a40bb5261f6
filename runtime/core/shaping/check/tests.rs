//! Whole files, and what is said about them.

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
fn a9_overrides_that_loosen_are_found_for_each_path() {
    let rule = |block: &str, value: &str| {
        format!(
            "[[{block}.automation]]\nregex = 'busy'\naction = {{SetConfig={{name='connection_limit', value={value}}}}}\nduration = '1h'\n"
        )
    };
    let files = "[default]\nconnection_limit = 10\n[provider.p]\nmatch = [{MXSuffix='.p.net'}]\nconnection_limit = 3\n['a.b']\nmx_rollup = false\n['a.b'.sources.s]\nconnection_limit = 2\n";
    let messages = |block: &str, value: &str| -> Vec<String> {
        let files = checked(&[files, &rule(block, value)]);
        look(&files, |_| {}).into_iter().map(|finding| format!("{} {}", finding.code, finding.message)).collect()
    };
    let loosens = |whom: &str, to: &str, was: &str, line: u32| {
        format!("override-loosens this override loosens `connection_limit`{whom}: {to} instead of {was}, 1.toml:{line}")
    };
    assert_eq!(messages("default", "11"), [loosens("", "11", "10", 2)]);
    assert_eq!(messages("default", "5"), [loosens(" of provider `p`", "5", "3", 5)]);
    assert_eq!(messages("default", "1"), [""; 0]);
    assert_eq!(messages("provider.p", "4"), [loosens("", "4", "3", 5)]);
    assert_eq!(messages("'a.b'", "11"), [loosens("", "11", "10", 2)]);
    assert_eq!(messages("'a.b'", "5"), [loosens(" of source `s`", "5", "2", 9)]);
    assert_eq!(
        messages("provider.p", "3"),
        ["override-changes-nothing this override changes nothing: `connection_limit` is 3 already, by 1.toml:5"]
    );
    let alone = checked(&[&rule("'a.b'", "33")]);
    let found = look(&alone, |_| {});
    assert_eq!(
        found[0].message,
        "this override loosens `connection_limit`: 33 instead of 32, the default of the option"
    );
}

#[test]
fn s7_later_files_that_change_nothing_or_allow_more() {
    let first = "[provider.p]\nmatch = [{MXSuffix='.p.net'}]\nprovider_connection_limit = 5\nenable_tls = 'Required'\nmax_ready = 10\n[provider.p.sources.s]\nmax_message_rate = '5/min'\n";
    let second = "[provider.p]\nprovider_connection_limit = 6\nenable_tls = 'Opportunistic'\nmax_ready = 10\n[provider.p.sources.s]\nmax_message_rate = '5/s'\n";
    assert_eq!(
        said(&[first, second]),
        [
            "option-weaker 2.toml:2:1",
            "option-weaker 2.toml:3:1",
            "option-changes-nothing 2.toml:4:1",
            "option-weaker 2.toml:6:1"
        ]
    );
    assert_eq!(said(&[second, first]), ["option-changes-nothing 2.toml:5:1"], "stricter is what files are for");
    let replaced =
        second.replace("[provider.p]\n", "[provider.p]\nreplace_base = true\nmatch = [{MXSuffix='.p.net'}]\n");
    assert_eq!(said(&[first, &replaced]), [""; 0]);
    let tables = [
        "['a.b']\nadditional_connection_limits = {x = 1, y = 2}\n",
        "['a.b']\nadditional_connection_limits = {y = 2, z = 3}\n",
    ];
    assert_eq!(said(&tables), ["option-changes-nothing 2.toml:2:33"]);
}

#[test]
fn s7_replace_base_keeps_what_it_repeats() {
    let rule = "[['a.b'.automation]]\nregex = 'busy'\naction = 'Suspend'\nduration = '1h'\n";
    let replacing = "['a.b']\nreplace_base = true\n";
    assert_eq!(said(&[rule, replacing]), ["replace-base-drops-rules 2.toml:1:2"]);
    assert_eq!(said(&[rule, &format!("{replacing}{rule}")]), [""; 0]);
    assert_eq!(said(&[replacing, rule]), [""; 0]);
}

#[test]
fn s3_entries_of_match() {
    for (entry, code) in [
        ("MXSuffix='.p.net'", ""),
        ("MXSuffix='p.net'", ""),
        ("MXSuffix='.p.net.'", "match-never-fits"),
        ("MXSuffix='.P.net'", "match-never-fits"),
        ("MXSuffix='*.p.net'", "match-never-fits"),
        ("MXSuffix='.p..net'", "match-never-fits"),
        ("MXSuffix='.p net'", "match-never-fits"),
        ("MXSuffix=''", "match-fits-all"),
        ("DomainSuffix=''", "match-fits-all"),
        ("DomainSuffix='.Example.com'", "match-never-fits"),
        ("HostName='.p.net'", "match-never-fits"),
        ("HostName=''", "match-never-fits"),
        ("HostName='mx.p.net'", ""),
    ] {
        let found = said(&[&format!("[provider.p]\nmatch = [{{{entry}}}]\n")]);
        let codes: Vec<&str> = found.iter().map(|text| text.split(' ').next().unwrap()).collect();
        let expected: &[&str] = if code.is_empty() { &[] } else { &[code] };
        assert_eq!(codes, expected, "{entry}");
    }
    assert_eq!(
        said(&["[provider.p]\nmax_ready = 1\n", "[provider.p]\nmatch = [{MXSuffix='.p.net'}]\n"]),
        [""; 0],
        "in any file"
    );
}

#[test]
fn s3_host_names_that_a_site_name_does_not_tell() {
    let provider = |names: &[&str]| {
        let entries: Vec<String> = names.iter().map(|name| format!("{{HostName='{name}'}}")).collect();
        format!("[provider.p]\nmatch = [{}]\n", entries.join(", "))
    };
    assert_eq!(said(&[&provider(&["mx1.a.p.net", "mx2.b.p.net"])]), ["host-name-untold 1.toml:2:20"]);
    assert_eq!(said(&[&provider(&["mx1.a.p.net", "mx2.a.p.net"])]), [""; 0]);
    assert_eq!(said(&[&provider(&["mx1.p.net", "mail.q.org"])]), [""; 0], "they belong to different people");
    let text = format!("{}['a.com']\n", provider(&["mx1.p.net", "mail.q.net"]));
    let files = checked(&[&text]);
    let hosts = ["mx1.p.net", "mail.q.net"];
    let mx = |_: &str| Mx::Site { name: site_name(&hosts), hosts: hosts.map(str::to_owned).to_vec() };
    let found = look(&files, |input| input.mx = Some(&mx));
    assert_eq!(shown(&found), ["host-name-untold 1.toml:2:20", "rollup-covered 1.toml:3:2"]);
}

#[test]
fn s4_names_that_can_never_roll_up() {
    assert_eq!(said(&["['http://h:8008.tsa.kumomta']\n"]), ["rollup-unresolved 1.toml:1:2"]);
    assert_eq!(said(&["['http://h:8008.tsa.kumomta']\nmx_rollup = false\n['a.b:2525']\n['[10.0.0.1]']\n"]), [""; 0]);
}

#[test]
fn s3_a_domain_that_a_provider_covers_by_its_name() {
    let provider = "[provider.p]\nmatch = [{DomainSuffix='.p.net'}]\n";
    assert_eq!(said(&[provider, "['a.p.net']\n['b.q.net']\n"]), ["rollup-covered 2.toml:1:2"]);
    assert_eq!(said(&[provider, "['a.p.net']\nmx_rollup = false\n"]), [""; 0]);
}

#[test]
fn s7_sources_and_options_that_nobody_looks_at() {
    let files = checked(&[
        "[default.sources.s]\nmax_ready = 1\n['a.b']\nenable_dane = true\nenable_mta_sts = false\n['a.b'.sources.t]\nmax_ready = 1\n",
    ]);
    let has = |name: &str| name == "s";
    let found = look(&files, |input| {
        input.has_source = Some(&has);
        input.without_effect = &[("enable_dane", "no TLSA"), ("enable_mta_sts", "no policies")];
    });
    let expected =
        ["option-without-effect 1.toml:1:18", "option-without-effect 1.toml:4:1", "unknown-source 1.toml:6:16"];
    assert_eq!(shown(&found), expected);
}

#[test]
fn o4_what_a_daemon_generated_is_passed_over() {
    let generated = "# Generated by tsa-daemon\n# Number of entries: 1\n[\"a.b\"]\nmx_rollup = false\n[\"a.b\".sources.\"s\"]\nconnection_limit = 1\n";
    assert_eq!(said(&["['a.b']\nmx_rollup = false\n['a.b'.sources.s]\nconnection_limit = 1\n", generated]), [""; 0]);
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
fn s3_a_match_that_cannot_be_read_is_not_said_to_be_missing() {
    let said = |text: &str, complete| {
        let source = Source::new("1.toml", text);
        let file = parse_lossy(&source).0.unwrap();
        let files = [Checked { source, file: Arc::new(file) }];
        shown(&look(&files, |input| input.complete = complete))
    };
    let bare = "[provider.p]\nmax_ready = 1\n";
    assert_eq!(said(bare, true), ["provider-without-match 1.toml:1:11"]);
    assert_eq!(said(bare, false), [""; 0], "another file may have it");
    assert_eq!(said("[provider.p]\nmatch = [{MxSuffix = '.p.net'}]\n", true), [""; 0]);
    assert_eq!(said("[provider.p]\nmatch = []\n", true), ["provider-without-match 1.toml:1:11"]);
}

#[test]
fn s7_replace_base_drops_the_match_of_a_provider() {
    let first = "[provider.p]\nmatch = [{MXSuffix = '.p.net'}]\n";
    let files = checked(&[first, "[provider.p]\nreplace_base = true\nmax_ready = 1\n"]);
    let found = look(&files, |_| {});
    assert_eq!(shown(&found), ["provider-without-match 2.toml:1:11"]);
    assert!(found[0].message.starts_with("`replace_base` of provider `p` drops its `match`"), "{}", found[0].message);
    assert_eq!(found[0].help.as_deref(), Some("give it again, as in `match = [{MXSuffix = \".p.net\"}]`"));
}

#[test]
fn s3_a_provider_without_match_may_be_another_one_misspelled() {
    let help = |name: &str| {
        let text = format!(
            "[provider.google]\nmatch = [{{MXSuffix = '.g.net'}}]\n[provider.yahoo]\nmatch = [{{MXSuffix = '.y.net'}}]\n[provider.{name}]\nmax_ready = 1\n"
        );
        look(&checked(&[&text]), |_| {})[0].help.clone().unwrap()
    };
    assert!(help("gogle").ends_with("or use the name of one that has it: `google`"), "{}", help("gogle"));
    assert!(help("mail").ends_with("or use the name of one that has it: `google`, `yahoo`"), "{}", help("mail"));
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
fn s7_values_that_say_the_same_in_other_words() {
    let with = |text: &str| format!("['a.b']\nmx_rollup = false\n{text}\n");
    let both = |one: &str, other: &str| said(&[&with(one), &with(other)]);
    assert_eq!(both("idle_timeout = '60s'", "idle_timeout = '1m'"), ["option-changes-nothing 2.toml:3:1"]);
    assert_eq!(both("idle_timeout = '60s'", "idle_timeout = '2m'"), [""; 0]);
    assert_eq!(both("max_message_rate = '60/min'", "max_message_rate = '1/s'"), [""; 0], "the burst differs");
}

#[test]
fn a9_an_override_that_gives_up_tls() {
    let rule = |value: &str| {
        format!(
            "[['a.b'.automation]]\nregex = 'TLS'\naction = {{SetConfig={{name='enable_tls', value='{value}'}}}}\nduration = '1h'\n"
        )
    };
    let files = |was: &str, to: &str| said(&[&format!("['a.b']\nenable_tls = '{was}'\n"), &rule(to)]);
    assert_eq!(files("Required", "Opportunistic"), ["override-loosens 2.toml:3:10"]);
    assert_eq!(files("RequiredInsecure", "Disabled"), ["override-loosens 2.toml:3:10"]);
    assert_eq!(files("Opportunistic", "Disabled"), [""; 0]);
    assert_eq!(files("Opportunistic", "Required"), [""; 0]);
}
