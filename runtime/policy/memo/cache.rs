//! One cache: remembers outcomes by key, and lets one caller populate while others wait.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kumo_tsa_core::wire::format_duration;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Kept;
use crate::host::Host;

/// How long a failure is remembered.
const FAILURE_TTL: Duration = Duration::from_mins(1);
/// How long others wait for a value, unless `populate_timeout` says otherwise.
const POPULATE_TIMEOUT: Duration = Duration::from_mins(2);
/// How long others wait while there is an old value that they may have, unless `populate_timeout` says otherwise. Far
/// below the time that an event may take.
const STALE_PATIENCE: Duration = Duration::from_secs(5);
/// For a ttl beyond what the clock can tell: a century.
const AS_GOOD_AS_EVER: Duration = Duration::from_hours(876_600);
/// How often expired values are looked for.
const PRUNE: Duration = Duration::from_secs(30);
/// How often a caller looks again after a population that came to nothing.
const LOOKS: usize = 10;
/// How often a caller waits, with `retry_on_populate_timeout`.
const ATTEMPTS: usize = 3;

/// The second argument of `kumo.memoize`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Caches of one name are one cache.
    pub name: String,
    /// How long a value is good.
    #[serde(deserialize_with = "crate::policy::duration")]
    pub ttl: Duration,
    /// How many values are kept; more push out those that were not asked for longest.
    pub capacity: usize,
    /// Values end with the configuration epoch. Default: false.
    #[serde(default)]
    pub invalidate_with_epoch: bool,
    /// Callers that waited in vain try again, up to 3 times in all. Default: false.
    #[serde(default)]
    pub retry_on_populate_timeout: bool,
    /// How long callers wait for another one that populates. Default: 120 s.
    #[serde(default, deserialize_with = "crate::policy::optional_duration")]
    pub populate_timeout: Option<Duration>,
    /// Callers get the value of before when the new one takes too long. Default: false.
    #[serde(default)]
    pub allow_stale_reads: bool,
}

/// All caches of a host, by name.
#[derive(Default)]
pub struct Caches(Mutex<HashMap<String, Arc<Cache>>>);

impl Caches {
    /// Those of this host.
    pub fn of(host: &Host) -> Arc<Self> {
        host.slot(Self::default)
    }

    /// The cache of that name; other parameters than before replace it by an empty one.
    pub fn declare(&self, params: Params) -> Arc<Cache> {
        let mut caches = lock(&self.0);
        match caches.get(&params.name) {
            Some(cache) if cache.params == params => cache.clone(),
            _ => {
                let name = params.name.clone();
                let cache = Arc::new(Cache::new(params));
                caches.insert(name, cache.clone());
                cache
            }
        }
    }
}

/// Remembers what one function returned.
pub struct Cache {
    params: Params,
    state: Mutex<State>,
}

struct State {
    slots: HashMap<Arc<str>, Slot>,
    /// Counts look-ups, to tell which slot was not asked for longest.
    tick: u64,
    flights: u64,
    pruned: Instant,
}

#[derive(Default)]
struct Slot {
    entry: Option<Entry>,
    flight: Option<Flight>,
    touched: u64,
}

struct Entry {
    outcome: mlua::Result<Kept>,
    expires: Instant,
    epoch: u64,
}

/// A population that is under way. Its sender goes when it ends, also when its caller is cancelled.
struct Flight {
    id: u64,
    epoch: u64,
    deadline: Instant,
    done: watch::Receiver<()>,
}

enum Look {
    Found(mlua::Result<Kept>),
    Wait { done: watch::Receiver<()>, old: Option<Kept> },
    Populate { id: u64, done: watch::Sender<()> },
}

/// A caller waited in vain.
struct TimedOut;

impl Cache {
    fn new(params: Params) -> Self {
        let state = State { slots: HashMap::new(), tick: 0, flights: 0, pruned: Instant::now() };
        Self { params, state: Mutex::new(state) }
    }

    /// What is remembered for `key`, or what `populate` makes: of several callers at a time one populates.
    ///
    /// # Errors
    /// What `populate` raised, now or within the last 60 s; or when another caller takes too long to populate.
    pub async fn get<F: Future<Output = mlua::Result<Kept>>>(
        &self,
        host: &Host,
        key: &str,
        mut populate: impl FnMut() -> F,
    ) -> mlua::Result<Kept> {
        let attempts = if self.params.retry_on_populate_timeout { ATTEMPTS } else { 1 };
        for _ in 0..attempts {
            if let Ok(outcome) = self.attempt(host, key, &mut populate).await {
                return outcome;
            }
        }
        Err(mlua::Error::runtime(format!(
            "{} lookup for {key} timed out after {} on semaphore acquire while waiting for cache to populate",
            self.params.name,
            format_duration(self.timeout())
        )))
    }

