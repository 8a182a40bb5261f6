//! What a file may say, and what is said about what it may not.

use super::*;
use crate::shaping::file::Draft;
use crate::shaping::{Action, Format, Setting, Trigger};
use serde_json::json;
use std::time::Duration;

#[track_caller]
fn good(text: &str) -> File {
    parse(&Source::new("a.toml", text)).unwrap_or_else(|findings| panic!("{findings}"))
}

/// All findings as `LINE:COLUMN code message | help`.
#[track_caller]
fn said(text: &str) -> Vec<String> {
    said_of(&Source::new("a.toml", text))
}

#[track_caller]
fn said_of(source: &Source) -> Vec<String> {
    let show = |finding: &Finding| {
        let help = finding.help.as_ref().map_or_else(String::new, |help| format!(" | {help}"));
        let Origin { line, column, .. } = finding.origin;
        assert_eq!(finding.level, Level::Error);
        assert_eq!(finding.origin.file, source.name);
        format!("{line}:{column} {} {}{help}", finding.code, finding.message)
    };
    parse(source).unwrap_err().0.iter().map(show).collect()
}

/// What is said about a rule with this line in place of a good one.
#[track_caller]
fn said_of_rule(field: &str, line: &str) -> String {
    let lines = [("regex", "regex = 'x'"), ("action", "action = 'Suspend'"), ("duration", "duration = '1h'")];
    let kept = lines.iter().filter(|(name, _)| *name != field).map(|(_, line)| *line);
    let text: Vec<&str> = ["[['a.b'.automation]]", line].into_iter().chain(kept).collect();
    said(&text.join("\n")).join("\n")
}

#[track_caller]
fn rule(lines: &str) -> Arc<Draft> {
    good(&format!("[['a.b'.automation]]\n{lines}\n")).domains[0].block.automation[0].clone()
}

#[test]
fn s7_a_whole_file() {
    let file = good(
        r#"
[default]
connection_limit = 10
[default.sources.s]
max_ready = 5

[provider.p]
match = [{MXSuffix=".p.com"}, {DomainSuffix="p.org"}, {HostName="mx.p.net"}, {MXSuffix=".q.com"}]
provider_connection_limit = "local:7"
provider_max_message_rate = "10/s"
replace_base = true
idle_timeout = 5
[provider.p.sources.s]
provider_source_selection_rate = "1/min"
max_ready = 9

["Example.COM"]
mx_rollup = false
additional_connection_limits = { x = 1 }
["Example.COM".additional_connection_limits]
"#
        .replace("additional_connection_limits = { x = 1 }\n", "")
        .as_str(),
    );
    assert_eq!(&**file.name(), "a.toml");
    let default = file.default.as_ref().unwrap();
    assert_eq!(default.params.get("connection_limit").unwrap().value, 10);
    assert_eq!(default.sources[0].params.get("max_ready").unwrap().value, 5);
    assert!(!default.replace_base);
    let provider = &file.providers[0];
    assert_eq!(provider.criteria.mx_suffixes, [".p.com", ".q.com"]);
    assert_eq!(
        (&provider.criteria.domain_suffixes[..], &provider.criteria.host_names[..]),
        (&["p.org".to_owned()][..], &["mx.p.net".to_owned()][..])
    );
    assert_eq!(provider.connection_limit.as_ref().unwrap().value, "local:7");
    assert_eq!(provider.message_rate.as_ref().unwrap().value, "10/s");
    assert!(provider.block.replace_base);
    assert_eq!(provider.block.params.get("idle_timeout").unwrap().value, 5);
    assert_eq!(provider.block.origin, Origin { file: "a.toml".into(), line: 7, column: 11 });
    let source = &provider.block.sources[0];
    assert_eq!((&*source.name, &source.selection_rate.as_ref().unwrap().value), ("s", &json!("1/min")));
    assert_eq!(source.params.get("max_ready").unwrap().origin.line, 15);
    let domain = &file.domains[0];
    assert_eq!((&*domain.name, domain.mx_rollup, &domain.site), ("example.com", false, &None));
    assert_eq!(domain.block.params.get("additional_connection_limits").unwrap().value, json!({}));
    assert_eq!(file.rolled_domains().count(), 0);
    assert_eq!(file.warnings(), []);
}

