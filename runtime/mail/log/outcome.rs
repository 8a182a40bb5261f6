//! What became of messages, for who watches within the process.

use kumo_tsa_core::wire::{Kind, Time};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::record::Record;
use crate::mail::reply::Reply;

/// Outcomes that a watcher may be behind before it misses the oldest.
const BEHIND: usize = 16_384;

/// What became of a message: what a record says, as far as one that watches needs it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What.
    pub kind: Kind,
    /// The message's id; empty for what was refused.
    pub id: String,
    /// For how many recipients.
    pub recipients: usize,
    /// The scheduled queue.
    pub queue: String,
    /// The ready queue, where an attempt was made.
    pub site: String,
    /// What was answered.
    pub reply: Reply,
    /// When.
    pub at: Time,
    /// When the message was made.
    pub created: Time,
    /// The session.
    pub session: Option<Uuid>,
}

/// Tells watchers; costs next to nothing while there are none.
#[derive(Debug)]
pub(super) struct Watchers(broadcast::Sender<Outcome>);

impl Default for Watchers {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl Watchers {
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Outcome> {
        self.0.subscribe()
    }

    pub(super) fn tell(&self, record: &Record) {
        if self.0.receiver_count() > 0 {
            // The last one may have left just now.
            let _ = self.0.send(record.outcome());
        }
    }
}
