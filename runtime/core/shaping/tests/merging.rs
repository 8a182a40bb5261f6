//! Several files laid over each other (interface D.4, semantics S4, S5, S7).

use super::*;
use serde_json::json;

const RULE: &str = "regex='busy'\naction='Suspend'\nduration='1h'\n";

fn path(shaping: &Shaping, domain: &str, source: &str) -> serde_json::Value {
    let Mx::Site { name, .. } = mx(domain) else { panic!("{domain} has no site") };
    shaping.egress_path(domain, source, &name, None).to_json().into()
}

#[test]
fn s7_later_files_win_key_by_key() {
    let shaping = merged(&[
        "[default]\nmax_ready=1\nidle_timeout='1s'\n['a.com']\nsmtp_port=1\nadditional_connection_limits={x=1,y=1}\n\
         ['a.com'.sources.s]\nconnection_limit=1\ndata_timeout='1s'\n['a.com'.sources.only1]\nconnection_limit=7",
        "[default]\nmax_ready=2\n['A.com']\nadditional_connection_limits={y=2,z=2}\nehlo_domain='h'\n\
         ['a.com'.sources.s]\nconnection_limit=2\n['a.com'.sources.only2]\nconnection_limit=8",
    ]);
    assert_eq!(
        path(&shaping, "a.com", "s"),
        json!({
            "max_ready": 2, "idle_timeout": "1s", "smtp_port": 1, "additional_connection_limits": {"x": 1, "y": 2, "z": 2},
            "ehlo_domain": "h", "connection_limit": 2, "data_timeout": "1s"
        })
    );
    assert_eq!(path(&shaping, "b.com", "only1")["connection_limit"], 7, "b.com has the same hosts");
    assert_eq!(path(&shaping, "a.com", "only2")["connection_limit"], 8);
    let limit = shaping.egress_path("a.com", "s", "(mx1|mx2).shared.net", None);
    let limit = limit.get("connection_limit").unwrap();
    assert_eq!(
        (limit.origin.to_string(), limit.overrode[0].origin.to_string()),
        ("2.toml:7".into(), "1.toml:8".into())
    );
    assert_eq!(
        shaping.referenced_sources(),
        [("s", "site"), ("only1", "site"), ("only2", "site")]
            .map(|(source, kind)| (source.to_owned(), vec![format!("{kind}:(mx1|mx2).shared.net")]))
            .into()
    );
}

#[test]
fn s7_providers_merge_and_the_later_rates_win() {
    let shaping = merged(&[
        "[provider.p]\nmatch=[{MXSuffix='.one'}]\nprovider_connection_limit=1\nprovider_max_message_rate='1/s'\nmax_ready=1\n\
         [provider.p.sources.s]\nprovider_source_selection_rate='1/s'\n[provider.q]\nmatch=[{DomainSuffix='.q'}]",
        "[provider.p]\nmatch=[{DomainSuffix='two.org'}, {HostName='mx.three'}]\nprovider_max_message_rate='2/s'\nsmtp_port=2\n\
         [provider.p.sources.s]\nprovider_source_selection_rate='2/s'",
    ]);
    let path = |domain: &str, site: &str| shaping.egress_path(domain, "s", site, None).to_json();
    let got = path("x.com", "mx.one");
    assert_eq!(
        serde_json::Value::Object(got),
        json!({
            "max_ready": 1, "smtp_port": 2, "provider_name": "p",
            "additional_connection_limits": {"shaping-provider-p-s-limit": 1},
            "additional_message_rate_throttles": {"shaping-provider-p-s-rate": "2/s"},
            "additional_source_selection_rates": {"shaping-provider-p-s-selection-rate": "2/s"},
        })
    );
    assert_eq!(path("two.org", "mx.x")["provider_name"], "p");
    assert_eq!(path("x.com", "mx.three")["provider_name"], "p");
    let rate = shaping.egress_path("x.com", "s", "mx.one", None);
    let (_, rate) = &rate.get("additional_message_rate_throttles").unwrap().entries[0];
    assert_eq!(rate.overrode[0].value, "1/s");
}

