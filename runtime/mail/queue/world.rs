//! What the queues need of the rest of the host: the policy, the spool, the log, DNS, holds, rates, and sessions.
//!
//! The logic of queues knows this alone, so that it can be tested with a world of the test's own and time under control.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use kumo_tsa_core::wire::{Limit, QueueName, Throttle};
use tokio::sync::watch;

use crate::dns::Mx;
use crate::host::memory::Headroom;
use crate::mail::address::Address;
use crate::mail::config::{MxEntry, PathConfig, Pool, QueueConfig, Source};
use crate::mail::hold::Holds;
use crate::mail::log::{Attempt, Entry};
use crate::mail::message::Message;
use crate::mail::queue::internal::Internal;
use crate::mail::queue::route::Route;
use crate::mail::reply::Reply;
use crate::mail::smtp::client::{After, Endpoint};
use crate::mail::spool;
use crate::mail::throttle::Throttles;

/// What holds for one domain alone on a path that it shares with others (semantics A10).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Lane {
    /// A rate for its messages, beside the path's.
    pub rate: Option<Throttle>,
    /// How many sessions may carry it.
    pub sessions: Option<Limit>,
    /// The path's configuration for a session that is opened for it, where that is another.
    pub config: Option<Arc<PathConfig>>,
}

/// What became of each recipient of each message of a batch, in the order of the batch.
#[derive(Debug)]
pub struct Outcome {
    /// For each message its recipients with what was answered.
    pub fates: Vec<Vec<(Address, Reply)>>,
    /// What is left of the session.
    pub after: After,
    /// The session was found to have ended before: nothing was tried, and another session may try at once.
    pub untried: bool,
}

/// A session with a peer, or a Lua object that plays one.
pub trait Session: Send {
    /// Tries to deliver messages: for each to the recipients at its side.
    fn deliver<'a>(&'a mut self, batch: &'a [(Message, Vec<Address>)]) -> BoxFuture<'a, Outcome>;

    /// Returns when the peer ends it while nothing is being delivered. May be cancelled.
    fn ended(&mut self) -> BoxFuture<'_, ()>;

    /// What records say of it; `site`, pool and source are filled in by who asks.
    fn attempt(&self) -> Attempt;

    /// Ends it in good order.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// A session that could not be opened.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What the peer said, or what went wrong.
    pub reply: Reply,
    /// Whether the peer said it.
    pub said: bool,
    /// What records say of it.
    pub attempt: Attempt,
}

/// What a session is to be opened with.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The path.
    pub route: Arc<Route>,
    /// The configuration that holds.
    pub config: Arc<PathConfig>,
    /// Where to; `None` where the protocol has no hosts.
    pub to: Option<Endpoint>,
}

/// What `requeue_message` is told (interface B.4).
#[derive(Debug)]
pub struct Requeued<'a> {
    /// The message.
    pub message: &'a Message,
    /// What was answered.
    pub response: String,
    /// The names of the reasons.
    pub reasons: Vec<String>,
    /// Whether the attempt counts.
    pub increment: bool,
    /// A wait that is not the schedule's.
    pub delay: Option<Duration>,
}

/// An answer that takes a while.
pub type Answer<'a, T, E = String> = BoxFuture<'a, Result<T, E>>;

/// The rest of the host. Failures of the policy and of DNS are texts: they end up in records.
pub trait World: Send + Sync + 'static {
    /// `get_queue_config`, with what is kept for the queues of log hooks.
    fn queue_config<'a>(&'a self, full: &'a str, name: &'a QueueName<'a>) -> Answer<'a, QueueConfig>;
    /// `get_egress_pool`.
    fn pool<'a>(&'a self, name: &'a str) -> Answer<'a, Arc<Pool>>;
    /// `get_egress_source`.
    fn source<'a>(&'a self, name: &'a str) -> Answer<'a, Arc<Source>>;
    /// `get_egress_path_config`, with what automation has overridden for the site.
    fn path_config<'a>(&'a self, domain: &'a str, source: &'a str, site: &'a str) -> Answer<'a, Arc<PathConfig>>;
    /// What holds for `domain` alone, on a path whose configuration is `path`.
    fn lane(&self, domain: &str, source: &str, site: &str, path: &PathConfig) -> Option<Lane>;
    /// The paths whose overrides changed, as `(source, site)`; every one where the list is empty.
    fn overridden(&self) -> BoxFuture<'_, Vec<(String, String)>>;

    /// Does what a message of one of the host's own queues asks for; tells what a record says of it. A failure is permanent
    /// where its code is.
    fn work_off<'a>(&'a self, internal: Internal, message: &'a Message) -> Answer<'a, Reply, Reply>;

    /// The exchangers of a domain.
    fn mx<'a>(&'a self, domain: &'a str) -> Answer<'a, Arc<Mx>>;
    /// The addresses to try, in order; else what to answer for the messages.
    fn hosts<'a>(&'a self, route: &'a Route, config: &'a PathConfig) -> Answer<'a, Vec<Endpoint>, Reply>;
    /// Opens a session.
    fn open<'a>(&'a self, opening: &'a Opening) -> Answer<'a, Box<dyn Session>, Box<Failure>>;
    /// Writes a message into a maildir, for one recipient, and says what a record says of it.
    fn write_maildir<'a>(
        &'a self,
        config: &'a QueueConfig,
        message: &'a Message,
        to: &'a Address,
    ) -> BoxFuture<'a, Reply>;

    /// Puts a message into the spool; what it holds of the message already is not written again.
    fn save<'a>(&'a self, message: &'a Message) -> Answer<'a, (), spool::Error>;
    /// Takes a message out.
    fn remove<'a>(&'a self, message: &'a Message) -> Answer<'a, (), spool::Error>;
    /// Whether the spool takes writes.
    fn spool_health(&self) -> Result<(), spool::Error>;
    /// How much memory is left.
    fn headroom(&self) -> Headroom;
    /// Writes a record.
    fn log<'a>(&'a self, entry: Entry<'a>) -> BoxFuture<'a, ()>;

    /// What holds mail back and sends it back.
    fn holds(&self) -> &Holds;
    /// The rates and leases.
    fn throttles(&self) -> &Throttles;

    /// `throttle_insert_ready_queue`: may set a later due time.
    fn throttle_insert<'a>(&'a self, message: &'a Message) -> Answer<'a, ()>;
    /// `requeue_message`: may change the message's queue.
    fn requeued<'a>(&'a self, what: Requeued<'a>) -> Answer<'a, ()>;
    /// `smtp_client_rewrite_delivery_status`: another code for an answer.
    fn rewrite_status<'a>(&'a self, response: &'a str, name: &'a QueueName<'a>) -> Answer<'a, Option<u16>>;
    /// The epoch of the configuration.
    fn epoch(&self) -> watch::Receiver<u64>;
}

/// The hosts of an `mx_list`, as the site of a path names them (interface C.5).
pub fn site_of_list(list: &[MxEntry]) -> String {
    let labels: Vec<_> = list.iter().map(MxEntry::label).collect();
    format!("mx_list:{}", labels.join(","))
}
