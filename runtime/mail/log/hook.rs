//! Log hooks: records that become messages, which the policy sends where it wants them (interface C.7).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::backlog::{Backlog, Jobs, Woken};
use super::logger::LOG_RECORD;
use super::pattern::Names;
use super::record::{Captured, Record, Row};
use super::selection::Selection;
use super::sieve::Sieve;
use crate::mail::message::Message;
use crate::policy::{self, Event, Policy};

/// Asked once for each record and hook: whether the record goes to the queue that the handler sets.
pub const SHOULD_ENQUEUE: Event<(Message, String), bool> = Event::multiple("should_enqueue_log_record");

/// How many records are asked about before they go on.
const BATCH: usize = 64;
/// How many of them at a time.
const ASKED_AT_A_TIME: usize = 4;
/// How long after it was refused a batch is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it is tried again when the host stops.
const LAST_TRIES: u32 = 3;

/// Why messages were not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// They may be taken later.
    Later(String),
    /// They never will be, and their fate is logged.
    Never(String),
}

/// Takes the messages that hooks make: the queues.
pub trait Intake: Send + Sync + std::fmt::Debug {
    /// Saves them to the spool, unless `deferred_spool`, and queues them; logs no Reception.
    fn accept(&self, messages: Vec<Message>, deferred_spool: bool) -> BoxFuture<'_, Result<(), Refusal>>;
}

/// Where the queues are told of, once there are any.
pub(super) type Intakes = watch::Sender<Option<Arc<dyn Intake>>>;

/// What a policy says of a hook (`kumo.configure_log_hook`).
#[derive(Debug)]
pub(in crate::mail) struct Definition {
    pub(in crate::mail) name: String,
    pub(in crate::mail) back_pressure: usize,
    pub(in crate::mail) meta: Names,
    pub(in crate::mail) headers: Names,
    pub(in crate::mail) selection: Selection,
    pub(in crate::mail) deferred_spool: bool,
    /// What holds of the hook's queue where the policy's handlers do not say otherwise (semantics H4).
    pub(in crate::mail) queue: Option<Map<String, Value>>,
    /// The event that gives shaping data, where records that no rule matches are not wanted.
    pub(in crate::mail) shaping_event: Option<String>,
}

/// One log hook.
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) definition: Arc<Definition>,
    sieve: Option<Sieve>,
    jobs: Backlog<Job>,
}

#[derive(Debug)]
struct Job {
    record: Arc<Record>,
    captured: Captured,
}

impl Hook {
    pub(super) fn start(
        policy: Policy,
        definition: Definition,
        intake: watch::Receiver<Option<Arc<dyn Intake>>>,
    ) -> Self {
        let definition = Arc::new(definition);
        let sieve = definition.shaping_event.clone().map(|event| Sieve::start(policy.clone(), event));
        let worker = Worker { policy, definition: definition.clone(), intake, sieve: sieve.clone() };
        let jobs = Backlog::start(definition.back_pressure, |jobs| worker.run(jobs));
        Self { definition, sieve, jobs }
    }

    pub(super) fn wants(&self, record: &Record) -> bool {
        self.definition.selection.form(record.kind).is_some()
            && self.sieve.as_ref().is_none_or(|sieve| sieve.lets_through(record))
    }

    pub(super) async fn give(&self, record: Arc<Record>, captured: Captured) {
        self.jobs.push(Job { record, captured }).await;
    }

    pub(super) async fn stop(&self) {
        self.jobs.stop().await;
        if let Some(sieve) = &self.sieve {
            sieve.stop();
        }
    }
}

/// What is noted about a message that carries a record; of the same names the later holds.
#[derive(Serialize)]
struct Notes<'a> {
    #[serde(flatten)]
    meta: &'a Map<String, Value>,
    log_record: &'a Row<'a>,
    reception_protocol: &'static str,
}

struct Worker {
    policy: Policy,
    definition: Arc<Definition>,
    intake: watch::Receiver<Option<Arc<dyn Intake>>>,
    sieve: Option<Sieve>,
}

impl Worker {
    async fn run(mut self, mut jobs: Jobs<Job>) {
        let mut batch = Vec::new();
        while jobs.next(&mut batch, BATCH, None).await != Woken::Last {
            if let Some(sieve) = &mut self.sieve {
                sieve.ready().await;
                // Some came before it was ready.
                batch.retain(|job: &Job| sieve.lets_through(&job.record));
            }
            let asked = stream::iter(batch.drain(..).map(|job| self.ask(job))).buffered(ASKED_AT_A_TIME);
            let wanted: Vec<_> = asked.filter_map(std::future::ready).collect().await;
            if !wanted.is_empty() {
                self.hand_over(wanted, &jobs).await;
            }
        }
    }

    /// The message of a record, if the policy wants it.
    async fn ask(&self, job: Job) -> Option<Message> {
        let name = &self.definition.name;
        let message = self.make(&job)?;
        match self.policy.call(&SHOULD_ENQUEUE, (message.clone(), name.clone())).await {
            Ok(Some(true)) => {}
            Ok(_) => return None,
            Err(error) => {
                tracing::error!("log hook `{name}` drops a record: {}", policy::explain(&error));
                return None;
            }
        }
        if message.meta("queue").is_some_and(|queue| queue.is_string()) {
            return Some(message);
        }
        tracing::error!(
            "log hook `{name}` drops a record: `should_enqueue_log_record` returned true and did not set the message's \
             meta `queue`"
        );
        None
    }

    fn make(&self, job: &Job) -> Option<Message> {
        let form = self.definition.selection.form(job.record.kind)?;
        let row = job.record.row(&job.captured);
        let content = form.write(&row);
        let now = self.policy.host().clock().now();
        let message = Message::new(job.record.sender().clone(), job.record.recipients.clone(), content, now);
        // As text: most records are wanted by nobody, and a policy has other ways to tell than to read it.
        let notes = Notes { meta: &job.captured.meta, log_record: &row, reception_protocol: LOG_RECORD };
        match serde_json::to_string(&notes) {
            Ok(text) => message.set_metas_text(text),
            Err(cause) => {
                tracing::error!("log hook `{}` drops a record: {cause}", self.definition.name);
                return None;
            }
        }
        Some(message)
    }

    /// Brings messages into their queues. What is refused for now waits, and with it those who log, when too much waits.
    async fn hand_over(&mut self, messages: Vec<Message>, jobs: &Jobs<Job>) {
        let name = &self.definition.name;
        let mut tries = 0;
        loop {
            let intake = self.intake.borrow_and_update().clone();
            let refused = match intake {
                Some(intake) => intake.accept(messages.clone(), self.definition.deferred_spool).await,
                None => Err(Refusal::Later("no queues have been started".to_owned())),
            };
            match refused {
                Ok(()) => return,
                Err(Refusal::Never(why)) => return tracing::error!("log hook `{name}`: {why}"),
                Err(Refusal::Later(why)) => {
                    tries += 1;
                    if jobs.is_stopping() && tries > LAST_TRIES {
                        return tracing::error!("log hook `{name}` loses {} records: {why}", messages.len());
                    }
                    if tries == 1 {
                        tracing::warn!("log hook `{name}` waits: {why}");
                    }
                    tokio::select! {
                        () = self.policy.host().clock().sleep(AGAIN) => {}
                        // Fails only when there is no logger any more.
                        _ = self.intake.changed() => {}
                    }
                }
            }
        }
    }
}