#[test]
fn s7_replace_base_in_a_later_file_replaces_the_block() {
    let first = format!(
        "[default]\nmax_ready=1\n[provider.p]\nmatch=[{{MXSuffix='.one'}}]\nprovider_connection_limit=1\nprovider_max_message_rate='1/s'\nidle_timeout='1s'\n\
         ['c.com']\nmx_rollup=false\nsmtp_port=1\n['c.com'.sources.s]\nconnection_limit=1\n[['c.com'.automation]]\n{RULE}"
    );
    let shaping = merged(&[
        &first,
        "[provider.p]\nreplace_base=true\nmatch=[{MXSuffix='.two'}]\n['c.com']\nmx_rollup=false\nreplace_base=true\nehlo_domain='h'",
    ]);
    let got = shaping.egress_path("c.com", "s", "mx.x", None).to_json();
    assert_eq!(
        serde_json::Value::Object(got),
        json!({"max_ready": 1, "ehlo_domain": "h"}),
        "the first flag holds in lookups"
    );
    assert_eq!(shaping.rules().len(), 0);
    let got = |site: &str| serde_json::Value::Object(shaping.egress_path("x.com", "s", site, None).to_json());
    assert_eq!(got("mx.one"), json!({"max_ready": 1}));
    assert_eq!(got("mx.two"), json!({"max_ready": 1, "provider_name": "p"}));
    let kept = merged(&[
        "['c.com']\nmx_rollup=false\nreplace_base=true\nsmtp_port=1",
        "[default]\nmax_ready=1\n['c.com']\nmx_rollup=false\nehlo_domain='h'",
    ]);
    let got = kept.egress_path("c.com", "s", "mx.x", None).to_json();
    assert_eq!(
        serde_json::Value::Object(got),
        json!({"smtp_port": 1, "ehlo_domain": "h"}),
        "the flag of the first definition stays"
    );
    let default = merged(&["[default]\nmax_ready=1", "[default]\nreplace_base=true\nsmtp_port=1"]);
    assert_eq!(path(&default, "x.com", "s"), json!({"smtp_port": 1}));
}

#[test]
fn s5_identical_rules_of_a_scope_are_one() {
    let one = format!("[['a.com'.automation]]\n{RULE}");
    let same = "[['b.com'.automation]]\nduration=3600\nregex=['busy']\ntrigger='Immediate'\naction=['Suspend']\nmatch_internal=false\n";
    let shaping = merged(&[&one, same, &one]);
    let rules: Vec<_> = shaping.rules().collect();
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0].origin.to_string(), "1.toml:1");
    assert_eq!(rules[0].scope, Scope::Site("(mx1|mx2).shared.net".into()));
    assert_eq!(shaping.rule(&rules[0].id), Some(rules[0]));
    assert_eq!(shaping.rule(&RuleId([0; 32])), None);
    let elsewhere = merged(&[&format!("# moved\n\n{one}")]);
    assert!(elsewhere.rule(&rules[0].id).is_some(), "the place does not matter");
    let matches = shaping.matches("a.com", "(mx1|mx2).shared.net", "421 busy", false);
    assert_eq!(matches.matched.len(), 1);
}

