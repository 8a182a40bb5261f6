//! How records are shipped.

use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::rig::{Stage, Standin, existing, ours};
use crate::daemon::rig::{RULES, Rig, record, record_at};

fn hook(rig: &Rig) -> String {
    format!("{}.tsa.kumomta", rig.url(""))
}

async fn stage(kind: kumo_tsa::policy::Install, url: &str, more: &str) -> Stage {
    Stage::new(kind, "", &format!("publish = {{ '{url}' }}, {more}")).await
}

#[tokio::test]
async fn a_record_goes_alone_when_it_is_quiet() {
    let rig = Rig::new(RULES).start().await;
    for (kind, method) in [(ours as kumo_tsa::policy::Install, "send_batch"), (existing, "send")] {
        let stage = stage(kind, &rig.url(""), "").await;
        let (done, answer) = stage.deliver(&hook(&rig), method, &[record(1, "hold it")]).await;
        assert!(done, "{answer}");
    }
    let effects = rig.json("/tsa/effects.json").await;
    assert_eq!(effects.as_array().map_or(0, Vec::len), 1, "{effects}");
}

#[tokio::test]
async fn d4_each_record_of_a_batch_has_its_own_fate() {
    let rig = Rig::new(RULES).start().await;
    let stage = stage(ours, &rig.url(""), "").await;
    let records =
        [record(1, "three times"), json!({"type": "Delivery"}), record(2, "three times"), record(3, "three times")];
    let (done, fates) = stage.deliver(&hook(&rig), "send_batch", &records).await;
    assert!(done, "{fates}");
    let taken = json!(format!("taken by {}", rig.url("")));
    assert_eq!((&fates[0], &fates[2], &fates[3]), (&taken, &taken, &taken));
    assert_eq!(fates[1]["code"], json!(554));
    assert!(fates[1]["message"].as_str().unwrap().contains("missing field"), "{fates}");
    // All three were counted.
    assert_eq!(rig.json("/tsa/effects.json").await.as_array().map_or(0, Vec::len), 1);
}

#[tokio::test]
async fn a_host_without_fates_gets_one_answer_for_a_batch() {
    let rig = Rig::new(RULES).start().await;
    let stage = stage(existing, &rig.url(""), "").await;
    let name = hook(&rig);
    // Only a daemon that knows a record when it sees it again is sent batches.
    let config = stage.call("get_queue_config", json!([name])).await;
    assert_eq!(config[0]["protocol"]["custom_lua"]["batch_size"], json!(512));
    let records = [record(1, "three times"), json!({"type": "Delivery"}), record(2, "fine")];
    let (done, answer) = stage.deliver(&name, "send_batch", &records).await;
    assert_eq!((done, answer), (true, json!(format!("taken by {}", rig.url("")))));
    let (done, answer) = stage.deliver(&name, "send", &[json!({"type": "Delivery"})]).await;
    assert!(!done && answer.as_str().unwrap().contains("554 5.6.0"), "{answer}");
}

#[tokio::test]
async fn long_batches_are_sent_in_pieces() {
    let rig = Rig::new(RULES).start().await;
    let stage = stage(ours, &rig.url(""), "").await;
    // 4 MB: more than the daemon takes in one request.
    let records: Vec<_> = (0..40).map(|n| record(n, &format!("fine {}", "x".repeat(100_000)))).collect();
    let (done, fates) = stage.deliver(&hook(&rig), "send_batch", &records).await;
    assert!(done, "{fates}");
    assert_eq!(fates.as_array().unwrap().len(), 40);
    assert!(fates.as_array().unwrap().iter().all(Value::is_string), "{fates}");
}

#[tokio::test]
async fn an_existing_daemon_gets_one_record_a_request() {
    let daemon = Standin::start().await;
    let stage = stage(ours, &daemon.url, "").await;
    let records = [record(1, "a"), json!({"no": "type"}), record(2, "b")];
    let (done, fates) = stage.deliver(&daemon.hook(), "send_batch", &records).await;
    assert!(done, "{fates}");
    assert!(fates[0].is_string() && fates[2].is_string(), "{fates}");
    assert_eq!(fates[1]["code"], json!(554));
    assert_eq!(daemon.taken(), [records[0].clone(), records[2].clone()]);
    // The batch was turned away once.
    let posts: Vec<_> = daemon.asked().into_iter().filter(|asked| asked.starts_with("POST")).collect();
    assert_eq!(
        posts,
        [
            "POST /publish_log_v1 415",
            "POST /publish_log_v1 200",
            "POST /publish_log_v1 422",
            "POST /publish_log_v1 200"
        ]
    );
}

