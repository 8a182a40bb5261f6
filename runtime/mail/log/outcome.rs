//! What became of messages, for who watches within the process.

use std::sync::{Mutex, PoisonError};

use kumo_tsa_core::wire::{Kind, Time};
use serde_json::Value;
use tokio::sync::{broadcast, mpsc};
use uuid::Uuid;

use super::record::{Captured, Record};
use crate::mail::message::Message;
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
pub(super) struct Watchers {
    outcomes: broadcast::Sender<Outcome>,
    records: Mutex<Vec<mpsc::UnboundedSender<Value>>>,
}

impl Default for Watchers {
    fn default() -> Self {
        Self { outcomes: broadcast::Sender::new(BEHIND), records: Mutex::default() }
    }
}

impl Watchers {
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Outcome> {
        self.outcomes.subscribe()
    }

    pub(super) fn collect(&self) -> mpsc::UnboundedReceiver<Value> {
        let (sender, records) = mpsc::unbounded_channel();
        self.records.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        records
    }

    pub(super) fn tell(&self, record: &Record, message: &Message) {
        if self.outcomes.receiver_count() > 0 {
            // The last one may have left just now.
            let _ = self.outcomes.send(record.outcome());
        }
        let mut collectors = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if !collectors.is_empty() {
            let captured = Captured { meta: message.metas(), ..Captured::default() };
            let row = serde_json::to_value(record.row(&captured)).unwrap_or_default();
            collectors.retain(|collector| collector.send(row.clone()).is_ok());
        }
    }
}
