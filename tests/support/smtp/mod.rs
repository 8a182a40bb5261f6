//! SMTP for tests, on real sockets: a sink that answers as a script says and remembers all it hears, and a client.

mod conversation;
mod record;
mod talk;
mod trusting;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

#[allow(unused_imports, reason = "what sessions hold")]
pub(crate) use record::Heard;
pub(crate) use record::{Mail, Session};
pub(crate) use talk::{Talk, stuffed};

/// Where in a session an answer is due.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Step {
    /// The session has been opened.
    Banner,
    Ehlo,
    Helo,
    Lhlo,
    StartTls,
    /// The handshake is to begin: `Usual` makes it, anything said is said instead of it and the session closed.
    Handshake,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// The message has been sent. In LMTP once for each accepted recipient, whose address is the line.
    Body,
    Rset,
    Noop,
    Quit,
    /// Whatever else was said.
    Other,
}

/// What a script is asked: what to answer here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) step: Step,
    /// The command, without the line's end; empty where there is none.
    pub(crate) line: &'a str,
    /// Which session of the sink it is, from 0.
    pub(crate) session: usize,
    /// How often this step came before in this session.
    pub(crate) nth: usize,
    /// Whether TLS is on.
    pub(crate) encrypted: bool,
    /// The transaction, if one has begun.
    pub(crate) mail: Option<&'a Mail>,
}

/// What to answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// What a well-behaved server answers.
    Usual,
    /// These lines, each with a line's end; `421` and the session is closed.
    Say(String),
    /// These bytes as they stand.
    Raw(Vec<u8>),
    /// These lines, and the session is closed.
    SayAndClose(String),
    /// Nothing: the session is closed.
    Close,
    /// Nothing: until the peer closes.
    Silence,
    /// The same, later (tokio's clock).
    After(Duration, Box<Answer>),
}

impl Answer {
    pub(crate) fn say(text: &str) -> Self {
        Self::Say(text.to_owned())
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        Self::After(delay, Box::new(self))
    }
}

type Script = dyn Fn(&Turn<'_>) -> Answer + Send + Sync;

/// How a sink is, apart from its answers.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// What it listens on.
    pub(crate) listen: SocketAddr,
    /// What EHLO offers. `STARTTLS` is not offered again once TLS is on.
    pub(crate) extensions: Vec<String>,
    /// The names in its self-signed certificate.
    pub(crate) names: Vec<String>,
    /// Whether it asks for the client's certificate in TLS; whichever will do.
    pub(crate) asks_who: bool,
    /// Whether what messages hold is remembered.
    pub(crate) keeps_data: bool,
}

impl Default for Manner {
    fn default() -> Self {
        let extensions = ["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 104857600"];
        let names = ["localhost", "mx.example.com", "mail.example.com"];
        Self {
            listen: ([127, 0, 0, 1], 0).into(),
            extensions: extensions.map(ToOwned::to_owned).into(),
            names: names.map(ToOwned::to_owned).into(),
            asks_who: false,
            keeps_data: true,
        }
    }
}

impl Manner {
    /// The usual extensions and these.
    pub(crate) fn and_offering(mut self, more: &[&str]) -> Self {
        self.extensions.extend(more.iter().copied().map(ToOwned::to_owned));
        self
    }

    /// These extensions alone.
    pub(crate) fn offering(mut self, extensions: &[&str]) -> Self {
        self.extensions.clear();
        self.and_offering(extensions)
    }

    /// On this address; port 0 for a free one.
    pub(crate) fn at(mut self, listen: impl Into<SocketAddr>) -> Self {
        self.listen = listen.into();
        self
    }
}

/// An SMTP server that a script answers for. It stops, in mid-sentence, when it is dropped.
pub(crate) struct Sink {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    script: Box<Script>,
    manner: Manner,
    tls: TlsAcceptor,
    sessions: Mutex<Vec<Session>>,
    changes: watch::Sender<u64>,
}

impl Shared {
    fn sessions(&self) -> MutexGuard<'_, Vec<Session>> {
        self.sessions.lock().unwrap()
    }

    /// Changes what is remembered of a session.
    fn note<T>(&self, session: usize, change: impl FnOnce(&mut Session) -> T) -> T {
        let outcome = change(&mut self.sessions()[session]);
        self.changes.send_modify(|n| *n += 1);
        outcome
    }
}

impl Sink {
    /// One that takes everything.
    pub(crate) async fn willing() -> Self {
        Self::start(|_| Answer::Usual).await
    }

