//! The test's clock: it advances when told, stands still, and is read.

use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::bail;
use kumo_tsa_core::wire::{Time, format_duration};

use crate::host::Clock;

/// While time stands still, what needs time to pass is given up after this, in real time.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often those who can go on get their turn while time stands still.
const TURNS: usize = 200;

/// Time in the hands of a spec.
#[derive(Debug)]
pub(super) struct Hands {
    clock: Clock,
    frozen: Mutex<Option<Held>>,
    patience: Duration,
}

/// Tokio advances a paused clock only while no blocking work goes on; this is such work, until it is dropped.
#[derive(Debug)]
struct Held(#[expect(dead_code, reason = "what waits for it ends with it")] Sender<()>);

impl Held {
    fn new() -> Self {
        let (sender, ended) = mpsc::channel();
        tokio::task::spawn_blocking(move || ended.recv());
        Self(sender)
    }
}

impl Hands {
    pub(super) fn new(start: Time) -> Self {
        Self { clock: Clock::controlled(start), frozen: Mutex::default(), patience: PATIENCE }
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    fn hold(&self, held: Option<Held>) -> bool {
        let mut frozen = self.frozen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *frozen, held).is_some()
    }

    /// Whether time passes in [`advance`](Self::advance) alone.
    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// From now on time passes in [`advance`](Self::advance) alone.
    pub(super) fn freeze(&self) {
        if !self.is_frozen() {
            self.hold(Some(Held::new()));
        }
    }

    /// Time passes again where something waits for it.
    pub(super) fn thaw(&self) {
        self.hold(None);
    }

    /// Lets time pass. Whatever is due happens, in order.
    pub(super) async fn advance(&self, by: Duration) {
        let was_frozen = self.hold(None);
        tokio::time::sleep(by).await;
        if was_frozen {
            self.hold(Some(Held::new()));
        }
    }

    /// Lets everybody do what can be done now; where time passes, a millisecond goes by.
    pub(super) async fn settle(&self) {
        if self.is_frozen() {
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
        } else {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Does `work`, which may need time to pass; gives up where it does and time stands still.
    pub(super) async fn through<T>(&self, what: &str, work: impl Future<Output = T>) -> anyhow::Result<T> {
        if !self.is_frozen() {
            return Ok(work.await);
        }
        let (_ends_with_this, ended) = mpsc::channel::<()>();
        let limit = self.patience;
        let patience = tokio::task::spawn_blocking(move || ended.recv_timeout(limit));
        tokio::select! {
            done = work => Ok(done),
            _ = patience => {
                let real = format_duration(limit);
                bail!("{what}: the clock is frozen, and after {real} of real time this still waits for time to pass; call `testing.thaw()` first")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frozen() -> Hands {
        let hands = Hands { patience: Duration::from_millis(50), ..Hands::new(Time::from_secs(1000)) };
        hands.freeze();
        hands
    }

    #[tokio::test(start_paused = true)]
    async fn while_time_stands_still_it_passes_in_advances_alone() {
        let hands = frozen();
        let before = hands.now();
        hands.settle().await;
        assert_eq!(hands.now(), before);
        hands.advance(Duration::from_mins(1)).await;
        let after = hands.now();
        assert!(after.since(before) >= Duration::from_mins(1) && after.since(before) < Duration::from_secs(61));
        hands.settle().await;
        assert_eq!(hands.now(), after);
        hands.thaw();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(hands.now() > after);
    }

    #[tokio::test(start_paused = true)]
    async fn what_needs_time_while_it_stands_still_is_given_up() {
        let hands = frozen();
        assert_eq!(hands.through("testing.host", async { 5 }).await.unwrap(), 5);
        let sleep = tokio::time::sleep(Duration::from_mins(1));
        let why = hands.through("testing.host", sleep).await.unwrap_err().to_string();
        assert!(why.starts_with("testing.host: the clock is frozen") && why.contains("testing.thaw()"), "{why}");
        hands.thaw();
    }
}
