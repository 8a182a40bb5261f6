//! The SMTP and LMTP client: hosts to try, sessions, and messages through them.
//!
//! [`plan_hosts`] and [`list_hosts`] say whom to try, [`Session::open`] makes a session of one [`Endpoint`], and
//! [`Session::deliver`] takes one message to some recipients through it and tells the fate of each.

mod answer;
mod body;
mod broken;
mod capability;
mod detour;
mod error;
mod host;
mod open;
mod parameter;
mod session;
mod subject;
mod tls;
mod transaction;
mod wire;

use std::net::SocketAddr;

pub use detour::Detour;
pub use error::{OpenError, Stage, Trouble, Why};
pub use host::{NoHost, list_hosts, plan_hosts};
pub use session::Session;
pub use tls::trust;

use super::super::address::Address;
use super::super::config::{PathConfig, Source};
use super::super::reply::Reply;

/// A host at one of its addresses.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Endpoint {
    /// Its name, as records show it and as its certificate is checked against: with the final dot where DNS gave it. The
    /// address where it has no name.
    pub name: String,
    /// Its address and port.
    pub address: SocketAddr,
}

/// What a session is to be opened with.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Where to.
    pub endpoint: &'a Endpoint,
    /// The options of the path. What they say of timeouts, TLS and the manner of transactions holds as long as the session.
    pub config: &'a PathConfig,
    /// Where from.
    pub source: &'a Source,
    /// What to say in EHLO where neither the path's nor the source's `ehlo_domain` says it: the host's name.
    pub ehlo: &'a str,
    /// The password that `smtp_auth_plain_password` leads to. AUTH PLAIN is done when the path names a user.
    pub password: Option<&'a [u8]>,
    /// What `tls_certificate` and `tls_private_key` lead to, both PEM: shown to peers that ask for a certificate.
    pub identity: Option<(&'a [u8], &'a [u8])>,
}

impl Plan<'_> {
    /// What is said in EHLO.
    fn hello(&self) -> &str {
        self.config.ehlo_domain.as_deref().or(self.source.ehlo_domain.as_deref()).unwrap_or(self.ehlo)
    }
}

/// What became of one message.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct Delivered {
    /// For each recipient, in the order given, what was answered at last: 2xx when the peer has taken the message for it.
    pub fates: Vec<(Address, Reply)>,
    /// What is left of the session.
    pub after: After,
    /// The session had been used before and was found to have ended, without a word about this message: nothing of it
    /// was tried, and another session may try it at once.
    pub untried: bool,
}

/// What is left of a session after a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// It can take more.
    Keep,
    /// It is over: the peer said 421 or something that cannot be understood, closed it, or was silent for too long.
    Closed,
}
