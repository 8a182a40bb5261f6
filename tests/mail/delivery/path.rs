//! Hosts that cannot be reached, and those that are tried instead.

use std::time::Duration;

use super::rig::{HELLO, Rig, shown, until};
use crate::support::smtp::{Answer, Manner, Sink, Step};

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_tried_again() {
    let sink = Sink::willing().await;
    let address = sink.address();
    let rig = Rig::new(&sink, "").await;
    drop(sink);
    // The sink's listener goes when its task has been dropped.
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.send(&["to@one.example.com"], HELLO).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let sink = Sink::with(Manner::default().at(address), |_| Answer::Usual).await;
    assert!(sink.within(Duration::from_hours(1), |sink| sink.count() == 1).await);
    until("the end of the session", || sink.open_now() == 0).await;
    let texts = shown(&rig.stop().await);
    assert!(texts[0].starts_with("TransientFailure 400 KumoMTA internal: "), "{texts:#?}");
    assert!(texts[0].contains("Connection refused"), "{texts:#?}");
    assert!(texts.last().unwrap().starts_with("Delivery 250 "), "{texts:#?}");
}

#[tokio::test(start_paused = true)]
async fn the_next_host_is_tried_at_once() {
    // Nobody listens at the address of the first host.
    let second = Sink::with(Manner::default().at(([127, 0, 0, 3], 0)), |_| Answer::Usual).await;
    let rig = Rig::new(&second, "").await;
    rig.send(&["to@several.example.com"], HELLO).await;
    assert!(second.until(|sink| sink.count() == 1).await);
    until("the end of the session", || second.open_now() == 0).await;
    let records = rig.stop().await;
    assert_eq!(shown(&records), ["Delivery 250 2.0.0 OK ids=0-0"]);
    assert_eq!(records[0]["peer_address"]["name"], "second.example.com.");
    assert_eq!(records[0]["site"], "unspecified->(first|second).example.com@smtp_client");

    // It says that it takes no session now.
    let second = Sink::with(Manner::default().at(([127, 0, 0, 3], 0)), |_| Answer::Usual).await;
    let first = Manner::default().at(([127, 0, 0, 2], second.port()));
    let first = Sink::with(first, |turn| match turn.step {
        Step::Banner => Answer::say("421 4.3.2 busy"),
        _ => Answer::Usual,
    })
    .await;
    let rig = Rig::new(&second, "").await;
    rig.send(&["to@several.example.com"], HELLO).await;
    assert!(second.until(|sink| sink.count() == 1).await);
    assert_eq!(first.sessions().len(), 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_better_host_is_preferred() {
    let second = Sink::with(Manner::default().at(([127, 0, 0, 3], 0)), |_| Answer::Usual).await;
    let first = Sink::with(Manner::default().at(([127, 0, 0, 2], second.port())), |_| Answer::Usual).await;
    let rig = Rig::new(&second, "").await;
    for _ in 0..3 {
        rig.send(&["to@several.example.com"], HELLO).await;
    }
    first.received(3).await;
    assert_eq!(second.sessions().len(), 0);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_null_mx_bounces() {
    let sink = Sink::willing().await;
    let rig = Rig::new(&sink, "").await;
    rig.send(&["to@null.example.com"], HELLO).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let texts = shown(&rig.stop().await);
    assert_eq!((texts.len(), sink.sessions().len()), (1, 0), "{texts:#?}");
    assert!(texts[0].starts_with("Bounce 556 5.1.10 KumoMTA internal: "), "{texts:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_prohibited_host_bounces() {
    let sink = Sink::willing().await;
    let rig = Rig::new(&sink, "skip_hosts = { '127.0.0.2' }").await;
    rig.send(&["to@several.example.com"], HELLO).await;
    // The second host is left, and nobody listens there.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let texts = shown(&rig.stop().await);
    assert!(texts[0].starts_with("TransientFailure 400 ") && texts[0].contains("127.0.0.3"), "{texts:#?}");

    let rig = Rig::new(&sink, "skip_hosts = { '127.0.0.0/8' }").await;
    rig.send(&["to@several.example.com"], HELLO).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let texts = shown(&rig.stop().await);
    assert!(texts[0].starts_with("Bounce 550 5.4.4 KumoMTA internal: "), "{texts:#?}");
}
