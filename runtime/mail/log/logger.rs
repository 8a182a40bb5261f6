//! What is given to be logged, and where it goes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use kumo_tsa_core::wire::Kind;
use serde_json::{Map, Value};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::Entry;
use super::accounting::Accounting;
use super::classifier::Classifier;
use super::disposition::Disposition;
use super::hook::{Definition, Hook, Intake, Intakes};
use super::local::LocalLog;
use super::node::load_node_id;
use super::outcome::{Outcome, Watchers};
use super::pattern::Names;
use super::record::{Captured, Circumstances, Record};
use super::selection::Selection;
use super::traffic::Traffic;
use crate::host::{Clock, Host, Paths};
use crate::mail::header;
use crate::mail::message::Message;
use crate::policy::Policy;

/// How messages that carry log records came in; nothing of them is given to hooks.
pub(super) const LOG_RECORD: &str = "LogRecord";

/// How often the numbers of the accounting are written.
const ACCOUNT: Duration = Duration::from_mins(5);

/// Writes records to the local logs and gives them to the log hooks.
#[derive(Debug)]
pub struct Logger {
    clock: Clock,
    paths: Paths,
    node: Uuid,
    sinks: ArcSwap<Sinks>,
    intake: Intakes,
    classifier: ArcSwapOption<Classifier>,
    accounting: Arc<Accounting>,
    accountant: Mutex<Option<JoinHandle<()>>>,
    traffic: Traffic,
    watchers: Watchers,
}

/// Who gets records, in the order in which the policy configured them.
#[derive(Clone, Debug, Default)]
struct Sinks {
    local: Vec<Arc<LocalLog>>,
    hooks: Vec<Arc<Hook>>,
    dispositions: Vec<Arc<Disposition>>,
}

/// What the policy said of the queue of a log hook when it configured the hook: the options of `kumo.make_queue_config`
/// that hold there unless `get_queue_config` gives others (semantics H4).
pub fn hook_queue(host: &Host, queue_name: &str) -> Option<Map<String, Value>> {
    let sinks = Logger::of(host).sinks.load_full();
    sinks.hooks.iter().find(|hook| hook.definition.name == queue_name)?.definition.queue.clone()
}

impl Logger {
    /// The host's.
    pub fn of(host: &Host) -> Arc<Self> {
        let metrics = host.metrics();
        host.slot(|| {
            let traffic = Traffic::default();
            traffic.register(&metrics);
            Self {
                clock: host.clock().clone(),
                paths: host.paths().clone(),
                node: load_node_id(host.paths(), |name| std::env::var(name).ok()),
                sinks: ArcSwap::default(),
                intake: Intakes::default(),
                classifier: ArcSwapOption::empty(),
                accounting: Arc::default(),
                accountant: Mutex::default(),
                traffic,
                watchers: Watchers::default(),
            }
        })
    }

    /// Begins to keep accounts, and tells the hooks where their messages go. Until then these wait.
    pub fn start(self: &Arc<Self>, intake: Arc<dyn Intake>) {
        self.intake.send_replace(Some(intake));
        let logger = Arc::downgrade(self);
        let clock = self.clock.clone();
        let task = tokio::spawn(async move {
            loop {
                clock.sleep(ACCOUNT).await;
                match logger.upgrade() {
                    Some(logger) => logger.account(false).await,
                    None => return,
                }
            }
        });
        let before = self.accountant.lock().unwrap_or_else(PoisonError::into_inner).replace(task);
        if let Some(before) = before {
            before.abort();
        }
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
        let protocol = entry.message.meta("reception_protocol");
        let reception_protocol = protocol.as_ref().and_then(Value::as_str).map(ToOwned::to_owned);
        let carries_record = reception_protocol.as_deref() == Some(LOG_RECORD);
        if carries_record && entry.kind == Kind::Reception {
            return;
        }
        let message = entry.message;
        let classifier = self.classifier.load();
        let class = classifier.as_ref().and_then(|rules| rules.classify(entry.kind, &entry.reply));
        let record = Arc::new(Record::new(
            entry,
            Circumstances {
                node: self.node,
                now: self.clock.now(),
                class: class.map(ToOwned::to_owned),
                reception_protocol,
                feedback: report,
            },
        ));
        self.accounting.count(&record);
        self.traffic.count(&record);
        if !carries_record {
            self.watchers.tell(&record);
        }
        self.give(&record, message, carries_record).await;
    }

