//! Embedding Lua: contexts and their pool, events, limits, conversion, errors. Knows no mail, no shaping.
//!
//! [`Policy::load`] and [`Policy::call`] are the only doors into Lua. What Lua sees is put there by [`Install`] functions.

mod budget;
mod bytecode;
mod debug;
mod error;
mod event;
mod handler;
mod lines;
pub mod memo;
mod metrics;
mod pin;
mod pool;
mod script;
mod search;
mod task;
mod value;
mod vm;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mlua::{FromLuaMulti, IntoLuaMulti, Lua, MultiValue, Table};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

pub use budget::Overran;
pub use error::{Error, Raised, explain};
pub use event::Event;
pub use handler::{ask_here, declare_multiple, register, registrars};
pub use lines::{Covered, Lines};
pub use pin::Pinned;
pub use pool::{EventStats, Knobs, Stats};
pub use script::Script;
pub use value::{duration, optional_duration, options, plain, to_json};
pub use vm::{is_loading, without_shebang};

use crate::host::Host;
use metrics::Metrics;
use pool::Pool;
use vm::Vm;

/// Puts functions into a new Lua context: `policy::table(lua, "kumo")?.set("sleep", ..)`.
pub type Install = fn(&Lua, &Host) -> mlua::Result<()>;

/// How a policy is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sets the global `_VALIDATING_CONFIG` and starts no tasks. Default: false.
    pub validating: bool,
    /// How long Lua may run without yielding, in real time. Default: 5 s.
    pub without_yielding: Duration,
    /// How long an event, or the policy file, may take in all, by the host's clock. Default: 60 s.
    pub overall: Duration,
    /// How many events may be in Lua at a time; more of them wait. Default: 1024.
    pub max_live: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            validating: false,
            without_yielding: Duration::from_secs(5),
            overall: Duration::from_mins(1),
            max_live: 1024,
        }
    }
}

/// A policy file and the Lua contexts that run it; clones refer to the same policy.
#[derive(Clone)]
pub struct Policy(Arc<Inner>);

struct Inner {
    host: Host,
    file: PathBuf,
    installs: Vec<Install>,
    options: Options,
    pool: Pool,
    /// The events that had a handler when the file was run last.
    handled: Mutex<HashSet<String>>,
}

impl Policy {
    /// Runs the policy file once, so that an error in it shows now, and keeps it for the events to come.
    ///
    /// # Errors
    /// When the file cannot be read, does not parse, raises, or runs for too long: [`Error::Load`] with file and line.
    pub async fn load(host: &Host, file: &Path, installs: &[Install]) -> Result<Self, Error> {
        Self::load_with(host, file, installs, Options::default()).await
    }

    /// As [`load`](Self::load), with other limits or for validation.
    pub async fn load_with(host: &Host, file: &Path, installs: &[Install], options: Options) -> Result<Self, Error> {
        let inner = Arc::new(Inner {
            host: host.clone(),
            file: file.to_owned(),
            installs: installs.to_vec(),
            pool: Pool::new(options.max_live, Metrics::of(host)),
            options,
            handled: Mutex::default(),
        });
        let vm = Vm::load(&inner).await?;
        inner.pool.put(vm, host.epoch().current());
        Ok(Self(inner))
    }

    /// Asks the handlers of an event.
    ///
    /// Nothing returned: the next handler is asked, and `Ok(None)` is the answer when there is none, as for an event
    /// without handlers. A handler that returns `nil` has answered: with `None` where `R` is an `Option`, with an error
    /// where it is not (interface B.3).
    ///
    /// # Errors
    /// When a handler raises, takes too long, or returns what is no `R`; each names the event. The context that it ran
    /// in is given up, so nothing half done is seen by a later event; likewise when this future is dropped.
    pub async fn call<A: IntoLuaMulti, R: FromLuaMulti>(
        &self,
        event: &Event<A, R>,
        args: A,
    ) -> Result<Option<R>, Error> {
        let started = Instant::now();
        self.0.pool.started(event.name());
        let outcome = self.call_by(event, args, started + self.0.options.overall).await;
        self.0.pool.finished(event.name(), started.elapsed(), outcome.is_ok());
        outcome
    }

    async fn call_by<A: IntoLuaMulti, R: FromLuaMulti>(
        &self,
        event: &Event<A, R>,
        args: A,
        deadline: Instant,
    ) -> Result<Option<R>, Error> {
        let name = event.name();
        let _permit = self.permit(name).await?;
        let work = async {
            let vm = match self.0.pool.take(self.0.host.epoch().current()) {
                Some(vm) => vm,
                None => Vm::load(&self.0).await?,
            };
            let args =
                args.into_lua_multi(&vm.lua).map_err(|source| Error::Arguments { event: name.to_owned(), source })?;
            vm.mark(name).map_err(|error| vm::Failure::from(error).of_event(name))?;
            let values = vm.ask(name, args).await.map_err(|failure| failure.of_event(name))?;
            let answer = values.map(|values| convert(name, values, &vm.lua)).transpose()?;
            Ok((answer, vm))
        };
        let (answer, vm) = match timeout_at(deadline, work).await {
            Ok(done) => done?,
            Err(_) => return Err(Error::Late { event: name.to_owned(), after: self.0.options.overall }),
        };
        self.0.pool.put(vm, self.0.host.epoch().current());
        Ok(answer)
    }

