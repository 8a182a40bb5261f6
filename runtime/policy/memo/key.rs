//! The key under which a call is remembered.

use std::collections::BTreeMap;
use std::fmt::Write;

use mlua::{Lua, MultiValue, Value};

/// The JSON of a call's arguments: one argument is that value, several are an array. The keys of tables are sorted, so
/// that equal calls have equal keys.
///
/// # Errors
/// When an argument is a function, a coroutine or a userdata that cannot be serialized.
pub fn key(lua: &Lua, args: &MultiValue) -> mlua::Result<String> {
    let mut text = String::new();
    if args.len() == 1 {
        write_value(lua, &args[0], &mut text, 0)?;
    } else {
        text.push('[');
        for (index, arg) in args.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            write_value(lua, arg, &mut text, 0)?;
        }
        text.push(']');
    }
    Ok(text)
}

fn write_value(lua: &Lua, value: &Value, text: &mut String, depth: usize) -> mlua::Result<()> {
    match value {
        Value::String(string) => write_text(&string.as_bytes(), text),
        Value::Integer(number) => {
            let _ = write!(text, "{number}");
        }
        Value::Boolean(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Nil => text.push_str("null"),
        // `{:?}` tells 1.0 from 1, and writes what JSON cannot.
        Value::Number(number) => {
            let _ = write!(text, "{number:?}");
        }
        Value::Table(table) if depth < 128 => {
            let len = table.raw_len();
            let mut entries = BTreeMap::new();
            for pair in table.pairs::<Value, Value>() {
                let (key, value) = pair?;
                let mut name = String::new();
                write_value(lua, &key, &mut name, depth + 1)?;
                entries.insert(name, value);
            }
            if len > 0 && entries.len() == len {
                let items = (1..=len).map(|index| table.raw_get::<Value>(index)).collect::<mlua::Result<Vec<_>>>()?;
                write_list(lua, items.iter(), text, depth)?;
            } else {
                write_map(lua, &entries, text, depth)?;
            }
        }
        Value::Table(_) => return Err(mlua::Error::runtime("an argument is nested too deeply, or contains itself")),
        other => write_json(&crate::policy::to_json(lua, other)?, text),
    }
    Ok(())
}

fn write_list<'v>(
    lua: &Lua,
    items: impl Iterator<Item = &'v Value>,
    text: &mut String,
    depth: usize,
) -> mlua::Result<()> {
    text.push('[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_value(lua, item, text, depth + 1)?;
    }
    text.push(']');
    Ok(())
}

fn write_map(lua: &Lua, entries: &BTreeMap<String, Value>, text: &mut String, depth: usize) -> mlua::Result<()> {
    text.push('{');
    for (index, (name, value)) in entries.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(name);
        text.push(':');
        write_value(lua, value, text, depth + 1)?;
    }
    text.push('}');
    Ok(())
}

/// The same for what was a userdata.
fn write_json(value: &serde_json::Value, text: &mut String) {
    match value {
        serde_json::Value::Object(map) => {
            let sorted: BTreeMap<&String, &serde_json::Value> = map.iter().collect();
            text.push('{');
            for (index, (name, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_text(name.as_bytes(), text);
                text.push(':');
                write_json(value, text);
            }
            text.push('}');
        }
        serde_json::Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_json(item, text);
            }
            text.push(']');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

/// A JSON string; bytes that are no UTF-8 are told apart too.
fn write_text(bytes: &[u8], text: &mut String) {
    text.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                c if c < ' ' => {
                    let _ = write!(text, "\\u{:04x}", u32::from(c));
                }
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text.push('"');
}