#[test]
fn s7_tables_keep_the_place_of_each_name() {
    let file = good(
        "['a.b'.additional_connection_limits]\nx = 1\ny = 'local:2'\n['a.b'.additional_message_rate_throttles]\nz='1/s'",
    );
    let params = &file.domains[0].block.params;
    let limits = params.get("additional_connection_limits").unwrap();
    assert_eq!((&limits.value, limits.origin.line), (&json!({"x": 1, "y": "local:2"}), 1));
    let places: Vec<(&str, u32)> = limits.entries.iter().map(|(name, p)| (&**name, p.origin.line)).collect();
    assert_eq!(places, [("x", 2), ("y", 3)]);
    assert_eq!(params.get("additional_message_rate_throttles").unwrap().value, json!({"z": "1/s"}));
}

#[test]
fn s4_domains_to_look_up() {
    let file = good("['a.b']\n['c.d']\nmx_rollup = true\n['e.f']\nmx_rollup = false\n[default]\n[provider.p]");
    let rolled: Vec<(&str, u32)> = file.rolled_domains().map(|(domain, origin)| (domain, origin.line)).collect();
    assert_eq!(rolled, [("a.b", 1), ("c.d", 2)]);
}

#[test]
fn s7_a_single_label_is_warned_of() {
    let file = good("[localhost]\n['a.b']");
    let warnings: Vec<String> = file.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "a.toml:1:2: Entry for domain 'localhost' consists of a single DNS label (TOML needs quotes around a name with dots: \
          `[\"localhost.com\"]` rather than `[localhost.com]`)"
        ]
    );
    assert_eq!((file.warnings()[0].level, file.warnings()[0].code), (Level::Warn, code::SINGLE_LABEL));
    assert_eq!(&*file.domains[0].name, "localhost");
}

#[test]
fn o4_a_generated_overlay_gives_its_sites() {
    let text = "# Generated by tsa-daemon\n# Number of entries: 2\n\n[\"a.b\"]\n# site: (x|y).b\nmx_rollup = true\n\n[\"a.b\".sources]\n\n\
                [\"a.b\".sources.s]\n# reason: [\"c.d\"]\nmax_ready = 5\n[localhost]\n# site: z\n[\"e.f\"]\nmax_ready = 1\n# site: late\n";
    let file = good(text);
    let sites: Vec<_> = file.domains.iter().map(|d| (&*d.name, d.site.as_deref())).collect();
    assert_eq!(sites, [("a.b", Some("(x|y).b")), ("localhost", Some("z")), ("e.f", None)]);
    assert_eq!(file.rolled_domains().map(|(domain, _)| domain).collect::<Vec<_>>(), ["e.f"]);
    assert_eq!(file.warnings(), [], "nobody wrote it");
    assert!(file.generated);
    let file = good(&text.replacen("# Generated", "# generated", 1));
    assert!(!file.generated && file.domains.iter().all(|domain| domain.site.is_none()));
}

/// An overlay that is read in several pieces.
fn large_overlay(inside: &str, end: &str) -> String {
    let block = |n: usize| {
        format!(
            "[\"d{n}.example\"]\n# site: s{n}\n[\"d{n}.example\".sources.\"my ip\"]\n{inside}\n#{}\n",
            "x".repeat(700)
        )
    };
    let blocks: String = (0..200).map(block).collect();
    format!("# Generated by tsa-daemon\n{blocks}{end}")
}

#[test]
fn o4_a_large_overlay_is_read_in_pieces() {
    let text = large_overlay("max_ready = 5", "");
    let file = good(&text);
    assert_eq!(file.domains.len(), 200);
    for (n, domain) in file.domains.iter().enumerate() {
        assert_eq!((&*domain.name, domain.site.as_deref()), (&*format!("d{n}.example"), Some(&*format!("s{n}"))));
        let origin = &domain.block.sources[0].params.get("max_ready").unwrap().origin;
        assert_eq!(*origin, Origin { file: "a.toml".into(), line: u32::try_from(n * 5 + 5).unwrap(), column: 1 });
    }
    let findings = parse(&Source::new("a.toml", large_overlay("max_ready = 5", "[\"z.z\"]\nnope = 1\n"))).unwrap_err();
    assert_eq!((findings.0[0].origin.line, findings.0[0].origin.column), (1_003, 1));
    let text = large_overlay("max_ready = 5", "[\"z.z\"]\nnope = 1\n");
    assert_eq!(&text[findings.0[0].span.clone()], "nope");
}

