//! Rates and leases, by key (interface C.11).
//!
//! A rate says how often something may happen; a lease, how many of something there may be at once. What shares a key
//! shares both.

mod arrival;
mod lease;

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::StateInformationMiddleware;
use governor::state::NotKeyed;
use governor::{Quota, RateLimiter};
use kumo_tsa_core::wire::Throttle;
use tokio::time::Instant;

pub use lease::Lease;
use lease::Leases;

use crate::host::Host;

/// How often keys that nobody uses are looked for.
const SWEEP: Duration = Duration::from_mins(1);
/// Periods longer than this are taken as this long: a limiter counts nanoseconds in 64 bits.
const LONGEST: Duration = Duration::from_hours(24 * 3650);

type Limiter = RateLimiter<NotKeyed, arrival::Shared, Ticks, StateInformationMiddleware>;

/// The rates and leases of a host.
#[derive(Debug)]
pub struct Throttles {
    ticks: Ticks,
    rates: Mutex<Rates>,
    leases: Arc<Leases>,
}

#[derive(Default, Debug)]
struct Rates {
    by_key: HashMap<Box<str>, Vec<Rate>>,
    swept: Duration,
}

/// One rate of a key. Another limit, burst or period is another rate, and counts from anew.
#[derive(Debug)]
struct Rate {
    limit: NonZeroU64,
    burst: u64,
    period: Duration,
    limiter: Limiter,
    arrival: arrival::Shared,
    /// When it was asked last, since the host's beginning.
    used: Duration,
}

/// What became of a try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// How long to wait before the next try can succeed; `None` when this one did.
    pub wait: Option<Duration>,
    /// How many may come at once.
    pub burst: u64,
    /// How many more may come right now.
    pub remaining: u64,
    /// After how long without any a full burst may come again.
    pub reset_after: Duration,
}

/// A rate, of several, that does not allow one now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Short {
    /// Its place in the list.
    pub which: usize,
    /// How long to wait for it.
    pub wait: Duration,
}

impl Throttles {
    /// The host's.
    pub fn of(host: &Host) -> Arc<Self> {
        host.slot(|| Self { ticks: Ticks(Instant::now()), rates: Mutex::default(), leases: Arc::default() })
    }

    /// Counts one under `key`, if the rate allows it now.
    ///
    /// # Errors
    /// How long to wait before it can; then nothing was counted.
    pub fn check(&self, key: &str, throttle: &Throttle) -> Result<(), Duration> {
        self.attempt(key, throttle).wait.map_or(Ok(()), Err)
    }

    /// Counts one under each of these keys, if all of the rates allow it now; else none is counted anywhere.
    ///
    /// # Errors
    /// The rate that has to be waited for longest.
    pub fn check_all(&self, rates: &[(String, Throttle)]) -> Result<(), Short> {
        let now = self.ticks.now();
        let mut all = self.lock();
        all.sweep(now);
        let looked = rates.iter().enumerate().filter_map(|(which, (key, throttle))| {
            let rate = all.rate(key, throttle, self.ticks)?;
            rate.used = now;
            rate.look(now).map(|wait| Short { which, wait })
        });
        if let Some(short) = looked.max_by_key(|short| short.wait) {
            return Err(short);
        }
        for (key, throttle) in rates {
            if let Some(rate) = all.rate(key, throttle, self.ticks) {
                // It was looked at under the same lock. Where a rate is given twice, once is what could be promised.
                let _ = rate.limiter.check();
            }
        }
        Ok(())
    }

    /// As [`check`](Self::check), and tells how things stand.
    pub fn attempt(&self, key: &str, throttle: &Throttle) -> Outcome {
        let now = self.ticks.now();
        let mut rates = self.lock();
        rates.sweep(now);
        let Some(rate) = rates.rate(key, throttle, self.ticks) else {
            return Outcome { wait: None, burst: 0, remaining: 0, reset_after: Duration::ZERO };
        };
        rate.used = now;
        let burst = rate.burst;
        let interval = rate.period.div_f64(rate.limit.get() as f64);
        match rate.limiter.check() {
            Ok(state) => {
                let remaining = u64::from(state.remaining_burst_capacity());
                Outcome { wait: None, burst, remaining, reset_after: times(interval, burst.saturating_sub(remaining)) }
            }
            Err(until) => {
                let wait = until.wait_time_from(now).max(Duration::from_nanos(1));
                Outcome { wait: Some(wait), burst, remaining: 0, reset_after: times(interval, burst) }
            }
        }
    }

    /// Waits until the rate allows one under `key`, and counts it.
    pub async fn wait(&self, key: &str, throttle: &Throttle) {
        while let Err(wait) = self.check(key, throttle) {
            tokio::time::sleep(wait).await;
        }
    }

    /// How many rates are remembered.
    pub fn len(&self) -> usize {
        self.lock().by_key.values().map(Vec::len).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Rates> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn times(interval: Duration, count: u64) -> Duration {
    interval.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

impl Rates {
    /// The rate, made when it is not there; so there is one always.
    fn rate(&mut self, key: &str, throttle: &Throttle, ticks: Ticks) -> Option<&mut Rate> {
        if !self.by_key.contains_key(key) {
            self.by_key.insert(key.into(), Vec::new());
        }
        let rates = self.by_key.get_mut(key)?;
        let same =
            |rate: &Rate| (rate.limit, rate.burst, rate.period) == (throttle.limit, throttle.burst(), throttle.period);
        let at = rates.iter().position(same).unwrap_or_else(|| {
            rates.push(Rate::new(throttle, ticks));
            rates.len() - 1
        });
        rates.get_mut(at)
    }

    /// Forgets rates that have not been used for as long as they take to be whole again.
    fn sweep(&mut self, now: Duration) {
        if now.saturating_sub(self.swept) < SWEEP {
            return;
        }
        self.swept = now;
        self.by_key.retain(|_, rates| {
            rates.retain(|rate| now.saturating_sub(rate.used) <= rate.period);
            !rates.is_empty()
        });
    }
}

impl Rate {
    /// How long to wait for the next one, without counting any; `None` when it may come now.
    fn look(&self, now: Duration) -> Option<Duration> {
        self.arrival.only_look(true);
        let seen = self.limiter.check();
        self.arrival.only_look(false);
        seen.err().map(|until| until.wait_time_from(now).max(Duration::from_nanos(1)))
    }

    fn new(throttle: &Throttle, ticks: Ticks) -> Self {
        let burst = throttle.burst();
        // Rounded up: a window never holds one too many.
        let nanos = throttle.period.min(LONGEST).as_nanos().div_ceil(u128::from(throttle.limit.get()));
        let interval = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).max(Duration::from_nanos(1));
        let at_once = u32::try_from(burst).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
        // There is no quota for an interval of zero alone.
        let quota = Quota::with_period(interval).unwrap_or(Quota::per_second(at_once)).allow_burst(at_once);
        let arrival = arrival::Shared::default();
        let limiter = Limiter::new(quota, arrival.clone(), ticks);
        Self { limit: throttle.limit, burst, period: throttle.period, limiter, arrival, used: Duration::ZERO }
    }
}

/// Tokio's time since the host's beginning, so that a paused runtime controls rates too.
#[derive(Clone, Copy, Debug)]
struct Ticks(Instant);

impl GovernorClock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests;
