//! `kumo.spawn_task` (interface B.8).

use mlua::{Lua, Value};
use serde::Deserialize;

use crate::host::Host;
use crate::policy;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    event_name: String,
    #[serde(default)]
    args: Vec<serde_json::Value>,
}

/// Puts the function there.
pub fn install(lua: &Lua, _host: &Host) -> mlua::Result<()> {
    policy::table(lua, "kumo")?.set(
        "spawn_task",
        lua.create_function(|lua, params: Value| {
            let params: Params = policy::options(lua, params, "kumo.spawn_task")?;
            if policy::is_loading(lua) {
                return Err(mlua::Error::runtime(
                    "kumo.spawn_task: call it from an event, such as `init`: the policy file itself is run by every \
                     task, so the task would start itself over and over",
                ));
            }
            policy::of(lua)?
                .spawn(params.event_name, params.args.into())
                .map_err(|error| mlua::Error::runtime(format!("kumo.spawn_task: {error}")))
        })?,
    )
}
