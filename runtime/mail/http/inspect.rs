//! Looking at queues and messages (interface C.14).

use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use kumo_tsa_core::wire::Time;
use serde::Deserialize;
use serde_json::{Map, Value, json as object};
use uuid::Uuid;

use super::constraint::Constraints;
use super::egress::describe;
use super::{App, body};
use crate::host::http::{Answer, json, plain};
use crate::mail::address::Address;
use crate::mail::config::{Config, PathConfig};
use crate::mail::message::{Message, MessageId};
use crate::mail::queue::ReadySnapshot;
use crate::mail::spool::Spools;

/// How many messages of a queue are shown unless more are asked for.
const SHOWN: usize = 1_000;

#[derive(Deserialize)]
pub(super) struct ReadyAsked {
    queue_name: String,
    #[serde(default)]
    include_scheduled_queues: bool,
}

pub(super) async fn ready(State(app): State<App>, Query(asked): Query<ReadyAsked>) -> Answer {
    match app.queues.ready(&asked.queue_name) {
        Some(found) => json(StatusCode::OK, &show_ready(found, asked.include_scheduled_queues)),
        None => plain(StatusCode::NOT_FOUND, format!("Error: no such ready queue {}", asked.queue_name)),
    }
}

fn show_ready(found: ReadySnapshot, include_scheduled_queues: bool) -> Value {
    let constraints = PathConfig::from_options(&found.path_config).map(|path| Constraints::new(&path, None));
    let mut shown = object!({
        "queue_name": found.queue_name,
        "mx": found.mx.as_deref().map(describe),
        "egress_source": found.egress_source,
        "egress_pool": found.egress_pool,
        "protocol": found.protocol,
        "state": {
            "ready_count": found.ready_count,
            "connection_count": found.connection_count,
            "connection_rate_throttled": throttled(&found),
            "connection_limited": limited(&found),
            "suspended": suspended(&found),
            "watchdog_threshold": null,
        },
        "path_config": found.path_config,
        "constraints": constraints.ok(),
        "dispatchers": found.sessions,
        "now": found.now,
    });
    if include_scheduled_queues {
        shown["scheduled_queue_names"] = found.scheduled_queue_names.into();
    }
    shown
}

/// A state that holds, in words; since when is not kept.
fn state(holds: bool, context: &str, now: Time) -> Value {
    if holds { object!({"context": context, "since": now}) } else { Value::Null }
}

fn throttled(found: &ReadySnapshot) -> Value {
    state(found.connection_rate_throttled, "no connection is opened for now: max_connection_rate", found.now)
}

fn limited(found: &ReadySnapshot) -> Value {
    state(found.connection_limited, "as many connections are open as may be: additional_connection_limits", found.now)
}

fn suspended(found: &ReadySnapshot) -> Value {
    let context = found.suspended.as_ref().map(|held| format!("{}, until {}", held.reason, held.until));
    state(context.is_some(), context.as_deref().unwrap_or_default(), found.now)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Session {
    queue_name: String,
    session_id: Uuid,
}

pub(super) async fn abort(State(app): State<App>, request: Request) -> Answer {
    let Session { queue_name, session_id } = match body::read(request).await {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    if app.queues.abort(&queue_name, session_id) {
        plain(StatusCode::OK, format!("aborted {session_id}"))
    } else {
        plain(StatusCode::NOT_FOUND, format!("Error: ready queue {queue_name} has no session {session_id}"))
    }
}

#[derive(Deserialize)]
pub(super) struct StatesAsked {
    #[serde(default)]
    queues: String,
}

/// Those of the queues that are asked for; of all when none is.
pub(super) async fn states(State(app): State<App>, Query(asked): Query<StatesAsked>) -> Answer {
    let wanted: Vec<_> = asked.queues.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let mut by_queue = Map::new();
    for found in app.queues.all_ready() {
        if !wanted.is_empty() && !wanted.contains(&found.queue_name.as_str()) {
            continue;
        }
        let states = [
            ("connection_rate_throttled", throttled(&found)),
            ("connection_limited", limited(&found)),
            ("suspended", suspended(&found)),
        ];
        let states: Map<_, _> = states
            .into_iter()
            .filter(|(_, state)| !state.is_null())
            .map(|(name, state)| (name.to_owned(), state))
            .collect();
        by_queue.insert(found.queue_name, states.into());
    }
    json(StatusCode::OK, &object!({"states_by_ready_queue": by_queue}))
}

#[derive(Deserialize)]
pub(super) struct ScheduledAsked {
    queue_name: String,
    #[serde(default)]
    want_body: bool,
    limit: Option<usize>,
}

pub(super) async fn scheduled(State(app): State<App>, Query(asked): Query<ScheduledAsked>) -> Answer {
    let Some(found) = app.queues.scheduled(&asked.queue_name, asked.limit.unwrap_or(SHOWN)) else {
        return plain(StatusCode::NOT_FOUND, format!("Error: no such scheduled queue {}", asked.queue_name));
    };
    let mut messages = Vec::with_capacity(found.messages.len());
    for message in &found.messages {
        messages.push(show(message, asked.want_body).await);
    }
    let shown = object!({
        "queue_name": found.queue_name,
        "messages": messages,
        "num_scheduled": found.num_scheduled,
        "queue_config": found.queue_config,
        "delayed_metric": found.num_scheduled,
        "now": found.now,
        "last_changed": found.last_changed,
    });
    json(StatusCode::OK, &shown)
}

#[derive(Deserialize)]
pub(super) struct MessageAsked {
    id: String,
    #[serde(default)]
    want_body: bool,
}

pub(super) async fn message(State(app): State<App>, Query(asked): Query<MessageAsked>) -> Answer {
    let Ok(id) = asked.id.parse::<MessageId>() else {
        let text = format!("Error: invalid message id `{}`: expected 32 hex digits", asked.id);
        return plain(StatusCode::BAD_REQUEST, text);
    };
    let Some(spools) = Spools::of(&app.host) else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "Error: the spool is not open");
    };
    match spools.load(id).await {
        Ok(message) => json(StatusCode::OK, &show(&message, asked.want_body).await),
        Err(cause) => plain(StatusCode::NOT_FOUND, format!("Error: {cause}")),
    }
}

async fn show(message: &Message, want_body: bool) -> Value {
    let recipients = message.recipients();
    let recipient = match recipients.as_slice() {
        [one] => Value::from(one.email()),
        many => many.iter().map(Address::email).collect(),
    };
    let mut shown = object!({
        "sender": message.sender(),
        "recipient": recipient,
        "meta": message.metas(),
        "num_attempts": message.num_attempts(),
    });
    if let Some(due) = message.due() {
        shown["due"] = object!(due);
    }
    if let Some(schedule) = message.schedule() {
        shown["scheduling"] = object!(schedule);
    }
    if want_body {
        // Looking at a message does not keep it in memory.
        let was_loaded = message.is_data_loaded();
        match message.data().await {
            Ok(data) => shown["data"] = String::from_utf8_lossy(&data).into(),
            Err(cause) => tracing::warn!("message `{}` is shown without its content: {cause}", message.id()),
        }
        if !was_loaded {
            message.shrink_data();
        }
    }
    object!({"id": message.id().to_string(), "message": shown})
}
