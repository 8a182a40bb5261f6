//! Injection: messages that programs hand over as JSON, by HTTP or from Lua (interface C.10).

mod build;
mod intake;
mod mailbox;
mod request;
mod route;
mod template;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use build::BadContent;
use build::Generator;
pub use intake::{Intake, NotTaken, set_intake};
pub(in crate::mail) use intake::{accept, accept_as, health};
pub use request::{Attachment, Content, Dialect, Mailbox, Parts, Recipient, Request, Response, Trace};
pub use route::{ENDPOINTS, routes};
pub use template::Error as TemplateError;

use super::address::BadAddress;
use super::lua::inject::Asker;
use super::{Address, Message, Rejection, trace};
use crate::host::Host;
use crate::policy::{self, Policy};

/// The queue of requests that were accepted before their messages were made.
pub const GENERATOR_QUEUE: &str = "generator.kumomta.internal";

/// Who asks, and where.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// Whose credentials came with it, else the address that it came from; noted as `http_auth`.
    pub http_auth: Option<String>,
    /// `ip:port` of the client.
    pub received_from: Option<String>,
    /// `ip:port` of the listener.
    pub received_via: Option<String>,
    /// What the listener calls itself.
    pub hostname: Option<String>,
}

/// A request that is refused as a whole.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Its content.
    #[error(transparent)]
    Content(#[from] BadContent),
    /// Its sender.
    #[error("failed parsing envelope_sender: {0}")]
    Sender(#[from] BadAddress),
    /// Nobody would get anything.
    #[error("field `recipients` is empty: expected one recipient or more")]
    NoRecipients,
    /// It could not be put off.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
}

/// Makes the messages and hands them over; with `deferred_generation` the request is handed over as it is, and its messages
/// are made when the queue [`GENERATOR_QUEUE`] comes to [`generate`].
///
/// # Errors
/// What is wrong with the request as a whole. What concerns one recipient is told in the response.
pub async fn inject(policy: &Policy, request: &Request, origin: &Origin) -> Result<Response, Refused> {
    let (generator, sender) = check(request)?;
    let host = policy.host();
    if request.deferred_generation {
        let message = put_off(host, request, sender, origin);
        accept(host, vec![message], request.deferred_spool).await?;
        return Ok(Response::default());
    }
    let mut response = Response::default();
    let mut making = Making::new(policy, generator);
    for recipient in &request.recipients {
        let done = match making.make(request, recipient, &sender, origin).await {
            Ok(message) => accept(host, vec![message], request.deferred_spool).await.map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        response.count(recipient, done);
    }
    Ok(response)
}

/// Makes the messages, and hands them over to nobody. Fails with the first that cannot be made.
pub async fn build(policy: &Policy, request: &Request, origin: &Origin) -> Result<Vec<Message>, String> {
    let (generator, sender) = check(request).map_err(|refused| refused.to_string())?;
    let mut messages = Vec::with_capacity(request.recipients.len());
    let mut making = Making::new(policy, generator);
    for recipient in &request.recipients {
        let made = making.make(request, recipient, &sender, origin).await;
        messages.push(made.map_err(|why| format!("recipient `{}`: {why}", recipient.email))?);
    }
    Ok(messages)
}

/// Does what was put off: `message` is one of the queue [`GENERATOR_QUEUE`].
///
/// # Errors
/// When the message is no request, cannot be read, or nothing of it could be done, which may be tried again.
pub async fn generate(policy: &Policy, message: &Message) -> Result<Response, String> {
    let data = message.data().await.map_err(|error| error.to_string())?;
    let put_off: PutOff =
        serde_json::from_slice(&data).map_err(|error| format!("invalid injection request: {error}"))?;
    let response = inject(policy, &put_off.request, &put_off.origin).await.map_err(|refused| refused.to_string())?;
    match response.errors.first() {
        Some(why) if response.success_count == 0 => Err(why.clone()),
        _ => Ok(response),
    }
}

/// What stands in a message of the queue [`GENERATOR_QUEUE`].
#[derive(Serialize, Deserialize)]
struct PutOff {
    request: Request,
    origin: Origin,
}

fn put_off(host: &Host, request: &Request, sender: Address, origin: &Origin) -> Message {
    let request = Request { deferred_generation: false, ..request.clone() };
    let put_off = json!({"request": request, "origin": origin}).to_string();
    let to = Address::parse(&format!("deferred@{GENERATOR_QUEUE}")).into_iter().collect();
    let message = Message::new(sender, to, put_off, host.clock().now());
    message.set_meta("queue", GENERATOR_QUEUE.into());
    note(&message, origin);
    message
}

fn check(request: &Request) -> Result<(Generator<'_>, Address), Refused> {
    let generator = Generator::new(request)?;
    let sender = Address::parse(&request.envelope_sender)?;
    if request.recipients.is_empty() {
        return Err(Refused::NoRecipients);
    }
    Ok((generator, sender))
}

/// What makes the messages of one request.
struct Making<'a> {
    host: &'a Host,
    generator: Generator<'a>,
    asker: Asker<'a>,
}

impl<'a> Making<'a> {
    fn new(policy: &'a Policy, generator: Generator<'a>) -> Self {
        Self { host: policy.host(), generator, asker: Asker::new(policy) }
    }

    async fn make(
        &mut self,
        request: &Request,
        recipient: &Recipient,
        sender: &Address,
        origin: &Origin,
    ) -> Result<Message, String> {
        let now = self.host.clock().now();
        let to = Address::parse(&recipient.email).map_err(|error| error.to_string())?;
        if to.is_null() {
            return Err("the recipient has no address".to_owned());
        }
        let message = Message::new(sender.clone(), vec![to], Vec::new(), now);
        let data = self.generator.make(recipient, message.id(), sender, now).map_err(|error| error.to_string())?;
        message.set_data(data);
        note(&message, origin);
        if let Some(metadata) = &recipient.metadata {
            message.set_meta("extra", Value::Object(metadata.clone()));
        }
        trace::add(&message, &request.trace_headers.clone().into(), now).await.map_err(|error| error.to_string())?;
        self.asker.message_generated(&message, origin).await.map_err(|error| explain(&error))?;
        Ok(message)
    }
}

fn note(message: &Message, origin: &Origin) {
    message.set_meta("reception_protocol", "HTTP".into());
    let notes = [
        ("http_auth", &origin.http_auth),
        ("received_from", &origin.received_from),
        ("received_via", &origin.received_via),
        ("hostname", &origin.hostname),
    ];
    for (key, value) in notes {
        if let Some(value) = value {
            message.set_meta(key, value.as_str().into());
        }
    }
}

/// What a handler said, where it rejected; else all of the error.
fn explain(error: &policy::Error) -> String {
    error.downcast_ref::<Rejection>().map_or_else(|| policy::explain(error), ToString::to_string)
}

impl Response {
    fn count(&mut self, recipient: &Recipient, done: Result<(), String>) {
        match done {
            Ok(()) => self.success_count += 1,
            Err(why) => {
                self.fail_count += 1;
                self.failed_recipients.push(recipient.email.clone());
                self.errors.push(format!("{}: {why}", recipient.email));
            }
        }
    }
}
