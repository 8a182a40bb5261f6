//! `testing.policy`: the handlers of a policy one by one; and what they are given.

use std::sync::Arc;

use mlua::{
    FromLuaMulti, IntoLua, IntoLuaMulti, Lua, LuaString, MultiValue, Table, UserData, UserDataMethods, UserDataRef,
    Value,
};
use serde::Deserialize;
use serde_json::{Map, json};

use super::value::{failure, options, to_lua};
use crate::mail::smtp::server::Connection;
use crate::mail::{Address, Message};
use crate::policy::{self, Event};
use crate::tools::spec::world::policy::{Loaded, Raised};
use crate::tools::spec::world::stage::Stage;

/// A policy as specs hold it.
struct Handle {
    stage: Arc<Stage>,
    loaded: Loaded,
}

/// What `testing.message` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Letter {
    from: Option<String>,
    to: Option<String>,
    content: Option<String>,
    meta: Option<Map<String, serde_json::Value>>,
}

pub(super) fn install(lua: &Lua, world: &Table, stage: &Arc<Stage>) -> mlua::Result<()> {
    const FUNCTION: &str = "testing.policy";
    let on = stage.clone();
    let policy = lua.create_async_function(move |lua, (file, table): (Value, Value)| {
        let stage = on.clone();
        async move {
            let Some(file) = file.as_string().map(LuaString::to_string_lossy) else {
                let got = file.type_name();
                return Err(failure(format!(
                    "{FUNCTION}: expected the file of a policy, such as `init.lua`, got {got}"
                )));
            };
            let options = options(&lua, table, FUNCTION)?;
            let loaded = Loaded::load(&stage, &file, options).await;
            let loaded = loaded.map_err(|error| failure(format!("{FUNCTION}: {error:#}")))?;
            Ok(Handle { stage, loaded })
        }
    })?;
    world.set("policy", policy)?;
    let on = stage.clone();
    world.set("message", lua.create_function(move |lua, table: Value| message(lua, &on, table))?)?;
    let connection = lua.create_function(|lua, meta: Option<Table>| {
        let connection = Connection::default();
        let pairs = meta.iter().flat_map(Table::pairs::<String, Value>);
        for pair in pairs {
            let (key, value) = pair?;
            connection.set(key, policy::to_json(lua, &value)?);
        }
        Ok(connection)
    })?;
    world.set("connection", connection)
}

fn message(lua: &Lua, stage: &Stage, table: Value) -> mlua::Result<Message> {
    const FUNCTION: &str = "testing.message";
    let letter: Letter = options(lua, table, FUNCTION)?;
    let address = |field: &str, text: Option<&str>, usual: &str| {
        let text = text.unwrap_or(usual);
        let wrong =
            |_| failure(format!("{FUNCTION}: field `{field}`: `{text}` is no address, such as `someone@a.example`"));
        Address::parse(text).map_err(wrong)
    };
    let from = address("from", letter.from.as_deref(), "news@sender.example")?;
    let to = address("to", letter.to.as_deref(), "user@a.example")?;
    let content = letter.content.unwrap_or_else(|| "Subject: hello\n\nhello\n".to_owned());
    let content = content.replace("\r\n", "\n").replace('\n', "\r\n");
    let message = Message::new(from, vec![to], content, stage.hands.now());
    letter.meta.into_iter().flatten().for_each(|(key, value)| message.set_meta(key, value));
    Ok(message)
}

impl UserData for Handle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method(
            "call",
            |lua, this: UserDataRef<Self>, (event, args): (String, MultiValue)| async move {
                match this.call("policy:call", &event, &lua, args).await? {
                    Ok(values) => values.iter().map(|value| to_lua(&lua, value)).collect::<mlua::Result<MultiValue>>(),
                    Err(Raised::Rejection(rejection)) => Err(failure(format!(
                        "policy:call: event `{event}` refused with `{rejection}` (`policy:rejection` returns it)"
                    ))),
                    Err(Raised::Other(error)) => Err(failure(format!("policy:call: {error:#}"))),
                }
            },
        );
        methods.add_async_method(
            "rejection",
            |lua, this: UserDataRef<Self>, (event, args): (String, MultiValue)| async move {
                match this.call("policy:rejection", &event, &lua, args).await? {
                    Ok(_) => Ok(Value::Nil),
                    Err(Raised::Rejection(rejection)) => {
                        to_lua(&lua, &json!({ "code": rejection.code, "message": rejection.message }))
                    }
                    Err(Raised::Other(error)) => Err(failure(format!("policy:rejection: {error:#}"))),
                }
            },
        );
        methods.add_method("events", |_, this, ()| Ok(this.loaded.policy.events()));
        methods.add_method("has", |_, this, event: String| Ok(this.loaded.policy.defines(&event)));
    }
}

impl Handle {
    async fn call(
        &self,
        function: &str,
        event: &str,
        lua: &Lua,
        args: MultiValue,
    ) -> mlua::Result<Result<Vec<serde_json::Value>, Raised>> {
        self.loaded.check(event).map_err(|error| failure(format!("{function}: {error:#}")))?;
        let mut given = Vec::new();
        for (at, value) in args.iter().enumerate() {
            let wrong = |error: mlua::Error| failure(format!("{function}: argument {} of `{event}`: {error}", at + 1));
            given.push(Argument::of(lua, value).map_err(wrong)?);
        }
        let named = Event::<Arguments, Returned>::named(event);
        let called = self.stage.hands.through(function, self.loaded.policy.call(&named, Arguments(given))).await;
        let called = called.map_err(|error| failure(format!("{error:#}")))?;
        Ok(called.map(|returned| returned.map_or_else(Vec::new, |Returned(values)| values)).map_err(Raised::from))
    }
}

/// A value on its way from the spec's Lua context to the policy's.
enum Argument {
    Plain(serde_json::Value),
    Message(Message),
    Connection(Connection),
    Address(Address),
}

struct Arguments(Vec<Argument>);

/// What a handler returned, as plain values.
struct Returned(Vec<serde_json::Value>);

impl Argument {
    fn of(lua: &Lua, value: &Value) -> mlua::Result<Self> {
        if let Some(data) = value.as_userdata() {
            if let Ok(message) = data.borrow::<Message>() {
                return Ok(Self::Message(message.clone()));
            }
            if let Ok(connection) = data.borrow::<Connection>() {
                return Ok(Self::Connection(connection.clone()));
            }
            if let Ok(address) = data.borrow::<Address>() {
                return Ok(Self::Address(address.clone()));
            }
        }
        policy::to_json(lua, value).map(Self::Plain)
    }
}

impl IntoLuaMulti for Arguments {
    fn into_lua_multi(self, lua: &Lua) -> mlua::Result<MultiValue> {
        let values = self.0.into_iter().map(|argument| match argument {
            Argument::Plain(value) => to_lua(lua, &value),
            Argument::Message(message) => message.into_lua(lua),
            Argument::Connection(connection) => connection.into_lua(lua),
            Argument::Address(address) => address.into_lua(lua),
        });
        values.collect()
    }
}

impl FromLuaMulti for Returned {
    fn from_lua_multi(values: MultiValue, lua: &Lua) -> mlua::Result<Self> {
        let plain = |value: &Value| match policy::to_json(lua, value) {
            Ok(plain) => Ok(plain),
            // What cannot cross is told by its text.
            Err(_) => value.to_string().map(serde_json::Value::String),
        };
        Ok(Self(values.iter().map(plain).collect::<mlua::Result<_>>()?))
    }
}
