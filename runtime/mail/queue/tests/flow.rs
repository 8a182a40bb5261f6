use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt as _;
use kumo_tsa_core::wire::Kind;
use tokio::time::Instant;

use super::fake::*;
use crate::mail::config::{QueueConfig, RefreshStrategy, WakeupStrategy};
use crate::mail::reply::Reply;

#[tokio::test(start_paused = true)]
async fn a_message_goes_in_and_out() {
    let fake = Fake::new();
    let queues = fake.run();
    let ids = fake.send(&queues, 1, "a@example.com").await;
    assert!(fake.spool.lock().unwrap().contains(&ids[0]));
    pass(1.0).await;
    let kinds: Vec<_> =
        fake.records.lock().unwrap().iter().map(|r| (r.kind, r.site.clone(), r.reply.clone())).collect();
    assert_eq!(
        kinds,
        [
            (Kind::Reception, String::new(), "250 ".to_owned()),
            (Kind::Delivery, "ip1->mx.example.com@smtp_client".to_owned(), "250 2.0.0 OK ids=1".to_owned()),
        ]
        .map(|(kind, site, reply)| (kind, site, reply.trim_end().to_owned()))
    );
    assert!(fake.spool.lock().unwrap().is_empty());
    pass(10.0).await;
    assert_eq!(fake.open_now(), 0, "an idle session ends");
    assert!(queues.stop(Duration::from_secs(5)).await);
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_now_is_tried_again_as_the_schedule_says() {
    let fake = Fake::new();
    fake.set(|knobs| knobs.queue.retry_interval = Duration::from_secs(5));
    fake.answer(|_| Says::all(451, "4.7.1 later"));
    let queues = fake.run();
    fake.send(&queues, 1, "a@example.com").await;
    pass(60.0).await;
    let failures = fake.records(Kind::TransientFailure);
    let times: Vec<_> = failures.iter().map(|r| r.at).collect();
    assert!(times[0] < 1.0);
    for (at, (least, most)) in [(5.0, 7.0), (10.0, 15.0), (20.0, 30.0)].into_iter().enumerate() {
        let gap = times[at + 1] - times[at];
        assert!((least..=most).contains(&gap), "{times:?}");
    }
    let attempts: Vec<_> = failures.iter().map(|r| r.attempts).collect();
    assert_eq!(attempts, [0, 1, 2, 3]);
    assert_eq!(fake.count(Kind::Delayed), 0);
}

#[tokio::test(start_paused = true)]
async fn what_becomes_too_old_expires() {
    let fake = Fake::new();
    fake.set(|knobs| {
        knobs.queue.retry_interval = Duration::from_mins(1);
        knobs.queue.max_age = Duration::from_secs(200);
    });
    fake.answer(|_| Says::all(451, "4.7.1 later"));
    let queues = fake.run();
    fake.send(&queues, 1, "a@example.com").await;
    pass(1000.0).await;
    let expired = fake.records(Kind::Expiration);
    assert_eq!(expired.len(), 1);
    assert!(expired[0].reply.starts_with("551 5.4.7 Next delivery time would be "), "{}", expired[0].reply);
    assert!(expired[0].reply.ends_with("after creation, which exceeds max_age=3m 20s"), "{}", expired[0].reply);
    assert_eq!(fake.count(Kind::TransientFailure), 3);
    assert!(fake.spool.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn recipients_with_different_fates_each_get_their_own() {
    let fake = Fake::new();
    fake.set(|knobs| knobs.queue.retry_interval = Duration::from_mins(1));
    fake.answer(|tried| {
        if tried.recipients.len() == 1 {
            return Says::all(250, "2.0.0 at last");
        }
        let replies = vec![
            Reply::new(250, "2.0.0 OK ids=1"),
            Reply::new(550, "5.1.1 no such user"),
            Reply::new(452, "4.2.2 mailbox full"),
            Reply::new(250, "2.0.0 OK ids=1"),
        ];
        Says { replies, after: crate::mail::smtp::client::After::Keep }
    });
    let queues = fake.run();
    let message = fake.message(&["a@x.com", "b@x.com", "c@x.com", "d@x.com"]);
    accept(&queues, message.clone()).await.unwrap();
    pass(1.0).await;
    let got = |kind| -> Vec<_> { fake.records(kind).into_iter().map(|r| r.recipients).collect() };
    assert_eq!(got(Kind::Delivery), [["a@x.com", "d@x.com"]]);
    assert_eq!(got(Kind::Bounce), [["b@x.com"]]);
    assert_eq!(got(Kind::TransientFailure), [["c@x.com"]]);
    assert_eq!(message.recipients().len(), 1);
    assert!(fake.spool.lock().unwrap().contains(&message.id()));
    pass(100.0).await;
    assert_eq!(got(Kind::Delivery).last().unwrap(), &["c@x.com"]);
    assert!(fake.spool.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn many_recipients_take_several_transactions() {
    let fake = Fake::new();
    fake.set(|knobs| knobs.path.max_recipients_per_batch = 2);
    let queues = fake.run();
    accept(&queues, fake.message(&["a@x.com", "b@x.com", "c@x.com"])).await.unwrap();
    pass(1.0).await;
    let sizes: Vec<_> = fake.tries().iter().map(|tried| tried.recipients.len()).collect();
    assert_eq!(sizes, [2, 1]);
    assert!(fake.spool.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_421_in_mid_session_ends_it_and_the_rest_goes_on() {
    let fake = Fake::new();
    fake.set(|knobs| {
        knobs.path.connection_limit.limit = 1.try_into().unwrap();
        knobs.hosts = 3;
    });
    fake.answer(|tried| match tried.session {
        0 => Says::closing(421, "4.7.0 go away"),
        _ => Says::all(250, "2.0.0 OK"),
    });
    let queues = fake.run();
    fake.send(&queues, 5, "a@example.com").await;
    pass(5.0).await;
    assert_eq!((fake.count(Kind::TransientFailure), fake.count(Kind::Delivery)), (1, 4));
    pass(3000.0).await;
    assert_eq!(fake.count(Kind::Delivery), 5);
    assert!(fake.spool.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pool_is_used_by_weight() {
    let fake = Fake::new();
    fake.set(|knobs| knobs.pool = [("a", 10), ("b", 20), ("c", 0), ("d", 30)].map(|(n, w)| (n.to_owned(), w)).into());
    let queues = fake.run();
    fake.send(&queues, 600, "a@example.com").await;
    pass(60.0).await;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for tried in fake.tries() {
        *counts.entry(tried.path).or_default() += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [100, 200, 300]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_cannot_be_reached_fails_one_message_and_too_often_all() {
    let fake = Fake::new();
    fake.set(|knobs| {
        knobs.refuse = Some("KumoMTA internal: failed to connect to mx0: refused".to_owned());
        knobs.path.consecutive_connection_failures_before_delay = 3;
        knobs.path.connection_limit.limit = 1.try_into().unwrap();
    });
    let queues = fake.run();
    fake.send(&queues, 10, "a@example.com").await;
    pass(10.0).await;
    assert_eq!(fake.opens.lock().unwrap().len(), 4);
    let failures = fake.records(Kind::TransientFailure);
    assert_eq!(failures.len(), 10);
    assert_eq!(failures[0].reply, "400 KumoMTA internal: failed to connect to mx0: refused");
    assert!(failures[9].reply.starts_with("451 4.4.1 KumoMTA internal"), "{}", failures[9].reply);
    fake.set(|knobs| knobs.refuse = Some("554 5.7.1 no service for you".to_owned()));
    pass(1300.0).await;
    let failures = fake.records(Kind::TransientFailure);
    assert_eq!(failures[10].reply, "554 5.7.1 no service for you");
    fake.set(|knobs| knobs.refuse = None);
    pass(9000.0).await;
    assert_eq!((fake.count(Kind::Delivery), fake.count(Kind::Bounce)), (10, 0));
}

#[tokio::test(start_paused = true)]
async fn a_domain_without_exchangers_bounces_and_one_that_does_not_resolve_waits() {
    let fake = Fake::new();
    fake.set(|knobs| {
        knobs.mx.insert("null.com".to_owned(), Ok(mx("null.com", &[])));
        knobs.mx.insert("gone.com".to_owned(), Err("MX lookup of `gone.com.`: NXDOMAIN".to_owned()));
    });
    let queues = fake.run();
    fake.send(&queues, 1, "a@null.com").await;
    fake.send(&queues, 1, "a@gone.com").await;
    pass(5.0).await;
    let bounce = &fake.records(Kind::Bounce)[0];
    assert!(bounce.reply.starts_with("556 5.1.10"), "{}", bounce.reply);
    let failure = &fake.records(Kind::TransientFailure)[0];
    assert_eq!(
        (failure.reply.as_str(), failure.site.as_str()),
        ("451 4.4.4 failed to resolve queue gone.com: MX lookup of `gone.com.`: NXDOMAIN", "")
    );
}

#[tokio::test(start_paused = true)]
async fn queue_configuration_is_asked_for_once_and_then_by_its_strategy() {
    let fake = Fake::new();
    fake.set(|knobs| {
        let epoch = QueueConfig { refresh_strategy: RefreshStrategy::Epoch, ..QueueConfig::default() };
        knobs.queues.insert("epoch.com".to_owned(), epoch);
    });
    let queues = fake.run();
    let asked = |name: &str| fake.asked.lock().unwrap().get(name).copied().unwrap_or_default();
    for _ in 0..20 {
        fake.send(&queues, 1, "a@ttl.com").await;
        fake.send(&queues, 1, "a@epoch.com").await;
        pass(1.0).await;
    }
    assert_eq!((asked("ttl.com"), asked("epoch.com")), (1, 1));
    pass(60.0).await;
    fake.send(&queues, 1, "a@ttl.com").await;
    fake.send(&queues, 1, "a@epoch.com").await;
    assert_eq!((asked("ttl.com"), asked("epoch.com")), (2, 1));
    fake.host.epoch().bump();
    fake.send(&queues, 1, "a@epoch.com").await;
    assert_eq!(asked("epoch.com"), 2);
    fake.set(|knobs| knobs.failing = true);
    pass(61.0).await;
    fake.send(&queues, 1, "a@ttl.com").await;
    let error = accept(&queues, fake.message(&["a@new.com"])).await.unwrap_err();
    assert_eq!(error.to_string(), "queue `new.com`: the policy fails");
    let bounce = &fake.records(Kind::Bounce)[0];
    assert_eq!(bounce.reply, "500 KumoMTA internal: QueueManager::insert failed during reception: the policy fails");
    pass(5.0).await;
    assert!(fake.spool.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_null_queue_discards_and_a_later_first_attempt_waits() {
    let fake = Fake::new();
    let queues = fake.run();
    let null = fake.message(&["a@example.com"]);
    null.set_meta("queue", "null".into());
    accept(&queues, null).await.unwrap();
    assert_eq!((fake.count(Kind::Reception), fake.spool.lock().unwrap().len()), (1, 0));
    let later = fake.message(&["a@example.com"]);
    later.set_due(Some(fake.host.clock().now().after(Duration::from_mins(10))));
    accept(&queues, later).await.unwrap();
    pass(599.0).await;
    let delayed = &fake.records(Kind::Delayed)[0];
    assert!(
        delayed.reply.starts_with("400 Context: Received, ScheduledForLater. Next due in 10m at 2026-"),
        "{}",
        delayed.reply
    );
    assert_eq!(fake.tries().len(), 0);
    pass(2.0).await;
    assert_eq!(fake.tries().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_what_is_in_flight_and_leaves_the_rest_in_the_spool() {
    let fake = Fake::new();
    fake.set(|knobs| {
        knobs.latency = Duration::from_secs(2);
        knobs.path.connection_limit.limit = 4.try_into().unwrap();
    });
    let queues = fake.run();
    fake.send(&queues, 100, "a@example.com").await;
    pass(1.0).await;
    assert!(queues.stop(Duration::from_secs(10)).await);
    assert_eq!(fake.count(Kind::Delivery), fake.tries().len());
    assert_eq!(fake.count(Kind::Delivery) + fake.spool.lock().unwrap().len(), 100);
    assert!(accept(&queues, fake.message(&["a@example.com"])).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn more_than_a_ready_queue_holds_waits_without_being_stuck() {
    let fake = Fake::new();
    fake.set(|knobs| knobs.path.max_ready = 10);
    let queues = fake.run();
    fake.send(&queues, 500, "a@example.com").await;
    pass(20.0).await;
    assert_eq!(fake.count(Kind::Delivery), 500);
    assert_eq!(fake.count(Kind::Delayed), 0);
}

#[tokio::test(start_paused = true)]
async fn how_soon_sessions_see_a_message_is_as_the_path_says() {
    for (strategy, least, most) in [(WakeupStrategy::Aggressive, 0.0, 0.1), (WakeupStrategy::Relaxed, 3.9, 4.1)] {
        let fake = Fake::new();
        fake.set(|knobs| knobs.path.dispatcher_wakeup_strategy = strategy);
        let queues = fake.run();
        fake.send(&queues, 1, "a@example.com").await;
        pass(1.0).await;
        fake.send(&queues, 1, "a@example.com").await;
        let sent = Instant::now();
        pass(10.0).await;
        let tries = fake.tries();
        // A session that is idle looks once more before it ends, after 5 s.
        assert!((least..most).contains(&(tries[1].at - sent).as_secs_f64()), "{strategy:?}");
        assert_eq!(tries[0].session, tries[1].session);
    }
}

#[tokio::test(start_paused = true)]
async fn how_soon_more_sessions_are_opened_is_as_the_path_says() {
    for (strategy, least, most) in [(WakeupStrategy::Aggressive, 0.0, 0.1), (WakeupStrategy::Relaxed, 0.4, 1.1)] {
        let fake = Fake::new();
        fake.set(|knobs| {
            knobs.path.maintainer_wakeup_strategy = strategy;
            knobs.latency = Duration::from_secs(30);
        });
        let queues = fake.run();
        fake.send(&queues, 1, "a@example.com").await;
        pass(0.5).await;
        fake.send(&queues, 5, "a@example.com").await;
        let sent = Instant::now();
        pass(5.0).await;
        let second = fake.opens.lock().unwrap()[1] - sent;
        assert!((least..most).contains(&second.as_secs_f64()), "{strategy:?}: {second:?}");
    }
}

#[test]
fn sessions_that_end_as_they_begin_keep_no_runtime_from_its_end() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let engine = runtime.block_on(async {
        let fake = Fake::new();
        fake.set(|knobs| knobs.latency = Duration::from_mins(1));
        let queues = fake.run();
        fake.send(&queues, 5, "a@example.com").await;
        pass(1.0).await;
        queues.engine().unwrap()
    });
    let ready = engine.ready_queues().remove(0);
    let gone = runtime.handle().clone();
    drop(runtime);
    assert_eq!(ready.len(), 5, "what the sessions had is back");
    // Whatever is started here ends at once.
    let _entered = gone.enter();
    assert!(engine.look_after(ready).now_or_never().is_none(), "it lets go");
}

#[tokio::test(start_paused = true)]
async fn idle_queues_are_forgotten() {
    let fake = Fake::new();
    let queues = fake.run();
    fake.send(&queues, 3, "a@example.com").await;
    pass(1.0).await;
    assert_eq!((queues.scheduled_names().len(), queues.ready_names().len()), (1, 1));
    pass(700.0).await;
    assert_eq!((queues.scheduled_names().len(), queues.ready_names().len()), (0, 0));
    fake.send(&queues, 3, "a@example.com").await;
    pass(1.0).await;
    assert_eq!(fake.count(Kind::Delivery), 6);
}

/// Puts messages that are due later into queues, as at start.
async fn fill(messages: usize, queues_of: usize) {
    let fake = Fake::new();
    let queues = fake.run();
    let began = std::time::Instant::now();
    let due = fake.host.clock().now().after(Duration::from_hours(1));
    for n in 0..messages {
        let message = fake.message(&[&format!("user{n}@domain{}.example.com", n % queues_of)]);
        message.set_due(Some(due));
        queues.insert(message, super::super::Reason::Enumerated).await.unwrap();
    }
    let took = began.elapsed();
    let counted: usize = queues.scheduled_names().iter().map(|(_, count)| count).sum();
    assert_eq!((queues.scheduled_names().len(), counted), (queues_of, messages));
    assert!(fake.asked.lock().unwrap().is_empty(), "nobody is asked before a message is due");
    pass(3500.0).await;
    assert!(fake.tries().is_empty() && fake.records.lock().unwrap().is_empty());
    eprintln!("{messages} messages in {queues_of} queues took {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    pass(200.0).await;
    assert_eq!(fake.count(Kind::Delivery), messages);
    assert!(fake.asked.lock().unwrap().values().all(|times| *times == 1));
}

#[tokio::test(start_paused = true)]
async fn many_queues_are_filled_without_asking_the_policy() {
    fill(5_000, 500).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "takes long without optimisation"]
async fn two_hundred_thousand_messages_wait_in_ten_thousand_queues() {
    fill(200_000, 10_000).await;
}
