//! What can go wrong in DNS.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::rr::RecordType;
use kumo_tsa_core::wire::format_duration;

/// Why a lookup gave no answer, or a resolver could not be set up. Clones are cheap: failures are cached.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The text cannot be asked for.
    #[error("`{name}` is not a domain name: {why}")]
    BadName {
        /// What was asked for.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The name does not exist.
    #[error("{kind} lookup of `{name}`: NXDOMAIN, no such domain")]
    NxDomain {
        /// What was asked for.
        name: String,
        /// The type of record.
        kind: RecordType,
    },
    /// The name exists, without records of this type.
    #[error("{kind} lookup of `{name}`: no {kind} records")]
    NoRecords {
        /// What was asked for.
        name: String,
        /// The type of record.
        kind: RecordType,
    },
    /// Nobody answered in time.
    #[error("{kind} lookup of `{name}`: no answer within {}", format_duration(*.after))]
    Timeout {
        /// What was asked for.
        name: String,
        /// The type of record.
        kind: RecordType,
        /// How long was waited.
        after: Duration,
    },
    /// The name server could not or would not tell.
    #[error("{kind} lookup of `{name}`: {why}")]
    Failed {
        /// What was asked for.
        name: String,
        /// The type of record.
        kind: RecordType,
        /// What it said.
        why: String,
    },
    /// A zone file is malformed.
    #[error("{file}:{line}: {why}")]
    Zone {
        /// The file, as it was given.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// A zone file cannot be read.
    #[error("reading zone file `{}`", .file.display())]
    ZoneFile {
        /// The file, as it was given.
        file: PathBuf,
        /// Why not.
        #[source]
        source: Arc<io::Error>,
    },
    /// The configuration of a resolver does not make sense.
    #[error("dns resolver: {0}")]
    Config(String),
    /// No resolver was defined with this name.
    #[error("there is no dns resolver `{0}`; `kumo.dns.define_resolver` defines one")]
    UnknownResolver(String),
}

impl Error {
    /// Whether the answer is definite: asking again soon would give the same.
    pub fn is_definite(&self) -> bool {
        matches!(self, Self::NxDomain { .. } | Self::NoRecords { .. } | Self::BadName { .. })
    }
}
