//! The configuration epoch.

use tokio::sync::watch;

/// A number that rises when the configuration may have changed (interface B.6).
#[derive(Debug)]
pub struct Epoch(watch::Sender<u64>);

impl Default for Epoch {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Epoch {
    /// The current epoch; the first is 0.
    pub fn current(&self) -> u64 {
        *self.0.borrow()
    }

    /// Starts a new epoch and wakes who watches.
    pub fn bump(&self) {
        self.0.send_modify(|epoch| *epoch += 1);
    }

    /// Something to await the next epoch with.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}
