//! What queues ask of a policy, and the Lua objects that deliver (interface A.18, B.4, B.5).

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kumo_tsa_core::wire::QueueName;
use mlua::{FromLua, Lua, Result, Table, Value};

use crate::host::Host;
use crate::mail::address::Address;
use crate::mail::log::Attempt;
use crate::mail::message::Message;
use crate::mail::queue::world::{Failure, Outcome, Requeued, Session};
use crate::mail::queue::{LuaPath, Queues};
use crate::mail::rejection::{Closing, Rejection};
use crate::mail::reply::Reply;
use crate::mail::smtp::client::After;
use crate::modules::time::TimeDelta;
use crate::policy::{self, Event, Pinned, Policy, explain};

/// How long a call of an object that delivers may take in all: what it talks to may be slow.
const PATIENCE: Duration = Duration::from_mins(10);

type RequeueArguments = (Message, String, Vec<String>, bool, Option<TimeDelta>);
type StatusArguments = (String, String, Option<String>, Option<String>, Option<String>);

const THROTTLE_INSERT: Event<Message, ()> = Event::multiple("throttle_insert_ready_queue");
const REQUEUE: Event<RequeueArguments, ()> = Event::multiple("requeue_message");
const REWRITE_STATUS: Event<StatusArguments, Option<u16>> = Event::single("smtp_client_rewrite_delivery_status");

/// Puts `kumo.set_suspension_ramp` there.
pub(super) fn install(lua: &Lua, _host: &Host) -> Result<()> {
    // How long a path takes, after it was suspended, from one connection to its limit.
    let ramp = |lua: &Lua, length: TimeDelta| -> Result<()> {
        Queues::of(&policy::host(lua)?).set_ramp(length.forward());
        Ok(())
    };
    policy::table(lua, "kumo")?.set("set_suspension_ramp", lua.create_function(ramp)?)
}

/// `throttle_insert_ready_queue`.
pub(in crate::mail) async fn throttle_insert(
    policy: &Policy,
    message: &Message,
) -> std::result::Result<(), policy::Error> {
    if policy.defines(THROTTLE_INSERT.name()) {
        policy.call(&THROTTLE_INSERT, message.clone()).await?;
    }
    Ok(())
}

/// `requeue_message`.
pub(in crate::mail) async fn requeued(policy: &Policy, what: Requeued<'_>) -> std::result::Result<(), policy::Error> {
    if policy.defines(REQUEUE.name()) {
        let delay = what.delay.map(TimeDelta::of);
        policy.call(&REQUEUE, (what.message.clone(), what.response, what.reasons, what.increment, delay)).await?;
    }
    Ok(())
}

/// `smtp_client_rewrite_delivery_status`.
pub(in crate::mail) async fn rewrite_status(
    policy: &Policy,
    response: &str,
    name: &QueueName<'_>,
) -> std::result::Result<Option<u16>, policy::Error> {
    if !policy.defines(REWRITE_STATUS.name()) {
        return Ok(None);
    }
    let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
    let args = (
        response.to_owned(),
        name.domain.to_owned(),
        owned(name.tenant),
        owned(name.campaign),
        owned(name.routing_domain),
    );
    Ok(policy.call(&REWRITE_STATUS, args).await?.flatten())
}

/// A Lua object that delivers, with the context that it lives in.
struct Object {
    pinned: Option<Pinned>,
    table: Table,
    constructor: String,
    takes_lists: bool,
    id: uuid::Uuid,
}

/// Has the policy make an object that delivers.
pub(in crate::mail) async fn open(
    policy: &Policy,
    path: &LuaPath,
) -> std::result::Result<Box<dyn Session>, Box<Failure>> {
    let event: Event<(String, Option<String>, Option<String>), Table> = Event::named(path.constructor.clone());
    let made = async {
        let mut pinned = policy.pin().await?;
        pinned.allow(PATIENCE);
        let args = (path.domain.clone(), path.tenant.clone(), path.campaign.clone());
        let table = pinned.call(&event, args).await?;
        let table = table.ok_or_else(|| policy::Error::NotRegistered { event: path.constructor.clone() })?;
        Ok::<_, policy::Error>((pinned, table))
    };
    match made.await {
        Ok((pinned, table)) => Ok(Box::new(Object {
            pinned: Some(pinned),
            table,
            constructor: path.constructor.clone(),
            takes_lists: path.batch_size > 1,
            id: uuid::Uuid::new_v4(),
        })),
        Err(error) => {
            let said = error.downcast_ref::<Rejection>().map(rejected);
            let attempt = Attempt { protocol: Some("Lua".to_owned()), ..Attempt::default() };
            let text = || internal(&format!("failed to connect: {}", explain(&error)));
            Err(Box::new(Failure { said: said.is_some(), reply: said.unwrap_or_else(text), attempt }))
        }
    }
}

fn rejected(rejection: &Rejection) -> Reply {
    Reply::new(rejection.code, &rejection.message)
}

/// A reply of our own (semantics R5).
fn internal(text: &str) -> Reply {
    Reply { code: 400, enhanced_code: None, content: format!("KumoMTA internal: {text}"), command: None }
}

