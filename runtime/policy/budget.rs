//! How long Lua may run before it lets others go on.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mlua::debug::HookTriggers;
use mlua::{Lua, VmState};
use tokio::runtime::{Handle, RuntimeFlavor};

/// Instructions between two looks at the clock: far below a millisecond of Lua, and too rare to be felt.
const STRIDE: u32 = 10_000;

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
    overran: AtomicBool,
}

impl Budget {
    /// Watches over all coroutines of `lua`, those to come included.
    pub(super) fn watch(lua: &Lua, limit: Duration) -> mlua::Result<Arc<Self>> {
        let budget = Arc::new(Self {
            limit,
            origin: Instant::now(),
            deadline: AtomicU64::new(0),
            overran: AtomicBool::new(false),
        });
        budget.hook(lua, STRIDE)?;
        Ok(budget)
    }

    /// Whether Lua ever ran too long here; such a context is not used again.
    pub(super) fn overran(&self) -> Option<Overran> {
        self.overran.load(Ordering::Relaxed).then_some(Overran { limit: self.limit })
    }

    /// Runs a future that runs Lua. Every time it yields the time starts anew; a panic in it ends there.
    pub(super) async fn run<F: Future>(&self, future: F) -> Result<F::Output, Panicked> {
        let mut future = pin!(future);
        poll_fn(|context| {
            let before =
                self.deadline.swap(self.nanos().saturating_add(nanos_of(self.limit)).max(1), Ordering::Relaxed);
            let polled = beside_others(|| catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))));
            self.deadline.store(before, Ordering::Relaxed);
            match polled {
                Ok(polled) => polled.map(Ok),
                Err(panic) => std::task::Poll::Ready(Err(Panicked(panic_text(panic.as_ref())))),
            }
        })
        .await
    }

    fn nanos(&self) -> u64 {
        nanos_of(self.origin.elapsed())
    }

    fn hook(self: &Arc<Self>, lua: &Lua, every: u32) -> mlua::Result<()> {
        let budget = Arc::downgrade(self);
        lua.set_global_hook(HookTriggers::new().every_nth_instruction(every), move |lua, _| match budget.upgrade() {
            Some(budget) => budget.check(lua),
            None => Ok(VmState::Continue),
        })
    }

    fn check(self: &Arc<Self>, lua: &Lua) -> mlua::Result<VmState> {
        let deadline = self.deadline.load(Ordering::Relaxed);
        if self.overran.load(Ordering::Relaxed) || (deadline != 0 && self.nanos() > deadline) {
            self.overran.store(true, Ordering::Relaxed);
            // From here on every instruction raises, so that a `pcall` in a loop does not go on for ever.
            self.hook(lua, 1)?;
            let traceback = lua.traceback(None, 0)?.to_string_lossy();
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
