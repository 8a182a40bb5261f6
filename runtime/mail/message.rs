//! A message with its envelope: what is queued, kept in the spool and delivered.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kumo_tsa_core::wire::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::address::Address;
use super::meta::Meta;
use super::scheduling::Schedule;
use super::spool::{self, Spools};

/// Names a message: a time-based UUID, written as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(uuid::Uuid);

impl MessageId {
    /// A new one; those made later are greater.
    #[allow(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7())
    }

    /// Its 16 bytes, in the order of age.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// From its 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(uuid::Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl FromStr for MessageId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        uuid::Uuid::try_parse(text).map(Self)
    }
}

/// A meta value that cannot name a queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("meta `{key}` must be a string or nil, and is {got}")]
pub struct BadMeta {
    /// `queue`, `tenant`, `campaign` or `routing_domain`.
    pub key: &'static str,
    /// What it holds, as JSON.
    pub got: String,
}

/// A message; clones refer to the same one.
#[derive(Clone)]
pub struct Message(Arc<Inner>);

struct Inner {
    id: MessageId,
    created: Time,
    state: Mutex<State>,
}

struct State {
    sender: Address,
    recipients: Vec<Address>,
    meta: Meta,
    /// `None` when it stands in the spool alone.
    data: Option<Bytes>,
    size: usize,
    attempts: u16,
    due: Option<Time>,
    schedule: Option<Box<Schedule>>,
    /// Where it is kept, once it is.
    spools: Option<Arc<Spools>>,
    /// Whether the spool holds the content as it is.
    stored: bool,
    force_sync: bool,
}

/// What of a message is kept beside its content, and survives a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Envelope {
    pub(super) sender: Address,
    pub(super) recipients: Vec<Address>,
    pub(super) meta: Map<String, Value>,
    pub(super) size: usize,
    /// Microseconds since the Unix epoch.
    pub(super) created: i64,
    pub(super) attempts: u16,
    /// Microseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) due: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) schedule: Option<Schedule>,
}

impl Message {
    /// A new message, received at `now`.
    pub fn new(sender: Address, recipients: Vec<Address>, data: impl Into<Bytes>, now: Time) -> Self {
        let data = data.into();
        let state = State {
            sender,
            recipients,
            meta: Meta::default(),
            size: data.len(),
            data: Some(data),
            attempts: 0,
            due: None,
            schedule: None,
            spools: None,
            stored: false,
            force_sync: false,
        };
        Self(Arc::new(Inner { id: MessageId::new(), created: now, state: Mutex::new(state) }))
    }

    /// One that the spool holds; its content stays there.
    pub(super) fn from_spool(id: MessageId, envelope: Envelope, spools: Arc<Spools>) -> Self {
        let mut meta = Meta::of(envelope.meta);
        meta.pack();
        let mut recipients = envelope.recipients;
        recipients.shrink_to_fit();
        let state = State {
            sender: envelope.sender,
            recipients,
            meta,
            size: envelope.size,
            data: None,
            attempts: envelope.attempts,
            due: envelope.due.map(Time::from_micros),
            schedule: envelope.schedule.map(Box::new),
            spools: Some(spools),
            stored: true,
            force_sync: false,
        };
        Self(Arc::new(Inner { id, created: Time::from_micros(envelope.created), state: Mutex::new(state) }))
    }

    /// What is kept of it beside its content.
    pub(super) fn envelope(&self) -> Envelope {
        let state = self.lock();
        Envelope {
            sender: state.sender.clone(),
            recipients: state.recipients.clone(),
            meta: state.meta.to_map(),
            size: state.size,
            created: self.0.created.micros(),
            attempts: state.attempts,
            due: state.due.map(Time::micros),
            schedule: state.schedule.as_deref().cloned(),
        }
    }

    /// Another message with the same sender, content, notes and schedule for other recipients. It is in no spool yet.
    /// Fails when the content has to be read from the spool and cannot be.
    pub async fn split(&self, recipients: Vec<Address>) -> Result<Self, spool::Error> {
        let data = self.data().await?;
        let other = Self::new(self.sender(), recipients, data, self.created());
        {
            let (mine, mut state) = (self.lock(), other.lock());
            state.meta = mine.meta.clone();
            state.schedule.clone_from(&mine.schedule);
            state.due = mine.due;
        }
        Ok(other)
    }

    /// What names it.
    pub fn id(&self) -> MessageId {
        self.0.id
    }

    /// When it was received.
    pub fn created(&self) -> Time {
        self.0.created
    }

    /// The envelope's sender.
    pub fn sender(&self) -> Address {
        self.lock().sender.clone()
    }

    /// Sets the envelope's sender.
    pub fn set_sender(&self, sender: Address) {
        self.lock().sender = sender;
    }

    /// The envelope's recipients that still have to be served.
    pub fn recipients(&self) -> Vec<Address> {
        self.lock().recipients.clone()
    }

    /// Sets the envelope's recipients.
    pub fn set_recipients(&self, recipients: Vec<Address>) {
        self.lock().recipients = recipients;
    }

    /// What a policy or the server noted under `key`; nothing for `null`.
    pub fn meta(&self, key: &str) -> Option<Value> {
        self.lock().meta.get(key).filter(|value| !value.is_null())
    }

    /// Notes `value` under `key`.
    pub fn set_meta(&self, key: impl Into<String>, value: Value) {
        self.lock().meta.set(key.into(), value);
    }

    /// Sets all that is noted, as the text of a JSON object.
    pub(super) fn set_metas_text(&self, text: String) {
        self.lock().meta = Meta::of_text(text);
    }

