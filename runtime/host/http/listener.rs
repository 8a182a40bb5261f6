//! Addresses to listen on.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;

use ipnet::IpNet;
use tokio_rustls::TlsAcceptor;

use super::tls;
use crate::host::Host;

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

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The text is no address.
    #[error("cannot listen on `{address}`: expected an address and a port, such as `127.0.0.1:8008` or `[::]:8008`")]
    Address {
        /// What was given.
        address: String,
    },
    /// The system refuses.
    #[error("cannot listen on `{address}`: {why}")]
    Bind {
        /// What was given.
        address: String,
        /// Why. It is part of the text, which is all that a `pcall` in Lua shows.
        why: io::Error,
    },
    /// The certificate or its key is of no use.
    #[error("cannot listen with TLS on `{address}`: {why}")]
    Tls {
        /// What was given.
        address: String,
        /// Why.
        why: String,
    },
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
        let address = || parameters.listen.clone();
        let addresses: Vec<SocketAddr> = match parameters.listen.parse() {
            Ok(address) => vec![address],
            // `localhost:8008` is not documented, and works all the same.
            Err(_) => match parameters.listen.to_socket_addrs() {
                Ok(found) => found.collect(),
                Err(_) => return Err(BindError::Address { address: address() }),
            },
        };
        let tls = if parameters.use_tls {
            Some(tls::acceptor(parameters).map_err(|why| BindError::Tls { address: address(), why })?)
        } else {
            None
        };
        let bound = TcpListener::bind(addresses.as_slice())
            .and_then(|socket| socket.set_nonblocking(true).and(Ok(socket)))
            .and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (local, socket) = bound.map_err(|why| BindError::Bind { address: address(), why })?;
        host.announce(&format!("{} listener on {local}", if tls.is_some() { "https" } else { "http" }));
        let listener = Arc::new(Listener {
            address: local,
            body_limit_bytes: parameters.request_body_limit_bytes,
            trusted_hosts: parameters.trusted_hosts.clone(),
        });
        Ok(Self { socket, tls, listener })
    }

    /// The address really bound.
    pub fn address(&self) -> SocketAddr {
        self.listener.address
    }
}
