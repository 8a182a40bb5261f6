//! What a policy says of a spool (`kumo.define_spool`, interface A.4).

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::mail::room::Least;

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
