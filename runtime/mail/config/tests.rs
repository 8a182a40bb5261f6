use std::time::Duration;

use kumo_tsa_core::shaping::options;
use serde_json::{Map, Value, json};

use super::*;

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

#[track_caller]
fn refused<T: Config + std::fmt::Debug>(value: Value) -> String {
    T::from_options(&map(value)).unwrap_err().to_string()
}

#[test]
fn every_option_is_there_with_its_documented_default() {
    let config = PathConfig::default();
    let all = options().iter();
    for spec in all {
        let parsed: Value = match spec.default {
            "nil" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        };
        let mut same = PathConfig::default();
        same.set(spec.name, &parsed).unwrap();
        assert_eq!(same, config, "{}", spec.name);
    }
}

#[test]
fn a_path_is_written_with_exactly_the_names_of_its_options() {
    let written = PathConfig::default().to_json();
    assert_eq!(written.len(), options().len() - 2);
    for name in written.keys() {
        assert!(options().iter().any(|spec| spec.name == name), "{name}");
    }
    assert_eq!(written["prohibited_hosts"], json!(["127.0.0.0/8", "::1", "0.0.0.0", "::"]));
    assert_eq!((&written["connection_limit"], &written["idle_timeout"]), (&json!(32), &json!("5s")));
    assert_eq!(PathConfig::from_options(&written), Ok(PathConfig::default()));
}

#[test]
fn a_path_takes_what_files_and_policies_write() {
    let config = PathConfig::from_options(&map(json!({
        "connection_limit": "local:7",
        "additional_connection_limits": {"a": 3, "b": "local:4"},
        "max_message_rate": "100/min",
        "additional_message_rate_throttles": {},
        "source_selection_rate": null,
        "enable_tls": "RequiredInsecure",
        "idle_timeout": 1.5,
        "prohibited_hosts": {},
        "skip_hosts": ["10.1.2.3/8"],
        "tls_certificate": {"event_name": "key", "event_args": ["a", 1]},
        "smtp_auth_plain_password": {"key_data": "secret"},
        "openssl_options": "NO_TICKET",
        "rustls_cipher_suites": ["A"],
    })))
    .unwrap();
    assert_eq!(config.connection_limit.to_string(), "local:7");
    assert_eq!(config.additional_connection_limits["b"].to_string(), "local:4");
    assert_eq!(config.max_message_rate.unwrap().to_string(), "100/m");
    assert_eq!(config.enable_tls, TlsMode::RequiredInsecure);
    assert_eq!(config.idle_timeout, Duration::from_millis(1500));
    assert!(config.prohibited_hosts.is_empty());
    let written = config.to_json();
    assert_eq!(written["skip_hosts"], json!(["10.0.0.0/8"]));
    assert_eq!(written["additional_connection_limits"], json!({"a": 3, "b": "local:4"}));
    assert_eq!(written["tls_certificate"], json!({"event_name": "key", "event_args": ["a", 1]}));
    assert!(!written.contains_key("openssl_options") && !written.contains_key("rustls_cipher_suites"));
}

#[test]
fn what_a_path_does_not_take_is_said() {
    assert!(
        refused::<PathConfig>(json!({"conection_limit": 5}))
            .starts_with("unknown field `conection_limit`, expected one of `connection_limit`, ")
    );
    assert_eq!(
        refused::<PathConfig>(json!({"smtp_port": "x"})),
        "field `smtp_port`: invalid type: expected a port from 0 to 65535, such as `25`, found the text `x`"
    );
    let rate = refused::<PathConfig>(json!({"max_message_rate": "100/fortnight"}));
    assert!(
        rate.starts_with("field `max_message_rate`: invalid value: invalid rate `100/fortnight`: unknown unit"),
        "{rate}"
    );
    assert!(
        refused::<PathConfig>(json!({"enable_tls": "Perhaps"}))
            .contains("invalid value: expected one of `\"Opportunistic\"`")
    );
}

#[test]
fn overrides_lie_over_a_path_and_what_does_not_fit_is_left_out() {
    let base = PathConfig::default();
    let (config, bad) =
        base.with(&map(json!({"connection_limit": 1, "max_message_rate": "1/s", "use_lmtp": "perhaps", "nope": 1})));
    assert_eq!((config.connection_limit.limit.get(), config.use_lmtp), (1, false));
    assert_eq!(config.max_message_rate.unwrap().to_string(), "1/s");
    assert_eq!(bad.len(), 2);
}

#[test]
fn a_queue_knows_what_was_given() {
    let config = QueueConfig::from_options(&map(json!({
        "retry_interval": "1 minute", "max_age": 3600, "egress_pool": null, "max_message_rate": "5/s",
        "protocol": {"custom_lua": {"constructor": "make.x", "batch_size": 10}}, "shrink_policy": {},
    })))
    .unwrap();
    let given: Vec<&str> = config.given().iter().map(String::as_str).collect();
    assert_eq!(given, ["max_age", "max_message_rate", "protocol", "retry_interval", "shrink_policy"]);
    assert_eq!((config.retry_interval, config.max_age), (Duration::from_mins(1), Duration::from_hours(1)));
    assert_eq!((config.pool(), config.protocol.label().as_str()), ("unspecified", "lua:make.x"));
    let written = config.to_json();
    assert_eq!(written["protocol"]["custom_lua"]["max_batch_latency"], json!("0s"));
    assert_eq!(written["retry_interval"], json!("1m"));
    assert_eq!(config.given_options().len(), 5);
    assert_eq!(QueueConfig::from_options(&written).unwrap().to_json(), written);
    assert_eq!(QueueConfig::from_options(&QueueConfig::default().to_json()).unwrap().protocol, Protocol::default());
}

