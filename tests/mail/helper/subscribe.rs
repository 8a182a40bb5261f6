//! What our daemon decides, pushed into our host.

use serde_json::{Value, json};

use super::rig::{Stage, ours};
use crate::daemon::rig::{RULES, Rig, SITE, record};

fn put(changes: &[(String, Value)], kind: &str) -> Vec<Value> {
    changes.iter().filter(|(_, change)| change["Put"]["kind"] == json!(kind)).map(|(_, c)| c["Put"].clone()).collect()
}

#[tokio::test]
async fn all_kinds_of_changes_are_pushed() {
    let rig = Rig::new(RULES).start().await;
    rig.publish(&record(1, "hold it")).await;
    let stage = Stage::started(ours, "", &format!("subscribe = {{ '{}' }}", rig.url(""))).await;
    stage.notes.until("the state", |notes| notes.changes().iter().any(|(_, change)| !change["Ready"].is_null())).await;
    let first = stage.notes.changes();
    assert_eq!(first.iter().map(|(owner, _)| owner.as_str()).collect::<Vec<_>>(), [rig.url("").as_str(); 2]);
    let path = &put(&first, "suspension")[0];
    assert_eq!(path["value"]["path"], json!(SITE));
    // What is there when the state has been told.
    assert_eq!(first[1].1["Ready"], json!([path["key"]]));

    for (number, content) in [(2, "hold tenant"), (3, "bounce it"), (4, "slow down")] {
        rig.publish(&record(number, content)).await;
    }
    stage
        .notes
        .until("all kinds", |notes| {
            let changes = notes.changes();
            let count = |kind| put(&changes, kind).len();
            (count("suspension"), count("bounce"), count("override")) == (2, 1, 1)
        })
        .await;
    let option = &put(&stage.notes.changes(), "override")[0]["value"];
    assert_eq!((&option["option"], &option["value"]), (&json!("max_message_rate"), &json!("10/s")));

    let key = path["key"].as_str().unwrap();
    rig.client.delete(rig.url(&format!("/tsa/effects/{key}"))).send().await.unwrap().error_for_status().unwrap();
    stage
        .notes
        .until("the end of one", |notes| {
            notes.changes().iter().any(|(_, change)| change["Delete"] == json!({"kind": "suspension", "key": key}))
        })
        .await;
    // Nothing of it comes by the ways of an existing host.
    assert_eq!(stage.notes.calls("kumo.api.admin.suspend_ready_q.suspend"), [json!(null); 0]);
}

#[tokio::test]
async fn what_is_pushed_is_not_loaded_as_a_file_too() {
    let rig = Rig::new(RULES).start().await;
    rig.publish(&record(1, "slow down")).await;
    let stage = Stage::new(ours, "", &format!("subscribe = {{ '{}' }}", rig.url(""))).await;
    let path = stage.path("example.com", "unspecified", "mx.example.com").await;
    assert_eq!(path, json!({"refresh_strategy": "Epoch"}));
}

#[tokio::test]
async fn several_daemons_are_followed_each_as_its_own_owner() {
    let rigs = [Rig::new(RULES).start().await, Rig::new(RULES).start().await];
    let urls: Vec<_> = rigs.iter().map(|rig| rig.url("")).collect();
    let stage = Stage::started(ours, "", &format!("subscribe = {{ '{}', '{}' }}", urls[0], urls[1])).await;
    for (number, rig) in rigs.iter().enumerate() {
        rig.publish(&record(number as u64, "hold it")).await;
    }
    stage.notes.until("both", |notes| put(&notes.changes(), "suspension").len() == 2).await;
    let mut owners: Vec<_> = stage.notes.changes().into_iter().map(|(owner, _)| owner).collect();
    owners.sort();
    owners.dedup();
    let mut expected = urls;
    expected.sort();
    assert_eq!(owners, expected);
}

#[tokio::test]
async fn the_websocket_carries_authorization() {
    let more = "kumo.on('http_server_validate_auth_bearer', function(token) return token == 't' end)";
    let policy = crate::daemon::rig::policy("trusted_hosts = { '192.0.2.7' }", more);
    let rig = Rig::new(RULES).policy(&policy).start().await;
    let stage =
        Stage::started(ours, "", &format!("subscribe = {{ '{}' }}, authorization = 'Bearer t'", rig.url(""))).await;
    stage.notes.until("the state", |notes| notes.changes().iter().any(|(_, change)| !change["Ready"].is_null())).await;
}
