//! AUTH PLAIN, and when it is not done.

use kumo_tsa::mail::smtp::client::Stage;
use serde_json::{Value, json};

use super::{HELLO, Rig};
use crate::support::smtp::{Answer, Manner, Sink, Step};

fn rig(mode: &str, options: &Value) -> Rig {
    let mut rig = Rig::new(options).with("enable_tls", mode).with("smtp_auth_plain_username", "me");
    rig.password = Some("se\u{df}cret".to_owned());
    rig
}

fn manner() -> Manner {
    Manner::default().and_offering(&["STARTTLS", "AUTH LOGIN PLAIN"])
}

#[tokio::test]
async fn who_is_told_what() {
    let sink = Sink::with(manner(), |_| Answer::Usual).await;
    let (clear, unchecked) = ("allow_smtp_auth_plain_without_tls", "allow_smtp_auth_plain_without_valid_certificate");
    for (mode, options, works) in [
        ("Disabled", json!({}), false),
        ("Disabled", json!({ unchecked: true }), false),
        ("Disabled", json!({ clear: true }), true),
        ("RequiredInsecure", json!({}), false),
        ("RequiredInsecure", json!({ clear: true }), false),
        ("RequiredInsecure", json!({ unchecked: true }), true),
        ("Required", json!({}), true),
    ] {
        let rig = rig(mode, &options);
        kumo_tsa::mail::smtp::client::trust(&rig.host, sink.certificate()).unwrap();
        let outcome = rig.open(&sink).await;
        let heard = sink.sessions().last().unwrap().credentials.clone();
        if works {
            outcome.unwrap().quit().await;
            assert_eq!(heard.as_deref(), Some("\0me\0se\u{df}cret".as_bytes()), "{mode} {options}");
        } else {
            let error = outcome.unwrap_err();
            assert_eq!((error.stage, error.reply().code, heard), (Stage::Auth, 400, None), "{mode} {options}");
        }
    }
}

#[tokio::test]
async fn a_refusal_shows_no_secret() {
    let sink = Sink::with(manner(), |turn| match turn.step {
        Step::Auth => Answer::say("535 5.7.8 who are you"),
        _ => Answer::Usual,
    })
    .await;
    let rig = rig("Disabled", &json!({ "allow_smtp_auth_plain_without_tls": true }));
    let error = rig.open(&sink).await.unwrap_err();
    let reply = error.reply();
    assert_eq!((reply.code, reply.command.as_deref(), error.stage), (535, Some("AUTH PLAIN"), Stage::Auth));
}

#[tokio::test]
async fn it_has_to_be_offered() {
    let sink = Sink::with(Manner::default().and_offering(&["AUTH LOGIN"]), |_| Answer::Usual).await;
    let rig = rig("Disabled", &json!({ "allow_smtp_auth_plain_without_tls": true }));
    let error = rig.open(&sink).await.unwrap_err();
    assert!(error.to_string().ends_with("AUTH: the path wants AUTH PLAIN, and the peer does not offer it"), "{error}");
    let sink = Sink::willing().await;
    let delivered = Rig::plain().deliver(&sink, &["to@example.com"], HELLO).await;
    assert!(delivered.fates[0].1.is_positive() && sink.sessions()[0].credentials.is_none());
}
