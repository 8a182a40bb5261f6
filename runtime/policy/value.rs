//! Values that cross from Lua to Rust.

use std::time::Duration;

use kumo_tsa_core::wire::parse_duration;
use mlua::{Function, Lua, LuaSerdeExt, MultiValue, Table, Value};
use serde::de::{DeserializeOwned, Deserializer, Unexpected};
use serde_json::{Map, Number};

use super::memo::Snapshot;

/// How deep tables may be nested.
const DEPTH: usize = 128;

/// Reads the option table that was given to `function`, such as `kumo.make_egress_path`.
///
/// Userdata that behave like tables, as `kumo.memoize` returns them, are read like tables. `T` should refuse unknown
/// fields (`#[serde(deny_unknown_fields)]`).
///
/// # Errors
/// `<function>: deserialize error: <message>, while processing <JSON of the input>`, the shape that existing helpers take
/// apart (interface B.9); the message begins with the field, when it lies in one.
pub fn options<T: DeserializeOwned>(lua: &Lua, value: Value, function: &str) -> mlua::Result<T> {
    let value = plain(lua, value)?;
    let deserializer = mlua::serde::Deserializer::new(value.clone());
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = error.path().to_string();
        let message = match error.into_inner() {
            mlua::Error::DeserializeError(message) => message,
            other => other.to_string(),
        };
        let message = message.replace('\n', " ");
        let place = match path.as_str() {
            "." | "?" => String::new(),
            // The message names it already.
            _ if message.starts_with("unknown field") || message.starts_with("missing field") => String::new(),
            path => format!("field `{path}`: "),
        };
        let input = to_json(lua, &value).map_or_else(|error| format!("<{error}>"), |json| json.to_string());
        mlua::Error::runtime(format!("{function}: deserialize error: {place}{message}, while processing {input}"))
    })
}

/// The same value with every userdata that behaves like a table (has `__pairs`) turned into a table.
pub fn plain(lua: &Lua, value: Value) -> mlua::Result<Value> {
    plain_at(lua, value, 0)
}

fn plain_at(lua: &Lua, value: Value, depth: usize) -> mlua::Result<Value> {
    if depth > DEPTH {
        return Err(too_deep());
    }
    match value {
        Value::Table(table) => {
            let copy = lua.create_table()?;
            for pair in table.pairs::<Value, Value>() {
                let (key, value) = pair?;
                copy.raw_set(key, plain_at(lua, value, depth + 1)?)?;
            }
            if is_marked_array(lua, &table) {
                copy.set_metatable(Some(lua.array_metatable()))?;
            }
            Ok(Value::Table(copy))
        }
        Value::UserData(userdata) => {
            if let Ok(snapshot) = userdata.borrow::<Snapshot>() {
                return plain_at(lua, snapshot.to_table(lua)?, depth + 1);
            }
            let pairs = userdata.metatable()?.get::<Option<Function>>("__pairs")?;
            match pairs {
                Some(pairs) => {
                    let copy = lua.create_table()?;
                    for_each(&pairs, Value::UserData(userdata), |key, value| {
                        copy.raw_set(key, plain_at(lua, value, depth + 1)?)
                    })?;
                    Ok(Value::Table(copy))
                }
                None => Ok(Value::UserData(userdata)),
            }
        }
        other => Ok(other),
    }
}

/// Goes through what `__pairs` iterates over.
fn for_each(pairs: &Function, over: Value, mut each: impl FnMut(Value, Value) -> mlua::Result<()>) -> mlua::Result<()> {
    let (next, state, mut control): (Function, Value, Value) = pairs.call(over)?;
    loop {
        let mut pair: MultiValue = next.call((state.clone(), control))?;
        match pair.pop_front() {
            None | Some(Value::Nil) => return Ok(()),
            Some(key) => {
                control = key.clone();
                each(key, pair.pop_front().unwrap_or(Value::Nil))?;
            }
        }
    }
}

