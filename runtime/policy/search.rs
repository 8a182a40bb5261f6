//! Where Lua finds modules and files: documented paths through the host's [`Paths`](crate::host::Paths).

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mlua::{AnyUserData, Lua, LuaString, Table, Value};

use super::budget::Budget;
use crate::host::{Environment, Host};

/// What a share folder and a policy folder are called in `package.path` (interface B.2).
const FOLDERS: &[&str] = &["/opt/kumomta/share", "/opt/kumomta/etc/policy"];

/// Sets `package.path`, and puts paths and the clock of the host under the standard library.
pub(super) fn install(lua: &Lua, host: &Host, budget: &Arc<Budget>, own_folder: Option<&Path>) -> mlua::Result<()> {
    let package: Table = lua.globals().get("package")?;
    let standard: LuaString = package.get("path")?;
    let mut path = Vec::new();
    for folder in FOLDERS.iter().map(PathBuf::from).chain(own_folder.and_then(absolute)) {
        let folder = folder.as_os_str().as_bytes();
        if path.is_empty() || !contains(&path, &[folder, b"/?.lua;"].concat()) {
            path.extend_from_slice(&[folder, b"/?.lua;", folder, b"/?/init.lua;"].concat());
        }
    }
    path.extend_from_slice(&standard.as_bytes());
    package.set("path", lua.create_string(&path)?)?;
    let natives = natives(lua, host)?;
    let budget = budget.clone();
    natives.set("overran", lua.create_function(move |_, ()| Ok(budget.overran().is_some()))?)?;
    lua.load(include_str!("prelude.lua")).set_name("=kumo").call(natives)
}

/// The policy's own folder; one whose name means something in `package.path` cannot be searched.
fn absolute(folder: &Path) -> Option<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = std::path::absolute(folder).ok()?;
    let special = folder.as_os_str().as_bytes().iter().any(|byte| matches!(byte, b';' | b'?'));
    (!special).then_some(folder)
}

fn contains(path: &[u8], part: &[u8]) -> bool {
    path.windows(part.len()).any(|window| window == part)
}

/// What the prelude needs of the host.
fn natives(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let natives = lua.create_table()?;
    let on = host.clone();
    natives.set(
        "resolve",
        lua.create_function(move |lua, path: LuaString| {
            lua.create_string(on.paths().resolve(&path_of(&path)).into_owned().into_os_string().into_vec())
        })?,
    )?;
    let on = host.clone();
    natives.set(
        "readable",
        lua.create_function(move |_, path: LuaString| {
            Ok(std::fs::File::open(on.paths().resolve(&path_of(&path))).is_ok_and(|file| {
                // A folder can be opened, and is no module.
                file.metadata().is_ok_and(|about| !about.is_dir())
            }))
        })?,
    )?;
    let on = host.clone();
    natives.set(
        "embedded",
        lua.create_function(move |lua, path: LuaString| {
            on.paths().embedded(&path_of(&path)).map(|text| lua.create_string(text)).transpose()
        })?,
    )?;
    let on = host.clone();
    natives.set(
        "read",
        lua.create_function(move |lua, path: LuaString| match on.paths().read(&path_of(&path)) {
            Ok(text) => Ok((Value::String(lua.create_string(text)?), None)),
            Err(error) => Ok((Value::Nil, Some(error_text(&error)))),
        })?,
    )?;
    let on = host.clone();
    natives.set("now", lua.create_function(move |_, ()| Ok(on.clock().now().micros().div_euclid(1_000_000)))?)?;
    let on = Environment::of(host);
    natives.set("getenv", lua.create_function(move |_, name: LuaString| Ok(on.get(&name.to_string_lossy())))?)?;
    natives.set(
        "metatable",
        lua.create_function(|lua, value: Value| value.as_userdata().map(|data| metamethods(lua, data)).transpose())?,
    )?;
    Ok(natives)
}

fn metamethods(lua: &Lua, userdata: &AnyUserData) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for pair in userdata.metatable()?.pairs::<Value>() {
        let (name, value) = pair?;
        table.raw_set(name, value)?;
    }
    Ok(table)
}

fn path_of(path: &LuaString) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&path.as_bytes()))
}

/// As the C library says it, without Rust's `(os error 2)`.
fn error_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
