//! `testing.world`, as specs see it.
//!
//! | what | gives |
//! |---|---|
//! | `zones(text)` | zones for what is started later; without any, each domain is its own mail host |
//! | `advance(by)`, `now()` | seconds since 1970, and the same as text |
//! | `freeze()`, `thaw()`, `jump(by)` | time that passes in `advance` alone; a wall clock that is set |
//! | `record { domain, response, source, tenant, campaign, at, .. }` | a full log record |
//! | `daemon { policy }`, `daemon { shaping, files, default_rules }` | `:publish(..)`, `:suspensions()`, `:bounces()`, `:overrides()`, `:effects()`, `:config { domain, source }` (options, and why), `:url()`, `:stop()` |
//! | `host { policy, daemons, provider }` | `:inject { to, .. }`, `:try_inject { to, .. }`, `:records { type, .. }`, `:deliveries()`, `:attempts()`, `:queues()`, `:paths()`, `:suspensions()`, `:stop()` |
//! | `provider(function(step) .. end)`, `provider { [domain or mx] = .. }` | `:messages()`, `:sessions()` |
//! | `policy(file)` | `:call(event, ..)`, `:rejection(event, ..)`, `:events()`, `:has(event)` |
//! | `message { from, to, content, meta }`, `connection { .. }` | arguments for handlers |
//!
//! Steps of a provider are `connect`, `ehlo`, `starttls`, `mail`, `rcpt`, `data` and `body`. An answer is nil for the usual one, text
//! (`451 4.7.1 later`), a table of `say`, `after`, `close` and `silent`, a list of answers of which the last stays, or a
//! function of the step that returns one.

mod daemon;
mod host;
mod policy;
mod provider;
mod value;

use std::sync::Arc;

use mlua::{Lua, Table, Value};
use serde_json::json;

use self::value::{failure, options, span, to_lua};
use super::record;
use super::stage::Stage;
use super::{Context, World};

/// What the module is called.
const MODULE: &str = "testing.world";

/// Puts `testing.world` where `require` finds it. What it starts belongs to the world that this returns.
///
/// # Errors
/// When the Lua context lets nothing be put there.
pub fn install(lua: &Lua, context: Context) -> mlua::Result<World> {
    let stage = Stage::new(context, crate::policy::host(lua).ok());
    let world = lua.create_table()?;
    time(lua, &world, &stage)?;
    names(lua, &world, &stage)?;
    daemon::install(lua, &world, &stage)?;
    host::install(lua, &world, &stage)?;
    provider::install(lua, &world, &stage)?;
    policy::install(lua, &world, &stage)?;
    let preload: Table = lua.globals().get::<Table>("package")?.get("preload")?;
    preload.set(MODULE, lua.create_function(move |_, _: Value| Ok(world.clone()))?)?;
    Ok(stage.world())
}

/// The clock.
fn time(lua: &Lua, world: &Table, stage: &Arc<Stage>) -> mlua::Result<()> {
    let on = stage.clone();
    let advance = lua.create_async_function(move |lua, by: Value| {
        let stage = on.clone();
        async move {
            let by = span(&by).map_err(|why| failure(format!("testing.advance: {why}")))?;
            stage.hands.advance(by).await;
            stage.check().map_err(|error| failure(format!("{error:#}")))?;
            now(&lua, &stage)
        }
    })?;
    world.set("advance", advance)?;
    let on = stage.clone();
    world.set("now", lua.create_function(move |lua, ()| now(lua, &on))?)?;
    let on = stage.clone();
    world.set(
        "freeze",
        lua.create_function(move |_, ()| {
            on.hands.freeze();
            Ok(())
        })?,
    )?;
    let on = stage.clone();
    world.set(
        "thaw",
        lua.create_function(move |_, ()| {
            on.hands.thaw();
            Ok(())
        })?,
    )?;
    let on = stage.clone();
    let jump = lua.create_function(move |lua, by: Value| {
        let (back, by) = match &by {
            Value::String(text) => match text.to_string_lossy().strip_prefix('-') {
                Some(rest) => (true, Value::String(lua.create_string(rest)?)),
                None => (false, by),
            },
            Value::Integer(seconds) => (*seconds < 0, Value::Number(seconds.unsigned_abs() as f64)),
            Value::Number(seconds) => (*seconds < 0.0, Value::Number(seconds.abs())),
            _ => (false, by),
        };
        let by = span(&by).map_err(|why| failure(format!("testing.jump: {why}")))?;
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        on.hands.clock().jump(if back { -micros } else { micros });
        now(lua, &on)
    })?;
    world.set("jump", jump)
}

/// Seconds since 1970, and the same as text.
fn now(lua: &Lua, stage: &Stage) -> mlua::Result<(Value, String)> {
    let now = stage.hands.now();
    let micros = now.micros();
    let seconds = if micros % 1_000_000 == 0 { json!(micros / 1_000_000) } else { json!(micros as f64 / 1e6) };
    Ok((to_lua(lua, &seconds)?, now.to_string()))
}

/// DNS, and records that name what is in it.
fn names(lua: &Lua, world: &Table, stage: &Arc<Stage>) -> mlua::Result<()> {
    let on = stage.clone();
    let zones = lua.create_function(move |_, text: Value| {
        let Value::String(text) = &text else {
            return Err(failure(format!("testing.zones: expected the text of a zone file, got {}", text.type_name())));
        };
        on.add_zones(&text.to_string_lossy()).map_err(|error| failure(format!("testing.zones: {error:#}")))
    })?;
    world.set("zones", zones)?;
    let on = stage.clone();
    let record = lua.create_async_function(move |lua, table: Value| {
        let stage = on.clone();
        async move {
            let record = make_record(&lua, &stage, table, "testing.record").await?;
            to_lua(&lua, &record)
        }
    })?;
    world.set("record", record)
}

async fn make_record(lua: &Lua, stage: &Stage, table: Value, function: &str) -> mlua::Result<serde_json::Value> {
    let wrong = |why| failure(format!("{function}: {why}"));
    let wanted: record::Options = options(lua, table, function)?;
    let domain = wanted.domain().map_err(wrong)?;
    let site = stage.exchangers(&domain).await.map(|mx| mx.site_name.clone());
    wanted.build(site, stage.hands.now()).map_err(wrong)
}
