//! Time that passes and clocks that jump (semantics C).

use std::time::Duration;

use serde_json::json;

use super::rig::{RULES, Rig, record_at};

/// How long the one suspension still holds, in seconds of the daemon's clock.
async fn left(rig: &Rig) -> Option<i64> {
    let suspended = rig.json("/get_suspension_v1/suspended.json").await;
    let expires = suspended["ready_q"].get(0)?["expires"].as_str()?.to_owned();
    let end = kumo_tsa_core::wire::Time::parse(&expires).unwrap();
    Some((end.micros() - rig.host.clock().now().micros()) / 1_000_000)
}

#[tokio::test(start_paused = true)]
async fn c1_an_effect_ends_by_the_hosts_clock() {
    let rig = Rig::controlled(RULES).start().await;
    rig.publish(&record_at(rig.host.clock().now(), 1, "hold it")).await;
    tokio::time::sleep(Duration::from_secs(3500)).await;
    assert!(left(&rig).await.is_some_and(|secs| (90..=100).contains(&secs)));
    tokio::time::sleep(Duration::from_secs(101)).await;
    assert_eq!(left(&rig).await, None);
    assert_eq!(rig.metric("tsa_effects_live").await, Some(0.0), "it is forgotten");
}

#[tokio::test(start_paused = true)]
async fn c2_a_clock_that_jumps_ends_nothing_and_revives_nothing() {
    let rig = Rig::controlled(RULES).start().await;
    let clock = rig.host.clock().clone();
    rig.publish(&record_at(clock.now(), 1, "hold it")).await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    for hours in [5, -9] {
        clock.jump(hours * 3_600_000_000);
        let at_once = left(&rig).await.expect("it holds on for who asks before anything has happened");
        assert!((2990..=3000).contains(&at_once), "{hours} hours: {at_once} s");
        rig.publish(&record_at(clock.now(), 2, "slow down")).await;
        let left = left(&rig).await.expect("it holds on");
        assert!((2990..=3000).contains(&left), "{hours} hours: {left} s");
    }
    tokio::time::sleep(Duration::from_secs(3010)).await;
    assert_eq!(left(&rig).await, None);
    clock.jump(-20 * 3_600_000_000);
    rig.publish(&record_at(clock.now(), 3, "slow down")).await;
    assert_eq!(left(&rig).await, None, "what has ended stays so");
}

#[tokio::test(start_paused = true)]
async fn c2_subscribers_hear_of_the_ends_on_the_new_clock() {
    let rig = Rig::controlled(RULES).start().await;
    let clock = rig.host.clock().clone();
    rig.publish(&record_at(clock.now(), 1, "hold it")).await;
    let mut events = rig.subscribe("/subscribe_event_v1").await;
    let before = events.next().await;
    clock.jump(3_600_000_000);
    rig.publish(&record_at(clock.now(), 2, "slow down")).await;
    let after = events.next().await;
    assert_eq!(after["ReadyQSuspension"]["site_name"], before["ReadyQSuspension"]["site_name"]);
    assert!(after["ReadyQSuspension"]["expires"].as_str() > before["ReadyQSuspension"]["expires"].as_str());
}

#[tokio::test(start_paused = true)]
async fn r3_what_was_published_before_a_restart_goes_on() {
    let rig = Rig::controlled(RULES).start().await;
    let now = rig.host.clock().now();
    rig.publish(&record_at(now, 1, "three times")).await;
    rig.publish(&record_at(now, 2, "three times")).await;
    let rig = rig.restart().await;
    tokio::time::sleep(Duration::from_mins(30)).await;
    rig.publish(&record_at(now, 2, "three times")).await;
    assert_eq!(left(&rig).await, None, "it was counted before the restart");
    rig.publish(&record_at(rig.host.clock().now(), 3, "three times")).await;
    assert!(left(&rig).await.is_some());
    assert_eq!(rig.json("/get_bounce_v1/bounced.json").await, json!([]));
}