#[test]
fn the_protocols_of_a_queue() {
    let protocol = |value| QueueConfig::from_options(&map(json!({ "protocol": value }))).unwrap().protocol;
    assert_eq!(protocol(json!({"smtp": {}})), Protocol::default());
    assert_eq!(protocol(json!({"smtp": []})), Protocol::default());
    let Protocol::Smtp { mx_list, .. } =
        protocol(json!({"smtp": {"mx_list": ["a:25", "[10.0.0.1]", {"name": "n", "addr": "10.0.0.1:26"}]}}))
    else {
        panic!("no SMTP")
    };
    assert_eq!(mx_list.iter().map(MxEntry::label).collect::<Vec<_>>(), ["a:25", "[10.0.0.1]", "10.0.0.1:26"]);
    assert_eq!(mx_list[2].address(), Some(("10.0.0.1".parse().unwrap(), Some(26))));
    assert_eq!(protocol(json!({"maildir_path": "/m"})).label(), "maildir:/m");
    assert_eq!(protocol(json!({"xfer": {"target": "http://h"}})).label(), "xfer");
    for (bad, said) in [
        (json!({"smtp": {"mxlist": []}}), "field `protocol`: invalid value: unknown field `mxlist`"),
        (json!({"custom_lua": {}}), "invalid value: missing field `constructor`"),
        (json!({"custom_lua": {"constructor": "x", "batch_size": 0}}), "expected at least 1 each"),
        (json!({"telnet": {}}), "expected one of `{smtp={..}}`"),
        (json!("smtp"), "field `protocol`: invalid type: string \"smtp\", expected a map"),
    ] {
        let error = refused::<QueueConfig>(json!({ "protocol": bad }));
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn what_a_queue_a_source_and_a_pool_do_not_take_is_said_as_helpers_look_for_it() {
    assert!(
        refused::<QueueConfig>(json!({"retry": 1}))
            .starts_with("unknown field `retry`, expected one of `retry_interval`")
    );
    assert_eq!(
        refused::<QueueConfig>(json!({"max_age": true})),
        "field `max_age`: invalid type: boolean `true`, expected a duration, such as `5 minutes`, or a number of seconds"
    );
    assert!(
        refused::<QueueConfig>(json!({"max_message_rate": "x"}))
            .starts_with("field `max_message_rate`: invalid value: invalid rate `x`")
    );
    assert_eq!(refused::<Source>(json!({"ttl": 5})), "missing field `name`");
    assert!(refused::<Source>(json!({"name": "a", "nmae": 5})).starts_with("unknown field `nmae`"));
    assert!(
        refused::<Source>(json!({"name": "a", "source_address": "here"}))
            .starts_with("field `source_address`: invalid value: ")
    );
    assert!(
        refused::<Source>(json!({"name": "a", "remote_port": 70000}))
            .starts_with("field `remote_port`: invalid value: ")
    );
    assert!(
        refused::<Pool>(json!({"name": "a", "entries": [{"nam": "x"}]}))
            .starts_with("field `entries`: invalid value: unknown field `nam`")
    );
}

#[test]
fn sources_and_pools() {
    let source = Source::from_options(&map(json!({
        "name": "ip-1", "source_address": "10.0.0.1", "ehlo_domain": "mta.example.com", "remote_port": 2525,
        "socks5_proxy_server": "10.0.0.5:5000",
    })))
    .unwrap();
    assert_eq!((source.ttl, source.remote_port, source.uses_proxies()), (Duration::from_mins(1), Some(2525), true));
    assert!(!Source::unspecified().uses_proxies());
    let pool = Pool::from_options(&map(json!({
        "name": "p", "entries": [{"name": "a", "weight": 20}, {"name": "b", "weight": 0}, {"name": "c", "weight": 30}],
    })))
    .unwrap();
    assert_eq!(pool.weighted(), [("a", 2), ("c", 3)]);
    assert_eq!(Pool::unspecified().weighted(), [("unspecified", 1)]);
    assert!(Pool::from_options(&map(json!({"name": "p", "entries": {}}))).unwrap().weighted().is_empty());
}

#[test]
fn what_has_no_effect_yet_are_options_that_exist() {
    for one in unenforced().iter().filter(|one| one.of == "egress path") {
        assert!(options().iter().any(|spec| spec.name == one.option), "{}", one.option);
    }
}

#[test]
fn what_has_no_effect_yet_stands_in_the_architecture() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md")).unwrap();
    for one in unenforced() {
        assert!(text.contains(&format!("`{}`", one.option)), "{}", one.option);
    }
}

#[test]
fn an_open_session_suits_while_what_it_was_opened_with_holds() {
    let opened = PathConfig::default();
    let suits = |options: Value| opened.suits_session(&opened.with(options.as_object().unwrap()).0);
    assert!(suits(json!({ "max_message_rate": "1/s", "connection_limit": 1, "max_deliveries_per_connection": 1 })));
    for options in [
        json!({ "ehlo_domain": "other.example" }),
        json!({ "enable_tls": "Required" }),
        json!({ "smtp_port": 2525 }),
        json!({ "data_timeout": "1s" }),
    ] {
        assert!(!suits(options.clone()), "{options}");
    }
}
