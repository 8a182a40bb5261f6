//! One process, or one of several hosts within a process: clock, paths, epoch, shutdown and what the layers above keep here.
//!
//! A [`Host`] is a value. Nothing in this project is process-wide, so that a test or `tsa up` can put several hosts side by
//! side that do not know of each other.

pub mod certificate;
mod clock;
mod environment;
mod epoch;
pub mod http;
pub mod listening;
pub mod logging;
pub mod memory;
pub mod metrics;
mod paths;
pub mod run;
mod share;
mod shutdown;
mod slots;
pub mod store;
pub mod user;

use std::sync::Arc;

pub use clock::Clock;
pub use environment::Environment;
pub use epoch::Epoch;
pub use paths::Paths;
pub use shutdown::Shutdown;
use slots::Slots;

/// A handle to a host; clones are cheap and refer to the same host.
#[derive(Clone, Debug)]
pub struct Host(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    paths: Paths,
    epoch: Epoch,
    shutdown: Shutdown,
    slots: Slots,
}

impl Host {
    /// A new host with the given clock and paths.
    pub fn new(clock: Clock, paths: Paths) -> Self {
        Self(Arc::new(Inner {
            clock,
            paths,
            epoch: Epoch::default(),
            shutdown: Shutdown::default(),
            slots: Slots::default(),
        }))
    }

    /// The clock that all waiting and expiry go through (semantics C1).
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Where documented paths lead.
    pub fn paths(&self) -> &Paths {
        &self.0.paths
    }

    /// The configuration epoch.
    pub fn epoch(&self) -> &Epoch {
        &self.0.epoch
    }

    /// The signal to stop.
    pub fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }

    /// The one value of type `T` that this host keeps for a layer above, made on first use.
    ///
    /// This stands in for process-wide state: a cache or a client that every part of one host shares, and no other host.
    pub fn slot<T: std::any::Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        self.0.slots.get(make)
    }
}
