//! Addresses that clients come to.

use std::io;
use std::net::{SocketAddr, TcpListener as Socket, ToSocketAddrs};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Server;
use super::parameter::Parameters;
use super::session::Session;
use crate::host::Host;

/// How many connections may wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4096;
/// How long what is in hand may take at shutdown.
const DRAIN: Duration = Duration::from_secs(5);
/// After a failed accept, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// Clients that are gone without a word are found by TCP.
const KEEPALIVE: Duration = Duration::from_mins(2);

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The text is no address.
    #[error("cannot listen on `{address}`: expected an address and a port, such as `127.0.0.1:2025` or `[::]:25`")]
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
}

/// A bound listener; connections wait in the system's backlog until it is [served](Server::serve).
#[derive(Debug)]
pub struct Bound {
    socket: Socket,
    address: SocketAddr,
    pub(super) parameters: Parameters,
}

impl Bound {
    /// Binds, and announces the address (interface F.1).
    pub fn bind(host: &Host, parameters: Parameters) -> Result<Self, BindError> {
        let address = || parameters.listen.clone();
        let addresses: Vec<SocketAddr> = match parameters.listen.parse() {
            Ok(address) => vec![address],
            Err(_) => match parameters.listen.to_socket_addrs() {
                Ok(found) => found.collect(),
                Err(_) => return Err(BindError::Address { address: address() }),
            },
        };
        let mut why = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for one in addresses {
            match listen(one).and_then(|socket| Ok((socket.local_addr()?, socket))) {
                Ok((local, socket)) => {
                    host.announce(&format!("smtp listener on {local}"));
                    return Ok(Self { socket, address: local, parameters });
                }
                Err(cause) => why = cause,
            }
        }
        Err(BindError::Bind { address: address(), why })
    }

    /// The address really bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn listen(address: SocketAddr) -> io::Result<Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The listeners that a policy has started on a host.
pub struct Listeners {
    started: mpsc::UnboundedSender<Bound>,
    waiting: Mutex<Option<mpsc::UnboundedReceiver<Bound>>>,
}

impl Listeners {
    /// Those of a host.
    pub fn of(host: &Host) -> Arc<Self> {
        host.slot(|| {
            let (started, waiting) = mpsc::unbounded_channel();
            Self { started, waiting: Mutex::new(Some(waiting)) }
        })
    }

    /// One more. Without a service to serve it, as when a policy is only evaluated, it is closed again.
    pub fn add(&self, bound: Bound) {
        let _ = self.started.send(bound);
    }

    /// Those started so far, and those to come; there is one taker.
    pub fn take(&self) -> Option<mpsc::UnboundedReceiver<Bound>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Counts a connection as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves a listener until the host shuts down; then finishes what is in hand.
pub(super) async fn serve(server: Arc<Server>, bound: Bound) {
    let Bound { socket, address, parameters } = bound;
    let host = server.host.clone();
    let socket = match TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(cause) => return tracing::error!("cannot serve `{address}`: {cause}"),
    };
    let parameters = Arc::new(parameters);
    let open = Arc::new(AtomicUsize::new(0));
    let mut sessions = JoinSet::new();
    let mut stop = pin!(host.shutdown().requested());
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) if open.load(Ordering::Relaxed) >= parameters.max_connections => {
                    turn_away(&stream, &parameters.settings.hostname);
                }
                Ok((stream, peer)) => {
                    open.fetch_add(1, Ordering::Relaxed);
                    let counted = Counted(open.clone());
                    let Ok(local) = stream.local_addr() else { continue };
                    set_options(&stream);
                    let session = Session::new(server.clone(), parameters.clone(), stream, address, local, peer);
                    sessions.spawn(async move {
                        session.run().await;
                        drop(counted);
                    });
                }
                Err(cause) => {
                    tracing::warn!("cannot accept a connection on `{address}`: {cause}");
                    host.clock().sleep(ACCEPT_AGAIN).await;
                }
            },
            Some(_) = sessions.join_next() => {}
        }
    }
    drop(socket);
    let drained = tokio::time::timeout(DRAIN, async { while sessions.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!("{} SMTP connections on `{address}` did not finish in time", sessions.len());
    }
}

/// A socket that does not take these options serves all the same.
fn set_options(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4);
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

fn turn_away(stream: &TcpStream, hostname: &str) {
    // The line fits into the socket's empty buffer, or the client is gone: either way nobody waits.
    let _ = stream.try_write(format!("421 4.3.2 {hostname} too many connections, try again later\r\n").as_bytes());
}