    /// One with the usual manner on a free port of 127.0.0.1.
    pub(crate) async fn start(script: impl Fn(&Turn<'_>) -> Answer + Send + Sync + 'static) -> Self {
        Self::with(Manner::default(), script).await
    }

    /// One that answers `answer` at `step`, in every session each time, and else as usual.
    pub(crate) async fn answering(step: Step, answer: Answer) -> Self {
        Self::start(move |turn| if turn.step == step { answer.clone() } else { Answer::Usual }).await
    }

    pub(crate) async fn with(manner: Manner, script: impl Fn(&Turn<'_>) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(manner.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tls, certificate) = identity(&manner);
        let (sessions, changes) = (Mutex::default(), watch::Sender::new(0));
        let shared = Arc::new(Shared { script: Box::new(script), manner, tls, sessions, changes });
        let task = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Self { address, certificate, shared, task }
    }

    /// What it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its certificate, which is its own trust anchor.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// All sessions so far, in the order in which they were opened.
    pub(crate) fn sessions(&self) -> Vec<Session> {
        self.shared.sessions().clone()
    }

    /// All messages that were accepted, session by session.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        let sessions = self.shared.sessions();
        sessions.iter().flat_map(|session| &session.mails).filter(|mail| mail.is_accepted()).cloned().collect()
    }

    /// How many messages were accepted.
    pub(crate) fn count(&self) -> usize {
        let sessions = self.shared.sessions();
        sessions.iter().flat_map(|session| &session.mails).filter(|mail| mail.is_accepted()).count()
    }

    /// The times of all MAIL FROM, in order.
    pub(crate) fn mail_times(&self) -> Vec<Instant> {
        let mut times: Vec<_> = self.shared.sessions().iter().flat_map(|s| &s.mails).map(|mail| mail.began).collect();
        times.sort_unstable();
        times
    }

    /// The times at which sessions were opened, in order.
    pub(crate) fn open_times(&self) -> Vec<Instant> {
        self.shared.sessions().iter().map(|session| session.opened).collect()
    }

    /// How many sessions were open at a time.
    pub(crate) fn open_at(&self, time: Instant) -> usize {
        self.shared.sessions().iter().filter(|s| s.opened <= time && s.closed.is_none_or(|end| end > time)).count()
    }

    /// How many sessions are open.
    pub(crate) fn open_now(&self) -> usize {
        self.shared.sessions().iter().filter(|session| session.closed.is_none()).count()
    }

    /// The most sessions that were ever open at a time.
    pub(crate) fn most_open(&self) -> usize {
        self.open_times().into_iter().map(|time| self.open_at(time)).max().unwrap_or_default()
    }

    /// The most of these times, in order, that lie within any window of this length.
    pub(crate) fn most_within(times: &[Instant], window: Duration) -> usize {
        let within = |(at, from): (usize, &Instant)| times[at..].iter().take_while(|t| **t - *from < window).count();
        times.iter().enumerate().map(within).max().unwrap_or_default()
    }

    /// Waits until `reached` says so, at most 30 s of tokio's clock; says whether it was.
    pub(crate) async fn until(&self, reached: impl Fn(&Self) -> bool) -> bool {
        self.within(Duration::from_secs(30), reached).await
    }

    /// The same with another patience.
    pub(crate) async fn within(&self, patience: Duration, reached: impl Fn(&Self) -> bool) -> bool {
        let mut changes = self.shared.changes.subscribe();
        let wait = async {
            while !reached(self) {
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(patience, wait).await.is_ok()
    }

    /// Waits for that many accepted messages, and gives all there are.
    #[track_caller]
    pub(crate) fn received(&self, count: usize) -> impl Future<Output = Vec<Mail>> {
        let place = std::panic::Location::caller();
        async move {
            let reached = self.until(|sink| sink.count() >= count).await;
            assert!(reached, "{place}: {} of {count} messages; {:#?}", self.count(), self.sessions());
            self.mails()
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Sessions end with the sink.
    let mut running = JoinSet::new();
    loop {
        while running.try_join_next().is_some() {}
        if let Ok((stream, peer)) = listener.accept().await {
            running.spawn(hold(stream, peer, shared.clone()));
        }
    }
}

async fn hold(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    stream.set_nodelay(true).unwrap();
    let session = {
        let mut sessions = shared.sessions();
        sessions.push(Session::new(peer));
        sessions.len() - 1
    };
    // An error is the peer's going away, which is all the same here.
    let _ = conversation::hold(stream, session, &shared).await;
    shared.note(session, |session| session.closed = Some(Instant::now()));
}

/// A self-signed certificate.
fn identity(manner: &Manner) -> (TlsAcceptor, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(manner.names.clone()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let certificate = made.cert.der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = if manner.asks_who {
        builder.with_client_cert_verifier(Arc::new(trusting::Trusting))
    } else {
        builder.with_no_client_auth()
    };
    let config = builder.with_single_cert(vec![certificate.clone()], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), certificate)
}
