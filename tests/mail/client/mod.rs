//! The SMTP client, against a scripted server on real sockets.

mod auth;
mod content;
mod failure;
mod host;
mod recipient;
mod tls;

use kumo_tsa::host::{Clock, Host, Paths};
use kumo_tsa::mail::config::{PathConfig, Source};
use kumo_tsa::mail::smtp::client::{After, Delivered, Endpoint, OpenError, Plan, Session};
use kumo_tsa::mail::{Address, Reply};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::smtp::Sink;

/// A small message.
const HELLO: &[u8] = b"Subject: hello\r\n\r\nhello\r\n";

/// A host that delivers, with a path's options.
struct Rig {
    host: Host,
    config: PathConfig,
    source: Source,
    password: Option<String>,
    /// Certificate and key, PEM.
    identity: Option<(String, String)>,
    /// The name that a server goes by.
    name: &'static str,
    _folder: TempDir,
}

impl Rig {
    fn new(options: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = PathConfig::default();
        for (name, value) in options.as_object().unwrap() {
            config.set(name, value).unwrap();
        }
        Self {
            host: Host::new(Clock::system(), Paths::with_prefix(folder.path())),
            config,
            source: Source::default(),
            password: None,
            identity: None,
            name: "mx.example.com.",
            _folder: folder,
        }
    }

    /// One without TLS.
    fn plain() -> Self {
        Self::new(&serde_json::json!({ "enable_tls": "Disabled" }))
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.config.set(name, &value.into()).unwrap();
        self
    }

    async fn open(&self, sink: &Sink) -> Result<Session, OpenError> {
        self.open_at(Endpoint { name: self.name.to_owned(), address: sink.address() }).await
    }

    async fn open_at(&self, endpoint: Endpoint) -> Result<Session, OpenError> {
        let password = self.password.as_deref().map(str::as_bytes);
        let identity = self.identity.as_ref().map(|(certificate, key)| (certificate.as_bytes(), key.as_bytes()));
        let Self { config, source, .. } = self;
        let plan = Plan { endpoint: &endpoint, config, source, ehlo: "us.example", password, identity };
        Session::open(&self.host, &plan).await
    }

    /// Opens a session and delivers one message to these.
    async fn deliver(&self, sink: &Sink, to: &[&str], data: &[u8]) -> Delivered {
        let mut session = self.open(sink).await.unwrap();
        let delivered = send(&mut session, to, data).await;
        session.quit().await;
        delivered
    }
}

async fn send(session: &mut Session, to: &[&str], data: &[u8]) -> Delivered {
    session.deliver(&address("from@example.org"), &addresses(to), data).await
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn addresses(texts: &[&str]) -> Vec<Address> {
    texts.iter().copied().map(address).collect()
}

/// The fates as texts, without what ports and addresses they name.
fn fates(delivered: &Delivered) -> Vec<String> {
    delivered.fates.iter().map(|(_, reply)| shown(reply)).collect()
}

fn shown(reply: &Reply) -> String {
    let text = reply.to_string();
    match text.split_once("(127.0.0.1:") {
        Some((before, after)) => {
            let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}(HERE{after}")
        }
        None => text,
    }
}

/// The single fate, and that the session is as expected after it.
#[track_caller]
fn fate(delivered: &Delivered, after: After) -> String {
    assert_eq!(delivered.after, after, "{delivered:?}");
    let mut fates = fates(delivered);
    assert_eq!(fates.len(), 1, "{delivered:?}");
    fates.remove(0)
}
