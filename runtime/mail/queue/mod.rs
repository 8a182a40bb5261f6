//! Scheduled queues, where messages wait, and ready queues, from which they are delivered.
//!
//! ```text
//! accept -> scheduled queue --(its time has come)--> source, site --> ready queue --> sessions
//!               ^                                                         |              |
//!               +------------ suspended, full, throttled, failed ---------+--------------+
//! ```
//!
//! One timer knows when which scheduled queue has something to do; a queue has a task while that is so. Each ready queue
//! has a task that opens sessions as there is demand, and each session one that feeds it. Nothing polls.

mod dispatch;
mod engine;
mod gate;
mod hold;
mod home;
mod internal;
mod lane;
mod listing;
mod look;
mod maildir;
mod ramp;
mod ready;
mod reason;
mod retry;
mod rotation;
mod route;
mod scheduled;
mod settle;
mod smtp;
mod timer;
mod upkeep;
pub mod world;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::future::join_all;
use kumo_tsa_core::wire::Kind;

pub use engine::Engine;
pub use internal::Internal;
pub use listing::{ReadySnapshot, ScheduledSnapshot, SessionSnapshot, TotalsSnapshot};
pub use ready::Phase;
pub use reason::Reason;
pub use route::{Destination, LuaPath, Means, Route};
use world::World;

use super::log::{Attempt, Peer, Tls};
use super::message::{BadMeta, Message};
use super::reply::Reply;
use super::spool::{self, Spools};
use crate::host::{Clock, Host};
use crate::policy::Policy;

/// The queue whose messages are discarded when they are accepted (interface C.4).
const NULL: &str = "null";

/// The queues of a host.
#[derive(Debug)]
pub struct Queues {
    clock: Clock,
    engine: ArcSwapOption<Engine>,
}

/// How messages are accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accept {
    /// Whether they are kept in memory alone until their first attempt fails.
    pub deferred_spool: bool,
    /// Whether a Reception record is written.
    pub log_reception: bool,
}

