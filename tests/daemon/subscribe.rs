//! Subscribers: state first, then changes (semantics P1 to P4).

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use super::rig::{JSON, RULES, Rig, SITE, record};

fn on(number: u64, path: &str, content: &str) -> Value {
    let mut record = record(number, content);
    record["site"] = path.into();
    record
}

async fn cancel(rig: &Rig, key: &str) {
    let answer = rig.client.delete(rig.url(&format!("/tsa/effects/{key}"))).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
}

#[tokio::test]
async fn p1_events_tell_the_state_and_then_what_changes() {
    let rig = Rig::new(RULES).start().await;
    // In an order that is not that of the answer.
    for (number, content) in (1..).zip(["bounce it", "hold tenant", "hold it", "slow down"]) {
        rig.publish(&record(number, content)).await;
    }
    let mut events = rig.subscribe("/subscribe_event_v1").await;
    let mut old = rig.subscribe("/subscribe_suspension_v1").await;
    let ready = events.next().await;
    assert_eq!(ready["ReadyQSuspension"]["site_name"], SITE);
    let sched = events.next().await;
    assert_eq!(sched["SchedQSuspension"]["tenant"], "tenant");
    let bounce = events.next().await;
    assert_eq!(bounce["SchedQBounce"]["domain"], "example.com");
    assert_eq!(old.next().await, json!({"ReadyQ": ready["ReadyQSuspension"]}));
    assert_eq!(old.next().await, json!({"SchedQ": sched["SchedQSuspension"]}));
    rig.publish(&on(5, "a->b@smtp_client", "hold it")).await;
    let live = events.next().await;
    assert_eq!(live["ReadyQSuspension"]["site_name"], "a->b@smtp_client");
    assert_eq!(old.next().await["ReadyQ"], live["ReadyQSuspension"]);
}

#[tokio::test]
async fn p1_of_several_suspensions_of_a_path_the_latest_end_is_sent_and_an_early_end_is_now() {
    let rules =
        format!("{RULES}\n[[default.automation]]\nregex = \"it long\"\naction = \"Suspend\"\nduration = \"2h\"\n");
    let rig = Rig::new(&rules).start().await;
    let mut events = rig.subscribe("/subscribe_event_v1").await;
    rig.publish(&record(1, "hold it long")).await;
    let long = events.next().await;
    rig.publish(&record(2, "hold it")).await;
    let listed = rig.json("/tsa/effects.json").await;
    let key = |pattern: &str| {
        let one = listed.as_array().unwrap().iter().find(|one| one["value"]["rule"]["pattern"] == pattern);
        one.unwrap()["key"].as_str().unwrap().to_owned()
    };
    assert_eq!(listed.as_array().unwrap().len(), 2);
    cancel(&rig, &key("it long")).await;
    let short = events.next().await;
    assert_eq!(short["ReadyQSuspension"]["reason"], "automation rule: hold it");
    assert!(short["ReadyQSuspension"]["expires"].as_str() < long["ReadyQSuspension"]["expires"].as_str());
    cancel(&rig, &key("hold it")).await;
    let end = events.next().await;
    assert_eq!(end["ReadyQSuspension"]["site_name"], SITE);
    let expires = kumo_tsa_core::wire::Time::parse(end["ReadyQSuspension"]["expires"].as_str().unwrap()).unwrap();
    assert!(expires <= rig.host.clock().now(), "an end that is now");
    // Who comes now hears nothing of it: the next that it hears is the next that happens.
    let mut later = rig.subscribe("/subscribe_event_v1").await;
    rig.publish(&on(3, "a->b@smtp_client", "hold it")).await;
    assert_eq!(later.next().await["ReadyQSuspension"]["site_name"], "a->b@smtp_client");
}

