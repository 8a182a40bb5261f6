//! A server on a real socket that keeps what it accepts.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kumo_tsa::mail::Message;
use kumo_tsa::mail::smtp::server::{How, Intake, Listeners, NotTaken, Server};
use tokio::task::JoinHandle;

use super::client::Client;
use crate::support::{Bench, call};

pub(crate) struct Rig {
    pub(crate) bench: Bench,
    pub(crate) address: SocketAddr,
    pub(crate) kept: Arc<Kept>,
    pub(crate) serving: JoinHandle<()>,
}

/// Keeps messages, or does not.
#[derive(Default)]
pub(crate) struct Kept {
    messages: Mutex<Vec<(Message, How)>>,
    /// Says so instead of accepting.
    pub(crate) refusal: Mutex<Option<String>>,
    /// Takes this long.
    pub(crate) delay: Mutex<Duration>,
}

impl Intake for Kept {
    fn accept(&self, messages: Vec<Message>, how: How) -> BoxFuture<'_, Result<(), NotTaken>> {
        async move {
            let delay = *self.delay.lock().unwrap();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            if let Some(why) = self.refusal.lock().unwrap().clone() {
                return Err(NotTaken(why));
            }
            self.messages.lock().unwrap().extend(messages.into_iter().map(|message| (message, how)));
            Ok(())
        }
        .boxed()
    }
}

impl Kept {
    pub(crate) fn all(&self) -> Vec<Message> {
        self.messages.lock().unwrap().iter().map(|(message, _)| message.clone()).collect()
    }

    pub(crate) fn how(&self) -> Vec<How> {
        self.messages.lock().unwrap().iter().map(|(_, how)| *how).collect()
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

/// What the client sent of a message.
pub(crate) async fn content(message: &Message) -> Vec<u8> {
    let data = message.data().await.unwrap();
    let text = data.escape_ascii().to_string();
    // The date ends the last header that was put before it.
    let mut start = 0;
    for name in ["X-KumoRef: ", "Received: "] {
        if data[start..].starts_with(name.as_bytes()) {
            start += data[start..]
                .windows(3)
                .position(|end| end.starts_with(b"\r\n") && end[2] != b'\t')
                .unwrap_or_else(|| panic!("{text}"))
                + 2;
        }
    }
    data[start..].to_vec()
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
        call::<()>(&policy, "init", ()).await.unwrap_or_else(|error| panic!("{}", bench.text(&error)));
        let bound = Listeners::of(&bench.host).take().unwrap().try_recv().unwrap();
        let address = bound.address();
        let kept = Arc::new(Kept::default());
        let serving = tokio::spawn(Server::new(policy, kept.clone()).serve(bound));
        Self { bench, address, kept, serving }
    }

    /// A client that has said EHLO.
    pub(crate) async fn client(&self) -> Client {
        Client::greet(self.address).await
    }
}
