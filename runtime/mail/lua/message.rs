//! Messages as Lua sees them (interface A.7).

use std::sync::Arc;

use bytes::Bytes;
use kumo_tsa_core::wire::Time;
use mlua::serde::SerializeOptions;
use mlua::{Error, FromLua, IntoLua, Lua, LuaSerdeExt, LuaString, Result, UserData, UserDataMethods, Value, Variadic};
use serde::Deserialize;

use super::address::{AddressHeader, addresses};
use super::failure;
use crate::host::Host;
use crate::mail::conformance::{self, check_and_fix};
use crate::mail::spool::{self, Spools};
use crate::mail::text_part::{self, Text};
use crate::mail::{Address, Message, Schedule, header};
use crate::modules::time;
use crate::policy;

/// What belongs to mail authentication and to reports, which this version does not have.
const MISSING: &[&str] = &[
    "dkim_sign",
    "dkim_verify",
    "arc_verify",
    "arc_seal",
    "add_authentication_results",
    "parse_mime",
    "parse_rfc3464",
    "parse_rfc5965",
];

/// Puts `kumo.make_message` there.
pub(super) fn install(lua: &Lua, _host: &Host) -> Result<()> {
    let make = |lua: &Lua, (sender, recipients, body): (Address, Value, LuaString)| {
        let recipients = addresses(recipients, lua)?;
        if recipients.is_empty() {
            return Err(failure("kumo.make_message: expected one recipient or more"));
        }
        Ok(Message::new(sender, recipients, body.as_bytes().to_vec(), now(lua)?))
    };
    policy::table(lua, "kumo")?.set("make_message", lua.create_function(make)?)
}

fn now(lua: &Lua) -> Result<Time> {
    Ok(policy::host(lua)?.clock().now())
}

impl FromLua for Message {
    fn from_lua(value: Value, _: &Lua) -> Result<Self> {
        match &value {
            Value::UserData(userdata) if userdata.is::<Self>() => Ok(userdata.borrow::<Self>()?.clone()),
            other => Err(failure(format!("expected a message, got {}", other.type_name()))),
        }
    }
}

impl UserData for Message {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        envelope(methods);
        notes(methods);
        content(methods);
        read_headers(methods);
        write_headers(methods);
        import_headers(methods);
        schedule(methods);
        residence(methods);
        for name in MISSING {
            methods.add_method(*name, move |_, _, _: Variadic<Value>| -> Result<()> {
                Err(failure(format!("`msg:{name}` is not implemented in this version")))
            });
        }
    }
}

fn envelope<M: UserDataMethods<Message>>(methods: &mut M) {
    methods.add_method("id", |_, this, ()| Ok(this.id().to_string()));
    methods.add_method("sender", |_, this, ()| Ok(this.sender()));
    methods.add_method("set_sender", |_, this, sender: Address| {
        this.set_sender(sender);
        Ok(())
    });
    methods.add_method("recipient", |lua, this, ()| {
        let mut recipients = this.recipients();
        if recipients.len() == 1 { recipients.remove(0).into_lua(lua) } else { recipients.into_lua(lua) }
    });
    methods.add_method("recipient_list", |_, this, ()| Ok(this.recipients()));
    methods.add_method("set_recipient", |lua, this, to: Value| {
        let recipients = addresses(to, lua)?;
        if recipients.is_empty() {
            return Err(failure("msg:set_recipient: expected one recipient or more"));
        }
        this.set_recipients(recipients);
        Ok(())
    });
    methods.add_method("queue_name", |_, this, ()| this.queue_name().map_err(Error::external));
    methods.add_method("num_attempts", |_, this, ()| Ok(this.num_attempts()));
    methods.add_method("increment_num_attempts", |_, this, ()| {
        this.increment_num_attempts();
        Ok(())
    });
}

/// Absent and `null` members of JSON are nil, as everywhere but in lists that existing policies index by member.
fn plain_nil() -> SerializeOptions {
    SerializeOptions::new().serialize_none_to_null(false).serialize_unit_to_null(false)
}

fn notes<M: UserDataMethods<Message>>(methods: &mut M) {
    methods.add_method("get_meta", |lua, this, key: String| match this.meta(&key) {
        Some(value) => lua.to_value_with(&value, plain_nil()),
        None => Ok(Value::Nil),
    });
    methods.add_method("set_meta", |lua, this, (key, value): (String, Value)| {
        let value = match &value {
            Value::UserData(userdata) if userdata.is::<Address>() => userdata.borrow::<Address>()?.email().into(),
            value => policy::to_json(lua, value)
                .map_err(|error| failure(format!("msg:set_meta: `{key}`: {}", plain_text(&error))))?,
        };
        this.set_meta(key, value);
        Ok(())
    });
}

