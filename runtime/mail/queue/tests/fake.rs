//! A world under the test's control.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kumo_tsa_core::wire::{Kind, QueueName, Time};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::super::Queues;
use super::super::route::Route;
use super::super::world::*;
use super::super::{Accept, Internal, NotTaken};
use crate::dns::Mx;
use crate::host::memory::Headroom;
use crate::host::{Clock, Host, Paths};
use crate::mail::address::Address;
use crate::mail::config::{PathConfig, Pool, PoolEntry, QueueConfig, Source};
use crate::mail::hold::{Holds, Owner};
use crate::mail::log::{Attempt, Entry};
use crate::mail::message::{Message, MessageId};
use crate::mail::reply::Reply;
use crate::mail::smtp::client::{After, Endpoint};
use crate::mail::spool;
use crate::mail::throttle::Throttles;

/// When the tests begin.
pub(super) const START: i64 = 1_769_860_800;

/// A record, as far as tests look at it.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) site: String,
    pub(super) reply: String,
    pub(super) recipients: Vec<String>,
    pub(super) attempts: u16,
    pub(super) at: f64,
}

/// A try to deliver.
#[derive(Clone, Debug)]
pub(super) struct Try {
    pub(super) at: Instant,
    pub(super) path: String,
    pub(super) session: usize,
    pub(super) domain: String,
    pub(super) recipients: Vec<String>,
}

/// What a fake peer answers to one message.
pub(super) struct Says {
    pub(super) replies: Vec<Reply>,
    pub(super) after: After,
}

impl Says {
    pub(super) fn all(code: u16, text: &str) -> Self {
        Self { replies: vec![Reply::new(code, text)], after: After::Keep }
    }

    pub(super) fn closing(code: u16, text: &str) -> Self {
        Self { after: After::Closed, ..Self::all(code, text) }
    }
}

/// Paths, as source and site.
type Overridden = Vec<(String, String)>;

type Script = dyn Fn(&Try) -> Says + Send + Sync;

/// What tests set.
pub(super) struct Knobs {
    pub(super) queue: QueueConfig,
    pub(super) queues: HashMap<String, QueueConfig>,
    pub(super) path: PathConfig,
    pub(super) paths: HashMap<String, PathConfig>,
    pub(super) lanes: HashMap<String, Lane>,
    pub(super) pool: Vec<(String, u64)>,
    pub(super) latency: Duration,
    pub(super) mx: HashMap<String, Result<Mx, String>>,
    pub(super) hosts: usize,
    pub(super) script: Arc<Script>,
    pub(super) refuse: Option<String>,
    pub(super) failing: bool,
    pub(super) headroom: Headroom,
}

/// The world.
pub(super) struct Fake {
    pub(super) host: Host,
    pub(super) start: Instant,
    pub(super) knobs: Mutex<Knobs>,
    pub(super) records: Mutex<Vec<Record>>,
    pub(super) tries: Mutex<Vec<Try>>,
    pub(super) spool: Mutex<HashSet<MessageId>>,
    pub(super) asked: Mutex<BTreeMap<String, usize>>,
    pub(super) opens: Mutex<Vec<Instant>>,
    open: Arc<AtomicUsize>,
    pub(super) most_open: AtomicUsize,
    overridden: (mpsc::UnboundedSender<Overridden>, tokio::sync::Mutex<mpsc::UnboundedReceiver<Overridden>>),
    holds: Arc<Holds>,
    throttles: Arc<Throttles>,
}

pub(super) fn mx(domain: &str, hosts: &[&str]) -> Mx {
    let hosts: Vec<String> = hosts.iter().map(|host| format!("{host}.")).collect();
    Mx {
        domain: format!("{domain}."),
        by_preference: BTreeMap::from([(10, hosts.clone())]),
        site_name: kumo_tsa_core::shaping::site_name(&hosts),
        hosts,
        is_mx: true,
        is_domain_literal: false,
        is_secure: false,
    }
}

impl Fake {
    pub(super) fn new() -> Arc<Self> {
        let host = Host::new(Clock::controlled(Time::from_secs(START)), Paths::documented());
        let (sender, receiver) = mpsc::unbounded_channel();
        Arc::new(Self {
            holds: Holds::of(&host),
            throttles: Throttles::of(&host),
            host,
            start: Instant::now(),
            knobs: Mutex::new(Knobs {
                queue: QueueConfig::default(),
                queues: HashMap::new(),
                path: PathConfig::default(),
                paths: HashMap::new(),
                lanes: HashMap::new(),
                pool: vec![("ip1".to_owned(), 1)],
                latency: Duration::from_millis(10),
                mx: HashMap::new(),
                hosts: 1,
                script: Arc::new(|_| Says::all(250, "2.0.0 OK ids=1")),
                refuse: None,
                failing: false,
                headroom: Headroom::Enough,
            }),
            records: Mutex::default(),
            tries: Mutex::default(),
            spool: Mutex::default(),
            asked: Mutex::default(),
            opens: Mutex::default(),
            open: Arc::default(),
            most_open: AtomicUsize::new(0),
            overridden: (sender, tokio::sync::Mutex::new(receiver)),
        })
    }

