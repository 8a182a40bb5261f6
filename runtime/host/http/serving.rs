//! Serving all listeners of a daemon: those that it starts with, and those that come later.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::Request;
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Answer, Bound, Peer, serve};
use crate::host::Host;

/// What serves the listeners of one daemon.
#[derive(Debug)]
pub struct Serving {
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
    tasks: JoinSet<()>,
}

impl Serving {
    /// Serves the listeners that are bound already and those that will be, until the host shuts down.
    pub fn start<H, F>(host: &Host, mut bound: mpsc::UnboundedReceiver<Bound>, handle: H) -> Self
    where
        H: Fn(Peer, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let addresses = Arc::<Mutex<Vec<SocketAddr>>>::default();
        let mut tasks = JoinSet::new();
        while let Ok(one) = bound.try_recv() {
            note(&addresses, &one);
            tasks.spawn(serve(one, host.clone(), handle.clone()));
        }
        tasks.spawn(serve_later(bound, host.clone(), handle, addresses.clone()));
        Self { addresses, tasks }
    }

    /// The addresses that are listened on, in the order in which the policy started them.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns when the host has shut down and what was in hand is finished.
    pub async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

fn note(addresses: &Mutex<Vec<SocketAddr>>, bound: &Bound) {
    addresses.lock().unwrap_or_else(PoisonError::into_inner).push(bound.address());
}

async fn serve_later<H, F>(
    mut bound: mpsc::UnboundedReceiver<Bound>,
    host: Host,
    handle: H,
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
) where
    H: Fn(Peer, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let mut serving = JoinSet::new();
    loop {
        tokio::select! {
            () = host.shutdown().requested() => break,
            Some(one) = bound.recv() => {
                note(&addresses, &one);
                serving.spawn(serve(one, host.clone(), handle.clone()));
            }
        }
    }
    while serving.join_next().await.is_some() {}
}
