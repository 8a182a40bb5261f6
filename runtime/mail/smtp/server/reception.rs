//! From DATA to messages that are accepted.

use serde_json::Value;
use tokio::time::timeout;

use super::answer::Answer;
use super::content::{Content, Fault};
use super::envelope::{Transaction, too_large};
use super::parameter::BatchHandling;
use super::report::Told;
use super::session::Session;
use super::stream::End;
use crate::mail::lua::reception;
use crate::mail::queue::Accept;
use crate::mail::rejection::Closing;
use crate::mail::trace::{self, TraceHeaders};
use crate::mail::{Address, Message, Rejection, inject, spool};

/// The queue in which messages wait that the policy has not seen yet (interface C.4).
pub const DEFERRED_QUEUE: &str = "deferred_smtp_inject.kumomta.internal";
/// How many bytes are read at first; more when the client sends more than that at a time.
const FIRST_READ: usize = 8 * 1024;

impl Session {
    pub(super) async fn data(&mut self, command: &str) -> Result<(), End> {
        let missing = match &self.transaction {
            None => Some("5.5.0 MAIL FROM must be issued first"),
            Some(transaction) if transaction.recipients.is_empty() => Some("5.5.0 RCPT TO must be issued first"),
            Some(_) => None,
        };
        if let Some(missing) = missing {
            return self.say(Answer::new(503, missing), Some(command)).await;
        }
        self.say(Answer::new(354, "send the message, end with CRLF.CRLF"), Some(command)).await?;
        let content = self.content().await?;
        let answer = match content {
            Ok(content) => match self.transaction.take() {
                Some(transaction) => {
                    let answer = self.receive(&transaction, content).await;
                    // Should it be refused, it is told whose message it was.
                    self.transaction = Some(transaction);
                    answer
                }
                None => Answer::new(503, "5.5.0 MAIL FROM must be issued first"),
            },
            Err(Fault::Size) => too_large(self.settings.max_message_size),
            Err(Fault::Line) => {
                let most = self.settings.line_length_hard_limit;
                Answer::new(552, format!("5.6.0 a line is too long: at most {most} bytes and CRLF are taken"))
            }
            Err(Fault::Ending) => Answer::new(552, "5.6.0 lines must end with CRLF, and with nothing else"),
        };
        let said = self.say(answer, Some(".")).await;
        self.transaction = None;
        self.last_recipient = None;
        said
    }

    async fn content(&mut self) -> Result<Result<Vec<u8>, Fault>, End> {
        let patience = self.settings.client_timeout;
        self.wire.flush(patience).await?;
        let mut content = Content::new(&self.settings);
        let declared = self.transaction.as_ref().map_or(0, |transaction| transaction.size);
        content.expect(declared);
        let most = self.settings.data_buffer_size.max(1);
        let mut space = FIRST_READ.min(most);
        while !content.take(&mut self.wire.input) {
            let read = self.wire.fill(space, patience, false).await?;
            if read >= space {
                space = (space * 2).min(most);
            }
        }
        Ok(content.finish())
    }

    async fn receive(&mut self, transaction: &Transaction, content: Vec<u8>) -> Answer {
        let patience = self.settings.data_processing_timeout;
        let taken = timeout(patience, self.take_in(transaction, content)).await;
        match taken {
            Ok(Ok(ids)) => {
                self.accepted += 1;
                Answer::new(250, format!("OK ids={}", ids.join(",")))
            }
            Ok(Err(rejection)) => rejection.into(),
            Err(_) => {
                tracing::error!("a message took longer than `data_processing_timeout`, {} s", patience.as_secs_f64());
                let hostname = &self.settings.hostname;
                Answer::new(451, format!("4.3.0 {hostname} took too long over the message, try again later"))
            }
        }
    }

