//! Accepting connections and serving them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Answer, Bound, Listener};
use crate::host::Host;

/// A connection that sends no request for this long is closed. Longer than clients keep idle connections, commonly 90 s,
/// so that it is the client that closes, and no request meets a closing connection.
const IDLE: Duration = Duration::from_mins(2);
/// A TLS handshake takes no longer.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// How long what is in hand may take at shutdown.
const DRAIN: Duration = Duration::from_secs(3);
/// After a failed accept, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// Silent peers are asked whether they are there by TCP: subscribers of the existing endpoints must not be pinged.
const KEEPALIVE: Duration = Duration::from_mins(1);

/// Where a request came in and who sent it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address it came from.
    pub address: SocketAddr,
    /// The listener it came to.
    pub listener: Arc<Listener>,
}

/// Serves a bound listener until the host shuts down; then finishes what is in hand.
///
/// `handle` is given every request. Upgraded connections are out of this function's hands.
pub async fn serve<H, F>(bound: Bound, host: Host, handle: H)
where
    H: Fn(Peer, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let Bound { socket, tls, listener } = bound;
    let socket = match TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(cause) => return tracing::error!("cannot serve `{}`: {cause}", listener.address),
    };
    let mut connections = JoinSet::new();
    let mut stop = pin!(host.shutdown().requested());
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = socket.accept() => match accepted {
                Ok((stream, address)) => {
                    let peer = Peer { address, listener: listener.clone() };
                    connections.spawn(connection(stream, tls.clone(), host.clone(), peer, handle.clone()));
                }
                Err(cause) => {
                    tracing::warn!("cannot accept a connection on `{}`: {cause}", listener.address);
                    host.clock().sleep(ACCEPT_AGAIN).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(socket);
    let drained = tokio::time::timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!("{} connections on `{}` did not finish in time", connections.len(), listener.address);
    }
}

async fn connection<H, F>(stream: TcpStream, tls: Option<tokio_rustls::TlsAcceptor>, host: Host, peer: Peer, handle: H)
where
    H: Fn(Peer, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    // A socket that does not take these options serves all the same.
    let _ = stream.set_nodelay(true);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
    let served = match tls {
        None => requests(stream, &host, peer.clone(), handle).await,
        Some(tls) => match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => requests(stream, &host, peer.clone(), handle).await,
            Ok(Err(cause)) => return tracing::debug!("TLS handshake with {} failed: {cause}", peer.address),
            Err(_) => return tracing::debug!("TLS handshake with {} took too long", peer.address),
        },
    };
    if let Err(cause) = served {
        tracing::debug!("connection from {} ended: {cause}", peer.address);
    }
}

async fn requests<S, H, F>(stream: S, host: &Host, peer: Peer, handle: H) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Peer, Request<Incoming>) -> F,
    F: Future<Output = Answer> + Send + 'static,
{
    let service = hyper::service::service_fn(|request| {
        let answer = handle(peer.clone(), request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = host.shutdown().requested() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}
