//! Who a client is, and whom its mail is from and for.

use std::collections::HashMap;
use std::sync::Arc;

use super::answer::Answer;
use super::command::MailOptions;
use super::domain::{Disposition, ListenerDomain};
use super::session::{Greeted, Session};
use super::stream::End;
use crate::mail::lua::reception;
use crate::mail::{Address, Rejection, inject};

/// From MAIL to the end of DATA.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) sender: Address,
    pub(super) recipients: Vec<Recipient>,
    pub(super) utf8: bool,
    /// How large the client says that the message is.
    pub(super) size: usize,
    /// What the policy has said of domains.
    domains: HashMap<String, Option<Arc<ListenerDomain>>>,
}

/// One to whom the message goes.
#[derive(Debug)]
pub(super) struct Recipient {
    pub(super) address: Address,
    /// Whether the client may send it more than reports.
    pub(super) relayed: bool,
    /// What becomes of feedback reports to it.
    pub(super) feedback: Disposition,
    /// What becomes of returned mail to it.
    pub(super) returned: Disposition,
}

impl Session {
    pub(super) async fn ehlo(&mut self, domain: &str, command: &str) -> Result<(), End> {
        self.greeted = None;
        self.transaction = None;
        let extensions = self.extensions();
        let asked = reception::ehlo(&self.server.policy, domain, &self.connection, extensions.clone()).await;
        let extensions = match asked {
            Ok(changed) => changed.unwrap_or(extensions),
            Err(error) => {
                let answer = self.refusal(&error);
                return self.say(answer, Some(command)).await;
            }
        };
        self.note_greeting(domain);
        let mut text = format!("{} Hello {domain}", self.settings.hostname);
        for extension in &extensions {
            text.push('\n');
            text.push_str(extension);
        }
        let mut bytes = Vec::new();
        Answer::new(250, text).write(&mut bytes);
        self.wire.say(&bytes, self.settings.client_timeout).await
    }

    pub(super) async fn helo(&mut self, domain: &str) -> Answer {
        self.greeted = None;
        self.transaction = None;
        if let Err(error) = reception::helo(&self.server.policy, domain, &self.connection).await {
            return self.refusal(&error);
        }
        self.note_greeting(domain);
        Answer::new(250, format!("{} Hello {domain}", self.settings.hostname))
    }

    pub(super) fn note_greeting(&mut self, domain: &str) {
        self.connection.set("ehlo_domain", domain.into());
        self.greeted = Some(Greeted { domain: domain.to_owned() });
    }

    fn extensions(&self) -> Vec<String> {
        let mut all: Vec<_> =
            ["PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8"].map(ToOwned::to_owned).into();
        all.push(format!("SIZE {}", self.settings.max_message_size));
        all.push(if self.wire.tls().is_some() { "AUTH PLAIN" } else { "STARTTLS" }.to_owned());
        if self.settings.allow_xclient {
            all.push("XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT".to_owned());
        }
        all
    }

    pub(super) async fn mail(&mut self, sender: Address, options: MailOptions) -> Answer {
        if self.greeted.is_none() {
            return Answer::new(503, "5.5.0 EHLO or HELO must be issued first");
        }
        if self.transaction.is_some() {
            return Answer::new(503, "5.5.0 MAIL FROM has been issued already");
        }
        self.last_recipient = None;
        if self.accepted >= self.settings.max_messages_per_connection {
            let hostname = &self.settings.hostname;
            return Answer::new(421, format!("4.7.0 {hostname} enough messages for one connection, make another"));
        }
        let most = self.settings.max_message_size;
        let size = usize::try_from(options.size.unwrap_or(0)).unwrap_or(usize::MAX);
        if size > most {
            return too_large(most);
        }
        if let Err(why) = inject::health(&self.server.host) {
            tracing::warn!("no mail is taken: {why}");
            let hostname = &self.settings.hostname;
            return Answer::new(452, format!("4.3.1 {hostname} has no room for mail now, try again later"));
        }
        if let Err(error) = reception::mail_from(&self.server.policy, &sender, &self.connection).await {
            return self.refusal(&error);
        }
        let answer = Answer::new(250, format!("2.1.0 OK {sender}"));
        self.transaction =
            Some(Transaction { sender, recipients: Vec::new(), utf8: options.utf8, size, domains: HashMap::new() });
        answer
    }

