//! `kumo.shaping.set_overrides` (semantics P5).

use mlua::{Error, Lua, Result, Value};

use crate::host::Host;
use crate::mail::automation::{Automation, Change};
use crate::policy;

const NAME: &str = "kumo.shaping.set_overrides";

/// Puts the function there.
pub(crate) fn install(lua: &Lua, _host: &Host) -> Result<()> {
    let set = lua.create_async_function(async |lua: Lua, (owner, changes): (String, Value)| {
        let changes = read(&lua, changes)?;
        let host = policy::host(&lua)?;
        Ok(Automation::of(&host).set_overrides(&host, &owner, changes).await)
    })?;
    policy::table(lua, "kumo.shaping")?.set("set_overrides", set)
}

/// Reads the list. A change that is not understood, as of a daemon that is newer, is said and left out.
fn read(lua: &Lua, changes: Value) -> Result<Vec<Change>> {
    let plain = policy::plain(lua, changes)?;
    let list = match policy::to_json(lua, &plain)? {
        serde_json::Value::Array(list) => list,
        serde_json::Value::Object(map) if map.is_empty() => Vec::new(),
        other => {
            let found = if other.is_object() { "a table with names" } else { plain.type_name() };
            return Err(Error::runtime(format!("{NAME}: expected a list of changes, found {found}")));
        }
    };
    let parse = |(at, frame): (usize, &serde_json::Value)| {
        let change = Change::parse(frame);
        change.map_err(|bad| tracing::warn!("{NAME}: change {}: {bad}", at + 1)).ok()
    };
    Ok(list.iter().enumerate().filter_map(parse).collect())
}
