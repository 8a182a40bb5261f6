//! One connection from its greeting to its end.

use std::net::SocketAddr;
use std::sync::Arc;

use kumo_tsa_core::wire::Kind;
use tokio::net::TcpStream;
use uuid::Uuid;

use super::Server;
use super::answer::Answer;
use super::command::{self, Command};
use super::connection::Connection;
use super::envelope::Transaction;
use super::parameter::{Overrides, Parameters, Settings};
use super::stream::{End, Line, Wire};
use crate::mail::log::{Attempt, Entry, Peer, Tls};
use crate::mail::lua::reception;
use crate::mail::rejection::Closing;
use crate::mail::{Address, Message, Rejection, Reply};
use crate::policy;

/// After so many commands in a row that make no sense, or passwords that are not good, the connection is closed.
const MAX_SENSELESS: usize = 100;

/// A connection with a client.
pub(super) struct Session {
    pub(super) server: Arc<Server>,
    parameters: Arc<Parameters>,
    pub(super) settings: Arc<Settings>,
    pub(super) wire: Wire,
    pub(super) connection: Connection,
    /// The listener's address, as policies are told it.
    pub(super) listener: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) greeted: Option<Greeted>,
    pub(super) authenticated: bool,
    pub(super) transaction: Option<Transaction>,
    /// The last recipient that the client named, also where it was refused.
    pub(super) last_recipient: Option<Address>,
    /// Messages accepted so far.
    pub(super) accepted: usize,
    senseless: usize,
    pub(super) id: Uuid,
}

/// The client has said who it is.
#[derive(Clone, Debug)]
pub(super) struct Greeted {
    pub(super) domain: String,
}

impl Session {
    pub(super) fn new(
        server: Arc<Server>,
        parameters: Arc<Parameters>,
        stream: TcpStream,
        listener: SocketAddr,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> Self {
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let (local, peer) = (canonical(local), canonical(peer));
        let settings = parameters.settings(local, peer);
        let stop = server.host.shutdown().watch();
        Self {
            connection: Connection::new(&settings, local, peer),
            wire: Wire::new(stream, stop),
            server,
            parameters,
            settings,
            listener,
            local,
            peer,
            greeted: None,
            authenticated: false,
            transaction: None,
            last_recipient: None,
            accepted: 0,
            senseless: 0,
            id: Uuid::now_v7(),
        }
    }

    /// Serves the client until one of the two has had enough.
    pub(super) async fn run(mut self) {
        let Err(end) = self.converse().await;
        let hostname = &self.settings.hostname;
        let farewell = match end {
            End::Closed => None,
            End::Silent => {
                let waited = self.settings.client_timeout.as_secs_f64();
                Some(Answer::new(421, format!("4.4.2 {hostname} nothing heard for {waited} s, closing the connection")))
            }
            End::Stopping => Some(Answer::new(421, format!("4.3.2 {hostname} is shutting down"))),
        };
        if let Some(farewell) = farewell {
            // It ends with a 421, as does the connection.
            let _ = Box::pin(self.say(farewell, None)).await;
        }
        self.wire.close(self.settings.client_timeout).await;
    }

    async fn converse(&mut self) -> Result<std::convert::Infallible, End> {
        Box::pin(self.greet()).await?;
        loop {
            let line = self.wire.line(self.settings.client_timeout, self.transaction.is_none()).await?;
            Box::pin(self.obey(line)).await?;
        }
    }

    async fn greet(&mut self) -> Result<(), End> {
        let greeting = match self.adjust().await {
            Err(rejection) => rejection.into(),
            Ok(()) => match reception::accepted(&self.server.policy, &self.connection).await {
                Err(error) => self.refusal(&error),
                Ok(()) => Answer::new(220, format!("{} {}", self.settings.hostname, self.settings.banner)),
            },
        };
        self.say(greeting, None).await
    }

    /// Finds out what holds for the connection, as its addresses are now.
    pub(super) async fn adjust(&mut self) -> Result<(), Rejection> {
        let mut settings = self.parameters.settings(self.local, self.peer);
        self.connection.note(&settings);
        let asked = reception::dynamic(&self.server.policy, self.listener, &self.connection).await;
        let overrides = asked.map_err(|error| policy::explain(&error)).and_then(|table| {
            let parse = |table| Overrides::parse(table, "smtp_server_get_dynamic_parameters");
            table.map(parse).transpose().map_err(|error| error.to_string())
        });
        match overrides {
            Ok(None) => {}
            Ok(Some(overrides)) => {
                overrides.apply(Arc::make_mut(&mut settings));
                self.connection.note(&settings);
            }
            Err(why) => {
                tracing::error!("smtp_server_get_dynamic_parameters: {why}");
                return Err(reception::difficulties(&self.settings.hostname));
            }
        }
        self.settings = settings;
        Ok(())
    }

    async fn obey(&mut self, line: Line) -> Result<(), End> {
        let bytes = match line {
            Line::TooLong => return self.say(Answer::new(500, "5.5.2 the command line is too long"), None).await,
            Line::Command(bytes) => bytes,
        };
        let text = String::from_utf8_lossy(&bytes);
        let answer = match command::parse(&bytes) {
            Err(bad) => {
                if bad.code == 501 || bad.code == 500 {
                    self.note_recipient(&text);
                }
                bad.into()
            }
            Ok(command) => match command {
                Command::Ehlo(domain) => return self.ehlo(domain, &text).await,
                Command::Helo(domain) => self.helo(domain).await,
                Command::Mail { sender, options } => self.mail(sender, options).await,
                Command::Rcpt { recipient } => self.rcpt(recipient).await,
                Command::Data => return self.data(&text).await,
                Command::Rset => {
                    self.transaction = None;
                    self.last_recipient = None;
                    Answer::new(250, "2.0.0 OK")
                }
                Command::Noop => Answer::new(250, "2.0.0 OK"),
                Command::Help => Answer::new(214, "2.0.0 see RFC 5321"),
                Command::Vrfy => Answer::new(252, "2.5.0 send mail to find out"),
                Command::Quit => {
                    let goodbye = format!("2.0.0 {} closing the connection", self.settings.hostname);
                    Answer { closing: Closing::ForceDisconnect, ..Answer::new(221, goodbye) }
                }
                Command::StartTls => return self.start_tls(&text).await,
                // What was said is not logged: it holds a password.
                Command::Auth { mechanism, initial } => return self.auth(mechanism, initial).await,
                Command::Xclient(attributes) => return self.xclient(&attributes, &text).await,
            },
        };
        self.say(answer, Some(&text)).await
    }

    /// A recipient that cannot even be read leaves none to be told of.
    fn note_recipient(&mut self, line: &str) {
        if line.get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case("RCPT ")) {
            self.last_recipient = None;
        }
    }

