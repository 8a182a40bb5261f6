//! A ready queue: messages that may leave now along one egress path, and the sessions that carry them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwap;
use kumo_tsa_core::wire::{Throttle, Time};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::lane::{Lanes, Suits};
use super::route::{Destination, Route};
use super::scheduled::Scheduled;
use crate::mail::config::{PathConfig, WakeupStrategy};
use crate::mail::log::Attempt;
use crate::mail::message::Message;

/// A ready queue.
pub struct Ready {
    route: ArcSwap<Route>,
    rules: ArcSwap<Rules>,
    state: Mutex<State>,
    /// Content has come, or something has changed: for the sessions.
    pub(super) stir: Notify,
    /// Something has changed: for the sessions that wait for a rate.
    pub(super) change: Notify,
    /// Both, for the one who opens sessions.
    pub(super) attention: Notify,
    /// What it has done so far.
    pub totals: Totals,
}

/// What holds for the path, made ready for use.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) config: Arc<PathConfig>,
    /// For each message.
    pub(super) message_rates: Vec<(String, Throttle)>,
    /// For each choice of the source.
    selection_rates: Vec<(String, Throttle)>,
    /// For each connection.
    pub(super) connection_rate: Vec<(String, Throttle)>,
    pub(super) asked: Instant,
}

/// What changes.
pub(super) struct State {
    content: VecDeque<Item>,
    pub(super) lanes: Lanes,
    pub(super) sessions: BTreeMap<Uuid, Card>,
    /// How many of the sessions have a message in hand.
    busy: usize,
    /// Connections that failed in a row.
    pub(super) failures: usize,
    /// No session is opened before this.
    pub(super) closed_until: Option<Instant>,
    /// Scheduled queues that wait for room.
    callers: Vec<Weak<Scheduled>>,
    pub(super) gone: bool,
    pub(super) idle_since: Instant,
    /// Whether a lease that others hold keeps sessions from being opened.
    pub(super) lacks_lease: bool,
}

/// A message in a ready queue.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) message: Message,
    /// Where it came from.
    pub(super) queue: Arc<Scheduled>,
    /// The domain that it is routed to.
    pub(super) domain: Arc<str>,
}

/// What is known of a session while it lives.
#[derive(Clone, Debug)]
pub(super) struct Card {
    pub(super) started: Time,
    pub(super) phase: Phase,
    pub(super) since: Time,
    pub(super) detail: Option<String>,
    /// Outcomes for messages: delivered, failed for now, bounced.
    pub(super) outcomes: [u64; 3],
    pub(super) delivered_this_connection: u64,
    /// Says true when the session is to end at once.
    pub(super) abort: watch::Sender<bool>,
}

/// What a session is at (interface C.14).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Phase {
    /// It has only begun.
    #[default]
    Starting,
    /// It waits for messages.
    Idle,
    /// It connects and says hello.
    AttemptingConnection,
    /// It delivers.
    DeliveringMessage,
    /// It says goodbye.
    Closing,
    /// It waits for the connection rate.
    ConnectionRateThrottled,
    /// It waits for a message rate.
    MessageRateThrottled,
    /// It collects messages for one call.
    AccumulatingBatch {
        /// How many it has.
        have: usize,
        /// How many it waits for.
        want: usize,
    },
}

/// Counters of a ready queue.
#[derive(Debug, Default)]
pub struct Totals {
    /// Messages delivered.
    pub delivered: AtomicU64,
    /// Attempts that failed for now.
    pub transfailed: AtomicU64,
    /// Messages bounced.
    pub failed: AtomicU64,
    /// Connections tried.
    pub connections: AtomicU64,
}

/// Why a message cannot be put into a ready queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unready {
    Full,
    Gone,
}

/// What a session finds to do.
pub(super) enum Found {
    Item(Item),
    /// There is something, but for another session.
    ForOthers,
    Nothing,
}

