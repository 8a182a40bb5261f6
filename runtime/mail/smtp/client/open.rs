//! From nothing to a session that is ready for messages.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use data_encoding::BASE64;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use uuid::Uuid;

use super::broken::Broken;
use super::capability::Capabilities;
use super::detour::Detour;
use super::session::{Session, Terms};
use super::tls::{self, Manner};
use super::wire::Wire;
use super::{OpenError, Plan, Stage, Trouble, Why};
use crate::host::Host;
use crate::host::certificate::{Identity, parse_pair};
use crate::mail::config::TlsMode;
use crate::mail::log;
use crate::mail::reply::Reply;

/// Opens a session; where the path says so, once more without TLS after a handshake that failed.
pub(super) async fn open(host: &Host, plan: &Plan<'_>) -> Result<Session, OpenError> {
    let (config, peer) = (plan.config, plan.endpoint.address.ip());
    let opportunistic = matches!(config.enable_tls, TlsMode::Opportunistic | TlsMode::OpportunisticInsecure);
    let broken = Broken::of(host);
    let mode = if opportunistic && broken.knows(peer) { TlsMode::Disabled } else { config.enable_tls };
    let identity = plan.identity.map(|(certificate, key)| parse_pair(certificate, key)).transpose();
    let identity = identity.map_err(|why| failed(plan, (Stage::Connect, Why::Unable(why))))?;
    let identity = identity.as_ref();
    let outcome = attempt(host, plan, mode, identity).await;
    if !opportunistic || !matches!(&outcome, Err((Stage::Handshake, _))) {
        return outcome.map_err(|error| failed(plan, error));
    }
    if let Some(duration) = config.remember_broken_tls {
        broken.remember(peer, duration);
    }
    if config.opportunistic_tls_reconnect_on_failed_handshake {
        return attempt(host, plan, TlsMode::Disabled, identity).await.map_err(|error| failed(plan, error));
    }
    outcome.map_err(|error| failed(plan, error))
}

type Failed = (Stage, Why);

fn failed(plan: &Plan<'_>, (stage, why): Failed) -> OpenError {
    OpenError { endpoint: plan.endpoint.clone(), stage, why }
}

async fn attempt(host: &Host, plan: &Plan<'_>, mode: TlsMode, identity: Option<&Identity>) -> Result<Session, Failed> {
    let config = plan.config;
    let stream = connect(host, plan).await.map_err(|why| (Stage::Connect, why.into()))?;
    let local = stream.local_addr().map_err(|error| (Stage::Connect, Trouble::from(error).into()))?;
    let mut opening = Opening { host, plan, wire: Wire::plain(stream), offered: Capabilities::default(), tls: None };
    opening.expect(Stage::Banner, None, config.banner_timeout).await?;
    opening.hello().await?;
    let mut opening = opening.secured(mode, identity).await?;
    opening.authenticate(mode).await?;
    Ok(Session {
        wire: opening.wire,
        endpoint: plan.endpoint.clone(),
        offered: opening.offered,
        terms: Terms::of(config),
        local,
        tls: opening.tls,
        id: Uuid::new_v4(),
        transactions: 0,
        is_dirty: false,
        is_over: false,
    })
}

async fn connect(host: &Host, plan: &Plan<'_>) -> Result<TcpStream, Trouble> {
    let limit = plan.config.connect_timeout;
    let detour = Detour::of(host).around(plan.endpoint);
    let to = detour.unwrap_or(plan.endpoint.address);
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let (Some(from), None) = (plan.source.source_address, detour) {
        if from.is_ipv4() != to.is_ipv4() {
            let why = format!("source address {from} and peer address {} are of different families", to.ip());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why).into());
        }
        let bind = |error: io::Error| io::Error::new(error.kind(), format!("source address {from}: {error}"));
        socket.bind(SocketAddr::new(from, 0)).map_err(bind)?;
    }
    let stream = timeout(limit, socket.connect(to)).await.map_err(|_| Trouble::Silent(limit))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A session on its way.
struct Opening<'a> {
    host: &'a Host,
    plan: &'a Plan<'a>,
    wire: Wire,
    offered: Capabilities,
    tls: Option<log::Tls>,
}

