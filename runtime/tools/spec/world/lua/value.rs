//! What crosses between specs and the stage.

use std::time::Duration;

use kumo_tsa_core::wire::parse_duration;
use mlua::serde::SerializeOptions;
use mlua::{Lua, LuaSerdeExt, Table, Value};
use serde::de::DeserializeOwned;

use crate::policy;

/// An error with exactly this text.
pub(super) fn failure(text: impl Into<String>) -> mlua::Error {
    mlua::Error::external(text.into())
}

/// The option table that was given to `function`; nil for an empty one.
pub(super) fn options<T: DeserializeOwned>(lua: &Lua, table: Value, function: &str) -> mlua::Result<T> {
    let table = match table {
        Value::Nil => Value::Table(lua.create_table()?),
        Value::Table(_) => table,
        other => return Err(failure(format!("{function}: expected a table of options, got {}", other.type_name()))),
    };
    policy::options(lua, table, function).map_err(|error| match error {
        // The words of what failed, without those of how it was read.
        mlua::Error::RuntimeError(text) => {
            let text = text.replacen("deserialize error: ", "", 1);
            failure(text.split(", while processing ").next().unwrap_or(&text))
        }
        other => other,
    })
}

/// Without metatables, with nil for null.
pub(super) fn to_lua(lua: &Lua, value: &serde_json::Value) -> mlua::Result<Value> {
    let options =
        SerializeOptions::new().set_array_metatable(false).serialize_none_to_null(false).serialize_unit_to_null(false);
    lua.to_value_with(value, options)
}

pub(super) fn list(lua: &Lua, values: &[serde_json::Value]) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for value in values {
        table.push(to_lua(lua, value)?)?;
    }
    Ok(table)
}

/// A length of time: `2 hours`, or seconds.
pub(super) fn span(value: &Value) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a duration, such as `2 hours`, or a number of seconds";
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).map_err(|_| format!("{EXPECTED}, got {seconds}"));
    match value {
        Value::String(text) => {
            let text = text.to_string_lossy();
            parse_duration(text.trim()).map_err(|_| format!("{EXPECTED}, got `{text}`"))
        }
        #[allow(clippy::cast_precision_loss, reason = "seconds of a test")]
        Value::Integer(whole) => seconds(*whole as f64),
        Value::Number(number) => seconds(*number),
        other => Err(format!("{EXPECTED}, got {}", other.type_name())),
    }
}
