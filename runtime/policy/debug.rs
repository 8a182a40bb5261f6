//! The `debug` library, as far as it can do no harm: reading the call stack and metatables.
//!
//! The full library can break the Lua state and switch off the limit on how long Lua runs, so it is not loaded.

use mlua::debug::DebugSource;
use mlua::{Function, Lua, MultiValue, Table, Value};

pub(super) fn install(lua: &Lua) -> mlua::Result<()> {
    let debug = lua.create_table()?;
    debug.set("traceback", lua.create_function(traceback)?)?;
    debug.set("getinfo", lua.create_function(getinfo)?)?;
    debug.set("getmetatable", lua.create_function(|_, value: Value| Ok(metatable(&value)))?)?;
    lua.globals().raw_set("debug", &debug)?;
    lua.globals().get::<Table>("package")?.get::<Table>("loaded")?.raw_set("debug", debug)
}

fn metatable(value: &Value) -> Option<Table> {
    value.as_table().and_then(Table::metatable)
}

/// A thread as first argument is accepted, and the running one is shown.
fn without_thread(mut args: MultiValue) -> MultiValue {
    if matches!(args.front(), Some(Value::Thread(_))) {
        args.pop_front();
    }
    args
}

fn traceback(lua: &Lua, args: MultiValue) -> mlua::Result<Value> {
    let mut args = without_thread(args);
    let message = args.pop_front().unwrap_or(Value::Nil);
    let level = args.pop_front().as_ref().and_then(Value::as_usize).unwrap_or(1);
    let message = match &message {
        Value::Nil => None,
        Value::String(text) => Some(text.to_string_lossy()),
        Value::Integer(_) | Value::Number(_) => Some(message.to_string()?),
        _ => return Ok(message),
    };
    lua.traceback(message.as_deref(), level).map(Value::String)
}

fn getinfo(lua: &Lua, args: MultiValue) -> mlua::Result<Option<Table>> {
    let mut args = without_thread(args);
    let info = lua.create_table()?;
    match args.pop_front() {
        Some(Value::Function(function)) => {
            of_function(&info, &function)?;
            Ok(Some(info))
        }
        Some(level) => {
            let level = level
                .as_usize()
                .ok_or_else(|| mlua::Error::runtime("bad argument #1 to 'getinfo' (function or level expected)"))?;
            let found = lua.inspect_stack(level, |frame| -> mlua::Result<()> {
                of_source(&info, &frame.source())?;
                info.raw_set("currentline", frame.current_line().map_or(-1, as_line))?;
                info.raw_set("name", frame.names().name)?;
                info.raw_set("namewhat", frame.names().name_what.unwrap_or(""))?;
                info.raw_set("istailcall", frame.is_tail_call())?;
                info.raw_set("nups", frame.stack().num_upvalues)?;
                info.raw_set("nparams", frame.stack().num_params)?;
                info.raw_set("isvararg", frame.stack().is_vararg)?;
                info.raw_set("func", frame.function())
            });
            found.transpose().map(|found| found.map(|()| info))
        }
        None => Err(mlua::Error::runtime("bad argument #1 to 'getinfo' (function or level expected)")),
    }
}

fn of_function(info: &Table, function: &Function) -> mlua::Result<()> {
    let about = function.info();
    info.raw_set("source", about.source)?;
    info.raw_set("short_src", about.short_src)?;
    info.raw_set("linedefined", about.line_defined.map_or(-1, as_line))?;
    info.raw_set("lastlinedefined", about.last_line_defined.map_or(-1, as_line))?;
    info.raw_set("what", about.what)?;
    info.raw_set("currentline", -1)?;
    info.raw_set("namewhat", "")?;
    info.raw_set("func", function)
}

fn of_source(info: &Table, source: &DebugSource<'_>) -> mlua::Result<()> {
    info.raw_set("source", source.source.as_deref())?;
    info.raw_set("short_src", source.short_src.as_deref())?;
    info.raw_set("linedefined", source.line_defined.map_or(-1, as_line))?;
    info.raw_set("lastlinedefined", source.last_line_defined.map_or(-1, as_line))?;
    info.raw_set("what", source.what)
}

fn as_line(line: usize) -> i64 {
    i64::try_from(line).unwrap_or(-1)
}