    async fn permit(&self, event: &str) -> Result<OwnedSemaphorePermit, Error> {
        let options = &self.0.options;
        match timeout(options.overall, self.0.pool.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Error::Busy { event: event.to_owned(), after: options.overall, live: options.max_live }),
        }
    }

    /// As [`call`](Self::call) for an event that must be answered.
    ///
    /// # Errors
    /// As for `call`, and [`Error::NotRegistered`] when nothing answered.
    pub async fn ask<A: IntoLuaMulti, R: FromLuaMulti>(&self, event: &Event<A, R>, args: A) -> Result<R, Error> {
        self.call(event, args).await?.ok_or_else(|| Error::NotRegistered { event: event.name().to_owned() })
    }

    /// Whether the event had a handler when the policy file was run last.
    pub fn defines(&self, event: &str) -> bool {
        self.0.handled.lock().unwrap_or_else(PoisonError::into_inner).contains(event)
    }

    /// The events that had a handler when the policy file was run last, sorted.
    pub fn events(&self) -> Vec<String> {
        let mut names: Vec<_> = self.0.handled.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        names.sort_unstable();
        names
    }

    /// The host that it runs on.
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// The policy file, as it was given.
    pub fn file(&self) -> &Path {
        &self.0.file
    }

    /// Whether it is only being validated.
    pub fn is_validating(&self) -> bool {
        self.0.options.validating
    }

    /// What can be set about the pool of contexts.
    pub fn knobs(&self) -> &Knobs {
        &self.0.pool.knobs
    }

    /// Counters of contexts and events.
    pub fn stats(&self) -> Stats {
        self.0.pool.stats()
    }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy").field("file", &self.0.file).finish_non_exhaustive()
    }
}

impl Inner {
    fn note_handlers(&self, names: &[String]) {
        *self.handled.lock().unwrap_or_else(PoisonError::into_inner) = names.iter().cloned().collect();
    }
}

fn convert<R: FromLuaMulti>(event: &str, values: MultiValue, lua: &Lua) -> Result<R, Error> {
    let got = values.iter().map(mlua::Value::type_name).collect::<Vec<_>>().join(", ");
    R::from_lua_multi(values, lua).map_err(|error| Error::Returned {
        event: event.to_owned(),
        got,
        why: error::expectation(error),
    })
}

/// The host that `lua` runs on.
///
/// # Errors
/// When the context was not made by a policy or by [`bare`].
pub fn host(lua: &Lua) -> mlua::Result<Host> {
    lua.app_data_ref::<Host>()
        .map(|host| host.clone())
        .ok_or_else(|| mlua::Error::runtime("this Lua context was not made by the host"))
}

/// The policy that `lua` runs.
///
/// # Errors
/// When it runs none, as after [`bare`], or the policy has ended.
pub fn of(lua: &Lua) -> mlua::Result<Policy> {
    vm::policy_of(lua)
}

/// The table of a module, made when it is not there yet: `kumo` is what `require 'kumo'` returns, `kumo.http` its field.
pub fn table(lua: &Lua, name: &str) -> mlua::Result<Table> {
    let mut table: Table = lua.globals().get::<Table>("package")?.get("loaded")?;
    for part in name.split('.') {
        table = if let Some(inner) = table.raw_get::<Option<Table>>(part)? {
            inner
        } else {
            let inner = lua.create_table()?;
            table.raw_set(part, &inner)?;
            inner
        };
    }
    Ok(table)
}

/// A Lua context without a policy: for tests of modules, and for tools that evaluate a line of Lua.
pub fn bare(host: &Host, installs: &[Install]) -> mlua::Result<Lua> {
    let options = Options::default();
    let (lua, budget) = vm::furnish(host, installs, &options, None)?;
    // Nothing asks the budget of such a context; it goes with the context.
    lua.set_app_data(budget);
    Ok(lua)
}

/// Where the Lua code stands that called the running Rust function: file and line.
pub fn caller(lua: &Lua) -> Option<(String, usize)> {
    lua.inspect_stack(1, |frame| {
        let source = frame.source();
        let file = match source.source.as_deref().and_then(|source| source.strip_prefix('@')) {
            Some(file) => file.to_owned(),
            None => source.short_src?.into_owned(),
        };
        Some((file, frame.current_line()?))
    })
    .flatten()
}