#[tokio::test]
async fn p2_the_state_channel_carries_every_kind() {
    let rig = Rig::new(RULES).start().await;
    rig.publish(&record(1, "hold it")).await;
    rig.publish(&record(2, "slow down")).await;
    let mut state = rig.subscribe("/subscribe_state_v1").await;
    let begin = state.next().await;
    assert_eq!(begin["Begin"]["instance"].as_str().unwrap().len(), 36);
    let mut puts = state.until(|frame| frame.get("Ready").is_some()).await;
    assert_eq!(puts.pop(), Some(json!({"Ready": {}})));
    let mut kinds: Vec<_> = puts.iter().map(|put| put["Put"]["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["override", "suspension"]);
    rig.publish(&record(3, "bounce it")).await;
    let put = state.next().await;
    assert_eq!(put["Put"]["kind"], "bounce");
    assert_eq!(put["Put"]["value"]["domain"], "example.com");
    let key = put["Put"]["key"].as_str().unwrap();
    cancel(&rig, key).await;
    assert_eq!(state.next().await, json!({"Delete": {"kind": "bounce", "key": key}}));
    let again = rig.subscribe("/subscribe_state_v1").await.next().await;
    assert_eq!(again, begin, "the same start of the daemon");
    let rig = rig.restart().await;
    let restarted = rig.subscribe("/subscribe_state_v1").await.next().await;
    assert_ne!(restarted, begin, "another start");
}

#[tokio::test(start_paused = true)]
async fn p2_what_ends_is_deleted_when_it_ends() {
    let rig = Rig::controlled(RULES).start().await;
    let sent = super::rig::record_at(rig.host.clock().now(), 1, "hold it");
    rig.publish(&sent).await;
    let mut state = rig.subscribe("/subscribe_state_v1").await;
    let frames = state.until(|frame| frame.get("Ready").is_some()).await;
    let began = tokio::time::Instant::now();
    let message = state.0.next().await.unwrap().unwrap();
    let gone: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
    assert_eq!(gone, json!({"Delete": {"kind": "suspension", "key": frames[1]["Put"]["key"]}}));
    let waited = began.elapsed();
    assert!(waited > Duration::from_secs(3590) && waited < Duration::from_secs(3601), "{waited:?}");
}

#[tokio::test]
async fn p4_from_publish_to_frame_it_takes_milliseconds() {
    let rig = Rig::new(RULES).start().await;
    let mut events = rig.subscribe("/subscribe_event_v1").await;
    let mut took = Vec::new();
    for number in 1..=50 {
        let began = Instant::now();
        let sent = on(number, &format!("a->{number}@smtp_client"), "hold it");
        tokio::join!(rig.publish(&sent), async { assert!(events.next().await.get("ReadyQSuspension").is_some()) });
        took.push(began.elapsed());
    }
    took.sort();
    assert!(took[25] < Duration::from_millis(50), "the median, in a debug build: {:?}", took[25]);
}

#[tokio::test]
async fn p1_pings_are_answered_and_none_are_sent() {
    let rig = Rig::new(RULES).start().await;
    let mut state = rig.subscribe("/subscribe_event_v1").await;
    state.0.send(Message::Ping("are you there".into())).await.unwrap();
    let pong = state.0.next().await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong("are you there".into()));
}

#[tokio::test(start_paused = true)]
async fn p1_a_silent_day_has_no_pings() {
    let rig = Rig::controlled(RULES).start().await;
    let mut events = rig.subscribe("/subscribe_event_v1").await;
    let day = tokio::time::timeout(Duration::from_hours(24), events.0.next());
    assert!(day.await.is_err(), "nothing came");
}

/// Batches of records, each with a path of its own.
async fn publish_many(rig: &Rig, numbers: std::ops::Range<u64>, content: &str) {
    let mut body = String::new();
    for number in numbers {
        body.push_str(&on(number, &format!("a->site-{}@smtp_client", number % 20_000), content).to_string());
        body.push('\n');
        if body.len() > 1_500_000 {
            let (status, text) = rig.post(&[("content-type", "application/x-ndjson")], std::mem::take(&mut body)).await;
            assert_eq!(status, 200, "{text}");
        }
    }
    let (status, _) = rig.post(&[("content-type", "application/x-ndjson")], body).await;
    assert_eq!(status, 200);
}

/// A websocket client that does its handshake and then reads nothing until it is asked to.
async fn stuck(rig: &Rig, path: &str) -> tokio::net::TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8192).unwrap();
    let mut stream = socket.connect(rig.address()).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// The next text frame from a server: it is not masked.
async fn frame(stream: &mut tokio::io::BufReader<tokio::net::TcpStream>) -> Value {
    assert_eq!(stream.read_u8().await.unwrap(), 0x81, "a text frame");
    let len = match stream.read_u8().await.unwrap() {
        126 => u64::from(stream.read_u16().await.unwrap()),
        127 => stream.read_u64().await.unwrap(),
        short => u64::from(short),
    };
    let mut text = vec![0; usize::try_from(len).unwrap()];
    stream.read_exact(&mut text).await.unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[tokio::test]
async fn p3_a_reader_that_stops_for_100_000_changes_gets_the_final_state() {
    let rules = RULES.replace("hold it\"", "hold (it|on)\"");
    let rig = Rig::new(&rules).start().await;
    let stuck = stuck(&rig, "/subscribe_event_v1").await;
    // 100,000 changes of 20,000 paths: each is prolonged by a later record four times.
    let begin = rig.host.clock().now();
    for round in 0..5 {
        publish_many(&rig, round * 20_000..(round + 1) * 20_000, "hold it").await;
    }
    // One more that marks the end.
    rig.publish(&on(u64::MAX, "a->last@smtp_client", "hold on")).await;
    let mut reader = tokio::io::BufReader::new(stuck);
    let mut newest = std::collections::HashMap::new();
    let mut frames = 0;
    loop {
        let frame = tokio::time::timeout(Duration::from_secs(30), frame(&mut reader)).await.expect("a frame in time");
        let hold = &frame["ReadyQSuspension"];
        frames += 1;
        let path = hold["site_name"].as_str().unwrap().to_owned();
        let last = path == "a->last@smtp_client";
        newest.insert(path, hold["expires"].as_str().unwrap().to_owned());
        if last {
            break;
        }
    }
    assert_eq!(newest.len(), 20_001);
    assert!(frames < 60_000, "what a slow reader is sent is state, not history: {frames}");
    for one in rig.json("/get_suspension_v1/suspended.json").await["ready_q"].as_array().unwrap() {
        assert_eq!(newest[one["site_name"].as_str().unwrap()], one["expires"], "{one}");
    }
    assert!(begin < rig.host.clock().now());
    assert_eq!(rig.metric(r#"tsa_subscribers{endpoint="subscribe_event_v1"}"#).await, Some(1.0), "it is still there");
}

#[tokio::test]
async fn subscribers_are_counted_and_told_when_the_daemon_stops() {
    let mut rig = Rig::new(RULES).start().await;
    let mut state = rig.subscribe("/subscribe_state_v1").await;
    state.until(|frame| frame.get("Ready").is_some()).await;
    assert_eq!(rig.metric(r#"tsa_subscribers{endpoint="subscribe_state_v1"}"#).await, Some(1.0));
    assert_eq!(rig.post(&[JSON], record(1, "fine").to_string()).await.0, 200);
    rig.daemon.take().unwrap().stop().await;
    let end = state.0.next().await;
    assert!(matches!(end, Some(Ok(Message::Close(Some(_))))), "{end:?}");
}
