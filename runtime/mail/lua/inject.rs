//! `kumo.inject_message`, `kumo.api.inject` and the event that injection raises (interface A.7, A.9, C.10).

use std::net::SocketAddr;

use mlua::{Error, IntoLua, Lua, LuaSerdeExt, Result, Value};
use serde_json::json;

use super::failure;
use crate::host::Host;
use crate::mail::Message;
use crate::mail::inject::{self, Origin, Request};
use crate::policy::{self, Event, Pinned, Policy};

/// Asked for each message that was made of an injection, before it is handed over.
const HTTP_MESSAGE_GENERATED: Event<(Message, Auth), ()> = Event::single("http_message_generated");

/// Who asked, as a table.
struct Auth(serde_json::Value);

impl IntoLua for Auth {
    fn into_lua(self, lua: &Lua) -> Result<Value> {
        lua.to_value(&self.0)
    }
}

/// Asks the policy about the messages of one request, in one Lua context.
pub(in crate::mail) struct Asker<'p> {
    policy: &'p Policy,
    context: Option<Pinned>,
}

impl<'p> Asker<'p> {
    pub(in crate::mail) fn new(policy: &'p Policy) -> Self {
        Self { policy, context: None }
    }

    /// Asks about a message that was made. A rejection is in the error.
    pub(in crate::mail) async fn message_generated(
        &mut self,
        message: &Message,
        origin: &Origin,
    ) -> std::result::Result<(), policy::Error> {
        if !self.policy.defines(HTTP_MESSAGE_GENERATED.name()) {
            return Ok(());
        }
        // After a handler that failed the next message gets another context.
        let mut context = match self.context.take() {
            Some(context) if !context.is_spent() => context,
            _ => self.policy.pin().await?,
        };
        let asked = context.call(&HTTP_MESSAGE_GENERATED, (message.clone(), Auth::of(origin))).await;
        self.context = Some(context);
        asked.map(drop)
    }
}

impl Auth {
    fn of(origin: &Origin) -> Self {
        let ip = origin.received_from.as_deref().and_then(|from| from.parse().ok()).map(|at: SocketAddr| at.ip());
        let identity = |who: &String| json!({"identity": who, "context": "HttpAuth"});
        let identities: Vec<_> = origin.http_auth.iter().map(identity).collect();
        Self(json!({"peer_address": ip, "identities": identities, "groups": []}))
    }
}

/// Puts the functions there.
pub(super) fn install(lua: &Lua, _host: &Host) -> Result<()> {
    policy::table(lua, "kumo")?.set("inject_message", lua.create_async_function(inject_message)?)?;
    let table = policy::table(lua, "kumo.api.inject")?;
    table.set("inject_v1", lua.create_async_function(inject_v1)?)?;
    table.set("build_v1", lua.create_async_function(build_v1)?)
}

async fn inject_message(lua: Lua, (message, deferred_spool): (Message, Option<bool>)) -> Result<()> {
    let host = policy::host(&lua)?;
    let taken = inject::accept(&host, vec![message], deferred_spool == Some(true)).await;
    taken.map_err(|error| failure(format!("kumo.inject_message: {error}")))
}

async fn inject_v1(lua: Lua, request: Value) -> Result<Value> {
    let request: Request = policy::options(&lua, request, "kumo.api.inject.inject_v1")?;
    let response = inject::inject(&policy::of(&lua)?, &request, &Origin::default()).await;
    lua.to_value(&response.map_err(Error::external)?)
}

async fn build_v1(lua: Lua, request: Value) -> Result<Vec<Message>> {
    let request: Request = policy::options(&lua, request, "kumo.api.inject.build_v1")?;
    inject::build(&policy::of(&lua)?, &request, &Origin::default()).await.map_err(failure)
}
