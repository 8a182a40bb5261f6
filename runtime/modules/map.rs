//! What the userdata have in common that behave like maps.

use mlua::{IntoLuaMulti, Lua, MultiValue, Result, Value};

use super::function::failure;
use crate::policy::memo::Kept;

/// What a `__pairs` metamethod returns to walk over `pairs`.
pub(super) fn pairs(lua: &Lua, pairs: Vec<(Value, Value)>) -> Result<MultiValue> {
    let mut rest = pairs.into_iter();
    let next = lua.create_function_mut(move |_, _: MultiValue| Ok(rest.next().unwrap_or((Value::Nil, Value::Nil))))?;
    next.into_lua_multi(lua)
}

/// Takes a copy of what a policy puts into the map `table`, for all contexts.
pub(super) fn keep(lua: &Lua, table: &str, key: &str, value: &Value) -> Result<Kept> {
    Kept::of(lua, value).map_err(|e| failure(format!("{table}: value for `{key}`: {e}")))
}
