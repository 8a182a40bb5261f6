//! Brings letters to a mail host over SMTP.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::Instant;

use super::letter::Letter;
use crate::host::Host;
use crate::mail::Address;
use crate::mail::config::{PathConfig, Source, TlsMode};
use crate::mail::smtp::client::{Endpoint, Plan, Session};

/// A session that was idle for longer is left; mail hosts close them.
const IDLE: Duration = Duration::from_secs(30);

/// Sends each letter at its time. Fails when one is not accepted.
pub(super) async fn deliver(host: Host, to: SocketAddr, letters: Vec<Letter>) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut session: Option<(Session, Instant)> = None;
    for letter in letters {
        tokio::time::sleep_until(began + letter.at).await;
        let mut open = match session.take() {
            Some((open, used)) if open.is_usable() && used.elapsed() < IDLE => open,
            Some((old, _)) => {
                old.quit().await;
                connect(&host, to).await?
            }
            None => connect(&host, to).await?,
        };
        hand_over(&mut open, &letter).await?;
        session = Some((open, Instant::now()));
    }
    if let Some((open, _)) = session {
        open.quit().await;
    }
    Ok(())
}

async fn connect(host: &Host, to: SocketAddr) -> anyhow::Result<Session> {
    let config = PathConfig { enable_tls: TlsMode::Disabled, ..PathConfig::default() };
    let endpoint = Endpoint { name: "the mail host".to_owned(), address: to };
    let source = Source::default();
    let ehlo = "application.example";
    let plan = Plan { endpoint: &endpoint, config: &config, source: &source, ehlo, password: None, identity: None };
    Session::open(host, &plan).await.with_context(|| format!("bringing mail to {to}"))
}

async fn hand_over(session: &mut Session, letter: &Letter) -> anyhow::Result<()> {
    let address = |text: &str| Address::parse(text).with_context(|| format!("`{text}` is no address"));
    let recipients = [address(&letter.to)?];
    let delivered = session.deliver(&address(&letter.sender())?, &recipients, letter.text().as_bytes()).await;
    match delivered.fates.first() {
        Some((_, reply)) if reply.is_positive() => Ok(()),
        Some((to, reply)) => bail!("the mail host did not take a letter to {}: {reply}", to.email()),
        None => bail!("the mail host said nothing of a letter to {}", letter.to),
    }
}