#[tokio::test]
async fn records_wait_for_a_daemon_that_is_away() {
    let stage = stage(ours, "http://127.0.0.1:9", "").await;
    let (done, fates) =
        stage.deliver("http://127.0.0.1:9.tsa.kumomta", "send_batch", &[record(1, "a"), record(2, "b")]).await;
    assert!(done, "{fates}");
    for fate in fates.as_array().unwrap() {
        assert_eq!(fate["code"], json!(451), "{fate}");
    }
    // A message by itself is deferred by raising.
    let stage = self::stage(existing, "http://127.0.0.1:9", "").await;
    for method in ["send", "send_batch"] {
        let (done, answer) = stage.deliver("http://127.0.0.1:9.tsa.kumomta", method, &[record(1, "a")]).await;
        assert!(!done && answer.as_str().unwrap().contains("451 4.4.1 http://127.0.0.1:9: "), "{answer}");
    }
}

#[tokio::test]
async fn a_busy_daemon_is_asked_again_when_it_said_when() {
    let daemon = Standin::start().await;
    let busy = || (axum::http::StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")], "full").into_response();
    let stage = stage(ours, &daemon.url, "").await;
    daemon.answer_first(vec![busy()]);
    let (_, fates) = stage.deliver(&daemon.hook(), "send_batch", &[record(1, "a")]).await;
    assert!(fates[0].is_string(), "{fates}");
    daemon.answer_first(vec![busy(), busy()]);
    let (_, fates) = stage.deliver(&daemon.hook(), "send_batch", &[record(1, "a"), record(2, "b")]).await;
    for fate in fates.as_array().unwrap() {
        assert_eq!(fate["code"], json!(451), "{fate}");
        assert!(fate["message"].as_str().unwrap().ends_with("answers 503: full"), "{fate}");
    }
    assert_eq!(daemon.taken().len(), 1);
}

#[tokio::test]
async fn records_are_shipped_with_authorization() {
    let daemon = Standin::with(Some("Bearer t"), false).await;
    let stranger = stage(ours, &daemon.url, "").await;
    let (_, fates) = stranger.deliver(&daemon.hook(), "send_batch", &[record(1, "a")]).await;
    assert_eq!(fates[0]["code"], json!(451), "{fates}");
    let known = stage(ours, &daemon.url, "authorization = { token = 't' }").await;
    let (_, fates) = known.deliver(&daemon.hook(), "send_batch", &[record(1, "a")]).await;
    assert!(fates[0].is_string(), "{fates}");
}

#[tokio::test]
async fn each_daemon_has_its_own_hook() {
    let daemons = [Standin::start().await, Standin::start().await];
    let urls = format!("'{}', '{}'", daemons[0].url, daemons[1].url);
    let stage = Stage::started(ours, "", &format!("publish = {{ {urls} }}, pre_filter = false")).await;
    assert_eq!(stage.notes.calls("kumo.configure_log_hook").len(), 2);
    for (number, daemon) in daemons.iter().enumerate() {
        let one = record_at(kumo_tsa_core::wire::Time::from_secs(1), number as u64, "a");
        assert_eq!(stage.enqueue(&one, &daemon.hook()).await, format!("true {}", daemon.hook()));
        stage.deliver(&daemon.hook(), "send_batch", std::slice::from_ref(&one)).await;
        assert_eq!(daemon.taken(), [one]);
    }
}

#[tokio::test]
async fn what_is_no_line_does_not_shift_the_fates_of_others() {
    let rig = Rig::new(RULES).start().await;
    let stage = stage(ours, &rig.url(""), "").await;
    let pretty = serde_json::to_string_pretty(&record(1, "a")).unwrap();
    let texts = vec![String::from("\n"), pretty, String::from("{\n}"), record(2, "b").to_string()];
    let (done, fates) = stage.deliver_texts(&hook(&rig), "send_batch", texts).await;
    assert!(done, "{fates}");
    let taken: Vec<_> = fates.as_array().unwrap().iter().map(Value::is_string).collect();
    assert_eq!(taken, [false, true, false, true], "{fates}");
}
