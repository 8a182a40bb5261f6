use kumo_tsa_core::wire::Record as Parsed;
use serde_json::json;

use super::*;
use crate::mail::log::{Peer, Tls};
use crate::mail::message::Message;

fn circumstances() -> Circumstances {
    Circumstances {
        node: Uuid::from_u128(9),
        now: Time::from_micros(1_769_860_800_123_456),
        class: None,
        reception_protocol: Some("ESMTP".to_owned()),
        feedback: None,
    }
}

fn message(recipients: &[&str]) -> Message {
    let to = recipients.iter().map(|text| Address::parse(text).unwrap()).collect();
    let message = Message::new(
        Address::parse("me@sender.example").unwrap(),
        to,
        "Subject: x\r\n\r\nhi\r\n",
        Time::from_secs(1_769_860_000),
    );
    message.set_meta("tenant", json!("t"));
    message
}

fn attempt() -> Attempt {
    Attempt {
        site: "ip1->mx.example.com@smtp_client".to_owned(),
        peer: Some(Peer { name: "mx.example.com".to_owned(), address: "192.0.2.1:25".parse().unwrap() }),
        pool: Some("pool".to_owned()),
        source: Some("ip1".to_owned()),
        source_address: Some("192.0.2.9:4711".parse().unwrap()),
        protocol: Some("ESMTP".to_owned()),
        tls: Some(Tls { cipher: "C".to_owned(), version: "TLSv1.3".to_owned(), peer_subject: vec!["CN=x".to_owned()] }),
        provider: Some("big".to_owned()),
        session: Some(Uuid::from_u128(3)),
    }
}

fn written(record: &Record, captured: &Captured) -> Value {
    let text = serde_json::to_string(&record.row(captured)).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn all_that_is_known_stands_in_its_field() {
    let message = message(&["to@example.com"]);
    let reply = Reply::new(421, "4.7.0 later\nplease").answering("RCPT TO:<to@example.com>");
    let entry = Entry {
        kind: Kind::TransientFailure,
        message: &message,
        recipients: None,
        reply,
        attempt: attempt(),
        queue: None,
    };
    let record = Record::new(entry, circumstances());
    let captured = Captured { meta: json!({"a": 1}).as_object().unwrap().clone(), headers: Map::new() };
    assert_eq!(
        written(&record, &captured),
        json!({
            "type": "TransientFailure", "id": message.id().to_string(), "sender": "me@sender.example",
            "recipient": "to@example.com", "queue": "t@example.com", "site": "ip1->mx.example.com@smtp_client",
            "size": 18,
            "response": {"code": 421, "enhanced_code": {"class": 4, "subject": 7, "detail": 0},
                         "content": "later\nplease", "command": "RCPT TO:<to@example.com>"},
            "peer_address": {"name": "mx.example.com", "addr": "192.0.2.1"},
            "timestamp": 1_769_860_800, "event_time": "2026-01-31T12:00:00.123456Z",
            "created": 1_769_860_000, "created_time": "2026-01-31T11:46:40Z", "num_attempts": 0,
            "bounce_classification": "Uncategorized", "egress_pool": "pool", "egress_source": "ip1",
            "source_address": {"address": "192.0.2.9:4711"}, "feedback_report": null, "meta": {"a": 1}, "headers": {},
            "delivery_protocol": "ESMTP", "reception_protocol": "ESMTP", "nodeid": Uuid::from_u128(9).to_string(),
            "tls_cipher": "C", "tls_protocol_version": "TLSv1.3", "tls_peer_subject_name": ["CN=x"],
            "provider_name": "big", "session_id": Uuid::from_u128(3).to_string(),
        })
    );
}

#[test]
fn what_is_not_known_is_null_or_left_out() {
    let message = message(&["a@example.com", "b@example.org"]);
    let entry = Entry {
        kind: Kind::Reception,
        message: &message,
        recipients: None,
        reply: Reply::new(250, ""),
        attempt: Attempt::default(),
        queue: None,
    };
    let value = written(&Record::new(entry, circumstances()), &Captured::default());
    assert_eq!(value["recipient"], json!(["a@example.com", "b@example.org"]));
    for name in
        ["peer_address", "egress_pool", "egress_source", "source_address", "feedback_report", "delivery_protocol"]
    {
        assert_eq!(value.get(name), Some(&Value::Null), "{name}");
    }
    for name in ["tls_cipher", "tls_protocol_version", "tls_peer_subject_name", "provider_name", "session_id"] {
        assert_eq!(value.get(name), None, "{name}");
    }
}

#[test]
fn the_daemon_reads_what_is_written() {
    let message = message(&["a@example.com", "b@example.org"]);
    let nobody = Message::new(Address::null(), Vec::new(), "", Time::from_secs(1));
    for kind in [Kind::Reception, Kind::Delivery, Kind::Bounce, Kind::Oob, Kind::Rejection, Kind::XferIn] {
        let message = if kind == Kind::Rejection { &nobody } else { &message };
        let reply = Reply::new(550, "5.1.1 no such user");
        let entry = Entry { kind, message, recipients: None, reply: reply.clone(), attempt: attempt(), queue: None };
        let record = Record::new(entry, circumstances());
        let text = serde_json::to_string(&record.row(&Captured::default())).unwrap();
        let parsed = Parsed::parse(text.as_bytes()).unwrap();
        assert_eq!(parsed.kind, kind);
        assert_eq!(parsed.one_line(), reply.to_string());
        assert_eq!(parsed.time(), circumstances().now);
        assert_eq!(parsed.site, "ip1->mx.example.com@smtp_client");
        assert_eq!(parsed.session_id.as_deref(), Some(Uuid::from_u128(3).to_string().as_str()));
        let expected = if kind == Kind::Rejection { String::new() } else { message.id().to_string() };
        assert_eq!(parsed.id, expected);
    }
}
