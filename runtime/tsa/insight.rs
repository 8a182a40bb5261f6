//! A daemon as one sees it that stands beside it in the same process.

use std::collections::HashSet;
use std::sync::Arc;

use kumo_tsa_core::decide::State;
use kumo_tsa_core::shaping::{RuleId, Shaping};
use kumo_tsa_core::wire::{BadRecord, Record, Time};

use super::engine::Engine;

/// What a daemon holds for true, without a way over HTTP; clones look at the same daemon.
#[derive(Clone, Debug)]
pub struct Insight {
    engine: Arc<Engine>,
}

/// A record that a daemon did not take.
#[derive(Debug, thiserror::Error)]
pub enum Unpublished {
    /// It is none.
    #[error(transparent)]
    Record(#[from] BadRecord),
    /// It could not be stored.
    #[error("{0}")]
    Unavailable(String),
}

impl Insight {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// Takes a record in, as it is published: the JSON of one.
    ///
    /// # Errors
    /// When it is no record, or cannot be stored.
    pub async fn publish(&self, json: &[u8]) -> Result<(), Unpublished> {
        let record = Record::parse(json)?;
        let stored = self.engine.publish(std::slice::from_ref(&record)).await;
        stored.map_err(|unavailable| Unpublished::Unavailable(unavailable.to_string()))
    }

    /// Calls `read` with what is in force, and the time.
    pub fn read<T>(&self, read: impl FnOnce(&State, Time) -> T) -> T {
        self.engine.read(read)
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<Shaping> {
        self.engine.rules()
    }

    /// The rules that have matched a record since the daemon started.
    pub fn matched(&self) -> HashSet<RuleId> {
        self.engine.metrics().matched_rules().into_iter().collect()
    }
}
