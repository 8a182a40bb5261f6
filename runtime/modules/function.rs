//! How the functions of a Lua table are put there, so that every bad argument names its function.

use std::future::Future;

use mlua::{FromLuaMulti, IntoLuaMulti, Lua, MultiValue, Result, Table};

/// A Lua table that functions are added to.
pub(super) struct Functions<'l> {
    lua: &'l Lua,
    table: Table,
    /// What a policy writes before the function's name, such as `kumo.string`.
    prefix: &'static str,
}

impl<'l> Functions<'l> {
    /// Adds to `table`, which policies know as `prefix`.
    pub(super) fn of(lua: &'l Lua, table: Table, prefix: &'static str) -> Self {
        Self { lua, table, prefix }
    }

    /// Adds a function.
    pub(super) fn add<A, R, F>(&self, name: &str, function: F) -> Result<&Self>
    where
        A: FromLuaMulti,
        R: IntoLuaMulti,
        F: Fn(&Lua, A) -> Result<R> + Send + Sync + 'static,
    {
        let full = format!("{}.{name}", self.prefix);
        let function = self.lua.create_function(move |lua, args: MultiValue| {
            let args = A::from_lua_args(args, 1, Some(&full), lua)?;
            function(lua, args)
        })?;
        self.table.set(name, function)?;
        Ok(self)
    }

    /// Adds a function that may wait.
    pub(super) fn add_async<A, R, F, T>(&self, name: &str, function: F) -> Result<&Self>
    where
        A: FromLuaMulti + Send + 'static,
        R: IntoLuaMulti + 'static,
        F: Fn(Lua, A) -> T + Send + Sync + Clone + 'static,
        T: Future<Output = Result<R>> + Send + 'static,
    {
        let full = format!("{}.{name}", self.prefix);
        let function = self.lua.create_async_function(move |lua, args: MultiValue| {
            let args = A::from_lua_args(args, 1, Some(&full), &lua);
            let function = function.clone();
            async move { function(lua, args?).await }
        })?;
        self.table.set(name, function)?;
        Ok(self)
    }

    /// Adds a function that this version does not have; calling it raises an error that names it.
    pub(super) fn add_missing(&self, name: &str) -> Result<&Self> {
        let full = format!("{}.{name}", self.prefix);
        let function = self.lua.create_function(move |_, _: MultiValue| -> Result<()> {
            Err(failure(format!("`{full}` is not implemented in this version")))
        })?;
        self.table.set(name, function)?;
        Ok(self)
    }

    /// Puts functions of this table into `other` too, each as (name here, name there).
    pub(super) fn alias(&self, other: &Table, names: &[(&str, &str)]) -> Result<&Self> {
        for (here, there) in names {
            other.set(*there, self.table.get::<mlua::Value>(*here)?)?;
        }
        Ok(self)
    }
}

/// An error with exactly this text; `mlua::Error::runtime` would put `runtime error:` before it.
pub(super) fn failure(text: impl Into<String>) -> mlua::Error {
    mlua::Error::external(text.into())
}
