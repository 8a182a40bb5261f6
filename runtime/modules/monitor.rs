//! Which files a change of the configuration shows in: `kumo.eval_config_monitor_globs`, `kumo.set_config_monitor_globs`.

use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mlua::Lua;
use sha2::{Digest, Sha256};

use crate::host::{Host, Neighbourhood, Paths};
use crate::policy;

/// Interface B.6.
const DEFAULT: &str = "/opt/kumomta/etc/**/*.{lua,json,toml,yaml}";

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(10);

/// The globs that a host watches.
struct Globs(Mutex<Vec<String>>);

impl Globs {
    fn of(host: &Host) -> std::sync::Arc<Self> {
        host.slot(|| Self(Mutex::new(vec![DEFAULT.to_owned()])))
    }
}

/// Puts the functions there.
pub fn install(lua: &Lua, host: &Host) -> mlua::Result<()> {
    let kumo = policy::table(lua, "kumo")?;
    let on = host.clone();
    kumo.set("eval_config_monitor_globs", lua.create_function(move |_, ()| matched(&on))?)?;
    let on = host.clone();
    kumo.set(
        "set_config_monitor_globs",
        lua.create_function(move |_, globs: Vec<String>| {
            for glob in &globs {
                for pattern in alternatives(glob) {
                    glob::Pattern::new(&pattern).map_err(|error| {
                        mlua::Error::runtime(format!("kumo.set_config_monitor_globs: invalid glob `{glob}`: {error}"))
                    })?;
                }
            }
            *Globs::of(&on).0.lock().unwrap_or_else(PoisonError::into_inner) = globs;
            Ok(())
        })?,
    )
}

/// Begins a new configuration epoch whenever a file that the globs match is another one than 10 s before; the first look
/// always does (interface B.6). Runs until it is dropped.
pub async fn watch(host: Host) {
    let mut last = None;
    loop {
        let on = host.clone();
        match tokio::task::spawn_blocking(move || fingerprint(&on)).await {
            Ok(Ok(found)) => {
                if last.as_ref() != Some(&found) {
                    last = Some(found);
                    host.epoch().bump();
                }
            }
            Ok(Err(error)) => tracing::error!("the configuration's files cannot be watched: {error}"),
            Err(ended) => tracing::error!("the configuration's files cannot be watched: {ended}"),
        }
        // The files of a host that is tried out stay as they are, and where hours pass in milliseconds looking would take longer
        // than all else.
        if Neighbourhood::of(&host).is_enclosed() {
            return;
        }
        host.clock().sleep(EVERY).await;
    }
}

/// Paths and contents of the files that the globs match. A file that cannot be read counts by its path.
fn fingerprint(host: &Host) -> mlua::Result<Vec<u8>> {
    let mut hash = Sha256::new();
    for file in matched(host)? {
        let content = std::fs::read(host.paths().resolve(Path::new(&file))).unwrap_or_default();
        // Lengths go in too, so that nothing can pass from one file to the next unseen.
        for part in [file.as_bytes(), &content] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    Ok(hash.finalize().to_vec())
}

/// The files that the globs match now, sorted, by their documented paths.
fn matched(host: &Host) -> mlua::Result<Vec<String>> {
    let globs = Globs::of(host).0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut files = Vec::new();
    for pattern in globs.iter().flat_map(|glob| alternatives(glob)) {
        let found = expand(host.paths(), &pattern).map_err(|error| {
            mlua::Error::runtime(format!("kumo.eval_config_monitor_globs: invalid glob `{pattern}`: {error}"))
        })?;
        files.extend(found.into_iter().map(|file| file.display().to_string()));
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn expand(paths: &Paths, pattern: &str) -> Result<Vec<PathBuf>, glob::PatternError> {
    // The part without wildcards leads to where the files are.
    let documented: PathBuf = Path::new(pattern).components().take_while(|part| !is_wild(part)).collect();
    let rest = Path::new(pattern).strip_prefix(&documented).unwrap_or(Path::new(""));
    let real = paths.resolve(&documented).into_owned();
    let escaped = PathBuf::from(glob::Pattern::escape(&real.to_string_lossy()));
    let whole = if rest.as_os_str().is_empty() { escaped } else { escaped.join(rest) };
    let found = glob::glob(&whole.to_string_lossy())?;
    let back = |file: PathBuf| match file.strip_prefix(&real) {
        Ok(rest) if !rest.as_os_str().is_empty() => documented.join(rest),
        _ => documented.clone(),
    };
    Ok(found.flatten().filter(|file| file.is_file()).map(back).collect())
}

fn is_wild(part: &Component<'_>) -> bool {
    part.as_os_str().to_string_lossy().contains(['*', '?', '['])
}

/// `a.{b,c}` is `a.b` and `a.c`.
fn alternatives(glob: &str) -> Vec<String> {
    let Some((before, rest)) = glob.split_once('{') else {
        return vec![glob.to_owned()];
    };
    let Some((choice, after)) = rest.split_once('}') else {
        return vec![glob.to_owned()];
    };
    choice.split(',').flat_map(|one| alternatives(&format!("{before}{one}{after}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_spelled_out() {
        assert_eq!(alternatives("/etc/*.{a,b}"), ["/etc/*.a", "/etc/*.b"]);
        assert_eq!(alternatives("{a,b}/{c,d}"), ["a/c", "a/d", "b/c", "b/d"]);
        assert_eq!(alternatives("a{b"), ["a{b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_changes_begins_an_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("opt/kumomta/etc/policy");
        std::fs::create_dir_all(&policy).unwrap();
        let host = Host::new(crate::host::Clock::system(), Paths::with_prefix(folder.path()));
        let watching = tokio::spawn(watch(host.clone()));
        let mut epoch = host.epoch().watch();
        let mut seen = Vec::new();
        for act in 0..5 {
            match act {
                1 => std::fs::write(policy.join("a.toml"), "1").unwrap(),
                2 => std::fs::write(policy.join("a.toml"), "2").unwrap(),
                3 => std::fs::write(policy.join("a.txt"), "not watched").unwrap(),
                4 => std::fs::rename(policy.join("a.toml"), policy.join("b.toml")).unwrap(),
                _ => {}
            }
            seen.push(tokio::time::timeout(EVERY + Duration::from_secs(1), epoch.changed()).await.is_ok());
        }
        assert_eq!(seen, [true, true, true, false, true]);
        watching.abort();
    }

    #[test]
    fn files_are_named_by_their_documented_paths() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("opt/kumomta/etc/policy");
        std::fs::create_dir_all(policy.join("deep")).unwrap();
        for name in ["init.lua", "shaping.toml", "notes.txt", "deep/x.json"] {
            std::fs::write(policy.join(name), "").unwrap();
        }
        let host = Host::new(crate::host::Clock::system(), Paths::with_prefix(folder.path()));
        assert_eq!(
            matched(&host).unwrap(),
            [
                "/opt/kumomta/etc/policy/deep/x.json",
                "/opt/kumomta/etc/policy/init.lua",
                "/opt/kumomta/etc/policy/shaping.toml"
            ]
        );
    }
}
