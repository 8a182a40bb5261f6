//! Taking messages in over SMTP (RFC 5321), with PIPELINING, 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES, SIZE, STARTTLS and AUTH
//! PLAIN.
//!
//! A policy starts [listeners](crate::host::listening::Listeners) in `init`; the service serves them with a [`Server`] once it has started. What is
//! accepted goes to the host's [intake](crate::mail::inject::Intake), and `250` is said after that.

mod answer;
mod command;
mod connection;
mod content;
mod domain;
mod envelope;
mod listener;
mod parameter;
mod reception;
mod report;
mod security;
mod session;
mod stream;
mod tls;

use std::sync::Arc;

pub use connection::Connection;
pub use domain::{Disposition, ListenerDomain};
pub use listener::Bound;
pub use parameter::{BadParameter, BatchHandling, LineEndings, Overrides, Parameters, Settings, Table};
pub use reception::{DEFERRED_QUEUE, show_deferred};

use super::super::log::Logger;
use crate::host::Host;
use crate::policy::Policy;
use tls::Acceptors;

/// What all listeners of a host share.
pub struct Server {
    host: Host,
    policy: Policy,
    logger: Arc<Logger>,
    acceptors: Acceptors,
}

impl Server {
    /// A server that asks `policy`.
    pub fn new(policy: Policy) -> Arc<Self> {
        let host = policy.host().clone();
        let logger = Logger::of(&host);
        Arc::new(Self { host, policy, logger, acceptors: Acceptors::default() })
    }

    /// Serves a listener until the host shuts down; returns when what was in hand then is finished, within 5 s.
    pub async fn serve(self: Arc<Self>, bound: Bound) {
        listener::serve(self, bound).await;
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("host", &self.host).finish_non_exhaustive()
    }
}
