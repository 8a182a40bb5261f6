//! The state, its store and its feeds behind one handle: what is published is decided, stored, applied and told, in this
//! order (semantics D1, P4).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::ws::Utf8Bytes;
use kumo_tsa_core::decide::{Change, Decision, EffectId, Slot, Started, State, Touched, decide};
use kumo_tsa_core::shaping::Shaping;
use kumo_tsa_core::wire::{Record, Time};
use tokio::sync::{Notify, broadcast, oneshot};
use tokio::time::Instant;

use super::announce::Announcements;
use super::feed::Feed;
use super::matched::Matched;
use super::metrics::{Metrics, Outcome};
use super::mirror::{Mirror, Overlay};
use super::told::Told;
use crate::host::store::{self, Batch, Store};
use crate::host::{Clock, Host};
use crate::shaping::Handle;

/// A wall clock that differs from an even clock by more than this between two looks has jumped (semantics C2).
const JUMP_MICROS: u64 = 1_000_000;

/// Nothing can be stored at the moment; nothing has changed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}; try again later")]
pub(super) struct Unavailable(Arc<store::Error>);

impl From<store::Error> for Unavailable {
    fn from(cause: store::Error) -> Self {
        Self(Arc::new(cause))
    }
}

/// Stored state that cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What it holds is not this program's state.
    #[error("cannot take up the state in `{folder}`")]
    State {
        /// The store's folder.
        folder: String,
        /// What is wrong with it.
        source: kumo_tsa_core::decide::LoadError,
    },
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Engine").field(&self.store).finish()
    }
}

/// Decides, stores, applies and tells.
pub(super) struct Engine {
    clock: Clock,
    store: Store,
    /// Whether records are acknowledged only when they are on disk.
    sync: bool,
    rules: ArcSwap<Handle>,
    held: Mutex<Held>,
    /// Who decides.
    turn: tokio::sync::Mutex<()>,
    mirror: Arc<Mirror>,
    told: Told,
    /// The next end may be another now.
    ends: Notify,
    metrics: Metrics,
    announcements: Announcements,
    instance: String,
}

struct Held {
    /// What is stored, and what is about to be.
    state: State,
    looked: Look,
    waiting: Waiting,
}

/// What has been decided and applied and is not stored yet: publishes that come at the same time are stored at once.
#[derive(Default)]
struct Waiting {
    changes: Vec<Change>,
    touched: Vec<Touched>,
    publishes: Vec<oneshot::Sender<Stored>>,
}

/// The number of the store's batch, if there was anything to store.
type Stored = Result<Option<u64>, Unavailable>;

/// Has the duty to store what waits, and does so when it is dropped: also when the request that took it on is given up.
struct Duty<'e>(&'e Engine);

impl Drop for Duty<'_> {
    fn drop(&mut self) {
        let mut held = self.0.lock();
        let now = held.looked.wall;
        self.0.settle(&mut held, now);
    }
}

/// The two clocks at one moment.
#[derive(Clone, Copy)]
struct Look {
    wall: Time,
    even: Instant,
}

impl Engine {
    /// An engine that goes on where the store's state ends. Blocks on the disk.
    pub(super) fn new(
        host: &Host,
        store: Store,
        sync: bool,
        rules: Handle,
        metrics: Metrics,
    ) -> Result<Self, LoadError> {
        if store.rows()?.next().is_none() {
            let mut header = Batch::default();
            State::write_header(&mut header);
            store.append(header)?;
        }
        let state = load(&store)?;
        let clock = host.clock().clone();
        let looked = Look { wall: clock.now(), even: clock.instant() };
        let mirror = Arc::new(Mirror::new(&state));
        let engine = Self {
            told: Told::new(&mirror, &clock),
            clock,
            sync,
            rules: ArcSwap::from_pointee(rules),
            mirror,
            held: Mutex::new(Held { state, looked, waiting: Waiting::default() }),
            turn: tokio::sync::Mutex::default(),
            ends: Notify::new(),
            announcements: Announcements::new(metrics.clone()),
            metrics,
            instance: uuid::Uuid::new_v4().to_string(),
            store,
        };
        {
            let held = engine.lock();
            engine.told.everything(&held.state, looked.wall);
            engine.count(&held.state);
        }
        Ok(engine)
    }

