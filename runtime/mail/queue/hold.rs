//! Holding mail back and sending it back: what happens when suspensions and bounces change (interface C.13, semantics H).

use std::sync::Arc;

use kumo_tsa_core::wire::{Kind, Time};
use tokio::sync::watch;
use tokio::time::Instant;

use super::engine::Engine;
use super::reason::Reason;
use super::scheduled::{On, Parked, Scheduled, Waiting};
use crate::mail::config::QueueConfig;
use crate::mail::hold::{Bounce, Hold};
use crate::mail::log::{Attempt, Entry};
use crate::mail::message::Message;
use crate::mail::reply::Reply;

impl Engine {
    pub(super) async fn watch_holds(self: Arc<Self>, mut changed: watch::Receiver<u64>) {
        loop {
            tokio::select! {
                outcome = changed.changed() => {
                    if outcome.is_err() {
                        return;
                    }
                }
                () = self.stopped() => return,
            }
            changed.mark_unchanged();
            self.apply_holds().await;
        }
    }

    /// Looks at everything that a change of suspensions and bounces may concern.
    async fn apply_holds(&self) {
        let now = self.clock.now();
        for ready in self.ready_queues() {
            if self.world.holds().path(&ready.path_name(), now).is_some() {
                self.drain_suspended(&ready).await;
            }
        }
        let mut free = Vec::new();
        for queue in self.scheduled_queues() {
            if let Some(bounced) = self.world.holds().bounced(&queue.parts(), &queue.name, now) {
                self.sweep(&queue, &bounced).await;
                continue;
            }
            let parked = queue.lock().parked.clone();
            let Some(parked) = parked else { continue };
            match self.hold_on(&queue, &parked.on, now) {
                Some(until) => {
                    let mut state = queue.lock();
                    if let Some(parked) = &mut state.parked {
                        parked.until = until;
                    }
                    self.attend(&queue, state);
                }
                None => free.push(queue),
            }
        }
        self.let_go(free.iter());
    }

    /// Until when that which held a queue's messages back still does.
    fn hold_on(&self, queue: &Scheduled, on: &On, now: Time) -> Option<Instant> {
        let until = match on {
            On::Queue => self.world.holds().queue(&queue.parts(), &queue.name, now)?.until,
            On::Paths(paths) => {
                let mut earliest = Time::MAX;
                for path in paths {
                    earliest = earliest.min(self.world.holds().path(path, now)?.until);
                }
                earliest
            }
        };
        Some(self.instant(until))
    }

    /// Keeps a message where it is while something holds it back. The first time a record says so; attempts and retry
    /// schedule stay as they are (semantics H1).
    pub(super) async fn hold(&self, queue: &Arc<Scheduled>, mut waiting: Waiting, on: On, until: Time, text: &str) {
        if !waiting.told {
            let site = if on == On::Queue { queue.name.to_string() } else { String::new() };
            let attempt =
                Attempt { site, pool: queue.config().map(|config| config.pool().to_owned()), ..Attempt::default() };
            self.log(Kind::TransientFailure, &waiting.message, &queue.name, Reply::new(451, text), attempt).await;
            waiting.told = true;
        }
        let max_age = queue.config().map_or_else(|| QueueConfig::default().max_age, |config| config.max_age);
        let old = self.instant(waiting.message.created().after(max_age));
        self.keep(&waiting.message).await;
        waiting.message.shrink_data();
        {
            let mut state = queue.lock();
            state.held.insert((old, waiting.message.id()), waiting);
            state.parked = Some(Parked { on: on.clone(), until: self.instant(until) });
        }
        // What changed between the look and now would otherwise be missed.
        if self.hold_on(queue, &on, self.clock.now()).is_none() {
            self.let_go(std::iter::once(queue));
        }
    }

    /// Bounces all that waits in a queue.
    async fn sweep(&self, queue: &Arc<Scheduled>, bounced: &Bounce) {
        loop {
            let waiting = {
                let mut state = queue.lock();
                if let Some((_, waiting)) = state.waiting.pop_first().or_else(|| state.held.pop_first()) {
                    waiting
                } else {
                    state.parked = None;
                    state.idle_since = Instant::now();
                    self.attend(queue, state);
                    return;
                }
            };
            self.send_back(&queue.name, &waiting.message, bounced).await;
        }
    }

    /// Bounces a message on an administrator's behalf.
    pub(super) async fn send_back(&self, queue: &str, message: &Message, bounced: &Bounce) {
        if !bounced.suppress_logging {
            let reply = Reply::new(551, &format!("5.7.1 Administrator bounced with reason: {}", bounced.reason));
            let attempt = Attempt { site: "localhost".to_owned(), ..Attempt::default() };
            self.log(Kind::AdminBounce, message, queue, reply, attempt).await;
        }
        self.world.holds().count_bounced(bounced.id, queue, 1);
        self.finish(message).await;
    }

    /// Holds back a message that was in a ready queue when its scheduled queue was suspended.
    pub(super) async fn hold_from_ready(
        &self,
        queue: &Arc<Scheduled>,
        message: Message,
        attempt: Attempt,
        held: &Hold,
    ) {
        let reply = Reply::new(451, &suspended(&held.reason));
        self.log(Kind::TransientFailure, &message, &queue.name, reply, attempt).await;
        let queue = self.scheduled(&queue.name);
        self.put(&queue, Instant::now(), Waiting { message, told: true });
    }

    /// Gives what waits in a suspended path's ready queue back to the scheduled queues.
    pub(super) async fn drain_suspended(&self, ready: &super::ready::Ready) {
        self.ramp.hold(&ready.path_name());
        for item in ready.drain() {
            self.give_back(item, &[Reason::ReadyQueueWasSuspended], None).await;
        }
        ready.disturb();
    }

    /// Writes a record for all recipients of a message.
    pub(super) async fn log(&self, kind: Kind, message: &Message, queue: &str, reply: Reply, attempt: Attempt) {
        self.world.log(Entry { kind, message, recipients: None, reply, attempt, queue: Some(queue) }).await;
    }
}

/// What a record says while a scheduled queue is suspended.
pub(super) fn suspended(reason: &str) -> String {
    format!("4.4.4 KumoMTA internal: scheduled queue is suspended: {reason}")
}