fn plain_text(error: &Error) -> String {
    match error {
        Error::SerializeError(text) | Error::RuntimeError(text) => text.clone(),
        other => other.to_string(),
    }
}

fn content<M: UserDataMethods<Message>>(methods: &mut M) {
    methods.add_async_method("get_data", |lua, this, ()| {
        let message = this.clone();
        async move { lua.create_string(data(&message).await?) }
    });
    methods.add_method("set_data", |_, this, content: LuaString| {
        this.set_data(content.as_bytes().to_vec());
        Ok(())
    });
    let mut add = |name: &'static str, kind: Text| {
        methods.add_async_method(name, move |_, this, more: String| {
            let message = this.clone();
            async move {
                let changed = text_part::append(&data(&message).await?, kind, &more);
                let text = if kind == Text::Plain { "text/plain" } else { "text/html" };
                let none = || failure(format!("msg:{name}: the message has no {text} part"));
                message.set_data(changed.ok_or_else(none)?);
                Ok(())
            }
        });
    };
    add("append_text_plain", Text::Plain);
    add("append_text_html", Text::Html);
    methods.add_async_method(
        "check_fix_conformance",
        |lua, this, (check, fix, _settings): (String, String, Option<Value>)| {
            let message = this.clone();
            async move {
                let check = conformance::parse_flags(&check).map_err(Error::external)?;
                let fix = conformance::parse_flags(&fix).map_err(Error::external)?;
                let domain = message.sender().domain().to_owned();
                let id = format!("{}@{}", message.id(), if domain.is_empty() { "localhost" } else { &domain });
                let verdict = check_and_fix(&data(&message).await?, &check, &fix, &id, now(&lua)?);
                if let Some(mended) = verdict.mended {
                    message.set_data(mended);
                }
                Ok(verdict.objection)
            }
        },
    );
}

async fn data(message: &Message) -> Result<Bytes> {
    message.data().await.map_err(Error::external)
}

