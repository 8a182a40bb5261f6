//! `tsa explain`, as a person types it.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Output};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use insta::assert_snapshot;
use regex::Regex;
use serde_json::{Value, json};

use crate::daemon::rig::{RULES, Rig, policy, record};

const ZONE: &str = "tests/fixtures/explain/dns.zone";
const BASE: &str = "tests/fixtures/explain/base.toml";
const MINE: &str = "tests/fixtures/explain/mine.toml";
/// What the daemon of the rig serves.
const RIG_ZONE: &str = "$ORIGIN example.com.\n$TTL 600\n@ MX 10 mx\nother MX 10 mx.example.com.\n";

fn tsa(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tsa"));
    command.arg("explain").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("KUMO_ZONES");
    command.env_remove("KUMO_PREFIX");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What it says, when all went well.
#[track_caller]
fn says(arguments: &[&str]) -> String {
    let output = tsa(arguments);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && err.is_empty(), "{err}{out}");
    assert!(!out.contains('\u{1b}'), "plain text where there is no terminal");
    out
}

/// The same with the zones of the fixture.
#[track_caller]
fn local(arguments: &[&str]) -> String {
    says(&[&["--zones", ZONE], arguments].concat())
}

/// What it complains of.
#[track_caller]
fn fails(arguments: &[&str]) -> String {
    let output = tsa(arguments);
    assert!(!output.status.success(), "{}", text(&output.stdout));
    assert_eq!(text(&output.stdout), "");
    text(&output.stderr)
}

