//! Where accepted messages go.

use futures_util::future::BoxFuture;

use crate::mail::Message;

/// Takes messages over: into the spool, the log and the queues.
pub trait Intake: Send + Sync {
    /// Takes all of them, or none. The client is told `250` after this has said that they are safe.
    fn accept(&self, messages: Vec<Message>, how: How) -> BoxFuture<'_, Result<(), NotTaken>>;
}

/// How messages are taken over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct How {
    /// Whether they may stay in memory alone until they could not be delivered at once.
    pub deferred_spool: bool,
}

/// Messages could not be taken over; the client is asked to try again later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotTaken(pub String);
