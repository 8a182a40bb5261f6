//! How much has to be free where something is written (`min_free_space`, `min_free_inodes` in interface A.4).

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use tokio::time::Instant;

use crate::host::{Host, Neighbourhood};

/// How often it is looked: several times a message would take a noticeable part of the time.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The least that has to be free.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Least {
    /// Of all there is, 0 to 100.
    Percent(f64),
    /// Bytes, or files.
    Count(u64),
}

impl Default for Least {
    fn default() -> Self {
        Self::Percent(10.0)
    }
}

impl Least {
    /// How much that is of `all`.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and `all`")]
    pub(in crate::mail) fn of(self, all: u64) -> u64 {
        match self {
            Self::Percent(percent) => (all as f64 * percent / 100.0) as u64,
            Self::Count(count) => count,
        }
    }
}

impl<'de> Deserialize<'de> for Least {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Least;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a percentage such as `10%`, or a number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Least, E> {
                let bad = || E::invalid_value(de::Unexpected::Str(text), &self);
                match text.trim().strip_suffix('%') {
                    Some(percent) => {
                        let percent = percent.trim().parse::<f64>().map_err(|_| bad())?;
                        if (0.0..=100.0).contains(&percent) { Ok(Least::Percent(percent)) } else { Err(bad()) }
                    }
                    None => text.trim().parse().map(Least::Count).map_err(|_| bad()),
                }
            }

            fn visit_u64<E>(self, count: u64) -> Result<Least, E> {
                Ok(Least::Count(count))
            }

            fn visit_i64<E: de::Error>(self, count: i64) -> Result<Least, E> {
                let bad = |_| E::invalid_value(de::Unexpected::Signed(count), &self);
                u64::try_from(count).map(Least::Count).map_err(bad)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Less is free than has to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::mail) struct Short {
    /// `bytes` or `inodes`.
    pub(in crate::mail) what: &'static str,
    pub(in crate::mail) free: u64,
    pub(in crate::mail) least: u64,
}

type Found = Result<Option<Short>, String>;

/// A folder that is looked at now and then; the error is that of the system.
#[derive(Debug)]
pub(in crate::mail) struct Room {
    pub(in crate::mail) folder: PathBuf,
    space: Least,
    inodes: Least,
    found: Mutex<Option<(Instant, Found)>>,
}

impl Room {
    /// What has to be free where a real folder is. A host that is tried out takes it that there is always room.
    pub(in crate::mail) fn new(host: &Host, folder: PathBuf, space: Least, inodes: Least) -> Self {
        let plenty = Neighbourhood::of(host).is_enclosed();
        let (space, inodes) = if plenty { (Least::Count(0), Least::Count(0)) } else { (space, inodes) };
        Self { folder, space, inodes, found: Mutex::default() }
    }

    /// What is short, if anything was when it was last looked.
    pub(in crate::mail) fn short(&self) -> Found {
        let now = Instant::now();
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match &*found {
            Some((at, known)) if now.duration_since(*at) < LOOK_AGAIN => known.clone(),
            _ => {
                let seen = self.look();
                *found = Some((now, seen.clone()));
                seen
            }
        }
    }

    fn look(&self) -> Found {
        let found = statvfs(&self.folder).map_err(|cause| cause.to_string())?;
        let unit = found.fragment_size();
        let bytes = (found.blocks_available().saturating_mul(unit), found.blocks().saturating_mul(unit));
        let inodes = (found.files_available(), found.files());
        let each = [(self.space, bytes, "bytes"), (self.inodes, inodes, "inodes")];
        // A filesystem that counts no inodes does not run out of them.
        Ok(each.into_iter().filter(|(_, (_, all), _)| *all > 0).find_map(|(least, (free, all), what)| {
            let least = least.of(all);
            (free < least).then_some(Short { what, free, least })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Clock, Paths};

    fn host() -> Host {
        Host::new(Clock::system(), Paths::documented())
    }

    #[test]
    fn for_a_host_that_is_tried_out_nothing_is_short() {
        let (folder, host) = (tempfile::tempdir().unwrap(), host());
        let room = || Room::new(&host, folder.path().to_owned(), Least::Count(u64::MAX), Least::Percent(100.0)).short();
        assert!(room().unwrap().is_some());
        Neighbourhood::of(&host).enclose();
        assert_eq!(room(), Ok(None));
    }

    #[test]
    fn what_is_short_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let room = |space| Room::new(&host(), folder.path().to_owned(), space, Least::Count(0)).short();
        assert_eq!(room(Least::Count(0)), Ok(None));
        let short = room(Least::Count(u64::MAX)).unwrap().unwrap();
        assert_eq!((short.what, short.least), ("bytes", u64::MAX));
        assert!(short.free > 0);
        assert!(Room::new(&host(), "/no such folder".into(), Least::default(), Least::default()).short().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_looked_again_after_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool");
        std::fs::create_dir(&path).unwrap();
        let room = Room::new(&host(), path.clone(), Least::Count(0), Least::Count(0));
        assert_eq!(room.short(), Ok(None));
        std::fs::remove_dir(&path).unwrap();
        assert_eq!(room.short(), Ok(None));
        tokio::time::advance(LOOK_AGAIN).await;
        assert!(room.short().is_err());
    }
}
