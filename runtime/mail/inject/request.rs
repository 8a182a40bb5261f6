//! What an injection asks for, and what is answered (interface C.10).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::mail::trace::TraceHeaders;

/// A request to make messages of a content, one for each recipient.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The sender of the envelope; empty for the null sender.
    pub envelope_sender: String,
    /// Who gets one.
    pub recipients: Vec<Recipient>,
    /// What they get.
    pub content: Content,
    /// What templates may name, for all recipients.
    #[serde(default)]
    pub substitutions: Map<String, Value>,
    /// Whether the messages may stay in memory alone until they could not be delivered at once. Default: false.
    #[serde(default)]
    pub deferred_spool: bool,
    /// Whether to answer before the messages are made. Default: false.
    #[serde(default)]
    pub deferred_generation: bool,
    /// Which trace headers are added. Default: the reference alone.
    #[serde(default = "reference_alone")]
    pub trace_headers: Trace,
    /// How the content's templates are written.
    #[serde(default)]
    pub template_dialect: Dialect,
}

fn reference_alone() -> Trace {
    Trace::default()
}

/// [`TraceHeaders`] with another default: no `Received`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "they are those of `TraceHeaders`")]
pub struct Trace {
    pub received_header: bool,
    pub supplemental_header: bool,
    pub header_name: String,
    pub include_meta_names: Vec<String>,
}

impl Default for Trace {
    fn default() -> Self {
        let TraceHeaders { supplemental_header, header_name, include_meta_names, .. } = TraceHeaders::default();
        Self { received_header: false, supplemental_header, header_name, include_meta_names }
    }
}

impl From<Trace> for TraceHeaders {
    fn from(trace: Trace) -> Self {
        let Trace { received_header, supplemental_header, header_name, include_meta_names } = trace;
        Self { received_header, supplemental_header, header_name, include_meta_names }
    }
}

/// Someone who gets a message.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// The address.
    pub email: String,
    /// The display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What templates may name; goes before what is given for all.
    #[serde(default)]
    pub substitutions: Map<String, Value>,
    /// Noted as meta `extra`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

/// What a message is made of.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// A whole message, headers and body.
    Whole(String),
    /// Parts, of which a message is made.
    Parts(Box<Parts>),
}

/// Parts of a message.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parts {
    /// The body as plain text.
    pub text_body: Option<String>,
    /// The body as HTML.
    pub html_body: Option<String>,
    /// The body as AMP for email.
    pub amp_html_body: Option<String>,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// Headers besides those that the other fields make.
    pub headers: BTreeMap<String, String>,
    /// `From`
    pub from: Option<Mailbox>,
    /// `Subject`
    pub subject: Option<String>,
    /// `Reply-To`
    pub reply_to: Option<Mailbox>,
}

/// A mailbox of a header.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mailbox {
    /// The address.
    pub email: String,
    /// The display name.
    #[serde(default)]
    pub name: Option<String>,
}

/// A file that goes with a message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// What is in it.
    pub data: String,
    /// Its media type.
    pub content_type: String,
    /// The id under which HTML shows it; without, it is an attachment proper.
    #[serde(default)]
    pub content_id: Option<String>,
    /// Its name.
    #[serde(default)]
    pub file_name: Option<String>,
    /// Whether `data` is in base64. Default: false.
    #[serde(default)]
    pub base64: bool,
}

/// How templates are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Dialect {
    /// `{{ name }}`, `{% if %}`, filters.
    #[default]
    Jinja,
    /// There are no templates: everything is meant as it stands.
    Static,
    /// `{{name}}`, `{{#if}}`.
    Handlebars,
}

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Response {
    /// For how many recipients a message was accepted.
    pub success_count: usize,
    /// For how many not.
    pub fail_count: usize,
    /// Their addresses.
    pub failed_recipients: Vec<String>,
    /// Why, in their order.
    pub errors: Vec<String>,
}
