//! Another way for all connections, as a pretend provider has it.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::host::Host;

/// Leads all connections of a host's SMTP client to one address, whatever DNS says; names, records and limits stay those of
/// the hosts that were meant. For trying a policy where nothing may leave the machine.
#[derive(Debug, Default)]
pub struct Detour(ArcSwapOption<SocketAddr>);

impl Detour {
    /// The host's; there is none at first.
    pub fn of(host: &Host) -> Arc<Self> {
        host.slot(Self::default)
    }

    /// From now on connections go to `address`. A source's own address is not bound then.
    pub fn lead_to(&self, address: SocketAddr) {
        self.0.store(Some(Arc::new(address)));
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.0.load().as_deref().copied()
    }
}
