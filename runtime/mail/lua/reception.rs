//! The events of reception over SMTP (interface B.5). An event without a handler costs no more than finding that out.

use std::net::SocketAddr;

use mlua::serde::SerializeOptions;
use mlua::{Error, FromLua, FromLuaMulti, IntoLuaMulti, Lua, Result, Table as LuaTable, Value};
use serde_json::Value as Json;

use crate::mail::rejection::Closing;
use crate::mail::smtp::server::{Connection, ListenerDomain, Table};
use crate::mail::{Address, Message, Rejection};
use crate::policy::{self, Event, Policy};

/// What an event says.
type Asked<T> = std::result::Result<T, policy::Error>;

const DYNAMIC: Event<(String, Connection), Option<Dynamic>> = Event::single("smtp_server_get_dynamic_parameters");
const ACCEPTED: Event<Connection, ()> = Event::single("smtp_server_connection_accepted");
const EHLO: Event<(String, Connection, Vec<String>), Option<Vec<String>>> = Event::single("smtp_server_ehlo");
const HELO: Event<(String, Connection), ()> = Event::single("smtp_server_ehlo");
const MAIL_FROM: Event<(Address, Connection), ()> = Event::single("smtp_server_mail_from");
const RCPT_TO: Event<(Address, Connection), ()> = Event::single("smtp_server_rcpt_to");
const DATA: Event<(Message, Connection), ()> = Event::single("smtp_server_data");
const SPLIT: Event<(Message, Connection), Option<Vec<Vec<Address>>>> = Event::single("smtp_server_split_transaction");
const RECEIVED: Event<(Message, Connection), ()> = Event::single("smtp_server_message_received");
const DEFERRED_INJECT: Event<(Message, Connection), ()> = Event::single("smtp_server_message_deferred_inject");
const REWRITE: Event<Said, (Option<u16>, Option<String>)> = Event::single("smtp_server_rewrite_response");
const AUTH_PLAIN: Event<(String, String, String, Connection), Verdict> = Event::single("smtp_server_auth_plain");
const LISTENER_DOMAIN: Event<(String, String, Connection), Option<ListenerDomain>> =
    Event::single("get_listener_domain");

type Said = (u16, String, Option<String>, Connection);

/// How JSON becomes Lua: `null` is `nil`.
pub(super) fn options() -> SerializeOptions {
    SerializeOptions::new().serialize_none_to_null(false).serialize_unit_to_null(false)
}

/// Asks, unless there is no handler.
async fn ask<A: IntoLuaMulti, R: FromLuaMulti>(
    policy: &Policy,
    event: &Event<A, R>,
    args: impl FnOnce() -> A,
) -> Asked<Option<R>> {
    if !policy.defines(event.name()) {
        return Ok(None);
    }
    policy.call(event, args()).await
}

/// What a client is told when a handler failed: what was raised with `kumo.reject` or `kumo.disconnect`; else that there
/// are difficulties, and the log says which.
pub fn rejection(error: &policy::Error, hostname: &str) -> Rejection {
    if let Some(rejection) = error.downcast_ref::<Rejection>() {
        return rejection.clone();
    }
    tracing::error!("{}", policy::explain(error));
    difficulties(hostname)
}

/// What a client is told when this host is at fault.
pub fn difficulties(hostname: &str) -> Rejection {
    let message = format!("4.3.0 {hostname} technical difficulties");
    Rejection { code: 421, message, closing: Closing::ForceDisconnect }
}

/// `smtp_server_get_dynamic_parameters`
pub async fn dynamic(policy: &Policy, listener: SocketAddr, connection: &Connection) -> Asked<Option<Table>> {
    let asked = ask(policy, &DYNAMIC, || (listener.to_string(), connection.clone())).await?;
    Ok(asked.flatten().map(|dynamic| dynamic.0))
}

/// `smtp_server_connection_accepted`
pub async fn accepted(policy: &Policy, connection: &Connection) -> Asked<()> {
    ask(policy, &ACCEPTED, || connection.clone()).await.map(|_| ())
}

/// `smtp_server_ehlo` for EHLO: the extensions to tell of, when they are to be others.
pub async fn ehlo(
    policy: &Policy,
    domain: &str,
    connection: &Connection,
    extensions: Vec<String>,
) -> Asked<Option<Vec<String>>> {
    ask(policy, &EHLO, || (domain.to_owned(), connection.clone(), extensions)).await.map(Option::flatten)
}

/// `smtp_server_ehlo` for HELO.
pub async fn helo(policy: &Policy, domain: &str, connection: &Connection) -> Asked<()> {
    ask(policy, &HELO, || (domain.to_owned(), connection.clone())).await.map(|_| ())
}

