//! What a policy prints while it is looked at, kept apart from what the tool itself says.

use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Lua, Variadic};

use crate::host::Host;

/// Lines that policies of a host have printed.
#[derive(Default)]
pub(super) struct Printed(Mutex<Vec<String>>);

impl Printed {
    pub(super) fn of(host: &Host) -> Arc<Self> {
        host.slot(Self::default)
    }

    /// The lines so far, each once: every Lua context runs the policy anew.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        lines.dedup();
        lines
    }
}

/// Puts a `print` that keeps its lines in the place of Lua's.
pub(super) fn install(lua: &Lua, host: &Host) -> mlua::Result<()> {
    let printed = Printed::of(host);
    let print = lua.create_function(move |lua, values: Variadic<mlua::Value>| {
        let shown = |value| Ok(lua.coerce_string(value)?.map_or_else(String::new, |text| text.to_string_lossy()));
        let texts: mlua::Result<Vec<String>> = values
            .into_iter()
            .map(|value| match value {
                mlua::Value::String(_) | mlua::Value::Number(_) | mlua::Value::Integer(_) => shown(value),
                other => other.to_string(),
            })
            .collect();
        printed.0.lock().unwrap_or_else(PoisonError::into_inner).push(texts?.join("\t"));
        Ok(())
    })?;
    lua.globals().set("print", print)
}
