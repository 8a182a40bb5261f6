//! Addresses that clients come to.

use std::net::{SocketAddr, TcpListener as Socket};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Server;
use super::parameter::Parameters;
use super::session::Session;
use crate::host::listening::{self, BindError, Listening};
use crate::host::{Host, Neighbourhood};

/// How long what is in hand may take at shutdown.
const DRAIN: Duration = Duration::from_secs(5);
/// After a failed accept, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// Clients that are gone without a word are found by TCP.
const KEEPALIVE: Duration = Duration::from_mins(2);

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
        let neighbourhood = Neighbourhood::of(host);
        let (socket, address) = listening::bind(&neighbourhood.listen(&parameters.listen))?;
        neighbourhood.listened(&parameters.listen, address);
        host.announce(&format!("smtp listener on {address}"));
        Ok(Self { socket, address, parameters })
    }
}

impl Listening for Bound {
    fn address(&self) -> SocketAddr {
        self.address
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