#[test]
fn o4_an_overlay_whose_pieces_do_not_stand_alone_is_read_as_a_whole() {
    let findings = said(&large_overlay("nope = 1", "[\"z.z\"]\nmax_ready = \n"));
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].contains(" syntax "), "{findings:?}");
    assert!(findings[0].starts_with("1003:"), "{findings:?}");
    // A line within a text looks like the header of a block.
    let padding = "x".repeat(70_000);
    let end = format!("[\"z.z\"]\nehlo_domain = '''\n{padding}\n[\"q.q\"]\n'''\n[z]\nnope = 1");
    let findings = said(&large_overlay("max_ready = 5", &end));
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].starts_with("1008:1 unknown-option"), "{findings:?}");
    let file = good(&large_overlay("max_ready = 5", &end.replace("nope", "max_ready")));
    assert_eq!(file.domains.len(), 202);
    assert_eq!(file.domains[201].block.params.get("max_ready").unwrap().origin.line, 1_008);
}

#[test]
fn s7_json_says_the_same() {
    let text = r#"{"a.b": {"max_ready": 5, "automation": [{"regex": "x", "action": "Suspend", "duration": 60}]}}"#;
    for source in [Source::new("a.json", text), Source::new("a", text)] {
        let file = parse(&source).unwrap();
        assert_eq!(file.domains[0].block.params.get("max_ready").unwrap().value, 5);
        assert_eq!(file.domains[0].block.automation[0].duration, Duration::from_mins(1));
    }
    let bad = Source { name: "x".into(), format: Format::Either, text: "{".to_owned() };
    let findings = said_of(&bad);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].contains("syntax as toml: ") && findings[0].contains(", as json: "), "{findings:?}");
    assert!(said_of(&Source::new("a.json", "{\n \"a.b\": {\"nope\": 1}}"))[0].starts_with("2:10 unknown-option"));
}

#[test]
fn t1_t2_the_fields_of_a_rule() {
    let draft = rule("regex = 'a'\naction = 'Suspend'\nduration = '2 hours'");
    assert_eq!(draft.patterns.iter().map(|p| &*p.text).collect::<Vec<_>>(), ["a"]);
    assert_eq!((&draft.actions[..], draft.trigger), (&[Action::Suspend][..], Trigger::Immediate));
    assert_eq!((draft.duration, draft.match_internal), (Duration::from_hours(2), false));
    assert_eq!((draft.origin.line, draft.origin.column), (1, 1));
    let draft =
        rule("regex = ['a', 'b']\naction = ['Bounce']\nduration = 90\ntrigger = 'Immediate'\nmatch_internal = true");
    assert_eq!(draft.patterns.len(), 2);
    assert_eq!((draft.trigger, draft.match_internal), (Trigger::Immediate, true));
    assert_eq!(draft.duration, Duration::from_secs(90));
}

#[test]
fn t4_thresholds() {
    let trigger =
        |text: &str| match rule(&format!("regex='a'\naction='Suspend'\nduration=1\ntrigger={{Threshold='{text}'}}"))
            .trigger
        {
            Trigger::Threshold { count, period } => (count.get(), period.as_secs()),
            Trigger::Immediate => panic!("immediate"),
        };
    assert_eq!(trigger("2/hr"), (2, 3_600));
    assert_eq!(trigger("5/10m"), (5, 600));
    assert_eq!(trigger("1_000/2 days"), (1_000, 172_800));
    assert_eq!(trigger("1,000,000/s"), (1_000_000, 1));
    let refused = |text: &str| said_of_rule("trigger", &format!("trigger = {{Threshold='{text}'}}"));
    let help = "a number of matches, a slash and a period, such as `2/hr` or `5/10m`";
    assert_eq!(
        refused("1000001/s"),
        format!(
            "2:22 bad-threshold field `Threshold`: invalid threshold `1000001/s`: at most 1000000 matches can be counted | {help}"
        )
    );
    for text in ["local:2/hr", "2/hr,max_burst=1"] {
        let expected = format!(
            "2:22 bad-threshold field `Threshold`: invalid threshold `{text}`: `local:` and `max_burst` are for rates | {help}"
        );
        assert_eq!(refused(text), expected);
    }
    assert!(
        refused("2/fortnight")
            .starts_with("2:22 bad-threshold field `Threshold`: invalid rate `2/fortnight`: unknown unit")
    );
    assert!(refused("0/hr").contains("what stands before the slash is not a number above zero"));
}