/// `smtp_server_mail_from`
pub async fn mail_from(policy: &Policy, sender: &Address, connection: &Connection) -> Asked<()> {
    ask(policy, &MAIL_FROM, || (sender.clone(), connection.clone())).await.map(|_| ())
}

/// `smtp_server_rcpt_to`
pub async fn rcpt_to(policy: &Policy, recipient: &Address, connection: &Connection) -> Asked<()> {
    ask(policy, &RCPT_TO, || (recipient.clone(), connection.clone())).await.map(|_| ())
}

/// `smtp_server_data`
pub async fn data(policy: &Policy, message: &Message, connection: &Connection) -> Asked<()> {
    ask(policy, &DATA, || (message.clone(), connection.clone())).await.map(|_| ())
}

/// `smtp_server_split_transaction`: the recipients of each message to make, when the policy says so.
pub async fn split(policy: &Policy, message: &Message, connection: &Connection) -> Asked<Option<Vec<Vec<Address>>>> {
    ask(policy, &SPLIT, || (message.clone(), connection.clone())).await.map(Option::flatten)
}

/// `smtp_server_message_received`
pub async fn received(policy: &Policy, message: &Message, connection: &Connection) -> Asked<()> {
    ask(policy, &RECEIVED, || (message.clone(), connection.clone())).await.map(|_| ())
}

/// `smtp_server_message_deferred_inject`
pub async fn deferred_inject(policy: &Policy, message: &Message, connection: &Connection) -> Asked<()> {
    ask(policy, &DEFERRED_INJECT, || (message.clone(), connection.clone())).await.map(|_| ())
}

/// `smtp_server_rewrite_response`: code and text to say instead, each when it is to be another.
pub async fn rewrite(
    policy: &Policy,
    (code, text, command): (u16, &str, Option<&str>),
    connection: &Connection,
) -> Asked<Option<(Option<u16>, Option<String>)>> {
    let args = || (code, text.to_owned(), command.map(ToOwned::to_owned), connection.clone());
    ask(policy, &REWRITE, args).await
}

/// `smtp_server_auth_plain`; without a handler no credentials are good.
#[allow(clippy::similar_names, reason = "they are called so (RFC 4616)")]
pub async fn auth_plain(
    policy: &Policy,
    (authz, authc, password): (&str, &str, &str),
    connection: &Connection,
) -> Asked<Verdict> {
    let args = || (authz.to_owned(), authc.to_owned(), password.to_owned(), connection.clone());
    Ok(ask(policy, &AUTH_PLAIN, args).await?.unwrap_or(Verdict::Bad))
}

/// `get_listener_domain`
pub async fn listener_domain(
    policy: &Policy,
    domain: &str,
    listener: SocketAddr,
    connection: &Connection,
) -> Asked<Option<ListenerDomain>> {
    let args = || (domain.to_owned(), listener.to_string(), connection.clone());
    ask(policy, &LISTENER_DOMAIN, args).await.map(Option::flatten)
}

/// What a handler says of credentials. Whatever is neither a boolean nor an identity is an error: a text such as `"no"`
/// must not let anyone in.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// They are good; the handler may say whose they are.
    Good(Option<Json>),
    /// They are not.
    Bad,
}

impl FromLua for Verdict {
    fn from_lua(value: Value, lua: &Lua) -> Result<Self> {
        match &value {
            Value::Nil | Value::Boolean(false) => Ok(Self::Bad),
            Value::Boolean(true) => Ok(Self::Good(None)),
            Value::Table(table) if tells_who(table)? => Ok(Self::Good(Some(policy::to_json(lua, &value)?))),
            other => Err(unexpected(
                other,
                "verdict",
                "expected a boolean, or a table with `identities`, `groups` or `peer_address`",
            )),
        }
    }
}

fn tells_who(table: &LuaTable) -> Result<bool> {
    for field in ["identities", "groups"] {
        if matches!(table.get::<Value>(field)?, Value::Table(list) if !list.is_empty()) {
            return Ok(true);
        }
    }
    Ok(matches!(table.get::<Value>("peer_address")?, Value::String(text) if !text.as_bytes().is_empty()))
}

fn unexpected(value: &Value, to: &str, message: &str) -> Error {
    Error::FromLuaConversionError { from: value.type_name(), to: to.to_owned(), message: Some(message.to_owned()) }
}

/// Parameters as a handler returns them.
struct Dynamic(Table);

impl FromLua for Dynamic {
    fn from_lua(value: Value, lua: &Lua) -> Result<Self> {
        policy::options(lua, value, DYNAMIC.name()).map(Self)
    }
}
