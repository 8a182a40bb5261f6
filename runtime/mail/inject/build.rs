//! Makes the bytes of a message for one recipient.

use bytes::Bytes;
use data_encoding::BASE64_MIME_PERMISSIVE;
use kumo_tsa_core::wire::Time;
use mail_builder::MessageBuilder;
use mail_builder::headers::Header as _;
use mail_builder::headers::address::Address as HeaderAddress;
use mail_builder::mime::{BodyPart, MimePart};
use serde_json::{Map, Value};

use super::mailbox::check_addr_spec;
use super::request::{Attachment, Content, Mailbox, Parts, Recipient, Request};
use super::template::{self, Templates};
use crate::mail::header::{self, BadHeader};
use crate::mail::trace::date;
use crate::mail::{Address, MessageId};

/// A content of which no message can be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadContent {
    /// A template.
    #[error(transparent)]
    Template(#[from] template::Error),
    /// An address of a header. The text ends with a line end.
    #[error("failed parsing {field}: invalid header: {why}")]
    Mailbox {
        /// `content.from` or `content.reply_to`
        field: &'static str,
        /// What is wrong, and where.
        why: String,
    },
    /// A header of one's own.
    #[error("failed building content.headers: {0}")]
    Header(#[from] BadHeader),
    /// An attachment that is said to be base64 and is not.
    #[error("failed decoding content.attachments[{index}].data as base64")]
    Base64 {
        /// Which attachment, from 0.
        index: usize,
    },
}

/// The content of a request with its templates read.
#[derive(Debug)]
pub(super) struct Generator<'r> {
    request: &'r Request,
    templates: Templates,
}

/// A text of the request: the field, the template's name, the text.
type Text<'r> = (String, String, &'r str);

impl<'r> Generator<'r> {
    /// Reads all templates and checks what can be checked before there is a recipient.
    pub(super) fn new(request: &'r Request) -> Result<Self, BadContent> {
        let mut templates = Templates::new(request.template_dialect);
        for (field, name, source) in texts(&request.content) {
            templates.add(&field, &name, source)?;
        }
        if let Content::Parts(parts) = &request.content {
            check(parts)?;
        }
        Ok(Self { request, templates })
    }

    /// The bytes of the message for `recipient`.
    pub(super) fn make(
        &self,
        recipient: &Recipient,
        id: MessageId,
        sender: &Address,
        now: Time,
    ) -> Result<Bytes, BadContent> {
        let mut values = self.request.substitutions.clone();
        values.extend(recipient.substitutions.clone());
        values.insert("email".to_owned(), recipient.email.clone().into());
        values.insert("name".to_owned(), recipient.name.clone().into());
        let filled = Filled { templates: &self.templates, values: &values };
        match &self.request.content {
            Content::Whole(text) => Ok(crlf(&filled.text("content", "content", text)?).into()),
            Content::Parts(parts) => {
                let mut out = heads(parts, &filled, recipient, id, sender, now)?;
                body(parts, &filled)?.serialize_body(&mut out);
                Ok(out.into())
            }
        }
    }
}

/// Templates with what they are filled in with.
struct Filled<'t> {
    templates: &'t Templates,
    values: &'t Map<String, Value>,
}

impl Filled<'_> {
    fn text(&self, field: &str, name: &str, source: &str) -> Result<String, template::Error> {
        self.templates.render(field, name, source, self.values)
    }

    fn optional(&self, field: &str, name: &str, source: Option<&str>) -> Result<Option<String>, template::Error> {
        source.map(|source| self.text(field, name, source)).transpose()
    }
}

/// All texts of a content that are templates.
fn texts(content: &Content) -> Vec<Text<'_>> {
    let parts = match content {
        Content::Whole(text) => return vec![("content".to_owned(), "content".to_owned(), text)],
        Content::Parts(parts) => parts,
    };
    let bodies = [
        ("text_body", "text_body.txt", &parts.text_body),
        ("html_body", "html_body.html", &parts.html_body),
        ("amp_html_body", "amp_html_body.html", &parts.amp_html_body),
        ("subject", "subject", &parts.subject),
    ];
    let mut texts: Vec<Text<'_>> = bodies
        .into_iter()
        .filter_map(|(field, name, text)| Some((format!("content.{field}"), name.to_owned(), text.as_deref()?)))
        .collect();
    for (field, mailbox) in [("from", &parts.from), ("reply_to", &parts.reply_to)] {
        let Some(mailbox) = mailbox else { continue };
        texts.push((format!("content.{field}.email"), format!("{field}.email"), &mailbox.email));
        if let Some(name) = &mailbox.name {
            texts.push((format!("content.{field}.name"), format!("{field}.name"), name));
        }
    }
    for (name, value) in &parts.headers {
        texts.push((format!("content.headers[{name}]"), header_template(name), value));
    }
    texts
}

/// A header's name may look like that of an HTML file.
fn header_template(name: &str) -> String {
    format!("headers[{name}]")
}

fn check(parts: &Parts) -> Result<(), BadContent> {
    for (field, mailbox) in [("content.from", &parts.from), ("content.reply_to", &parts.reply_to)] {
        // What a template makes is checked when it has been made.
        if let Some(mailbox) = mailbox.as_ref().filter(|mailbox| !mailbox.email.contains("{{")) {
            check_addr_spec(&mailbox.email).map_err(|why| BadContent::Mailbox { field, why })?;
        }
    }
    for name in parts.headers.keys() {
        header::line(name, "", true)?;
    }
    for (index, attachment) in parts.attachments.iter().enumerate() {
        decode(index, attachment)?;
    }
    Ok(())
}

