//! The headers that say where a message came in: `Received` (RFC 5321 section 4.4) and a reference to what is known of it,
//! from which reports that quote it are told apart (interface C.16).

use data_encoding::{BASE64, BASE64_MIME_PERMISSIVE};
use kumo_tsa_core::wire::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::header;
use super::message::Message;
use super::spool;

/// A member of every reference, by which one is recognised.
const MARKER: (&str, &str) = ("_@_", "\\_/");
/// How long the lines of a reference are at most, without the header's name.
const COLUMNS: usize = 75;

/// Which headers are put before those of a message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceHeaders {
    /// `Received`. Default: true.
    pub received_header: bool,
    /// The reference. Default: true.
    pub supplemental_header: bool,
    /// The name of the reference. Default: `X-KumoRef`.
    pub header_name: String,
    /// What of the message's notes is put into the reference. Default: nothing.
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

/// Puts the headers that are wanted before those of the message. Who sent it and how stands in its notes
/// `received_from`, `ehlo_domain`, `hostname` and `reception_protocol`.
///
/// # Errors
/// When the content has to be read from the spool, and cannot be.
pub async fn add(message: &Message, wanted: &TraceHeaders, now: Time) -> Result<(), spool::Error> {
    let lines = lines(message, wanted, now);
    if !lines.is_empty() {
        let data = message.data().await?;
        message.set_data(header::prepend(&data, lines.as_bytes()));
    }
    Ok(())
}

/// The lines of the headers that are wanted, to stand before all others.
pub fn lines(message: &Message, wanted: &TraceHeaders, now: Time) -> String {
    let mut lines = String::new();
    if wanted.received_header {
        lines.push_str(&received(message, now));
    }
    if wanted.supplemental_header {
        let value = reference(message, &wanted.include_meta_names);
        lines.extend([wanted.header_name.as_str(), ": ", &fold(&value), "\r\n"]);
    }
    lines
}

fn received(message: &Message, now: Time) -> String {
    let text = |key: &str| message.meta(key).and_then(|value| value.as_str().map(visible));
    let client = text("received_from").map(|from| from.parse().map_or(from, |at: std::net::SocketAddr| literal(at)));
    let from = match (text("ehlo_domain"), client) {
        (Some(name), Some(ip)) => format!("from {name} ({ip})\r\n\t"),
        (None, Some(ip)) => format!("from {ip}\r\n\t"),
        (Some(name), None) => format!("from {name}\r\n\t"),
        (None, None) => String::new(),
    };
    let by = text("hostname").unwrap_or_else(|| "localhost".to_owned());
    let with = text("reception_protocol").unwrap_or_else(|| "ESMTP".to_owned());
    let recipients = message.recipients();
    // Who else gets it is nobody's business.
    let to = match recipients.as_slice() {
        [only] => format!("\r\n\tfor <{}>", visible(only.email())),
        _ => String::new(),
    };
    format!(
        "Received: {from}by {by} (KumoMTA kumo-tsa)\r\n\twith {with} id {}{to};\r\n\t{}\r\n",
        message.id(),
        date(now)
    )
}

fn literal(at: std::net::SocketAddr) -> String {
    match at.ip().to_canonical() {
        std::net::IpAddr::V4(ip) => format!("[{ip}]"),
        std::net::IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    }
}

