//! Looking at messages whose time has come: on to a ready queue, or what keeps them from it (interface C.13).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kumo_tsa_core::wire::{Kind, Throttle, Time};
use tokio::time::Instant;

use super::engine::Engine;
use super::hold::suspended;
use super::internal::Internal;
use super::ready::{Item, Unready};
use super::reason::Reason;
use super::retry;
use super::rotation::Rotation;
use super::route::{Destination, NoRoute};
use super::scheduled::{On, Scheduled, Waiting};
use super::settle::Back;
use crate::host::memory::Headroom;
use crate::mail::config::{MemoryPolicy, PathConfig, Pool, Protocol, QueueConfig};
use crate::mail::log::Attempt;
use crate::mail::message::Message;
use crate::mail::reply::Reply;
use crate::mail::spool;
use crate::mail::throttle::Short;

/// A ready queue that is full says when it has room; this is for the case that it does not.
const FULL: Duration = Duration::from_mins(1);

/// Resets the mark that a task is at work, also when it panics.
struct AtWork<'a>(&'a Engine, &'a Arc<Scheduled>);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        let mut state = self.1.lock();
        state.working = false;
        if state.is_empty() {
            state.idle_since = Instant::now();
        }
        self.0.attend(self.1, state);
    }
}

/// What became of the choice of a source.
enum Choice {
    /// On the way.
    Taken,
    /// Not now.
    Stalled(Waiting, Duration),
    /// All paths are suspended, until then.
    Held(Waiting, Vec<Arc<str>>, Time),
    /// There is no way, for this reason.
    Failed(Waiting, String),
}

impl Engine {
    /// Looks at all messages of a queue whose time has come.
    pub(super) async fn work(self: Arc<Self>, queue: Arc<Scheduled>) {
        let _at_work = AtWork(&self, &queue);
        while !self.is_stopping() {
            let (old, due) = {
                let mut state = queue.lock();
                let now = Instant::now();
                let old = state.pop_old(now);
                let due = if old.is_none() { state.pop_due(now) } else { None };
                (old, due)
            };
            match (old, due) {
                (Some(waiting), _) => self.expire_held(&queue, &waiting.message).await,
                (None, Some((due, waiting))) => self.look(&queue, due, waiting).await,
                (None, None) => return,
            }
        }
    }

    async fn expire_held(&self, queue: &Scheduled, message: &Message) {
        let config = queue.config().unwrap_or_default();
        let age = self.clock.now().after(Duration::from_secs(1));
        let why = retry::expiry(&config, message.created(), age, None);
        self.give_up(&queue.name, message, &why.unwrap_or_else(|| "it is too old".to_owned())).await;
    }

    async fn look(&self, queue: &Arc<Scheduled>, due: Instant, waiting: Waiting) {
        let now = self.clock.now();
        let name = queue.parts();
        if let Err(error @ spool::Error::Failed { .. }) = self.world.spool_health() {
            tracing::warn!("queue `{}` waits: {error}", queue.name);
            return Self::stall(queue, due, waiting, retry::scatter());
        }
        if let Some(bounced) = self.world.holds().bounced(&name, &queue.name, now) {
            return self.send_back(&queue.name, &waiting.message, &bounced).await;
        }
        let config = match self.config(queue).await {
            Ok(config) => config,
            Err(error) => {
                tracing::error!("queue `{}` waits: {error}", queue.name);
                return Self::stall(queue, due, waiting, retry::scatter());
            }
        };
        if let Some(schedule) = waiting.message.schedule().filter(|schedule| schedule.has_expired(now)) {
            let why = retry::expiry(
                &config,
                waiting.message.created(),
                now.after(Duration::from_micros(1)),
                schedule.expires,
            );
            return self.give_up(&queue.name, &waiting.message, &why.unwrap_or_default()).await;
        }
        if let Some(held) = self.world.holds().queue(&name, &queue.name, now) {
            return self.hold(queue, waiting, On::Queue, held.until, &suspended(&held.reason)).await;
        }
        if let Some(rate) = config.max_message_rate
            && let Err(Short { wait, .. }) = self.throttled(format!("schedq-{}-message-rate", queue.name), rate)
        {
            return Self::stall(queue, due, waiting, wait);
        }
        if let Some(waiting) = self.throttle_by_policy(queue, waiting).await {
            self.go(queue, due, waiting, &config).await;
        }
    }

