//! A pretend mailbox provider: an SMTP server whose answers a spec gives.
//!
//! Each mail exchanger that a host means to reach is a listener of its own, made when it is reached first: so the
//! provider knows which one is meant from the first moment of a session on.

mod conversation;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use futures_util::future::BoxFuture;
use kumo_tsa_core::wire::Time;
use rustls::ServerConfig;
use rustls::crypto::ring;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::host::nowhere;
use super::stage::Stage;
use crate::host::certificate::of_listener;

/// Where in a session an answer is due.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Moment {
    Connect,
    Ehlo,
    StartTls,
    Mail,
    Rcpt,
    Data,
    Body,
}

impl Moment {
    pub(super) const ALL: [Self; 7] =
        [Self::Connect, Self::Ehlo, Self::StartTls, Self::Mail, Self::Rcpt, Self::Data, Self::Body];

    /// As scripts name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Ehlo => "ehlo",
            Self::StartTls => "starttls",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Body => "body",
        }
    }
}

/// What a script is asked.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) moment: Moment,
    /// The command; for the end of DATA the message.
    pub(super) line: String,
    /// The mail exchanger that is meant, in lower case without a final dot.
    pub(super) mx: String,
    /// Its address, as DNS tells it.
    pub(super) ip: IpAddr,
    /// Which session it is, from 1.
    pub(super) session: usize,
    /// How many messages this session has brought before.
    pub(super) carried: usize,
    /// Whether the session is encrypted.
    pub(super) tls: bool,
    pub(super) ehlo: Option<String>,
    pub(super) from: Option<String>,
    /// The recipients; in RCPT with the one that is asked for.
    pub(super) to: Vec<String>,
    pub(super) at: Time,
}

impl Step {
    /// As a session begins.
    fn first(mx: String, ip: IpAddr, session: usize, at: Time) -> Self {
        let line = String::new();
        Self {
            moment: Moment::Connect,
            line,
            mx,
            ip,
            session,
            carried: 0,
            tls: false,
            ehlo: None,
            from: None,
            to: vec![],
            at,
        }
    }

    /// The domain of the last recipient.
    pub(super) fn domain(&self) -> Option<String> {
        self.to.last()?.rsplit_once('@').map(|(_, domain)| domain.to_lowercase())
    }
}

/// What is answered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Answer {
    /// Lines with their codes; what a willing server says unless given.
    pub(super) say: Option<String>,
    /// Says nothing at all.
    pub(super) silent: bool,
    /// The session ends with it.
    pub(super) close: bool,
    /// How long it takes.
    pub(super) after: Duration,
}

/// Gives answers.
pub(super) trait Script: Send + Sync {
    fn answer(&self, step: Step) -> BoxFuture<'_, Result<Answer, String>>;
}

struct Willing;

impl Script for Willing {
    fn answer(&self, _: Step) -> BoxFuture<'_, Result<Answer, String>> {
        Box::pin(async { Ok(Answer::default()) })
    }
}

/// A message that was taken.
#[derive(Clone, Debug)]
struct Taken {
    step: Step,
    content: String,
}

/// A provider; it stops, in mid-sentence, when it is dropped.
#[derive(Debug)]
pub(super) struct Provider {
    shared: Arc<Shared>,
    exchangers: Mutex<HashMap<(String, IpAddr), Exchanger>>,
}