    /// Shows the message to the policy, makes one of it for each batch of recipients, and gives them on. The ids of
    /// those accepted.
    async fn take_in(&self, transaction: &Transaction, content: Vec<u8>) -> Result<Vec<String>, Rejection> {
        let policy = &self.server.policy;
        let rejected = |error| reception::rejection(&error, &self.settings.hostname);
        let deferred = self.settings.deferred_queue;
        let told = Told::new(transaction, &content);
        let recipients = told.recipients(transaction)?;
        let whole = Message::new(transaction.sender.clone(), recipients, content, self.server.host.clock().now());
        self.note_connection(&whole);
        if !deferred {
            reception::data(policy, &whole, &self.connection).await.map_err(rejected)?;
        }
        // Who sent reports alone, to those who take nothing else, has been heard.
        if told.is_all() {
            self.log_reports(&told, &whole).await;
            return Ok(vec![whole.id().to_string()]);
        }
        let split =
            if deferred { None } else { reception::split(policy, &whole, &self.connection).await.map_err(rejected)? };
        let batches = split.unwrap_or_else(|| batches(&whole.recipients(), self.settings.batch_handling));
        let mut messages = Vec::with_capacity(batches.len());
        for recipients in batches.into_iter().filter(|recipients| !recipients.is_empty()) {
            messages.push(self.batch(&whole, recipients).await?);
        }
        let ids = messages.iter().map(|message| message.id().to_string()).collect();
        let how = Accept { deferred_spool: self.settings.deferred_spool, log_reception: !told.is_feedback() };
        inject::accept_as(&self.server.host, messages, how).await.map_err(|why| {
            tracing::error!("a message was not accepted: {why}");
            let message = format!("4.3.0 {} cannot take the message now, try again later", self.settings.hostname);
            Rejection { code: 451, message, closing: Closing::If421 }
        })?;
        self.log_reports(&told, &whole).await;
        Ok(ids)
    }

    fn note_connection(&self, message: &Message) {
        for (key, value) in self.connection.all() {
            message.set_meta(key, value);
        }
    }

    /// The message as it goes to some of its recipients: the policy has seen it, and trace headers stand before it.
    async fn batch(&self, whole: &Message, recipients: Vec<Address>) -> Result<Message, Rejection> {
        let lost = |error: spool::Error| {
            tracing::error!("a message was lost on its way in: {error}");
            reception::difficulties(&self.settings.hostname)
        };
        let message = whole.split(recipients).await.map_err(lost)?;
        let headers = &self.settings.trace_headers;
        let received = TraceHeaders { supplemental_header: false, ..headers.clone() };
        trace::add(&message, &received, whole.created()).await.map_err(lost)?;
        if self.settings.deferred_queue {
            message.set_meta("queue", DEFERRED_QUEUE.into());
        } else {
            reception::received(&self.server.policy, &message, &self.connection)
                .await
                .map_err(|error| reception::rejection(&error, &self.settings.hostname))?;
        }
        // It tells of the recipient and of notes, which the policy may have changed.
        let supplemental = TraceHeaders { received_header: false, ..headers.clone() };
        trace::add(&message, &supplemental, whole.created()).await.map_err(lost)?;
        Ok(message)
    }
}

/// Accepts what [`Settings::deferred_queue`](super::parameter::Settings) has let in without the policy: shows it to
/// `smtp_server_message_deferred_inject`.
///
/// # Errors
/// What the handler raised, or that there are difficulties.
pub async fn show_deferred(policy: &crate::policy::Policy, message: &Message) -> Result<(), Rejection> {
    message.set_meta("queue", Value::Null);
    let connection = super::connection::Connection::of_message(message);
    let hostname = connection.get("hostname").and_then(|name| name.as_str().map(ToOwned::to_owned));
    reception::deferred_inject(policy, message, &connection).await.map_err(|error| {
        // It stays where it is, until it is tried again.
        message.set_meta("queue", DEFERRED_QUEUE.into());
        reception::rejection(&error, &hostname.unwrap_or_default())
    })
}

fn batches(recipients: &[Address], handling: BatchHandling) -> Vec<Vec<Address>> {
    match handling {
        BatchHandling::BifurcateAlways => recipients.iter().map(|recipient| vec![recipient.clone()]).collect(),
        BatchHandling::BatchByDomain => {
            let mut places = std::collections::HashMap::new();
            let mut batches: Vec<Vec<Address>> = Vec::new();
            for recipient in recipients {
                let place = *places.entry(recipient.domain().to_lowercase()).or_insert(batches.len());
                match batches.get_mut(place) {
                    Some(batch) => batch.push(recipient.clone()),
                    None => batches.push(vec![recipient.clone()]),
                }
            }
            batches
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_the_order_of_domains() {
        let addresses: Vec<_> =
            ["a@x", "b@Y", "c@X", "d@y", "e@z"].iter().map(|text| Address::parse(text).unwrap()).collect();
        let text = |handling| {
            let batches = batches(&addresses, handling);
            batches.iter().map(|one| one.iter().map(Address::email).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(text(BatchHandling::BatchByDomain), ["a@x c@X", "b@Y d@y", "e@z"]);
        assert_eq!(text(BatchHandling::BifurcateAlways).len(), 5);
    }
}
