//! Where documented paths lead.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use super::share;

/// The folders that a prefix moves.
const DOCUMENTED: &[&str] = &["/opt/kumomta", "/var/spool/kumomta", "/var/log/kumomta"];

/// Leads documented paths, such as `/opt/kumomta/etc/policy/shaping.toml`, to where they are on this machine.
///
/// Messages and cache keys keep the documented path; only file access goes through here.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    prefix: Option<PathBuf>,
    /// Documented folder and what stands in its place; looked at before the prefix.
    moved: Vec<(PathBuf, PathBuf)>,
}

impl Paths {
    /// Paths as they are documented.
    pub fn documented() -> Self {
        Self::default()
    }

    /// `/opt/kumomta/x` is `PREFIX/opt/kumomta/x`, and so for the spool and log folders.
    pub fn with_prefix(prefix: impl Into<PathBuf>) -> Self {
        Self { prefix: Some(prefix.into()), moved: Vec::new() }
    }

    /// Puts `real` in the place of the documented folder `documented`.
    #[must_use]
    pub fn moving(mut self, documented: impl Into<PathBuf>, real: impl Into<PathBuf>) -> Self {
        self.moved.push((documented.into(), real.into()));
        self
    }

    /// Where `path` is on this machine; a path that is not a documented one stays as it is.
    pub fn resolve<'p>(&self, path: &'p Path) -> Cow<'p, Path> {
        for (documented, real) in &self.moved {
            if let Ok(rest) = path.strip_prefix(documented) {
                return Cow::Owned(if rest.as_os_str().is_empty() { real.clone() } else { real.join(rest) });
            }
        }
        match (&self.prefix, path.strip_prefix("/")) {
            (Some(prefix), Ok(rest)) if DOCUMENTED.iter().any(|folder| path.starts_with(folder)) => {
                Cow::Owned(prefix.join(rest))
            }
            _ => Cow::Borrowed(path),
        }
    }

    /// The content of a file: from disk, else, for what belongs to `/opt/kumomta/share/policy-extras` and
    /// `/opt/kumomta/share/lua`, as it travels inside the executable.
    ///
    /// # Errors
    /// Of reading from disk.
    pub fn read(&self, path: &Path) -> io::Result<Cow<'static, [u8]>> {
        match std::fs::read(self.resolve(path)) {
            Ok(content) => Ok(Cow::Owned(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.embedded(path).map(Cow::Borrowed).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The content of a documented path as it travels inside the executable.
    pub fn embedded(&self, path: &Path) -> Option<&'static [u8]> {
        share::file(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn leads(paths: &Paths, from: &str, to: &str) {
        assert_eq!(paths.resolve(Path::new(from)), Path::new(to));
    }

    #[test]
    fn a_prefix_moves_documented_folders_only() {
        let paths = Paths::with_prefix("/home/me/x");
        leads(&paths, "/opt/kumomta/etc/policy/shaping.toml", "/home/me/x/opt/kumomta/etc/policy/shaping.toml");
        leads(&paths, "/var/spool/kumomta/tsa.db", "/home/me/x/var/spool/kumomta/tsa.db");
        leads(&paths, "/opt/kumomta2/a", "/opt/kumomta2/a");
        leads(&paths, "/etc/hosts", "/etc/hosts");
        leads(&paths, "shaping.toml", "shaping.toml");
        leads(&Paths::documented(), "/opt/kumomta/a", "/opt/kumomta/a");
    }

    #[test]
    fn a_file_on_disk_wins_over_the_one_that_travels_along() {
        let readme = Path::new("/opt/kumomta/share/policy-extras/README.md");
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::with_prefix(folder.path());
        assert!(paths.read(readme).unwrap().starts_with(b"# policy-extras"));
        let real = paths.resolve(readme).into_owned();
        std::fs::create_dir_all(real.parent().unwrap()).unwrap();
        std::fs::write(&real, "mine").unwrap();
        assert_eq!(*paths.read(readme).unwrap(), *b"mine");
        let absent = paths.read(Path::new("/opt/kumomta/share/policy-extras/no.lua")).unwrap_err();
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_moved_folder_goes_before_the_prefix() {
        let paths = Paths::with_prefix("/p").moving("/opt/kumomta/etc/policy", "/home/me/quickstart");
        leads(&paths, "/opt/kumomta/etc/policy/shaping.toml", "/home/me/quickstart/shaping.toml");
        leads(&paths, "/opt/kumomta/etc/policy", "/home/me/quickstart");
        leads(&paths, "/opt/kumomta/share/x.lua", "/p/opt/kumomta/share/x.lua");
    }
}
