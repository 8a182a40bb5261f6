//! Which files are specs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

const SUFFIX: &str = "_spec.lua";
/// Folders that hold what others made.
const PASSED_OVER: [&str; 2] = ["target", "node_modules"];

/// The specs among and below `paths`, in order. A file that is named is taken as it is called.
pub(super) fn specs(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = BTreeSet::new();
    for path in paths {
        if path.is_file() {
            found.insert(plain(path));
        } else if path.is_dir() {
            walk(path, &mut found)?;
        } else {
            bail!("no `{}`: PATHS are specs, or folders with files that end in {SUFFIX}", path.display());
        }
    }
    if found.is_empty() {
        let places = paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ");
        bail!("no file below {places} ends in {SUFFIX}; `tsa test --help` shows one");
    }
    Ok(found.into_iter().collect())
}

fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    let unreadable = || format!("reading the folder `{}`", folder.display());
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        // A link to a folder may lead in a circle.
        if entry.file_type().with_context(unreadable)?.is_dir() {
            if !name.starts_with('.') && !PASSED_OVER.contains(&&*name) {
                walk(&path, found)?;
            }
        } else if name.ends_with(SUFFIX) && path.is_file() {
            found.insert(plain(&path));
        }
    }
    Ok(())
}

/// Without `./` at its start.
fn plain(path: &Path) -> PathBuf {
    path.strip_prefix(".").unwrap_or(path).to_owned()
}
