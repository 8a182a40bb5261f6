//! What the admin API shows of queues (interface C.14).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use kumo_tsa_core::wire::{Time, format_duration};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Queues;
use super::engine::Engine;
use super::ready::{Phase, Ready};
use super::route::Means;
use crate::mail::config::Config;
use crate::mail::hold::Hold;
use crate::mail::message::Message;

/// A scheduled queue, as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct ScheduledSnapshot {
    /// Its name.
    pub queue_name: String,
    /// How many messages wait in it.
    pub num_scheduled: usize,
    /// What the policy says of it; null while nobody has asked.
    pub queue_config: Value,
    /// The time.
    pub now: Time,
    /// When a message last came or went.
    pub last_changed: Time,
    /// The messages that are due first.
    #[serde(skip)]
    pub messages: Vec<Message>,
}

/// A ready queue, as it is now.
#[derive(Clone, Debug)]
pub struct ReadySnapshot {
    /// Its name.
    pub queue_name: String,
    /// The exchangers, where it goes to those of a domain.
    pub mx: Option<Arc<crate::dns::Mx>>,
    /// The source.
    pub egress_source: String,
    /// The pool that the source was chosen from.
    pub egress_pool: String,
    /// The kind of protocol: `smtp_client`, `lua`.
    pub protocol: String,
    /// How many messages it holds.
    pub ready_count: usize,
    /// How many sessions it has.
    pub connection_count: usize,
    /// Until when no session is opened because of the connection rate.
    pub connection_rate_throttled: bool,
    /// Whether a lease that others hold keeps sessions from being opened.
    pub connection_limited: bool,
    /// What suspends it.
    pub suspended: Option<Hold>,
    /// What holds for the path, by the names of interface D.7.
    pub path_config: Map<String, Value>,
    /// The queues that its messages come from.
    pub scheduled_queue_names: Vec<String>,
    /// Its sessions.
    pub sessions: Vec<SessionSnapshot>,
    /// What it has done so far.
    pub totals: TotalsSnapshot,
    /// The time.
    pub now: Time,
}

/// What a ready queue has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TotalsSnapshot {
    /// Messages delivered.
    pub delivered: u64,
    /// Attempts that failed for now.
    pub transfailed: u64,
    /// Messages bounced.
    pub failed: u64,
    /// Connections tried.
    pub connections: u64,
}

/// A session of a ready queue, as it is now: a `dispatcher` of interface C.14.
#[derive(Clone, Debug, Serialize)]
pub struct SessionSnapshot {
    /// What names it.
    pub session_id: uuid::Uuid,
    /// When it began.
    pub started_at: Time,
    /// How long ago.
    pub age: String,
    /// What it is at.
    pub phase: Value,
    /// More about that.
    pub detail: Option<String>,
    /// For how long.
    pub time_in_current_phase: String,
    /// Messages delivered.
    pub messages_delivered: u64,
    /// Attempts that failed for now.
    pub messages_transfailed: u64,
    /// Messages bounced.
    pub messages_failed: u64,
    /// Messages delivered since it last connected.
    pub delivered_this_connection: u64,
    /// Outcomes for each second of its life.
    pub overall_rate_per_sec: f64,
}

impl Queues {
    /// The names of all scheduled queues with how many messages wait in each.
    pub fn scheduled_names(&self) -> Vec<(String, usize)> {
        let queues = self.engine().map(|engine| engine.scheduled_queues()).unwrap_or_default();
        let mut names: Vec<_> = queues.iter().map(|queue| (queue.name.to_string(), queue.len())).collect();
        names.sort_unstable();
        names
    }

    /// The names of all ready queues.
    pub fn ready_names(&self) -> Vec<String> {
        let queues = self.engine().map(|engine| engine.ready_queues()).unwrap_or_default();
        let mut names: Vec<_> = queues.iter().map(|queue| queue.path()).collect();
        names.sort_unstable();
        names
    }

