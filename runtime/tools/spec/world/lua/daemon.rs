//! `testing.daemon`.

use std::sync::Arc;

use mlua::{Lua, MultiValue, Table, UserData, UserDataMethods, UserDataRef, Value};

use super::make_record;
use super::value::{failure, list, options, to_lua};
use crate::policy;
use crate::tools::spec::world::daemon::Daemon;
use crate::tools::spec::world::stage::Stage;

/// A daemon as specs hold it.
pub(super) struct Handle {
    stage: Arc<Stage>,
    pub(super) daemon: Arc<Daemon>,
}

pub(super) fn install(lua: &Lua, world: &Table, stage: &Arc<Stage>) -> mlua::Result<()> {
    const FUNCTION: &str = "testing.daemon";
    let on = stage.clone();
    let daemon = lua.create_async_function(move |lua, table: Value| {
        let stage = on.clone();
        async move {
            let options = options(&lua, table, FUNCTION)?;
            let started = Daemon::start(&stage, options).await;
            let daemon = started.map_err(|error| failure(format!("{FUNCTION}: {error:#}")))?;
            Ok(Handle { stage, daemon })
        }
    })?;
    world.set("daemon", daemon)
}

impl UserData for Handle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method("publish", |lua, this, records: MultiValue| {
            let (stage, daemon) = (this.stage.clone(), this.daemon.clone());
            async move { publish(&lua, &stage, &daemon, records).await }
        });
        methods.add_method("suspensions", |lua, this, ()| list(lua, &this.daemon.suspensions()));
        methods.add_method("bounces", |lua, this, ()| list(lua, &this.daemon.bounces()));
        methods.add_method("overrides", |lua, this, ()| list(lua, &this.daemon.overrides()));
        methods.add_method("effects", |lua, this, ()| list(lua, &this.daemon.effects()));
        methods.add_method("url", |_, this, ()| Ok(this.daemon.url()));
        methods.add_async_method("config", |lua, this: UserDataRef<Self>, path: Value| async move {
            let path = options(&lua, path, "daemon:config")?;
            let (in_force, why) = this.daemon.config(&path).await;
            Ok((to_lua(&lua, &in_force)?, to_lua(&lua, &why)?))
        });
        methods.add_async_method("stop", |_, this: UserDataRef<Self>, ()| async move {
            this.daemon.stop().await;
            Ok(())
        });
    }
}

/// Records, lists of them, and what makes one.
async fn publish(lua: &Lua, stage: &Stage, daemon: &Daemon, given: MultiValue) -> mlua::Result<()> {
    const FUNCTION: &str = "daemon:publish";
    let mut records = Vec::new();
    for value in given {
        let Value::Table(table) = &value else {
            let got = value.type_name();
            return Err(failure(format!(
                "{FUNCTION}: expected what `testing.record` returns, or a list of it, got {got}"
            )));
        };
        if table.raw_len() > 0 {
            for one in table.sequence_values::<Value>() {
                records.push(one?);
            }
        } else {
            records.push(value);
        }
    }
    if records.is_empty() {
        return Err(failure(format!("{FUNCTION}: expected what `testing.record` returns, or a list of it")));
    }
    let mut full = Vec::with_capacity(records.len());
    for record in records {
        let json = policy::to_json(lua, &record)?;
        // Full records name the answer's parts.
        let is_full = json.get("type").is_some() && !json.get("response").is_some_and(serde_json::Value::is_string);
        full.push(if is_full { json } else { make_record(lua, stage, record, FUNCTION).await? });
    }
    daemon.publish(&full).await.map_err(|error| failure(format!("{FUNCTION}: {error:#}")))
}
