//! Arguments of events whose number a policy or a person chooses.

use mlua::{IntoLuaMulti, Lua, LuaSerdeExt, MultiValue};
use serde_json::Value;

/// One value for each argument.
pub(crate) struct Arguments(pub(crate) Vec<Value>);

impl IntoLuaMulti for Arguments {
    fn into_lua_multi(self, lua: &Lua) -> mlua::Result<MultiValue> {
        self.0.iter().map(|value| lua.to_value(value)).collect()
    }
}
