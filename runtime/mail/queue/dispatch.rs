//! A session of a ready queue: opened, fed with messages, closed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::engine::Engine;
use super::lane::Suits;
use super::ready::{Item, Phase, Ready};
use super::reason::Reason;
use super::route::Means;
use super::settle::kind_of;
use super::world::{Failure, Opening, Outcome, Session};
use crate::mail::address::Address;
use crate::mail::config::{PathConfig, ReconnectStrategy};
use crate::mail::log::Attempt;
use crate::mail::message::Message;
use crate::mail::reply::Reply;
use crate::mail::smtp::client::After;
use crate::mail::smtp::client::Endpoint;
use crate::mail::throttle::{Lease, Short};

/// Feeds one session at a time with the messages of a ready queue. Its place is free again when it is dropped.
pub(super) struct Dispatcher {
    pub(super) engine: Arc<Engine>,
    pub(super) ready: Arc<Ready>,
    pub(super) id: Uuid,
    pub(super) suits: Suits,
    /// Messages taken and not settled; they go back should this be dropped with them.
    pub(super) hand: Vec<Item>,
    /// Whether there is a host after the one that it talks to.
    more_hosts: bool,
    /// Whether an administrator wants it to end.
    aborted: watch::Receiver<bool>,
    _leases: Vec<Lease>,
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ended {
    /// There is nothing to do, or nothing may be done.
    Done,
    /// It carried as much as it may.
    Full,
    /// It was opened otherwise than is said now.
    Outdated,
    /// The peer ended it.
    ByPeer,
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        let hand = std::mem::take(&mut self.hand);
        {
            let mut state = self.ready.lock();
            state.sessions.remove(&self.id);
            state.lanes.put_down(self.id);
            state.idle_since = Instant::now();
        }
        self.ready.put_down(hand.len());
        self.ready.push_front(hand.into_iter());
    }
}

impl Dispatcher {
    pub(super) fn new(
        engine: Arc<Engine>,
        ready: Arc<Ready>,
        id: Uuid,
        aborted: watch::Receiver<bool>,
        leases: Vec<Lease>,
    ) -> Self {
        Self {
            engine,
            ready,
            id,
            suits: Suits::default(),
            hand: Vec::new(),
            more_hosts: false,
            aborted,
            _leases: leases,
        }
    }

    pub(super) async fn run(mut self) {
        let mut hosts: VecDeque<Option<Endpoint>> = VecDeque::new();
        let mut failures: Vec<Failure> = Vec::new();
        loop {
            let Some(config) = self.config_of_next() else { return };
            if !self.may_go_on() || !self.connection_rate_allows(&config).await {
                return;
            }
            if hosts.is_empty() {
                hosts = match self.hosts(&config).await {
                    Ok(hosts) => hosts,
                    Err(reply) => return self.refuse_all(reply).await,
                };
            }
            let to = hosts.front().cloned().flatten();
            self.more_hosts = hosts.len() > 1;
            self.phase(Phase::AttemptingConnection);
            self.ready.totals.connections.fetch_add(1, Ordering::Relaxed);
            let opening = Opening { route: self.ready.route(), config: config.clone(), to };
            let session = match self.engine.world.open(&opening).await {
                Ok(session) => session,
                Err(failure) => {
                    failures.push(*failure);
                    hosts.pop_front();
                    if hosts.is_empty() {
                        return self.unreachable(failures).await;
                    }
                    continue;
                }
            };
            failures.clear();
            let (ended, carried) = self.serve(session, config.clone()).await;
            if carried > 0 {
                self.ready.lock().failures = 0;
            }
            match ended {
                Ended::Done => return,
                Ended::Full => {}
                Ended::Outdated => hosts.clear(),
                Ended::ByPeer => {
                    if carried == 0 && self.count_failure() {
                        return self.delay_all().await;
                    }
                    match config.reconnect_strategy {
                        ReconnectStrategy::TerminateSession => return,
                        ReconnectStrategy::ReconnectSameHost => {}
                        ReconnectStrategy::ConnectNextHost => {
                            hosts.pop_front();
                            if hosts.is_empty() {
                                return;
                            }
                        }
                    }
                }
            }
        }
    }