    /// All that is noted.
    pub fn metas(&self) -> Map<String, Value> {
        self.lock().meta.to_map()
    }

    /// The message as RFC 5322 has it, from memory or from the spool. Read from there it stays in memory until
    /// [`shrink_data`](Self::shrink_data).
    pub async fn data(&self) -> Result<Bytes, spool::Error> {
        let spools = {
            let state = self.lock();
            if let Some(data) = &state.data {
                return Ok(data.clone());
            }
            state.spools.clone()
        };
        let data = spools.ok_or(spool::Error::Missing { id: self.id() })?.load_data(self.id()).await?;
        // Somebody else may have set another one meanwhile.
        Ok(self.lock().data.get_or_insert(data).clone())
    }

    /// Sets the content. What the spool holds stays as it is until the message is saved.
    pub fn set_data(&self, data: impl Into<Bytes>) {
        let data = data.into();
        let mut state = self.lock();
        state.size = data.len();
        state.data = Some(data);
        state.stored = false;
    }

    /// Drops the content from memory when the spool holds it, and makes the notes small. Tells whether it was dropped.
    pub fn shrink_data(&self) -> bool {
        let mut state = self.lock();
        state.meta.pack();
        state.recipients.shrink_to_fit();
        let dropped = state.stored && state.data.is_some();
        if dropped {
            state.data = None;
        }
        dropped
    }

    /// Whether the content is in memory.
    pub fn is_data_loaded(&self) -> bool {
        self.lock().data.is_some()
    }

    /// The content, when the spool does not hold it as it is.
    pub(super) fn unsaved_data(&self) -> Option<Bytes> {
        let state = self.lock();
        if state.stored { None } else { state.data.clone() }
    }

    /// Whether it has been put into a spool.
    pub fn is_in_spool(&self) -> bool {
        self.lock().spools.is_some()
    }

    /// Notes that `spools` hold it, with this content.
    pub(super) fn saved(&self, spools: &Arc<Spools>, content: Option<&Bytes>) {
        let mut state = self.lock();
        state.spools = Some(spools.clone());
        if let (Some(content), Some(data)) = (content, &state.data) {
            // It may have been set again while it was being written.
            state.stored = content.as_ptr() == data.as_ptr() && content.len() == data.len();
        }
    }

    /// Notes that no spool holds it any more.
    pub(super) fn removed(&self) {
        let mut state = self.lock();
        state.spools = None;
        state.stored = false;
    }

    /// Whether it is to be synced to disk whenever it is saved.
    pub fn is_force_sync(&self) -> bool {
        self.lock().force_sync
    }

    /// Has it synced to disk whenever it is saved, also where the spool does not do that by itself.
    pub fn set_force_sync(&self, force: bool) {
        self.lock().force_sync = force;
    }

    /// How many bytes the content has.
    pub fn size(&self) -> usize {
        self.lock().size
    }

    /// How many times its delivery was attempted and failed.
    pub fn num_attempts(&self) -> u16 {
        self.lock().attempts
    }

    /// Counts one more attempt.
    pub fn increment_num_attempts(&self) {
        let mut state = self.lock();
        state.attempts = state.attempts.saturating_add(1);
    }

    /// When it is to be tried next; `None` for now.
    pub fn due(&self) -> Option<Time> {
        self.lock().due
    }

    /// Sets when it is to be tried next; its [schedule](Self::set_schedule) may move that to later.
    pub fn set_due(&self, due: Option<Time>) {
        let mut state = self.lock();
        state.due = match (&state.schedule, due) {
            (Some(schedule), Some(due)) => Some(schedule.next_allowed(due)),
            (_, due) => due,
        };
    }

    /// The earliest time from `now` on at which it is due and its schedule allows it.
    pub fn due_from(&self, now: Time) -> Time {
        let state = self.lock();
        let due = state.due.map_or(now, |due| due.max(now));
        state.schedule.as_ref().map_or(due, |schedule| schedule.next_allowed(due))
    }

    /// When its sender allows it to be tried.
    pub fn schedule(&self) -> Option<Schedule> {
        self.lock().schedule.as_deref().cloned()
    }

    /// Sets when it may be tried; `None` for at any time.
    pub fn set_schedule(&self, schedule: Option<Schedule>) {
        self.lock().schedule = schedule.map(Box::new);
    }

    /// The name of its scheduled queue (interface C.4): meta `queue`, else made of `campaign`, `tenant`,
    /// `routing_domain` and the first recipient's domain.
    pub fn queue_name(&self) -> Result<String, BadMeta> {
        let state = self.lock();
        state.meta.look(|metas| queue_name(metas, &state.recipients))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn queue_name(metas: &Map<String, Value>, recipients: &[Address]) -> Result<String, BadMeta> {
    let text = |key: &'static str| match metas.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(other) => Err(BadMeta { key, got: other.to_string() }),
    };
    if let Some(queue) = text("queue")? {
        return Ok(queue.to_owned());
    }
    let domain = recipients.first().map(|to| to.domain().to_lowercase()).unwrap_or_default();
    let mut name = match (text("campaign")?, text("tenant")?) {
        (None, None) => domain,
        (None, Some(tenant)) => format!("{tenant}@{domain}"),
        (Some(campaign), tenant) => format!("{campaign}:{}@{domain}", tenant.unwrap_or_default()),
    };
    if let Some(routing) = text("routing_domain")? {
        name.push('!');
        name.push_str(routing);
    }
    Ok(name)
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Message").field(&self.id().to_string()).finish()
    }
}
