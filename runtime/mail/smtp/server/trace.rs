//! What is put before a message: `Received` (RFC 5321 section 4.4) and a header that tells, when a message comes back in a
//! report, what became of it (interface C.16).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use data_encoding::BASE64;
use kumo_tsa_core::wire::Time;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::mail::{Address, Message};

/// Where a line of the supplemental header is folded.
const FOLD: usize = 75;

/// Which headers are put before a message.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TraceHeaders {
    /// Whether to add `Received`. Default: true.
    pub received_header: bool,
    /// Whether to add the supplemental header. Default: true.
    pub supplemental_header: bool,
    /// The name of the supplemental header. Default: `X-KumoRef`.
    pub header_name: String,
    /// What metadata goes into it, beside the recipient. Default: none.
    pub include_meta_names: Vec<String>,
}

impl Default for TraceHeaders {
    fn default() -> Self {
        Self {
            received_header: true,
            supplemental_header: true,
            header_name: "X-KumoRef".to_owned(),
            include_meta_names: Vec::new(),
        }
    }
}

/// How a message came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage<'a> {
    /// What the client called itself.
    pub(super) from: &'a str,
    /// Where the client is.
    pub(super) peer: std::net::IpAddr,
    /// What the server calls itself.
    pub(super) by: &'a str,
    /// `ESMTPS` and the like (RFC 3848).
    pub(super) with: &'a str,
    /// When.
    pub(super) at: Time,
}

/// The headers for `message`, each with its line end.
pub(super) fn headers(trace: &TraceHeaders, message: &Message, passage: Passage<'_>) -> String {
    let mut text = String::new();
    if trace.supplemental_header {
        supplemental(&mut text, trace, message);
    }
    if trace.received_header {
        let Passage { from, peer, by, with, at } = passage;
        let recipients = message.recipients();
        let receiver = match recipients.as_slice() {
            // Who else got the message is not told.
            [one] => format!("\r\n\tfor <{one}>"),
            _ => String::new(),
        };
        let _ = write!(
            text,
            "Received: from {from} ({peer})\r\n\tby {by} (KumoMTA) with {with} id {}{receiver};\r\n\t{}\r\n",
            message.id(),
            date(at)
        );
    }
    text
}

fn date(at: Time) -> String {
    let seconds = i64::try_from(at.since(Time::default()).as_secs()).unwrap_or_default();
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| time.format(&Rfc2822).ok())
        .unwrap_or_else(|| "Thu, 01 Jan 1970 00:00:00 +0000".to_owned())
}

fn supplemental(text: &mut String, trace: &TraceHeaders, message: &Message) {
    let recipients = message.recipients();
    let email = |address: &Address| Value::from(address.email());
    let recipient = match recipients.as_slice() {
        [one] => email(one),
        several => several.iter().map(email).collect(),
    };
    let mut fields = BTreeMap::from([("_@_", Value::from("\\_/")), ("recipient", recipient)]);
    for name in &trace.include_meta_names {
        if let Some(value) = message.meta(name) {
            fields.insert(name, value);
        }
    }
    let encoded = BASE64.encode(serde_json::to_string(&fields).unwrap_or_default().as_bytes());
    let _ = write!(text, "{}: ", trace.header_name);
    let first = FOLD.saturating_sub(trace.header_name.len() + 2).clamp(1, encoded.len());
    let (line, mut rest) = encoded.split_at(first);
    text.push_str(line);
    while !rest.is_empty() {
        let (line, next) = rest.split_at(rest.len().min(FOLD - 1));
        text.push_str("\r\n\t");
        text.push_str(line);
        rest = next;
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(trace: &TraceHeaders, recipients: &[&str]) -> String {
        let recipients = recipients.iter().map(|one| Address::parse(one).unwrap()).collect();
        let message = Message::new(Address::null(), recipients, "", Time::from_secs(0));
        message.set_meta("tenant", "t".into());
        let passage = Passage {
            from: "client.example",
            peer: [127, 0, 0, 1].into(),
            by: "mx.example",
            with: "ESMTPS",
            at: Time::from_secs(1_769_860_800),
        };
        headers(trace, &message, passage).replace(&message.id().to_string(), "[id]")
    }

    #[test]
    fn both_headers_are_as_documented() {
        assert_eq!(
            text(&TraceHeaders::default(), &["recip@example.com"]),
            "X-KumoRef: eyJfQF8iOiJcXF8vIiwicmVjaXBpZW50IjoicmVjaXBAZXhhbXBsZS5jb20ifQ==\r\n\
             Received: from client.example (127.0.0.1)\r\n\tby mx.example (KumoMTA) with ESMTPS id [id]\r\n\
             \tfor <recip@example.com>;\r\n\tSat, 31 Jan 2026 12:00:00 +0000\r\n"
        );
    }

    #[test]
    fn metadata_and_several_recipients_fold() {
        let trace = TraceHeaders {
            include_meta_names: vec!["tenant".to_owned(), "absent".to_owned()],
            received_header: false,
            ..TraceHeaders::default()
        };
        let text = text(&trace, &["one@example.com", "two@example.com", "three@example.com"]);
        assert!(text.lines().all(|line| line.len() <= 75), "{text}");
        let encoded: String = text.strip_prefix("X-KumoRef: ").unwrap().split_ascii_whitespace().collect();
        assert_eq!(
            String::from_utf8(BASE64.decode(encoded.as_bytes()).unwrap()).unwrap(),
            r#"{"_@_":"\\_/","recipient":["one@example.com","two@example.com","three@example.com"],"tenant":"t"}"#
        );
    }
}