/// Runs it beside a server of this test's own runtime.
async fn beside(arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
    let run = move || says(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// Without what differs from run to run.
fn still(text: &str, address: SocketAddr) -> String {
    let text = text.replace(&address.to_string(), "DAEMON");
    let text = Regex::new(r"\d{4}-\d\d-\d\dT[\d:.]+Z").unwrap().replace_all(&text, "TIME").into_owned();
    Regex::new("TIME, [^,\n]* left").unwrap().replace_all(&text, "TIME, LEFT").into_owned()
}

#[test]
fn options_come_with_what_set_them_and_what_that_overrode() {
    assert_snapshot!(local(&[BASE, MINE, "big.example", "--source", "ip-1"]));
}

#[test]
fn every_option_is_shown_when_asked() {
    let out = local(&[BASE, MINE, "big.example", "--all"]);
    for spec in kumo_tsa_core::shaping::options() {
        assert!(out.contains(&format!("\n  {}", spec.name)), "{}: {out}", spec.name);
    }
    assert!(out.contains("\n  smtp_port                          25                   default\n"), "{out}");
    assert!(!out.contains("others have their defaults"), "{out}");
}

#[test]
fn a_provider_that_nearly_fits_says_what_is_in_its_way() {
    assert_snapshot!(local(&[BASE, MINE, "hosted.example"]));
}

#[test]
fn a_response_is_tried_on_every_rule_in_order() {
    assert_snapshot!(local(&[
        BASE,
        MINE,
        "big.example",
        "--source",
        "ip-1",
        "--response",
        "421 4.7.0 [BUSY] too many"
    ]));
}

#[test]
fn the_mail_hosts_own_responses_are_seen_by_few_rules() {
    let response = "451 4.4.4 KumoMTA internal: no route, slow";
    assert_snapshot!(local(&[BASE, MINE, "own.example", "--response", response]));
    assert_snapshot!(local(&[BASE, MINE, "own.example", "--response", "451-4.4.4 very\n451 4.4.4 slow"]));
}

#[test]
fn a_path_may_be_named_as_records_name_it() {
    let path = "ip-1->(mx1|mx2).big-mail.example@smtp_client";
    let out = local(&[BASE, MINE, "nowhere.example", "--site", path]);
    assert!(out.starts_with("nowhere.example from ip-1\n  site      (mx1|mx2).big-mail.example\n"), "{out}");
    assert!(out.contains("hosts     as the site name spells them out; DNS was not asked\n"), "{out}");
    assert!(out.contains("provider  big fits: MXSuffix=\".big-mail.example\" fits every mail host ("), "{out}");
    let out = local(&[BASE, MINE, "big.example", "--site", path, "--source", "ip-2"]);
    assert!(out.starts_with("big.example from ip-2\n"), "{out}");
}

#[test]
fn what_covers_nothing_and_what_does_not_resolve_is_noted() {
    let out = local(&[BASE, "small.example"]);
    let note = "\nnote: no provider, site or domain block covers `small.example`: only `default` holds\n";
    assert!(out.ends_with(note), "{out}");
    let out = local(&[BASE, MINE, "lost.example", "--site", "mx.lost.example"]);
    let note =
        format!("\nnote: the block at {MINE}:16 acts for `lost.example` alone: MX lookup of `lost.example.`: NXDOMAIN");
    assert!(out.contains(&note), "{out}");
    assert!(out.contains("smtp_port                          26  "), "{out}");
}

#[test]
fn the_rules_of_a_policy_are_those_that_its_daemon_loads() {
    let out = local(&["--policy", "examples/quickstart/tsa_init.lua", "big.example"]);
    assert!(out.contains("rules     examples/quickstart/tsa_init.lua\n  blocks    default ("), "{out}");
    assert!(out.contains("10                   /opt/kumomta/share/policy-extras/shaping.toml:"), "{out}");
}

#[test]
fn the_rules_of_a_mail_hosts_policy_are_those_that_it_loads() {
    let out = local(&["--policy", "examples/quickstart/init.lua", "big.example"]);
    let rules = "rules     examples/quickstart/init.lua, /opt/kumomta/share/policy-extras/shaping.toml, \
                 /opt/kumomta/etc/policy/shaping.toml\n";
    assert!(out.contains(rules), "{out}");
    let dir = tempfile::tempdir().unwrap();
    let policy = |text: &str| {
        let file = dir.path().join("init.lua");
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    std::fs::copy(BASE, dir.path().join("shaping.toml")).unwrap();
    let when_asked = "local kumo = require 'kumo'\nprint 'not for me'\nkumo.on('get_egress_path_config', function(domain, source, site)\n  \
                      local data = kumo.shaping.load { '/opt/kumomta/etc/policy/shaping.toml' }\n  return kumo.make_egress_path {}\nend)\n";
    let out = local(&["--policy", &policy(when_asked), "big.example"]);
    assert!(
        out.contains(
            "connection_limit                   20                   /opt/kumomta/etc/policy/shaping.toml:13\n"
        )
    );
    assert!(!out.contains("not for me"), "{out}");
    let err = fails(&["--zones", ZONE, "--policy", &policy("local kumo = require 'kumo'\n"), "big.example"]);
    assert!(err.contains("init.lua` loads no shaping files: --policy takes a tsa_init.lua that handles"), "{err}");
    let err = fails(&["--zones", ZONE, "--policy", &policy("local kumo = = 1\n"), "big.example"]);
    assert!(err.contains("evaluating the policy `") && err.contains("init.lua:1:"), "{err}");
}

#[test]
fn a_file_that_cannot_be_read_is_named_before_a_domain_that_is_not_there() {
    let err = fails(&["--zones", ZONE, "nowhere.toml", "nowhere.example"]);
    assert!(err.contains("nowhere.toml") && !err.contains("NXDOMAIN"), "{err}");
    let err = fails(&["--zones", ZONE, BASE, "nowhere.example"]);
    assert!(err.contains("NXDOMAIN"), "{err}");
}

#[test]
fn zone_files_are_parted_by_commas_as_everywhere() {
    let empty = tempfile::NamedTempFile::with_suffix(".zone").unwrap();
    let zones = format!("{},{ZONE}", empty.path().display());
    assert_eq!(says(&["--zones", &zones, BASE, "big.example"]), local(&[BASE, "big.example"]));
}

#[test]
fn a_prefix_leads_documented_paths_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let etc = dir.path().join("opt/kumomta/etc/policy");
    std::fs::create_dir_all(&etc).unwrap();
    std::fs::copy(BASE, etc.join("shaping.toml")).unwrap();
    let mine = "local kumo = require 'kumo'\nkumo.on('tsa_load_shaping_data', function()\n  \
                return kumo.shaping.load { '/opt/kumomta/etc/policy/shaping.toml' }\nend)\n";
    std::fs::write(etc.join("tsa_init.lua"), mine).unwrap();
    let prefix = dir.path().to_str().unwrap();
    let out = local(&["big.example", "--prefix", prefix]);
    assert!(out.contains("rules     /opt/kumomta/etc/policy/tsa_init.lua\n"), "the policy of this machine: {out}");
    assert!(out.contains("20                   /opt/kumomta/etc/policy/shaping.toml:13\n"), "{out}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tsa"));
    command.args(["explain", "--zones", ZONE, "big.example"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(text(&command.env("KUMO_PREFIX", prefix).output().unwrap().stdout), out);
}

#[test]
fn json_says_the_same() {
    let asked = [BASE, MINE, "big.example", "--source", "ip-1", "--response", "421 4.7.0 [BUSY]", "--json"];
    let told: Value = serde_json::from_str(&local(&asked)).unwrap();
    assert_eq!(told["site"], "(mx1|mx2).big-mail.example");
    let scopes: Vec<&str> =
        told["blocks"].as_array().unwrap().iter().map(|block| block["scope"].as_str().unwrap()).collect();
    assert_eq!(scopes, ["default", "provider:big"]);
    let place = |file: &str, line: u32, column: u32| json!({"file": file, "line": line, "column": column});
    assert_eq!(told["blocks"][1]["places"], json!([place(BASE, 11, 11), place(MINE, 1, 11)]));
    let by = |line, column| json!({"file": {"file": MINE, "line": line, "column": column}});
    let limit = &told["options"][0];
    assert_eq!((&limit["name"], &limit["value"]), (&json!("connection_limit"), &json!(3)));
    assert_eq!(limit["set_by"], by(5, 1));
    assert_eq!(limit["overrode"][0], json!({"value": 5, "set_by": by(2, 1)}));
    assert_eq!(limit["overrode"].as_array().unwrap().len(), 3);
    let tried: Vec<&str> =
        told["response"]["rules"].as_array().unwrap().iter().map(|rule| rule["outcome"].as_str().unwrap()).collect();
    assert_eq!(tried, ["missed", "matched", "missed"]);
    assert_eq!(told["response"]["rules"][1]["line"], 16);
}

#[test]
fn errors_say_what_to_do() {
    for (arguments, said) in [
        (
            &[BASE, "nosuch.example"][..],
            "NXDOMAIN, no such domain; check how `nosuch.example` is spelled, give the site",
        ),
        (&[BASE, "null.example"], "`null.example` takes no mail: its MX is null (RFC 7505), so there is no path"),
        (&[BASE, "bad..example"], "`bad..example` is not a domain name: "),
        (&[BASE, MINE], "looks like a file: the domain that mail goes to comes last, as in `tsa explain "),
        (&[BASE, "me@big.example"], "is an address: give its domain, `big.example`"),
        (&["--policy", "x.lua", BASE, "big.example"], "give either --policy or files, not both"),
        (
            &["tsa_init.lua", "big.example"],
            "`tsa_init.lua` is a policy, not a shaping file: type `--policy tsa_init.lua`",
        ),
        (&["--policy", "no/such.lua", "big.example"], "reading the policy `no/such.lua`: No such file"),
        (
            &["no/such.toml", "big.example"],
            "local shaping source no/such.toml error: loading data from file no/such.toml:",
        ),
        (&[ZONE, "big.example"], "parsing "),
        (&[BASE, "big.example", "--response", "busy"], "--response takes what the provider said, code first, such as"),
        (&["--url", "127.0.0.1:8008", "big.example"], "--url takes the URL of a daemon, such as http://127.0.0.1:8008"),
        (&["--url", "http://127.0.0.1:1", "big.example"], "the daemon cannot be reached at http://127.0.0.1:1/tsa/"),
        (&[], "Usage: tsa explain [FILES... | --policy FILE] [--url DAEMON] [OPTIONS] DOMAIN"),
    ] {
        let err = fails(&[&["--zones", ZONE], arguments].concat());
        assert!(err.contains(said), "{arguments:?}: {err}");
    }
}

#[test]
fn help_has_examples() {
    let out = says(&["--help"]);
    assert!(
        out.contains("Examples:\n") && out.contains("tsa explain shaping.toml yahoo.com --response '421 "),
        "{out}"
    );
}

/// A daemon that has suspended a path, slowed it down, and holds a tenant.
async fn busy() -> (Rig, String) {
    let more = r#"
[[default.automation]]
regex = "slower"
action = {SetConfig={name="max_message_rate", value="1/s"}}
duration = "1 hour"
["example.com"]
mx_rollup = false
max_message_rate = "50/s"
"#;
    let rig = Rig::new(&format!("{RULES}{more}")).policy(&policy("", "")).start().await;
    rig.write("/dns.zone", RIG_ZONE);
    for (number, content) in (1..).zip(["hold it", "slow down", "slower", "hold tenant"]) {
        rig.publish(&record(number, content)).await;
    }
    let zone = rig.path("/dns.zone").display().to_string();
    (rig, zone)
}

#[tokio::test]
async fn a_running_daemon_says_why_a_path_is_slow_and_suspended() {
    let (rig, zone) = busy().await;
    let (url, policy) = (rig.url("/"), rig.path("/opt/kumomta/etc/policy/tsa_init.lua").display().to_string());
    let out = beside(&["--zones", &zone, "--url", &url, "--policy", &policy, "example.com"]).await;
    let folder = rig.path("/opt/kumomta/etc/policy").display().to_string();
    assert_snapshot!(still(&out.replace(&folder, "POLICY"), rig.address()));
}

#[tokio::test]
async fn a9_an_override_that_loosens_is_said_to() {
    let rules = r#"
["example.com"]
mx_rollup = false
max_message_rate = "1/s"
[["example.com".automation]]
regex = "faster"
action = [
  {SetConfig={name="max_message_rate", value="100/s"}},
  {SetConfig={name="connection_limit", value=1}},
]
duration = "1 hour"
"#;
    let rig = Rig::new(rules).policy(&policy("", "")).start().await;
    rig.write("/dns.zone", RIG_ZONE);
    rig.publish(&record(1, "faster")).await;
    let (url, zone) = (rig.url(""), rig.path("/dns.zone").display().to_string());
    let policy = rig.path("/opt/kumomta/etc/policy/tsa_init.lua").display().to_string();
    let asked = ["--zones", &zone, "--url", &url, "--policy", &policy, "example.com"];
    let out = beside(&asked).await;
    let row = |name: &str| out.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
    assert!(row("max_message_rate").ends_with(", loosens") && !row("connection_limit").contains("loosens"), "{out}");
    let told: Value = serde_json::from_str(&beside(&[&asked[..], &["--json"]].concat()).await).unwrap();
    let loosening: Vec<_> = told["options"].as_array().unwrap().iter().filter(|one| one["loosens"] == true).collect();
    assert!(loosening.len() == 1 && loosening[0]["name"] == "max_message_rate", "{told}");
}

#[tokio::test]
async fn without_files_it_is_what_the_daemon_can_tell() {
    let (rig, zone) = busy().await;
    let out = beside(&["--zones", &zone, "--url", &rig.url(""), "example.com"]).await;
    assert_snapshot!(still(&out, rig.address()));
    let out = beside(&["--zones", &zone, "--url", &rig.url(""), "other.example.com", "--source", "ip-9"]).await;
    assert!(!out.contains("Suspend"), "{out}");
    assert!(out.contains("nothing is suspended or bounced, says http://"), "{out}");
    assert!(
        out.contains("\noptions: none is overridden; name shaping files, or --policy, to see what they set\n"),
        "{out}"
    );
    let note = "note: the daemon has effects on this site for other sources: unspecified\n";
    assert!(out.ends_with(note), "{out}");
}

#[tokio::test]
async fn without_a_source_every_source_of_the_site_is_shown() {
    let (rig, zone) = busy().await;
    for (number, content) in (10..).zip(["hold it", "slower"]) {
        let mut held = record(number, content);
        held["site"] = json!("ip-7->mx.example.com@smtp_client");
        held["egress_source"] = json!("ip-7");
        rig.publish(&held).await;
    }
    let url = rig.url("");
    let out = beside(&["--zones", &zone, "--url", &url, "example.com"]).await;
    assert!(out.contains("  Suspend the path unspecified->mx.example.com@smtp_client, until "), "{out}");
    assert!(out.contains("  Suspend the path ip-7->mx.example.com@smtp_client, until "), "{out}");
    assert!(out.contains("  SetConfig max_message_rate=\"1/s\" for ip-7 to the whole site, until "), "{out}");
    assert!(!out.contains("note: "), "{out}");
    let out = beside(&["--zones", &zone, "--url", &url, "example.com", "--source", "ip-7"]).await;
    assert!(!out.contains("unspecified->"), "{out}");
    assert!(out.contains("  max_message_rate                   \"1/s\"                SetConfig until "), "{out}");
    assert!(out.ends_with("note: the daemon has effects on this site for other sources: unspecified\n"), "{out}");
}

/// Answers that do not change.
async fn serve(answers: Vec<(&'static str, StatusCode, String)>) -> SocketAddr {
    let mut router = Router::new();
    for (path, status, text) in answers {
        router = router.route(path, get(move || async move { (status, text) }));
    }
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

#[tokio::test]
async fn kumomtas_own_daemon_tells_by_what_mail_hosts_read() {
    let overlay = "# Generated by tsa-daemon\n# Number of entries: 1\n\n[\"example.com\"]\nmx_rollup = true\n
[\"example.com\".sources.\"ip-1\"]\n# reason: automation rule: slow\n# expires: 2999-01-01T00:00:00+00:00
max_message_rate = \"9/s\"\n";
    let held = json!({
        "ready_q": [
            {"rule_hash": "00", "site_name": "ip-1->mx.example.com@smtp_client", "reason": "automation rule: held",
             "source": "ip-1", "expires": "2999-01-01T00:00:00Z"},
            {"rule_hash": "00", "site_name": "ip-2->mx.example.com@smtp_client", "reason": "another source",
             "source": "ip-2", "expires": "2999-01-01T00:00:00Z"},
        ],
        "sched_q": [{"rule_hash": "00", "tenant": "acme", "domain": "example.com", "campaign": "spring",
                     "reason": "automation rule: tenant", "expires": "2999-01-01T00:00:00Z"}],
    });
    let bounced = json!([{"rule_hash": "00", "domain": "elsewhere.com", "tenant": null, "campaign": null,
                          "reason": "another domain", "expires": "2999-01-01T00:00:00Z"}]);
    let address = serve(vec![
        ("/get_config_v1/shaping.toml", StatusCode::OK, overlay.to_owned()),
        ("/get_suspension_v1/suspended.json", StatusCode::OK, held.to_string()),
        ("/get_bounce_v1/bounced.json", StatusCode::OK, bounced.to_string()),
    ])
    .await;
    let dir = tempfile::tempdir().unwrap();
    let zone = dir.path().join("dns.zone");
    std::fs::write(&zone, RIG_ZONE).unwrap();
    let url = format!("http://{address}");
    let asked = ["--zones", zone.to_str().unwrap(), "--url", &url, BASE, "example.com", "--source", "ip-1"];
    assert_snapshot!(still(&beside(&asked).await, address));
}

#[tokio::test]
async fn what_is_no_daemon_or_does_not_let_us_ask_is_named() {
    let refuse = async |path, status, text: &str| serve(vec![(path, status, text.to_owned())]).await;
    for (address, said) in [
        (refuse("/tsa/effects.json", StatusCode::FORBIDDEN, "").await, "add its address to `trusted_hosts` of"),
        (
            refuse("/tsa/effects.json", StatusCode::INTERNAL_SERVER_ERROR, "oh").await,
            "answered 500 Internal Server Error: oh",
        ),
        (refuse("/tsa/effects.json", StatusCode::OK, "<html>").await, "does not answer as a tsa-daemon does"),
        (refuse("/", StatusCode::OK, "hello").await, "is no tsa-daemon: it has neither /tsa/effects.json nor"),
    ] {
        let url = format!("http://{address}");
        let err = tokio::task::spawn_blocking(move || fails(&["--url", &url, "example.com"])).await.unwrap();
        assert!(err.contains(said) && err.contains(&address.to_string()), "{err}");
    }
}
