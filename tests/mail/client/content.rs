//! What arrives is what was sent.

use std::fmt::Write as _;

use kumo_tsa::mail::smtp::client::After;

use super::{HELLO, Rig, address, fate, send};
use crate::support::smtp::{Answer, Manner, Sink, Step};

#[tokio::test]
async fn a_message_arrives_byte_for_byte() {
    let mut long = b"Subject: long\r\n\r\n".to_vec();
    for line in 0..200_000 {
        long.extend_from_slice(format!("{}line {line}\r\n", if line % 7 == 0 { "." } else { "" }).as_bytes());
    }
    let folded = [b"X-Long: ".to_vec(), vec![b'x'; 900], b"\r\n\tmore\r\n\r\n".to_vec()].concat();
    let sink = Sink::willing().await;
    let rig = Rig::plain();
    let mut session = rig.open(&sink).await.unwrap();
    let messages: [&[u8]; 7] = [
        HELLO,
        b"A: b\r\n\r\n.\r\n..\r\n...\r\n. x\r\n\r\n.\r\n",
        b".starts: with a dot\r\n\r\n",
        "Subject: grüße\r\n\r\nÜbung\r\n".as_bytes(),
        b"A: b\r\n\r\nlatin \xe4\xf6\xfc \x00\xff\r\n",
        &folded,
        &long,
    ];
    for data in messages {
        let delivered = send(&mut session, &["to@example.com"], data).await;
        assert!(fate(&delivered, After::Keep).starts_with("250 2.0.0 OK ids=0-"));
    }
    session.quit().await;
    let mails = sink.mails();
    for (mail, data) in mails.iter().zip(messages) {
        assert!(
            mail.data == data,
            "{} became {}",
            String::from_utf8_lossy(&data[..data.len().min(200)]),
            mail.data.len()
        );
    }
    let sessions = sink.sessions();
    assert_eq!((mails.len(), sessions.len()), (7, 1));
    let resets = sessions[0].lines().iter().filter(|line| **line == "RSET").count();
    assert_eq!(resets, 6, "before the second and each later message");
    assert_eq!(sessions[0].hello, "us.example");
}

#[tokio::test]
async fn large_pieces_without_a_dot_arrive() {
    let sink = Sink::willing().await;
    let mut data = b"A: b\r\n\r\n".to_vec();
    while data.len() < 3_000_000 {
        let line = data.len();
        data.extend_from_slice(format!("{line}\r\n").as_bytes());
    }
    let delivered = Rig::plain().deliver(&sink, &["to@example.com"], &data).await;
    assert_eq!(fate(&delivered, After::Keep), "250 2.0.0 OK ids=0-0");
    assert!(sink.mails()[0].data == data);
}

#[tokio::test]
async fn bare_line_breaks_leave_whole() {
    let sink = Sink::willing().await;
    let smuggled = b"A: b\n\nx\n.\nMAIL FROM:<evil@example.net>\r.\r\nend";
    let delivered = Rig::plain().deliver(&sink, &["to@example.com"], smuggled).await;
    assert_eq!(fate(&delivered, After::Keep), "250 2.0.0 OK ids=0-0");
    let expected = "A: b\r\n\r\nx\r\n.\r\nMAIL FROM:<evil@example.net>\r\n.\r\nend\r\n";
    assert_eq!(sink.mails()[0].text(), expected);
    assert_eq!(sink.count(), 1);
}

#[tokio::test]
async fn what_a_message_needs_is_said_with_its_sender() {
    let sink = Sink::willing().await;
    let rig = Rig::plain();
    let mut session = rig.open(&sink).await.unwrap();
    let delivered = session.deliver(&address("grün@example.org"), &[address("to@example.com")], HELLO).await;
    assert!(delivered.fates[0].1.is_positive());
    for data in ["A: b\r\n\r\nü\r\n", "A: ü\r\n\r\nb\r\n"] {
        let delivered = send(&mut session, &["to@example.com"], data.as_bytes()).await;
        let command = delivered.fates[0].1.command.as_deref();
        assert_eq!((delivered.fates[0].1.code, command), (250, Some(".")));
    }
    let parameters: Vec<_> = sink.mails().iter().map(|mail| mail.parameters.clone()).collect();
    assert_eq!(parameters, ["SIZE=25 SMTPUTF8", "SIZE=12 BODY=8BITMIME", "SIZE=12 BODY=8BITMIME SMTPUTF8"]);
}

