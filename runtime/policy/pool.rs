//! Spare Lua contexts, kept for the next event (interface B.6).

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::metrics::{Counted, Metrics};
use super::vm::Vm;

/// How often spare contexts that are too old are looked for. There is no timer: it happens when one is taken or put back.
const SWEEP: Duration = Duration::from_secs(30);

/// What a policy can set about the pool, with `kumo.set_max_spare_lua_contexts` and its like.
#[derive(Debug)]
pub struct Knobs {
    max_spare: AtomicUsize,
    max_uses: AtomicU64,
    max_age_secs: AtomicU64,
    gc_percent: AtomicU64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            max_spare: AtomicUsize::new(8192),
            max_uses: AtomicU64::new(1024),
            max_age_secs: AtomicU64::new(300),
            gc_percent: AtomicU64::new(0),
        }
    }
}

impl Knobs {
    /// How many contexts are kept while nothing uses them; 8192 at first.
    pub fn set_max_spare(&self, contexts: usize) {
        self.max_spare.store(contexts, Ordering::Relaxed);
    }

    /// After how many events a context is dropped; 1024 at first.
    pub fn set_max_uses(&self, events: u64) {
        self.max_uses.store(events, Ordering::Relaxed);
    }

    /// After how many seconds a context is dropped; 300 at first.
    pub fn set_max_age(&self, seconds: u64) {
        self.max_age_secs.store(seconds, Ordering::Relaxed);
    }

    /// At how many of 100 returns to the pool a context collects its garbage; 0 at first.
    pub fn set_gc_percent(&self, percent: u64) {
        self.gc_percent.store(percent.min(100), Ordering::Relaxed);
    }

    fn max_age(&self) -> Duration {
        Duration::from_secs(self.max_age_secs.load(Ordering::Relaxed))
    }
}

/// What the contexts of a policy have done so far.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// How often the policy file was evaluated.
    pub loads: u64,
    /// Contexts that exist, those of spawned tasks and the spare ones included.
    pub live: usize,
    /// Contexts that wait for the next event.
    pub spare: usize,
    /// By event.
    pub events: BTreeMap<String, EventStats>,
}

/// What one event has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventStats {
    /// How often it was called.
    pub started: u64,
    /// How often it came to an end.
    pub finished: u64,
    /// How often it failed.
    pub failed: u64,
    /// How long all that finished took together.
    pub total: Duration,
    /// How long the longest took.
    pub longest: Duration,
}

pub(super) struct Pool {
    pub(super) knobs: Arc<Knobs>,
    pub(super) permits: Arc<Semaphore>,
    spare: Mutex<Spare>,
    events: Mutex<BTreeMap<String, EventStats>>,
    loads: AtomicU64,
    live: Arc<AtomicUsize>,
    released: AtomicU64,
    metrics: Arc<Metrics>,
}

struct Spare {
    queue: VecDeque<(Vm, Counted)>,
    swept: Instant,
}

/// Counts one context as long as it lives.
pub(super) struct Live(Arc<AtomicUsize>, #[expect(dead_code, reason = "it counts as long as it is there")] Counted);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    pub(super) fn new(max_live: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            knobs: Arc::default(),
            permits: Arc::new(Semaphore::new(max_live.min(Semaphore::MAX_PERMITS))),
            spare: Mutex::new(Spare { queue: VecDeque::new(), swept: Instant::now() }),
            events: Mutex::default(),
            loads: AtomicU64::new(0),
            live: Arc::default(),
            released: AtomicU64::new(0),
            metrics,
        }
    }

    /// Counts a new context.
    pub(super) fn count(&self) -> Live {
        self.loads.fetch_add(1, Ordering::Relaxed);
        self.live.fetch_add(1, Ordering::Relaxed);
        self.metrics.loads.inc();
        Live(self.live.clone(), self.metrics.live())
    }

    /// The spare context that waits longest and may still be used.
    pub(super) fn take(&self, epoch: u64) -> Option<Vm> {
        let now = Instant::now();
        let mut dropped = Vec::new();
        let mut spare = lock(&self.spare);
        self.sweep(&mut spare, now, epoch, &mut dropped);
        while let Some((vm, _)) = spare.queue.pop_front() {
            if self.usable(&vm, now, epoch) {
                return Some(vm);
            }
            dropped.push(vm);
        }
        None
    }

    /// Takes a context back after an event that went well.
    pub(super) fn put(&self, mut vm: Vm, epoch: u64) {
        vm.uses += 1;
        let now = Instant::now();
        if vm.uses >= self.knobs.max_uses.load(Ordering::Relaxed) || !self.usable(&vm, now, epoch) {
            return;
        }
        if self.gc_is_due() && vm.lua.gc_collect().is_err() {
            return;
        }
        let mut dropped = Vec::new();
        let mut spare = lock(&self.spare);
        self.sweep(&mut spare, now, epoch, &mut dropped);
        if spare.queue.len() < self.knobs.max_spare.load(Ordering::Relaxed) {
            spare.queue.push_back((vm, self.metrics.spare()));
        }
    }

    fn usable(&self, vm: &Vm, now: Instant, epoch: u64) -> bool {
        vm.epoch == epoch && now.duration_since(vm.born) <= self.knobs.max_age()
    }

    /// Contexts end outside of the lock: their finalizers run Lua.
    fn sweep(&self, spare: &mut Spare, now: Instant, epoch: u64, dropped: &mut Vec<Vm>) {
        if now.duration_since(spare.swept) < SWEEP {
            return;
        }
        spare.swept = now;
        let all = std::mem::take(&mut spare.queue);
        for (vm, counted) in all {
            if self.usable(&vm, now, epoch) {
                spare.queue.push_back((vm, counted));
            } else {
                dropped.push(vm);
            }
        }
    }

    /// Spreads the collections evenly instead of drawing lots.
    fn gc_is_due(&self) -> bool {
        let percent = self.knobs.gc_percent.load(Ordering::Relaxed);
        let turn = self.released.fetch_add(1, Ordering::Relaxed);
        (turn + 1) * percent / 100 > turn * percent / 100
    }

    pub(super) fn started(&self, event: &str) {
        self.metrics.started(event);
        lock(&self.events).entry(event.to_owned()).or_default().started += 1;
    }

    pub(super) fn finished(&self, event: &str, took: Duration, well: bool) {
        self.metrics.finished(event, took);
        if let Some(stats) = lock(&self.events).get_mut(event) {
            stats.finished += 1;
            stats.failed += u64::from(!well);
            stats.total += took;
            stats.longest = stats.longest.max(took);
        }
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            loads: self.loads.load(Ordering::Relaxed),
            live: self.live.load(Ordering::Relaxed),
            spare: lock(&self.spare).queue.len(),
            events: lock(&self.events).clone(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