#[test]
fn s5_any_difference_makes_another_rule() {
    let variants = [
        ("busy", "'Suspend'", "'1h'", ""),
        ("busy!", "'Suspend'", "'1h'", ""),
        ("busy", "'SuspendTenant'", "'1h'", ""),
        ("busy", "'SuspendCampaign'", "'1h'", ""),
        ("busy", "'Bounce'", "'1h'", ""),
        ("busy", "'BounceTenant'", "'1h'", ""),
        ("busy", "'BounceCampaign'", "'1h'", ""),
        ("busy", "['Suspend', 'Bounce']", "'1h'", ""),
        ("busy", "{SetConfig={name='max_ready',value=1}}", "'1h'", ""),
        ("busy", "{SetConfig={name='max_ready',value=2}}", "'1h'", ""),
        ("busy", "{SetConfig={name='connection_limit',value=1}}", "'1h'", ""),
        ("busy", "{SetDomainConfig={name='max_ready',value=1}}", "'1h'", ""),
        ("busy", "{SetConfig={name='skip_hosts',value=['::1']}}", "'1h'", ""),
        ("busy", "{SetConfig={name='skip_hosts',value=['::1', '::2']}}", "'1h'", ""),
        ("busy", "{SetConfig={name='additional_connection_limits',value={a=1}}}", "'1h'", ""),
        ("busy", "{SetConfig={name='additional_connection_limits',value={a=2}}}", "'1h'", ""),
        ("busy", "'Suspend'", "'2h'", ""),
        ("busy", "'Suspend'", "'1h'", "trigger={Threshold='1/hr'}"),
        ("busy", "'Suspend'", "'1h'", "trigger={Threshold='2/hr'}"),
        ("busy", "'Suspend'", "'1h'", "trigger={Threshold='2/day'}"),
        ("busy", "'Suspend'", "'1h'", "match_internal=true"),
    ];
    let text: String = variants
        .iter()
        .flat_map(|(regex, action, duration, more)| {
            ["default", "'c.com'", "provider.p"].map(|block| {
                format!("[[{block}.automation]]\nregex='{regex}'\naction={action}\nduration={duration}\n{more}\n")
            })
        })
        .collect();
    let shaping = merged(&[
        &text,
        "['c.com']",
        "[['c.com'.automation]]\nregex=['bu','sy']\naction='Bounce'\nduration=1\n[['c.com'.automation]]\nregex=['b','usy']\naction='Bounce'\nduration=1",
    ]);
    assert_eq!(shaping.rules().len(), variants.len() * 3 + 2);
    let ids: std::collections::HashSet<_> = shaping.rules().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), variants.len() * 3 + 2);
    let scopes: Vec<String> = shaping.rules().map(|rule| rule.scope.to_string()).collect();
    let count = |scope: &str| scopes.iter().filter(|have| *have == scope).count();
    assert_eq!((count("default"), count("provider:p")), (variants.len(), variants.len()));
    assert_eq!(count("site:(mx1|mx2).c.com"), variants.len() + 2);
}

#[test]
fn s5_the_order_of_fields_in_a_value_does_not_matter() {
    let rule = |value: &str| {
        let action = format!("{{SetConfig={{name='additional_connection_limits',value={value}}}}}");
        let shaping = merged(&[&format!("[[default.automation]]\nregex='x'\nduration=1\naction={action}")]);
        shaping.rules().next().unwrap().id
    };
    assert_eq!(rule("{a=1,b=2}"), rule("{b=2,a=1}"));
    assert_ne!(rule("{a=1,b=2}"), rule("{a=2,b=1}"));
}

#[test]
fn s4_a_block_that_does_not_resolve_acts_for_its_domain() {
    let text = format!(
        "['lost.com']\nmax_ready=1\n[['lost.com'.automation]]\n{RULE}['null.com']\nmax_ready=2\n['empty.com']\nmax_ready=3"
    );
    let shaping = merged(&[&text]);
    let unresolved: Vec<_> =
        shaping.unresolved().iter().map(|u| format!("{} {} {}", u.domain, u.origin, u.why)).collect();
    assert_eq!(unresolved, ["lost.com 1.toml:1 timed out", "null.com 1.toml:7 null MX", "empty.com 1.toml:9 null MX"]);
    for (domain, value) in [("lost.com", 1), ("null.com", 2), ("empty.com", 3)] {
        assert_eq!(shaping.egress_path(domain, "s", "any", None).get("max_ready").unwrap().value, value);
    }
    let matches = shaping.matches("LOST.com", "any", "421 busy", false);
    assert_eq!(matches.matched.len(), 1);
    assert!(!matches.matched[0].rolled, "for the domain alone");
    assert_eq!(matches.matched[0].rule.scope, Scope::Domain("lost.com".into()));
    assert!(shaping.matches("other.com", "any", "421 busy", false).matched.is_empty());
    assert_eq!(
        shaping.warnings(),
        [
            "1.toml:1: error resolving MX for lost.com: timed out. Until it resolves, its block acts as with mx_rollup=false, for lost.com alone.",
            "1.toml:7: domain null.com has a NULL MX and cannot be used with mx_rollup=true. Until it resolves, its block acts as with mx_rollup=false, for null.com alone.",
            "1.toml:9: domain empty.com has a NULL MX and cannot be used with mx_rollup=true. Until it resolves, its block acts as with mx_rollup=false, for empty.com alone.",
        ]
    );
    assert_eq!(shaping.errors(), [""; 0]);
}