    /// What a session is to be opened with for the message that is next; `None` when there is none.
    fn config_of_next(&mut self) -> Option<Arc<PathConfig>> {
        let in_hand = self.hand.first().map(|item| item.domain.clone());
        let domain = in_hand.or_else(|| self.ready.first_domain())?;
        self.suits = Suits { config: self.ready.lock().lanes.config(&domain) };
        Some(self.suits.config.clone().unwrap_or_else(|| self.ready.config()))
    }

    /// Whether this session may carry another message.
    pub(super) fn may_go_on(&self) -> bool {
        if self.engine.is_stopping() || *self.aborted.borrow() {
            return false;
        }
        let path = self.ready.path_name();
        if self.engine.world.holds().path(&path, self.engine.clock.now()).is_some() {
            return false;
        }
        let limit = self.ready.config().connection_limit.limit.get();
        let (allowed, _) = self.engine.ramp.allowed(&path, limit, Instant::now());
        let state = self.ready.lock();
        // When there are more than may be, those that began last end.
        let older = state.sessions.get(&self.id).map_or(0, |mine| {
            state.sessions.iter().filter(|(id, card)| (card.started, **id) < (mine.started, self.id)).count()
        });
        (older as u64) < allowed.max(1)
    }

    pub(super) fn phase(&self, phase: Phase) {
        self.ready.note_phase(self.id, phase, self.engine.clock.now());
    }

    /// Waits for the connection rate; false when this is not to go on.
    async fn connection_rate_allows(&self, config: &PathConfig) -> bool {
        loop {
            let rules = self.ready.rules();
            let Err(Short { wait, .. }) = self.engine.world.throttles().check_all(&rules.connection_rate) else {
                return true;
            };
            self.phase(Phase::ConnectionRateThrottled);
            if wait >= config.idle_timeout {
                self.close_until(Instant::now() + wait).await;
                return false;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.ready.change.notified() => {}
            }
            if !self.may_go_on() || self.ready.is_empty() {
                return false;
            }
        }
    }

    /// Opens no session before then. Where there is no other, the messages need not wait here.
    async fn close_until(&self, until: Instant) {
        let alone = {
            let mut state = self.ready.lock();
            state.closed_until = Some(until);
            state.sessions.len() <= 1
        };
        if alone {
            let interval = self.ready.config().max_connection_rate.map(interval).unwrap_or_default();
            let each = self.ready.config().max_deliveries_per_connection.max(1);
            let interval = interval / u32::try_from(each).unwrap_or(u32::MAX);
            let wait = until.saturating_duration_since(Instant::now());
            let items = self.ready.drain();
            self.engine.postpone(items, wait, interval, Reason::ConnectionRateThrottle).await;
        }
    }

    async fn hosts(&self, config: &PathConfig) -> Result<VecDeque<Option<Endpoint>>, Reply> {
        let route = self.ready.route();
        if let Means::Lua(_) = route.to.means {
            return Ok(VecDeque::from([None]));
        }
        let hosts = self.engine.world.hosts(&route, config).await?;
        Ok(hosts.into_iter().map(Some).collect())
    }

    /// There is no host to connect to: all messages fail, for now or for good.
    async fn refuse_all(&self, reply: Reply) {
        let attempt = self.ready.attempt(Attempt::default());
        for item in self.ready.drain() {
            let fates = item.message.recipients().into_iter().map(|to| (to, reply.clone())).collect();
            self.settle(item, fates, &[], &attempt).await;
        }
    }

    /// No host took the connection: that fails one message; when it happened too often in a row, all.
    async fn unreachable(&mut self, failures: Vec<Failure>) {
        let Some(last) = failures.last() else { return };
        let reply = if let Some(said) = failures.iter().rev().find(|failure| failure.said) {
            said.reply.clone()
        } else {
            let causes: Vec<_> = failures.iter().map(|failure| failure.reply.content.as_str()).collect();
            Reply { content: causes.join("; "), ..last.reply.clone() }
        };
        let attempt = self.ready.attempt(last.attempt.clone());
        if let super::ready::Found::Item(item) = self.ready.take(self.id, &self.suits) {
            self.ready.put_down(1);
            self.ready.totals.count(1);
            let queue = item.queue.clone();
            self.engine.fail(&queue, item.message, reply, attempt, &[]).await;
        }
        if self.count_failure() {
            self.delay_all().await;
        }
    }

