//! Whether a daemon can do its work: what `/api/check-liveness/v1` says.

use std::sync::{Arc, Mutex, PoisonError};

use crate::host::Host;

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What has to hold for a host to be alive; nothing, unless a part of it adds something.
#[derive(Default)]
pub struct Liveness(Mutex<Vec<Check>>);

impl std::fmt::Debug for Liveness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Liveness")
    }
}

impl Liveness {
    /// The host's.
    pub fn of(host: &Host) -> Arc<Self> {
        host.slot(Self::default)
    }

    /// Something that has to hold; the error says why it does not. It must not keep the host alive.
    pub fn add(&self, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(check));
    }

    /// Whether all of it holds.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<(), String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().try_for_each(|check| check())
    }
}
