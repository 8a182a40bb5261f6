//! Recipients of one transaction with fates of their own; LMTP.

use kumo_tsa::mail::smtp::client::After;

use super::{HELLO, Rig, address, addresses, fates, send};
use crate::support::smtp::{Answer, Manner, Sink, Step, Turn};

/// Refuses by the name of the recipient.
fn picky(turn: &Turn<'_>) -> Answer {
    match turn.step {
        Step::Rcpt if turn.line.contains("nobody") => Answer::say("550 5.1.1 no such user"),
        Step::Rcpt if turn.line.contains("later") => Answer::say("450-4.2.1 greylisted\n450 4.2.1 come back"),
        _ => Answer::Usual,
    }
}

#[tokio::test]
async fn each_recipient_has_its_own_answer() {
    for pipelining in [true, false] {
        let sink = Sink::start(picky).await;
        let rig = Rig::plain().with("enable_pipelining", pipelining);
        let mut session = rig.open(&sink).await.unwrap();
        let to = ["nobody@example.com", "a@example.com", "later@example.com", "b@example.com"];
        let delivered = send(&mut session, &to, HELLO).await;
        let expected = [
            "550 5.1.1 no such user",
            "250 2.0.0 OK ids=0-0",
            "450 4.2.1 greylisted come back",
            "250 2.0.0 OK ids=0-0",
        ];
        assert_eq!(fates(&delivered), expected);
        assert_eq!(delivered.fates[2].1.command.as_deref(), Some("RCPT TO:<later@example.com>"));
        assert_eq!(delivered.fates.iter().map(|(to, _)| to.email()).collect::<Vec<_>>(), to);

        let delivered = send(&mut session, &["later@example.com", "nobody@example.com"], HELLO).await;
        assert_eq!(fates(&delivered), ["450 4.2.1 greylisted come back", "550 5.1.1 no such user"]);
        let delivered = send(&mut session, &["c@example.com"], HELLO).await;
        assert_eq!((fates(&delivered), delivered.after), (vec!["250 2.0.0 OK ids=0-1".to_owned()], After::Keep));
        assert_eq!(sink.mails()[0].recipients, ["a@example.com", "b@example.com"]);
        assert_eq!(sink.count(), 2);
    }
}

#[tokio::test]
async fn a_server_that_wants_a_message_for_nobody_gets_none() {
    let sink = Sink::start(|turn| match turn.step {
        Step::Mail if turn.nth == 0 => Answer::say("550 5.7.1 not you"),
        Step::Rcpt if turn.nth < 2 => Answer::say("550 5.1.1 nobody"),
        Step::Data => Answer::say("354 go on"),
        Step::Body if turn.nth < 2 => Answer::say("554 5.5.1 no valid recipients"),
        _ => Answer::Usual,
    })
    .await;
    let mut session = Rig::plain().open(&sink).await.unwrap();
    for expected in ["550 5.7.1 not you", "550 5.1.1 nobody", "250 2.0.0 OK ids=0-2"] {
        let delivered = send(&mut session, &["to@example.com"], HELLO).await;
        assert_eq!((fates(&delivered), delivered.after), (vec![expected.to_owned()], After::Keep));
    }
    assert_eq!(sink.mails().len(), 1);
    assert_eq!(sink.mails()[0].data, HELLO);
}

#[tokio::test]
async fn many_recipients_go_in_several_flights() {
    let names: Vec<_> =
        (0..250).map(|n| format!("{}{n}@example.com", if n % 10 == 3 { "nobody" } else { "to" })).collect();
    let to: Vec<_> = names.iter().map(String::as_str).collect();
    let sink = Sink::start(picky).await;
    let delivered = Rig::plain().deliver(&sink, &to, HELLO).await;
    for (number, (to, reply)) in delivered.fates.iter().enumerate() {
        assert_eq!(reply.code, if number % 10 == 3 { 550 } else { 250 }, "{to}");
    }
    assert_eq!(sink.mails()[0].recipients.len(), 225);

    let sink = Sink::answering(Step::Mail, Answer::say("451 4.7.1 not now")).await;
    let delivered = Rig::plain().deliver(&sink, &to, HELLO).await;
    assert!(fates(&delivered).iter().all(|fate| fate == "451 4.7.1 not now"));
    let sessions = sink.sessions();
    let asked = sessions[0].lines().iter().filter(|line| line.starts_with("RCPT")).count();
    assert_eq!((asked, sessions[0].lines().contains(&"DATA")), (100, false), "no more once the sender was refused");
}

#[tokio::test]
async fn lmtp_answers_for_each_recipient() {
    let sink = Sink::start(|turn| match turn.step {
        Step::Body if turn.line.contains("full") => Answer::say("452 4.2.2 over quota"),
        Step::Body if turn.line.contains("gone") => Answer::say("550 5.2.1 gone"),
        Step::Ehlo | Step::Helo => Answer::say("500 5.5.1 this is LMTP"),
        _ => picky(turn),
    })
    .await;
    let rig = Rig::plain().with("use_lmtp", true);
    let mut session = rig.open(&sink).await.unwrap();
    assert_eq!(session.protocol(), "LMTP");
    let to = ["a@example.com", "full@example.com", "nobody@example.com", "gone@example.com"];
    let delivered = send(&mut session, &to, HELLO).await;
    let expected = ["250 2.0.0 OK ids=0-0", "452 4.2.2 over quota", "550 5.1.1 no such user", "550 5.2.1 gone"];
    assert_eq!((fates(&delivered), delivered.after), (expected.map(ToOwned::to_owned).into(), After::Keep));
    let delivered = send(&mut session, &["b@example.com"], HELLO).await;
    assert_eq!(delivered.fates[0].1.code, 250);
}

#[tokio::test]
async fn the_end_of_an_lmtp_session_leaves_what_was_answered() {
    let sink = Sink::start(|turn| match (turn.step, turn.nth) {
        (Step::Body, 1) => Answer::say("421 4.3.2 going down"),
        _ => Answer::Usual,
    })
    .await;
    let rig = Rig::plain().with("use_lmtp", true);
    let mut session = rig.open(&sink).await.unwrap();
    let to = addresses(&["a@example.com", "b@example.com", "c@example.com"]);
    let delivered = session.deliver(&address(""), &to, HELLO).await;
    let expected = ["250 2.0.0 OK ids=0-0", "421 4.3.2 going down", "421 4.3.2 going down"];
    assert_eq!((fates(&delivered), delivered.after), (expected.map(ToOwned::to_owned).into(), After::Closed));
    assert!(sink.sessions()[0].lines().contains(&"MAIL FROM:<> SIZE=25"));
}

#[tokio::test]
async fn helo_where_ehlo_is_not_known() {
    let sink = Sink::answering(Step::Ehlo, Answer::say("502 5.5.1 what is that")).await;
    let delivered = Rig::plain().deliver(&sink, &["to@example.com"], HELLO).await;
    assert_eq!(fates(&delivered), ["250 2.0.0 OK ids=0-0"]);
    assert_eq!(sink.sessions()[0].lines()[..3], ["EHLO us.example", "HELO us.example", "MAIL FROM:<from@example.org>"]);
    let manner = Manner::default();
    assert!(manner.extensions.iter().any(|extension| extension == "PIPELINING"));
}
