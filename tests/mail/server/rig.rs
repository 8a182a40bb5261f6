//! A server on a real socket that keeps what it accepts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kumo_tsa::host::listening::{Listeners, Listening as _};
use kumo_tsa::mail::Message;
use kumo_tsa::mail::inject::{Intake, NotTaken, set_intake};
use kumo_tsa::mail::smtp::server::{Bound, Server};
use kumo_tsa::policy::Policy;
use tokio::task::JoinHandle;

use super::client::Client;
use crate::support::{Bench, call};

pub(crate) struct Rig {
    pub(crate) bench: Bench,
    pub(crate) address: SocketAddr,
    pub(crate) kept: Arc<Kept>,
    pub(crate) serving: JoinHandle<()>,
    pub(crate) policy: Policy,
}

/// Keeps messages, or does not.
#[derive(Default)]
pub(crate) struct Kept {
    messages: Mutex<Vec<(Message, bool)>>,
    /// Says so instead of accepting.
    pub(crate) refusal: Mutex<Option<String>>,
    /// Takes this long.
    pub(crate) delay: Mutex<Duration>,
    pub(crate) asked: AtomicUsize,
}

/// Gives what it takes to the test.
struct Keeper(Arc<Kept>);

impl Intake for Keeper {
    fn accept(&self, messages: Vec<Message>, deferred_spool: bool) -> BoxFuture<'_, Result<(), NotTaken>> {
        let kept = &self.0;
        async move {
            kept.asked.fetch_add(1, Ordering::Relaxed);
            let delay = *kept.delay.lock().unwrap();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            if let Some(why) = kept.refusal.lock().unwrap().clone() {
                return Err(NotTaken(why));
            }
            kept.messages.lock().unwrap().extend(messages.into_iter().map(|message| (message, deferred_spool)));
            Ok(())
        }
        .boxed()
    }
}

impl Kept {
    pub(crate) fn all(&self) -> Vec<Message> {
        self.messages.lock().unwrap().iter().map(|(message, _)| message.clone()).collect()
    }

    /// Of each, whether it may stay in memory alone.
    pub(crate) fn deferred(&self) -> Vec<bool> {
        self.messages.lock().unwrap().iter().map(|(_, deferred)| *deferred).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.lock().unwrap().len()
    }

    /// The content of the only message, without its trace headers.
    pub(crate) async fn only(&self) -> Vec<u8> {
        let all = self.all();
        assert_eq!(all.len(), 1);
        content(&all[0]).await
    }
}

/// What the client sent of a message: what stands after the trace headers.
pub(crate) async fn content(message: &Message) -> Vec<u8> {
    let data = message.data().await.unwrap();
    let mut rest = &data[..];
    while rest.starts_with(b"X-KumoRef: ") || rest.starts_with(b"Received: from client.example ") {
        // A line that is not folded ends it.
        let end = rest.windows(3).position(|end| end.starts_with(b"\r\n") && end[2] != b'\t').unwrap();
        rest = &rest[end + 2..];
    }
    rest.to_vec()
}

impl Rig {
    /// A listener with these options, and no handlers.
    pub(crate) async fn new(options: &str) -> Self {
        Self::with(options, "").await
    }

    /// The same with handlers.
    pub(crate) async fn with(options: &str, handlers: &str) -> Self {
        let mut bench = Bench::new();
        for install in kumo_tsa::mail::lua::installs() {
            bench = bench.with(*install);
        }
        bench.host.announce_to(Arc::new(|_| {}));
        let policy = bench
            .load(&format!(
                "kumo.on('init', function()
                    kumo.start_esmtp_listener {{ listen = '127.0.0.1:0', hostname = 'mx.example', {options} }}
                end)
                {handlers}"
            ))
            .await;
        for event in ["pre_init", "init"] {
            let asked = call::<()>(&policy, event, ()).await;
            asked.unwrap_or_else(|error| panic!("{}", bench.text(&error)));
        }
        let bound = Listeners::<Bound>::of(&bench.host).take().unwrap().try_recv().unwrap();
        let address = bound.address();
        let kept = Arc::new(Kept::default());
        set_intake(&bench.host, Keeper(kept.clone()));
        let serving = tokio::spawn(Server::new(policy.clone()).serve(bound));
        Self { bench, address, kept, serving, policy }
    }

    /// A client that has said EHLO.
    pub(crate) async fn client(&self) -> Client {
        Client::greet(self.address).await
    }
}

/// Holds the paused clock as long as it lives: what is on its way between two sockets is no reason for time to pass.
pub(crate) struct Hold(Option<std::sync::mpsc::Sender<()>>);

impl Hold {
    pub(crate) fn new() -> Self {
        let (release, released) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || released.recv());
        Self(Some(release))
    }

    /// Lets time go on once `so_far` is so.
    pub(crate) async fn until(mut self, so_far: impl Fn() -> bool) {
        while !so_far() {
            tokio::task::yield_now().await;
        }
        self.0.take();
    }
}
