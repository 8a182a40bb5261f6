//! What is said about blocks, and about values in them.

use super::*;

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
    for (limit, more) in [
        ("additional_connection_limits = {x = 5}", "additional_connection_limits = {x = 6}"),
        ("additional_message_rate_throttles = {x = '5/min'}", "additional_message_rate_throttles = {x = '5/s'}"),
        ("additional_source_selection_rates = {x = '5/min'}", "additional_source_selection_rates = {x = '6/min'}"),
        (
            "[provider.p.sources.s]\nprovider_source_selection_rate = '5/min'",
            "[provider.p.sources.s]\nprovider_source_selection_rate = '6/min'",
        ),
    ] {
        let file = |text| format!("[provider.p]\nmatch = [{{MXSuffix='.p.net'}}]\n{text}\n");
        let found = said(&[&file(limit), &file(more)]);
        assert!(found.len() == 1 && found[0].starts_with("option-weaker 2.toml:"), "{more}: {found:?}");
        assert_eq!(said(&[&file(more), &file(limit)]), [""; 0], "{more}");
    }
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

#[test]
fn r5_patterns_for_the_hosts_own_responses_need_match_internal() {
    let rule = |pattern: &str, more: &str| {
        let head = "['a.b']\nmx_rollup = false\n[['a.b'.automation]]\naction = 'Suspend'\nduration = '1h'\n";
        said(&[&format!("{head}regex = '{pattern}'\n{more}")])
    };
    let never = ["pattern-never-matches 1.toml:6:9"];
    for pattern in [r"^4\d\d (4\.\d\.\d )?KumoMTA internal: ", r"^451 4\.4\.1 KumoMTA internal: no route"] {
        assert_eq!(rule(pattern, ""), never, "{pattern}");
        assert_eq!(rule(pattern, "match_internal = true\n"), [""; 0], "{pattern}");
    }
    assert_eq!(rule("a report of KumoMTA internal: x", ""), [""; 0], "a provider may say so");
}