/// Adds a method that reads the content.
fn reading<M, A, R>(methods: &mut M, name: &'static str, read: fn(&Lua, &[u8], A) -> Result<R>)
where
    M: UserDataMethods<Message>,
    A: mlua::FromLuaMulti + Send + 'static,
    R: mlua::IntoLuaMulti + 'static,
{
    methods.add_async_method(name, move |lua, this, args: A| {
        let message = this.clone();
        async move { read(&lua, &data(&message).await?, args) }
    });
}

/// Adds a method that changes the content.
fn changing<M, A>(methods: &mut M, name: &'static str, change: fn(&Lua, &[u8], A) -> Result<Bytes>)
where
    M: UserDataMethods<Message>,
    A: mlua::FromLuaMulti + Send + 'static,
{
    methods.add_async_method(name, move |lua, this, args: A| {
        let message = this.clone();
        async move {
            let before = data(&message).await?;
            let after = change(&lua, &before, args)?;
            if after != before {
                message.set_data(after);
            }
            Ok(())
        }
    });
}

fn read_headers<M: UserDataMethods<Message>>(methods: &mut M) {
    reading(methods, "get_first_named_header_value", |_, data, name: String| Ok(header::first(data, &name)));
    reading(methods, "get_all_named_header_values", |_, data, name: String| Ok(header::all(data, &name)));
    reading(methods, "get_all_headers", |_, data, ()| {
        Ok(header::fields(data).map(|field| vec![field.name.to_owned(), field.text()]).collect::<Vec<_>>())
    });
    reading(methods, "get_address_header", |lua, data, name: String| address_header(lua, data, &name));
    reading(methods, "from_header", |lua, data, ()| address_header(lua, data, "From"));
    reading(methods, "to_header", |lua, data, ()| address_header(lua, data, "To"));
}

fn address_header(lua: &Lua, data: &[u8], name: &str) -> Result<Value> {
    match header::mailboxes(data, name).map_err(Error::external)? {
        Some(list) => AddressHeader(list).into_lua(lua),
        None => Ok(Value::Nil),
    }
}

/// Name, value, and whether to encode it, which is the default.
type Line = (String, String, Option<bool>);

fn header_line((name, value, encode): &Line) -> Result<Vec<u8>> {
    header::line(name, value, encode.unwrap_or(true)).map_err(Error::external)
}

fn write_headers<M: UserDataMethods<Message>>(methods: &mut M) {
    changing(methods, "append_header", |_, data, new: Line| Ok(header::append(data, &header_line(&new)?)));
    changing(methods, "prepend_header", |_, data, new: Line| Ok(header::prepend(data, &header_line(&new)?)));
    changing(methods, "remove_all_named_headers", |_, data, name: String| {
        Ok(header::without(data, |other| other.eq_ignore_ascii_case(&name)))
    });
    changing(methods, "remove_x_headers", |_, data, names: Option<Vec<String>>| {
        Ok(header::without(data, |name| is_wanted(name, names.as_deref())))
    });
}

/// Whether it is one of the names, or an `X-` header where none are given.
fn is_wanted(name: &str, names: Option<&[String]>) -> bool {
    match names {
        Some(names) => names.iter().any(|one| one.eq_ignore_ascii_case(name)),
        None => name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-")),
    }
}

fn import_headers<M: UserDataMethods<Message>>(methods: &mut M) {
    methods.add_async_method("import_headers", |_, this, names: Vec<String>| {
        let message = this.clone();
        async move { import(&message, Some(&names)).await }
    });
    methods.add_async_method("import_x_headers", |_, this, names: Option<Vec<String>>| {
        let message = this.clone();
        async move { import(&message, names.as_deref()).await }
    });
}

/// Notes headers under their names in lower case with `_` for `-`; of several with one name the first counts.
async fn import(message: &Message, names: Option<&[String]>) -> Result<()> {
    let data = data(message).await?;
    let mut seen = Vec::new();
    for field in header::fields(&data).filter(|field| is_wanted(field.name, names)) {
        let key = field.name.to_lowercase().replace('-', "_");
        if !seen.contains(&key) {
            message.set_meta(key.clone(), field.text().into());
            seen.push(key);
        }
    }
    Ok(())
}

fn schedule<M: UserDataMethods<Message>>(methods: &mut M) {
    methods.add_method("set_due", |lua, this, due: Value| {
        this.set_due(read_time(lua, due)?);
        Ok(())
    });
    methods.add_method("set_scheduling", |lua, this, schedule: Value| {
        if schedule.is_nil() {
            this.set_schedule(None);
            return Ok(Value::Nil);
        }
        let schedule: Schedule = policy::options(lua, schedule, "msg:set_scheduling")?;
        apply(lua, this, schedule)
    });
    methods.add_async_method("import_scheduling_header", |lua, this, (name, remove): (String, Option<bool>)| {
        let message = this.clone();
        async move {
            let data = data(&message).await?;
            let Some(text) = header::first(&data, &name) else { return Ok(Value::Nil) };
            let schedule = serde_json::from_str(&text).map_err(|error| {
                failure(format!("msg:import_scheduling_header: header `{name}`: {error}: `{text}`"))
            })?;
            if remove == Some(true) {
                message.set_data(header::without(&data, |other| other.eq_ignore_ascii_case(&name)));
            }
            apply(&lua, &message, schedule)
        }
    });
}

/// Gives the message a schedule, and tells it; members that are not set are null there.
fn apply(lua: &Lua, message: &Message, schedule: Schedule) -> Result<Value> {
    let now = now(lua)?;
    let table = lua.to_value(&schedule)?;
    message.set_schedule(Some(schedule));
    let due = message.due_from(now);
    if due > now {
        message.set_due(Some(due));
    }
    Ok(table)
}

/// Seconds since the Unix epoch, RFC 3339, or a time.
fn read_time(lua: &Lua, value: Value) -> Result<Option<Time>> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Seconds(f64),
        Text(Time),
    }
    if value.is_nil() {
        return Ok(None);
    }
    if let Ok(time) = time::Time::from_lua(value.clone(), lua) {
        return Ok(Some(time.at()));
    }
    #[allow(clippy::cast_possible_truncation, reason = "`as` saturates")]
    match policy::options::<Given>(lua, value, "msg:set_due")? {
        Given::Seconds(seconds) => Ok(Some(Time::from_micros((seconds * 1e6) as i64))),
        Given::Text(time) => Ok(Some(time)),
    }
}

fn residence<M: UserDataMethods<Message>>(methods: &mut M) {
    for name in ["shrink", "shrink_data"] {
        methods.add_method(name, |_, this, ()| Ok(this.shrink_data()));
    }
    methods.add_method("set_force_sync", |_, this, force: bool| {
        this.set_force_sync(force);
        Ok(())
    });
    methods.add_async_method("save", |lua, this, auto_shrink: Option<bool>| {
        let message = this.clone();
        async move {
            spools(&lua)?.save(&message).await.map_err(Error::external)?;
            if auto_shrink == Some(true) {
                message.shrink_data();
            }
            Ok(())
        }
    });
}

fn spools(lua: &Lua) -> Result<Arc<Spools>> {
    Spools::of(&policy::host(lua)?).ok_or_else(|| Error::external(spool::Error::Undefined))
}
