//! What a policy does while tools look at it, kept apart from what the tool itself says: what it prints, which files it loads.

use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Function, Lua, MultiValue, Table, Value, Variadic};

use crate::host::Host;
use crate::policy;

/// What policies of a host have done.
#[derive(Default)]
pub(in crate::tools) struct Seen {
    printed: Mutex<Vec<String>>,
    /// The first argument of each `kumo.shaping.load`.
    loaded: Mutex<Vec<Vec<String>>>,
}

impl Seen {
    pub(in crate::tools) fn of(host: &Host) -> Arc<Self> {
        host.slot(Self::default)
    }

    /// The lines so far, each once: every Lua context runs the policy anew.
    pub(in crate::tools) fn lines(&self) -> Vec<String> {
        let mut lines = self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        lines.dedup();
        lines
    }

    /// The shaping files that were loaded last, in their order; `None` when none were asked for. What daemons generate is left out.
    pub(in crate::tools) fn files(&self) -> Option<Vec<String>> {
        let is_overlay = |file: &String| file.ends_with("/get_config_v1/shaping.toml");
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.last().map(|files| files.iter().filter(|file| !is_overlay(file)).cloned().collect())
    }
}

/// Puts functions that keep what they are told in the place of Lua's `print` and of `kumo.shaping.load`.
pub(super) fn install(lua: &Lua, host: &Host) -> mlua::Result<()> {
    keep_prints(lua, Seen::of(host))?;
    keep_loads(lua, Seen::of(host))
}

fn keep_prints(lua: &Lua, seen: Arc<Seen>) -> mlua::Result<()> {
    let print = lua.create_function(move |lua, values: Variadic<Value>| {
        let shown = |value| Ok(lua.coerce_string(value)?.map_or_else(String::new, |text| text.to_string_lossy()));
        let texts: mlua::Result<Vec<String>> = values
            .into_iter()
            .map(|value| match value {
                Value::String(_) | Value::Number(_) | Value::Integer(_) => shown(value),
                other => other.to_string(),
            })
            .collect();
        seen.printed.lock().unwrap_or_else(PoisonError::into_inner).push(texts?.join("\t"));
        Ok(())
    })?;
    lua.globals().set("print", print)
}

fn keep_loads(lua: &Lua, seen: Arc<Seen>) -> mlua::Result<()> {
    let shaping: Table = policy::table(lua, "kumo.shaping")?;
    let load: Function = shaping.get("load")?;
    let kept = lua.create_async_function(move |lua, arguments: MultiValue| {
        let (seen, load) = (seen.clone(), load.clone());
        async move {
            let files = arguments.front().cloned().unwrap_or(Value::Nil);
            if let Ok(files) = policy::plain(&lua, files).and_then(|files| lua.unpack::<Vec<String>>(files)) {
                seen.loaded.lock().unwrap_or_else(PoisonError::into_inner).push(files);
            }
            load.call_async::<Value>(arguments).await
        }
    })?;
    shaping.set("load", kept)
}
