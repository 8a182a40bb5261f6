//! `kumo.traceback`: the Lua call stack as a table.

use mlua::debug::Debug;
use mlua::{Lua, Table};

use crate::host::Host;
use crate::policy;

/// Puts the function there.
pub fn install(lua: &Lua, _host: &Host) -> mlua::Result<()> {
    policy::table(lua, "kumo")?.set(
        "traceback",
        lua.create_function(|lua, level: usize| {
            let frames = lua.create_table()?;
            let mut next = level;
            while let Some(frame) = lua.inspect_stack(next, |frame| describe(lua, frame)) {
                frames.raw_push(frame?)?;
                next += 1;
            }
            Ok(frames)
        })?,
    )
}

fn describe(lua: &Lua, frame: &Debug<'_>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let names = frame.names();
    table.raw_set("name", names.name)?;
    table.raw_set("name_what", names.name_what)?;
    let source = frame.source();
    table.raw_set("source", source.source)?;
    table.raw_set("short_src", source.short_src)?;
    table.raw_set("line_defined", source.line_defined)?;
    table.raw_set("last_line_defined", source.last_line_defined)?;
    table.raw_set("what", source.what)?;
    table.raw_set("curr_line", frame.current_line())?;
    table.raw_set("is_tail_call", frame.is_tail_call())?;
    Ok(table)
}