    /// Takes records in. When it returns, what they changed is stored and has been told to the feeds.
    ///
    /// All changes of one call are stored together, or none.
    pub(super) async fn publish(&self, records: &[Record<'_>]) -> Result<(), Unavailable> {
        let rules = self.rules();
        let matched: Vec<_> = records.iter().filter_map(|record| self.matched(&rules, record)).collect();
        if matched.is_empty() {
            return Ok(());
        }
        let stored = self.take_in(&matched).await.inspect_err(|_| {
            for one in &matched {
                self.metrics.record(Some(one.record.kind), Outcome::Unavailable);
            }
        });
        let (number, decisions) = stored?;
        for (one, (outcome, decision)) in matched.iter().zip(decisions) {
            self.metrics.record(Some(one.record.kind), outcome);
            self.announcements.decided(decision);
        }
        self.acknowledge(number).await
    }

    async fn acknowledge(&self, number: Option<u64>) -> Result<(), Unavailable> {
        match number {
            Some(number) if self.sync => Ok(self.store.synced(number).await?),
            _ => Ok(()),
        }
    }

    /// Looks up the record's rules, without holding anything up. Most records match none and are done with.
    fn matched<'r>(&self, rules: &'r Shaping, record: &'r Record<'r>) -> Option<Matched<'r>> {
        if record.site.is_empty() {
            self.metrics.record(Some(record.kind), Outcome::NoSite);
            return None;
        }
        let matched = Matched::find(rules, record);
        for rule in matched.exceeded() {
            self.announcements.bound_hit(rule);
        }
        let hits = matched.rules();
        for rule in &hits {
            self.metrics.matched(rule);
        }
        if hits.is_empty() {
            self.metrics.record(Some(record.kind), Outcome::Unmatched);
            return None;
        }
        Some(matched)
    }

    /// Decides on records that match and has stored what they change when it returns. Tells the number of the store's
    /// batch, if there is one, and what was decided.
    async fn take_in(&self, matched: &[Matched<'_>]) -> Result<(Option<u64>, Vec<(Outcome, Decision)>), Unavailable> {
        // Waiting here gives the thread to others; waiting for the lock itself would put it to sleep.
        let turn = self.turn.lock().await;
        let (decisions, stored, duty) = self.decide(matched)?;
        drop(turn);
        if duty.is_some() {
            // Those who are ready to decide do so first, and are stored with it.
            tokio::task::yield_now().await;
            drop(duty);
        }
        // A sender is dropped without a word only when the process ends.
        let number = stored.await.unwrap_or(Ok(None))?;
        Ok((number, decisions))
    }

    /// Decides, applies, and puts the changes to those that wait for the store. The first of them gets the duty to store
    /// them all.
    #[expect(clippy::type_complexity, reason = "three things for one caller")]
    fn decide(
        &self,
        matched: &[Matched<'_>],
    ) -> Result<(Vec<(Outcome, Decision)>, oneshot::Receiver<Stored>, Option<Duty<'_>>), store::Error> {
        let mut held = self.lock();
        self.store.check()?;
        let now = self.look(&mut held)?;
        let Held { state, waiting, .. } = &mut *held;
        let decisions = matched.iter().map(|one| {
            let mut decision = decide(state, one, one.record, now);
            let outcome = if decision.changes.is_empty() { Outcome::Unchanged } else { Outcome::Counted };
            // What the next is decided on includes this one. Nobody sees it before it is stored.
            waiting.touched.extend(decision.changes.iter().filter_map(|change| state.apply(change)));
            waiting.changes.append(&mut decision.changes);
            (outcome, decision)
        });
        let decisions = decisions.collect();
        let (tell, stored) = oneshot::channel();
        let first = waiting.publishes.is_empty();
        waiting.publishes.push(tell);
        // Made for the first alone: dropping one takes the lock that is held here.
        Ok((decisions, stored, first.then(|| Duty(self))))
    }

    /// Stores what waits, tells the feeds of it, and lets the publishes that brought it go on. Everything else that
    /// changes the state does this first, so that changes are stored in the order in which they were applied.
    fn settle(&self, held: &mut Held, now: Time) {
        if held.waiting.publishes.is_empty() {
            return;
        }
        let Waiting { changes, mut touched, publishes } = std::mem::take(&mut held.waiting);
        let changes = newest(&changes);
        touched.sort_by_key(|one| one.id);
        touched.dedup_by_key(|one| one.id);
        let stored: Stored = self.append(changes.iter().copied().collect()).map_err(Unavailable::from);
        match &stored {
            Ok(_) => self.tell(held, changes.into_iter(), &touched, now),
            Err(_) => self.go_back(held),
        }
        for publish in publishes {
            // Who does not wait any more has been given up by its client.
            let _ = publish.send(stored.clone());
        }
    }

    fn append(&self, batch: Batch) -> Result<Option<u64>, store::Error> {
        if batch.is_empty() {
            return Ok(None);
        }
        let began = Instant::now();
        let number = self.store.append(batch).inspect_err(|_| {
            self.metrics.store_failures.inc();
        })?;
        self.metrics.store_append.observe(began.elapsed().as_secs_f64());
        Ok(Some(number))
    }

    /// Makes the state what the store holds, after changes that could not be stored.
    fn go_back(&self, held: &mut Held) {
        match load(&self.store) {
            Ok(state) => held.state = state,
            Err(cause) => tracing::error!("{:#}", anyhow::Error::from(cause)),
        }
    }

    /// Tells of what has been stored and applied.
    fn tell<'c>(&self, held: &Held, changes: impl Iterator<Item = &'c Change>, touched: &[Touched], now: Time) {
        if !touched.is_empty() {
            self.mirror.follow(changes);
            self.told.changes(&held.state, touched, now);
            self.ends.notify_one();
        }
        self.count(&held.state);
    }

    fn count(&self, state: &State) {
        self.metrics.effects_live.set(i64::try_from(state.effect_count()).unwrap_or(i64::MAX));
        self.metrics.windows.set(i64::try_from(state.window_count()).unwrap_or(i64::MAX));
    }

    /// The time, after a look whether the wall clock has jumped since the last one (semantics C2).
    fn look(&self, held: &mut Held) -> Result<Time, store::Error> {
        let look = Look { wall: self.clock.now(), even: self.clock.instant() };
        let even = i64::try_from(look.even.duration_since(held.looked.even).as_micros()).unwrap_or(i64::MAX);
        let wall = look.wall.micros().saturating_sub(held.looked.wall.micros());
        let delta = wall.saturating_sub(even);
        if delta.unsigned_abs() > JUMP_MICROS {
            let before = held.looked.wall;
            self.settle(held, before);
            let change = held.state.clock_jumped(look.wall, delta);
            self.append([&change].into_iter().collect())?;
            held.state.apply(&change);
            self.mirror.follow([&change]);
            // The ends that subscribers know are wall times, and these are others now.
            self.told.everything(&held.state, look.wall);
            tracing::warn!("the wall clock jumped by {:.3} s; what is in force keeps its length", delta as f64 / 1e6);
        }
        held.looked = look;
        Ok(look.wall)
    }

    /// Ends an effect by hand. Tells whether it was in force.
    pub(super) async fn cancel(&self, id: EffectId) -> Result<bool, Unavailable> {
        let number = {
            let mut held = self.lock();
            let now = self.look(&mut held)?;
            self.settle(&mut held, now);
            let Some(change) = held.state.cancel(id, now) else { return Ok(false) };
            self.change(&mut held, std::slice::from_ref(&change), now)?
        };
        self.acknowledge(number).await.map(|()| true)
    }

    fn change(&self, held: &mut Held, changes: &[Change], now: Time) -> Result<Option<u64>, store::Error> {
        let number = self.append(changes.iter().collect())?;
        let touched: Vec<_> = changes.iter().filter_map(|change| held.state.apply(change)).collect();
        self.tell(held, changes.iter(), &touched, now);
        Ok(number)
    }

    /// Forgets what is over, as it ends; runs until it is dropped.
    pub(super) async fn expire(&self) {
        loop {
            let next = self.expire_once();
            let end = async {
                match next {
                    Some(wait) => self.clock.sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.ends.notified() => {}
                () = end => {}
            }
        }
    }

    /// Forgets what is over now and tells how long it is to the next end.
    fn expire_once(&self) -> Option<Duration> {
        /// So that ends close to one another are dealt with together.
        const TOGETHER: Duration = Duration::from_millis(10);
        /// When the store takes no writes.
        const LATER: Duration = Duration::from_secs(1);
        let mut held = self.lock();
        let done = self.look(&mut held).and_then(|now| {
            self.settle(&mut held, now);
            let over = held.state.expire(now);
            if !over.is_empty() {
                self.change(&mut held, &over, now)?;
            }
            Ok(now)
        });
        match done {
            Ok(now) => held.state.next_end().map(|end| end.since(now).saturating_add(TOGETHER)),
            Err(_) => Some(LATER),
        }
    }

    /// Calls `read` with what is in force; publishing goes on meanwhile.
    pub(super) fn read<T>(&self, read: impl FnOnce(&State, Time) -> T) -> T {
        let now = self.seen();
        self.mirror.read(|state| read(state, now))
    }

    /// The generated `shaping.toml`.
    pub(super) fn overlay(&self) -> Arc<Overlay> {
        self.mirror.overlay(self.seen())
    }

    /// The time for those who only look: a clock that has jumped since the last record counts for them as well.
    fn seen(&self) -> Time {
        let mut held = self.lock();
        // A store that takes no writes keeps nobody from looking.
        self.look(&mut held).unwrap_or_else(|_| self.clock.now())
    }

    /// Puts other rules in force. What is being decided goes on with the old ones.
    pub(super) fn set_rules(&self, rules: Handle) {
        self.rules.store(Arc::new(rules));
    }

    /// The rules in force.
    pub(super) fn rules(&self) -> Arc<Shaping> {
        self.rules.load().current()
    }

    /// What is counted.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What existing mail hosts are told: suspensions and bounces.
    pub(super) fn holds(&self) -> Arc<Feed<Slot>> {
        self.told.holds.clone()
    }

    /// All effects.
    pub(super) fn effects(&self) -> Arc<Feed<EffectId>> {
        self.told.effects.clone()
    }

    /// What is sent before all effects.
    pub(super) fn begin(&self) -> Utf8Bytes {
        serde_json::json!({"Begin": {"instance": self.instance}}).to_string().into()
    }

    /// Effects as they begin or are prolonged, for those who watch.
    pub(super) fn watch(&self) -> broadcast::Receiver<Arc<Started>> {
        self.announcements.watch()
    }

    /// Everything that has been stored is on disk when this returns. Blocks on the disk.
    pub(super) fn sync(&self) -> Result<(), store::Error> {
        self.store.sync()
    }

    /// Syncs the store and opens it again after failures; runs until it is dropped.
    pub(super) async fn attend_store(&self) {
        self.store.attend(&self.clock, self.sync).await;
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn load(store: &Store) -> Result<State, LoadError> {
    let mut failed = None;
    let rows = store.rows()?.map_while(|row| row.map_err(|error| failed = Some(error)).ok());
    let state = State::load(rows)
        .map_err(|source| LoadError::State { folder: store.folder().display().to_string(), source })?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(state),
    }
}

/// The changes in their order; of those of one effect the last alone, which says all.
fn newest(changes: &[Change]) -> Vec<&Change> {
    let mut newest: Vec<_> = changes.iter().collect();
    if changes.len() > 1 {
        let mut seen = HashSet::new();
        newest.reverse();
        newest.retain(|change| match change {
            Change::Effect(effect) => seen.insert(effect.id()),
            Change::Ended(id) => seen.insert(*id),
            _ => true,
        });
        newest.reverse();
    }
    newest
}
