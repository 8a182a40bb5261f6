//! How a path opens after it was suspended (semantics H2).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a path takes to be at its limit again, unless set otherwise.
pub(super) const DEFAULT: Duration = Duration::from_mins(1);

/// Paths that are suspended, or were less than the ramp's length ago.
#[derive(Debug)]
pub(super) struct Ramp(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    length: Duration,
    paths: HashMap<Arc<str>, Phase>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Held,
    Opening(Instant),
}

impl Default for Ramp {
    fn default() -> Self {
        Self(Mutex::new(Inner { length: DEFAULT, paths: HashMap::new() }))
    }
}

impl Ramp {
    /// Sets how long a path takes from one connection to its limit; zero opens it at once.
    pub(super) fn set_length(&self, length: Duration) {
        self.lock().length = length;
    }

    /// How long a path takes.
    pub(super) fn length(&self) -> Duration {
        self.lock().length
    }

    /// Notes that `path` is suspended.
    pub(super) fn hold(&self, path: &Arc<str>) {
        self.lock().paths.insert(path.clone(), Phase::Held);
    }

    /// Notes that `path` is not suspended; the first time after it was, it begins to open.
    pub(super) fn open(&self, path: &str, now: Instant) {
        let mut inner = self.lock();
        if let Some(phase @ Phase::Held) = inner.paths.get_mut(path) {
            *phase = Phase::Opening(now);
        }
    }

    /// How many of `limit` connections `path` may have now, and when it may have one more.
    pub(super) fn allowed(&self, path: &str, limit: u64, now: Instant) -> (u64, Option<Instant>) {
        let mut inner = self.lock();
        let length = inner.length;
        let Some(phase) = inner.paths.get(path).copied() else { return (limit, None) };
        let Phase::Opening(since) = phase else { return (0, None) };
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= length {
            inner.paths.remove(path);
            return (limit, None);
        }
        if limit <= 1 {
            return (limit, None);
        }
        // One at once, the others evenly until the end.
        let step = length.div_f64((limit - 1) as f64);
        let steps = (elapsed.as_secs_f64() / step.as_secs_f64()).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the limit")]
        let allowed = (1 + steps as u64).min(limit);
        (allowed, (allowed < limit).then(|| since + step.mul_f64(steps + 1.0)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h2_one_connection_then_evenly_up_to_the_limit() {
        let ramp = Ramp::default();
        let path: Arc<str> = "s->site@smtp_client".into();
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        ramp.open(&path, start);
        assert_eq!(ramp.allowed(&path, 31, start), (31, None), "it was never suspended");
        ramp.hold(&path);
        assert_eq!(ramp.allowed(&path, 31, at(5)).0, 0);
        ramp.open(&path, at(10));
        ramp.open(&path, at(20));
        assert_eq!(ramp.allowed(&path, 31, at(10)), (1, Some(at(12))));
        assert_eq!(ramp.allowed(&path, 31, at(40)).0, 16);
        assert_eq!(ramp.allowed(&path, 31, at(69)).0, 30);
        assert_eq!(ramp.allowed(&path, 31, at(70)), (31, None));
        ramp.hold(&path);
        ramp.open(&path, at(80));
        ramp.set_length(Duration::ZERO);
        assert_eq!(ramp.allowed(&path, 31, at(80)).0, 31);
    }
}
