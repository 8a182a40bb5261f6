use std::time::Duration;

use kumo_tsa_core::wire::{Limit, Throttle, Time};
use tokio::time::{advance, sleep, timeout};

use super::*;
use crate::host::{Clock, Paths};

fn throttles() -> Arc<Throttles> {
    Throttles::of(&Host::new(Clock::controlled(Time::from_secs(0)), Paths::documented()))
}

fn rate(text: &str) -> Throttle {
    text.parse().unwrap()
}

fn limit(text: &str) -> Limit {
    text.parse().unwrap()
}

fn passed(throttles: &Throttles, key: &str, throttle: &Throttle) -> usize {
    (0..100_000).take_while(|_| throttles.check(key, throttle).is_ok()).count()
}

#[tokio::test(start_paused = true)]
async fn a_rate_lets_a_burst_through_and_then_one_at_a_time() {
    let throttles = throttles();
    let six = rate("6/min");
    assert_eq!(passed(&throttles, "k", &six), 6);
    let wait = throttles.check("k", &six).unwrap_err();
    assert!((9_999..=10_001).contains(&wait.as_millis()), "{wait:?}");
    advance(wait).await;
    assert_eq!(passed(&throttles, "k", &six), 1);
    advance(Duration::from_secs(30)).await;
    assert_eq!(passed(&throttles, "k", &six), 3);
    advance(Duration::from_hours(1)).await;
    assert_eq!(passed(&throttles, "k", &six), 6);
    assert_eq!(passed(&throttles, "other", &rate("100/s,max_burst=1")), 1);
}

#[tokio::test(start_paused = true)]
async fn in_any_window_a_rate_is_obeyed_and_it_is_used_to_the_full() {
    let throttles = throttles();
    let seven = rate("7/s,max_burst=3");
    let mut times = Vec::new();
    let began = Instant::now();
    for _ in 0..350 {
        throttles.wait("k", &seven).await;
        times.push(began.elapsed().as_secs_f64());
    }
    for (at, from) in times.iter().enumerate() {
        for window in [0.1, 0.5, 1.0, 3.7] {
            let within = times[at..].iter().take_while(|time| **time - from <= window).count();
            let allowed = 3.0 + 7.0 * window + 1e-6;
            assert!(within as f64 <= allowed, "{within} in {window} s");
        }
    }
    assert!(times[349] < 50.0 / 0.95, "{}", times[349]);
}

#[tokio::test(start_paused = true)]
async fn another_limit_is_another_rate_and_idle_ones_are_forgotten() {
    let throttles = throttles();
    assert_eq!(passed(&throttles, "k", &rate("2/s")), 2);
    assert_eq!(passed(&throttles, "k", &rate("3/s")), 3);
    assert_eq!(passed(&throttles, "k", &rate("2/h")), 2);
    for n in 0..1000 {
        throttles.check(&format!("key {n}"), &rate("1/s")).unwrap();
    }
    assert_eq!(throttles.len(), 1003);
    advance(Duration::from_secs(90)).await;
    throttles.check("new", &rate("1/s")).unwrap();
    assert_eq!(throttles.len(), 2, "the one of an hour, and the new one");
    assert_eq!(passed(&throttles, "k", &rate("2/h")), 0);
}

#[tokio::test(start_paused = true)]
async fn rates_of_any_size_are_taken() {
    let throttles = throttles();
    for text in ["18446744073709551615/s", "1/213503982334601d", "5000000000/s,max_burst=4999999999", "1/s"] {
        throttles.check(text, &rate(text)).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn how_things_stand_is_told() {
    let throttles = throttles();
    let three = rate("3/min");
    let first = throttles.attempt("k", &three);
    assert_eq!((first.wait, first.burst, first.remaining, first.reset_after.as_secs()), (None, 3, 2, 20));
    throttles.attempt("k", &three);
    throttles.attempt("k", &three);
    let last = throttles.attempt("k", &three);
    assert_eq!((last.wait.map(|wait| wait.as_secs()), last.remaining, last.reset_after.as_secs()), (Some(20), 0, 60));
}

#[tokio::test(start_paused = true)]
async fn leases_are_given_back_and_waiters_get_them() {
    let throttles = throttles();
    let first = throttles.try_acquire("k", limit("2")).unwrap();
    let second = throttles.try_acquire("k", limit("2")).unwrap();
    assert!(throttles.try_acquire("k", limit("2")).is_none());
    let waiters: Vec<_> = (0..2)
        .map(|_| {
            let throttles = throttles.clone();
            tokio::spawn(async move { throttles.acquire("k", limit("2")).await })
        })
        .collect();
    sleep(Duration::from_secs(1)).await;
    drop(first);
    drop(second);
    for waiter in waiters {
        drop(timeout(Duration::from_secs(1), waiter).await.unwrap().unwrap());
    }
    assert_eq!(throttles.held("k"), 0);
    assert!(throttles.leases.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_gives_up_takes_no_lease_with_it() {
    let throttles = throttles();
    let held = throttles.try_acquire("k", limit("1")).unwrap();
    let impatient = timeout(Duration::from_secs(1), throttles.acquire("k", limit("1"))).await;
    assert!(impatient.is_err());
    drop(held);
    assert!(throttles.leases.is_empty());
    assert!(throttles.try_acquire("k", limit("1")).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_rises_is_seen_by_those_who_look_again() {
    let throttles = throttles();
    let _held = throttles.try_acquire("k", limit("1")).unwrap();
    let waits = throttles.released("k");
    tokio::pin!(waits);
    assert!(timeout(Duration::from_secs(1), &mut waits).await.is_err());
    throttles.stir("k");
    timeout(Duration::from_secs(1), waits).await.unwrap();
    assert!(throttles.try_acquire("k", limit("2")).is_some());
}

#[tokio::test(start_paused = true)]
async fn of_several_rates_all_are_counted_or_none() {
    let throttles = throttles();
    let both = [("a".to_owned(), rate("10/s")), ("b".to_owned(), rate("2/min"))];
    assert_eq!(throttles.check_all(&both), Ok(()));
    assert_eq!(throttles.check_all(&both), Ok(()));
    for _ in 0..50 {
        let short = throttles.check_all(&both).unwrap_err();
        assert_eq!((short.which, short.wait.as_secs()), (1, 30));
    }
    assert_eq!(passed(&throttles, "a", &rate("10/s")), 8, "what the other rate refused was not counted");
    let short = throttles.check_all(&both[..1]).unwrap_err();
    assert_eq!((short.which, short.wait.as_millis()), (0, 100));
    advance(Duration::from_secs(30)).await;
    assert_eq!(throttles.check_all(&both), Ok(()));
    assert_eq!(throttles.check_all(&[]), Ok(()));
}
