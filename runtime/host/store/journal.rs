//! The files that fjall appends to.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Syncs the journal that is being written.
///
/// The file is found anew each time, since fjall goes on to the next number when one is full. It syncs the full one
/// itself before that, so whichever journal is newest when this looks, all that came before the call is on disk after it.
pub(super) fn sync_newest(folder: &Path) -> io::Result<()> {
    match newest(folder)? {
        Some(path) => File::open(path)?.sync_data(),
        None => Err(io::Error::new(io::ErrorKind::NotFound, "there is no journal in the folder")),
    }
}

fn newest(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest: Option<(u64, PathBuf)> = None;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".jnl"))
            .and_then(|stem| stem.parse().ok());
        if let Some(number) = number
            && newest.as_ref().is_none_or(|(best, _)| *best < number)
        {
            newest = Some((number, path));
        }
    }
    Ok(newest.map(|(_, path)| path))
}
