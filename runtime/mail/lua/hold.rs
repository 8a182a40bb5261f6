//! `kumo.api.admin.*` (interface A.9).

use mlua::serde::SerializeOptions;
use mlua::{Error, Lua, LuaSerdeExt, Result, Table, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::config::options;
use crate::host::Host;
use crate::mail::config::read;
use crate::mail::hold::{BounceQueues, Holds, SuspendPath, SuspendQueues};
use crate::modules::time::Time;
use crate::policy;

/// Puts the functions there.
pub(crate) fn install(lua: &Lua, host: &Host) -> Result<()> {
    let holds = Holds::of(host);
    let path = policy::table(lua, "kumo.api.admin.suspend_ready_q")?;
    let on = holds.clone();
    path.set(
        "suspend",
        lua.create_function(move |lua, table| {
            let request: SuspendPath = request(lua, table, "kumo.api.admin.suspend_ready_q.suspend")?;
            Ok(request.make(&on).to_string())
        })?,
    )?;
    let (on, of) = (holds.clone(), holds.clone());
    list_and_delete(lua, &path, move || on.list_paths(), move |id| of.delete_path(id))?;

    let queues = policy::table(lua, "kumo.api.admin.suspend")?;
    let on = holds.clone();
    queues.set(
        "suspend",
        lua.create_function(move |lua, table| {
            let request: SuspendQueues = request(lua, table, "kumo.api.admin.suspend.suspend")?;
            Ok(request.make(&on).to_string())
        })?,
    )?;
    let (on, of) = (holds.clone(), holds.clone());
    list_and_delete(lua, &queues, move || on.list_queues(), move |id| of.delete_queue(id))?;

    let bounces = policy::table(lua, "kumo.api.admin.bounce")?;
    let on = holds.clone();
    bounces.set(
        "bounce",
        lua.create_function(move |lua, table| {
            let request: BounceQueues = request(lua, table, "kumo.api.admin.bounce.bounce")?;
            Ok(request.make(&on).to_string())
        })?,
    )?;
    let (on, of) = (holds.clone(), holds);
    list_and_delete(lua, &bounces, move || on.list_bounces(), move |id| of.delete_bounce(id))
}

fn list_and_delete<T: Serialize + 'static>(
    lua: &Lua,
    table: &Table,
    list: impl Fn() -> Vec<T> + Send + Sync + 'static,
    delete: impl Fn(Uuid) -> bool + Send + Sync + 'static,
) -> Result<()> {
    let listed = lua.create_function(move |lua, ()| {
        lua.to_value_with(&list(), SerializeOptions::new().set_array_metatable(false))
    })?;
    table.set("list", listed)?;
    let deleted = lua.create_function(move |_, id: String| match Uuid::try_parse(&id) {
        Ok(id) => Ok(delete(id)),
        Err(_) => Err(Error::runtime(format!("invalid id `{id}`: expected a UUID, as the call that made it returned"))),
    })?;
    table.set("delete", deleted)
}

/// A request, where a time may also be a value of `kumo.time`.
fn request<T: DeserializeOwned>(lua: &Lua, table: Value, function: &str) -> Result<T> {
    if let Value::Table(given) = &table
        && let Value::UserData(expires) = given.get::<Value>("expires")?
        && let Ok(time) = expires.borrow::<Time>()
    {
        // A copy: the caller's table stays as it is.
        let copy = lua.create_table()?;
        for pair in given.pairs::<Value, Value>() {
            let (key, value) = pair?;
            copy.set(key, value)?;
        }
        copy.set("expires", time.at().to_string())?;
        return request(lua, Value::Table(copy), function);
    }
    let given = options(lua, table, function)?;
    read(&given).map_err(|bad| {
        let input = serde_json::Value::Object(given.clone());
        Error::runtime(format!("{function}: deserialize error: {bad}, while processing {input}"))
    })
}