/// The JSON of a Lua value.
///
/// A table is an array when it was decoded from one or has the keys 1 to n alone; an empty one is `{}`. The
/// keys of maps are sorted: Lua keeps no order of its own. Text that is not UTF-8 is shown with replacement characters; infinite numbers are `null`.
///
/// # Errors
/// For functions, coroutines and userdata that neither behave like tables nor serialize.
pub fn to_json(lua: &Lua, value: &Value) -> mlua::Result<serde_json::Value> {
    json_at(lua, value, 0)
}

fn json_at(lua: &Lua, value: &Value, depth: usize) -> mlua::Result<serde_json::Value> {
    use serde_json::Value as Json;
    if depth > DEPTH {
        return Err(too_deep());
    }
    match value {
        Value::Nil => Ok(Json::Null),
        Value::LightUserData(data) if data.0.is_null() => Ok(Json::Null),
        Value::Boolean(value) => Ok(Json::Bool(*value)),
        Value::Integer(value) => Ok(Json::from(*value)),
        Value::Number(value) => Ok(Number::from_f64(*value).map_or(Json::Null, Json::Number)),
        Value::String(text) => Ok(Json::String(text.to_string_lossy())),
        Value::Table(table) => json_of_table(lua, table, depth),
        Value::UserData(userdata) => match plain(lua, value.clone())? {
            Value::Table(table) => json_of_table(lua, &table, depth),
            _ => serde_json::to_value(userdata).map_err(|error| mlua::Error::SerializeError(error.to_string())),
        },
        other => Err(mlua::Error::SerializeError(format!("cannot serialize a {}", other.type_name()))),
    }
}

fn json_of_table(lua: &Lua, table: &Table, depth: usize) -> mlua::Result<serde_json::Value> {
    if is_array(lua, table)? {
        let items = table.sequence_values::<Value>().map(|item| json_at(lua, &item?, depth + 1));
        return Ok(serde_json::Value::Array(items.collect::<mlua::Result<_>>()?));
    }
    let mut map = Map::new();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let key = match &key {
            Value::String(text) => text.to_string_lossy(),
            Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => key.to_string()?,
            other => {
                let kind = other.type_name();
                return Err(mlua::Error::SerializeError(format!("cannot serialize a {kind} as a key")));
            }
        };
        map.insert(key, json_at(lua, &value, depth + 1)?);
    }
    map.sort_keys();
    Ok(serde_json::Value::Object(map))
}

fn is_array(lua: &Lua, table: &Table) -> mlua::Result<bool> {
    let len = table.raw_len();
    if len == 0 || is_marked_array(lua, table) {
        return Ok(is_marked_array(lua, table));
    }
    let mut pairs = 0;
    for pair in table.pairs::<Value, Value>() {
        pair?;
        pairs += 1;
    }
    Ok(pairs == len)
}

pub(super) fn is_marked_array(lua: &Lua, table: &Table) -> bool {
    table.metatable().is_some_and(|metatable| metatable == lua.array_metatable())
}

fn too_deep() -> mlua::Error {
    mlua::Error::runtime(format!("tables are nested deeper than {DEPTH}, or contain themselves"))
}

/// Reads a duration: text as of [`parse_duration`], or a number of seconds.
/// For `#[serde(deserialize_with = "policy::duration")]`.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(DurationVisitor)
}

/// As [`duration`] for an `Option`; goes with `#[serde(default)]`.
pub fn optional_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    struct Optional;
    impl<'de> serde::de::Visitor<'de> for Optional {
        type Value = Option<Duration>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            DurationVisitor.expecting(f)
        }
        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            duration(deserializer).map(Some)
        }
    }
    deserializer.deserialize_option(Optional)
}

struct DurationVisitor;

impl serde::de::Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a duration, such as `5 minutes`, or a number of seconds")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
        parse_duration(text).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E>(self, seconds: u64) -> Result<Duration, E> {
        Ok(Duration::from_secs(seconds))
    }

    fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Duration, E> {
        u64::try_from(seconds)
            .map(Duration::from_secs)
            .map_err(|_| E::invalid_value(Unexpected::Signed(seconds), &self))
    }

    fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Duration, E> {
        Duration::try_from_secs_f64(seconds).map_err(|_| E::invalid_value(Unexpected::Float(seconds), &self))
    }
}
