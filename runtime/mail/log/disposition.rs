//! Disposition hooks: events that are told what became of a message (`kumo.configure_log_disposition_hook`).

use std::sync::Arc;

use super::backlog::{Backlog, Jobs, Woken};
use super::record::{Captured, Record};
use super::selection::Selection;
use crate::mail::lua::log::Json;
use crate::mail::message::Message;
use crate::policy::{self, Event, Policy};

/// How many records are told of before others.
const BATCH: usize = 64;
/// How many records may wait to be told of.
const BACK_PRESSURE: usize = 128_000;

/// One disposition hook; its event is `log_disposition_NAME`, with the message and the record.
#[derive(Debug)]
pub(super) struct Disposition {
    pub(super) name: String,
    pub(super) selection: Selection,
    jobs: Backlog<(Message, Arc<Record>)>,
}

impl Disposition {
    pub(super) fn start(policy: Policy, name: String, selection: Selection) -> Self {
        let event = Event::named(format!("log_disposition_{name}"));
        Self { jobs: Backlog::start(BACK_PRESSURE, |jobs| run(policy, event, jobs)), name, selection }
    }

    pub(super) async fn tell(&self, message: &Message, record: &Arc<Record>) {
        self.jobs.push((message.clone(), record.clone())).await;
    }

    pub(super) async fn stop(&self) {
        self.jobs.stop().await;
    }
}

async fn run(policy: Policy, event: Event<(Message, Json), ()>, mut jobs: Jobs<(Message, Arc<Record>)>) {
    let mut batch = Vec::new();
    while jobs.next(&mut batch, BATCH, None).await != Woken::Last {
        for (message, record) in batch.drain(..) {
            let row = serde_json::to_value(record.row(&Captured::default())).unwrap_or_default();
            if let Err(error) = policy.call(&event, (message, Json(row))).await {
                tracing::error!("{}", policy::explain(&error));
            }
        }
    }
}