    /// A scheduled queue, with the first `limit` of its messages.
    pub fn scheduled(&self, name: &str, limit: usize) -> Option<ScheduledSnapshot> {
        let engine = self.engine()?;
        let queue = engine.find_scheduled(name)?;
        let config = queue.config();
        let state = queue.lock();
        let all = state.held.values().chain(state.waiting.values());
        Some(ScheduledSnapshot {
            queue_name: name.to_owned(),
            num_scheduled: state.waiting.len() + state.held.len(),
            queue_config: config.map_or(Value::Null, |config| Value::Object(config.to_json())),
            now: engine.clock.now(),
            last_changed: state.changed,
            messages: all.take(limit).map(|waiting| waiting.message.clone()).collect(),
        })
    }

    /// A ready queue.
    pub fn ready(&self, path: &str) -> Option<ReadySnapshot> {
        let engine = self.engine()?;
        let ready = engine.find_ready(path)?;
        Some(engine.snapshot(&ready))
    }

    /// Ends a session at once: the message that it is at fails for now. False when there is no such session.
    pub fn abort(&self, path: &str, session: uuid::Uuid) -> bool {
        let Some(ready) = self.engine().and_then(|engine| engine.find_ready(path)) else { return false };
        let found = ready.lock().sessions.get(&session).map(|card| card.abort.send_replace(true)).is_some();
        ready.disturb();
        found
    }

    /// All ready queues.
    pub fn all_ready(&self) -> Vec<ReadySnapshot> {
        let Some(engine) = self.engine() else { return Vec::new() };
        engine.ready_queues().iter().map(|ready| engine.snapshot(ready)).collect()
    }
}

impl Engine {
    fn snapshot(&self, ready: &Ready) -> ReadySnapshot {
        let route = ready.route();
        let now = self.clock.now();
        let path_config = ready.config().to_json();
        let suspended = self.world.holds().path(&route.path, now);
        let state = ready.lock();
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        ReadySnapshot {
            queue_name: route.path.to_string(),
            mx: match &route.to.means {
                Means::Mx(mx) => Some(mx.clone()),
                _ => None,
            },
            egress_source: route.source.name.clone(),
            egress_pool: route.pool.clone(),
            protocol: route.to.protocol.split(':').next().unwrap_or_default().to_owned(),
            ready_count: state.len(),
            connection_count: state.sessions.len(),
            connection_rate_throttled: state.closed_until.is_some_and(|until| until > tokio::time::Instant::now()),
            connection_limited: state.lacks_lease,
            suspended,
            path_config,
            scheduled_queue_names: state.origins(),
            sessions: state.sessions.iter().map(|(id, card)| session(*id, card, now)).collect(),
            totals: TotalsSnapshot {
                delivered: load(&ready.totals.delivered),
                transfailed: load(&ready.totals.transfailed),
                failed: load(&ready.totals.failed),
                connections: load(&ready.totals.connections),
            },
            now,
        }
    }
}

fn session(id: uuid::Uuid, card: &super::ready::Card, now: Time) -> SessionSnapshot {
    let age = now.since(card.started);
    let [delivered, transfailed, failed] = card.outcomes;
    SessionSnapshot {
        session_id: id,
        started_at: card.started,
        age: format_duration(age),
        phase: phase(card.phase),
        detail: card.detail.clone(),
        time_in_current_phase: format_duration(now.since(card.since)),
        messages_delivered: delivered,
        messages_transfailed: transfailed,
        messages_failed: failed,
        delivered_this_connection: card.delivered_this_connection,
        overall_rate_per_sec: (delivered + transfailed + failed) as f64 / age.as_secs_f64().max(0.001),
    }
}

fn phase(phase: Phase) -> Value {
    match phase {
        Phase::AccumulatingBatch { have, want } => {
            serde_json::json!({ "AccumulatingBatch": { "have": have, "want": want } })
        }
        other => Value::String(format!("{other:?}")),
    }
}