#[test]
fn s4_how_much_it_matters_is_graded_but_never_ignored() {
    let levels = |dns_fail, null_mx| {
        let options = LoadOptions { dns_fail, null_mx, ..LoadOptions::default() };
        let shaping = merged_with(&["['lost.com']\n['null.com']"], &options);
        let lost = |texts: &[String]| texts.iter().filter(|text| text.contains("lost.com")).count();
        (shaping.warnings().len(), lost(shaping.warnings()), shaping.errors().len(), lost(shaping.errors()))
    };
    assert_eq!(levels(Level::Ignore, Level::Ignore), (2, 1, 0, 0));
    assert_eq!(levels(Level::Warn, Level::Warn), (2, 1, 0, 0));
    assert_eq!(levels(Level::Error, Level::Ignore), (1, 0, 1, 1));
    assert_eq!(levels(Level::Ignore, Level::Error), (1, 1, 1, 0));
}

#[test]
fn s7_blocks_that_share_a_site_and_blocks_that_fit_a_provider() {
    let text = "['a.com']\n['b.com']\n[provider.p]\nmatch=[{MXSuffix='.shared.net'}]\n[provider.q]\nmatch=[{DomainSuffix='b.com'}]\n['x.org']\n['c.com']\nmx_rollup=false";
    let said = |aliased_site, provider_overlap| {
        let options = LoadOptions { provider_overlap, aliased_site, ..LoadOptions::default() };
        let shaping = merged_with(&[text, "['x.org']"], &options);
        (shaping.warnings().to_vec(), shaping.errors().to_vec())
    };
    let aliases = [
        "multiple domain blocks alias to the same site: (mx1|mx2).shared.net: a.com, b.com (1.toml:1, 1.toml:2)",
        "multiple domain blocks alias to the same site: (mx1|mx2).x.org: x.org, x.org (1.toml:7, 2.toml:1)",
    ];
    let overlaps = [
        "domain a.com is also matched by provider(s): p (1.toml:1)",
        "domain b.com is also matched by provider(s): p, q (1.toml:2)",
    ];
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(said(Level::Ignore, Level::Ignore), (vec![], vec![]));
    assert_eq!(said(Level::Warn, Level::Error), (owned(&aliases), owned(&overlaps)));
    assert_eq!(said(Level::Error, Level::Warn), (owned(&overlaps), owned(&aliases)));
}

#[test]
fn o4_a_generated_overlay_lands_on_its_sites_without_dns() {
    let overlay = "# Generated by tsa-daemon\n# Number of entries: 2\n\n[\"a.com\"]\n# site: (mx1|mx2).shared.net\nmx_rollup = true\n\n\
                   [\"a.com\".sources]\n\n[\"a.com\".sources.s]\nmax_ready = 7\n\n[\"b.com\"]\nmax_ready = 8\n";
    let files = files(&["['a.com']\nmax_ready=1", overlay]);
    let asked = std::cell::RefCell::new(Vec::new());
    let ask = |domain: &str| {
        asked.borrow_mut().push(domain.to_owned());
        mx(domain)
    };
    let all = LoadOptions { provider_overlap: Level::Warn, aliased_site: Level::Warn, ..LoadOptions::default() };
    let shaping = Shaping::merge(&files, &ask, &all).unwrap();
    assert_eq!(*asked.borrow(), ["a.com", "b.com"], "a.com for the first file, b.com as its block gives no site");
    assert_eq!(path(&shaping, "a.com", "s")["max_ready"], 7);
    assert_eq!(path(&shaping, "a.com", "t")["max_ready"], 8);
    assert_eq!(shaping.warnings(), [""; 0], "nobody wrote the overlay");
}

