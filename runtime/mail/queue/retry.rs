//! The retry schedule (interface C.9).

use std::time::Duration;

use kumo_tsa_core::wire::{Time, format_duration};

use crate::mail::config::QueueConfig;

/// The longest that a requeue without a delay of its own waits.
const MAX_SCATTER: Duration = Duration::from_mins(1);

/// How long to wait after the failure of an attempt before which `attempts` others had failed: `retry_interval` doubled
/// for each of them, up to `max_retry_interval`.
pub(super) fn delay(config: &QueueConfig, attempts: u16) -> Duration {
    let factor = 1_u32.checked_shl(u32::from(attempts)).unwrap_or(u32::MAX);
    let delay = config.retry_interval.saturating_mul(factor);
    config.max_retry_interval.map_or(delay, |max| delay.min(max))
}

/// `delay`, moved at random by up to half of a twentieth of the retry interval (a minute at most) either way, in whole
/// seconds.
pub(super) fn with_jitter(config: &QueueConfig, delay: Duration) -> Duration {
    let half = (config.retry_interval / 20).min(Duration::from_mins(1)).as_secs_f64() / 2.0;
    let jitter = ((fastrand::f64() * 2.0 - 1.0) * half).trunc();
    if jitter < 0.0 {
        delay.saturating_sub(Duration::from_secs_f64(-jitter))
    } else {
        delay.saturating_add(Duration::from_secs_f64(jitter))
    }
}

/// A wait for what is put back without having been tried: up to a minute, at random.
pub(super) fn scatter() -> Duration {
    MAX_SCATTER.mul_f64(fastrand::f64())
}

/// Why a message that would be due at `due` is given up, if it is: the text of its Expiration record.
pub(super) fn expiry(config: &QueueConfig, created: Time, due: Time, expires: Option<Time>) -> Option<String> {
    let age = due.since(created);
    if age > config.max_age {
        return Some(format!(
            "Next delivery time would be {} after creation, which exceeds max_age={}",
            format_duration(whole(age)),
            format_duration(config.max_age)
        ));
    }
    let expires = expires.filter(|expires| due > *expires)?;
    Some(format!(
        "Next delivery time would be {} after creation, which is after the scheduled expiry at {expires}",
        format_duration(whole(age))
    ))
}

/// In whole seconds, as people are told of it.
pub(super) fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(retry: u64, max: Option<u64>) -> QueueConfig {
        QueueConfig {
            retry_interval: Duration::from_secs(retry),
            max_retry_interval: max.map(Duration::from_secs),
            ..QueueConfig::default()
        }
    }

    #[test]
    fn the_interval_doubles_up_to_its_maximum() {
        let config = config(60, Some(1200));
        let seconds: Vec<_> = (0..7).map(|n| delay(&config, n).as_secs()).collect();
        assert_eq!(seconds, [60, 120, 240, 480, 960, 1200, 1200]);
        assert_eq!(delay(&config, u16::MAX).as_secs(), 1200);
    }

    #[test]
    fn jitter_is_in_whole_seconds_and_none_for_short_intervals() {
        let short = config(5, None);
        let long = config(1200, None);
        let mut least = u64::MAX;
        let mut most = 0;
        for _ in 0..2000 {
            assert_eq!(with_jitter(&short, Duration::from_secs(5)).as_millis(), 5000);
            let got = with_jitter(&long, Duration::from_mins(20));
            assert_eq!(got.subsec_nanos(), 0);
            least = least.min(got.as_secs());
            most = most.max(got.as_secs());
        }
        assert!((1170..1180).contains(&least) && (1220..=1230).contains(&most), "{least} to {most}");
    }

    #[test]
    fn what_would_be_too_old_is_given_up() {
        let mut config = config(1200, None);
        config.max_age = Duration::from_hours(1);
        let created = Time::from_secs(1_000_000);
        let at = |secs| created.after(Duration::from_secs(secs));
        assert_eq!(expiry(&config, created, at(3600), None), None);
        assert_eq!(
            expiry(&config, created, at(3720), None).unwrap(),
            "Next delivery time would be 1h 2m after creation, which exceeds max_age=1h"
        );
        assert_eq!(expiry(&config, created, at(60), Some(at(60))), None);
        assert!(expiry(&config, created, at(61), Some(at(60))).unwrap().contains("scheduled expiry"));
    }
}
