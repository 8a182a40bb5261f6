//! Sessions over SMTP.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::world::{Failure, Opening, Outcome, Session};
use crate::host::certificate::both;
use crate::host::http::hostname;
use crate::mail::address::Address;
use crate::mail::config::{KeySource, PathConfig};
use crate::mail::log::{Attempt, Peer};
use crate::mail::message::Message;
use crate::mail::reply::Reply;
use crate::mail::smtp::client::{self, After, Endpoint, OpenError, Plan};
use crate::policy::{Policy, explain};

struct Smtp(client::Session);

/// Opens a session to a host.
pub(super) async fn open(
    policy: &Policy,
    opening: &Opening,
    endpoint: &Endpoint,
) -> Result<Box<dyn Session>, Box<Failure>> {
    let attempt = || Attempt {
        peer: Some(Peer { name: endpoint.name.clone(), address: endpoint.address }),
        protocol: Some("ESMTP".to_owned()),
        ..Attempt::default()
    };
    let secrets = match Secrets::load(policy, &opening.config).await {
        Ok(secrets) => secrets,
        Err(why) => return Err(Box::new(Failure { reply: internal(&why), said: false, attempt: attempt() })),
    };
    let plan = Plan {
        endpoint,
        config: &opening.config,
        source: &opening.route.source,
        ehlo: &hostname(),
        password: secrets.password.as_deref(),
        identity: secrets.identity.as_ref().map(|(certificate, key)| (&certificate[..], &key[..])),
    };
    match client::Session::open(policy.host(), &plan).await {
        Ok(session) => Ok(Box::new(Smtp(session))),
        Err(error) => Err(Box::new(failure(&error, attempt()))),
    }
}

fn failure(error: &OpenError, attempt: Attempt) -> Failure {
    Failure { reply: error.reply(), said: error.said().is_some(), attempt }
}

/// What the key sources of a path lead to.
struct Secrets {
    password: Option<Vec<u8>>,
    /// Certificate and key.
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Secrets {
    async fn load(policy: &Policy, config: &PathConfig) -> Result<Self, String> {
        let load = async |name: &str, source: &Option<KeySource>| match source {
            Some(source) => {
                source.load(policy).await.map(Some).map_err(|error| format!("`{name}`: {}", explain(&error)))
            }
            None => Ok(None),
        };
        let password = load("smtp_auth_plain_password", &config.smtp_auth_plain_password).await?;
        let chain = load("tls_certificate", &config.tls_certificate).await?;
        let key = load("tls_private_key", &config.tls_private_key).await?;
        Ok(Self { password, identity: both(chain, key)? })
    }
}

/// A reply of our own (semantics R5).
fn internal(text: &str) -> Reply {
    Reply { code: 400, enhanced_code: None, content: format!("KumoMTA internal: {text}"), command: None }
}

impl Session for Smtp {
    fn deliver<'a>(&'a mut self, batch: &'a [(Message, Vec<Address>)]) -> BoxFuture<'a, Outcome> {
        async move {
            let mut fates = Vec::with_capacity(batch.len());
            let mut outcome = Outcome { fates: Vec::new(), after: After::Keep, untried: false };
            for (message, recipients) in batch {
                let data = match message.data().await {
                    Ok(data) => data,
                    Err(error) => {
                        let reply = internal(&error.to_string());
                        fates.push(recipients.iter().map(|to| (to.clone(), reply.clone())).collect());
                        continue;
                    }
                };
                let done = self.0.deliver(&message.sender(), recipients, &data).await;
                fates.push(done.fates);
                outcome.untried = done.untried;
                if done.after == After::Closed {
                    outcome.after = After::Closed;
                    break;
                }
            }
            outcome.fates = fates;
            outcome
        }
        .boxed()
    }

    fn ended(&mut self) -> BoxFuture<'_, ()> {
        self.0.ended().boxed()
    }

    fn attempt(&self) -> Attempt {
        Attempt {
            peer: Some(self.0.peer()),
            source_address: Some(self.0.local()),
            protocol: Some(self.0.protocol().to_owned()),
            tls: self.0.tls(),
            session: Some(self.0.id()),
            ..Attempt::default()
        }
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.0.quit().boxed()
    }
}