impl Rules {
    pub(super) fn new(path: &str, config: Arc<PathConfig>) -> Self {
        let own = |key: String, rate: &Option<Throttle>| rate.map(|rate| (key, rate));
        let named = |rates: &BTreeMap<String, Throttle>| -> Vec<_> {
            rates.iter().map(|(name, rate)| (name.clone(), *rate)).collect()
        };
        let mut message_rates = named(&config.additional_message_rate_throttles);
        message_rates.extend(own(format!("kumomta.max_message_rate.{path}"), &config.max_message_rate));
        let mut selection_rates = named(&config.additional_source_selection_rates);
        selection_rates.extend(own(format!("kumomta.source_selection_rate.{path}"), &config.source_selection_rate));
        let connection_rate = own(format!("{path}-connection-rate"), &config.max_connection_rate).into_iter().collect();
        Self { message_rates, selection_rates, connection_rate, config, asked: Instant::now() }
    }
}

impl Ready {
    pub(super) fn new(route: Route, rules: Rules) -> Self {
        let state = State {
            content: VecDeque::new(),
            lanes: Lanes::default(),
            sessions: BTreeMap::new(),
            busy: 0,
            failures: 0,
            closed_until: None,
            callers: Vec::new(),
            gone: false,
            idle_since: Instant::now(),
            lacks_lease: false,
        };
        Self {
            route: ArcSwap::from_pointee(route),
            rules: ArcSwap::from_pointee(rules),
            state: Mutex::new(state),
            stir: Notify::new(),
            change: Notify::new(),
            attention: Notify::new(),
            totals: Totals::default(),
        }
    }

    /// The way it stands for.
    pub fn route(&self) -> Arc<Route> {
        self.route.load_full()
    }

    /// Takes over where the exchangers of the site are now.
    pub(super) fn note_destination(&self, to: &Destination) {
        let route = self.route.load();
        if let (super::route::Means::Mx(known), super::route::Means::Mx(mx)) = (&route.to.means, &to.means)
            && !Arc::ptr_eq(known, mx)
        {
            let to = Destination { means: to.means.clone(), ..route.to.clone() };
            self.route.store(Arc::new(Route { to, ..Route::clone(&route) }));
        }
    }

    /// Its name.
    pub(super) fn path_name(&self) -> Arc<str> {
        self.route.load().path.clone()
    }

    /// Its name.
    pub fn path(&self) -> String {
        self.route.load().path.to_string()
    }

    /// What holds for the path.
    pub fn config(&self) -> Arc<PathConfig> {
        self.rules.load().config.clone()
    }

    pub(super) fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// Sets what holds for the path; gives what no longer fits into it.
    pub(super) fn set_rules(&self, rules: Rules) -> Vec<Item> {
        let max = rules.config.max_ready.max(1);
        self.rules.store(Arc::new(rules));
        let mut state = self.lock();
        let keep = state.content.len().min(max);
        let surplus = state.content.split_off(keep);
        drop(state);
        self.disturb();
        surplus.into()
    }

