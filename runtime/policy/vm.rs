//! One Lua context: made from the policy file, asked for events.

use std::path::Path;
use std::sync::{Arc, Weak};

use mlua::{Lua, LuaOptions, MultiValue, StdLib};
use tokio::time::Instant;

use super::budget::{Budget, Panicked};
use super::error::{Error, Raised};
use super::handler::{self, Handlers};
use super::lines::Lines;
use super::pool::Live;
use super::{Inner, Install, Policy, debug, memo, search};
use crate::host::Host;

/// A Lua context that has run the policy file.
pub(super) struct Vm {
    pub(super) lua: Lua,
    pub(super) budget: Arc<Budget>,
    pub(super) epoch: u64,
    pub(super) born: Instant,
    pub(super) uses: u64,
    _live: Live,
}

/// Why a handler failed.
pub(super) enum Failure {
    Raised(mlua::Error),
    Panicked(String),
}

impl From<mlua::Error> for Failure {
    fn from(error: mlua::Error) -> Self {
        Self::Raised(error)
    }
}

impl From<Panicked> for Failure {
    fn from(panicked: Panicked) -> Self {
        Self::Panicked(panicked.0)
    }
}

impl Failure {
    pub(super) fn of_event(self, event: &str) -> Error {
        let event = event.to_owned();
        match self {
            Self::Raised(error) => Error::Raised { event, source: error.into() },
            Self::Panicked(message) => Error::Panicked { event, message },
        }
    }

    fn of_file(self, file: &Path) -> Error {
        let file = file.display().to_string();
        match self {
            Self::Raised(error) => Error::Load { file, source: error.into() },
            Self::Panicked(message) => {
                Error::LoadTime { file, why: format!("a function of the host panicked: {message}") }
            }
        }
    }
}

/// Set while the policy file runs.
struct Loading;

/// Whether the policy file is running: what it does now, every context will do.
pub fn is_loading(lua: &Lua) -> bool {
    lua.app_data_ref::<Loading>().is_some()
}

impl Vm {
    /// Reads the policy file as it is now on disk, and runs it.
    pub(super) async fn load(policy: &Arc<Inner>) -> Result<Self, Error> {
        let overall = policy.options.overall;
        match tokio::time::timeout(overall, Self::evaluate(policy)).await {
            Ok(loaded) => loaded.map_err(|failure| failure.of_file(&policy.file)),
            Err(_) => Err(Error::LoadTime {
                file: policy.file.display().to_string(),
                why: format!("did not finish within {} s", overall.as_secs_f64()),
            }),
        }
    }

    async fn evaluate(policy: &Arc<Inner>) -> Result<Self, Failure> {
        let epoch = policy.host.epoch().current();
        let text = policy
            .host
            .paths()
            .read(&policy.file)
            .map_err(|error| mlua::Error::runtime(format!("cannot open {}: {error}", policy.file.display())))?;
        let (lua, budget) = furnish(&policy.host, &policy.installs, &policy.options, policy.file.parent())?;
        lua.set_app_data(Arc::downgrade(policy));
        lua.set_app_data(Loading);
        let chunk = lua.load(without_shebang(&text)).set_name(format!("@{}", policy.file.display()));
        budget.run(chunk.exec_async()).await??;
        if let Some(overran) = budget.overran() {
            return Err(mlua::Error::external(overran).into());
        }
        lua.remove_app_data::<Loading>();
        let vm = Self { lua, budget, epoch, born: Instant::now(), uses: 0, _live: policy.pool.count() };
        policy.note_handlers(&vm.handler_names());
        Ok(vm)
    }

    fn handler_names(&self) -> Vec<String> {
        self.lua.app_data_ref::<Handlers>().map_or_else(Vec::new, |handlers| handlers.names().cloned().collect())
    }

    /// Asks the handlers of an event one by one until one returns something.
    ///
    /// # Errors
    /// What a handler raises; the context is not to be used again then.
    pub(super) async fn ask(&self, event: &str, args: MultiValue) -> Result<Option<MultiValue>, Failure> {
        let functions = match self.lua.app_data_ref::<Handlers>() {
            Some(handlers) => handlers.of(event),
            None => Vec::new(),
        };
        for function in functions {
            let values = self.run(function, args.clone()).await?;
            if !values.is_empty() {
                return Ok(Some(values));
            }
        }
        Ok(None)
    }

    /// Calls a function within the budget.
    ///
    /// # Errors
    /// What it raises; the context is not to be used again then.
    pub(super) async fn run(&self, function: mlua::Function, args: MultiValue) -> Result<MultiValue, Failure> {
        let values = self.budget.run(function.call_async::<MultiValue>(args)).await?;
        if let Some(overran) = self.budget.overran() {
            // Also when the handler caught the error and went on.
            return Err(values.err().unwrap_or_else(|| mlua::Error::external(overran)).into());
        }
        Ok(values?)
    }

    /// Says to `kumo.on` which event's handler runs.
    pub(super) fn mark(&self, event: &str) -> mlua::Result<()> {
        self.lua.globals().raw_set(handler::CURRENT_EVENT, event)
    }

    pub(super) fn has_handler(&self, event: &str) -> bool {
        self.lua.app_data_ref::<Handlers>().is_some_and(|handlers| !handlers.of(event).is_empty())
    }
}

/// A Lua state with everything in it but the policy.
pub(super) fn furnish(
    host: &Host,
    installs: &[Install],
    options: &super::Options,
    own_folder: Option<&Path>,
) -> mlua::Result<(Lua, Arc<Budget>)> {
    let lua = Lua::new_with(StdLib::ALL_SAFE, LuaOptions::default())?;
    let budget = Budget::watch(&lua, options.without_yielding, Lines::of(host))?;
    lua.set_app_data(host.clone());
    lua.set_app_data(Handlers::default());
    lua.set_app_data(memo::Keepers::default());
    debug::install(&lua)?;
    search::install(&lua, host, &budget, own_folder)?;
    if options.validating {
        lua.globals().raw_set("_VALIDATING_CONFIG", true)?;
    }
    for install in installs {
        install(&lua, host)?;
    }
    Ok((lua, budget))
}

/// The policy that `lua` belongs to.
pub(super) fn policy_of(lua: &Lua) -> mlua::Result<Policy> {
    lua.app_data_ref::<Weak<Inner>>()
        .and_then(|policy| policy.upgrade())
        .map(Policy)
        .ok_or_else(|| mlua::Error::runtime("this Lua context does not belong to a policy, or the policy has ended"))
}

/// A first line such as `#!/usr/bin/env kumod` is for the shell; its line end stays, so that lines count right.
pub fn without_shebang(text: &[u8]) -> &[u8] {
    match text {
        [b'#', ..] => &text[text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len())..],
        _ => text,
    }
}

impl From<Raised> for Failure {
    fn from(raised: Raised) -> Self {
        Self::Raised(raised.cause().clone())
    }
}