#[test]
fn a1_to_a6_the_eight_actions() {
    let draft = rule(
        "regex='a'\nduration=1\naction = ['Suspend', 'SuspendTenant', 'SuspendCampaign', 'Bounce', 'BounceTenant', 'BounceCampaign', \
         {SetConfig={name='max_message_rate', value='1/minute'}}, {SetDomainConfig={value=1, name='connection_limit'}}]",
    );
    let setting = |name: &str, value| Setting { name: name.into(), value };
    assert_eq!(
        draft.actions,
        [
            Action::Suspend,
            Action::SuspendTenant,
            Action::SuspendCampaign,
            Action::Bounce,
            Action::BounceTenant,
            Action::BounceCampaign,
            Action::SetConfig(setting("max_message_rate", json!("1/minute"))),
            Action::SetDomainConfig(setting("connection_limit", json!(1))),
        ]
    );
    let one = rule("regex='a'\nduration=1\naction={SetConfig={name='connection_limit', value=1}}");
    assert_eq!(one.actions, [Action::SetConfig(setting("connection_limit", json!(1)))]);
}

#[test]
fn a7_options_that_are_wrong() {
    let list =
        "the options are those of `kumo.make_egress_path`: https://docs.kumomta.com/reference/kumo/make_egress_path/";
    let also = "; a block also takes `mx_rollup`, `replace_base`, `automation`, `sources`";
    assert_eq!(
        said("['a.b']\nmax_conection_rate = '5/s'"),
        [format!(
            "2:1 unknown-option unknown option `max_conection_rate` | did you mean `max_connection_rate`? {list}{also}"
        )]
    );
    assert_eq!(
        said("[example.com]\nmax_ready = 5"),
        [format!(
            "1:10 unknown-option unknown option `com` | a section name with dots needs quotes, as in `[\"example.com\"]`; {list}{also}"
        )]
    );
    assert_eq!(
        said("['a.b'.sources.s]\nreplace_bas = true"),
        [format!("2:1 unknown-option unknown option `replace_bas` | {list}")]
    );
    assert_eq!(
        said("[provider.p.sources.s]\nprovider_source_selection_rat = '1/s'"),
        [format!(
            "2:1 unknown-option unknown option `provider_source_selection_rat` | did you mean `provider_source_selection_rate`? \
             {list}; a block also takes `provider_source_selection_rate`"
        )]
    );
    assert!(said("['a.b'.sources.s]\nprovider_source_selection_rate = '1/s'")[0].contains("unknown-option"));
    assert!(said("[provider.p]\nmx_rollup = true")[0].contains("unknown option `mx_rollup`"));
    assert!(said("['a.b']\nprovider_connection_limit = 5")[0].contains("unknown option `provider_connection_limit`"));
    assert_eq!(
        said("['a.b']\nmax_ready = 'many'\nidle_timeout = '5 minuts'\nconnection_limit = 0\nmax_message_rate = '1/x'"),
        [
            "2:13 wrong-type field `max_ready`: expected a whole number of zero or more, such as `100`, found the text `many`",
            "3:16 bad-duration field `idle_timeout`: invalid duration `5 minuts`: unknown unit; expected a number with a unit, such \
             as `90m`, `2 hours` or `1h 30m`, or a bare number of seconds",
            "4:20 wrong-type field `connection_limit`: expected a whole number above zero, such as `10`, or `\"local:10\"`, found the number `0`",
            "5:20 bad-value field `max_message_rate`: invalid rate `1/x`: unknown unit; expected a number, a slash and a unit, \
             such as `100/min`, `5/10m` or `500/d,max_burst=1`",
        ]
    );
    assert!(
        said("['a.b']\nidle_timeout = -1")[0]
            .starts_with("2:16 bad-duration field `idle_timeout`: invalid duration `-1`")
    );
    assert!(
        said("['a.b']\nidle_timeout = true")[0]
            .starts_with("2:16 wrong-type field `idle_timeout`: expected a duration")
    );
    assert!(
        said("['a.b'.additional_connection_limits]\nx = 1\ny = 0")[0]
            .starts_with("3:5 wrong-type field `y`: expected a whole")
    );
    assert!(
        said("['a.b']\nadditional_connection_limits = 5")[0]
            .starts_with("2:32 wrong-type field `additional_connection_limits`")
    );
    assert!(
        said("[provider.p]\nprovider_connection_limit = 'x'")[0]
            .starts_with("2:29 bad-value field `provider_connection_limit`")
    );
    assert!(
        said("[provider.p]\nprovider_max_message_rate = 5")[0]
            .starts_with("2:29 wrong-type field `provider_max_message_rate`")
    );
    assert!(said("[provider.p.sources.s]\nprovider_source_selection_rate = 5")[0].starts_with("2:34 wrong-type"));
}

