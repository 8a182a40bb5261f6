//! STARTTLS in all five modes.

use kumo_tsa::mail::smtp::client::{Stage, trust};
use serde_json::json;

use super::{HELLO, Rig, fates, send};
use crate::support::smtp::{Answer, Manner, Sink, Step, Turn};

const MODES: [&str; 5] = ["Opportunistic", "OpportunisticInsecure", "Required", "RequiredInsecure", "Disabled"];

async fn offering(script: impl Fn(&Turn<'_>) -> Answer + Send + Sync + 'static) -> Sink {
    Sink::with(Manner::default().and_offering(&["STARTTLS"]), script).await
}

/// `tls`, `plain`, or the stage at which the session failed.
async fn outcome(rig: &Rig, sink: &Sink) -> String {
    let mut session = match rig.open(sink).await {
        Ok(session) => session,
        Err(error) => return error.stage.to_string(),
    };
    let delivered = send(&mut session, &["to@example.com"], HELLO).await;
    assert!(delivered.fates[0].1.is_positive(), "{delivered:?}");
    let encrypted = session.tls().is_some();
    session.quit().await;
    assert_eq!(sink.sessions().last().unwrap().encrypted, encrypted);
    if encrypted { "tls" } else { "plain" }.to_owned()
}

async fn by_mode(sink: &Sink, options: &serde_json::Value) -> Vec<String> {
    let mut outcomes = Vec::new();
    for mode in MODES {
        outcomes.push(outcome(&Rig::new(options).with("enable_tls", mode), sink).await);
    }
    outcomes
}

#[tokio::test]
async fn modes_against_servers() {
    let none = json!({});
    let sink = Sink::willing().await;
    assert_eq!(by_mode(&sink, &none).await, ["plain", "plain", "STARTTLS", "STARTTLS", "plain"], "not offered");

    let sink = offering(|_| Answer::Usual).await;
    let expected = ["TLS handshake", "tls", "TLS handshake", "tls", "plain"];
    assert_eq!(by_mode(&sink, &none).await, expected, "self-signed");

    let reconnect = json!({ "opportunistic_tls_reconnect_on_failed_handshake": true });
    let expected = ["plain", "tls", "TLS handshake", "tls", "plain"];
    assert_eq!(by_mode(&sink, &reconnect).await, expected, "self-signed, and once more without");

    for refusal in ["454 4.7.0 not now", "502 5.5.1 never"] {
        let sink = offering(move |turn| match turn.step {
            Step::StartTls => Answer::say(refusal),
            _ => Answer::Usual,
        })
        .await;
        assert_eq!(by_mode(&sink, &none).await, ["plain", "plain", "STARTTLS", "STARTTLS", "plain"], "{refusal}");
    }

    let sink = offering(|turn| match turn.step {
        Step::Handshake => Answer::say("this is no TLS"),
        _ => Answer::Usual,
    })
    .await;
    let failed = ["TLS handshake", "TLS handshake", "TLS handshake", "TLS handshake", "plain"];
    assert_eq!(by_mode(&sink, &none).await, failed, "no TLS");
    let expected = ["plain", "plain", "TLS handshake", "TLS handshake", "plain"];
    assert_eq!(by_mode(&sink, &reconnect).await, expected, "no TLS, and once more without");
}

#[tokio::test]
async fn a_certificate_is_checked_against_the_name() {
    let sink = offering(|_| Answer::Usual).await;
    for mode in ["Opportunistic", "Required"] {
        let mut rig = Rig::new(&json!({ "enable_tls": mode }));
        trust(&rig.host, sink.certificate()).unwrap();
        assert_eq!(outcome(&rig, &sink).await, "tls");
        rig.name = "other.example.com.";
        let error = rig.open(&sink).await.unwrap_err();
        assert!(error.stage == Stage::Handshake && error.to_string().contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn records_tell_of_the_session() {
    let sink = offering(|_| Answer::Usual).await;
    let session = Rig::new(&json!({ "enable_tls": "RequiredInsecure" })).open(&sink).await.unwrap();
    let tls = session.tls().unwrap();
    assert_eq!((tls.version.as_str(), tls.cipher.starts_with("TLS13_")), ("TLSv1.3", true));
    assert_eq!(tls.peer_subject, ["CN=rcgen self signed cert"]);
    assert_eq!((session.peer().name.as_str(), session.peer().address), ("mx.example.com.", sink.address()));
    assert_eq!(session.local(), sink.sessions()[0].peer);
    session.quit().await;
    assert_eq!(sink.sessions()[0].lines(), ["EHLO us.example", "STARTTLS", "EHLO us.example", "QUIT"]);
}

#[tokio::test(start_paused = true)]
async fn broken_tls_is_remembered_for_a_while() {
    let sink = offering(|turn| match turn.step {
        Step::Handshake => Answer::Close,
        _ => Answer::Usual,
    })
    .await;
    let rig = Rig::new(&json!({ "enable_tls": "OpportunisticInsecure", "remember_broken_tls": "1h" }));
    assert_eq!(outcome(&rig, &sink).await, "TLS handshake");
    assert_eq!(outcome(&rig, &sink).await, "plain");
    tokio::time::advance(std::time::Duration::from_mins(61)).await;
    assert_eq!(outcome(&rig, &sink).await, "TLS handshake");
    let rig = rig.with("enable_tls", "RequiredInsecure");
    assert_eq!(outcome(&rig, &sink).await, "TLS handshake", "what is required stays so");
}

#[tokio::test]
async fn what_is_said_ahead_of_tls_is_not_believed() {
    let sink = offering(|turn| match turn.step {
        Step::StartTls => Answer::Raw(b"220 go ahead\r\n250 evil.example\r\n".to_vec()),
        _ => Answer::Usual,
    })
    .await;
    for mode in ["OpportunisticInsecure", "RequiredInsecure"] {
        assert_eq!(outcome(&Rig::new(&json!({ "enable_tls": mode })), &sink).await, "STARTTLS");
    }
}

#[tokio::test]
async fn a_421_to_starttls_ends_the_session() {
    let sink = offering(|turn| match turn.step {
        Step::StartTls => Answer::say("421 4.3.2 going down"),
        _ => Answer::Usual,
    })
    .await;
    let error = Rig::new(&json!({})).open(&sink).await.unwrap_err();
    assert!(error.is_421() && error.stage == Stage::StartTls);
}

#[tokio::test]
async fn a_large_message_goes_through_tls() {
    let sink = offering(|_| Answer::Usual).await;
    let data = [b"A: b\r\n\r\n".to_vec(), b"..some lines\r\n.x\r\n\r\n".repeat(100_000)].concat();
    let rig = Rig::new(&json!({ "enable_tls": "RequiredInsecure" }));
    let delivered = rig.deliver(&sink, &["to@example.com"], &data).await;
    assert_eq!(fates(&delivered), ["250 2.0.0 OK ids=0-0"]);
    assert!(sink.mails()[0].data == data);
}

#[tokio::test]
async fn a_server_that_asks_is_shown_a_certificate() {
    let mut manner = Manner::default().and_offering(&["STARTTLS"]);
    manner.asks_who = true;
    let sink = Sink::with(manner, |_| Answer::Usual).await;
    let mut rig = Rig::new(&json!({ "enable_tls": "RequiredInsecure" }));
    let made = rcgen::generate_simple_self_signed(vec!["us.example".to_owned()]).unwrap();
    rig.identity = Some((made.cert.pem(), made.signing_key.serialize_pem()));
    assert_eq!(outcome(&rig, &sink).await, "tls");
    assert_eq!(sink.sessions()[0].certificate.as_deref(), Some(made.cert.der().as_ref()));
    rig.identity = None;
    assert_eq!(outcome(&rig, &sink).await, "tls");
    assert_eq!(sink.sessions()[1].certificate, None);
    rig.identity = Some(("nothing".to_owned(), "nothing".to_owned()));
    let error = rig.open(&sink).await.unwrap_err().to_string();
    assert!(
        error.ends_with("connect: field `tls_certificate`: there is no certificate in it; expected PEM"),
        "{error}"
    );
}