/// Without what would end the line or the header.
fn visible(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// As in a `Date` header.
pub(super) fn date(now: Time) -> String {
    let at = OffsetDateTime::from_unix_timestamp(now.micros().div_euclid(1_000_000)).ok();
    at.and_then(|at| at.format(&Rfc2822).ok()).unwrap_or_else(|| "Thu, 01 Jan 1970 00:00:00 +0000".to_owned())
}

/// Base64 of a JSON object with sorted keys: the marker, the recipients, and these of the notes.
fn reference(message: &Message, names: &[String]) -> String {
    let mut map = Map::new();
    for name in names {
        if let Some(value) = message.meta(name) {
            map.insert(name.clone(), value);
        }
    }
    map.insert(MARKER.0.to_owned(), MARKER.1.into());
    let mut recipients: Vec<Value> = message.recipients().iter().map(|to| to.email().into()).collect();
    let recipient = if recipients.len() == 1 { recipients.remove(0) } else { Value::Array(recipients) };
    map.insert("recipient".to_owned(), recipient);
    map.sort_keys();
    BASE64.encode(Value::Object(map).to_string().as_bytes())
}

fn fold(text: &str) -> String {
    // It is ASCII.
    let lines: Vec<_> = text.as_bytes().chunks(COLUMNS).map(String::from_utf8_lossy).collect();
    lines.join("\r\n\t")
}

/// What a reference says, without its marker; `None` when it is none.
pub fn parse_reference(value: &str) -> Option<Map<String, Value>> {
    let bare: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    let text = BASE64_MIME_PERMISSIVE.decode(bare.as_bytes()).ok()?;
    let mut map: Map<String, Value> = serde_json::from_slice(&text).ok()?;
    (map.remove(MARKER.0)? == MARKER.1).then_some(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Address;
    use serde_json::json;

    fn message(to: &[&str]) -> Message {
        let to = to.iter().map(|to| Address::parse(to).unwrap()).collect();
        Message::new(Address::null(), to, "Subject: x\r\n\r\nbody\r\n", Time::from_secs(1_769_860_800))
    }

    #[test]
    fn the_reference_has_the_documented_value() {
        let wanted = TraceHeaders { received_header: false, ..TraceHeaders::default() };
        assert_eq!(
            lines(&message(&["recip@example.com"]), &wanted, Time::from_secs(0)),
            "X-KumoRef: eyJfQF8iOiJcXF8vIiwicmVjaXBpZW50IjoicmVjaXBAZXhhbXBsZS5jb20ifQ==\r\n"
        );
    }

    #[test]
    fn a_long_reference_is_folded_and_read_back() {
        let message = message(&["a@example.com", "b@example.com"]);
        message.set_meta("campaign", json!("spring ".repeat(20)));
        message.set_meta("secret", json!("x"));
        let wanted =
            TraceHeaders { include_meta_names: vec!["campaign".into(), "absent".into()], ..Default::default() };
        let lines = lines(&message, &wanted, Time::from_secs(0));
        assert!(lines.split("\r\n").all(|line| line.len() <= COLUMNS + "X-KumoRef: ".len()), "{lines}");
        let value = header::first(lines.as_bytes(), "x-kumoref").unwrap();
        let map = parse_reference(&value).unwrap();
        let expected = json!({"campaign": "spring ".repeat(20), "recipient": ["a@example.com", "b@example.com"]});
        assert_eq!(Value::Object(map), expected);
        for none in ["", "hello", "eyJhIjoxfQ=="] {
            assert_eq!(parse_reference(none), None);
        }
    }

    #[tokio::test]
    async fn received_says_who_how_and_when() {
        let message = message(&["recip@example.com"]);
        message.set_meta("received_from", json!("192.0.2.1:4321"));
        message.set_meta("ehlo_domain", json!("client.example\r\nBcc: x"));
        message.set_meta("hostname", json!("mx.example"));
        let wanted = TraceHeaders { supplemental_header: false, ..TraceHeaders::default() };
        add(&message, &wanted, Time::from_secs(1_769_860_800)).await.unwrap();
        let expected = format!(
            "Received: from client.exampleBcc: x ([192.0.2.1])\r\n\tby mx.example (KumoMTA kumo-tsa)\r\n\twith ESMTP id {}\
             \r\n\tfor <recip@example.com>;\r\n\tSat, 31 Jan 2026 12:00:00 +0000\r\nSubject: x\r\n\r\nbody\r\n",
            message.id()
        );
        assert_eq!(message.data().await.unwrap(), expected);
    }
}
