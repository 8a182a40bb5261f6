//! Another way for all connections, as a pretend provider has it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::Endpoint;
use crate::host::Host;

/// Leads all connections of a host's SMTP client elsewhere, whatever DNS says; names, records and limits stay those of
/// the hosts that were meant. For trying a policy where nothing may leave the machine.
#[derive(Debug, Default)]
pub struct Detour(ArcSwapOption<Way>);

struct Way(Box<dyn Fn(&Endpoint) -> SocketAddr + Send + Sync>);

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").finish_non_exhaustive()
    }
}

impl Detour {
    /// The host's; there is none at first.
    pub fn of(host: &Host) -> Arc<Self> {
        host.slot(Self::default)
    }

    /// From now on connections go to `address`. A source's own address is not bound then.
    pub fn lead_to(&self, address: SocketAddr) {
        self.lead_by(move |_| address);
    }

    /// The same, to an address for each host that is meant.
    pub fn lead_by(&self, way: impl Fn(&Endpoint) -> SocketAddr + Send + Sync + 'static) {
        self.0.store(Some(Arc::new(Way(Box::new(way)))));
    }

    /// Where to go in the place of `endpoint`, if elsewhere.
    pub(super) fn around(&self, endpoint: &Endpoint) -> Option<SocketAddr> {
        self.0.load().as_deref().map(|way| way.0(endpoint))
    }
}
