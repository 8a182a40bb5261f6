//! What is logged: one record for each thing that becomes of a message (interface C.6).

mod accounting;
pub(super) mod audit;
mod backlog;
pub mod classifier;
mod disposition;
pub(super) mod hook;
mod intake;
mod local;
mod logger;
mod node;
mod outcome;
pub(super) mod pattern;
mod record;
pub(super) mod segment;
pub(super) mod selection;
mod sieve;
pub(super) mod template;
mod traffic;
pub(super) mod writer;

use std::net::SocketAddr;

use kumo_tsa_core::wire::Kind;

use super::address::Address;
use super::message::Message;
use super::reply::Reply;

pub use audit::Audit;
pub use hook::{Intake, Refusal, SHOULD_ENQUEUE};
pub use intake::ToQueues;
pub(super) use local::{Filter, LocalLog};
pub use logger::{Logger, hook_queue};
pub use outcome::Outcome;

/// Where a session went to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The host's name: of the MX, or what a client called itself in EHLO.
    pub name: String,
    /// Its address.
    pub address: SocketAddr,
}

/// What TLS a session had.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tls {
    /// The cipher suite, such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The protocol version, such as `TLSv1.3`.
    pub version: String,
    /// The names in the peer's certificate.
    pub peer_subject: Vec<String>,
}

/// Where and how an attempt was made. All of it may be unknown.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attempt {
    /// The name of the ready queue, or what interface C.6 has for `site`.
    pub site: String,
    /// Who was talked to.
    pub peer: Option<Peer>,
    /// The egress pool.
    pub pool: Option<String>,
    /// The egress source.
    pub source: Option<String>,
    /// The local address that the session was bound to.
    pub source_address: Option<SocketAddr>,
    /// `ESMTP`, `Lua`, `Maildir`, ...
    pub protocol: Option<String>,
    /// The session's TLS.
    pub tls: Option<Tls>,
    /// The provider that the path's configuration names.
    pub provider: Option<String>,
    /// The session.
    pub session: Option<uuid::Uuid>,
}

/// One thing that became of a message.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// What.
    pub kind: Kind,
    /// The message.
    pub message: &'a Message,
    /// Whom it concerns; `None` for all recipients of the message.
    pub recipients: Option<&'a [Address]>,
    /// What was answered.
    pub reply: Reply,
    /// Where and how.
    pub attempt: Attempt,
    /// The queue, where it is not the message's.
    pub queue: Option<&'a str>,
}

/// A number that Lua has as a float, such as `1e9`, where it is whole and fits.
pub(super) fn whole(number: f64) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
    (number.fract() == 0.0 && (0.0..=9e15).contains(&number)).then_some(number as u64)
}
