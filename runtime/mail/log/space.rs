//! How much room a log's folders must have (`min_free_space`, `min_free_inodes` in interface A.4).

use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::mail::spool::Least;

/// What must be free where something is written. Default: 10% each.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Room {
    /// Bytes.
    pub space: Least,
    /// Inodes.
    pub inodes: Least,
}

impl Room {
    /// Looks at the filesystem of a folder; the error says what is short. One that cannot be looked at is not short.
    pub fn check(&self, folder: &Path) -> Result<(), String> {
        let Ok(found) = statvfs(folder) else { return Ok(()) };
        let unit = found.fragment_size();
        let bytes = (found.blocks_available().saturating_mul(unit), found.blocks().saturating_mul(unit));
        // A filesystem that counts no inodes does not run out of them.
        let inodes = (found.files_available(), found.files());
        for (least, (free, all), what) in [(self.space, bytes, "bytes"), (self.inodes, inodes, "inodes")] {
            let least = least.of(all);
            if all > 0 && free < least {
                let folder = folder.display();
                return Err(format!("the log in `{folder}` is full: {free} {what} are free, and it wants {least}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let none = Room { space: Least::Count(0), inodes: Least::Count(0) };
        assert_eq!(none.check(folder.path()), Ok(()));
        let all = Room { space: Least::Count(u64::MAX), ..none };
        assert!(all.check(folder.path()).unwrap_err().contains("bytes are free, and it wants"));
        assert_eq!(all.check(Path::new("/no such folder")), Ok(()));
    }
}