    async fn give(&self, record: &Arc<Record>, message: &Message, carries_record: bool) {
        let sinks = self.sinks.load_full();
        let mut source = Source::new(message);
        for log in sinks.local.iter().filter(|log| log.selection.form(record.kind).is_some()) {
            let captured = source.capture(&log.meta, &log.headers).await;
            log.write(record, &captured, message).await;
        }
        for hook in sinks.dispositions.iter().filter(|hook| hook.selection.form(record.kind).is_some()) {
            hook.tell(message, record).await;
        }
        if carries_record {
            return;
        }
        for hook in sinks.hooks.iter().filter(|hook| hook.wants(record)) {
            let captured = source.capture(&hook.definition.meta, &hook.definition.headers).await;
            hook.give(record.clone(), captured).await;
        }
    }

    /// What becomes of messages from now on; of those that carry records nothing. Who does not keep up misses the oldest.
    pub fn watch(&self) -> broadcast::Receiver<Outcome> {
        self.watchers.subscribe()
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

    /// Starts a hook, unless there is one of its name.
    pub(in crate::mail) fn add_hook(&self, policy: Policy, definition: Definition) -> Result<(), String> {
        if self.sinks.load().hooks.iter().any(|hook| hook.definition.name == definition.name) {
            return Err(format!("there is a log hook `{}` already", definition.name));
        }
        let hook = Arc::new(Hook::start(policy, definition, self.intake.subscribe()));
        self.change(|sinks| sinks.hooks.push(hook.clone()));
        Ok(())
    }

    /// Starts a disposition hook, unless there is one of its name.
    pub(in crate::mail) fn add_disposition(
        &self,
        policy: Policy,
        name: String,
        selection: Selection,
    ) -> Result<(), String> {
        if self.sinks.load().dispositions.iter().any(|hook| hook.name == name) {
            return Err(format!("there is a disposition hook `{name}` already"));
        }
        let hook = Arc::new(Disposition::start(policy, name, selection));
        self.change(|sinks| sinks.dispositions.push(hook.clone()));
        Ok(())
    }

    pub(in crate::mail) fn set_classifier(&self, classifier: Classifier) {
        self.classifier.store(Some(Arc::new(classifier)));
    }

    /// Where accounts are kept, as a documented path.
    pub(in crate::mail) fn set_accounting_path(&self, path: PathBuf) {
        self.accounting.set_path(path);
    }

    fn change(&self, change: impl Fn(&mut Sinks)) {
        self.sinks.rcu(|sinks| {
            let mut sinks = Sinks::clone(sinks);
            change(&mut sinks);
            sinks
        });
    }

    async fn account(&self, always: bool) {
        let (accounting, now) = (self.accounting.clone(), self.clock.now());
        let documented = accounting.path();
        let file = self.paths.resolve(&documented).into_owned();
        let written = tokio::task::spawn_blocking(move || accounting.flush(&file, now, always)).await;
        if let Ok(Err(cause)) = written {
            tracing::error!("cannot keep accounts in `{}`: {cause}", documented.display());
        }
    }

    /// Writes what waits and closes all files. To be called when nothing is left that logs; the messages of hooks are still
    /// brought to the queues, which must put them into the spool.
    pub async fn stop(&self) {
        let sinks = self.sinks.load_full();
        for hook in &sinks.hooks {
            hook.stop().await;
        }
        for hook in &sinks.dispositions {
            hook.stop().await;
        }
        for log in &sinks.local {
            log.stop().await;
        }
        let accountant = self.accountant.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(accountant) = accountant {
            accountant.abort();
            self.account(true).await;
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
