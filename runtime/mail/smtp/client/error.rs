//! What goes wrong in sessions.

use std::fmt;
use std::io;
use std::time::Duration;

use kumo_tsa_core::wire::format_duration;

use super::Endpoint;
use crate::mail::reply::Reply;

/// The connection failed, or what came over it was no SMTP. The session is over then.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The peer closed it.
    #[error("the peer closed the connection")]
    Closed,
    /// It broke.
    #[error("{0}")]
    Broken(#[from] io::Error),
    /// Nothing came, or nothing was taken, for this long.
    #[error("no answer within {}", format_duration(*.0))]
    Silent(Duration),
    /// What came is no reply; its beginning.
    #[error("{0} is no SMTP reply")]
    Garbage(String),
    /// A reply does not end.
    #[error("a reply that is longer than any")]
    Endless,
    /// A reply that the command cannot have.
    #[error("`{0}` is no answer to it")]
    Unexpected(Reply),
}

impl Trouble {
    /// For a line that is no reply.
    pub(super) fn garbage(line: &[u8]) -> Self {
        let start = &line[..line.len().min(80)];
        Self::Garbage(format!("{:?}", String::from_utf8_lossy(start)))
    }
}

/// How far the opening of a session has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The connection.
    Connect,
    /// The peer's banner.
    Banner,
    /// EHLO, HELO or LHLO, before or within TLS.
    Hello,
    /// STARTTLS.
    StartTls,
    /// The TLS handshake.
    Handshake,
    /// AUTH.
    Auth,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Banner => "banner",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Handshake => "TLS handshake",
            Self::Auth => "AUTH",
        })
    }
}

/// Why a session could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// The peer said no.
    #[error("{0}")]
    Refused(Reply),
    /// The connection failed.
    #[error("{0}")]
    Trouble(#[from] Trouble),
    /// What the path demands cannot be done here.
    #[error("{0}")]
    Unable(String),
}

/// A session that could not be opened.
///
/// No message has been shown to the peer: even where it answered 5xx, what waits is deferred and not bounced.
#[derive(Debug, thiserror::Error)]
#[error("failed to connect to {}: {stage}: {why}", show(.endpoint))]
pub struct OpenError {
    /// Where to.
    pub endpoint: Endpoint,
    /// How far it came.
    pub stage: Stage,
    /// Why no further.
    pub why: Why,
}

impl OpenError {
    /// What the peer said, if it was that.
    pub fn said(&self) -> Option<&Reply> {
        if let Why::Refused(reply) = &self.why { Some(reply) } else { None }
    }

    /// Whether the peer said 421: it takes no session now.
    pub fn is_421(&self) -> bool {
        self.said().is_some_and(|reply| reply.code == 421)
    }

    /// What a record says: the peer's words where there are any.
    pub fn reply(&self) -> Reply {
        self.said().cloned().unwrap_or_else(|| internal(400, &self.to_string()))
    }
}

/// A reply of our own (semantics R5).
pub(super) fn internal(code: u16, text: &str) -> Reply {
    Reply { code, enhanced_code: None, content: format!("KumoMTA internal: {text}"), command: None }
}

/// `mx.example.com (192.0.2.1:25)`.
pub(super) fn show(endpoint: &Endpoint) -> String {
    format!("{} ({})", endpoint.name.trim_end_matches('.'), endpoint.address)
}
