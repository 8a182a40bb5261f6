//! `kumo.fs`: files (all paths through the host's paths).

use std::path::{Path, PathBuf};

use mlua::{Lua, Result, Table};

use super::function::{Functions, failure};
use super::handle::Handle;
use crate::host::{Host, Paths};
use crate::policy;

/// Puts `kumo.fs` in place, and the names in `kumo` itself that older policies use.
pub fn install(lua: &Lua, host: &Host) -> Result<()> {
    let functions = Functions::of(lua, policy::table(lua, "kumo.fs")?, "kumo.fs");
    let host = host.clone();
    let paths = move || host.paths().clone();
    let (open, list, meta, symlink, match_, uncached) =
        (paths.clone(), paths.clone(), paths.clone(), paths.clone(), paths.clone(), paths);
    functions
        .add_async("open", move |_, (path, mode): (String, Option<String>)| {
            let paths = open();
            async move { blocking("kumo.fs.open", path, move |path| Handle::open(&paths.resolve(path), mode.as_deref())).await }
        })?
        .add_async("read_dir", move |_, path: String| {
            let paths = list();
            async move { blocking("kumo.fs.read_dir", path, move |path| read_dir(&paths, path)).await }
        })?
        .add_async("metadata_for_path", move |lua, path: String| {
            let paths = meta();
            async move {
                let read = move |path: &Path| std::fs::metadata(paths.resolve(path));
                metadata(&lua, &blocking("kumo.fs.metadata_for_path", path, read).await?)
            }
        })?
        .add_async("symlink_metadata_for_path", move |lua, path: String| {
            let paths = symlink();
            async move {
                let read = move |path: &Path| std::fs::symlink_metadata(paths.resolve(path));
                metadata(&lua, &blocking("kumo.fs.symlink_metadata_for_path", path, read).await?)
            }
        })?
        .add_async("glob", move |_, (pattern, root): (String, Option<String>)| {
            let paths = match_();
            async move { blocking("kumo.fs.glob", pattern, move |pattern| glob(&paths, pattern, root.as_deref())).await }
        })?
        .add_async("uncached_glob", move |_, (pattern, root): (String, Option<String>)| {
            let paths = uncached();
            async move {
                blocking("kumo.fs.uncached_glob", pattern, move |pattern| glob(&paths, pattern, root.as_deref())).await
            }
        })?;
    let older = ["open", "read_dir", "glob", "uncached_glob"];
    functions.alias(&policy::table(lua, "kumo")?, &older.map(|name| (name, name)))?;
    Ok(())
}

/// Runs what reads the disk where it holds up nobody else.
async fn blocking<T: Send + 'static>(
    function: &'static str,
    path: String,
    work: impl FnOnce(&Path) -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    let failed = move |path: &str, e: std::io::Error| failure(format!("{function}: `{path}`: {e}"));
    let work = move || work(Path::new(&path)).map_err(|e| failed(&path, e));
    tokio::task::spawn_blocking(work).await.map_err(|e| failure(format!("{function}: {e}")))?
}

/// The entries as paths that begin with `folder` as it was written, sorted.
fn read_dir(paths: &Paths, folder: &Path) -> std::io::Result<Vec<String>> {
    let mut entries = std::fs::read_dir(paths.resolve(folder))?
        .map(|entry| Ok(folder.join(entry?.file_name()).to_string_lossy().into_owned()))
        .collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

/// The paths that match, sorted; a relative pattern starts at `root`, or at the working folder.
fn glob(paths: &Paths, pattern: &Path, root: Option<&str>) -> std::io::Result<Vec<String>> {
    let written = root.map_or_else(|| pattern.to_owned(), |root| Path::new(root).join(pattern));
    // The wildcards stand after the documented folders, so the pattern moves as a path does.
    let real = paths.resolve(&written);
    let invalid = |e: glob::PatternError| std::io::Error::new(std::io::ErrorKind::InvalidInput, e);
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

fn metadata(lua: &Lua, metadata: &std::fs::Metadata) -> Result<Table> {
    let table = lua.create_table()?;
    table.set("is_dir", metadata.is_dir())?;
    table.set("is_file", metadata.is_file())?;
    table.set("is_symlink", metadata.is_symlink())?;
    table.set("len", metadata.len())?;
    table.set("readonly", metadata.permissions().readonly())?;
    let since_epoch = |time: std::io::Result<std::time::SystemTime>| {
        time.ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok()).map(|d| d.as_secs_f64())
    };
    table.set("modified", since_epoch(metadata.modified()))?;
    table.set("accessed", since_epoch(metadata.accessed()))?;
    table.set("created", since_epoch(metadata.created()))?;
    Ok(table)
}
