//! How long Lua may run before it lets others go on.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mlua::debug::{DebugEvent, HookTriggers};
use mlua::{Lua, VmState};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::lines::Lines;

/// Instructions between two looks at the clock: far below a millisecond of Lua, and too rare to be felt.
const STRIDE: u32 = 10_000;

/// Lua that runs for longer at a stretch leaves the thread's other tasks to another thread; far above what handlers take.
const BRIEF: Duration = Duration::from_millis(1);
/// How often that is tried again, as the other thread may not have been there in time.
const AGAIN: Duration = Duration::from_millis(10);
/// How long the other thread is given to take over.
const HANDOVER: Duration = Duration::from_micros(500);
/// After a long stretch so many are kept apart from other tasks from the start: the time may pass in a function that is not
/// Lua, where nothing looks at the clock.
const CAREFUL: u32 = 16;

/// Lua ran too long without yielding.
#[derive(Clone, Debug, thiserror::Error)]
#[error("ran {} s of Lua without yielding", limit.as_secs_f64())]
pub struct Overran {
    /// How long it may run.
    pub limit: Duration,
}

/// What a panic says.
#[derive(Debug)]
pub(super) struct Panicked(pub(super) String);

/// The time that one Lua context has until it must yield.
///
/// This is real time, also where the host's clock is controlled: a loop that never ends lets no clock go on.
#[derive(Debug)]
pub(super) struct Budget {
    limit: Duration,
    origin: Instant,
    /// Nanoseconds after `origin` when Lua must have yielded; 0 while no Lua runs.
    deadline: AtomicU64,
    /// Nanoseconds after `origin` when Lua steps aside; 0 while no Lua runs.
    aside: AtomicU64,
    /// How many stretches are kept apart from the start.
    careful: AtomicU32,
    overran: AtomicBool,
    /// The call stack when it ran too long.
    stack: Mutex<String>,
    /// Where the lines that run are noted.
    lines: Option<Lines>,
}

impl Budget {
    /// Watches over all coroutines of `lua`, those to come included.
    pub(super) fn watch(lua: &Lua, limit: Duration, lines: Option<Lines>) -> mlua::Result<Arc<Self>> {
        let budget = Arc::new(Self {
            limit,
            origin: Instant::now(),
            deadline: AtomicU64::new(0),
            aside: AtomicU64::new(0),
            // The first is the policy file, which takes its time.
            careful: AtomicU32::new(1),
            overran: AtomicBool::new(false),
            stack: Mutex::default(),
            lines,
        });
        budget.hook(lua, STRIDE)?;
        Ok(budget)
    }

    /// Whether Lua ever ran too long here; such a context is not used again.
    pub(super) fn overran(&self) -> Option<Overran> {
        self.overran.load(Ordering::Relaxed).then_some(Overran { limit: self.limit })
    }

    /// The same as an error, with the call stack of then: once it has happened every instruction raises, and says less.
    pub(super) fn overran_where(&self) -> Option<mlua::Error> {
        let cause = Arc::new(mlua::Error::external(self.overran()?));
        let traceback = self.stack.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Some(mlua::Error::CallbackError { traceback, cause })
    }

    /// Runs a future that runs Lua. Every time it yields the time starts anew; a panic in it ends there.
    pub(super) async fn run<F: Future>(&self, future: F) -> Result<F::Output, Panicked> {
        let mut future = pin!(future);
        poll_fn(|context| {
            let started = self.nanos();
            let before = self.deadline.swap(started.saturating_add(nanos_of(self.limit)).max(1), Ordering::Relaxed);
            let aside = self.aside.swap(started + nanos_of(BRIEF), Ordering::Relaxed);
            let mut work = || catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
            let polled = if self.is_careful() { beside_others(&mut work) } else { work() };
            self.deadline.store(before, Ordering::Relaxed);
            self.aside.store(aside, Ordering::Relaxed);
            if self.nanos() - started > nanos_of(BRIEF) {
                self.careful.store(CAREFUL, Ordering::Relaxed);
            }
            match polled {
                Ok(polled) => polled.map(Ok),
                Err(panic) => std::task::Poll::Ready(Err(Panicked(panic_text(panic.as_ref())))),
            }
        })
        .await
    }

    /// Whether this stretch is to be kept apart. One context runs one at a time.
    fn is_careful(&self) -> bool {
        let left = self.careful.load(Ordering::Relaxed);
        self.careful.store(left.saturating_sub(1), Ordering::Relaxed);
        left > 0
    }

    /// Leaves the thread's other tasks to another thread, when this has taken long.
    fn step_aside(&self) {
        let (aside, now) = (self.aside.load(Ordering::Relaxed), self.nanos());
        if aside != 0 && now > aside {
            self.aside.store(now + nanos_of(AGAIN), Ordering::Relaxed);
            // Who comes back before another has taken over keeps the tasks.
            beside_others(|| std::thread::sleep(HANDOVER));
        }
    }

    fn nanos(&self) -> u64 {
        nanos_of(self.origin.elapsed())
    }

    fn hook(self: &Arc<Self>, lua: &Lua, every: u32) -> mlua::Result<()> {
        let budget = Arc::downgrade(self);
        let mut triggers = HookTriggers::new().every_nth_instruction(every);
        triggers.every_line = self.lines.is_some();
        lua.set_global_hook(triggers, move |lua, debug| {
            let Some(budget) = budget.upgrade() else { return Ok(VmState::Continue) };
            match &budget.lines {
                Some(lines) if debug.event() == DebugEvent::Line => {
                    lines.note(lua, debug);
                    Ok(VmState::Continue)
                }
                _ => budget.check(lua),
            }
        })
    }

    fn check(self: &Arc<Self>, lua: &Lua) -> mlua::Result<VmState> {
        self.step_aside();
        let deadline = self.deadline.load(Ordering::Relaxed);
        if self.overran.load(Ordering::Relaxed) || (deadline != 0 && self.nanos() > deadline) {
            let first = !self.overran.swap(true, Ordering::Relaxed);
            // From here on every instruction raises, so that a `pcall` in a loop does not go on for ever.
            self.hook(lua, 1)?;
            let traceback = lua.traceback(None, 0)?.to_string_lossy();
            if first {
                self.stack.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&traceback);
            }
            let cause = Arc::new(mlua::Error::external(Overran { limit: self.limit }));
            return Err(mlua::Error::CallbackError { traceback, cause });
        }
        Ok(VmState::Continue)
    }
}

/// Runs what may take seconds, and never panics. The other tasks of a multi-threaded runtime go on meanwhile on another
/// thread: a loop in a handler must not keep the daemon from taking records in.
fn beside_others<T>(mut work: impl FnMut() -> T) -> T {
    let many = Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    // In a `LocalSet` tokio refuses with a panic, before anything has run, and there is no way to ask.
    if many && let Ok(done) = catch_unwind(AssertUnwindSafe(|| tokio::task::block_in_place(&mut work))) {
        return done;
    }
    work()
}

fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no message".to_owned(),
    }
}