    /// Sets something.
    pub(super) fn set(&self, set: impl FnOnce(&mut Knobs)) -> &Self {
        set(&mut self.knobs.lock().unwrap());
        self
    }

    pub(super) fn answer(&self, script: impl Fn(&Try) -> Says + Send + Sync + 'static) {
        self.knobs.lock().unwrap().script = Arc::new(script);
    }

    /// Starts queues in this world.
    pub(super) fn run(self: &Arc<Self>) -> Arc<Queues> {
        let queues = Queues::of(&self.host);
        queues.start_in(Arc::new(self.clone()));
        queues
    }

    pub(super) fn message(&self, recipients: &[&str]) -> Message {
        let recipients = recipients.iter().map(|to| Address::parse(to).unwrap()).collect();
        let sender = Address::parse("sender@example.org").unwrap();
        Message::new(sender, recipients, "Subject: x\r\n\r\nhello\r\n", self.host.clock().now())
    }

    /// Puts `count` messages to one recipient each into the queues.
    pub(super) async fn send(&self, queues: &Queues, count: usize, to: &str) -> Vec<MessageId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let message = self.message(&[to]);
            ids.push(message.id());
            accept(queues, message).await.unwrap();
        }
        ids
    }

    pub(super) fn suspend(&self, path: &str, secs: u64) -> uuid::Uuid {
        let until = self.host.clock().now().after(Duration::from_secs(secs));
        self.holds.suspend_path(path, "too fast", until, Owner::operator())
    }

    /// Says that what is overridden on a path has changed.
    pub(super) fn override_path(&self, source: &str, site: &str) {
        self.overridden.0.send(vec![(source.to_owned(), site.to_owned())]).unwrap();
    }

    pub(super) fn records(&self, kind: Kind) -> Vec<Record> {
        self.records.lock().unwrap().iter().filter(|record| record.kind == kind).cloned().collect()
    }

    pub(super) fn tries(&self) -> Vec<Try> {
        self.tries.lock().unwrap().clone()
    }

    pub(super) fn count(&self, kind: Kind) -> usize {
        self.records(kind).len()
    }

    pub(super) fn open_now(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

pub(super) async fn accept(queues: &Queues, message: Message) -> Result<(), NotTaken> {
    queues.accept(vec![message], Accept { deferred_spool: false, log_reception: true }).await
}

/// Lets time pass.
pub(super) async fn pass(secs: f64) {
    tokio::time::sleep(Duration::from_secs_f64(secs)).await;
}

struct Peer {
    fake: Arc<Fake>,
    path: String,
    session: usize,
    id: uuid::Uuid,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.fake.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Session for Peer {
    fn deliver<'a>(&'a mut self, batch: &'a [(Message, Vec<Address>)]) -> BoxFuture<'a, Outcome> {
        async move {
            let (script, latency) = {
                let knobs = self.fake.knobs.lock().unwrap();
                (knobs.script.clone(), knobs.latency)
            };
            let mut fates = Vec::new();
            let mut after = After::Keep;
            for (_, recipients) in batch {
                let tried = Try {
                    at: Instant::now(),
                    path: self.path.clone(),
                    session: self.session,
                    domain: recipients[0].domain().to_owned(),
                    recipients: recipients.iter().map(ToString::to_string).collect(),
                };
                self.fake.tries.lock().unwrap().push(tried.clone());
                tokio::time::sleep(latency).await;
                let says = script(&tried);
                let reply = |n: usize| says.replies[n.min(says.replies.len() - 1)].clone();
                fates.push(recipients.iter().enumerate().map(|(n, to)| (to.clone(), reply(n))).collect());
                after = says.after;
            }
            Outcome { fates, after, untried: false }
        }
        .boxed()
    }

    fn ended(&mut self) -> BoxFuture<'_, ()> {
        std::future::pending().boxed()
    }

    fn attempt(&self) -> Attempt {
        Attempt { session: Some(self.id), protocol: Some("ESMTP".to_owned()), ..Attempt::default() }
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move { drop(self) }.boxed()
    }
}

/// The world as queues see it: a handle, since sessions keep it too.
impl World for Arc<Fake> {
    fn queue_config<'a>(&'a self, full: &'a str, _: &'a QueueName<'a>) -> Answer<'a, QueueConfig> {
        async move {
            *self.asked.lock().unwrap().entry(full.to_owned()).or_default() += 1;
            let knobs = self.knobs.lock().unwrap();
            if knobs.failing {
                return Err("the policy fails".to_owned());
            }
            Ok(knobs.queues.get(full).unwrap_or(&knobs.queue).clone())
        }
        .boxed()
    }

    fn pool<'a>(&'a self, name: &'a str) -> Answer<'a, Arc<Pool>> {
        let entry = |(name, weight): &(String, u64)| PoolEntry { name: name.clone(), weight: *weight };
        let entries = self.knobs.lock().unwrap().pool.iter().map(entry).collect();
        async move { Ok(Arc::new(Pool { name: name.to_owned(), entries, ..Pool::unspecified() })) }.boxed()
    }

    fn source<'a>(&'a self, name: &'a str) -> Answer<'a, Arc<Source>> {
        async move { Ok(Arc::new(Source { name: name.to_owned(), ..Source::unspecified() })) }.boxed()
    }

    fn path_config<'a>(&'a self, _: &'a str, source: &'a str, site: &'a str) -> Answer<'a, Arc<PathConfig>> {
        let knobs = self.knobs.lock().unwrap();
        let config = knobs.paths.get(&format!("{source}->{site}")).unwrap_or(&knobs.path).clone();
        async move { Ok(Arc::new(config)) }.boxed()
    }

    fn lane(&self, domain: &str, _: &str, _: &str, _: &PathConfig) -> Option<Lane> {
        self.knobs.lock().unwrap().lanes.get(domain).cloned()
    }

    fn overridden(&self) -> BoxFuture<'_, Vec<(String, String)>> {
        async move { self.overridden.1.lock().await.recv().await.unwrap() }.boxed()
    }

    fn work_off<'a>(&'a self, _: Internal, _: &'a Message) -> Answer<'a, Reply, Reply> {
        async { Ok(Reply::new(250, "done")) }.boxed()
    }

    fn mx<'a>(&'a self, domain: &'a str) -> Answer<'a, Arc<Mx>> {
        let known = self.knobs.lock().unwrap().mx.get(domain).cloned();
        async move { known.unwrap_or_else(|| Ok(mx(domain, &[&format!("mx.{domain}")]))).map(Arc::new) }.boxed()
    }

    fn hosts<'a>(&'a self, _: &'a Route, _: &'a PathConfig) -> Answer<'a, Vec<Endpoint>, Reply> {
        let hosts = self.knobs.lock().unwrap().hosts;
        let host = |n| Endpoint { name: format!("mx{n}"), address: ([127, 0, 0, 1], 25).into() };
        async move { Ok((0..hosts).map(host).collect()) }.boxed()
    }

    fn open<'a>(&'a self, opening: &'a Opening) -> Answer<'a, Box<dyn Session>, Box<Failure>> {
        async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let session = {
                let mut opens = self.opens.lock().unwrap();
                opens.push(Instant::now());
                opens.len() - 1
            };
            if let Some(text) = &self.knobs.lock().unwrap().refuse {
                let said = !text.starts_with("KumoMTA internal");
                let (code, text) = if said { text.split_once(' ').unwrap() } else { ("400", text.as_str()) };
                let reply = Reply::new(code.parse().unwrap(), text);
                return Err(Box::new(Failure { reply, said, attempt: Attempt::default() }));
            }
            let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
            self.most_open.fetch_max(open, Ordering::Relaxed);
            let path = opening.route.path.to_string();
            Ok(Box::new(Peer { fake: self.clone(), path, session, id: uuid::Uuid::new_v4() }) as Box<dyn Session>)
        }
        .boxed()
    }

    fn write_maildir<'a>(&'a self, _: &'a QueueConfig, _: &'a Message, to: &'a Address) -> BoxFuture<'a, Reply> {
        async move { Reply::new(200, &format!("{to}: wrote to maildir with id=1")) }.boxed()
    }

    fn save<'a>(&'a self, message: &'a Message) -> Answer<'a, (), spool::Error> {
        async move {
            self.spool.lock().unwrap().insert(message.id());
            Ok(())
        }
        .boxed()
    }

    fn remove<'a>(&'a self, message: &'a Message) -> Answer<'a, (), spool::Error> {
        async move {
            self.spool.lock().unwrap().remove(&message.id());
            Ok(())
        }
        .boxed()
    }

    fn headroom(&self) -> Headroom {
        self.knobs.lock().unwrap().headroom
    }

    fn spool_health(&self) -> Result<(), spool::Error> {
        Ok(())
    }

    fn log<'a>(&'a self, entry: Entry<'a>) -> BoxFuture<'a, ()> {
        let recipients = entry.recipients.map_or_else(|| entry.message.recipients(), <[Address]>::to_vec);
        let record = Record {
            kind: entry.kind,
            site: entry.attempt.site,
            reply: entry.reply.to_string(),
            recipients: recipients.iter().map(ToString::to_string).collect(),
            attempts: entry.message.num_attempts(),
            at: self.start.elapsed().as_secs_f64(),
        };
        async move { self.records.lock().unwrap().push(record) }.boxed()
    }

    fn holds(&self) -> &Holds {
        &self.holds
    }

    fn throttles(&self) -> &Throttles {
        &self.throttles
    }

    fn throttle_insert<'a>(&'a self, _: &'a Message) -> Answer<'a, ()> {
        async move { Ok(()) }.boxed()
    }

    fn requeued<'a>(&'a self, _: Requeued<'a>) -> Answer<'a, ()> {
        async move { Ok(()) }.boxed()
    }

    fn rewrite_status<'a>(&'a self, _: &'a str, _: &'a QueueName<'a>) -> Answer<'a, Option<u16>> {
        async move { Ok(None) }.boxed()
    }

    fn epoch(&self) -> watch::Receiver<u64> {
        self.host.epoch().watch()
    }
}
