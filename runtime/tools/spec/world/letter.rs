//! Mail that a spec brings to a host.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::host::Host;
use crate::mail::config::{PathConfig, Source, TlsMode};
use crate::mail::queue::{Accept, Queues};
use crate::mail::smtp::client::{Endpoint, Plan, Session};
use crate::mail::{Address, Message, Reply};

/// What `host:inject` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    from: Option<String>,
    to: OneOrMany,
    subject: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
    /// The whole message, in the place of the four above.
    content: Option<String>,
    /// Meta values; such mail goes straight to its queue, past the handlers of reception.
    meta: Option<Map<String, Value>>,
    /// How many of the same; 1 unless said.
    count: Option<usize>,
    /// What the client calls itself.
    ehlo: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected an address, or a list of them")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// What became of what was brought.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    accepted: usize,
    replies: Vec<Reply>,
}

impl Outcome {
    /// The first refusal.
    pub(super) fn refusal(&self) -> Option<String> {
        self.replies.iter().find(|reply| !reply.is_positive()).map(ToString::to_string)
    }

    pub(super) fn to_json(&self) -> Value {
        let last = self.replies.last();
        json!({
            "accepted": self.accepted,
            "refused": self.replies.len() - self.accepted.min(self.replies.len()),
            "code": last.map(|reply| reply.code),
            "response": last.map(ToString::to_string),
            "replies": self.replies.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }

    fn add(&mut self, reply: Reply) {
        self.accepted += usize::from(reply.is_positive());
        self.replies.push(reply);
    }
}

impl Options {
    fn recipients(&self) -> anyhow::Result<Vec<Address>> {
        let list = match &self.to {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        };
        if list.is_empty() {
            bail!("field `to`: expected an address, or a list of them");
        }
        list.iter().map(|text| address("to", text)).collect()
    }

    fn sender(&self) -> anyhow::Result<Address> {
        address("from", self.from.as_deref().unwrap_or("news@sender.example"))
    }

    fn text(&self, number: usize) -> String {
        if let Some(content) = &self.content {
            return content.replace("\r\n", "\n").replace('\n', "\r\n");
        }
        let to = match &self.to {
            OneOrMany::One(one) => one.clone(),
            OneOrMany::Many(many) => many.join(", "),
        };
        let from = self.from.as_deref().unwrap_or("news@sender.example");
        let subject = self.subject.as_deref().unwrap_or("hello");
        let mut text =
            format!("From: <{from}>\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{number}@sender.example>\r\n");
        for (name, value) in self.headers.iter().flatten() {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        text.push_str(&self.body.as_deref().unwrap_or("hello").replace("\r\n", "\n").replace('\n', "\r\n"));
        text.push_str("\r\n");
        text
    }

    fn count(&self) -> usize {
        self.count.unwrap_or(1)
    }

    /// Brings it: over SMTP, or to the queues.
    pub(super) async fn bring(&self, host: &Host, to: Option<SocketAddr>) -> anyhow::Result<Outcome> {
        match &self.meta {
            Some(meta) => self.queue(host, meta).await,
            None => self.send(host, to).await,
        }
    }

    async fn queue(&self, host: &Host, meta: &Map<String, Value>) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        for number in 0..self.count() {
            for to in self.recipients()? {
                let message = Message::new(self.sender()?, vec![to], self.text(number), host.clock().now());
                meta.iter().for_each(|(key, value)| message.set_meta(key, value.clone()));
                let how = Accept { deferred_spool: false, log_reception: true };
                Queues::of(host)
                    .accept(vec![message], how)
                    .await
                    .map_err(|error| anyhow!(crate::policy::explain(&error)))?;
                outcome.add(Reply::new(250, "queued"));
            }
        }
        Ok(outcome)
    }

    async fn send(&self, host: &Host, to: Option<SocketAddr>) -> anyhow::Result<Outcome> {
        let to = to.context("the policy started no listener to bring mail to (kumo.start_esmtp_listener)")?;
        let (sender, recipients) = (self.sender()?, self.recipients()?);
        // Who brings mail is no part of the host, so its rules do not apply.
        let client = Host::new(host.clock().clone(), host.paths().clone());
        let mut outcome = Outcome::default();
        let mut session: Option<Session> = None;
        for number in 0..self.count() {
            let mut open = match session.take().filter(Session::is_usable) {
                Some(open) => open,
                None => connect(&client, to, self.ehlo.as_deref().unwrap_or("application.example")).await?,
            };
            let delivered = open.deliver(&sender, &recipients, self.text(number).as_bytes()).await;
            delivered.fates.into_iter().for_each(|(_, reply)| outcome.add(reply));
            session = Some(open);
        }
        if let Some(open) = session {
            open.quit().await;
        }
        Ok(outcome)
    }
}

fn address(field: &str, text: &str) -> anyhow::Result<Address> {
    Address::parse(text).map_err(|_| anyhow!("field `{field}`: `{text}` is no address, such as `someone@a.example`"))
}

async fn connect(client: &Host, to: SocketAddr, ehlo: &str) -> anyhow::Result<Session> {
    let config = PathConfig { enable_tls: TlsMode::Disabled, ..PathConfig::default() };
    let endpoint = Endpoint { name: "the mail host".to_owned(), address: to };
    let source = Source::default();
    let plan = Plan { endpoint: &endpoint, config: &config, source: &source, ehlo, password: None, identity: None };
    Session::open(client, &plan).await.map_err(|error| anyhow!(crate::policy::explain(&error)))
}
