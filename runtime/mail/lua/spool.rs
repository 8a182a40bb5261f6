//! `kumo.define_spool` (interface A.4).

use mlua::{Lua, Result, Value};

use crate::host::Host;
use crate::mail::spool::{Definition, Spools};
use crate::policy;

/// Puts the function there.
pub(super) fn install(lua: &Lua, host: &Host) -> Result<()> {
    let host = host.clone();
    let define = move |lua: &Lua, definition: Value| {
        let definition: Definition = policy::options(lua, definition, "kumo.define_spool")?;
        Spools::define(&host, definition);
        Ok(())
    };
    policy::table(lua, "kumo")?.set("define_spool", lua.create_function(define)?)
}
