//! Which records are shipped, by an existing mail host; ours tells by itself which no rule may match (`mail::hook`).

use serde_json::{Value, json};

use super::rig::{Stage, existing, ours};
use crate::daemon::rig::record;

const URL: &str = "http://127.0.0.1:9";
const HOOK: &str = "http://127.0.0.1:9.tsa.kumomta";

const RULES: &str = r#"
[[default.automation]]
regex = "hold it"
action = "Suspend"
duration = "1 hour"

[["one.example".automation]]
regex = "only there"
action = "Suspend"
duration = "1 hour"

["one.example"]
mx_rollup = false
"#;

fn changed(mut record: Value, field: &str, value: Value) -> Value {
    record[field] = value;
    record
}

#[tokio::test]
async fn records_that_can_match_nothing_are_not_shipped() {
    let stage = Stage::new(existing, RULES, &format!("publish = {{ '{URL}' }}")).await;
    let sent = format!("true {HOOK}");
    assert_eq!(stage.enqueue(&record(1, "please hold it"), HOOK).await, sent);
    assert_eq!(stage.enqueue(&record(1, "fine"), HOOK).await, "false nil");
    assert_eq!(stage.enqueue(&record(1, "only there"), HOOK).await, "false nil");
    let there = changed(record(1, "only there"), "recipient", json!("a@one.example"));
    assert_eq!(stage.enqueue(&there, HOOK).await, sent);
}

#[tokio::test]
async fn r2_each_recipient_domain_of_a_record_counts() {
    let stage = Stage::new(existing, RULES, &format!("publish = {{ '{URL}' }}")).await;
    let both = changed(record(1, "only there"), "recipient", json!(["a@example.com", "b@one.example"]));
    assert_eq!(stage.enqueue(&both, HOOK).await, format!("true {HOOK}"));
    let neither = changed(record(1, "only there"), "recipient", json!(["a@example.com", "b@two.example"]));
    assert_eq!(stage.enqueue(&neither, HOOK).await, "false nil");
}

#[tokio::test]
async fn everything_is_shipped_without_a_filter() {
    for kind in [ours, existing] {
        let stage = Stage::new(kind, RULES, &format!("publish = {{ '{URL}' }}, pre_filter = false")).await;
        assert_eq!(stage.enqueue(&record(1, "fine"), HOOK).await, format!("true {HOOK}"));
        // Other hooks are asked for by other handlers.
        assert_eq!(stage.enqueue(&record(1, "fine"), "mine.log_hook").await, "nil nil");
    }
}

#[tokio::test]
async fn r5_records_that_are_not_to_be_shipped_are_not() {
    let stage = Stage::new(existing, RULES, &format!("publish = {{ '{URL}' }}, pre_filter = false")).await;
    let skipped = changed(record(1, "fine"), "type", json!("Reception"));
    assert_eq!(stage.enqueue(&skipped, HOOK).await, "false nil");
    let own = changed(record(1, "fine"), "reception_protocol", json!("LogRecord"));
    assert_eq!(stage.enqueue(&own, HOOK).await, "false nil");
}

#[tokio::test]
async fn what_cannot_be_judged_is_shipped() {
    let stage = Stage::new(existing, RULES, &format!("publish = {{ '{URL}' }}")).await;
    let odd = changed(record(1, "fine"), "timestamp", json!("noon"));
    assert_eq!(stage.enqueue(&odd, HOOK).await, format!("true {HOOK}"));
    let stage = Stage::new(ours, "regex = broken toml", &format!("publish = {{ '{URL}' }}")).await;
    assert_eq!(stage.enqueue(&record(1, "fine"), HOOK).await, format!("true {HOOK}"));
    let stage = Stage::new(ours, RULES, &format!("publish = {{ '{URL}' }}")).await;
    let odd = changed(record(1, "fine"), "timestamp", json!("noon"));
    assert_eq!(stage.enqueue(&odd, HOOK).await, format!("true {HOOK}"));
}
