//! `kumo.api.admin.*` (interface A.9).

use mlua::serde::SerializeOptions;
use mlua::{Error, Lua, LuaSerdeExt, Result, Value};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::config::options;
use crate::host::Host;
use crate::mail::config::read;
use crate::mail::hold::{BounceQueues, Holds, Order, SuspendPath, SuspendQueues};
use crate::modules::time::Time;
use crate::policy;

/// Puts the functions there.
pub(crate) fn install(lua: &Lua, host: &Host) -> Result<()> {
    entries::<SuspendPath>(lua, host, "kumo.api.admin.suspend_ready_q", "suspend")?;
    entries::<SuspendQueues>(lua, host, "kumo.api.admin.suspend", "suspend")?;
    entries::<BounceQueues>(lua, host, "kumo.api.admin.bounce", "bounce")
}

/// A table with a function that makes an entry, and `list` and `delete`.
fn entries<T: Order>(lua: &Lua, host: &Host, name: &str, verb: &str) -> Result<()> {
    let table = policy::table(lua, name)?;
    let (holds, function) = (Holds::of(host), format!("{name}.{verb}"));
    let make = lua.create_function(move |lua, table| {
        let order: T = request(lua, table, &function)?;
        Ok(order.make(&holds).to_string())
    })?;
    table.set(verb, make)?;
    let holds = Holds::of(host);
    let list = lua.create_function(move |lua, ()| {
        lua.to_value_with(&T::list(&holds), SerializeOptions::new().set_array_metatable(false))
    })?;
    table.set("list", list)?;
    let holds = Holds::of(host);
    let delete = lua.create_function(move |_, id: String| match Uuid::try_parse(&id) {
        Ok(id) => Ok(T::delete(&holds, id)),
        Err(_) => Err(Error::runtime(format!("invalid id `{id}`: expected a UUID, as the call that made it returned"))),
    })?;
    table.set("delete", delete)
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
