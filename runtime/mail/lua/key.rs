//! Secrets that a policy's event answers (interface A.20).

use mlua::{IntoLuaMulti, Lua, LuaSerdeExt, LuaString, MultiValue};
use serde_json::Value;

use crate::policy::{Error, Event, Policy};

/// The arguments of the event, one each.
struct Arguments(Vec<Value>);

impl IntoLuaMulti for Arguments {
    fn into_lua_multi(self, lua: &Lua) -> mlua::Result<MultiValue> {
        self.0.iter().map(|value| lua.to_value(value)).collect()
    }
}

/// What the event answers.
pub(crate) async fn ask(policy: &Policy, event: &str, args: &[Value]) -> Result<Vec<u8>, Error> {
    let event = Event::<Arguments, LuaString>::named(event);
    let text = policy.ask(&event, Arguments(args.to_vec())).await?;
    Ok(text.as_bytes().to_vec())
}
