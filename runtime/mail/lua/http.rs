//! `kumo.start_http_listener` (interface A.3).

use mlua::Lua;

use crate::host::Host;
use crate::modules::listener;
use crate::policy;

/// Puts the function there.
pub(super) fn install(lua: &Lua, _host: &Host) -> mlua::Result<()> {
    policy::table(lua, "kumo")?.set("start_http_listener", listener::function(lua, "kumo.start_http_listener")?)
}