#[test]
fn a7_blocks_that_are_wrong() {
    assert_eq!(said("'a.b' = 5"), ["1:9 wrong-type field `a.b`: expected a table, found the number `5`"]);
    assert_eq!(said("provider = 5"), ["1:12 wrong-type field `provider`: expected a table, found the number `5`"]);
    assert_eq!(said("provider.p = 5"), ["1:14 wrong-type field `p`: expected a table, found the number `5`"]);
    assert_eq!(said("default = []"), ["1:11 wrong-type field `default`: expected a table, found a list"]);
    assert_eq!(
        said("['a.b']\nmx_rollup = 1"),
        ["2:13 wrong-type field `mx_rollup`: expected `true` or `false`, found the number `1`"]
    );
    assert_eq!(
        said("['a.b']\nreplace_base = 'yes'"),
        ["2:16 wrong-type field `replace_base`: expected `true` or `false`, found the text `yes`"]
    );
    assert_eq!(
        said("['a.b']\nsources = 5"),
        ["2:11 wrong-type field `sources`: expected a table, found the number `5`"]
    );
    assert_eq!(said("['a.b']\nsources.s = 5"), ["2:13 wrong-type field `s`: expected a table, found the number `5`"]);
    assert_eq!(
        said("['a.b'.automation]\nregex = 'x'"),
        [
            "1:1 wrong-type field `automation`: expected a list of rules; in TOML each begins with `[[\"example.com\".automation]]`, found a table"
        ]
    );
    assert_eq!(
        said("['a.b']\nautomation = [5]"),
        ["2:15 wrong-type field `automation`: expected a table, found the number `5`"]
    );
}

#[test]
fn a7_matches_that_are_wrong() {
    let said = |value: &str| said(&format!("[provider.p]\nmatch = {value}"));
    assert_eq!(
        said("5"),
        [
            "2:9 wrong-type field `match`: expected a list of matches, such as `[{MXSuffix=\".example.com\"}]`, found the number `5`"
        ]
    );
    assert_eq!(said("[5]"), ["2:10 wrong-type field `match`: expected a table, found the number `5`"]);
    assert_eq!(
        said("[{MxSuffix='x'}]"),
        [
            "2:11 unknown-field unknown match `MxSuffix` | did you mean `MXSuffix`? accepted: `MXSuffix`, `DomainSuffix`, `HostName`"
        ]
    );
    for two in ["[{MXSuffix='x', HostName='y'}]", "[{}]"] {
        assert_eq!(
            said(two),
            [
                "2:10 bad-value field `match`: each match has one field | accepted: `MXSuffix`, `DomainSuffix`, `HostName`"
            ]
        );
    }
    assert_eq!(
        said("[{HostName=5}]"),
        ["2:20 wrong-type field `HostName`: expected a text, such as `\".example.com\"`, found the number `5`"]
    );
}