    /// Says something, after the policy had a look at it; logs refusals; closes the connection where the answer asks.
    pub(super) async fn say(&mut self, answer: Answer, command: Option<&str>) -> Result<(), End> {
        let answer = self.rewritten(answer, command).await;
        self.senseless = match answer.code {
            500..=503 | 535 => self.senseless + 1,
            200..300 => 0,
            _ => self.senseless,
        };
        if answer.is_logged() {
            self.log_rejection(&answer, command).await;
        }
        let mut bytes = Vec::new();
        answer.write(&mut bytes);
        let patience = self.settings.client_timeout;
        self.wire.say(&bytes, patience).await?;
        let hostname = &self.settings.hostname;
        let last = match answer.closing {
            _ if answer.code == 421 => return Err(End::Closed),
            Closing::ForceDisconnect => return Err(End::Closed),
            Closing::FollowWith421 => Answer::new(421, format!("4.3.0 {hostname} closing the connection")),
            Closing::If421 if self.senseless > MAX_SENSELESS => {
                Answer::new(421, format!("4.7.0 {hostname} too many errors, closing the connection"))
            }
            Closing::If421 => return Ok(()),
        };
        self.log_rejection(&last, None).await;
        bytes.clear();
        last.write(&mut bytes);
        self.wire.say(&bytes, patience).await?;
        Err(End::Closed)
    }

    async fn rewritten(&self, answer: Answer, command: Option<&str>) -> Answer {
        let given = (answer.code, answer.text.as_ref(), command);
        match reception::rewrite(&self.server.policy, given, &self.connection).await {
            Ok(None) => answer,
            Ok(Some((code, text))) => {
                let code = code.filter(|code| (200..600).contains(code)).unwrap_or(answer.code);
                let text = text.map_or(answer.text, Into::into);
                Answer { code, text, closing: answer.closing }
            }
            Err(error) => {
                tracing::error!("{}", policy::explain(&error));
                Answer::difficulties(&self.settings.hostname)
            }
        }
    }

    /// What to answer when a handler failed: what it raised with `kumo.reject`, else that there are difficulties.
    pub(super) fn refusal(&self, error: &policy::Error) -> Answer {
        reception::rejection(error, &self.settings.hostname).into()
    }

    /// The client, as log records tell of it.
    pub(super) fn logged_peer(&self) -> Peer {
        let name = self.greeted.as_ref().map(|greeted| greeted.domain.clone()).unwrap_or_default();
        Peer { name, address: self.peer }
    }

    /// The connection's TLS.
    pub(super) fn logged_tls(&self) -> Option<Tls> {
        let session = self.wire.tls()?;
        let cipher = session.negotiated_cipher_suite()?.suite().as_str().unwrap_or_default().to_owned();
        let version = session.protocol_version()?.as_str().unwrap_or_default().replace('_', ".");
        Some(Tls { cipher, version, peer_subject: Vec::new() })
    }

    async fn log_rejection(&self, answer: &Answer, command: Option<&str>) {
        let sender = self.transaction.as_ref().map(|transaction| transaction.sender.clone()).unwrap_or_default();
        let recipients = self.last_recipient.iter().cloned().collect();
        let message = Message::new(sender, recipients, bytes::Bytes::new(), self.server.host.clock().now());
        for (key, value) in self.connection.all() {
            message.set_meta(key, value);
        }
        let mut reply = Reply::new(answer.code, &answer.text);
        if let Some(command) = command {
            reply = reply.answering(command);
        }
        let attempt = Attempt {
            peer: Some(self.logged_peer()),
            tls: self.logged_tls(),
            session: Some(self.id),
            ..Attempt::default()
        };
        let entry =
            Entry { kind: Kind::Rejection, message: &message, recipients: None, reply, attempt, queue: Some("") };
        Box::pin(self.server.logger.log(entry)).await;
    }
}
