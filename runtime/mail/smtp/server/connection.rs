//! What is known of a connection, and what a policy notes about it (interface A.8).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use super::parameter::Settings;

/// The metadata of a connection; clones refer to the same one.
#[derive(Clone, Debug, Default)]
pub struct Connection(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    meta: Map<String, Value>,
    auth: Option<Value>,
}

impl Connection {
    /// Of a connection that has just been made.
    pub(super) fn new(settings: &Settings, local: SocketAddr, peer: SocketAddr) -> Self {
        let connection = Self::default();
        connection.set("reception_protocol", "ESMTP".into());
        connection.set("received_from", peer.to_string().into());
        connection.set("received_via", local.to_string().into());
        connection.note(settings);
        connection
    }

    /// As a message's metadata tells of the connection that it came by.
    pub fn of_message(message: &crate::mail::Message) -> Self {
        let connection = Self::default();
        connection.lock().meta = message.metas();
        connection
    }

    /// Notes what settings say of it.
    pub(super) fn note(&self, settings: &Settings) {
        let mut state = self.lock();
        state.meta.insert("hostname".to_owned(), settings.hostname.clone().into());
        state.meta.extend(settings.meta.clone());
    }

    /// What is noted under `key`.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.lock().meta.get(key).filter(|value| !value.is_null()).cloned()
    }

    /// Notes `value` under `key`.
    pub fn set(&self, key: impl Into<String>, value: Value) {
        self.lock().meta.insert(key.into(), value);
    }

    /// All that is noted.
    pub fn all(&self) -> Map<String, Value> {
        self.lock().meta.clone()
    }

    /// Who the client has proven to be: `peer_address`, `identities`, `groups`.
    pub fn auth_info(&self) -> Value {
        let state = self.lock();
        if let Some(auth) = &state.auth {
            return auth.clone();
        }
        let from = state.meta.get("received_from").and_then(Value::as_str);
        let address = from.and_then(|text| text.parse::<SocketAddr>().ok()).map(|peer| peer.ip().to_string());
        serde_json::json!({"peer_address": address, "identities": [], "groups": []})
    }

    /// Sets who the client has proven to be.
    pub(super) fn set_auth_info(&self, auth: Value) {
        self.lock().auth = Some(auth);
    }

    /// Renames what was true of the connection before a client spoke for another (XCLIENT).
    pub(super) fn keep_original(&self) {
        let mut state = self.lock();
        for (now, original) in [("received_from", "orig_received_from"), ("received_via", "orig_received_via")] {
            if !state.meta.contains_key(original)
                && let Some(value) = state.meta.get(now).cloned()
            {
                state.meta.insert(original.to_owned(), value);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
