//! What runs the queues: the timer's task, those that watch holds and overrides, and the tables of queues.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use kumo_tsa_core::wire::Time;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::ramp::Ramp;
use super::ready::Ready;
use super::scheduled::{Scheduled, State, Waiting};
use super::timer::{Key, Timer};
use super::world::World;
use crate::host::Clock;
use crate::mail::config::{Protocol, QueueConfig};

/// After how long an empty queue is forgotten that the policy was never asked about.
const REAP: Duration = Duration::from_mins(10);

/// Further ahead than this nothing is looked at.
const FAR: Duration = Duration::from_hours(24 * 365);

/// How many messages that were held back are let go in a second, while that takes no longer than the ramp.
const RELEASED_PER_SEC: f64 = 100.0;

/// Everything that is queued, and what moves it.
pub struct Engine {
    pub(super) world: Arc<dyn World>,
    pub(super) clock: Clock,
    pub(super) ramp: Ramp,
    timer: Timer<Scheduled>,
    scheduled: Mutex<HashMap<Arc<str>, Arc<Scheduled>>>,
    ready: Mutex<HashMap<Arc<str>, Arc<Ready>>>,
    /// Places for work on the host's own queues.
    pub(super) internal: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
    /// How many tasks are at work.
    tasks: watch::Sender<usize>,
    me: Weak<Engine>,
}

impl Engine {
    /// Starts with empty queues.
    pub fn start(world: Arc<dyn World>, clock: Clock) -> Arc<Self> {
        let engine = Arc::new_cyclic(|me| Self {
            world,
            clock,
            ramp: Ramp::default(),
            timer: Timer::default(),
            scheduled: Mutex::default(),
            ready: Mutex::default(),
            internal: Arc::new(Semaphore::new(super::internal::AT_A_TIME)),
            stopping: watch::Sender::new(false),
            tasks: watch::Sender::new(0),
            me: me.clone(),
        });
        let holds = engine.world.holds().changed();
        engine.spawn(Self::keep_time);
        engine.spawn(|engine| engine.watch_holds(holds));
        engine.spawn(Self::watch_overrides);
        engine
    }