impl Opening<'_> {
    /// Says a command, if there is one, and reads the answer.
    async fn ask(&mut self, stage: Stage, command: Option<&str>, limit: Duration) -> Result<Reply, Failed> {
        if let Some(command) = command {
            self.wire.push(command);
            self.wire.flush(limit).await;
        }
        let reply = self.wire.reply(limit).await.map_err(|trouble| (stage, trouble.into()))?;
        // What AUTH said is nobody's business.
        let shown = command.map(|command| if stage == Stage::Auth { "AUTH PLAIN" } else { command });
        Ok(shown.map_or(reply.clone(), |shown| reply.answering(shown)))
    }

    /// The same; any answer but 2xx is a refusal.
    async fn expect(&mut self, stage: Stage, command: Option<&str>, limit: Duration) -> Result<Reply, Failed> {
        let reply = self.ask(stage, command, limit).await?;
        if reply.is_positive() { Ok(reply) } else { Err((stage, refusal(reply))) }
    }

    async fn hello(&mut self) -> Result<(), Failed> {
        let (name, limit) = (self.plan.hello(), self.plan.config.ehlo_timeout);
        let lmtp = self.plan.config.use_lmtp;
        let command = format!("{} {name}", if lmtp { "LHLO" } else { "EHLO" });
        let reply = self.ask(Stage::Hello, Some(&command), limit).await?;
        if reply.is_positive() {
            self.offered = Capabilities::of(&reply);
            return Ok(());
        }
        if lmtp || !(500..600).contains(&reply.code) {
            return Err((Stage::Hello, refusal(reply)));
        }
        // RFC 5321 section 3.2: a server that does not know EHLO is greeted with HELO.
        self.expect(Stage::Hello, Some(&format!("HELO {name}")), limit).await?;
        self.offered = Capabilities::default();
        Ok(())
    }

    /// STARTTLS, as the mode has it; EHLO once more within it.
    async fn secured(mut self, mode: TlsMode, identity: Option<&Identity>) -> Result<Self, Failed> {
        let required = matches!(mode, TlsMode::Required | TlsMode::RequiredInsecure);
        if mode == TlsMode::Disabled || (!required && !self.offered.start_tls) {
            return Ok(self);
        }
        if !self.offered.start_tls {
            let why = "the path requires TLS, and the peer does not offer STARTTLS";
            return Err((Stage::StartTls, Why::Unable(why.to_owned())));
        }
        let limit = self.plan.config.starttls_timeout;
        let reply = self.ask(Stage::StartTls, Some("STARTTLS"), limit).await?;
        if reply.code != 220 {
            // 421 ends the session, and what is no refusal has no meaning.
            let goes_on = !required && reply.code != 421 && reply.code >= 400;
            return if goes_on { Ok(self) } else { Err((Stage::StartTls, refusal(reply))) };
        }
        let mut secured = self.shake_hands(Manner { checked: is_checked(mode), identity, limit }).await?;
        secured.hello().await?;
        Ok(secured)
    }

    async fn shake_hands(self, manner: Manner<'_>) -> Result<Self, Failed> {
        let Self { host, plan, wire, .. } = self;
        let stream = wire.into_plain().map_err(|trouble| (Stage::StartTls, trouble.into()))?;
        let stream = tls::connect(host, plan.endpoint, stream, manner).await;
        let stream = stream.map_err(|why| (Stage::Handshake, Why::Unable(why)))?;
        let tls = Some(tls::describe(&stream));
        Ok(Self { host, plan, wire: Wire::tls(stream), offered: Capabilities::default(), tls })
    }

    /// AUTH PLAIN (RFC 4954, 4616), where the path names a user.
    async fn authenticate(&mut self, mode: TlsMode) -> Result<(), Failed> {
        let config = self.plan.config;
        let Some(user) = &config.smtp_auth_plain_username else { return Ok(()) };
        let unable = |why: &str| Err((Stage::Auth, Why::Unable(format!("the path wants AUTH PLAIN, and {why}"))));
        if self.tls.is_none() && !config.allow_smtp_auth_plain_without_tls {
            return unable("the session has no TLS (`allow_smtp_auth_plain_without_tls` is false)");
        }
        let unchecked = self.tls.is_some() && !is_checked(mode);
        if unchecked && !config.allow_smtp_auth_plain_without_valid_certificate {
            return unable(
                "the peer's certificate was not checked (`allow_smtp_auth_plain_without_valid_certificate` is false)",
            );
        }
        if !self.offered.auth_plain {
            return unable("the peer does not offer it");
        }
        let secret = [b"\0", user.as_bytes(), b"\0", self.plan.password.unwrap_or_default()].concat();
        let command = format!("AUTH PLAIN {}", BASE64.encode(&secret));
        self.expect(Stage::Auth, Some(&command), config.auth_timeout).await.map(drop)
    }
}

/// Whether the peer's certificate has to be valid.
const fn is_checked(mode: TlsMode) -> bool {
    matches!(mode, TlsMode::Opportunistic | TlsMode::Required)
}

/// What is neither a yes nor a no has no meaning here.
fn refusal(reply: Reply) -> Why {
    if reply.code >= 400 { Why::Refused(reply) } else { Why::Trouble(Trouble::Unexpected(reply)) }
}
