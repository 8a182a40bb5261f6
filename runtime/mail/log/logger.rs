//! What is given to be logged, and where it goes.

use std::sync::Arc;

use arc_swap::ArcSwap;
use kumo_tsa_core::wire::Kind;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Entry;
use super::local::LocalLog;
use super::node::load_node_id;
use super::pattern::Names;
use super::record::{Captured, Circumstances, Record};
use crate::host::{Clock, Host};
use crate::mail::header;
use crate::mail::message::Message;

/// How messages that carry log records came in; nothing of them is given to hooks.
pub(super) const LOG_RECORD: &str = "LogRecord";

/// Writes records to the local logs and gives them to the log hooks.
#[derive(Debug)]
pub struct Logger {
    clock: Clock,
    node: Uuid,
    sinks: ArcSwap<Sinks>,
}

/// Who gets records, in the order in which the policy configured them.
#[derive(Clone, Debug, Default)]
pub(super) struct Sinks {
    local: Vec<Arc<LocalLog>>,
}

impl Logger {
    /// The host's.
    pub fn of(host: &Host) -> Arc<Self> {
        host.slot(|| Self {
            clock: host.clock().clone(),
            node: load_node_id(host.paths(), |name| std::env::var(name).ok()),
            sinks: ArcSwap::default(),
        })
    }

    /// Logs. Waits while more than `back_pressure` records wait to be written.
    ///
    /// A message that itself carries a record (its meta `reception_protocol` is `LogRecord`) logs no Reception, and no
    /// hook sees what becomes of it.
    pub async fn log(&self, entry: Entry<'_>) {
        self.log_report(entry, None).await;
    }

    /// As [`log`](Self::log) for what came as a feedback report (RFC 5965), which stands in the record.
    pub async fn log_report(&self, entry: Entry<'_>, report: Option<Value>) {
        let reception_protocol =
            entry.message.meta("reception_protocol").and_then(|value| value.as_str().map(ToOwned::to_owned));
        let carries_record = reception_protocol.as_deref() == Some(LOG_RECORD);
        if carries_record && entry.kind == Kind::Reception {
            return;
        }
        let sinks = self.sinks.load_full();
        let mut source = Source::new(entry.message);
        let circumstances =
            Circumstances { node: self.node, now: self.clock.now(), class: None, reception_protocol, feedback: report };
        let record = Arc::new(Record::new(entry, circumstances));
        for log in sinks.local.iter().filter(|log| log.selection.form(record.kind).is_some()) {
            log.write(&record, &source.capture(&log.meta, &log.headers).await).await;
        }
    }

    /// The id of this node (`nodeid` in interface C.6).
    pub fn node_id(&self) -> Uuid {
        self.node
    }

    /// Whether records can be written, and there is as much room for them as the policy asks for.
    ///
    /// # Errors
    /// Why no mail should be taken for now.
    pub fn health(&self) -> Result<(), String> {
        self.sinks.load().local.iter().find_map(|log| log.trouble()).map_or(Ok(()), Err)
    }

    pub(in crate::mail) fn add_local(&self, log: LocalLog) {
        let log = Arc::new(log);
        self.change(|sinks| sinks.local.push(log.clone()));
    }

    fn change(&self, change: impl Fn(&mut Sinks)) {
        self.sinks.rcu(|sinks| {
            let mut sinks = Sinks::clone(sinks);
            change(&mut sinks);
            sinks
        });
    }

    /// Writes what waits and closes all files. To be called when nothing is left that logs.
    pub async fn stop(&self) {
        let sinks = self.sinks.load_full();
        for log in &sinks.local {
            log.writer.stop().await;
        }
    }
}

/// What can be captured of a message; looked up when it is asked for first.
struct Source<'a> {
    message: &'a Message,
    meta: Option<Map<String, Value>>,
    headers: Option<Vec<(String, String)>>,
}

impl<'a> Source<'a> {
    const fn new(message: &'a Message) -> Self {
        Self { message, meta: None, headers: None }
    }

    async fn capture(&mut self, meta: &Names, headers: &Names) -> Captured {
        let mut captured = Captured::default();
        if !meta.is_empty() {
            captured.meta = meta.of_meta(self.meta.get_or_insert_with(|| self.message.metas()));
        }
        if !headers.is_empty() {
            if self.headers.is_none() {
                self.headers = Some(load_headers(self.message).await);
            }
            captured.headers = headers.of_headers(self.headers.as_deref().unwrap_or_default());
        }
        captured
    }
}

async fn load_headers(message: &Message) -> Vec<(String, String)> {
    if message.size() == 0 {
        return Vec::new();
    }
    match message.data().await {
        Ok(content) => header::fields(&content).map(|field| (field.name.to_owned(), field.text())).collect(),
        Err(cause) => {
            tracing::warn!("a record goes without its headers: {cause}");
            Vec::new()
        }
    }
}