/// The header section, but for what the body's part has.
fn heads(
    parts: &Parts,
    filled: &Filled<'_>,
    recipient: &Recipient,
    id: MessageId,
    sender: &Address,
    now: Time,
) -> Result<Vec<u8>, BadContent> {
    let own = |name: &str| parts.headers.keys().any(|key| key.eq_ignore_ascii_case(name));
    let mut out = Vec::new();
    if let Some(from) = &parts.from {
        address(&mut out, "From", &mailbox("content.from", "from", from, filled)?);
    }
    if !own("To") {
        let to = Mailbox { email: recipient.email.clone(), name: recipient.name.clone() };
        address(&mut out, "To", &to);
    }
    if let Some(subject) = filled.optional("content.subject", "subject", parts.subject.as_deref())? {
        out.extend(header::line("Subject", &subject, true)?);
    }
    if let Some(reply_to) = &parts.reply_to {
        address(&mut out, "Reply-To", &mailbox("content.reply_to", "reply_to", reply_to, filled)?);
    }
    let made =
        [("from", parts.from.is_some()), ("subject", parts.subject.is_some()), ("reply-to", parts.reply_to.is_some())];
    for (name, value) in &parts.headers {
        if !made.iter().any(|(made, is)| *is && name.eq_ignore_ascii_case(made)) {
            let value = filled.text(&format!("content.headers[{name}]"), &header_template(name), value)?;
            out.extend(header::line(name, &value, true)?);
        }
    }
    let domain = if sender.domain().is_empty() { "localhost" } else { sender.domain() };
    let standing =
        [("Date", date(now)), ("Message-ID", format!("<{id}@{domain}>")), ("MIME-Version", "1.0".to_owned())];
    for (name, value) in standing {
        if !own(name) {
            out.extend(header::line(name, &value, false)?);
        }
    }
    Ok(out)
}

fn mailbox(field: &'static str, name: &str, mailbox: &Mailbox, filled: &Filled<'_>) -> Result<Mailbox, BadContent> {
    let email = filled.text(&format!("{field}.email"), &format!("{name}.email"), &mailbox.email)?;
    check_addr_spec(&email).map_err(|why| BadContent::Mailbox { field, why })?;
    let name = filled.optional(&format!("{field}.name"), &format!("{name}.name"), mailbox.name.as_deref())?;
    Ok(Mailbox { email: email.trim().to_owned(), name })
}

fn address(out: &mut Vec<u8>, header: &str, mailbox: &Mailbox) {
    let clean = |text: &str| text.replace(['\r', '\n'], " ");
    let name = mailbox.name.as_deref().filter(|name| !name.is_empty()).map(clean);
    out.extend_from_slice(format!("{header}: ").as_bytes());
    HeaderAddress::new_address(name, clean(&mailbox.email)).write_header(out, header.len() + 2);
}

fn body<'b>(parts: &Parts, filled: &Filled<'_>) -> Result<MessageBuilder<'b>, BadContent> {
    let text = filled.optional("content.text_body", "text_body.txt", parts.text_body.as_deref())?;
    let html = filled.optional("content.html_body", "html_body.html", parts.html_body.as_deref())?;
    let amp = filled.optional("content.amp_html_body", "amp_html_body.html", parts.amp_html_body.as_deref())?;
    let mut shown = Vec::new();
    let mut attached = Vec::new();
    for (index, attachment) in parts.attachments.iter().enumerate() {
        let part = attachment_part(index, attachment)?;
        if attachment.content_id.is_some() { shown.push(part) } else { attached.push(part) }
    }
    let leaf = |kind: &'static str, text: String| MimePart::new(kind, BodyPart::Text(crlf(&text).into()));
    let text = text.map(|text| leaf("text/plain", text));
    let amp = amp.map(|text| leaf("text/x-amp-html", text));
    let html = html.map(|text| leaf("text/html", text));
    // The richest comes last (RFC 2046 section 5.1.4), but for AMP, which wants to stand before HTML.
    let alternatives: Vec<_> = [text, amp, html].into_iter().flatten().collect();
    let shown_with = together("multipart/alternative", alternatives);
    let related = together("multipart/related", shown_with.into_iter().chain(shown).collect());
    let whole = together("multipart/mixed", related.into_iter().chain(attached).collect());
    Ok(MessageBuilder::new().body(whole.unwrap_or_else(|| leaf("text/plain", String::new()))))
}

/// Several parts in one; a single one stays as it is.
fn together<'b>(kind: &'static str, mut parts: Vec<MimePart<'b>>) -> Option<MimePart<'b>> {
    if parts.len() > 1 { Some(MimePart::new(kind, parts)) } else { parts.pop() }
}

fn attachment_part<'b>(index: usize, attachment: &Attachment) -> Result<MimePart<'b>, BadContent> {
    let clean = |text: &str| text.replace(|c: char| c.is_control(), "");
    let part = MimePart::new(clean(&attachment.content_type), BodyPart::Binary(decode(index, attachment)?.into()));
    let part = match (&attachment.content_id, &attachment.file_name) {
        (None, name) => part.attachment(clean(name.as_deref().unwrap_or("attachment"))),
        (Some(_), _) => part.inline(),
    };
    Ok(match &attachment.content_id {
        Some(id) => part.cid(clean(id).trim_matches(['<', '>']).to_owned()),
        None => part,
    })
}

fn decode(index: usize, attachment: &Attachment) -> Result<Vec<u8>, BadContent> {
    let bytes = attachment.data.as_bytes();
    if !attachment.base64 {
        return Ok(bytes.to_vec());
    }
    BASE64_MIME_PERMISSIVE.decode(bytes).map_err(|_| BadContent::Base64 { index })
}

/// SMTP knows no other line ends.
fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}
