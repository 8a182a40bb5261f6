//! With an existing daemon, or on an existing host.

use serde_json::{Value, json};

use super::rig::{Stage, Standin, existing, ours};
use crate::daemon::rig::{RULES, Rig, SITE, record};

const END: &str = "2036-01-01T00:00:00Z";

fn path_hold() -> Value {
    json!({"ReadyQSuspension": {"rule_hash": "abc", "site_name": SITE, "reason": "automation rule: x",
                                "source": "unspecified", "expires": END}})
}

fn queue_hold() -> Value {
    json!({"SchedQSuspension": {"rule_hash": "abc", "tenant": "t", "domain": "example.com", "campaign": null,
                                "reason": "automation rule: y", "expires": END}})
}

fn bounce() -> Value {
    json!({"SchedQBounce": {"rule_hash": "abc", "tenant": null, "domain": "example.com", "campaign": null,
                            "reason": "automation rule: z", "expires": END}})
}

fn asked_path() -> Value {
    json!([{"name": SITE, "reason": "automation rule: x (rule_hash=abc)", "expires": END}])
}

fn asked_queue() -> Value {
    json!([{"tenant": "t", "domain": "example.com", "reason": "automation rule: y (rule_hash=abc)", "expires": END}])
}

fn asked_bounce() -> Value {
    json!([{"domain": "example.com", "reason": "automation rule: z (rule_hash=abc)", "expires": END}])
}

#[tokio::test]
async fn an_existing_daemon_is_followed_by_its_own_endpoints() {
    for kind in [ours, existing] {
        let daemon = Standin::start().await;
        daemon.hold(&path_hold());
        let stage = Stage::started(kind, "", &format!("subscribe = {{ '{}' }}", daemon.url)).await;
        let paths = |count| {
            move |notes: &super::rig::Notes| notes.calls("kumo.api.admin.suspend_ready_q.suspend").len() == count
        };
        stage.notes.until("what holds", paths(1)).await;
        daemon.hold(&queue_hold());
        daemon.hold(&json!({"Tomorrow": {}}));
        daemon.hold(&bounce());
        stage.notes.until("news", |notes| notes.calls("kumo.api.admin.bounce.bounce").len() == 1).await;
        assert_eq!(stage.notes.calls("kumo.api.admin.suspend_ready_q.suspend"), [asked_path()]);
        assert_eq!(stage.notes.calls("kumo.api.admin.suspend.suspend"), [asked_queue()]);
        assert_eq!(stage.notes.calls("kumo.api.admin.bounce.bounce"), [asked_bounce()]);
        daemon.hang_up();
        stage.notes.until("all of it after a lost connection", paths(2)).await;
    }
}

#[tokio::test]
async fn a_daemon_without_bounces_is_followed() {
    let daemon = Standin::with(None, true).await;
    daemon.hold(&path_hold());
    daemon.hold(&queue_hold());
    let stage = Stage::started(existing, "", &format!("subscribe = {{ '{}' }}", daemon.url)).await;
    stage.notes.until("what holds", |notes| notes.calls("kumo.api.admin.suspend.suspend").len() == 1).await;
    assert_eq!(stage.notes.calls("kumo.api.admin.suspend_ready_q.suspend"), [asked_path()]);
}

const OVERLAY: &str = r#"
["example.com"]
mx_rollup = true
["example.com".sources.unspecified]
max_message_rate = "3/m"
"#;

#[tokio::test]
async fn overrides_of_an_existing_daemon_are_loaded() {
    for (kind, token, option) in [
        (ours as kumo_tsa::policy::Install, None, ""),
        (existing, None, ""),
        (existing, Some("Basic dTpw"), "authorization = { user = 'u', password = 'p' }"),
    ] {
        let daemon = Standin::with(token, false).await;
        daemon.overlay(OVERLAY);
        let options = format!("subscribe = {{ '{}' }}, cache_ttl = '100 ms', {option}", daemon.url);
        let stage = Stage::new(kind, "", &options).await;
        let path = stage.path("example.com", "unspecified", "mx.example.com").await;
        assert_eq!(path["max_message_rate"], json!("3/m"), "{path}");
        daemon.overlay("");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let path = stage.path("example.com", "unspecified", "mx.example.com").await;
        assert_eq!(path["max_message_rate"], json!(null), "{path}");
    }
}

#[tokio::test]
async fn a_changed_overlay_bumps_the_epoch() {
    tokio::time::pause();
    let daemon = Standin::start().await;
    let stage = Stage::started(existing, "", &format!("subscribe = {{ '{}' }}, cache_ttl = '1 s'", daemon.url)).await;
    let epoch = || stage.bench.host.epoch().current();
    let until = async |wanted| {
        for _ in 0..200 {
            if epoch() == wanted {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        panic!("the epoch is {}, not {wanted}", epoch());
    };
    until(1).await;
    tokio::time::sleep(std::time::Duration::from_mins(3)).await;
    assert_eq!(epoch(), 1);
    daemon.overlay(OVERLAY);
    until(2).await;
}

#[tokio::test]
async fn an_existing_host_with_an_authorization_asks_again_and_again() {
    let daemon = Standin::with(Some("Bearer t"), false).await;
    daemon.hold(&path_hold());
    daemon.hold(&bounce());
    tokio::time::pause();
    let options = format!("subscribe = {{ '{}' }}, authorization = 'Bearer t'", daemon.url);
    let stage = Stage::started(existing, "", &options).await;
    stage.notes.until("what holds", |notes| notes.calls("kumo.api.admin.bounce.bounce").len() == 1).await;
    daemon.hold(&queue_hold());
    stage.notes.until("news", |notes| notes.calls("kumo.api.admin.suspend.suspend").len() == 1).await;
    assert_eq!(stage.notes.calls("kumo.api.admin.suspend_ready_q.suspend"), [asked_path()]);
    assert_eq!(stage.notes.calls("kumo.api.admin.bounce.bounce"), [asked_bounce()]);
}

#[tokio::test]
async fn our_daemon_is_followed_by_an_existing_host() {
    let rig = Rig::new(RULES).start().await;
    rig.publish(&record(1, "hold it")).await;
    rig.publish(&record(2, "slow down")).await;
    let stage = Stage::started(existing, "", &format!("subscribe = {{ '{}' }}", rig.url(""))).await;
    stage.notes.until("what holds", |notes| notes.calls("kumo.api.admin.suspend_ready_q.suspend").len() == 1).await;
    let path = stage.path("example.com", "unspecified", "mx.example.com").await;
    assert_eq!(path["max_message_rate"], json!("10/s"), "{path}");
}