    pub(super) fn selection_rates(&self) -> Vec<(String, Throttle)> {
        self.rules.load().selection_rates.clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all who wait here: something has changed.
    pub(super) fn disturb(&self) {
        self.stir.notify_waiters();
        self.change.notify_waiters();
        self.attention.notify_one();
    }

    /// How many messages it holds.
    pub fn len(&self) -> usize {
        self.lock().content.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn push(&self, item: Item) -> Result<(), (Item, Unready)> {
        let config = self.rules.load().config.clone();
        let max = config.max_ready.max(1);
        let mut state = self.lock();
        if state.gone {
            return Err((item, Unready::Gone));
        }
        if state.content.len() >= max {
            return Err((item, Unready::Full));
        }
        state.content.push_back(item);
        let is_served = !state.sessions.is_empty();
        drop(state);
        let wakes = |strategy| !is_served || strategy == WakeupStrategy::Aggressive;
        if wakes(config.dispatcher_wakeup_strategy) {
            self.stir.notify_one();
        }
        if wakes(config.maintainer_wakeup_strategy) {
            self.attention.notify_one();
        }
        Ok(())
    }

    /// Takes messages back that were taken and not tried, in front of the others.
    pub(super) fn push_front(&self, items: impl DoubleEndedIterator<Item = Item>) {
        let mut state = self.lock();
        for item in items.rev() {
            state.content.push_front(item);
        }
        drop(state);
        self.disturb();
    }

    /// Notes that a scheduled queue waits for room; false when there is room by now.
    pub(super) fn call_when_there_is_room(&self, queue: &Arc<Scheduled>) -> bool {
        let max = self.rules.load().config.max_ready.max(1);
        let mut state = self.lock();
        if state.gone || state.content.len() < max {
            return false;
        }
        if !state.callers.iter().any(|caller| caller.as_ptr() == Arc::as_ptr(queue)) {
            state.callers.push(Arc::downgrade(queue));
        }
        true
    }

    /// The scheduled queues that wait for room, once there is enough.
    pub(super) fn callers(&self) -> Vec<Arc<Scheduled>> {
        let max = self.rules.load().config.max_ready.max(1);
        let mut state = self.lock();
        if state.callers.is_empty() || (state.content.len() > max / 2 && !state.gone) {
            return Vec::new();
        }
        std::mem::take(&mut state.callers).iter().filter_map(Weak::upgrade).collect()
    }

    /// Takes everything out.
    pub(super) fn drain(&self) -> Vec<Item> {
        let items = std::mem::take(&mut self.lock().content).into();
        self.attention.notify_one();
        items
    }

    /// Takes the first message out that suits a session.
    pub(super) fn take(&self, session: Uuid, suits: &Suits) -> Found {
        let now = Instant::now();
        let mut state = self.lock();
        let State { content, lanes, .. } = &mut *state;
        let at = content.iter().position(|item| lanes.suits(&item.domain, session, suits, now));
        let Some(item) = at.and_then(|at| content.remove(at)) else {
            return if lanes.is_empty() || !content.iter().any(|item| lanes.is_open(&item.domain, now)) {
                Found::Nothing
            } else {
                Found::ForOthers
            };
        };
        lanes.carry(&item.domain, session);
        state.busy += 1;
        if !state.callers.is_empty() {
            self.attention.notify_one();
        }
        Found::Item(item)
    }

    /// Notes that a session has no message in hand any more.
    pub(super) fn put_down(&self, messages: usize) {
        let mut state = self.lock();
        state.busy = state.busy.saturating_sub(messages);
    }

    /// How many messages ask for sessions: those in hand, and those that a new session could take.
    pub(super) fn demand(state: &State) -> (usize, usize) {
        let open = if state.lanes.is_empty() {
            state.content.len()
        } else {
            let now = Instant::now();
            state.content.iter().filter(|item| state.lanes.is_open(&item.domain, now)).count()
        };
        (open, state.busy)
    }

    /// The domain of the first message that a new session could take.
    pub(super) fn first_domain(&self) -> Option<Arc<str>> {
        let now = Instant::now();
        let state = self.lock();
        state.content.iter().find(|item| state.lanes.is_open(&item.domain, now)).map(|item| item.domain.clone())
    }

    pub(super) fn domains(&self) -> Vec<Arc<str>> {
        let state = self.lock();
        let mut domains: Vec<_> = state.content.iter().map(|item| item.domain.clone()).collect();
        domains.sort_unstable();
        domains.dedup();
        domains
    }

    pub(super) fn note_phase(&self, session: Uuid, phase: Phase, now: Time) {
        if let Some(card) = self.lock().sessions.get_mut(&session)
            && card.phase != phase
        {
            card.phase = phase;
            card.since = now;
        }
    }

    /// What records say of an attempt along this path, where no session says more.
    pub(super) fn attempt(&self, told: Attempt) -> Attempt {
        let route = self.route.load();
        Attempt {
            site: route.path.to_string(),
            pool: Some(route.pool.clone()),
            source: Some(route.source.name.clone()),
            provider: self.rules.load().config.provider_name.clone(),
            protocol: told.protocol.or_else(|| Some(route.delivery_protocol().to_owned())),
            ..told
        }
    }
}

impl State {
    /// When there is something to do that nobody is told of.
    pub(super) fn next(&self) -> Option<Instant> {
        let idle = self.content.is_empty() && self.sessions.is_empty();
        let blocked = self.lanes.next(Instant::now());
        blocked.or_else(|| idle.then(|| self.idle_since + super::upkeep::REAP))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.content.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.content.len()
    }

    /// The scheduled queues that its messages come from.
    pub(super) fn origins(&self) -> Vec<String> {
        let mut names: Vec<_> = self.content.iter().map(|item| item.queue.name.to_string()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Totals {
    pub(super) fn count(&self, kind: usize) {
        let counters = [&self.delivered, &self.transfailed, &self.failed];
        if let Some(counter) = counters.get(kind) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ready").field(&self.path_name()).finish()
    }
}
