//! Options, and what `get_egress_path_config` answers.

use kumo_tsa::policy::explain;
use serde_json::json;

use super::rig::{Stage, Standin, bench, existing, ours};
use crate::support::call;

const CAPS: &str = r#"
[default]
connection_limit = 3
max_message_rate = "1/min"

["example.com"]
max_connection_rate = "5/s"
"#;

const NOBODY: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn paths_are_shaped_by_the_files() {
    let stage = Stage::new(ours, CAPS, "").await;
    assert_eq!(
        stage.path("example.com", "ip-1", "mx.example.com").await,
        json!({
            "connection_limit": 3, "max_message_rate": "1/min", "max_connection_rate": "5/s", "refresh_strategy": "Epoch"
        })
    );
    let stage = Stage::new(ours, "[default]\nrefresh_strategy = \"Ttl\"", "").await;
    assert_eq!(stage.path("example.org", "ip-1", "mx").await, json!({"refresh_strategy": "Ttl"}));
}

#[tokio::test]
async fn h4_shaping_files_do_not_throttle_the_queue_of_records() {
    for kind in [ours, existing] {
        let stage = Stage::new(kind, CAPS, &format!("publish = {{ '{NOBODY}' }}")).await;
        let domain = format!("{NOBODY}.tsa.kumomta");
        let path = stage.path(&domain, "unspecified", &domain).await;
        assert_eq!(path["max_message_rate"], json!(null));
        assert_eq!(path["connection_limit"], json!(8));
        assert_eq!(path["refresh_strategy"], json!("Epoch"));
    }
}

#[tokio::test]
async fn h4_our_host_gets_the_queue_of_records_with_the_hook() {
    let options =
        format!("publish = {{ '{NOBODY}' }}, tsa_queue_config = {{ max_age = '1 day', retry_interval = '2m' }}");
    let stage = Stage::new(ours, "", &options).await;
    stage.init().await;
    let name = format!("{NOBODY}.tsa.kumomta");
    let hooks = stage.notes.calls("kumo.configure_log_hook");
    assert_eq!(hooks.len(), 1);
    let hook = &hooks[0][0];
    assert_eq!(hook["name"], json!(name));
    assert_eq!(
        hook["queue"],
        json!({
            "retry_interval": "2m", "max_retry_interval": "20m", "max_age": "1 day",
            "protocol": {"custom_lua": {"constructor": format!("make.{name}"), "batch_size": 512}},
        })
    );
    // The user's handlers are asked for the rest: ours must not answer before them.
    assert!(!stage.policy.defines("get_queue_config"));
}

#[tokio::test]
async fn h4_an_existing_host_asks_for_the_queue_of_records() {
    let daemon = Standin::start().await;
    let stage = Stage::new(existing, "", &format!("publish = {{ '{}' }}", daemon.url)).await;
    stage.init().await;
    assert_eq!(stage.notes.calls("kumo.configure_log_hook")[0][0].get("queue"), None);
    let name = daemon.hook();
    assert_eq!(
        stage.call("get_queue_config", json!([name])).await,
        json!([{
            "retry_interval": "1m", "max_retry_interval": "20m", "protocol": {"custom_lua": {"constructor": format!("make.{name}")}}
        }])
    );
    // Nothing at all is answered for other domains.
    assert_eq!(stage.call("get_queue_config", json!(["example.com"])).await, json!({}));
}

#[tokio::test]
async fn r5_the_record_types_that_are_not_shipped_are_the_publishers_choice() {
    let usual =
        ["AdminRebind", "DeferredInjectionRebind", "Delayed", "Reception", "Rejection", "XferIn", "XferOut"].as_slice();
    for (options, expected) in [
        ("", usual),
        ("skip_log_record_types = { 'OOB' }", &["OOB"]),
        ("skip_log_record_types = {}, additional_skip_log_record_types = { 'OOB' }", &["OOB"]),
    ] {
        let stage = Stage::new(ours, "", &format!("publish = {{ '{NOBODY}' }}, back_pressure = 17, {options}")).await;
        stage.init().await;
        let hook = &stage.notes.calls("kumo.configure_log_hook")[0][0];
        let per_record = hook["per_record"].as_object().unwrap();
        assert_eq!(per_record.keys().collect::<Vec<_>>(), expected);
        assert!(per_record.values().all(|one| *one == json!({"enable": false})));
        assert_eq!(hook["back_pressure"], json!(17));
    }
}

