//! `kumo.make_egress_path` and its like, and what they make (interface A.5).

use std::sync::Arc;

use mlua::serde::SerializeOptions;
use mlua::{
    AnyUserData, Error, FromLua, IntoLuaMulti, Lua, LuaSerdeExt, MetaMethod, MultiValue, Result, UserData,
    UserDataMethods, Value,
};
use serde_json::Map;

use crate::host::Host;
use crate::mail::config::{Config, PathConfig, Pool, QueueConfig, Source};
use crate::policy;

/// A config as a policy holds it: a userdata that shows its options like a table.
#[derive(Clone)]
pub(crate) struct Made<T>(Arc<T>);

impl<T: Config> Made<T> {
    /// The config.
    pub(crate) fn into_inner(self) -> T {
        Arc::try_unwrap(self.0).unwrap_or_else(|shared| T::clone(&shared))
    }

    /// Its options, with nil for none.
    fn table(&self, lua: &Lua) -> Result<Value> {
        to_lua(lua, &serde_json::Value::Object(self.0.to_json()))
    }
}

impl<T: Config> FromLua for Made<T> {
    fn from_lua(value: Value, _: &Lua) -> Result<Self> {
        if let Some(made) = value.as_userdata().and_then(|userdata| userdata.borrow::<Self>().ok()) {
            return Ok(Self(made.0.clone()));
        }
        Err(Error::FromLuaConversionError {
            from: value.type_name(),
            to: "config".to_owned(),
            message: Some(format!("expected the value of `{}`", T::MAKER)),
        })
    }
}

impl<T: Config> UserData for Made<T> {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, key: Value| match key.as_string() {
            Some(name) => match this.0.to_json().get(&*name.to_str()?) {
                Some(value) => to_lua(lua, value),
                None => Ok(Value::Nil),
            },
            None => Ok(Value::Nil),
        });
        methods.add_meta_method(MetaMethod::Len, |_, this, ()| Ok(this.0.to_json().len()));
        methods.add_meta_function(MetaMethod::Pairs, |lua, this: AnyUserData| {
            let table = this.borrow::<Self>()?.table(lua)?;
            let next: Value = lua.globals().get("next")?;
            (next, table, Value::Nil).into_lua_multi(lua)
        });
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| {
            Ok(serde_json::Value::Object(this.0.to_json()).to_string())
        });
    }
}

/// A Lua value without metatables, with nil for null.
pub(super) fn to_lua(lua: &Lua, value: &serde_json::Value) -> Result<Value> {
    let options =
        SerializeOptions::new().set_array_metatable(false).serialize_none_to_null(false).serialize_unit_to_null(false);
    lua.to_value_with(value, options)
}

/// The options that a policy gives to `function`, as JSON.
pub(super) fn options(lua: &Lua, table: Value, function: &str) -> Result<Map<String, serde_json::Value>> {
    let given = policy::plain(lua, table)?;
    let shape = |found: &str| {
        let message = format!("invalid type: {found}, expected a table of options");
        Error::runtime(format!("{function}: deserialize error: {message}, while processing {found}"))
    };
    if !given.is_table() {
        return Err(shape(given.type_name()));
    }
    match policy::to_json(lua, &given) {
        Ok(serde_json::Value::Object(map)) => Ok(map),
        Ok(serde_json::Value::Array(list)) if list.is_empty() => Ok(Map::new()),
        Ok(_) => Err(shape("list")),
        Err(error) => {
            let why = error.to_string().replace('\n', " ");
            let message = format!("deserialize error: invalid type: {why}, expected plain values");
            Err(Error::runtime(format!("{function}: {message}, while processing a table")))
        }
    }
}

fn make<T: Config>(lua: &Lua, table: Value) -> Result<Made<T>> {
    let options = options(lua, table, T::MAKER)?;
    T::from_options(&options).map(|config| Made(Arc::new(config))).map_err(|bad| {
        let input = serde_json::Value::Object(options);
        Error::runtime(format!("{}: deserialize error: {bad}, while processing {input}", T::MAKER))
    })
}

/// Puts the functions there.
pub(crate) fn install(lua: &Lua, _host: &Host) -> Result<()> {
    let kumo = policy::table(lua, "kumo")?;
    kumo.set("make_egress_path", lua.create_function(make::<PathConfig>)?)?;
    kumo.set("make_queue_config", lua.create_function(make::<QueueConfig>)?)?;
    kumo.set("make_egress_source", lua.create_function(make::<Source>)?)?;
    kumo.set("make_egress_pool", lua.create_function(make::<Pool>)?)?;
    invocations(lua, &kumo)
}

/// `kumo.invoke_get_*`: what an event answers in this very context, as a table of its own.
fn invocations(lua: &Lua, kumo: &mlua::Table) -> Result<()> {
    let path = lua.create_async_function(async |lua: Lua, args: (String, String, String)| {
        let made = ask::<PathConfig>(&lua, "get_egress_path_config", args).await?;
        made.unwrap_or_else(|| Made(Arc::default())).table(&lua)
    })?;
    kumo.set("invoke_get_egress_path_config", path)?;
    let queue = lua.create_async_function(async |lua: Lua, name: String| {
        let parts = kumo_tsa_core::wire::QueueName::parse(&name);
        let args = (parts.domain, parts.tenant, parts.campaign, parts.routing_domain);
        let made = ask::<QueueConfig>(&lua, "get_queue_config", args).await?;
        made.unwrap_or_else(|| Made(Arc::default())).table(&lua)
    })?;
    kumo.set("invoke_get_queue_config", queue)?;
    let source = lua.create_async_function(async |lua: Lua, name: String| {
        named(&lua, "get_egress_source", name, Source::unspecified).await
    })?;
    kumo.set("invoke_get_egress_source", source)?;
    let pool = lua.create_async_function(async |lua: Lua, name: String| {
        named(&lua, "get_egress_pool", name, Pool::unspecified).await
    })?;
    kumo.set("invoke_get_egress_pool", pool)
}

async fn named<T: Config>(lua: &Lua, event: &str, name: String, built_in: fn() -> T) -> Result<Value> {
    if name == crate::mail::config::UNSPECIFIED {
        return Made(Arc::new(built_in())).table(lua);
    }
    let made = ask::<T>(lua, event, name).await?;
    let made = made.ok_or_else(|| Error::runtime(format!("event `{event}` has not been registered")))?;
    made.table(lua)
}

async fn ask<T: Config>(lua: &Lua, event: &str, args: impl IntoLuaMulti) -> Result<Option<Made<T>>> {
    let args: MultiValue = args.into_lua_multi(lua)?;
    let answer = policy::ask_here(lua, event, args).await?;
    answer.map(|mut values| Made::from_lua(values.pop_front().unwrap_or(Value::Nil), lua)).transpose()
}
