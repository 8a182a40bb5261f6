//! Sessions as an administrator sees and ends them (interface C.14).

use std::time::Duration;

use serde_json::json;

use super::rig::{HELLO, Rig, ZONE, beginning, shown, until};
use crate::support::Bench;
use crate::support::smtp::{Answer, Sink, Step};

#[tokio::test]
async fn a_session_is_shown_and_ended() {
    let silent = |turn: &crate::support::smtp::Turn<'_>| turn.step == Step::Body && turn.session == 0;
    let sink = Sink::start(move |turn| if silent(turn) { Answer::Silence } else { Answer::Usual }).await;
    let policy = beginning("", "kumo.start_http_listener { listen = '127.0.0.1:0' }")
        + &format!(
            "kumo.on('get_queue_config', function() return kumo.make_queue_config {{ retry_interval = '1s' }} end)
             kumo.on('get_egress_path_config', function()
               return kumo.make_egress_path {{ smtp_port = {}, prohibited_hosts = {{}}, connection_limit = 3 }}
             end)",
            sink.port()
        );
    let rig = Rig::running(Bench::new(), ZONE, &policy).await;
    rig.send(&["to@one.example.com"], HELLO).await;
    let reached = |sink: &Sink| sink.sessions().iter().any(|session| session.lines().contains(&"DATA"));
    assert!(sink.until(reached).await);
    let queue = "unspecified->mx.example.com@smtp_client";
    let found =
        rig.get(&format!("/api/admin/inspect-ready-q/v1?queue_name={queue}&include_scheduled_queues=true")).await;
    assert_eq!((&found["egress_source"], &found["state"]["connection_count"]), (&json!("unspecified"), &json!(1)));
    assert_eq!(found["path_config"]["connection_limit"], json!(3));
    let session = &found["dispatchers"][0];
    assert!(session["phase"].to_string().contains("DeliveringMessage"), "{found:#}");

    let nobody = json!({"queue_name": queue, "session_id": "00000000-0000-4000-8000-000000000000"});
    assert_eq!(rig.post("/api/admin/abort-ready-q-conn/v1", &nobody).await.0, 404);
    let body = json!({"queue_name": queue, "session_id": session["session_id"]});
    let (status, text) = rig.post("/api/admin/abort-ready-q-conn/v1", &body).await;
    assert_eq!((status, text), (200, format!("aborted {}", session["session_id"].as_str().unwrap())));
    assert!(sink.within(Duration::from_secs(20), |sink| sink.count() == 1).await, "{:#?}", sink.sessions());
    until("the end of the session", || sink.sessions()[0].closed.is_some()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let texts = shown(&rig.stop().await);
    let expected =
        "TransientFailure 400 KumoMTA internal: gave up in the middle of a delivery: the session was aborted";
    assert_eq!(texts[0], expected, "{texts:#?}");
    assert!(texts[1].starts_with("Delivery 250 ") && texts.len() == 2, "{texts:#?}");
}
