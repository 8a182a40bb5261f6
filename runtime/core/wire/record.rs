//! A log record as a mail host publishes it (interface C.6; semantics R1, R2, R3, R5, S6).

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::Write;

use serde::de::DeserializeSeed;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use xxhash_rust::xxh3::xxh3_64;

use super::field::{Fields, Recipients, Text, Walked};
use super::time::Time;

/// What happened to the message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the names are those of interface C.6")]
pub enum Kind {
    Reception,
    Delivery,
    Bounce,
    TransientFailure,
    Expiration,
    AdminBounce,
    #[serde(rename = "OOB")]
    Oob,
    Feedback,
    Rejection,
    AdminRebind,
    DeferredInjectionRebind,
    Delayed,
    XferOut,
    XferIn,
}

/// The three numbers of an enhanced status code (RFC 3463).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the names are those of RFC 3463")]
pub struct EnhancedCode {
    pub class: u16,
    pub subject: u16,
    pub detail: u16,
}

/// The peer's answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Response<'a> {
    /// The SMTP code.
    pub code: u16,
    /// The enhanced status code, when the answer had one.
    pub enhanced_code: Option<EnhancedCode>,
    /// The text, possibly of several lines.
    pub content: Cow<'a, str>,
    /// The command that it answers.
    pub command: Option<Cow<'a, str>>,
}

/// One log record. Text borrows from the input where it can.
#[derive(Clone, PartialEq, Debug)]
pub struct Record<'a> {
    /// What happened; `type` in JSON.
    pub kind: Kind,
    /// The message's id; empty for a `Rejection`.
    pub id: Cow<'a, str>,
    /// The envelope sender; empty for the null sender.
    pub sender: Cow<'a, str>,
    /// The envelope recipients; `recipient` in JSON, where one alone goes without a list.
    pub(super) recipients: Recipients<'a>,
    /// The name of the scheduled queue.
    pub queue: Cow<'a, str>,
    /// The egress path; empty when no delivery was attempted.
    pub site: Cow<'a, str>,
    /// The message's size in bytes.
    pub size: u64,
    /// The peer's answer.
    pub response: Response<'a>,
    /// When it happened, in whole seconds.
    pub timestamp: Time,
    /// When it happened, to the microsecond, where the publisher says so.
    pub event_time: Option<Time>,
    /// When the message came into being.
    pub created: Time,
    /// How many deliveries have been tried.
    pub num_attempts: u64,
    /// The class that the bounce classifier found.
    pub bounce_classification: Cow<'a, str>,
    /// The egress pool, where one was chosen.
    pub egress_pool: Option<Cow<'a, str>>,
    /// The egress source, where one was chosen.
    pub egress_source: Option<Cow<'a, str>>,
    /// The session that it happened in.
    pub session_id: Option<Cow<'a, str>>,
    /// Who published it.
    pub nodeid: Cow<'a, str>,
}

/// A response as patterns see it: `CODE ENHANCED content`, line breaks as spaces (S6).
pub fn one_line(code: u16, enhanced_code: Option<EnhancedCode>, content: &str) -> String {
    let mut line = String::with_capacity(content.len() + 16);
    // Writing to a string cannot fail.
    let _ = write!(line, "{code} ");
    if let Some(EnhancedCode { class, subject, detail }) = enhanced_code {
        let _ = write!(line, "{class}.{subject}.{detail} ");
    }
    let mut rest = content;
    while let Some(at) = rest.find(['\r', '\n']) {
        let (before, after) = rest.split_at(at);
        line.push_str(before);
        line.push(' ');
        rest = after.strip_prefix("\r\n").unwrap_or_else(|| after.get(1..).unwrap_or(""));
    }
    line.push_str(rest);
    line
}

/// Whether the mail host itself made up a response with this content (R5).
pub fn is_internal(content: &str) -> bool {
    content.starts_with("KumoMTA internal: ")
}

/// A body that is not a log record.
#[derive(Debug, thiserror::Error)]
pub enum BadRecord {
    /// It is not UTF-8, not JSON, or nested too deep.
    #[error("invalid JSON: {why}")]
    Syntax {
        /// What is wrong and where.
        why: String,
    },
    /// It is JSON, but not a log record.
    #[error("invalid log record: {why}")]
    Shape {
        /// The field, what was expected of it, and where; `response.code` for what lies deeper.
        why: String,
    },
}

/// No more opening brackets than this, and nothing can be nested deeper than the parser allows.
const SURELY_FLAT: usize = 100;

impl<'a> Record<'a> {
    /// Parses one record.
    ///
    /// # Errors
    /// [`BadRecord::Syntax`] for what is not JSON, [`BadRecord::Shape`] for what is not a record.
    pub fn parse(body: &'a [u8]) -> Result<Self, BadRecord> {
        let text = std::str::from_utf8(body)
            .map_err(|e| BadRecord::Syntax { why: format!("invalid UTF-8 after byte {}", e.valid_up_to()) })?;
        if body.iter().filter(|byte| matches!(byte, b'{' | b'[')).count() > SURELY_FLAT {
            // Members that are skipped would be skipped at any depth.
            serde_json::from_str::<Walked>(text).map_err(|e| describe(&e, ""))?;
        }
        let at = Cell::new("");
        let mut json = serde_json::Deserializer::from_str(text);
        let record = Fields(&at).deserialize(&mut json).map_err(|e| describe(&e, at.get()))?;
        json.end().map_err(|e| describe(&e, ""))?;
        record.check_recipients()?;
        Ok(record)
    }