    async fn attempt<F: Future<Output = mlua::Result<Kept>>>(
        &self,
        host: &Host,
        key: &str,
        populate: &mut impl FnMut() -> F,
    ) -> Result<mlua::Result<Kept>, TimedOut> {
        let began = Instant::now();
        for _ in 0..LOOKS {
            let epoch = host.epoch().current();
            match self.look(key, epoch) {
                Look::Found(outcome) => return Ok(outcome),
                Look::Populate { id, done } => {
                    let outcome = populate().await;
                    self.store(key, id, epoch, &outcome);
                    drop(done);
                    return Ok(outcome);
                }
                Look::Wait { mut done, old } => {
                    let patience = match (&old, self.params.populate_timeout) {
                        (Some(_), None) => STALE_PATIENCE,
                        _ => self.timeout(),
                    };
                    if timeout_at(began + patience, done.changed()).await.is_err() {
                        return old.map(Ok).ok_or(TimedOut);
                    }
                }
            }
        }
        Ok(Err(mlua::Error::runtime(format!(
            "{} lookup for {key}: gave up after {LOOKS} populations that were cancelled",
            self.params.name
        ))))
    }

    fn timeout(&self) -> Duration {
        self.params.populate_timeout.unwrap_or(POPULATE_TIMEOUT)
    }

    fn look(&self, key: &str, epoch: u64) -> Look {
        let now = Instant::now();
        let mut state = lock(&self.state);
        let State { slots, tick, flights, pruned } = &mut *state;
        if now.duration_since(*pruned) >= PRUNE {
            *pruned = now;
            slots.retain(|_, slot| slot.is_in_flight() || self.keeps(slot, now));
        }
        *tick += 1;
        if !slots.contains_key(key) {
            self.make_room(slots);
            slots.insert(key.into(), Slot::default());
        }
        let slot = slots.entry(key.into()).or_default();
        slot.touched = *tick;
        if let Some(entry) = &slot.entry
            && now < entry.expires
            && self.is_of_epoch(entry.epoch, epoch)
        {
            return Look::Found(entry.outcome.clone());
        }
        if let Some(flight) = &slot.flight
            && flight.is_alive()
            && now < flight.deadline
            && (self.params.allow_stale_reads || self.is_of_epoch(flight.epoch, epoch))
        {
            let old = slot.entry.as_ref().filter(|_| self.params.allow_stale_reads);
            let old = old.and_then(|entry| entry.outcome.clone().ok());
            return Look::Wait { done: flight.done.clone(), old };
        }
        *flights += 1;
        let (done, receiver) = watch::channel(());
        let deadline = now.checked_add(self.timeout()).unwrap_or(now + POPULATE_TIMEOUT);
        slot.flight = Some(Flight { id: *flights, epoch, deadline, done: receiver });
        Look::Populate { id: *flights, done }
    }

    fn is_of_epoch(&self, of: u64, current: u64) -> bool {
        !self.params.invalidate_with_epoch || of == current
    }

    fn keeps(&self, slot: &Slot, now: Instant) -> bool {
        slot.entry.as_ref().is_some_and(|entry| now < entry.expires || self.params.allow_stale_reads)
    }

    /// Several go at a time, so that a full cache does not search for the oldest at each new key.
    fn make_room(&self, slots: &mut HashMap<Arc<str>, Slot>) {
        let capacity = self.params.capacity.max(1);
        if slots.len() < capacity {
            return;
        }
        let mut idle: Vec<(u64, Arc<str>)> = slots
            .iter()
            .filter(|(_, slot)| !slot.is_in_flight())
            .map(|(key, slot)| (slot.touched, key.clone()))
            .collect();
        idle.sort_unstable();
        let surplus = slots.len() + 1 - capacity;
        for (_, key) in idle.into_iter().take(surplus.max(capacity / 16)) {
            slots.remove(&key);
        }
    }

    /// Remembers an outcome, unless another caller has taken over since.
    fn store(&self, key: &str, id: u64, epoch: u64, outcome: &mlua::Result<Kept>) {
        let now = Instant::now();
        let ttl = if outcome.is_ok() { self.params.ttl } else { FAILURE_TTL };
        let mut state = lock(&self.state);
        if let Some(slot) = state.slots.get_mut(key)
            && slot.flight.as_ref().is_some_and(|flight| flight.id == id)
        {
            slot.flight = None;
            let expires = now.checked_add(ttl).unwrap_or(now + AS_GOOD_AS_EVER);
            slot.entry = Some(Entry { outcome: outcome.clone(), expires, epoch });
        }
    }
}

impl Slot {
    fn is_in_flight(&self) -> bool {
        self.flight.as_ref().is_some_and(Flight::is_alive)
    }
}

impl Flight {
    fn is_alive(&self) -> bool {
        self.done.has_changed().is_ok()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
