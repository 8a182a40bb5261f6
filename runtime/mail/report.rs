//! Reports that come as mail: feedback of recipients (ARF, RFC 5965) and mail that could not be delivered (RFC 3464).

use std::collections::BTreeMap;

use mail_parser::{Encoding, Message as Parsed, MessageParser, MessagePart, MimeHeaders};
use serde_json::{Map, Value};

use super::address::Address;
use super::header;
use super::reply::Reply;
use super::trace::parse_reference;

/// The fields of a feedback report of which there is one, as they are and as records have them.
const SINGLE: &[(&str, &str)] = &[
    ("feedback-type", "feedback_type"),
    ("user-agent", "user_agent"),
    ("version", "version"),
    ("arrival-date", "arrival_date"),
    ("received-date", "arrival_date"),
    ("incidents", "incidents"),
    ("original-envelope-id", "original_envelope_id"),
    ("original-mail-from", "original_mail_from"),
    ("reporting-mta", "reporting_mta"),
    ("source-ip", "source_ip"),
];

/// Those of which there may be several.
const SEVERAL: &[(&str, &str)] = &[
    ("authentication-results", "authentication_results"),
    ("original-rcpt-to", "original_rcpto"),
    ("reported-domain", "reported_domain"),
    ("reported-uri", "reported_uri"),
];

/// What a message reports.
#[derive(Clone, PartialEq, Debug)]
pub enum Report {
    /// Somebody complained, or the like; as records have it (`feedback_report` in interface C.6).
    Feedback(Value),
    /// Mail could not be delivered, after it had been accepted.
    Undelivered(Vec<Undelivered>),
}

/// A recipient that a message was not delivered to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Undelivered {
    /// Who.
    pub recipient: Address,
    /// Why, as far as the report says it.
    pub reply: Reply,
}

impl Report {
    /// What a message reports; `None` when it is no report, or one of a kind that is not known.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let parsed = MessageParser::new().parse(message)?;
        let kind = parsed.content_type()?;
        if !kind.ctype().eq_ignore_ascii_case("multipart") || !is(kind.subtype(), "report") {
            return None;
        }
        let report = kind.attribute("report-type");
        if is(report, "feedback-report") {
            feedback(&parsed, message).map(Self::Feedback)
        } else if is(report, "delivery-status") {
            let status = text(part(&parsed, "message", &["delivery-status", "global-delivery-status"])?, message);
            let undelivered = undelivered(&status);
            (!undelivered.is_empty()).then_some(Self::Undelivered(undelivered))
        } else {
            None
        }
    }
}

fn is(given: Option<&str>, wanted: &str) -> bool {
    given.is_some_and(|given| given.eq_ignore_ascii_case(wanted))
}

/// The first part of one of these types.
fn part<'p>(parsed: &'p Parsed<'_>, main: &str, subtypes: &[&str]) -> Option<&'p MessagePart<'p>> {
    parsed.parts.iter().find(|part| {
        part.content_type().is_some_and(|kind| {
            kind.ctype().eq_ignore_ascii_case(main) && subtypes.iter().any(|wanted| is(kind.subtype(), wanted))
        })
    })
}

/// What stands in a part, decoded.
fn text(part: &MessagePart<'_>, message: &[u8]) -> Vec<u8> {
    let range = usize::try_from(part.offset_body).ok().zip(usize::try_from(part.offset_end).ok());
    let raw = range.and_then(|(start, end)| message.get(start..end));
    match raw {
        Some(raw) if part.encoding == Encoding::None => raw.trim_ascii_start().to_vec(),
        _ => part.contents().to_vec(),
    }
}

fn feedback(parsed: &Parsed<'_>, message: &[u8]) -> Option<Value> {
    let fields = text(part(parsed, "message", &["feedback-report"])?, message);
    let mut report: Map<String, Value> = SINGLE.iter().map(|(_, name)| ((*name).to_owned(), Value::Null)).collect();
    let mut several: BTreeMap<&str, Vec<Value>> = SEVERAL.iter().map(|(_, name)| (*name, Vec::new())).collect();
    let mut extensions: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for field in header::fields(&fields) {
        let named = |(name, _): &&(&str, &str)| field.is(name);
        if let Some((_, name)) = SINGLE.iter().find(named) {
            report.insert((*name).to_owned(), single(name, field.text()));
        } else if let Some((_, name)) = SEVERAL.iter().find(named) {
            several.entry(name).or_default().push(field.text().into());
        } else {
            extensions.entry(field.name.to_ascii_lowercase()).or_default().push(field.text().into());
        }
    }
    // RFC 5965 section 3.1: these two must be there.
    if report["feedback_type"].is_null() || report["version"].is_null() {
        return None;
    }
    report.extend(several.into_iter().map(|(name, values)| (name.to_owned(), values.into())));
    report.insert("extensions".to_owned(), serde_json::to_value(extensions).unwrap_or_default());
    let original = part(parsed, "message", &["rfc822", "global"])
        .or_else(|| part(parsed, "text", &["rfc822-headers"]))
        .map(|part| text(part, message));
    report.insert("supplemental_trace".to_owned(), original.as_deref().and_then(reference).into());
    let original = original.map(|original| String::from_utf8_lossy(&original).into_owned());
    report.insert("original_message".to_owned(), original.into());
    Some(report.into())
}

