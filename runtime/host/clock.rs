//! The host's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kumo_tsa_core::wire::Time;
use tokio::time::Instant;

/// Tells the time, and waits.
///
/// A system clock tells the wall clock's time. A controlled clock starts where it is told and follows tokio's clock, so
/// that a paused runtime controls it; [`jump`](Self::jump) plays a wall clock that is set by hand.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    Controlled { start: Time, origin: Instant, jumped_micros: Arc<AtomicI64> },
}

impl Clock {
    /// The machine's wall clock.
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that shows `start` now and goes on with tokio's clock.
    pub fn controlled(start: Time) -> Self {
        Self(Kind::Controlled { start, origin: Instant::now(), jumped_micros: Arc::default() })
    }

    /// Whether it shows another time than the machine's.
    pub fn is_controlled(&self) -> bool {
        matches!(self.0, Kind::Controlled { .. })
    }

    /// The wall clock's time.
    pub fn now(&self) -> Time {
        match &self.0 {
            Kind::System => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => Time::default().after(since),
                Err(before) => Time::default().before(before.duration()),
            },
            Kind::Controlled { start, origin, jumped_micros } => {
                start.after(origin.elapsed()).shifted(jumped_micros.load(Ordering::Relaxed))
            }
        }
    }

    /// A clock that never jumps; only differences between its readings mean anything.
    pub fn instant(&self) -> Instant {
        Instant::now()
    }

    /// Sets a controlled clock forward or back, as a person or NTP does; a system clock is left alone.
    pub fn jump(&self, micros: i64) {
        if let Kind::Controlled { jumped_micros, .. } = &self.0 {
            jumped_micros.fetch_add(micros, Ordering::Relaxed);
        }
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