/// Why messages were not accepted: none of them was.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// The queues are not running.
    #[error("this host takes no messages now: its queues are not running")]
    Stopped,
    /// A message names no queue.
    #[error(transparent)]
    Meta(#[from] BadMeta),
    /// The spool does not take them.
    #[error(transparent)]
    Spool(#[from] spool::Error),
    /// The policy fails where it is asked about the queue.
    #[error("queue `{queue}`: {why}")]
    Policy {
        /// The queue.
        queue: String,
        /// Why it fails.
        why: String,
    },
}

impl Queues {
    /// The host's.
    pub fn of(host: &Host) -> Arc<Self> {
        host.slot(|| Self { clock: host.clock().clone(), engine: ArcSwapOption::empty() })
    }

    /// Starts them: messages can be accepted, and leave. Starting again changes nothing.
    pub fn start(&self, policy: Policy) {
        if self.engine.load().is_none() {
            self.start_in(Arc::new(home::Home::new(policy)));
        }
    }

    /// Starts them in another world than the host.
    pub fn start_in(&self, world: Arc<dyn World>) {
        self.engine.store(Some(Engine::start(world, self.clock.clone())));
    }

    /// Puts the messages that an earlier process left in the spool into their queues; tells how many there were. The policy
    /// is not asked about a queue before one of its messages is due.
    pub async fn load(&self, spools: &Arc<Spools>) -> usize {
        let mut found = spools.enumerate();
        let mut count = 0;
        while let Some(message) = found.recv().await {
            let Some(engine) = self.engine() else { break };
            let name = message.queue_name().unwrap_or_else(|error| {
                tracing::error!("message `{}` is queued by its recipient alone: {error}", message.id());
                message.recipients().first().map(|to| to.domain().to_lowercase()).unwrap_or_default()
            });
            engine.place(&engine.scheduled(&name), message, &[Reason::Enumerated]).await;
            count += 1;
        }
        count
    }

    /// Stops them: no message leaves any more, and sessions end after the message that they are at. Waits for that no
    /// longer than `patience`; tells whether all have ended. What waits stays in the spool.
    pub async fn stop(&self, patience: Duration) -> bool {
        match self.engine.swap(None) {
            Some(engine) => engine.stop(patience).await,
            None => true,
        }
    }

    /// What runs them, while they run.
    pub fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.load_full()
    }

    /// How long a path takes, after it was suspended, from one connection to its limit (semantics H2). Default 60 s.
    pub fn set_ramp(&self, length: Duration) {
        if let Some(engine) = self.engine() {
            engine.ramp.set_length(length);
        }
    }

    /// Takes messages: when this returns they are in the spool, and on their way.
    ///
    /// # Errors
    /// When one of them cannot be taken; then none was.
    pub async fn accept(&self, messages: Vec<Message>, how: Accept) -> Result<(), NotTaken> {
        let engine = self.engine().ok_or(NotTaken::Stopped)?;
        let mut names = Vec::with_capacity(messages.len());
        for message in &messages {
            names.push(message.queue_name()?);
        }
        for (message, name) in messages.iter().zip(&names).filter(|(_, name)| *name != NULL) {
            if let Err(why) = engine.admit(name).await {
                let text = format!("KumoMTA internal: QueueManager::insert failed during reception: {why}");
                let reply = Reply { code: 500, enhanced_code: None, content: text, command: None };
                engine.log(Kind::Bounce, message, name, reply, Attempt::default()).await;
                return Err(NotTaken::Policy { queue: name.clone(), why });
            }
        }
        if !how.deferred_spool {
            save(&engine, messages.iter().zip(&names).filter(|(_, name)| *name != NULL).map(|(m, _)| m)).await?;
        }
        for (message, name) in messages.into_iter().zip(names) {
            if how.log_reception {
                let reply = Reply { code: 250, enhanced_code: None, content: String::new(), command: None };
                engine.log(Kind::Reception, &message, &name, reply, came_by(&message)).await;
            }
            if name != NULL {
                let later = message.due_from(engine.clock.now()) > engine.clock.now();
                let reasons: &[Reason] =
                    if later { &[Reason::Received, Reason::ScheduledForLater] } else { &[Reason::Received] };
                engine.enter(&name, message, reasons).await;
            }
        }
        Ok(())
    }

    /// Puts a message that is in the spool into its queue, to be tried when it is due.
    ///
    /// # Errors
    /// When it names no queue, or nothing runs.
    pub async fn insert(&self, message: Message, reason: Reason) -> Result<(), NotTaken> {
        let engine = self.engine().ok_or(NotTaken::Stopped)?;
        let name = message.queue_name()?;
        engine.enter(&name, message, &[reason]).await;
        Ok(())
    }
}

/// The connection that a message came by, as its meta tells of it (interface A.8).
fn came_by(message: &Message) -> Attempt {
    let text = |key| message.meta(key).and_then(|meta| meta.as_str().map(ToOwned::to_owned));
    let address = text("received_from").and_then(|from| from.parse().ok());
    let peer = address.map(|address| Peer { name: text("ehlo_domain").unwrap_or_default(), address });
    let tls = text("tls_cipher").map(|cipher| Tls {
        cipher,
        version: text("tls_protocol_version").unwrap_or_default(),
        peer_subject: message
            .meta("tls_peer_subject_name")
            .and_then(|meta| serde_json::from_value(meta).ok())
            .unwrap_or_default(),
    });
    Attempt { peer, tls, ..Attempt::default() }
}

/// Saves all, at the same time so that they share what it takes to be on disk; when one fails none stays.
async fn save(engine: &Engine, messages: impl Iterator<Item = &Message>) -> Result<(), spool::Error> {
    let outcomes = join_all(messages.map(|message| async move { (message, engine.world.save(message).await) })).await;
    let Some(error) = outcomes.iter().find_map(|(_, outcome)| outcome.as_ref().err().cloned()) else { return Ok(()) };
    for (message, _) in outcomes.iter().filter(|(_, outcome)| outcome.is_ok()) {
        engine.finish(message).await;
    }
    Err(error)
}

#[cfg(test)]
mod tests;
