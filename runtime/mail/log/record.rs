//! A log record as it is written: one JSON object (interface C.6).

use std::borrow::Cow;
use std::net::IpAddr;

use kumo_tsa_core::wire::{Kind, PathName, Time, is_internal, one_line};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::outcome::Outcome;
use super::{Attempt, Entry};
use crate::mail::address::Address;
use crate::mail::message::MessageId;
use crate::mail::reply::Reply;
use crate::shaping::Handle;

/// What a class of bounces is called when there is none.
pub(super) const UNCATEGORIZED: &str = "Uncategorized";

/// All that every record of an entry says, whoever it is written for; what is captured of meta and headers varies.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) kind: Kind,
    id: Option<MessageId>,
    sender: Address,
    pub(super) recipients: Vec<Address>,
    queue: String,
    pub(super) site: String,
    size: usize,
    reply: Reply,
    at: Time,
    created: Time,
    attempts: u16,
    class: Cow<'static, str>,
    attempt: Attempt,
    reception_protocol: Option<String>,
    feedback: Option<Value>,
    node: Uuid,
}

/// What a record says that its entry does not.
pub(super) struct Circumstances {
    pub(super) node: Uuid,
    pub(super) now: Time,
    pub(super) class: Option<String>,
    pub(super) reception_protocol: Option<String>,
    pub(super) feedback: Option<Value>,
}

impl Record {
    pub(super) fn new(entry: Entry<'_>, circumstances: Circumstances) -> Self {
        let Entry { kind, message, recipients, reply, attempt, queue } = entry;
        // What the server refuses is no message yet.
        let refused = kind == Kind::Rejection;
        let queue = match queue {
            Some(name) => name.to_owned(),
            None if refused => String::new(),
            None => message.queue_name().unwrap_or_default(),
        };
        Self {
            kind,
            id: (!refused).then(|| message.id()),
            sender: message.sender(),
            recipients: recipients.map_or_else(|| message.recipients(), <[Address]>::to_vec),
            queue,
            site: attempt.site.clone(),
            size: message.size(),
            reply,
            at: circumstances.now,
            created: message.created(),
            attempts: message.num_attempts(),
            class: circumstances.class.map_or(Cow::Borrowed(UNCATEGORIZED), Cow::Owned),
            attempt,
            reception_protocol: circumstances.reception_protocol,
            feedback: circumstances.feedback,
            node: circumstances.node,
        }
    }

    /// What one that watches is told.
    pub(super) fn outcome(&self) -> Outcome {
        Outcome {
            kind: self.kind,
            id: self.id.map_or_else(String::new, |id| id.to_string()),
            recipients: self.recipients.len(),
            queue: self.queue.clone(),
            site: self.site.clone(),
            reply: self.reply.clone(),
            at: self.at,
            created: self.created,
            session: self.attempt.session,
        }
    }

    /// Who sent the message.
    pub(super) fn sender(&self) -> &Address {
        &self.sender
    }

    /// How the message came in.
    pub(super) fn reception_protocol(&self) -> Option<&str> {
        self.reception_protocol.as_deref()
    }

    /// Whether a rule may match it.
    pub(super) fn may_match(&self, rules: &Handle) -> bool {
        let Reply { code, enhanced_code, content, .. } = &self.reply;
        let site = PathName::parse(&self.site, self.attempt.source.as_deref()).site;
        let text = one_line(*code, *enhanced_code, content);
        rules.may_match(self.recipients.iter().map(Address::domain), site, &text, is_internal(content))
    }

    /// What is written, with what was captured of the message.
    pub(super) fn row<'a>(&'a self, captured: &'a Captured) -> Row<'a> {
        let Attempt { site: _, peer, pool, source, source_address, protocol, tls, provider, session } = &self.attempt;
        Row {
            kind: self.kind,
            id: self.id.map_or_else(String::new, |id| id.to_string()),
            sender: self.sender.email(),
            recipient: match self.recipients.as_slice() {
                [] => OneOrMany::One(""),
                [one] => OneOrMany::One(one.email()),
                many => OneOrMany::Many(many),
            },
            queue: &self.queue,
            site: &self.site,
            size: self.size,
            response: &self.reply,
            peer_address: peer.as_ref().map(|peer| PeerRow { name: &peer.name, addr: peer.address.ip() }),
            timestamp: self.at.micros().div_euclid(1_000_000),
            event_time: self.at,
            created: self.created.micros().div_euclid(1_000_000),
            created_time: self.created,
            num_attempts: self.attempts,
            bounce_classification: &self.class,
            egress_pool: pool.as_deref(),
            egress_source: source.as_deref(),
            source_address: source_address.map(|address| SourceRow { address: address.to_string() }),
            feedback_report: self.feedback.as_ref(),
            meta: &captured.meta,
            headers: &captured.headers,
            delivery_protocol: protocol.as_deref(),
            reception_protocol: self.reception_protocol.as_deref(),
            nodeid: self.node,
            tls_cipher: tls.as_ref().map(|tls| tls.cipher.as_str()),
            tls_protocol_version: tls.as_ref().map(|tls| tls.version.as_str()),
            tls_peer_subject_name: tls.as_ref().map(|tls| tls.peer_subject.as_slice()).filter(|list| !list.is_empty()),
            provider_name: provider.as_deref(),
            session_id: *session,
        }
    }
}

/// What a record carries of a message's meta and headers.
#[derive(Clone, Debug, Default)]
pub(super) struct Captured {
    pub(super) meta: Map<String, Value>,
    pub(super) headers: Map<String, Value>,
}

/// One line of a log. The fields without a comment are those of interface C.6.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    #[serde(rename = "type")]
    kind: Kind,
    id: String,
    sender: &'a str,
    recipient: OneOrMany<'a>,
    queue: &'a str,
    site: &'a str,
    size: usize,
    response: &'a Reply,
    peer_address: Option<PeerRow<'a>>,
    timestamp: i64,
    event_time: Time,
    created: i64,
    created_time: Time,
    num_attempts: u16,
    bounce_classification: &'a str,
    egress_pool: Option<&'a str>,
    egress_source: Option<&'a str>,
    source_address: Option<SourceRow>,
    feedback_report: Option<&'a Value>,
    meta: &'a Map<String, Value>,
    headers: &'a Map<String, Value>,
    delivery_protocol: Option<&'a str>,
    reception_protocol: Option<&'a str>,
    nodeid: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_cipher: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_protocol_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_peer_subject_name: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<Uuid>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum OneOrMany<'a> {
    One(&'a str),
    Many(&'a [Address]),
}

#[derive(Serialize)]
struct PeerRow<'a> {
    name: &'a str,
    addr: IpAddr,
}

#[derive(Serialize)]
struct SourceRow {
    address: String,
}

#[cfg(test)]
mod tests;
