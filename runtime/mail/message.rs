//! A message with its envelope: what is queued, kept in the spool and delivered.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kumo_tsa_core::wire::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::address::Address;
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
    meta: Map<String, Value>,
    /// `None` when it stands in the spool alone.
    data: Option<Bytes>,
    size: usize,
    attempts: u16,
    due: Option<Time>,
    spools: Option<Arc<Spools>>,
}

impl Message {
    /// A new message, received at `now`.
    pub fn new(sender: Address, recipients: Vec<Address>, data: impl Into<Bytes>, now: Time) -> Self {
        let data = data.into();
        let state = State {
            sender,
            recipients,
            meta: Map::new(),
            size: data.len(),
            data: Some(data),
            attempts: 0,
            due: None,
            spools: None,
        };
        Self(Arc::new(Inner { id: MessageId::new(), created: now, state: Mutex::new(state) }))
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

    /// What a policy or the server noted under `key`.
    pub fn meta(&self, key: &str) -> Option<Value> {
        self.lock().meta.get(key).filter(|value| !value.is_null()).cloned()
    }

    /// Notes `value` under `key`.
    pub fn set_meta(&self, key: impl Into<String>, value: Value) {
        self.lock().meta.insert(key.into(), value);
    }

    /// All that is noted.
    pub fn metas(&self) -> Map<String, Value> {
        self.lock().meta.clone()
    }

    /// The message as RFC 5322 has it, from memory or from the spool.
    pub async fn data(&self) -> Result<Bytes, spool::Error> {
        let spools = {
            let state = self.lock();
            if let Some(data) = &state.data {
                return Ok(data.clone());
            }
            state.spools.clone()
        };
        let data = spools.ok_or(spool::Error::Missing { id: self.id() })?.load_data(self.id()).await?;
        self.lock().data = Some(data.clone());
        Ok(data)
    }

    /// Sets the content.
    pub fn set_data(&self, data: impl Into<Bytes>) {
        let data = data.into();
        let mut state = self.lock();
        state.size = data.len();
        state.data = Some(data);
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

    /// Sets when it is to be tried next.
    pub fn set_due(&self, due: Option<Time>) {
        self.lock().due = due;
    }

    /// The name of its scheduled queue (interface C.4): meta `queue`, else made of `campaign`, `tenant`,
    /// `routing_domain` and the first recipient's domain.
    pub fn queue_name(&self) -> Result<String, BadMeta> {
        let state = self.lock();
        let text = |key: &'static str| match state.meta.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(other) => Err(BadMeta { key, got: other.to_string() }),
        };
        if let Some(queue) = text("queue")? {
            return Ok(queue.to_owned());
        }
        let domain = state.recipients.first().map(|to| to.domain().to_lowercase()).unwrap_or_default();
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Message").field(&self.id().to_string()).finish()
    }
}
