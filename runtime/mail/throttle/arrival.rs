//! What a rate remembers: the time at which the next one is expected.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};

/// The time at which the next one is expected, in nanoseconds; 0 before the first. Whoever uses it holds the lock of all
/// rates, so nothing else changes it meanwhile.
#[derive(Default, Debug)]
struct Arrival {
    nanos: AtomicU64,
    looking: AtomicBool,
}

/// A handle to it: the limiter has one, and who tells it to look.
#[derive(Clone, Default, Debug)]
pub(super) struct Shared(Arc<Arrival>);

impl Shared {
    /// While it only looks, nothing is counted.
    pub(super) fn only_look(&self, looking: bool) {
        self.0.looking.store(looking, Ordering::Relaxed);
    }
}

impl StateStore for Shared {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let before = Some(self.0.nanos.load(Ordering::Relaxed)).filter(|nanos| *nanos > 0);
        let (outcome, after) = judge(before.map(Nanos::from))?;
        if !self.0.looking.load(Ordering::Relaxed) {
            self.0.nanos.store(after.into(), Ordering::Relaxed);
        }
        Ok(outcome)
    }
}