    fn check_recipients(&self) -> Result<(), BadRecord> {
        if self.recipients.as_slice().is_empty() {
            let why = "field `recipient`: an empty list; expected at least one address".to_owned();
            return Err(BadRecord::Shape { why });
        }
        for Text(address) in self.recipients.as_slice() {
            let nobody = address.is_empty() && self.kind == Kind::Rejection;
            if !is_address(address) && !nobody && !is_postmaster(address) {
                let why = format!("field `recipient`: `{address}` is not an address; expected `user@domain`");
                return Err(BadRecord::Shape { why });
            }
        }
        Ok(())
    }

    /// The envelope recipients.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        self.recipients.as_slice().iter().map(|text| &*text.0)
    }

    /// The recipients' domains in lower case, each once, in order; only the bare `Postmaster` has none (R2).
    pub fn domains(&self) -> Vec<Cow<'_, str>> {
        let mut domains: Vec<Cow<'_, str>> = Vec::new();
        for address in self.recipients() {
            let Some((_, domain)) = address.rsplit_once('@') else { continue };
            let domain = if domain.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii()) {
                Cow::Owned(domain.to_lowercase())
            } else {
                Cow::Borrowed(domain)
            };
            if !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        domains
    }

    /// The time that the record counts at: `event_time`, else `timestamp` (R3).
    pub fn time(&self) -> Time {
        self.event_time.unwrap_or(self.timestamp)
    }

    /// What patterns are matched against: `CODE ENHANCED content`, line breaks as spaces (S6).
    pub fn one_line(&self) -> String {
        let Response { code, enhanced_code, content, .. } = &self.response;
        one_line(*code, *enhanced_code, content)
    }

    /// Whether the mail host made this response up itself (R5).
    pub fn is_internal(&self) -> bool {
        is_internal(&self.response.content)
    }

    /// What makes it the same record when it comes again (R1).
    ///
    /// It depends on what the fields say, not on how the JSON was written.
    pub fn identity(&self) -> u64 {
        let mut bytes = Vec::with_capacity(256 + self.response.content.len());
        let number = |bytes: &mut Vec<u8>, n: u64| bytes.extend_from_slice(&n.to_le_bytes());
        let text = |bytes: &mut Vec<u8>, text: Option<&str>| {
            // The length goes first, one more than it is so that none differs from empty.
            number(bytes, text.map_or(0, |t| t.len() as u64 + 1));
            bytes.extend_from_slice(text.unwrap_or("").as_bytes());
        };
        text(&mut bytes, Some(&self.nodeid));
        text(&mut bytes, Some(&self.id));
        text(&mut bytes, self.session_id.as_deref());
        text(&mut bytes, Some(&self.site));
        text(&mut bytes, Some(&self.response.content));
        text(&mut bytes, self.response.command.as_deref());
        let mut count = 0;
        for recipient in self.recipients() {
            text(&mut bytes, Some(recipient));
            count += 1;
        }
        let enhanced = self.response.enhanced_code.map(|code| [1, code.class, code.subject, code.detail]);
        let code = enhanced.unwrap_or_default().map(u64::from);
        let time = self.time().micros().cast_unsigned();
        for n in [count, self.kind as u64, time, self.num_attempts, self.response.code.into()].into_iter().chain(code) {
            number(&mut bytes, n);
        }
        xxh3_64(&bytes)
    }

    /// The same record, borrowing from nothing.
    pub fn into_owned(self) -> Record<'static> {
        fn own(text: Cow<'_, str>) -> Cow<'static, str> {
            Cow::Owned(text.into_owned())
        }
        Record {
            kind: self.kind,
            id: own(self.id),
            sender: own(self.sender),
            recipients: match self.recipients {
                Recipients::One(one) => Recipients::One(Text(own(one.0))),
                Recipients::Many(many) => Recipients::Many(many.into_iter().map(|text| Text(own(text.0))).collect()),
            },
            queue: own(self.queue),
            site: own(self.site),
            size: self.size,
            response: Response {
                code: self.response.code,
                enhanced_code: self.response.enhanced_code,
                content: own(self.response.content),
                command: self.response.command.map(own),
            },
            timestamp: self.timestamp,
            event_time: self.event_time,
            created: self.created,
            num_attempts: self.num_attempts,
            bounce_classification: own(self.bounce_classification),
            egress_pool: self.egress_pool.map(own),
            egress_source: self.egress_source.map(own),
            session_id: self.session_id.map(own),
            nodeid: own(self.nodeid),
        }
    }
}

/// The one address without a domain (RFC 5321 section 4.5.1), with or without the brackets of a command.
fn is_postmaster(address: &str) -> bool {
    let bare = address.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(address);
    bare.eq_ignore_ascii_case("postmaster")
}

/// Whether it is `local@domain` in the sense of RFC 5321 section 4.1.2; lenient about the characters of names, which are
/// not for this to judge, and strict about those that no address has.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let quoted = local.len() >= 2 && local.starts_with('"') && local.ends_with('"');
    let never = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '@');
    let local_fits = !local.is_empty() && (quoted || !local.contains(never)) && !local.contains(char::is_control);
    let domain_fits = match domain.strip_prefix('[') {
        Some(literal) => literal.len() > 1 && literal.find(']') == Some(literal.len() - 1),
        None => domain.strip_suffix('.').unwrap_or(domain).split('.').all(|label| !label.is_empty()),
    };
    local_fits && domain_fits && !domain.contains(never)
}

fn describe(error: &serde_json::Error, field: &str) -> BadRecord {
    match error.classify() {
        Category::Data if field.is_empty() => BadRecord::Shape { why: error.to_string() },
        Category::Data => BadRecord::Shape { why: format!("field `{field}`: {error}") },
        Category::Syntax | Category::Eof | Category::Io => BadRecord::Syntax { why: error.to_string() },
    }
}

#[cfg(test)]
mod tests;
