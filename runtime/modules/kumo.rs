//! The core of the table `kumo`: handlers, waiting, the epoch, the pool of contexts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mlua::{Function, Lua, LuaSerdeExt, Table, Value};
use serde::Deserialize;

use crate::host::Host;
use crate::policy;

/// The events that several handlers may answer (interface B.4).
const MULTIPLE: &[&str] = &[
    "pre_init",
    "validate_config",
    "get_queue_config",
    "should_enqueue_log_record",
    "throttle_insert_ready_queue",
    "requeue_message",
    "get_acl_definition",
];

/// Puts the functions there.
pub fn install(lua: &Lua, host: &Host) -> mlua::Result<()> {
    policy::declare_multiple(lua, MULTIPLE)?;
    let kumo = policy::table(lua, "kumo")?;
    kumo.set("version", env!("CARGO_PKG_VERSION"))?;
    handlers(lua, &kumo)?;
    process(lua, host, &kumo)?;
    pool(lua, &kumo)
}

fn handlers(lua: &Lua, kumo: &Table) -> mlua::Result<()> {
    kumo.set(
        "on",
        lua.create_function(|lua, (event, handler): (String, Function)| policy::register(lua, &event, handler))?,
    )?;
    kumo.set("get_event_registrars", lua.create_function(|lua, event: String| policy::registrars(lua, &event))?)
}

fn process(lua: &Lua, host: &Host, kumo: &Table) -> mlua::Result<()> {
    let on = host.clone();
    kumo.set(
        "sleep",
        lua.create_async_function(move |_, seconds: f64| {
            let clock = on.clock().clone();
            async move {
                let duration = Duration::try_from_secs_f64(seconds).map_err(|_| {
                    mlua::Error::runtime(format!("kumo.sleep: expected a number of seconds, 0 or more, not {seconds}"))
                })?;
                clock.sleep(duration).await;
                Ok(())
            }
        })?,
    )?;
    let on = host.clone();
    kumo.set(
        "bump_config_epoch",
        lua.create_function(move |_, ()| {
            on.epoch().bump();
            Ok(())
        })?,
    )?;
    let invalid = host.slot(Invalid::default);
    kumo.set(
        "validation_failed",
        lua.create_function(move |_, ()| {
            invalid.0.store(true, Ordering::Relaxed);
            Ok(())
        })?,
    )?;
    let on = host.clone();
    kumo.set("prometheus_metrics", lua.create_function(move |lua, ()| lua.to_value(&on.metrics().json()))?)?;
    kumo.set(
        "available_parallelism",
        lua.create_function(|_, ()| Ok(std::thread::available_parallelism().map_or(1, usize::from)))?,
    )
}

/// Set by `kumo.validation_failed()`.
#[derive(Default)]
struct Invalid(AtomicBool);

/// Whether a policy of this host has called `kumo.validation_failed()`.
pub fn declared_invalid(host: &Host) -> bool {
    let invalid: Arc<Invalid> = host.slot(Invalid::default);
    invalid.0.load(Ordering::Relaxed)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThreadPool {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "num_threads")]
    _num_threads: u64,
}

/// Interface B.6.
fn pool(lua: &Lua, kumo: &Table) -> mlua::Result<()> {
    kumo.set(
        "set_max_spare_lua_contexts",
        lua.create_function(|lua, contexts: usize| {
            policy::of(lua)?.knobs().set_max_spare(contexts);
            Ok(())
        })?,
    )?;
    kumo.set(
        "set_max_lua_context_use_count",
        lua.create_function(|lua, events: u64| {
            policy::of(lua)?.knobs().set_max_uses(events);
            Ok(())
        })?,
    )?;
    kumo.set(
        "set_max_lua_context_age",
        lua.create_function(|lua, seconds: u64| {
            policy::of(lua)?.knobs().set_max_age(seconds);
            Ok(())
        })?,
    )?;
    kumo.set(
        "set_lua_gc_on_put",
        lua.create_function(|lua, percent: u64| {
            policy::of(lua)?.knobs().set_gc_percent(percent);
            Ok(())
        })?,
    )?;
    // All work is done by one set of threads here; the parameters are checked and nothing else.
    kumo.set(
        "spawn_thread_pool",
        lua.create_function(|lua, params: Value| {
            policy::options::<ThreadPool>(lua, params, "kumo.spawn_thread_pool").map(drop)
        })?,
    )
}
