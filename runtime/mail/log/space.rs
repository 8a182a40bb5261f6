//! How much room a folder must have (`min_free_space`, `min_free_inodes` in interface A.4).

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Unexpected, Visitor};

/// An amount, or a part of all there is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Share {
    /// Of all, in percent.
    Percent(f64),
    /// Bytes, or inodes.
    Count(u64),
}

impl Default for Share {
    fn default() -> Self {
        Self::Percent(10.0)
    }
}

impl Share {
    fn is_met(self, free: u64, all: u64) -> bool {
        match self {
            // A filesystem that counts no inodes does not run out of them.
            _ if all == 0 => true,
            Self::Percent(percent) => free as f64 >= all as f64 * percent / 100.0,
            Self::Count(least) => free >= least,
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Count(count) => count.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Share;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a percentage, such as `10%`, or a number")
            }

            fn visit_u64<E>(self, count: u64) -> Result<Share, E> {
                Ok(Share::Count(count))
            }

            fn visit_i64<E: serde::de::Error>(self, count: i64) -> Result<Share, E> {
                u64::try_from(count).map(Share::Count).map_err(|_| E::invalid_value(Unexpected::Signed(count), &self))
            }

            fn visit_f64<E: serde::de::Error>(self, count: f64) -> Result<Share, E> {
                super::whole(count).map(Share::Count).ok_or_else(|| E::invalid_value(Unexpected::Float(count), &self))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Share, E> {
                let bad = || E::invalid_value(Unexpected::Str(text), &self);
                if let Ok(count) = text.trim().parse() {
                    return Ok(Share::Count(count));
                }
                let percent = text.trim().strip_suffix('%').and_then(|number| number.trim_end().parse().ok());
                percent.filter(|percent| (0.0..=100.0).contains(percent)).map(Share::Percent).ok_or_else(bad)
            }
        }
        deserializer.deserialize_any(Either).map_err(|error| D::Error::custom(error))
    }
}

/// What must be free where something is written. Default: 10% each.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Least {
    /// Bytes.
    pub space: Share,
    /// Inodes.
    pub inodes: Share,
}

impl Least {
    /// Looks at the filesystem of a folder; the error says what is short. One that cannot be looked at is not short.
    pub fn check(&self, folder: &Path) -> Result<(), String> {
        let Ok(found) = nix::sys::statvfs::statvfs(folder) else { return Ok(()) };
        let unit = found.fragment_size();
        let (free, all) = (found.blocks_available() * unit, found.blocks() * unit);
        let folder = folder.display();
        if !self.space.is_met(free, all) {
            return Err(format!("`{folder}` has {free} of {all} bytes free: expected at least {}", self.space));
        }
        let (free, all) = (found.files_available(), found.files());
        if !self.inodes.is_met(free, all) {
            return Err(format!("`{folder}` has {free} of {all} inodes free: expected at least {}", self.inodes));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shares_are_percentages_or_counts() {
        let read = |value| serde_json::from_value::<Share>(value).map_err(|error| error.to_string());
        assert_eq!(read(json!("10%")), Ok(Share::Percent(10.0)));
        assert_eq!(read(json!("12.5 %")), Ok(Share::Percent(12.5)));
        assert_eq!(read(json!(1_000)), Ok(Share::Count(1_000)));
        assert_eq!(read(json!(1e3)), Ok(Share::Count(1_000)));
        for bad in [json!("ten"), json!("101%"), json!(-1), json!(1.5), json!(true)] {
            assert!(read(bad.clone()).unwrap_err().contains("expected a percentage"), "{bad}");
        }
    }

    #[test]
    fn what_is_short_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let none = Least { space: Share::Count(0), inodes: Share::Count(0) };
        assert_eq!(none.check(folder.path()), Ok(()));
        let all = Least { space: Share::Count(u64::MAX), ..none };
        assert!(all.check(folder.path()).unwrap_err().contains("bytes free: expected at least"));
        assert_eq!(all.check(Path::new("/no such folder")), Ok(()));
    }
}