    fn throttled(&self, key: String, rate: Throttle) -> Result<(), Short> {
        self.world.throttles().check_all(&[(key, rate)])
    }

    /// `throttle_insert_ready_queue`: gives the message back unless the policy has set a later time.
    async fn throttle_by_policy(&self, queue: &Arc<Scheduled>, waiting: Waiting) -> Option<Waiting> {
        let now = self.clock.now();
        let before = waiting.message.due();
        if let Err(error) = self.world.throttle_insert(&waiting.message).await {
            tracing::error!("message `{}`: {error}", waiting.message.id());
        }
        if waiting.message.due() == before || waiting.message.due().is_none_or(|due| due <= now) {
            return Some(waiting);
        }
        self.keep_meta(&waiting.message).await;
        self.place(queue, waiting.message, &[Reason::ThrottledByThrottleInsertReadyQueue]).await;
        None
    }

    /// Leaves a message, and all of its queue, where it is for a while.
    fn stall(queue: &Arc<Scheduled>, due: Instant, waiting: Waiting, wait: Duration) {
        let mut state = queue.lock();
        state.waiting.insert((due, waiting.message.id()), waiting);
        state.stalled = Some(Instant::now() + wait);
    }

    async fn go(&self, queue: &Arc<Scheduled>, due: Instant, waiting: Waiting, config: &Arc<QueueConfig>) {
        if let Some(internal) = Internal::of(&queue.name) {
            return self.work_off(internal, queue, waiting.message).await;
        }
        match &config.protocol {
            Protocol::Null => return self.finish(&waiting.message).await,
            Protocol::Maildir { .. } => return self.deliver_to_maildir(queue, waiting.message, config).await,
            _ => {}
        }
        let destination = match Destination::find(&*self.world, &queue.parts(), config).await {
            Ok(destination) => destination,
            Err(NoRoute::NullMx) => return self.refuse_null_mx(queue, &waiting.message).await,
            Err(NoRoute::Unresolved(why)) => return self.unresolved(queue, waiting.message, &why).await,
            Err(NoRoute::Unsupported(protocol)) => {
                let why = format!("the protocol `{protocol}` is not delivered by this host");
                return self.unresolved(queue, waiting.message, &why).await;
            }
        };
        let pool = match self.world.pool(config.pool()).await {
            Ok(pool) => pool,
            Err(why) => return self.unresolved(queue, waiting.message, &why).await,
        };
        match self.choose(queue, waiting, &destination, &pool).await {
            Choice::Taken => {}
            Choice::Stalled(waiting, wait) => Self::stall(queue, due, waiting, wait),
            Choice::Failed(waiting, why) => self.unresolved(queue, waiting.message, &why).await,
            Choice::Held(waiting, paths, until) if paths.is_empty() => {
                let text = none_eligible(&queue.name, &pool.name);
                let attempt = Attempt { pool: Some(pool.name.clone()), ..Attempt::default() };
                let _ = until;
                self.fail(queue, waiting.message, Reply::new(451, &text), attempt, &[]).await;
            }
            Choice::Held(waiting, paths, until) => {
                let text = none_eligible(&queue.name, &pool.name);
                self.hold(queue, waiting, On::Paths(paths), until, &text).await;
            }
        }
    }

