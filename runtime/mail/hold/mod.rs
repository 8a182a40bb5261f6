//! Suspensions and bounces: what holds mail back, and what sends it back (interface C.13).
//!
//! An entry belongs to an [`Owner`]: a person at this host, or an entry of a daemon that told it. Of several owners'
//! entries for one thing the one that ends last holds (semantics P6). Entries end after the time that was left when they
//! came, whatever the wall clock does meanwhile (semantics C2).

mod list;
mod request;
mod selector;
mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kumo_tsa_core::wire::{QueueName, Time};
use tokio::sync::watch;
use uuid::Uuid;

pub use list::{BouncedQueues, SuspendedPath, SuspendedQueues};
pub use request::{BounceQueues, Order, SuspendPath, SuspendQueues};
pub use selector::Selector;
use table::{Entry, Table, deadline};

use crate::host::{Clock, Host};

/// Whose an entry is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Owner {
    /// The daemon that told it; empty for a person at this host.
    pub who: Arc<str>,
    /// The daemon's key for it.
    pub key: Arc<str>,
}

impl Owner {
    /// A person at this host, by the admin API or a policy.
    pub fn operator() -> Self {
        Self::default()
    }
}

/// What holds a path or a queue back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    /// The entry.
    pub id: Uuid,
    /// Why.
    pub reason: Arc<str>,
    /// When it ends.
    pub until: Time,
}

/// What sends the mail of a queue back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bounce {
    /// The entry.
    pub id: Uuid,
    /// Why.
    pub reason: Arc<str>,
    /// When it ends.
    pub until: Time,
    /// Whether no records are to be logged of it.
    pub suppress_logging: bool,
}

/// The suspensions and bounces of a host.
#[derive(Debug)]
pub struct Holds {
    clock: Clock,
    all: Mutex<All>,
    changed: watch::Sender<u64>,
}

#[derive(Default, Debug)]
struct All {
    paths: Table<Arc<str>>,
    queues: Table<Selector>,
    bounces: Table<Selector>,
}

impl Holds {
    /// The host's.
    pub fn of(host: &Host) -> Arc<Self> {
        let clock = host.clock().clone();
        host.slot(|| Self { clock, all: Mutex::default(), changed: watch::Sender::new(0) })
    }

    /// Suspends a path, by the name of its ready queue. An entry that the owner has for it is replaced.
    pub fn suspend_path(&self, name: &str, reason: &str, until: Time, owner: Owner) -> Uuid {
        let entry = Entry::new(owner, reason, deadline(&self.clock, until));
        self.change(|all| all.paths.insert(name.into(), entry))
    }

    /// Suspends scheduled queues. An entry that the owner has for the same selectors is replaced.
    pub fn suspend_queue(&self, selector: Selector, reason: &str, until: Time, owner: Owner) -> Uuid {
        let entry = Entry::new(owner, reason, deadline(&self.clock, until));
        self.change(|all| all.queues.insert(selector, entry))
    }

    /// Bounces what is in scheduled queues and what comes. An entry that the owner has for the same selectors is
    /// replaced.
    pub fn bounce(&self, selector: Selector, reason: &str, until: Time, suppress_logging: bool, owner: Owner) -> Uuid {
        let mut entry = Entry::new(owner, reason, deadline(&self.clock, until));
        entry.suppress_logging = suppress_logging;
        self.change(|all| all.bounces.insert(selector, entry))
    }

    /// Ends what an owner has for a path; false when it had nothing.
    pub fn end_path(&self, name: &str, owner: &Owner) -> bool {
        self.change(|all| all.paths.remove(&name.into(), owner))
    }

    /// Ends what an owner has for scheduled queues.
    pub fn end_queue(&self, selector: &Selector, owner: &Owner) -> bool {
        self.change(|all| all.queues.remove(selector, owner))
    }

    /// Ends what an owner has bounced.
    pub fn end_bounce(&self, selector: &Selector, owner: &Owner) -> bool {
        self.change(|all| all.bounces.remove(selector, owner))
    }

    /// What suspends the path, `now` on the wall clock.
    pub fn path(&self, name: &str, now: Time) -> Option<Hold> {
        let all = self.lock();
        let (entry, left) = all.paths.longest(name)?;
        Some(Hold { id: entry.id, reason: entry.reason.clone(), until: now.after(left) })
    }

    /// What suspends the scheduled queue of this name.
    pub fn queue(&self, queue: &QueueName<'_>, name: &str, now: Time) -> Option<Hold> {
        let all = self.lock();
        let (entry, left) = all.queues.find(queue, name)?;
        Some(Hold { id: entry.id, reason: entry.reason.clone(), until: now.after(left) })
    }

    /// What bounces the scheduled queue of this name.
    pub fn bounced(&self, queue: &QueueName<'_>, name: &str, now: Time) -> Option<Bounce> {
        let all = self.lock();
        let (entry, left) = all.bounces.find(queue, name)?;
        let (id, reason) = (entry.id, entry.reason.clone());
        Some(Bounce { id, reason, until: now.after(left), suppress_logging: entry.suppress_logging })
    }

    /// Notes that messages of a queue were bounced because of an entry.
    pub fn count_bounced(&self, id: Uuid, queue: &str, messages: u64) {
        if let Some(entry) = self.lock().bounces.by_id(id) {
            *entry.bounced.entry(queue.to_owned()).or_default() += messages;
        }
    }

    /// What was bounced because of an entry, by queue.
    pub fn bounced_by(&self, id: Uuid) -> BTreeMap<String, u64> {
        self.lock().bounces.by_id(id).map(|entry| entry.bounced.clone()).unwrap_or_default()
    }

    /// Ends the suspension of a path; false when there is none of this id.
    pub fn delete_path(&self, id: Uuid) -> bool {
        self.change(|all| all.paths.delete(id))
    }

    /// Ends the suspension of scheduled queues.
    pub fn delete_queue(&self, id: Uuid) -> bool {
        self.change(|all| all.queues.delete(id))
    }

    /// Ends a bounce.
    pub fn delete_bounce(&self, id: Uuid) -> bool {
        self.change(|all| all.bounces.delete(id))
    }

    /// A number that rises whenever an entry is made, replaced or ended. An end that comes by itself does not show: who
    /// waits for it knows it from `until`.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn change<T>(&self, act: impl FnOnce(&mut All) -> T) -> T {
        let done = act(&mut self.lock());
        self.changed.send_modify(|count| *count += 1);
        done
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