/// What `send` returns: a string.
struct Text(String);

impl FromLua for Text {
    fn from_lua(value: Value, lua: &Lua) -> Result<Self> {
        match lua.coerce_string(value.clone())? {
            Some(text) => Ok(Self(text.to_string_lossy())),
            None => Err(mlua::Error::runtime(format!("expected a string, got {}", value.type_name()))),
        }
    }
}

/// What `send_batch` returns: a string for all messages, or a list with an entry for each.
enum Texts {
    All(String),
    Each(Vec<Reply>),
}

impl FromLua for Texts {
    fn from_lua(value: Value, lua: &Lua) -> Result<Self> {
        let Value::Table(list) = value else { return Text::from_lua(value, lua).map(|text| Self::All(text.0)) };
        let entries = list.sequence_values::<Value>().map(|entry| reply(entry?, lua)).collect::<Result<_>>()?;
        Ok(Self::Each(entries))
    }
}

/// One entry of such a list: a string for delivered, else a table with `code` and `message`.
fn reply(entry: Value, lua: &Lua) -> Result<Reply> {
    match entry {
        Value::Table(table) => {
            let code: u16 = table.get("code")?;
            let message: Option<String> = table.get("message")?;
            if !(200..600).contains(&code) {
                return Err(mlua::Error::runtime(format!("invalid code `{code}`: expected 200 to 599")));
            }
            Ok(Reply::new(code, &message.unwrap_or_default()))
        }
        other => Text::from_lua(other, lua).map(|text| delivered(text.0)),
    }
}

/// Delivered: 200 and the text as it stands.
fn delivered(content: String) -> Reply {
    Reply { code: 200, enhanced_code: None, content, command: None }
}

impl Object {
    async fn send(&mut self, batch: &[(Message, Vec<Address>)]) -> std::result::Result<Vec<Reply>, policy::Error> {
        let event = self.constructor.clone();
        let spent = || policy::Error::Spent { event: event.clone() };
        let pinned = self.pinned.as_mut().ok_or_else(spent)?;
        if !self.takes_lists {
            let mut replies = Vec::with_capacity(batch.len());
            for (message, _) in batch {
                let text: Text = pinned.call_method(&event, &self.table, "send", message.clone()).await?;
                replies.push(delivered(text.0));
            }
            return Ok(replies);
        }
        let messages: Vec<Message> = batch.iter().map(|(message, _)| message.clone()).collect();
        match pinned.call_method(&event, &self.table, "send_batch", messages).await? {
            Texts::All(text) => Ok(vec![delivered(text); batch.len()]),
            Texts::Each(replies) if replies.len() == batch.len() => Ok(replies),
            Texts::Each(replies) => Err(policy::Error::Returned {
                event: event.clone(),
                got: format!("a list of {}", replies.len()),
                why: format!("expected an entry for each of {} messages", batch.len()),
            }),
        }
    }
}

impl Session for Object {
    fn deliver<'a>(&'a mut self, batch: &'a [(Message, Vec<Address>)]) -> BoxFuture<'a, Outcome> {
        async move {
            let (replies, after) = match self.send(batch).await {
                Ok(replies) => {
                    let closed = replies.iter().any(|reply| reply.code == 421);
                    (replies, if closed { After::Closed } else { After::Keep })
                }
                Err(error) => {
                    if let Some(rejection) = error.downcast_ref::<Rejection>() {
                        let closes = rejection.code == 421 || rejection.closing != Closing::If421;
                        let after = if closes { After::Closed } else { After::Keep };
                        (vec![rejected(rejection); batch.len()], after)
                    } else {
                        let reply = internal(&format!("error in deliver_message: {}", explain(&error)));
                        (vec![reply; batch.len()], After::Closed)
                    }
                }
            };
            let of_each = |((_, recipients), reply): (&(Message, Vec<Address>), Reply)| {
                recipients.iter().map(|to| (to.clone(), reply.clone())).collect()
            };
            if after == After::Closed {
                self.finish().await;
            }
            Outcome { fates: batch.iter().zip(replies).map(of_each).collect(), after, untried: false }
        }
        .boxed()
    }

    fn ended(&mut self) -> BoxFuture<'_, ()> {
        std::future::pending().boxed()
    }

    fn attempt(&self) -> Attempt {
        Attempt { session: Some(self.id), protocol: Some("Lua".to_owned()), ..Attempt::default() }
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        async move { self.finish().await }.boxed()
    }
}

impl Object {
    /// Has the object close, if it can, and gives its context back.
    async fn finish(&mut self) {
        let Some(mut pinned) = self.pinned.take() else { return };
        // The object went with a context that ended, and must not be touched then.
        let has_close = !pinned.is_spent() && matches!(self.table.get::<Value>("close"), Ok(Value::Function(_)));
        if has_close {
            let outcome = pinned.call_method::<_, Value>(&self.constructor, &self.table, "close", ()).await;
            if let Err(error) = outcome {
                tracing::error!("`close` of an object of `{}`: {}", self.constructor, explain(&error));
            }
        }
        pinned.release();
    }
}
