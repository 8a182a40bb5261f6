//! `kumo.fs`: files (all paths through the host's paths).

use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use mlua::{IntoLua, Lua, Result, Value};

use super::function::{Functions, failure};
use super::handle::Handle;
use crate::host::{Host, Paths};
use crate::policy;

/// Puts `kumo.fs` in place, and the names in `kumo` itself that older policies use.
pub fn install(lua: &Lua, host: &Host) -> Result<()> {
    let functions = Functions::of(lua, policy::table(lua, "kumo.fs")?, "kumo.fs");
    let paths = host.paths();
    add(&functions, paths, "open", |paths, path, mode| Handle::open(&paths.resolve(path), mode))?;
    add(&functions, paths, "read_dir", |paths, path, _| read_dir(paths, path))?;
    add(&functions, paths, "glob", glob)?;
    add(&functions, paths, "uncached_glob", glob)?;
    add(&functions, paths, "metadata_for_path", |paths, path, _| std::fs::metadata(paths.resolve(path)).map(Metadata))?;
    add(&functions, paths, "symlink_metadata_for_path", |paths, path, _| {
        std::fs::symlink_metadata(paths.resolve(path)).map(Metadata)
    })?;
    let older = ["open", "read_dir", "glob", "uncached_glob"];
    functions.alias(&policy::table(lua, "kumo")?, &older.map(|name| (name, name)))?;
    Ok(())
}

/// Adds a function of a path and one more text, which works on the disk where it holds up nobody else.
fn add<T: IntoLua + Send + 'static>(
    functions: &Functions<'_>,
    paths: &Paths,
    name: &'static str,
    work: fn(&Paths, &Path, Option<&str>) -> io::Result<T>,
) -> Result<()> {
    let paths = paths.clone();
    functions.add_async(name, move |_, (path, more): (String, Option<String>)| {
        let paths = paths.clone();
        async move {
            let work = move || {
                let done = work(&paths, Path::new(&path), more.as_deref());
                done.map_err(|e| failure(format!("kumo.fs.{name}: `{path}`: {e}")))
            };
            tokio::task::spawn_blocking(work).await.map_err(|e| failure(format!("kumo.fs.{name}: {e}")))?
        }
    })?;
    Ok(())
}

/// The entries as paths that begin with `folder` as it was written, sorted.
fn read_dir(paths: &Paths, folder: &Path) -> io::Result<Vec<String>> {
    let mut entries = std::fs::read_dir(paths.resolve(folder))?
        .map(|entry| Ok(folder.join(entry?.file_name()).to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

/// The paths that match, sorted; a relative pattern starts at `root`, or at the working folder.
fn glob(paths: &Paths, pattern: &Path, root: Option<&str>) -> io::Result<Vec<String>> {
    let written = root.map_or_else(|| pattern.to_owned(), |root| Path::new(root).join(pattern));
    // The wildcards stand after the documented folders, so the pattern moves as a path does.
    let real = paths.resolve(&written);
    let invalid = |e: glob::PatternError| io::Error::new(io::ErrorKind::InvalidInput, e);
    let mut found = Vec::new();
    for path in glob::glob(&real.to_string_lossy()).map_err(invalid)? {
        let path = path?;
        found.push(documented(&path, &real, &written).to_string_lossy().into_owned());
    }
    found.sort();
    Ok(found)
}

/// What was found under the pattern `real`, as the policy that wrote `written` would call it.
fn documented(found: &Path, real: &Path, written: &Path) -> PathBuf {
    let common = real.components().rev().zip(written.components().rev()).take_while(|(a, b)| a == b).count();
    let (before, after) = (real.components().count() - common, written.components().count() - common);
    let rest = found.components().skip(before);
    written.components().take(after).chain(rest).collect()
}

/// What the file system knows about a path, given to Lua as a table; times are seconds since the Unix epoch.
struct Metadata(std::fs::Metadata);

impl IntoLua for Metadata {
    fn into_lua(self, lua: &Lua) -> Result<Value> {
        let Self(metadata) = self;
        let table = lua.create_table()?;
        table.set("is_dir", metadata.is_dir())?;
        table.set("is_file", metadata.is_file())?;
        table.set("is_symlink", metadata.is_symlink())?;
        table.set("len", metadata.len())?;
        table.set("readonly", metadata.permissions().readonly())?;
        for (name, time) in
            [("modified", metadata.modified()), ("accessed", metadata.accessed()), ("created", metadata.created())]
        {
            let since_epoch = time.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            table.set(name, since_epoch.map(|duration| duration.as_secs_f64()))?;
        }
        Ok(Value::Table(table))
    }
}
