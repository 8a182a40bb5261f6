use super::super::world::World;
use std::time::Duration;

use kumo_tsa_core::wire::Kind;
use tokio::time::Instant;

use super::fake::*;
use crate::mail::hold::{Owner, Selector};

const PATH: &str = "ip1->mx.example.com@smtp_client";

#[tokio::test(start_paused = true)]
async fn h1_nothing_advances_while_a_path_is_held_and_one_record_says_so() {
    let fake = Fake::new();
    fake.set(|knobs| knobs.queue.retry_interval = Duration::from_mins(1));
    let queues = fake.run();
    let hold = fake.suspend(PATH, 7200);
    let message = fake.message(&["a@example.com"]);
    accept(&queues, message.clone()).await.unwrap();
    pass(3600.0).await;
    assert_eq!((fake.count(Kind::TransientFailure), message.num_attempts(), fake.tries().len()), (1, 0, 0));
    let record = &fake.records(Kind::TransientFailure)[0];
    assert_eq!(
        (record.reply.as_str(), record.site.as_str()),
        (
            "451 4.4.4 KumoMTA internal: no sources for example.com pool=`unspecified` are eligible for selection at \
             this time",
            ""
        )
    );
    assert!(fake.spool.lock().unwrap().contains(&message.id()));
    assert!(fake.holds().delete_path(hold));
    pass(1.0).await;
    assert_eq!((fake.count(Kind::Delivery), fake.count(Kind::TransientFailure)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn h1_a_hold_that_is_extended_or_ends_by_itself() {
    let fake = Fake::new();
    let queues = fake.run();
    fake.suspend(PATH, 100);
    fake.send(&queues, 1, "a@example.com").await;
    pass(50.0).await;
    fake.suspend(PATH, 100);
    pass(90.0).await;
    assert_eq!((fake.count(Kind::TransientFailure), fake.tries().len()), (1, 0));
    pass(15.0).await;
    assert_eq!((fake.count(Kind::TransientFailure), fake.count(Kind::Delivery)), (1, 1));
    let at = fake.records(Kind::Delivery)[0].at;
    assert!((149.9..152.0).contains(&at), "{at}");
}

#[tokio::test(start_paused = true)]
async fn h1_a_scheduled_queue_is_held_while_others_go_on() {
    let fake = Fake::new();
    let queues = fake.run();
    let until = fake.host.clock().now().after(Duration::from_mins(10));
    let held = Selector::new(None, Some("t1"), Some("example.com"));
    fake.holds().suspend_queue(held, "tenant misbehaves", until, Owner::operator());
    let mine = fake.message(&["a@example.com"]);
    mine.set_meta("tenant", "t1".into());
    let other = fake.message(&["a@example.com"]);
    other.set_meta("tenant", "t2".into());
    accept(&queues, mine.clone()).await.unwrap();
    accept(&queues, other).await.unwrap();
    pass(500.0).await;
    let record = &fake.records(Kind::TransientFailure)[0];
    assert_eq!(record.reply, "451 4.4.4 KumoMTA internal: scheduled queue is suspended: tenant misbehaves");
    assert_eq!(record.site, "t1@example.com");
    assert_eq!((fake.count(Kind::TransientFailure), fake.count(Kind::Delivery), mine.num_attempts()), (1, 1, 0));
    pass(101.0).await;
    assert_eq!(fake.count(Kind::Delivery), 2);
}

#[tokio::test(start_paused = true)]
async fn h1_fifty_sessions_stop_at_once_and_what_waits_goes_back() {
    let fake = Fake::new();
    fake.set(|knobs| {
        knobs.path.connection_limit.limit = 50.try_into().unwrap();
        knobs.latency = Duration::from_millis(200);
    });
    let queues = fake.run();
    fake.send(&queues, 1000, "a@example.com").await;
    pass(1.5).await;
    assert_eq!(fake.open_now(), 50);
    fake.suspend(PATH, 600);
    let suspended = Instant::now();
    pass(5.0).await;
    let late = fake.tries().iter().filter(|tried| tried.at > suspended + Duration::from_millis(1)).count();
    assert_eq!(late, 0);
    let delivered = fake.count(Kind::Delivery);
    assert_eq!((fake.open_now(), fake.spool.lock().unwrap().len()), (0, 1000 - delivered));
    assert_eq!(queues.ready(PATH).unwrap().ready_count, 0);
    assert_eq!(fake.count(Kind::TransientFailure), 1000 - delivered, "one for each message that is held");
    pass(590.0).await;
    assert_eq!(fake.count(Kind::TransientFailure), 1000 - delivered);
    pass(200.0).await;
    assert_eq!(fake.count(Kind::Delivery), 1000);
}

#[tokio::test(start_paused = true)]
async fn h2_after_a_suspension_a_path_opens_with_one_connection_and_rises_to_its_limit() {
    let fake = Fake::new();
    fake.set(|knobs| {
        knobs.path.connection_limit.limit = 31.try_into().unwrap();
        knobs.path.max_ready = 5000;
        knobs.latency = Duration::from_secs(1);
    });
    let queues = fake.run();
    fake.suspend(PATH, 100);
    fake.send(&queues, 4000, "a@example.com").await;
    pass(99.0).await;
    assert_eq!(fake.tries().len(), 0);
    let began = fake.start + Duration::from_secs(100);
    let mut seen = Vec::new();
    for secs in [1, 5, 11, 31, 59, 62] {
        tokio::time::sleep_until(began + Duration::from_secs(secs)).await;
        seen.push(fake.open_now());
    }
    assert_eq!(seen, [1, 3, 6, 16, 30, 31]);
    fake.suspend(PATH, 100);
    pass(3.0).await;
    assert_eq!(fake.open_now(), 0, "a new match suspends it again");
    let held = fake.spool.lock().unwrap().len();
    pass(200.0).await;
    assert!(fake.spool.lock().unwrap().len() < held);
}

#[tokio::test(start_paused = true)]
async fn h2_other_sources_are_used_while_one_is_held() {
    let fake = Fake::new();
    fake.set(|knobs| knobs.pool = [("ip1", 1), ("ip2", 1)].map(|(n, w)| (n.to_owned(), w)).into());
    let queues = fake.run();
    fake.suspend(PATH, 600);
    fake.send(&queues, 20, "a@example.com").await;
    pass(5.0).await;
    assert!(fake.tries().iter().all(|tried| tried.path.starts_with("ip2->")));
    assert_eq!((fake.count(Kind::Delivery), fake.count(Kind::TransientFailure)), (20, 0));
}

#[tokio::test(start_paused = true)]
async fn h3_a_421_that_suspends_its_own_path_leaves_no_message_stuck() {
    let fake = Fake::new();
    fake.set(|knobs| {
        knobs.queue.retry_interval = Duration::from_mins(1);
        knobs.path.connection_limit.limit = 5.try_into().unwrap();
    });
    let other = std::sync::Arc::downgrade(&fake);
    fake.answer(move |tried| {
        let fake = other.upgrade().unwrap();
        if tried.at < fake.start + Duration::from_secs(3) {
            fake.suspend(PATH, 30);
            return Says::closing(421, "4.7.0 [TSS04] too much");
        }
        Says::all(250, "2.0.0 OK")
    });
    let queues = fake.run();
    fake.send(&queues, 200, "a@example.com").await;
    pass(20.0).await;
    assert_eq!(fake.count(Kind::Delivery), 0);
    pass(300.0).await;
    assert_eq!(fake.count(Kind::Delivery), 200);
    assert!(fake.spool.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_waits_and_what_comes_is_bounced() {
    let fake = Fake::new();
    fake.answer(|_| Says::all(451, "4.7.1 later"));
    let queues = fake.run();
    fake.send(&queues, 10, "a@example.com").await;
    fake.send(&queues, 1, "a@other.com").await;
    pass(5.0).await;
    let until = fake.host.clock().now().after(Duration::from_mins(10));
    let selector = Selector::new(None, None, Some("example.com"));
    let id = fake.holds().bounce(selector, "unwanted", until, false, Owner::operator());
    pass(0.4).await;
    fake.send(&queues, 1, "a@example.com").await;
    pass(0.4).await;
    let bounced = fake.records(Kind::AdminBounce);
    assert_eq!(bounced.len(), 11);
    assert_eq!(
        (bounced[0].reply.as_str(), bounced[0].site.as_str()),
        ("551 5.7.1 Administrator bounced with reason: unwanted", "localhost")
    );
    assert_eq!(fake.holds().bounced_by(id)["example.com"], 11);
    assert_eq!(fake.spool.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_for_too_long_expires() {
    let fake = Fake::new();
    fake.set(|knobs| knobs.queue.max_age = Duration::from_mins(5));
    let queues = fake.run();
    fake.suspend(PATH, 7200);
    fake.send(&queues, 1, "a@example.com").await;
    pass(400.0).await;
    assert_eq!((fake.count(Kind::Expiration), fake.spool.lock().unwrap().len()), (1, 0));
}