    /// Counts a connection that came to nothing; tells whether there were too many in a row.
    fn count_failure(&self) -> bool {
        let most = self.ready.config().consecutive_connection_failures_before_delay;
        let mut state = self.ready.lock();
        state.failures += 1;
        let too_many = state.failures > most;
        if too_many {
            state.failures = 0;
        }
        too_many
    }

    async fn delay_all(&self) {
        let attempt = self.ready.attempt(Attempt::default());
        let reply = Reply::new(451, "4.4.1 KumoMTA internal: too many connections to the site failed in a row");
        for item in self.ready.drain() {
            let queue = item.queue.clone();
            let why = &[Reason::TooManyConnectionFailures];
            self.ready.totals.count(1);
            self.engine.fail(&queue, item.message, reply.clone(), attempt.clone(), why).await;
        }
    }

    /// Feeds a session until it ends; also tells how many messages it carried.
    async fn serve(&mut self, mut session: Box<dyn Session>, opened: Arc<PathConfig>) -> (Ended, usize) {
        let mut config = opened;
        let mut carried = 0;
        if let Some(card) = self.ready.lock().sessions.get_mut(&self.id) {
            card.delivered_this_connection = 0;
        }
        let ended = loop {
            if carried >= config.max_deliveries_per_connection.max(1) {
                break Ended::Full;
            }
            if self.hand.is_empty()
                && !self.fill_hand(config.max_deliveries_per_connection - carried, session.as_mut()).await
            {
                break Ended::Done;
            }
            // A suspension that came meanwhile is obeyed before the next MAIL FROM (semantics H1), and so is an option.
            if !self.may_go_on() {
                break Ended::Done;
            }
            match self.still_suits(config) {
                Some(now) => config = now,
                None => break Ended::Outdated,
            }
            if carried >= config.max_deliveries_per_connection.max(1) {
                break Ended::Full;
            }
            let messages = self.hand.len();
            let (after, tried) = self.deliver(session.as_mut(), &config).await;
            carried += if tried { messages } else { 0 };
            if after == After::Closed {
                let to_next = config.try_next_host_on_transport_error && self.more_hosts;
                return (if tried || to_next { Ended::ByPeer } else { Ended::Full }, carried);
            }
            if !tried {
                break Ended::Done;
            }
        };
        self.phase(Phase::Closing);
        session.close().await;
        (ended, carried)
    }

    /// What holds for an open session now; `None` when it would have to be opened otherwise.
    fn still_suits(&self, config: Arc<PathConfig>) -> Option<Arc<PathConfig>> {
        // One for a single domain takes no message any more when something else holds for that.
        if self.suits.config.is_some() {
            return Some(config);
        }
        let now = self.ready.config();
        (Arc::ptr_eq(&now, &config) || config.suits_session(&now)).then_some(now)
    }

    /// Delivers what is in hand, and settles it; tells whether anything was tried.
    async fn deliver(&mut self, session: &mut dyn Session, config: &PathConfig) -> (After, bool) {
        self.phase(Phase::DeliveringMessage);
        if self.hand.len() > 1 || self.ready.route().lua().is_some() {
            return (self.deliver_batch(session, config).await, true);
        }
        let Some(item) = self.hand.first().cloned() else { return (After::Keep, false) };
        let all = item.message.recipients();
        let most = config.max_recipients_per_batch.max(1);
        let mut fates: Vec<(Address, Reply)> = Vec::new();
        let mut after = After::Keep;
        let mut tried = 0;
        for (turn, part) in all.chunks(most).enumerate() {
            // Between two transactions of one message the path may have been suspended.
            if turn > 0 && !self.may_go_on() {
                break;
            }
            let batch = [(item.message.clone(), part.to_vec())];
            let outcome = self.deliver_in_time(session, &batch, config).await;
            after = outcome.after;
            if outcome.untried || (turn == 0 && self.goes_to_next_host(&outcome, config)) {
                break;
            }
            fates.extend(outcome.fates.into_iter().flatten());
            tried += part.len();
            if after == After::Closed {
                break;
            }
        }
        if tried == 0 {
            // The message stays in hand, for the next session.
            return (after, false);
        }
        let attempt = self.ready.attempt(session.attempt());
        self.hand.clear();
        self.ready.put_down(1);
        let untried = all.get(tried..).unwrap_or_default();
        self.settle(item, fates, untried, &attempt).await;
        (after, true)
    }

