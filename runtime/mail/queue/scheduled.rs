//! A scheduled queue: messages of one campaign, tenant and domain that wait for their time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kumo_tsa_core::wire::{QueueName, Time};
use tokio::time::Instant;

use super::rotation::Rotation;
use super::timer::Key;
use crate::mail::config::{QueueConfig, RefreshStrategy};
use crate::mail::message::{Message, MessageId};

/// A scheduled queue.
#[derive(Debug)]
pub struct Scheduled {
    pub(super) name: Arc<str>,
    known: Mutex<Option<Known>>,
    /// Held by the one who asks the policy, while others wait for the answer.
    pub(super) asking: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

/// What the policy said, and when.
#[derive(Clone, Debug)]
struct Known {
    config: Arc<QueueConfig>,
    asked: Instant,
    epoch: u64,
}

/// What changes.
#[derive(Debug)]
pub(super) struct State {
    /// Those whose time is to come, or has come and nobody has looked yet.
    pub(super) waiting: BTreeMap<(Instant, MessageId), Waiting>,
    /// Those whose time has come while something holds them back, by when they become too old.
    pub(super) held: BTreeMap<(Instant, MessageId), Waiting>,
    /// What holds them back.
    pub(super) parked: Option<Parked>,
    /// Nothing goes before this, although it is time: a rate is exhausted or a ready queue is full.
    pub(super) stalled: Option<Instant>,
    /// Whether a task is at work on what is due.
    pub(super) working: bool,
    /// The entry in the timer.
    pub(super) armed: Option<Key>,
    /// Whether it has been forgotten: look it up again.
    pub(super) gone: bool,
    pub(super) rotation: Option<Rotation>,
    pub(super) idle_since: Instant,
    /// When a message last came or went.
    pub(super) changed: Time,
}

/// A message that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) message: Message,
    /// Whether a record has said that it is held back; not said again until it was let go (semantics H1).
    pub(super) told: bool,
}

/// What a queue's messages are held back by.
#[derive(Clone, Debug)]
pub(super) struct Parked {
    pub(super) on: On,
    pub(super) until: Instant,
}

/// What is suspended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// The scheduled queue.
    Queue,
    /// All paths that it could take.
    Paths(Vec<Arc<str>>),
}

impl Scheduled {
    pub(super) fn new(name: Arc<str>, now: Time) -> Self {
        let state = State {
            waiting: BTreeMap::new(),
            held: BTreeMap::new(),
            parked: None,
            stalled: None,
            working: false,
            armed: None,
            gone: false,
            rotation: None,
            idle_since: Instant::now(),
            changed: now,
        };
        Self { name, known: Mutex::default(), asking: tokio::sync::Mutex::default(), state: Mutex::new(state) }
    }

    /// Its name in parts.
    pub(super) fn parts(&self) -> QueueName<'_> {
        QueueName::parse(&self.name)
    }

    /// The domain that paths are asked for with.
    pub(super) fn routing(&self) -> &str {
        let parts = self.parts();
        parts.routing_domain.unwrap_or(parts.domain)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the policy said last, whether or not it should be asked again.
    pub(super) fn config(&self) -> Option<Arc<QueueConfig>> {
        self.known().as_ref().map(|known| known.config.clone())
    }

    /// What the policy said, while that holds.
    pub(super) fn fresh_config(&self, epoch: u64) -> Option<Arc<QueueConfig>> {
        let known = self.known();
        let known = known.as_ref()?;
        let holds = match known.config.refresh_strategy {
            RefreshStrategy::Ttl => known.asked.elapsed() < known.config.refresh_interval,
            RefreshStrategy::Epoch => known.epoch == epoch,
        };
        holds.then(|| known.config.clone())
    }

    /// Keeps what the policy said.
    pub(super) fn set_config(&self, config: Arc<QueueConfig>, epoch: u64) {
        *self.known() = Some(Known { config, asked: Instant::now(), epoch });
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many messages wait here.
    pub(super) fn len(&self) -> usize {
        let state = self.lock();
        state.waiting.len() + state.held.len()
    }
}

impl State {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.held.is_empty()
    }

    /// When there is something to do next; `reap` after it became empty it is forgotten.
    pub(super) fn next(&self, reap: Duration) -> Instant {
        let due = self.waiting.first_key_value().map(|((due, _), _)| match self.stalled {
            Some(stalled) => stalled.max(*due),
            None => *due,
        });
        let parked = self.parked.as_ref().map(|parked| parked.until);
        let old = self.held.first_key_value().map(|((old, _), _)| *old);
        [due, parked, old].into_iter().flatten().min().unwrap_or(self.idle_since + reap)
    }

    /// The message that is to be looked at, if it is time for one.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, Waiting)> {
        if self.stalled.is_some_and(|stalled| stalled > now) {
            return None;
        }
        self.stalled = None;
        let first = self.waiting.first_entry()?;
        let due = first.key().0;
        (due <= now).then(|| (due, first.remove()))
    }

    /// A message that became too old while it was held back.
    pub(super) fn pop_old(&mut self, now: Instant) -> Option<Waiting> {
        let first = self.held.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// Lets those go that were held back, spread over `window`.
    pub(super) fn release(&mut self, now: Instant, window: Duration) {
        self.parked = None;
        for ((_, id), waiting) in std::mem::take(&mut self.held) {
            self.waiting.insert((now + window.mul_f64(fastrand::f64()), id), waiting);
        }
    }
}
