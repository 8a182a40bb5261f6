//! What specs can do beyond plain Lua, in the words of specs.

mod aside;
mod loops;
mod wrong;

use std::path::Path;

use kumo_tsa::policy::explain;
use kumo_tsa::tools::spec::world::{self, Context, Seen};
use kumo_tsa_core::wire::Time;
use mlua::Lua;

/// 2026-01-31 12:00:00 UTC.
const START: i64 = 1_769_860_800;

/// What every spec here begins with.
const PRELUDE: &str = r"local testing = require 'testing.world'
local function same(found, expected, what)
  if found ~= expected then
    error((what or 'value') .. ': expected ' .. tostring(expected) .. ', got ' .. tostring(found), 2)
  end
end
local function has(text, part)
  if not tostring(text):find(part, 1, true) then
    error('expected `' .. part .. '` in: ' .. tostring(text), 2)
  end
end
";

/// Plays a spec whose files are in this folder.
fn play_in(folder: &Path, spec: &str) -> Result<Seen, String> {
    let runtime = world::runtime().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let lua = Lua::new();
        let context = Context {
            dir: scratch.path().to_owned(),
            spec_dir: folder.to_owned(),
            clock_start: Time::from_secs(START),
        };
        let world = world::install(&lua, context).unwrap();
        let played = lua.load(format!("{PRELUDE}{spec}")).set_name("=spec").exec_async().await;
        let seen = world.end().await;
        played.map(|()| seen).map_err(|error| explain(&error))
    })
}

/// Plays a spec that needs no files.
#[track_caller]
fn play(spec: &str) -> Seen {
    let folder = tempfile::tempdir().unwrap();
    passed(play_in(folder.path(), spec))
}

/// Plays a spec with these files beside it.
#[track_caller]
fn play_with(files: &[(&str, &str)], spec: &str) -> Seen {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    passed(play_in(folder.path(), spec))
}

#[track_caller]
fn passed(played: Result<Seen, String>) -> Seen {
    played.unwrap_or_else(|why| panic!("{why}"))
}
