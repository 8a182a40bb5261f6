//! The `tsa` module, and the events of the daemon.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use mlua::{Lua, Value};
use serde::Deserialize;

use crate::host::Host;
use crate::modules::listener;
use crate::policy::{self, Event};
use crate::shaping::LuaShaping;

/// Asked once, after the rules are loaded: where listeners are started and the store is put.
pub(super) const TSA_INIT: Event<(), ()> = Event::single("tsa_init");
/// Asked at start and every 30 s for the rules.
pub(super) const TSA_LOAD_SHAPING_DATA: Event<(), LuaShaping> = Event::single("tsa_load_shaping_data");

/// What a policy has asked of the daemon that runs it.
pub(super) struct Wishes(Mutex<StoreWish>);

/// Where the state is kept, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StoreWish {
    /// The documented path; the store's folder is named after it.
    pub(super) path: PathBuf,
    /// Whether records are acknowledged only when they are on disk.
    pub(super) sync: bool,
}

impl Default for Wishes {
    fn default() -> Self {
        Self(Mutex::new(StoreWish { path: "/var/spool/kumomta/tsa.db".into(), sync: false }))
    }
}

impl Wishes {
    pub(super) fn store(&self) -> StoreWish {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Puts the `tsa` module into a Lua context.
pub fn install(lua: &Lua, _host: &Host) -> mlua::Result<()> {
    let tsa = policy::table(lua, "tsa")?;
    tsa.set("start_http_listener", listener::function(lua, "tsa.start_http_listener")?)?;
    tsa.set("configure_tsa_db_path", lua.create_function(configure_tsa_db_path)?)?;
    Ok(())
}

/// The second argument of `tsa.configure_tsa_db_path`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct StoreTable {
    sync: bool,
}

/// `tsa.configure_tsa_db_path('/var/spool/kumomta/tsa.db' [, { sync = true }])`
fn configure_tsa_db_path(lua: &Lua, (path, options): (String, Option<Value>)) -> mlua::Result<()> {
    let options: StoreTable = match options {
        None | Some(Value::Nil) => StoreTable::default(),
        Some(table) => policy::options(lua, table, "tsa.configure_tsa_db_path")?,
    };
    let host = policy::host(lua)?;
    let wishes = host.slot(Wishes::default);
    let mut wanted = wishes.0.lock().unwrap_or_else(PoisonError::into_inner);
    *wanted = StoreWish { path: path.into(), sync: options.sync };
    Ok(())
}
