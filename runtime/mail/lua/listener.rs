//! `kumo.start_esmtp_listener` and `kumo.make_listener_domain` (interface A.3, A.5).

use mlua::{ExternalError, FromLua, Lua, MetaMethod, Result, Table as LuaTable, UserData, UserDataMethods, Value};
use mlua::{Function, LuaSerdeExt};

use super::reception::options;
use crate::host::Host;
use crate::host::http;
use crate::host::listening::Listeners;
use crate::mail::smtp::server::{Bound, ListenerDomain, Parameters, Table};
use crate::policy;

/// Puts the functions there.
pub fn install(lua: &Lua, _host: &Host) -> Result<()> {
    let kumo = policy::table(lua, "kumo")?;
    kumo.set("start_esmtp_listener", lua.create_function(start_esmtp_listener)?)?;
    kumo.set("make_listener_domain", lua.create_function(make_listener_domain)?)
}

fn start_esmtp_listener(lua: &Lua, table: Value) -> Result<()> {
    const FUNCTION: &str = "kumo.start_esmtp_listener";
    let host = policy::host(lua)?;
    let table: Table = policy::options(lua, table, FUNCTION)?;
    let parameters =
        Parameters::parse(table, http::hostname()).map_err(|why| mlua::Error::runtime(format!("{FUNCTION}: {why}")))?;
    for name in parameters.unenforced() {
        tracing::warn!("{FUNCTION}: `{name}` is accepted, and is not enforced yet");
    }
    if policy::of(lua).is_ok_and(|policy| policy.is_validating()) {
        return Ok(());
    }
    let bound = Bound::bind(&host, parameters).map_err(ExternalError::into_lua_err)?;
    Listeners::of(&host).add(bound);
    Ok(())
}

fn make_listener_domain(lua: &Lua, table: Value) -> Result<ListenerDomain> {
    policy::options(lua, table, "kumo.make_listener_domain")
}

impl UserData for ListenerDomain {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, key: Value| table(lua, this)?.get::<Value>(key));
        methods.add_meta_method(MetaMethod::Pairs, |lua, this, ()| {
            let next: Function = lua.globals().get("next")?;
            Ok((next, table(lua, this)?, Value::Nil))
        });
        methods.add_meta_method(MetaMethod::Len, |lua, this, ()| Ok(table(lua, this)?.pairs::<Value, Value>().count()));
    }
}

fn table(lua: &Lua, domain: &ListenerDomain) -> Result<LuaTable> {
    LuaTable::from_lua(lua.to_value_with(domain, options())?, lua)
}

impl FromLua for ListenerDomain {
    fn from_lua(value: Value, _: &Lua) -> Result<Self> {
        if let Value::UserData(userdata) = &value
            && let Ok(domain) = userdata.borrow::<Self>()
        {
            return Ok(domain.clone());
        }
        Err(mlua::Error::FromLuaConversionError {
            from: value.type_name(),
            to: "listener domain".to_owned(),
            message: Some("expected what `kumo.make_listener_domain` returns, or nil".to_owned()),
        })
    }
}
