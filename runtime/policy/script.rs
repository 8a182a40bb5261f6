//! Lua that is no policy: a spec, or what a tool evaluates, with the same functions and limits.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use mlua::Lua;

use super::budget::Budget;
use super::{Install, Options, Raised, vm};
use crate::host::Host;

/// A Lua context without a policy, within the limit on how long Lua may run without yielding.
#[derive(Debug)]
pub struct Script {
    lua: Lua,
    budget: Arc<Budget>,
}

impl Script {
    /// A new context. Modules are also looked for in `folder`.
    ///
    /// # Errors
    /// When the functions of the host cannot be put into it.
    pub fn new(host: &Host, installs: &[Install], options: &Options, folder: Option<&Path>) -> Result<Self, Raised> {
        let (lua, budget) = vm::furnish(host, installs, options, folder)?;
        Ok(Self { lua, budget })
    }

    /// The context, to put things into it.
    pub fn lua(&self) -> &Lua {
        &self.lua
    }

    /// Waits for what runs in it, such as `function.call_async(..)`.
    ///
    /// # Errors
    /// What it raises. Once it ran for too long without yielding nothing more runs in this context.
    pub async fn run<T>(&self, work: impl Future<Output = mlua::Result<T>>) -> Result<T, Raised> {
        let ended = self.budget.run(work).await.map_err(|panicked| {
            Raised::from(mlua::Error::runtime(format!("a function of the host panicked: {}", panicked.0)))
        })?;
        match self.budget.overran_where() {
            // Also when the error was caught.
            Some(overran) => Err(overran.into()),
            None => Ok(ended?),
        }
    }
}