fn single(name: &str, text: String) -> Value {
    match name {
        "incidents" => text.parse::<u64>().map_or(Value::String(text), Value::from),
        "reporting_mta" => {
            let (kind, mta) = typed(&text);
            serde_json::json!({"mta_type": kind, "name": mta})
        }
        _ => text.into(),
    }
}

/// What we wrote into a message when it came in, found in a copy of it.
fn reference(original: &[u8]) -> Option<Map<String, Value>> {
    header::fields(original).find_map(|field| parse_reference(&field.text()))
}

/// `type; text`
fn typed(text: &str) -> (&str, &str) {
    text.split_once(';').map_or(("", text), |(kind, rest)| (kind.trim(), rest.trim()))
}

/// The recipients of a delivery status that were given up: a group of fields for each, after one about the message.
fn undelivered(status: &[u8]) -> Vec<Undelivered> {
    let text = String::from_utf8_lossy(status).replace("\r\n", "\n");
    text.split("\n\n").filter_map(|group| given_up(group.trim_start_matches('\n').as_bytes())).collect()
}

fn given_up(group: &[u8]) -> Option<Undelivered> {
    let field = |name| header::first(group, name);
    if !field("Action")?.eq_ignore_ascii_case("failed") {
        return None;
    }
    let recipient = field("Original-Recipient").or_else(|| field("Final-Recipient"))?;
    let recipient = Address::parse(typed(&recipient).1).ok()?;
    let status = field("Status").unwrap_or_default();
    let said = field("Diagnostic-Code").unwrap_or_default();
    let said = match typed(&said) {
        (kind, text) if kind.eq_ignore_ascii_case("smtp") => text.to_owned(),
        _ => said,
    };
    let code = said.get(..3).and_then(|code| code.parse().ok()).filter(|code| (200..600).contains(code));
    let text = if code.is_some() { said.get(3..).unwrap_or_default().trim_start_matches(['-', ' ']) } else { &said };
    let mut reply = Reply::new(code.unwrap_or(550), text);
    if reply.enhanced_code.is_none() {
        reply.enhanced_code = Reply::new(550, &format!("{status} ")).enhanced_code;
    }
    Some(Undelivered { recipient, reply })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COMPLAINT: &str = "From: <abuse@provider.example>\r\nContent-Type: multipart/report; \
        report-type=feedback-report; boundary=\"b\"\r\nMIME-Version: 1.0\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
        a complaint\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\
        User-Agent: loop/1.0\r\nVersion: 1\r\nOriginal-Rcpt-To: <a@one.example>\r\nOriginal-Rcpt-To: <b@one.example>\r\n\
        Incidents: 3\r\nReporting-MTA: dns; mail.provider.example\r\nX-More: x\r\n\r\n--b\r\n\
        Content-Type: message/rfc822\r\n\r\nX-KumoRef: \
        eyJfQF8iOiJcXF8vIiwicmVjaXBpZW50IjoicmVjaXBAZXhhbXBsZS5jb20ifQ==\r\nSubject: hi\r\n\r\nhello\r\n--b--\r\n";

    #[test]
    fn a_complaint_is_read() {
        let Some(Report::Feedback(report)) = Report::parse(COMPLAINT.as_bytes()) else { panic!("no feedback") };
        assert_eq!((&report["feedback_type"], &report["user_agent"]), (&json!("abuse"), &json!("loop/1.0")));
        assert_eq!(report["original_rcpto"], json!(["<a@one.example>", "<b@one.example>"]));
        assert_eq!(report["reporting_mta"], json!({"mta_type": "dns", "name": "mail.provider.example"}));
        assert_eq!((&report["incidents"], &report["source_ip"]), (&json!(3), &Value::Null));
        assert_eq!(report["extensions"], json!({"x-more": ["x"]}));
        assert_eq!(report["supplemental_trace"], json!({"recipient": "recip@example.com"}));
        assert!(report["original_message"].as_str().unwrap().contains("Subject: hi"));
        assert_eq!(Report::parse(COMPLAINT.replace("Feedback-Type", "Other").as_bytes()), None);
        assert_eq!(Report::parse(COMPLAINT.replace("report-type", "other").as_bytes()), None);
        for end in 0..COMPLAINT.len() {
            let _ = Report::parse(&COMPLAINT.as_bytes()[..end]);
        }
    }

    #[test]
    fn returned_mail_names_who_did_not_get_it_and_why() {
        let text = "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\
            Content-Type: text/plain\r\n\r\nsorry\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
            Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822;a@one.example\r\nAction: failed\r\n\
            Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such\r\n user\r\n\r\n\
            Final-Recipient: rfc822; b@one.example\r\nAction: delayed\r\nStatus: 4.2.2\r\n\r\n\
            Original-Recipient: rfc822; c@one.example\r\nFinal-Recipient: rfc822; d@one.example\r\nAction: failed\r\n\
            Status: 5.2.2\r\n\r\n--b--\r\n";
        let Some(Report::Undelivered(found)) = Report::parse(text.as_bytes()) else { panic!("nothing") };
        let found: Vec<_> = found.iter().map(|one| format!("{} {}", one.recipient.email(), one.reply)).collect();
        assert_eq!(found, ["a@one.example 550 5.1.1 no such user", "c@one.example 550 5.2.2"]);
    }
}
