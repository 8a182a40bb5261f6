//! `kumo.log_error` and its like.

use std::fmt::Write;

use mlua::{Lua, MultiValue, Value};
use tracing::Level;

use crate::host::Host;
use crate::policy;

/// Puts the functions there.
pub fn install(lua: &Lua, host: &Host) -> mlua::Result<()> {
    let kumo = policy::table(lua, "kumo")?;
    let levels = [
        ("log_error", Level::ERROR),
        ("log_warn", Level::WARN),
        ("log_info", Level::INFO),
        ("log_debug", Level::DEBUG),
    ];
    for (name, level) in levels {
        kumo.set(
            name,
            lua.create_function(move |lua, args: MultiValue| {
                emit(level, &line(lua, &args)?);
                Ok(())
            })?,
        )?;
    }
    let filter = host.log_filter();
    kumo.set(
        "set_diagnostic_log_filter",
        lua.create_function(move |_, text: String| {
            filter.set(&text).map_err(|error| {
                let why = format!("{:#}", anyhow::Error::from(error));
                mlua::Error::runtime(format!("kumo.set_diagnostic_log_filter: {why}"))
            })
        })?,
    )
}

/// The level of a tracing record must be a constant.
fn emit(level: Level, line: &str) {
    match level {
        Level::ERROR => tracing::error!(target: "lua", "{line}"),
        Level::WARN => tracing::warn!(target: "lua", "{line}"),
        Level::INFO => tracing::info!(target: "lua", "{line}"),
        _ => tracing::debug!(target: "lua", "{line}"),
    }
}

/// `file:line: ` of the caller, and the arguments.
fn line(lua: &Lua, args: &MultiValue) -> mlua::Result<String> {
    let mut line = String::new();
    if let Some((file, number)) = policy::caller(lua) {
        line = format!("{file}:{number}: ");
    }
    for (index, arg) in args.iter().enumerate() {
        if index > 0 {
            line.push(' ');
        }
        line.push_str(&text_of(lua, arg)?);
    }
    Ok(line)
}

/// A value as Lua's `tostring` shows it; bytes that are no UTF-8 as `\xNN`.
pub fn text_of(lua: &Lua, value: &Value) -> mlua::Result<String> {
    let string = match value {
        Value::String(string) => Some(string.clone()),
        Value::Integer(_) | Value::Number(_) => lua.coerce_string(value.clone())?,
        _ => None,
    };
    let Some(string) = string else {
        return value.to_string();
    };
    let mut text = String::new();
    for chunk in string.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    Ok(text)
}