#[tokio::test]
async fn what_the_server_cannot_take_bounces() {
    let sink = Sink::with(Manner::default().offering(&["PIPELINING"]), |_| Answer::Usual).await;
    let rig = Rig::plain();
    let mut session = rig.open(&sink).await.unwrap();
    let eight = "A: b\r\n\r\nü\r\n".as_bytes();
    let delivered = send(&mut session, &["to@example.com"], eight).await;
    let why = "mx.example.com (HERE) does not offer";
    assert_eq!(
        fate(&delivered, After::Keep),
        format!("554 5.6.3 KumoMTA internal: the message has 8-bit content, and {why} 8BITMIME")
    );
    let delivered = send(&mut session, &["grün@example.com", "to@example.com"], HELLO).await;
    let refused = "550 5.6.7 KumoMTA internal: `grün@example.com` is an internationalised address, and";
    assert_eq!(super::fates(&delivered), [&format!("{refused} {why} SMTPUTF8"), "250 2.0.0 OK ids=0-0"]);
    let hostile: kumo_tsa::mail::Address = serde_json::from_str(r#""a@b.c>\r\nQUIT""#).unwrap();
    let delivered = session.deliver(&address(""), &[hostile], HELLO).await;
    assert!(fate(&delivered, After::Keep).starts_with("553 5.1.3 KumoMTA internal: "), "{delivered:?}");

    let rig = rig.with("ignore_8bit_checks", true);
    let delivered = rig.deliver(&sink, &["grün@example.com"], eight).await;
    assert_eq!(fate(&delivered, After::Keep), "250 2.0.0 OK ids=1-0");
    assert_eq!(sink.mails()[1].data, eight);
}

#[tokio::test]
async fn commands_go_together_only_where_both_sides_want_it() {
    for (offered, wanted) in [(true, true), (true, false), (false, true)] {
        let manner = Manner::default().offering(if offered { &["PIPELINING"] } else { &[] });
        let sink = Sink::with(manner, |_| Answer::Usual).await;
        let rig = Rig::plain().with("enable_pipelining", wanted);
        let mut session = rig.open(&sink).await.unwrap();
        for _ in 0..2 {
            let delivered = send(&mut session, &["a@example.com", "b@example.com"], HELLO).await;
            assert!(delivered.fates.iter().all(|(_, reply)| reply.code == 250), "{delivered:?}");
        }
        session.quit().await;
        let sessions = sink.sessions();
        let mut shown = String::new();
        for heard in &sessions[0].heard {
            let verb = heard.line.split([' ', ':']).next().unwrap();
            write!(shown, "{verb}{}", if heard.pipelined { "+" } else { " " }).unwrap();
        }
        let expected = if offered && wanted {
            "EHLO MAIL+RCPT+RCPT+DATA RSET+MAIL+RCPT+RCPT+DATA QUIT "
        } else {
            "EHLO MAIL RCPT RCPT DATA RSET MAIL RCPT RCPT DATA QUIT "
        };
        assert_eq!(shown, expected);
    }
}

#[tokio::test]
async fn no_reset_without_need() {
    let sink = Sink::start(|turn| match turn.step {
        Step::Rcpt if turn.line.contains("no") => Answer::say("550 5.1.1 nobody"),
        _ => Answer::Usual,
    })
    .await;
    let rig = Rig::plain().with("enable_rset", false);
    let mut session = rig.open(&sink).await.unwrap();
    for to in ["a@example.com", "b@example.com", "no@example.com", "c@example.com"] {
        let code = send(&mut session, &[to], HELLO).await.fates[0].1.code;
        assert_eq!(code, if to.starts_with("no") { 550 } else { 250 });
    }
    let sessions = sink.sessions();
    let resets: Vec<_> =
        sessions[0].lines().iter().enumerate().filter(|(_, line)| **line == "RSET").map(|(at, _)| at).collect();
    // EHLO, three times MAIL RCPT DATA: only the transaction that was left open is reset.
    assert_eq!(resets, [10]);
}
