//! A local log: records written to files (interface C.7).

use std::sync::Arc;

use super::backlog::{Backlog, Jobs, Woken};
use super::pattern::Names;
use super::record::{Captured, Record};
use super::selection::Selection;
use super::writer::Writer;
use crate::mail::message::Message;
use crate::mail::room::{Room, Short};
use crate::policy::{self, Event, Policy};

/// How many messages a filter is asked about before their records go on.
const BATCH: usize = 64;

/// One call of `kumo.configure_local_logs`.
#[derive(Debug)]
pub(in crate::mail) struct LocalLog {
    pub(in crate::mail) selection: Selection,
    pub(in crate::mail) meta: Names,
    pub(in crate::mail) headers: Names,
    pub(in crate::mail) writer: Arc<Writer>,
    /// Stands before the writer where the policy wants to be asked.
    pub(in crate::mail) filter: Option<Filter>,
    /// What must be free in its folders.
    pub(in crate::mail) rooms: Vec<Room>,
}

impl LocalLog {
    pub(super) async fn write(&self, record: &Record, captured: &Captured, message: &Message) {
        let Some(form) = self.selection.form(record.kind) else { return };
        let mut line = form.write(&record.row(captured));
        if !line.ends_with('\n') {
            line.push('\n');
        }
        let line = Text { place: form.place, bytes: line.into_bytes() };
        match &self.filter {
            Some(filter) => filter.0.push((message.clone(), line)).await,
            None => self.writer.write(line.place, line.bytes).await,
        }
    }

    /// Why no mail should be taken for now.
    pub(super) fn trouble(&self) -> Option<String> {
        self.writer.trouble().or_else(|| self.rooms.iter().find_map(shortage))
    }

    pub(super) async fn stop(&self) {
        if let Some(filter) = &self.filter {
            filter.0.stop().await;
        }
        self.writer.stop().await;
    }
}

/// A folder that cannot be looked at is not short: writing will tell.
fn shortage(room: &Room) -> Option<String> {
    let Short { what, free, least } = room.short().ok()??;
    Some(format!("the log in `{}` is full: {free} {what} are free, and it wants {least}", room.folder.display()))
}

#[derive(Debug)]
struct Text {
    place: usize,
    bytes: Vec<u8>,
}

/// Asks a policy's event, beside whoever logs, which messages' records are written.
#[derive(Debug)]
pub(in crate::mail) struct Filter(Backlog<(Message, Text)>);

impl Filter {
    pub(in crate::mail) fn start(policy: Policy, event: String, writer: Arc<Writer>, back_pressure: usize) -> Self {
        let event = Event::named(event);
        Self(Backlog::start(back_pressure, |jobs| Self::run(policy, event, writer, jobs)))
    }

    async fn run(policy: Policy, event: Event<Message, bool>, writer: Arc<Writer>, mut jobs: Jobs<(Message, Text)>) {
        let mut batch = Vec::new();
        while jobs.next(&mut batch, BATCH, None).await != Woken::Last {
            for (message, text) in batch.drain(..) {
                let wanted = match policy.call(&event, message).await {
                    Ok(answer) => answer.unwrap_or(false),
                    Err(error) => {
                        tracing::error!("a record is written because its filter failed: {}", policy::explain(&error));
                        true
                    }
                };
                if wanted {
                    writer.write(text.place, text.bytes).await;
                }
            }
        }
    }
}