    /// Starts a task that [`stop`](Self::stop) waits for.
    pub(super) fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: impl FnOnce(Arc<Self>) -> F) {
        let Some(engine) = self.me.upgrade() else { return };
        self.tasks.send_modify(|tasks| *tasks += 1);
        let counted = Counted(self.tasks.clone());
        let task = task(engine);
        tokio::spawn(async move {
            task.await;
            drop(counted);
        });
    }

    /// Stops: no message leaves a queue any more, sessions end after the message that they are at. Returns when all have,
    /// or when `patience` is over; tells whether all have.
    pub async fn stop(&self, patience: Duration) -> bool {
        self.stopping.send_replace(true);
        for ready in self.ready_queues() {
            ready.disturb();
        }
        let mut tasks = self.tasks.subscribe();
        let ended = tokio::time::timeout(patience, tasks.wait_for(|tasks| *tasks == 0)).await.is_ok();
        self.keep_all().await;
        ended
    }

    /// Puts what waits into the spool, where its way there was deferred.
    async fn keep_all(&self) {
        for ready in self.ready_queues() {
            for item in ready.drain() {
                self.keep(&item.message).await;
            }
        }
        for queue in self.scheduled_queues() {
            let waiting: Vec<_> = {
                let state = queue.lock();
                let all = state.waiting.values().chain(state.held.values());
                all.filter(|waiting| !waiting.message.is_in_spool()).cloned().collect()
            };
            for waiting in waiting {
                self.keep(&waiting.message).await;
            }
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Returns when it is to stop.
    pub(super) async fn stopped(&self) {
        // An error means that nobody can ask any more.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// The scheduled queue of this name, made if there is none.
    pub(super) fn scheduled(&self, name: &str) -> Arc<Scheduled> {
        let mut table = lock(&self.scheduled);
        if let Some(queue) = table.get(name) {
            return queue.clone();
        }
        let name: Arc<str> = name.into();
        let queue = Arc::new(Scheduled::new(name.clone(), self.clock.now()));
        table.insert(name, queue.clone());
        queue
    }

    /// The scheduled queue of this name.
    pub fn find_scheduled(&self, name: &str) -> Option<Arc<Scheduled>> {
        lock(&self.scheduled).get(name).cloned()
    }

    /// All scheduled queues.
    pub fn scheduled_queues(&self) -> Vec<Arc<Scheduled>> {
        lock(&self.scheduled).values().cloned().collect()
    }

    /// The ready queue of this name.
    pub fn find_ready(&self, path: &str) -> Option<Arc<Ready>> {
        lock(&self.ready).get(path).cloned()
    }

    /// All ready queues.
    pub fn ready_queues(&self) -> Vec<Arc<Ready>> {
        lock(&self.ready).values().cloned().collect()
    }

    /// The table of ready queues, for who adds or takes away.
    pub(super) fn ready_table(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Ready>>> {
        lock(&self.ready)
    }

    /// What the policy says of a scheduled queue; asked again when that is due. When that fails, what it said before holds.
    ///
    /// # Errors
    /// When it fails and nothing was said before.
    pub(super) async fn config(&self, queue: &Scheduled) -> Result<Arc<QueueConfig>, String> {
        let epoch = *self.world.epoch().borrow();
        if let Some(config) = queue.fresh_config(epoch) {
            return Ok(config);
        }
        let _asking = queue.asking.lock().await;
        if let Some(config) = queue.fresh_config(epoch) {
            return Ok(config);
        }
        match self.world.queue_config(&queue.name, &queue.parts()).await {
            Ok(config) => {
                let config = Arc::new(config);
                queue.set_config(config.clone(), epoch);
                Ok(config)
            }
            Err(error) => {
                let config = queue.config().ok_or_else(|| error.clone())?;
                tracing::error!("queue `{}`: its configuration stays as it was: {error}", queue.name);
                queue.set_config(config.clone(), epoch);
                Ok(config)
            }
        }
    }

    /// Whether the policy has answers for a new message of this queue: what holds for it, and the pool that it leaves by.
    ///
    /// # Errors
    /// What the policy fails with.
    pub(super) async fn admit(&self, name: &str) -> Result<(), String> {
        let config = self.config(&self.scheduled(name)).await?;
        if !matches!(config.protocol, Protocol::Null | Protocol::Maildir { .. }) {
            self.world.pool(config.pool()).await?;
        }
        Ok(())
    }

    /// The point in time on the clock that never jumps.
    pub(super) fn instant(&self, time: Time) -> Instant {
        Instant::now() + time.since(self.clock.now()).min(FAR)
    }

    /// Puts a message into a scheduled queue, to be looked at at `due`.
    pub(super) fn put(&self, queue: &Arc<Scheduled>, due: Instant, waiting: Waiting) {
        let id = waiting.message.id();
        let mut queue = queue.clone();
        loop {
            let mut state = queue.lock();
            if !state.gone {
                if state.stalled.is_some() || state.parked.is_some() {
                    // It will not leave soon.
                    waiting.message.shrink_data();
                }
                state.waiting.insert((due, id), waiting);
                state.changed = self.clock.now();
                self.attend(&queue, state);
                return;
            }
            drop(state);
            queue = self.scheduled(&queue.name);
        }
    }

    /// Does what is due in a queue, or sees to it that it is done in time.
    pub(super) fn attend(&self, queue: &Arc<Scheduled>, mut state: MutexGuard<'_, State>) {
        if state.working || state.gone {
            return;
        }
        let now = Instant::now();
        let reap = queue.config().map_or(REAP, |config| config.reap_interval);
        let next = state.next(reap.min(FAR));
        if next > now || self.is_stopping() {
            self.arm(queue, &mut state, next);
        } else if state.is_empty() {
            drop(state);
            self.forget(queue);
        } else {
            state.working = true;
            drop(state);
            let queue = queue.clone();
            self.spawn(|engine| engine.work(queue));
        }
    }

    fn arm(&self, queue: &Arc<Scheduled>, state: &mut State, at: Instant) {
        match state.armed {
            Some((armed, _)) if armed == at => return,
            Some(key) => self.timer.disarm(key),
            None => {}
        }
        state.armed = Some(self.timer.arm(at, Arc::downgrade(queue)));
    }

    fn forget(&self, queue: &Arc<Scheduled>) {
        let mut table = lock(&self.scheduled);
        let mut state = queue.lock();
        if state.is_empty() && !state.working {
            state.gone = true;
            table.remove(&queue.name);
        }
    }

    async fn keep_time(self: Arc<Self>) {
        loop {
            let due = tokio::select! {
                due = self.timer.due() => due,
                () = self.stopped() => return,
            };
            self.fire(due);
        }
    }

    fn fire(&self, due: Vec<(Key, Weak<Scheduled>)>) {
        let now = Instant::now();
        let mut queues = Vec::with_capacity(due.len());
        for (key, queue) in due {
            let Some(queue) = queue.upgrade() else { continue };
            let mut state = queue.lock();
            if state.armed == Some(key) {
                state.armed = None;
            }
            let over = state.parked.as_ref().is_some_and(|parked| parked.until <= now);
            drop(state);
            queues.push((queue, over));
        }
        self.let_go(queues.iter().filter(|(_, over)| *over).map(|(queue, _)| queue));
        for (queue, _) in &queues {
            self.attend(queue, queue.lock());
        }
    }

    /// Lets the messages of queues go that were held back: spread out, so that they do not come all at once.
    pub(super) fn let_go<'a>(&self, queues: impl Iterator<Item = &'a Arc<Scheduled>> + Clone) {
        let held: usize = queues.clone().map(|queue| queue.lock().held.len()).sum();
        let window = Duration::from_secs_f64(held.saturating_sub(1) as f64 / RELEASED_PER_SEC).min(self.ramp.length());
        let now = Instant::now();
        for queue in queues {
            queue.lock().release(now, window);
            self.attend(queue, queue.lock());
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("tasks", &*self.tasks.borrow()).finish_non_exhaustive()
    }
}

/// Counts a task as long as it lives.
struct Counted(watch::Sender<usize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|tasks| *tasks = tasks.saturating_sub(1));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