#[test]
fn a7_fields_that_are_missing_or_unknown() {
    assert_eq!(
        said("['x.y']\n[['a.b'.automation]]\n"),
        [
            "2:1 missing-field field `regex` is missing | a pattern, such as `regex = \"too many connections\"`, or a list of them",
            "2:1 missing-field field `action` is missing | such as `action = \"Suspend\"`",
            "2:1 missing-field field `duration` is missing | how long the effect lasts, such as `duration = \"2 hours\"`",
        ]
    );
    assert_eq!(
        said_of_rule("", "tigger = 'Immediate'"),
        "2:1 unknown-field unknown field `tigger` | did you mean `trigger`? accepted: `regex`, `action`, `trigger`, `duration`, `match_internal`"
    );
    assert_eq!(
        said_of_rule("", "match_internal = 1"),
        "2:18 wrong-type field `match_internal`: expected `true` or `false`, found the number `1`"
    );
}

#[test]
fn a7_durations_that_are_wrong() {
    let said = |value: &str| said_of_rule("duration", &format!("duration = {value}"));
    assert_eq!(
        said("'5 minuts'"),
        "2:12 bad-duration field `duration`: invalid duration `5 minuts`: unknown unit; expected a number with a unit, such as `90m`, \
         `2 hours` or `1h 30m`, or a bare number of seconds"
    );
    assert_eq!(said("0"), "2:12 bad-duration field `duration`: the effect must last longer than zero");
    assert_eq!(
        said("[]"),
        "2:12 wrong-type field `duration`: expected a duration, such as `\"90m\"` or `\"2 hours\"`, or a number of seconds, found a list"
    );
}

#[test]
fn a7_patterns_that_are_wrong() {
    let said = |value: &str| said_of_rule("regex", &format!("regex = {value}"));
    let syntax = "the syntax is https://docs.rs/regex/#syntax, with look-around and back-references; in TOML a pattern is written most \
                  easily in `'''`, where a backslash stands for itself";
    assert_eq!(
        said("'a(b'"),
        format!("2:9 bad-pattern field `regex`: invalid pattern `a(b`: unclosed group, at character 2 | {syntax}")
    );
    assert_eq!(
        said("['ok', '[']"),
        format!(
            "2:16 bad-pattern field `regex`: invalid pattern `[`: unclosed character class, at character 1 | {syntax}"
        )
    );
    assert_eq!(said("[]"), "2:9 bad-value field `regex`: the list is empty");
    let expected =
        "wrong-type field `regex`: expected a pattern, such as `\"too many connections\"`, or a list of them, found";
    assert_eq!(said("5"), format!("2:9 {expected} the number `5`"));
    assert_eq!(said("['a', {}]"), format!("2:15 {expected} a table"));
}

#[test]
fn a7_actions_that_are_wrong() {
    let said = |value: &str| said_of_rule("action", &format!("action = {value}"));
    let accepted = "accepted: `Suspend`, `SuspendTenant`, `SuspendCampaign`, `SetConfig`, `SetDomainConfig`, `Bounce`, `BounceTenant`, `BounceCampaign`";
    assert_eq!(
        said("'Suspned'"),
        format!("2:10 unknown-action unknown action `Suspned` | did you mean `Suspend`? {accepted}")
    );
    assert_eq!(
        said("{SetConfg={name='x', value=1}}"),
        format!("2:11 unknown-action unknown action `SetConfg` | did you mean `SetConfig`? {accepted}")
    );
    assert_eq!(said("{Bounce={}}"), "2:10 wrong-type action `Bounce` takes nothing | write `action = \"Bounce\"`");
    assert_eq!(
        said("'SetDomainConfig'"),
        "2:10 wrong-type action `SetDomainConfig` needs the option and its value | write `action = {SetDomainConfig={name=\"connection_limit\", value=1}}`"
    );
    let expected = "wrong-type field `action`: expected an action, such as `\"Suspend\"` or `{SetConfig={name=\"connection_limit\", value=1}}`, \
                    or a list of them, found";
    assert_eq!(said("5"), format!("2:10 {expected} the number `5`"));
    assert_eq!(said("{}"), format!("2:10 {expected} a table"));
    assert_eq!(said("['Suspend', [1]]"), format!("2:22 {expected} a list"));
    assert_eq!(said("[]"), "2:10 bad-value field `action`: the list is empty");
    assert_eq!(said("{SetConfig=5}"), "2:21 wrong-type field `SetConfig`: expected a table, found the number `5`");
    let needs = "missing-field action `SetConfig` needs the fields `name` and `value` | such as `SetConfig={name=\"connection_limit\", value=1}`";
    assert_eq!(said("{SetConfig={name='max_ready'}}"), format!("2:21 {needs}"));
    assert_eq!(
        said("{SetConfig={name='max_ready', valu=1}}"),
        format!(
            "2:40 unknown-field unknown field `valu` | did you mean `value`? accepted: `name`, `value`\n2:21 {needs}"
        )
    );
}