#[test]
fn s7_notes_of_loading_come_first() {
    let shaping = merged(&["['lost.com']"]).with_notes(vec!["w".to_owned()], vec!["e".to_owned()]);
    assert_eq!((shaping.warnings()[0].as_str(), shaping.warnings().len()), ("w", 2));
    assert_eq!(shaping.errors(), ["e"]);
    let shaping = merged(&["[localhost]"]);
    assert!(shaping.warnings()[0].contains("single DNS label"));
}

#[test]
fn s7_the_hash_tells_content_from_place() {
    let base = "[default]\nmax_ready=1\nsmtp_port=2\n[provider.p]\nmatch=[{MXSuffix='.a'}]\n[provider.q]\n['a.com']\nmax_ready=1\n['c.com']\nmx_rollup=false\n['c.com'.sources.s]\nmax_ready=1\n[[default.automation]]\nregex='busy'\naction='Suspend'\nduration=1\n[[default.automation]]\nregex='full'\naction='Suspend'\nduration=1\n";
    let hash = |text: &str| merged(&[text]).hash().to_owned();
    let same = hash(base);
    assert_eq!(same.len(), 64);
    let moved =
        base.replace("['a.com']", "# moved\n['b.com']").replace("max_ready=1\nsmtp_port=2", "smtp_port=2\nmax_ready=1");
    assert_eq!(hash(&moved), same, "b.com is the same site");
    let swapped = base.replace("'busy'", "'BUSY'").replace("'full'", "'busy'").replace("'BUSY'", "'full'");
    assert_eq!(hash(&swapped), same, "the order of rules changes nothing");
    let changes = [
        ("smtp_port=2", "smtp_port=3"),
        ("smtp_port=2", "max_recipients_per_batch=2"),
        ("smtp_port=2", ""),
        ("smtp_port=2", "replace_base=true"),
        ("MXSuffix", "HostName"),
        ("MXSuffix", "DomainSuffix"),
        ("'.a'", "'.b'"),
        ("[provider.q]", "[provider.r]"),
        ("[provider.q]", ""),
        ("[provider.q]", "[provider.q]\nprovider_connection_limit=1"),
        ("[provider.q]", "[provider.q]\nprovider_max_message_rate='1/s'"),
        ("[provider.q]", "[provider.q.sources.s]\nprovider_source_selection_rate='1/s'"),
        ("[provider.q]", "[provider.q.sources.s]"),
        ("['a.com']", "['d.com']"),
        ("['c.com']\n", "['e.com']\n"),
        ("sources.s]", "sources.t]"),
        ("'busy'", "'lazy'"),
    ];
    let mut all: Vec<String> = changes.iter().map(|(from, to)| hash(&base.replacen(from, to, 1))).collect();
    all.push(same);
    all.push(Shaping::empty().hash().to_owned());
    let distinct: std::collections::HashSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), changes.len() + 2);
    assert_eq!(hash(""), Shaping::empty().hash());
    let providers = |names: [&str; 2]| hash(&format!("[provider.{}]\n[provider.{}]", names[0], names[1]));
    assert_ne!(providers(["p", "q"]), providers(["q", "p"]), "their order matters");
    let sources = |names: [&str; 2]| hash(&format!("['c.com'.sources.{}]\n['c.com'.sources.{}]", names[0], names[1]));
    assert_eq!(sources(["s", "t"]), sources(["t", "s"]));
    let domains = |names: [&str; 2]| hash(&format!("['{}']\n['{}']", names[0], names[1]));
    assert_eq!(domains(["c.com", "d.com"]), domains(["d.com", "c.com"]));
}