#[tokio::test]
async fn options_that_are_no_options_are_refused() {
    for (options, expected) in [
        (
            "publsh = {}",
            "unknown option `publsh`, expected one of `additional_skip_log_record_types`, `allow_stale_shaping_data`, ",
        ),
        ("publish = 'http://a'", "option `publish`: expected a list of text, got \"http://a\""),
        ("publish = { 'a:8008' }", "option `publish`: `a:8008` is no URL of a daemon, such as `http://127.0.0.1:8008`"),
        ("subscribe = { 'http://u:p@a' }", "option `subscribe`: user and password go to the option `authorization`"),
        ("back_pressure = 1.5", "option `back_pressure`: expected an integer, got 1.5"),
        ("pre_filter = 'no'", "option `pre_filter`: expected a boolean, got \"no\""),
        ("cache_ttl = {}", "option `cache_ttl`: expected a duration, got {}"),
        (
            "tsa_queue_config = { protocol = {} }",
            "option `tsa_queue_config`: `protocol` is not yours to set, it is how",
        ),
        ("authorization = 7", "option `authorization`: expected the value of the header, such as `Bearer TOKEN`, or"),
    ] {
        let Err(error) = Stage::try_new(ours, "", options).await else { panic!("{options} is taken") };
        let text = explain(&error);
        assert!(text.contains(&format!("shaping:setup_with_automation: {expected}")), "{text}");
        // The policy's line, not the helper's.
        assert!(text.lines().next().unwrap().contains("/policy.lua:"), "{text}");
    }
}

#[tokio::test]
async fn every_documented_option_is_taken() {
    let options = format!(
        "publish = {{ '{NOBODY}' }}, subscribe = {{ '{NOBODY}/' }}, authorization = {{ user = 'u', password = 'p' }},
         pre_filter = false, skip_log_record_types = {{}}, additional_skip_log_record_types = {{ 'OOB' }},
         cache_ttl = '2 minutes', retry_shaping_data_fetch_on_populate_timeout = true,
         shaping_data_populate_timeout = '10 s', allow_stale_shaping_data = true,
         tsa_queue_config = {{ max_age = '1 day' }}, back_pressure = 1, load_validation_options = {{ dns_fail = 'Ignore' }},
         validation_options = {{ dns_fail = 'Ignore' }}, publish_timeout = '1 s',
         publish_pool_idle_timeout = '1 s', publish_connection_verbose = true"
    );
    let stage = Stage::new(ours, "", &options).await;
    let policy = stage
        .bench
        .load(&format!(
            "local shaper = require('policy-extras.shaping'):setup_with_automation {{ {options} }}
             kumo.on('names', function() return kumo.json_encode {{ shaper._file_names, shaper._options.cache_ttl }} end)"
        ))
        .await;
    let names = call::<String>(&policy, "names", ()).await.unwrap().unwrap();
    assert_eq!(
        names,
        format!(
            "[[\"/opt/kumomta/share/policy-extras/shaping.toml\",\"{NOBODY}/get_config_v1/shaping.toml\"],\"2 minutes\"]"
        )
    );
}

#[tokio::test]
async fn it_is_set_up_once() {
    let bench = bench(ours);
    let error = bench
        .try_load("local s = require 'policy-extras.shaping' s:setup() s:setup_with_automation {}")
        .await
        .unwrap_err();
    assert!(bench.text(&error).contains("the shaping module has already been configured"));
    let policy = bench
        .load(
            "local get = require('policy-extras.shaping'):setup { '/opt/kumomta/etc/mine.json' }
             kumo.on('get_egress_path_config', get)",
        )
        .await;
    bench.write("/opt/kumomta/etc/mine.json", r#"{"default": {"connection_limit": 77}}"#);
    let config =
        call::<mlua::Table>(&policy, "get_egress_path_config", ("example.org", "s", "x")).await.unwrap().unwrap();
    assert_eq!(config.get::<i64>("connection_limit").unwrap(), 77);
}

async fn validate(rules: &str, more: &str) -> bool {
    let mut bench = bench(ours);
    bench.options.validating = true;
    bench.write("/opt/kumomta/etc/policy/shaping.toml", rules);
    let policy = bench
        .load(&format!(
            "local shaper = require('policy-extras.shaping'):setup_with_automation {{
               publish = {{ '{NOBODY}' }}, subscribe = {{ '{NOBODY}' }},
               no_default_files = true, extra_files = {{ '/opt/kumomta/etc/policy/shaping.toml' }},
             }}
             {more}"
        ))
        .await;
    call::<()>(&policy, "validate_config", ()).await.unwrap();
    !kumo_tsa::modules::kumo::declared_invalid(&bench.host)
}

#[tokio::test]
async fn a_configuration_is_validated() {
    let hooked = "kumo.on('get_egress_path_config', shaper.get_egress_path_config)";
    assert!(validate(CAPS, hooked).await);
    assert!(!validate(CAPS, "").await, "nothing asks the shaper");
    assert!(!validate("[default]\nconnection_limt = 1", hooked).await);
    let named = "[\"example.com\".sources.\"ip-1\"]\nconnection_limit = 1";
    assert!(validate(named, hooked).await);
    let sources = |name: &str| {
        format!("{hooked} require('policy-extras.sources'):setup {{ {{ source = {{ ['{name}'] = {{}} }} }} }}")
    };
    assert!(validate(named, &sources("ip-1")).await);
    assert!(!validate(named, &sources("ip-2")).await);
}
