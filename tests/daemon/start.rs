//! Starting, and what stands in its way.

use std::sync::{Arc, Mutex};

use super::rig::{RULES, Rig, policy, record};
use crate::support::Log;

#[tokio::test]
async fn what_others_wait_for_is_announced_in_order() {
    let rig = Rig::new(RULES).policy(&policy("", "").replace(
        "tsa.start_http_listener",
        "tsa.start_http_listener { listen = '[::1]:0', use_tls = true } tsa.start_http_listener",
    ));
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    rig.host.announce_to(Arc::new(move |line| sink.lock().unwrap().push(line.to_owned())));
    let rig = rig.start().await;
    let addresses = rig.daemon.as_ref().unwrap().addresses();
    let expected = [
        format!("https listener on {}", addresses[0]),
        format!("http listener on {}", addresses[1]),
        "initialization complete".to_owned(),
    ];
    assert_eq!(*lines.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Rig::new(RULES).policy(&policy("", "").replace("127.0.0.1:0", &address.to_string())).fails().await;
    assert!(error.contains(&format!("cannot listen on `{address}`: Address already in use")), "{error}");
    assert_eq!(error.matches("Address already in use").count(), 1, "{error}");
    assert!(error.contains("tsa_init.lua:4"), "the line of the policy: {error}");
}

#[tokio::test]
async fn listener_tables_are_read_strictly() {
    for (more, expected) in [
        ("port = 1", "unknown field `port`"),
        ("trusted_hosts = { 'here' }", "field `trusted_hosts`: `here` is neither an address nor a network"),
        ("request_body_limit = 'much'", "field `request_body_limit`"),
        ("use_tls = true, tls_certificate = '/none.pem', tls_private_key = '/none.key'", "cannot read `/none.pem`"),
        (
            "use_tls = true, tls_certificate = { key_data = 'x' }",
            "`tls_certificate` is given without `tls_private_key`",
        ),
    ] {
        let error = Rig::new(RULES).policy(&policy(more, "")).fails().await;
        assert!(error.contains(expected), "{more}: {error}");
        assert!(error.contains("tsa.start_http_listener") || error.contains("cannot listen"), "{error}");
    }
    let error = Rig::new(RULES).policy(&policy("", "").replace("127.0.0.1:0", "everywhere")).fails().await;
    assert!(error.contains("cannot listen on `everywhere`: expected an address and a port"), "{error}");
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_named() {
    let rig = Rig::new(RULES);
    rig.write("/var/spool/kumomta", "a file where a folder should be");
    let folder = rig.path("/var/spool/kumomta/tsa.db.store");
    let error = rig.fails().await;
    assert!(error.contains(&format!("cannot open the store in `{}`: ", folder.display())), "{error}");
}

#[tokio::test]
async fn policies_that_do_not_run_say_where() {
    let loading = "kumo.on('tsa_load_shaping_data'";
    for (from, to, expected) in [
        ("kumo.on('tsa_init', function()", "kumo.on('tsa_init', function(", "tsa_init.lua:4"),
        ("tsa.start_http_listener", "tsa.start_smtp_listener", "start_smtp_listener"),
        (loading, "kumo.on('something_else'", "tsa_load_shaping_data has not been registered"),
        ("  return kumo.shaping.load", "  error 'on purpose' return kumo.shaping.load", "on purpose"),
        (
            "  return kumo.shaping.load",
            "  return",
            "event tsa_load_shaping_data: returned table, expected the value of kumo.shaping.load",
        ),
    ] {
        let text = policy("", "").replace(from, to);
        let error = Rig::new(RULES).policy(&text).fails().await.replace('`', "");
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[tokio::test]
async fn a7_bad_rules_at_the_start_say_where() {
    let error = Rig::new(&RULES.replace("max_message_rate", "max_massage_rate")).fails().await;
    assert!(error.contains("/opt/kumomta/etc/policy/shaping.toml:1"), "{error}");
    assert!(error.contains("max_message_rate"), "what is accepted: {error}");
}

#[tokio::test]
async fn the_store_goes_where_the_policy_says_and_old_files_stay() {
    let rig = Rig::new(RULES).policy(&policy("", "").replace(
        "tsa.start_http_listener {",
        "tsa.configure_tsa_db_path('/var/spool/kumomta/other.db', { sync = true }) tsa.start_http_listener {",
    ));
    rig.write("/var/spool/kumomta/other.db", "an old daemon's");
    rig.write("/var/spool/kumomta/other.db.state", "an old daemon's");
    let rig = rig.start().await;
    rig.publish(&record(1, "hold it")).await;
    assert!(rig.path("/var/spool/kumomta/other.db.store").is_dir());
    for old in ["other.db", "other.db.state"] {
        assert_eq!(std::fs::read_to_string(rig.path(&format!("/var/spool/kumomta/{old}"))).unwrap(), "an old daemon's");
    }
    let rig = rig.restart().await;
    assert_eq!(rig.json("/tsa/effects.json").await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn s4_a_domain_that_does_not_resolve_is_warned_of_once_and_named_in_the_metrics() {
    let log = Log::capture();
    let rig = Rig::new("['none.example']\nmax_ready = 3\n").start().await;
    let text = log.text();
    assert_eq!(text.lines().filter(|line| line.contains("none.example")).count(), 1, "{text}");
    assert!(!text.contains("started no listener"), "{text}");
    let named = r#"tsa_unresolved_domain{domain="none.example",origin="/opt/kumomta/etc/policy/shaping.toml:1"}"#;
    assert_eq!(rig.metric(named).await, Some(1.0));
    assert_eq!(rig.metric("tsa_unresolved_domains").await, Some(1.0));
}

#[tokio::test]
async fn a_policy_that_starts_no_listener_is_warned_of() {
    let log = Log::capture();
    let rig = Rig::new(RULES).policy(&policy("", "").replace("tsa.start_http_listener", "local _ =")).start().await;
    let text = log.text();
    assert!(text.contains("the policy started no listener: see `tsa.start_http_listener`"), "{text}");
    drop(rig);
}
