//! What a policy says of a spool (`kumo.define_spool`, interface A.4).

use std::fmt;
use std::path::PathBuf;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

/// One of the two spools.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// What it keeps.
    pub name: Part,
    /// The folder, as it is documented; made when it is not there.
    pub path: PathBuf,
    /// How it is kept.
    #[serde(default)]
    pub kind: Kind,
    /// Whether a message is on disk before it is acknowledged (semantics D5). Default: false, on disk within 100 ms for
    /// the embedded engine, when the operating system sees fit for files.
    #[serde(default)]
    pub flush: bool,
    /// New messages are refused when less is free of the file system. Default: 10%.
    #[serde(default)]
    pub min_free_space: Least,
    /// New messages are refused when fewer files can be made. Default: 10%.
    #[serde(default)]
    pub min_free_inodes: Least,
    /// Settings of an engine that is not here; accepted, and without effect.
    #[serde(default)]
    pub rocks_params: Option<serde_json::Value>,
}

/// What a spool keeps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The content of messages.
    Data,
    /// All that is known of them besides.
    Meta,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data => "data",
            Self::Meta => "meta",
        })
    }
}

/// How a spool is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
pub enum Kind {
    /// A file for each message.
    #[default]
    LocalDisk,
    /// The embedded engine, under the name that existing policies have for theirs.
    RocksDB,
    /// The embedded engine.
    Fjall,
}

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