    pub(super) async fn rcpt(&mut self, recipient: Address) -> Answer {
        let recipient = self.with_domain(recipient);
        self.last_recipient = Some(recipient.clone());
        let Some(transaction) = &self.transaction else {
            return Answer::new(503, "5.5.0 MAIL FROM must be issued first");
        };
        if transaction.recipients.len() >= self.settings.max_recipients_per_message {
            return Answer::new(452, "4.5.3 too many recipients");
        }
        if !transaction.utf8 && !recipient.email().is_ascii() {
            return Answer::new(553, "5.6.7 an address beyond ASCII takes SMTPUTF8");
        }
        match self.admit(&recipient).await {
            Err(rejection) => rejection.into(),
            Ok(None) => Answer::new(550, "5.7.1 relaying not permitted"),
            Ok(Some(admitted)) => {
                if let Err(error) = reception::rcpt_to(&self.server.policy, &recipient, &self.connection).await {
                    return self.refusal(&error);
                }
                if let Some(transaction) = &mut self.transaction {
                    transaction.recipients.push(admitted);
                }
                Answer::new(250, format!("2.1.5 OK {recipient}"))
            }
        }
    }

    /// The postmaster without a domain is this host's (RFC 5321 section 4.5.1).
    fn with_domain(&self, recipient: Address) -> Address {
        if recipient.email().contains('@') {
            return recipient;
        }
        let full = format!("{}@{}", recipient.email(), self.settings.hostname);
        Address::parse(&full).unwrap_or(recipient)
    }

    /// Whether mail for a recipient is taken, and of what kind; `None` when not.
    async fn admit(&mut self, address: &Address) -> Result<Option<Recipient>, Rejection> {
        let domain = self.domain(address.domain()).await?;
        let mut relayed = self.authenticated
            || self.settings.relays_for(self.peer.ip())
            || domain.as_ref().is_some_and(|domain| domain.relay_to);
        if !relayed {
            let sender = self.transaction.as_ref().map(|transaction| transaction.sender.clone()).unwrap_or_default();
            if !sender.is_null() {
                let from = self.domain(sender.domain()).await?;
                relayed = from.is_some_and(|from| from.relays_from(self.peer.ip()));
            }
        }
        if !relayed && !domain.as_ref().is_some_and(|domain| domain.takes_reports()) {
            return Ok(None);
        }
        let (feedback, returned) = domain.map(|domain| (domain.log_arf, domain.log_oob)).unwrap_or_default();
        Ok(Some(Recipient { address: address.clone(), relayed, feedback, returned }))
    }

    /// What the policy says of a domain; it is asked once in a transaction.
    async fn domain(&mut self, name: &str) -> Result<Option<Arc<ListenerDomain>>, Rejection> {
        let name = name.to_lowercase();
        if let Some(known) = self.transaction.as_ref().and_then(|transaction| transaction.domains.get(&name)) {
            return Ok(known.clone());
        }
        let asked = reception::listener_domain(&self.server.policy, &name, self.listener, &self.connection).await;
        let found = asked.map_err(|error| reception::rejection(&error, &self.settings.hostname))?.map(Arc::new);
        if let Some(transaction) = &mut self.transaction {
            transaction.domains.insert(name, found.clone());
        }
        Ok(found)
    }
}

pub(super) fn too_large(most: usize) -> Answer {
    Answer::new(552, format!("5.3.4 the message is too large: at most {most} bytes are taken"))
}