    /// Chooses a source, and puts the message into its ready queue.
    async fn choose(&self, queue: &Arc<Scheduled>, waiting: Waiting, to: &Destination, pool: &Pool) -> Choice {
        let mut refused: HashSet<String> = HashSet::new();
        let mut held = Vec::new();
        let mut until = Time::MAX;
        let mut wait: Option<Duration> = None;
        let mut waiting = waiting;
        {
            let now = self.clock.now();
            let mut state = queue.lock();
            let rotation = rotation(&mut state.rotation, pool);
            for source in rotation.names() {
                let path = to.path(source);
                match self.world.holds().path(&path, now) {
                    Some(suspension) => {
                        self.ramp.hold(&path);
                        refused.insert(source.clone());
                        held.push(path);
                        until = until.min(suspension.until);
                    }
                    None => self.ramp.open(&path, Instant::now()),
                }
            }
        }
        loop {
            let next = {
                let mut state = queue.lock();
                rotation(&mut state.rotation, pool).next(|name| !refused.contains(name)).map(ToOwned::to_owned)
            };
            let Some(source) = next else {
                return match wait {
                    Some(wait) => Choice::Stalled(waiting, wait),
                    None => Choice::Held(waiting, held, until),
                };
            };
            let ready = match self.ready_queue(to, &source, pool).await {
                Ok(ready) => ready,
                Err(why) => return Choice::Failed(waiting, why),
            };
            if let Err(exhausted) = self.world.throttles().check_all(&ready.selection_rates()) {
                wait = Some(wait.map_or(exhausted.wait, |wait| wait.min(exhausted.wait)));
                refused.insert(source);
                continue;
            }
            self.spare_memory(&ready.config(), &waiting.message);
            let item = Item { domain: to.domain.as_str().into(), message: waiting.message, queue: queue.clone() };
            match ready.push(item) {
                Ok(()) => return Choice::Taken,
                Err((item, unready)) => {
                    waiting = Waiting { message: item.message, told: waiting.told };
                    match unready {
                        Unready::Gone => {}
                        Unready::Full => {
                            if ready.call_when_there_is_room(queue) {
                                wait = Some(wait.map_or(FULL, |wait| wait.min(FULL)));
                                refused.insert(source);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Drops of a message what the spool has too, where memory is short and the path says so.
    fn spare_memory(&self, config: &PathConfig, message: &Message) {
        let policy = match self.world.headroom() {
            Headroom::Enough => return,
            Headroom::Low => config.low_memory_reduction_policy,
            Headroom::None => config.no_memory_reduction_policy,
        };
        if policy != MemoryPolicy::NoShrink {
            message.shrink_data();
        }
    }

    async fn unresolved(&self, queue: &Arc<Scheduled>, message: Message, why: &str) {
        let reply = Reply::new(451, &format!("4.4.4 failed to resolve queue {}: {why}", queue.name));
        self.fail(queue, message, reply, Attempt::default(), &[]).await;
    }

    async fn refuse_null_mx(&self, queue: &Scheduled, message: &Message) {
        // RFC 7505 section 4.2.
        let reply =
            Reply::new(556, &format!("5.1.10 KumoMTA internal: `{}` takes no mail: it has a null MX", queue.routing()));
        self.log(Kind::Bounce, message, &queue.name, reply, Attempt::default()).await;
        self.finish(message).await;
    }

    /// Writes a message into a maildir, for each recipient.
    async fn deliver_to_maildir(&self, queue: &Arc<Scheduled>, message: Message, config: &QueueConfig) {
        let mut fates = Vec::new();
        for to in message.recipients() {
            let reply = self.world.write_maildir(config, &message, &to).await;
            fates.push((to, reply));
        }
        let attempt = Attempt { protocol: Some("Maildir".to_owned()), ..Attempt::default() };
        let item = Item { domain: queue.routing().into(), message, queue: queue.clone() };
        self.settle(item, fates, &[], &attempt).await;
    }

    /// Puts messages of a ready queue back whose turn is too far away. The rate lets one through every `interval`: they
    /// come back about when there is room for each.
    pub(super) async fn postpone(&self, items: Vec<Item>, wait: Duration, interval: Duration, reason: Reason) {
        let mut delay = wait;
        for item in items {
            let response = "451 4.4.4 KumoMTA internal: ready queue throttled".to_owned();
            let queue = item.queue.name.clone();
            let back = Back { queue: &queue, reasons: &[reason], increment: false, delay: Some(delay), response };
            self.requeue(item.message, back).await;
            delay = (delay + interval.mul_f64(0.9)).min(wait.max(FULL));
        }
    }
}

fn rotation<'a>(kept: &'a mut Option<Rotation>, pool: &Pool) -> &'a mut Rotation {
    if kept.as_ref().is_none_or(|rotation| !rotation.is_of(pool)) {
        *kept = None;
    }
    kept.get_or_insert_with(|| Rotation::new(pool, fastrand::u64(..)))
}

fn none_eligible(queue: &str, pool: &str) -> String {
    format!("4.4.4 KumoMTA internal: no sources for {queue} pool=`{pool}` are eligible for selection at this time")
}