#[derive(Debug)]
struct Exchanger {
    address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Exchanger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Shared {
    stage: Arc<Stage>,
    script: Box<dyn Script>,
    heard: Mutex<Heard>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Heard {
    sessions: Vec<Session>,
    messages: Vec<Taken>,
}

#[derive(Clone, Debug)]
struct Session {
    mx: String,
    ip: IpAddr,
    ehlo: Option<String>,
    opened: Time,
    closed: Option<Time>,
    messages: usize,
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Time {
        self.stage.hands.now()
    }

    /// Changes what is known of a session, counted from 1.
    fn note(&self, session: usize, change: impl FnOnce(&mut Session)) {
        let mut heard = self.heard();
        if let Some(session) = session.checked_sub(1).and_then(|at| heard.sessions.get_mut(at)) {
            change(session);
        }
    }

    /// Asks the script; what fails there is told to the spec, and the client comes again.
    async fn ask(&self, step: Step) -> Answer {
        let moment = step.moment.name();
        match self.script.answer(step).await {
            Ok(answer) => answer,
            Err(why) => {
                self.stage.failed(format!("testing.provider: answer for `{moment}`: {why}"));
                Answer { say: Some("451 4.3.0 the script of this provider has failed".to_owned()), ..Answer::default() }
            }
        }
    }
}

impl Provider {
    pub(super) fn new(stage: &Arc<Stage>, script: impl Script + 'static) -> Arc<Self> {
        let shared = Arc::new(Shared { stage: stage.clone(), script: Box::new(script), heard: Mutex::default() });
        stage.add_provider(Self { shared, exchangers: Mutex::default() })
    }

    /// One that takes everything.
    pub(super) fn willing(stage: &Arc<Stage>) -> Arc<Self> {
        Self::new(stage, Willing)
    }

    /// Where a mail exchanger listens.
    pub(super) fn address(&self, mx: &str, ip: IpAddr) -> SocketAddr {
        let key = (mx.trim_end_matches('.').to_lowercase(), ip);
        let mut exchangers = self.exchangers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = exchangers.get(&key) {
            return known.address;
        }
        match self.listen(&key.0, ip) {
            Ok(exchanger) => {
                let address = exchanger.address;
                exchangers.insert(key, exchanger);
                address
            }
            Err(error) => {
                self.shared.stage.failed(format!("testing.provider: cannot listen: {error:#}"));
                nowhere()
            }
        }
    }

    fn listen(&self, mx: &str, ip: IpAddr) -> anyhow::Result<Exchanger> {
        let tls = acceptor(mx)?;
        let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let listener = TcpListener::from_std(socket)?;
        let task = tokio::spawn(accept(listener, mx.to_owned(), ip, tls, self.shared.clone())).abort_handle();
        Ok(Exchanger { address, task })
    }

    /// What was taken.
    pub(super) fn messages(&self) -> Vec<Value> {
        let heard = self.shared.heard();
        let one = |taken: &Taken| {
            let step = &taken.step;
            json!({
                "mx": step.mx, "ip": step.ip, "ehlo": step.ehlo, "from": step.from, "to": step.to, "domain": step.domain(),
                "session": step.session, "tls": step.tls, "at": step.at, "content": taken.content,
                "headers": headers(&taken.content),
            })
        };
        heard.messages.iter().map(one).collect()
    }

    /// The sessions, in the order in which they were opened.
    pub(super) fn sessions(&self) -> Vec<Value> {
        let heard = self.shared.heard();
        let one = |session: &Session| {
            json!({
                "mx": session.mx, "ip": session.ip, "ehlo": session.ehlo, "opened": session.opened,
                "closed": session.closed, "messages": session.messages,
            })
        };
        heard.sessions.iter().map(one).collect()
    }
}

/// What speaks TLS as `mx`.
fn acceptor(mx: &str) -> anyhow::Result<TlsAcceptor> {
    let (chain, key) = of_listener(None, None, mx).map_err(|why| anyhow!(why))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The headers by name; of several of one name the first.
fn headers(content: &str) -> Value {
    let mut all = serde_json::Map::new();
    for field in crate::mail::header::fields(content.as_bytes()) {
        all.entry(field.name.to_owned()).or_insert_with(|| field.text().into());
    }
    Value::Object(all)
}

async fn accept(listener: TcpListener, mx: String, ip: IpAddr, tls: TlsAcceptor, shared: Arc<Shared>) {
    // Sessions end with the provider.
    let mut running = JoinSet::new();
    loop {
        while running.try_join_next().is_some() {}
        if let Ok((stream, _)) = listener.accept().await {
            running.spawn(hold(stream, mx.clone(), ip, tls.clone(), shared.clone()));
        }
    }
}

async fn hold(stream: TcpStream, mx: String, ip: IpAddr, tls: TlsAcceptor, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let session = {
        let opened = shared.now();
        let mut heard = shared.heard();
        heard.sessions.push(Session { mx: mx.clone(), ip, ehlo: None, opened, closed: None, messages: 0 });
        heard.sessions.len()
    };
    // An error is the client's going away, which is all the same here.
    let _ = conversation::hold(stream, tls, &shared, Step::first(mx, ip, session, shared.now())).await;
    let now = shared.now();
    shared.note(session, |session| session.closed = Some(now));
}