#[test]
fn a7_settings_that_are_wrong() {
    let said = |name: &str, value: &str| {
        said_of_rule("action", &format!("action = {{SetConfig={{name={name}, value={value}}}}}"))
    };
    assert_eq!(
        said("'max_message_rat'", "1"),
        "2:27 unknown-option unknown option `max_message_rat` | did you mean `max_message_rate`? the options are those of \
         `kumo.make_egress_path`: https://docs.kumomta.com/reference/kumo/make_egress_path/"
    );
    assert_eq!(
        said("5", "1"),
        "2:27 wrong-type field `name`: expected the name of an option, such as `\"connection_limit\"`, found the number `5`"
    );
    assert_eq!(
        said("'max_ready'", "'x'"),
        "2:46 wrong-type field `value` of option `max_ready`: expected a whole number of zero or more, such as `100`, found the text `x`"
    );
    assert!(
        said("'idle_timeout'", "'soon'")
            .starts_with("2:49 bad-duration field `value` of option `idle_timeout`: invalid duration `soon`")
    );
    assert!(
        said("'additional_connection_limits'", "{x=0}")
            .contains("field `value` of option `additional_connection_limits`: `x`: expected a whole")
    );
}

#[test]
fn a7_triggers_that_are_wrong() {
    let said = |value: &str| said_of_rule("trigger", &format!("trigger = {value}"));
    let expected =
        "wrong-type field `trigger`: expected `\"Immediate\"` or a threshold, such as `{Threshold=\"2/hr\"}`, found";
    assert_eq!(
        said("'Imediate'"),
        "2:11 unknown-trigger unknown trigger `Imediate` | did you mean `Immediate`? accepted: `Immediate`, `Threshold`"
    );
    assert_eq!(said("'Threshold'"), format!("2:11 {expected} the text `Threshold`"));
    assert_eq!(
        said("{Treshold='2/hr'}"),
        "2:12 unknown-trigger unknown trigger `Treshold` | did you mean `Threshold`? accepted: `Immediate`, `Threshold`"
    );
    assert_eq!(said("{Immediate={}}"), format!("2:11 {expected} a table"));
    assert_eq!(said("{}"), format!("2:11 {expected} a table"));
    assert_eq!(said("{Threshold='2/hr', Immediate=1}"), format!("2:11 {expected} a table"));
    assert_eq!(said("5"), format!("2:11 {expected} the number `5`"));
    assert_eq!(
        said("{Threshold=2}"),
        "2:22 wrong-type field `Threshold`: expected matches in a period, such as `\"2/hr\"`, found the number `2`"
    );
}

#[test]
fn a7_all_errors_of_a_file_are_said() {
    let findings = said(
        "[default]\nnope = 1\n[provider.p]\nmatch = 5\n['a.b']\nmax_ready = 'x'\n[['a.b'.automation]]\nregex = '('\naction = 'Nap'\n\
         duration = 'x'\ntrigger = 'y'\nmatch_internal = 3\n",
    );
    let places: Vec<&str> = findings.iter().map(|finding| finding.split(' ').next().unwrap()).collect();
    assert_eq!(places, ["2:1", "4:9", "6:13", "8:9", "9:10", "11:11", "10:12", "12:18"]);
}

#[test]
fn s6_a_pattern_that_stands_twice_is_compiled_once() {
    let file = good(
        "[['a.b'.automation]]\nregex=['x+','y']\naction='Suspend'\nduration=1\n[['c.d'.automation]]\nregex='x+'\naction='Bounce'\nduration=1",
    );
    let pattern = |domain: usize| file.domains[domain].block.automation[0].patterns[0].clone();
    assert!(Arc::ptr_eq(&pattern(0), &pattern(1)));
}