    /// Delivers, but gives up when nothing has come of it for too long, or when the host stops and the path's patience is
    /// over.
    async fn deliver_in_time(
        &self,
        session: &mut dyn Session,
        batch: &[(Message, Vec<Address>)],
        config: &PathConfig,
    ) -> Outcome {
        let stopped = async {
            match config.system_shutdown_timeout {
                Some(patience) => {
                    self.engine.stopped().await;
                    tokio::time::sleep(patience).await;
                }
                None => std::future::pending().await,
            }
        };
        let mut aborted = self.aborted.clone();
        let aborted = async move {
            if aborted.wait_for(|aborted| *aborted).await.is_err() {
                // Nobody can ask for it any more.
                std::future::pending::<()>().await;
            }
        };
        let why = tokio::select! {
            outcome = session.deliver(batch) => return outcome,
            () = tokio::time::sleep(watchdog(config)) => "no progress",
            () = stopped => "the host stops",
            () = aborted => "the session was aborted",
        };
        let text = format!("KumoMTA internal: gave up in the middle of a delivery: {why}");
        let reply = Reply { code: 400, enhanced_code: None, content: text, command: None };
        let of_each = |(_, to): &(Message, Vec<Address>)| to.iter().map(|to| (to.clone(), reply.clone())).collect();
        Outcome { fates: batch.iter().map(of_each).collect(), after: After::Closed, untried: false }
    }

    /// Whether the session broke, without a word of the peer, and the next host may be tried at once.
    fn goes_to_next_host(&self, outcome: &Outcome, config: &PathConfig) -> bool {
        let broke = |reply: &Reply| reply.content.starts_with("KumoMTA internal: ");
        config.try_next_host_on_transport_error
            && self.more_hosts
            && outcome.after == After::Closed
            && outcome.fates.iter().flatten().all(|(_, reply)| broke(reply))
    }

    async fn deliver_batch(&mut self, session: &mut dyn Session, config: &PathConfig) -> After {
        let batch: Vec<(Message, Vec<Address>)> =
            self.hand.iter().map(|item| (item.message.clone(), item.message.recipients())).collect();
        let outcome = self.deliver_in_time(session, &batch, config).await;
        let attempt = self.ready.attempt(session.attempt());
        let items = std::mem::take(&mut self.hand);
        self.ready.put_down(items.len());
        let mut fates = outcome.fates.into_iter();
        for item in items {
            self.settle(item, fates.next().unwrap_or_default(), &[], &attempt).await;
        }
        outcome.after
    }

    async fn settle(&self, item: Item, fates: Vec<(Address, Reply)>, untried: &[Address], attempt: &Attempt) {
        let kind = |reply: &Reply| match kind_of(reply) {
            kumo_tsa_core::wire::Kind::Delivery => 0,
            kumo_tsa_core::wire::Kind::Bounce => 2,
            _ => 1,
        };
        let kinds: std::collections::BTreeSet<usize> = fates.iter().map(|(_, reply)| kind(reply)).collect();
        for kind in kinds {
            self.ready.totals.count(kind);
            if let Some(card) = self.ready.lock().sessions.get_mut(&self.id) {
                card.outcomes[kind] += 1;
                card.delivered_this_connection += u64::from(kind == 0);
            }
        }
        self.engine.settle(item, fates, untried, attempt).await;
    }
}

/// How long a delivery may go on without an end: twice the longest timeout, a minute at least.
fn watchdog(config: &PathConfig) -> Duration {
    let timeouts = [config.mail_from_timeout, config.rcpt_to_timeout, config.data_timeout, config.data_dot_timeout];
    let longest = timeouts.into_iter().max().unwrap_or_default();
    // Each of the steps has its own timeout: this is for what is stuck between them.
    let usual = (longest * 2).max(Duration::from_mins(1)).max(timeouts.iter().sum());
    config.dispatcher_progress_watchdog_timeout.unwrap_or(usual)
}

/// How far apart a rate lets things through when it is used up.
pub(super) fn interval(rate: kumo_tsa_core::wire::Throttle) -> Duration {
    rate.period.div_f64(rate.limit.get() as f64)
}
