use std::time::Duration;

use kumo_tsa_core::wire::Kind;
use tokio::time::Instant;

use super::fake::*;
use crate::mail::queue::world::Lane;

/// In no window more than the burst and what the rate gives; and almost all of that was used.
fn obeys(times: &[Instant], rate: &str, from: f64, to: f64) {
    let rate: kumo_tsa_core::wire::Throttle = rate.parse().unwrap();
    let per_sec = rate.limit.get() as f64 / rate.period.as_secs_f64();
    let mut times = times.to_vec();
    times.sort();
    let secs: Vec<f64> = times.iter().map(|time| (*time - times[0]).as_secs_f64()).collect();
    for (at, start) in secs.iter().enumerate() {
        for window in [0.05, 0.5, 1.0, 5.0, 30.0, 120.0] {
            let within = secs[at..].iter().take_while(|time| **time - start < window).count();
            let allowed = rate.burst() as f64 + per_sec * window + 1e-3;
            assert!(within as f64 <= allowed.ceil(), "{within} in {window} s at {start}, {allowed} allowed");
        }
    }
    let used = secs.iter().filter(|time| (from..to).contains(*time)).count() as f64;
    assert!(used >= 0.95 * per_sec * (to - from), "{used} of {}", per_sec * (to - from));
}

fn times(fake: &Fake, domain: &str) -> Vec<Instant> {
    fake.tries().iter().filter(|tried| domain.is_empty() || tried.domain == domain).map(|tried| tried.at).collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_rate_is_obeyed_and_used() {
    for rate in ["20/s,max_burst=1", "100/s", "100/min,max_burst=5"] {
        let fake = Fake::new();
        fake.set(|knobs| knobs.path.max_message_rate = Some(rate.parse().unwrap()));
        let queues = fake.run();
        fake.send(&queues, 1000, "a@example.com").await;
        pass(60.0).await;
        let to = if rate.ends_with('5') { 58.0 } else { 8.0 };
        obeys(&times(&fake, ""), rate, 1.0, to);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_message_rate_puts_messages_back_and_is_still_used() {
    let fake = Fake::new();
    fake.set(|knobs| knobs.path.max_message_rate = Some("6/min,max_burst=1".parse().unwrap()));
    let queues = fake.run();
    fake.send(&queues, 200, "a@example.com").await;
    pass(1200.0).await;
    obeys(&times(&fake, ""), "6/min,max_burst=1", 0.0, 1195.0);
    assert_eq!(fake.count(Kind::TransientFailure), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shared_rate_holds_over_two_sites() {
    let fake = Fake::new();
    fake.set(|knobs| {
        let rates = &mut knobs.path.additional_message_rate_throttles;
        rates.insert("shaping-provider-p-ip1-rate".to_owned(), "10/s,max_burst=2".parse().unwrap());
    });
    let queues = fake.run();
    fake.send(&queues, 300, "a@one.com").await;
    fake.send(&queues, 300, "a@two.com").await;
    pass(50.0).await;
    obeys(&times(&fake, ""), "10/s,max_burst=2", 1.0, 45.0);
}

#[tokio::test(start_paused = true)]
async fn several_rates_are_all_obeyed_and_the_strictest_is_used() {
    let fake = Fake::new();
    fake.set(|knobs| {
        knobs.path.max_message_rate = Some("12/s,max_burst=1".parse().unwrap());
        let rates = &mut knobs.path.additional_message_rate_throttles;
        rates.insert("p".to_owned(), "10/s,max_burst=1".parse().unwrap());
    });
    let queues = fake.run();
    fake.send(&queues, 400, "a@one.com").await;
    pass(50.0).await;
    obeys(&times(&fake, ""), "12/s,max_burst=1", 0.0, 0.0);
    obeys(&times(&fake, ""), "10/s,max_burst=1", 1.0, 38.0);
}

#[tokio::test(start_paused = true)]
async fn a_queue_rate_and_a_source_selection_rate_are_obeyed() {
    let fake = Fake::new();
    fake.set(|knobs| knobs.queue.max_message_rate = Some("5/s,max_burst=1".parse().unwrap()));
    let queues = fake.run();
    fake.send(&queues, 200, "a@one.com").await;
    pass(60.0).await;
    obeys(&times(&fake, ""), "5/s,max_burst=1", 0.0, 39.0);
    let fake = Fake::new();
    fake.set(|knobs| knobs.path.source_selection_rate = Some("5/s,max_burst=1".parse().unwrap()));
    let queues = fake.run();
    fake.send(&queues, 200, "a@one.com").await;
    pass(60.0).await;
    obeys(&times(&fake, ""), "5/s,max_burst=1", 0.0, 39.0);
    assert_eq!(fake.count(Kind::TransientFailure), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_rate_is_obeyed_and_used() {
    for (rate, to) in [("2/s,max_burst=1", 40.0), ("6/min,max_burst=1", 580.0)] {
        let fake = Fake::new();
        fake.set(|knobs| {
            knobs.path.max_connection_rate = Some(rate.parse().unwrap());
            knobs.path.max_deliveries_per_connection = 1;
        });
        let queues = fake.run();
        fake.send(&queues, 100, "a@example.com").await;
        pass(600.0).await;
        obeys(&fake.opens.lock().unwrap(), rate, 1.0, to);
    }
}

#[tokio::test(start_paused = true)]
async fn connection_limits_are_kept_and_reached() {
    let fake = Fake::new();
    fake.set(|knobs| {
        knobs.path.connection_limit.limit = 7.try_into().unwrap();
        knobs.latency = Duration::from_millis(100);
    });
    let queues = fake.run();
    fake.send(&queues, 500, "a@example.com").await;
    pass(3.0).await;
    assert_eq!(fake.open_now(), 7);
    pass(60.0).await;
    assert_eq!((fake.most_open.load(std::sync::atomic::Ordering::Relaxed), fake.count(Kind::Delivery)), (7, 500));
    let fake = Fake::new();
    fake.set(|knobs| {
        knobs.path.additional_connection_limits.insert("p".to_owned(), "3".parse().unwrap());
        knobs.latency = Duration::from_millis(100);
    });
    let queues = fake.run();
    fake.send(&queues, 100, "a@one.com").await;
    fake.send(&queues, 100, "a@two.com").await;
    pass(60.0).await;
    assert_eq!((fake.most_open.load(std::sync::atomic::Ordering::Relaxed), fake.count(Kind::Delivery)), (3, 200));
}

#[tokio::test(start_paused = true)]
async fn deliveries_for_each_connection_are_limited() {
    let fake = Fake::new();
    fake.set(|knobs| knobs.path.max_deliveries_per_connection = 3);
    let queues = fake.run();
    fake.send(&queues, 100, "a@example.com").await;
    pass(20.0).await;
    let mut counts = std::collections::BTreeMap::<usize, usize>::new();
    for tried in fake.tries() {
        *counts.entry(tried.session).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count <= 3), "{counts:?}");
    assert_eq!(fake.count(Kind::Delivery), 100);
}

#[tokio::test(start_paused = true)]
async fn a10_a_rate_for_one_domain_leaves_the_others_of_the_site_alone() {
    let fake = Fake::new();
    fake.set(|knobs| {
        for domain in ["slow.com", "fast.com"] {
            knobs.mx.insert(domain.to_owned(), Ok(mx(domain, &["mx.shared.net"])));
        }
        let rate = Some("2/s,max_burst=1".parse().unwrap());
        knobs.lanes.insert("slow.com".to_owned(), Lane { rate, ..Lane::default() });
    });
    let queues = fake.run();
    fake.send(&queues, 100, "a@slow.com").await;
    fake.send(&queues, 100, "a@fast.com").await;
    pass(3.0).await;
    assert_eq!(times(&fake, "fast.com").len(), 100);
    pass(60.0).await;
    obeys(&times(&fake, "slow.com"), "2/s,max_burst=1", 0.0, 48.0);
    assert_eq!(queues.ready_names().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a10_a_connection_limit_for_one_domain_is_the_number_of_sessions_that_carry_it() {
    let fake = Fake::new();
    fake.set(|knobs| {
        for domain in ["slow.com", "fast.com"] {
            knobs.mx.insert(domain.to_owned(), Ok(mx(domain, &["mx.shared.net"])));
        }
        let sessions = Some("2".parse().unwrap());
        knobs.lanes.insert("slow.com".to_owned(), Lane { sessions, ..Lane::default() });
        knobs.latency = Duration::from_millis(500);
    });
    let queues = fake.run();
    fake.send(&queues, 60, "a@slow.com").await;
    fake.send(&queues, 60, "a@fast.com").await;
    pass(60.0).await;
    let slow = times(&fake, "slow.com");
    assert_eq!((slow.len(), times(&fake, "fast.com").len()), (60, 60));
    for at in &slow {
        let together = slow.iter().filter(|other| **other <= *at && *at - **other < Duration::from_millis(499)).count();
        assert!(together <= 2, "{together}");
    }
    let last = *slow.iter().max().unwrap() - fake.start;
    assert!(last < Duration::from_secs(18), "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn a10_other_options_hold_where_a_session_is_opened_for_the_domain() {
    let fake = Fake::new();
    fake.set(|knobs| {
        for domain in ["own.com", "other.com"] {
            knobs.mx.insert(domain.to_owned(), Ok(mx(domain, &["mx.shared.net"])));
        }
        let config = crate::mail::config::PathConfig { max_deliveries_per_connection: 1, ..knobs.path.clone() };
        let config = Some(std::sync::Arc::new(config));
        knobs.lanes.insert("own.com".to_owned(), Lane { config, ..Lane::default() });
    });
    let queues = fake.run();
    fake.send(&queues, 20, "a@own.com").await;
    fake.send(&queues, 20, "a@other.com").await;
    pass(20.0).await;
    let mut sessions = std::collections::BTreeMap::<usize, Vec<String>>::new();
    for tried in fake.tries() {
        sessions.entry(tried.session).or_default().push(tried.domain);
    }
    assert!(sessions.values().all(|domains| !domains.contains(&"own.com".to_owned()) || domains.len() == 1));
    assert_eq!(fake.count(Kind::Delivery), 40);
}

#[tokio::test(start_paused = true)]
async fn p5_an_override_is_in_force_at_once_and_refreshes_its_site_alone() {
    let fake = Fake::new();
    fake.set(|knobs| {
        knobs.path.max_message_rate = Some("10/s,max_burst=1".parse().unwrap());
        knobs.path.connection_limit.limit = 5.try_into().unwrap();
    });
    let queues = fake.run();
    fake.send(&queues, 400, "a@one.com").await;
    fake.send(&queues, 400, "a@two.com").await;
    pass(5.0).await;
    assert_eq!(fake.open_now(), 10);
    fake.set(|knobs| {
        let mut strict = knobs.path.clone();
        strict.max_message_rate = Some("1/s,max_burst=1".parse().unwrap());
        strict.connection_limit.limit = 1.try_into().unwrap();
        knobs.paths.insert("ip1->mx.one.com".to_owned(), strict);
    });
    fake.override_path("ip1", "mx.one.com");
    pass(0.5).await;
    let changed = Instant::now();
    assert_eq!(fake.open_now(), 6);
    pass(20.0).await;
    let after = |domain: &str| times(&fake, domain).iter().filter(|at| **at > changed).count();
    assert!((19..=21).contains(&after("one.com")), "{}", after("one.com"));
    assert!((199..=201).contains(&after("two.com")), "{}", after("two.com"));
}
