//! One Lua context held for several calls (interface B.6): what a constructor made there stays usable.

use std::time::Duration;

use mlua::{FromLuaMulti, IntoLuaMulti, Lua, MultiValue, Table, Value};
use tokio::time::{Instant, timeout_at};

use super::vm::{Failure, Vm};
use super::{Error, Event, Policy, convert};

/// A Lua context that one user holds. The limits of [`Options`](super::Options) hold for each call.
///
/// After a call that raised, the holder may go on with it, and nobody else will: it is not given back to the pool, so that
/// nothing half done is seen later. A call that took too long or panicked ends it.
pub struct Pinned {
    policy: Policy,
    vm: Option<Vm>,
    raised: bool,
    overall: Duration,
}

impl Policy {
    /// Takes a context out of the pool, or makes one, for several calls.
    ///
    /// # Errors
    /// When the policy file has to be run and fails, or no context becomes free in time.
    pub async fn pin(&self) -> Result<Pinned, Error> {
        let _permit = self.permit("(pinned)").await?;
        let vm = match self.0.pool.take(self.0.host.epoch().current()) {
            Some(vm) => vm,
            None => Vm::load(&self.0).await?,
        };
        Ok(Pinned { policy: self.clone(), vm: Some(vm), raised: false, overall: self.0.options.overall })
    }
}

impl Pinned {
    /// Asks the handlers of an event, as [`Policy::call`] does, in this context.
    ///
    /// # Errors
    /// As for [`Policy::call`], and [`Error::Spent`] after the context has ended.
    pub async fn call<A: IntoLuaMulti, R: FromLuaMulti>(
        &mut self,
        event: &Event<A, R>,
        args: A,
    ) -> Result<Option<R>, Error> {
        let name = event.name();
        let work = async |vm: &Vm| {
            let args =
                args.into_lua_multi(&vm.lua).map_err(|source| Error::Arguments { event: name.to_owned(), source })?;
            vm.mark(name).map_err(|error| Failure::from(error).of_event(name))?;
            let values = vm.ask(name, args).await.map_err(|failure| failure.of_event(name))?;
            values.map(|values| convert(name, values, &vm.lua)).transpose()
        };
        self.counted(name, work).await
    }

    /// Calls a method of a table that a handler returned in this context; errors name it `event`.
    ///
    /// # Errors
    /// As for [`call`](Self::call); also when the table has no such method.
    pub async fn call_method<A: IntoLuaMulti, R: FromLuaMulti>(
        &mut self,
        event: &str,
        table: &Table,
        method: &str,
        args: A,
    ) -> Result<R, Error> {
        let work = async |vm: &Vm| {
            let function = match table.get::<Value>(method) {
                Ok(Value::Function(function)) => Ok(function),
                Ok(other) => Err(mlua::Error::runtime(format!(
                    "the object has no method `{method}`: expected a function, got {}",
                    other.type_name()
                ))),
                Err(error) => Err(error),
            };
            let function = function.map_err(|error| Failure::from(error).of_event(event))?;
            let mut values =
                args.into_lua_multi(&vm.lua).map_err(|source| Error::Arguments { event: event.to_owned(), source })?;
            values.push_front(Value::Table(table.clone()));
            let returned: MultiValue = vm.run(function, values).await.map_err(|failure| failure.of_event(event))?;
            convert(event, returned, &vm.lua)
        };
        self.counted(event, work).await
    }

    /// Lets each call take this long in all, in the place of [`Options::overall`](super::Options::overall).
    pub fn allow(&mut self, overall: Duration) {
        self.overall = overall;
    }

    /// The context, to make arguments in; `None` after it has ended.
    pub fn lua(&self) -> Option<&Lua> {
        self.vm.as_ref().map(|vm| &vm.lua)
    }

    /// Whether the context has ended.
    pub fn is_spent(&self) -> bool {
        self.vm.is_none()
    }

    /// Gives the context back to the pool. Dropping it instead ends the context.
    pub fn release(mut self) {
        if let Some(vm) = self.vm.take()
            && !self.raised
        {
            self.policy.0.pool.put(vm, self.policy.0.host.epoch().current());
        }
    }

    async fn counted<T>(&mut self, event: &str, work: impl AsyncFnOnce(&Vm) -> Result<T, Error>) -> Result<T, Error> {
        let inner = &self.policy.0;
        let started = Instant::now();
        inner.pool.started(event);
        let outcome = async {
            let _permit = self.policy.permit(event).await?;
            let vm = self.vm.take().ok_or_else(|| Error::Spent { event: event.to_owned() })?;
            let overall = self.overall;
            let Ok(answer) = timeout_at(started + overall, work(&vm)).await else {
                return Err(Error::Late { event: event.to_owned(), after: overall });
            };
            self.raised |= answer.is_err();
            if vm.budget.overran().is_none() && !matches!(answer, Err(Error::Panicked { .. })) {
                self.vm = Some(vm);
            }
            answer
        }
        .await;
        inner.pool.finished(event, started.elapsed(), outcome.is_ok());
        outcome
    }
}

impl std::fmt::Debug for Pinned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pinned").field("policy", &self.policy).field("spent", &self.is_spent()).finish_non_exhaustive()
    }
}
