//! A session that is open.

use std::net::SocketAddr;
use std::time::Duration;

use uuid::Uuid;

use super::capability::Capabilities;
use super::open;
use super::wire::Wire;
use super::{Endpoint, OpenError, Plan};
use crate::host::Host;
use crate::mail::config::PathConfig;
use crate::mail::log;

/// How long a peer may take to answer QUIT.
const FAREWELL: Duration = Duration::from_secs(2);

/// A session with a peer that is ready for messages.
#[derive(Debug)]
pub struct Session {
    pub(super) wire: Wire,
    pub(super) endpoint: Endpoint,
    pub(super) offered: Capabilities,
    pub(super) terms: Terms,
    pub(super) local: SocketAddr,
    pub(super) tls: Option<log::Tls>,
    pub(super) id: Uuid,
    /// How many transactions there were.
    pub(super) transactions: usize,
    /// Whether the last one was begun and did not come to its end.
    pub(super) is_dirty: bool,
    pub(super) is_over: bool,
}

/// What the path's options say of transactions.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one option")]
pub(super) struct Terms {
    pub(super) pipelining: bool,
    pub(super) rset: bool,
    pub(super) lmtp: bool,
    pub(super) ignore_8bit: bool,
    pub(super) mail_from_timeout: Duration,
    pub(super) rcpt_to_timeout: Duration,
    pub(super) data_timeout: Duration,
    pub(super) data_dot_timeout: Duration,
    pub(super) rset_timeout: Duration,
}

impl Terms {
    pub(super) fn of(config: &PathConfig) -> Self {
        Self {
            pipelining: config.enable_pipelining,
            rset: config.enable_rset,
            lmtp: config.use_lmtp,
            ignore_8bit: config.ignore_8bit_checks,
            mail_from_timeout: config.mail_from_timeout,
            rcpt_to_timeout: config.rcpt_to_timeout,
            data_timeout: config.data_timeout,
            data_dot_timeout: config.data_dot_timeout,
            rset_timeout: config.rset_timeout,
        }
    }
}

impl Session {
    /// Connects, and goes as far as the path demands: banner, EHLO (HELO where the peer does not know it; LHLO for LMTP),
    /// STARTTLS as `enable_tls` says, AUTH PLAIN where the path names a user.
    pub async fn open(host: &Host, plan: &Plan<'_>) -> Result<Self, OpenError> {
        open::open(host, plan).await
    }

    /// Ends it with QUIT, for whose answer it waits 2 s at most.
    pub async fn quit(mut self) {
        if self.is_over {
            return;
        }
        self.wire.push("QUIT");
        self.wire.flush(FAREWELL).await;
        // Whatever is answered, it ends here.
        let _ = self.wire.reply(FAREWELL).await;
        self.wire.close(FAREWELL).await;
    }

    /// Who is talked to.
    pub fn peer(&self) -> log::Peer {
        log::Peer { name: self.endpoint.name.clone(), address: self.endpoint.address }
    }

    /// Its TLS; none without.
    pub fn tls(&self) -> Option<log::Tls> {
        self.tls.clone()
    }

    /// The local address of the connection.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// What names it in records.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// `ESMTP` or `LMTP`.
    pub fn protocol(&self) -> &'static str {
        if self.terms.lmtp { "LMTP" } else { "ESMTP" }
    }

    /// How many transactions were begun in it.
    pub fn transactions(&self) -> usize {
        self.transactions
    }

    /// Whether it can take a message, as far as is known.
    pub fn is_usable(&self) -> bool {
        !self.is_over
    }

    /// Returns when the peer closes an idle session, or says something unasked, which is that it will. Then the session
    /// is not usable. May be cancelled.
    pub async fn ended(&mut self) {
        if !self.is_over {
            self.wire.disturbed().await;
            self.is_over = true;
        }
    }
}
