//! The `conn_meta` of reception handlers (interface A.8).

use mlua::{Lua, LuaSerdeExt, Result, UserData, UserDataMethods, Value};

use super::reception::options;
use crate::mail::smtp::server::Connection;
use crate::policy;

impl UserData for Connection {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("get_meta", |lua: &Lua, this, key: String| match this.get(&key) {
            None => Ok(Value::Nil),
            Some(value) => lua.to_value_with(&value, options()),
        });
        methods.add_method("set_meta", |lua, this, (key, value): (String, Value)| {
            this.set(key, policy::to_json(lua, &value)?);
            Ok(())
        });
        methods.add_method("auth_info", |lua, this, ()| -> Result<Value> {
            lua.to_value_with(&this.auth_info(), options())
        });
    }
}
