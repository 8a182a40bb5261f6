//! Addresses to listen on.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;

use ipnet::IpNet;
use tokio_rustls::TlsAcceptor;

use super::tls;
use crate::host::listening::{self, BindError, Listening};
use crate::host::{Host, Neighbourhood};

/// What a listener is asked to do.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// The name that a self-signed certificate is made for.
    pub hostname: String,
    /// `ip:port`; port 0 takes a free one.
    pub listen: String,
    /// Whether to speak TLS.
    pub use_tls: bool,
    /// The certificate chain in PEM; without one a self-signed certificate is made.
    pub tls_certificate: Option<Vec<u8>>,
    /// The key of the certificate in PEM.
    pub tls_private_key: Option<Vec<u8>>,
    /// The largest body that is taken, decompressed, in bytes.
    pub request_body_limit_bytes: usize,
    /// Addresses that need no credentials.
    pub trusted_hosts: Vec<IpNet>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            hostname: hostname(),
            listen: "127.0.0.1:8000".to_owned(),
            use_tls: false,
            tls_certificate: None,
            tls_private_key: None,
            request_body_limit_bytes: 2 * 1024 * 1024,
            trusted_hosts: vec![
                IpNet::from(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
                IpNet::from(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)),
            ],
        }
    }
}

/// This machine's name; `localhost` where the system does not tell.
pub fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// What is known of a listener while it serves.
#[derive(Debug)]
pub struct Listener {
    /// The address really bound.
    pub address: SocketAddr,
    /// The largest body that is taken, decompressed, in bytes.
    pub body_limit_bytes: usize,
    /// Addresses that need no credentials.
    pub trusted_hosts: Vec<IpNet>,
}

/// A bound listener; connections wait in the system's backlog until it is [served](super::serve).
pub struct Bound {
    pub(super) socket: TcpListener,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) listener: Arc<Listener>,
}

impl Bound {
    /// Binds, and announces the address (interface F.1).
    pub fn bind(host: &Host, parameters: &Parameters) -> Result<Self, BindError> {
        let tls = if parameters.use_tls {
            let unusable = |why| BindError::Tls { address: parameters.listen.clone(), why };
            Some(tls::acceptor(parameters).map_err(unusable)?)
        } else {
            None
        };
        let neighbourhood = Neighbourhood::of(host);
        let (socket, local) = listening::bind(&neighbourhood.listen(&parameters.listen))?;
        neighbourhood.listened(&parameters.listen, local);
        host.announce(&format!("{} listener on {local}", if tls.is_some() { "https" } else { "http" }));
        let listener = Arc::new(Listener {
            address: local,
            body_limit_bytes: parameters.request_body_limit_bytes,
            trusted_hosts: parameters.trusted_hosts.clone(),
        });
        Ok(Self { socket, tls, listener })
    }
}

impl Listening for Bound {
    fn address(&self) -> SocketAddr {
        self.listener.address
    }
}
