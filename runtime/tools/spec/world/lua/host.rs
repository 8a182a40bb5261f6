//! `testing.host`.

use std::sync::Arc;

use mlua::{Lua, LuaString, Table, UserData, UserDataMethods, UserDataRef, Value};

use super::daemon::Handle as DaemonHandle;
use super::provider::Handle as ProviderHandle;
use super::value::{failure, list, options, to_lua};
use crate::tools::spec::world::daemon::Daemon;
use crate::tools::spec::world::host::{MailHost, Receiver};
use crate::tools::spec::world::letter;
use crate::tools::spec::world::stage::Stage;

const FUNCTION: &str = "testing.host";

/// A mail host as specs hold it.
struct Handle {
    stage: Arc<Stage>,
    host: Arc<MailHost>,
}

pub(super) fn install(lua: &Lua, world: &Table, stage: &Arc<Stage>) -> mlua::Result<()> {
    let on = stage.clone();
    let host = lua.create_async_function(move |lua, table: Value| {
        let stage = on.clone();
        async move {
            let (rest, daemons, receiver) = parts(&lua, table)?;
            let options = options(&lua, rest, FUNCTION).map_err(|error| and_handles(&error))?;
            let started = MailHost::start(&stage, options, &daemons, receiver).await;
            let host = started.map_err(|error| failure(format!("{FUNCTION}: {error:#}")))?;
            Ok(Handle { stage, host })
        }
    })?;
    world.set("host", host)
}

/// Two options are read apart from the others, and accepted all the same.
fn and_handles(error: &mlua::Error) -> mlua::Error {
    failure(error.to_string().replace("expected one of ", "expected one of `daemons`, `provider`, "))
}

type Named = (Option<String>, Arc<Daemon>);

/// The options that are plain, and those that are handles.
fn parts(lua: &Lua, table: Value) -> mlua::Result<(Value, Vec<Named>, Option<Receiver>)> {
    let table = match table {
        Value::Nil => return Ok((Value::Nil, Vec::new(), None)),
        Value::Table(table) => table,
        other => return Ok((other, Vec::new(), None)),
    };
    let rest = lua.create_table()?;
    let (mut daemons, mut receiver) = (Vec::new(), None);
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        match key.as_string().map(LuaString::to_string_lossy).as_deref() {
            Some("daemons") => daemons = read_daemons(&value)?,
            Some("provider") => receiver = Some(read_receiver(&value)?),
            _ => rest.raw_set(key, value)?,
        }
    }
    Ok((Value::Table(rest), daemons, receiver))
}

fn read_daemons(value: &Value) -> mlua::Result<Vec<Named>> {
    let wrong = |got: &str| {
        failure(format!(
            "{FUNCTION}: field `daemons`: expected a list of what `testing.daemon` returns, or a table of them by URL, got {got}"
        ))
    };
    let Value::Table(table) = value else { return Err(wrong(value.type_name())) };
    let mut all = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let handle = value.as_userdata().and_then(|data| data.borrow::<DaemonHandle>().ok());
        let daemon = handle.ok_or_else(|| wrong(&format!("a list with a {}", value.type_name())))?.daemon.clone();
        all.push((key, daemon));
    }
    // The order of a list is that of its numbers.
    all.sort_by_key(|(key, _)| key.as_integer());
    Ok(all.into_iter().map(|(key, daemon)| (key.as_string().map(LuaString::to_string_lossy), daemon)).collect())
}

fn read_receiver(value: &Value) -> mlua::Result<Receiver> {
    let data = value.as_userdata();
    if let Some(provider) = data.and_then(|data| data.borrow::<ProviderHandle>().ok()) {
        return Ok(Receiver::Provider(provider.0.clone()));
    }
    if let Some(host) = data.and_then(|data| data.borrow::<Handle>().ok()) {
        return Ok(Receiver::Host(host.host.clone()));
    }
    let got = value.type_name();
    Err(failure(format!(
        "{FUNCTION}: field `provider`: expected what `testing.provider` or `testing.host` returns, got {got}"
    )))
}

impl UserData for Handle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method("inject", |lua, this: UserDataRef<Self>, table: Value| async move {
            inject(&lua, &this, table, "host:inject").await
        });
        methods.add_async_method("try_inject", |lua, this: UserDataRef<Self>, table: Value| async move {
            inject(&lua, &this, table, "host:try_inject").await
        });
        methods.add_method("records", |lua, this, wanted: Value| {
            this.check()?;
            list(lua, &this.host.records(&options(lua, wanted, "host:records")?))
        });
        methods.add_method("deliveries", |lua, this, wanted: Value| {
            this.check()?;
            list(lua, &this.host.deliveries(options(lua, wanted, "host:deliveries")?))
        });
        methods.add_method("attempts", |lua, this, wanted: Value| {
            this.check()?;
            list(lua, &this.host.attempts(&options(lua, wanted, "host:attempts")?))
        });
        methods.add_method("queues", |lua, this, ()| list(lua, &this.host.queues()));
        methods.add_method("paths", |lua, this, ()| list(lua, &this.host.paths()));
        methods.add_method("suspensions", |lua, this, ()| list(lua, &this.host.suspensions()));
        methods.add_async_method("stop", |_, this: UserDataRef<Self>, ()| async move {
            this.host.stop().await;
            Ok(())
        });
    }
}

impl Handle {
    /// Fails with what failed in the script of a provider meanwhile.
    fn check(&self) -> mlua::Result<()> {
        self.stage.check().map_err(|error| failure(format!("{error:#}")))
    }
}

async fn inject(lua: &Lua, this: &Handle, table: Value, function: &str) -> mlua::Result<Value> {
    let letter: letter::Options = options(lua, table, function)?;
    let outcome = this.host.inject(&letter).await.map_err(|error| failure(format!("{function}: {error:#}")))?;
    this.check()?;
    if let Some(refusal) = outcome.refusal().filter(|_| function == "host:inject") {
        let hint = "`host:try_inject` returns what was answered";
        return Err(failure(format!("{function}: the host did not take it: {refusal} ({hint})")));
    }
    to_lua(lua, &outcome.to_json())
}
