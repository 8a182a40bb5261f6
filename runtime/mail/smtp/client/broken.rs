//! Peers whose TLS does not work.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::host::Host;

/// The addresses that are talked to without TLS for a while, since a handshake failed (`remember_broken_tls`).
#[derive(Debug, Default)]
pub(super) struct Broken(Mutex<HashMap<IpAddr, Instant>>);

impl Broken {
    /// The host's.
    pub(super) fn of(host: &Host) -> Arc<Self> {
        host.slot(Self::default)
    }

    /// Whether that is so for `peer`.
    pub(super) fn knows(&self, peer: IpAddr) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&peer).is_some_and(|until| *until > Instant::now())
    }

    /// Notes it of `peer`, from now on for `duration`.
    pub(super) fn remember(&self, peer: IpAddr, duration: Duration) {
        let now = Instant::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, until| *until > now);
        known.insert(peer, now + duration);
    }
}
