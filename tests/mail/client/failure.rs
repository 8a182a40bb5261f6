//! Refusals, 421, silence, nonsense and closing, in every state.

use std::time::Duration;

use kumo_tsa::mail::smtp::client::{After, Endpoint, Stage, Trouble, Why};
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use super::{HELLO, Rig, fate, fates, send, shown};
use crate::support::smtp::{Answer, Manner, Sink, Step};

const PREFIX: &str = "400 KumoMTA internal: failed to send message to mx.example.com (HERE): ";

/// What a command is called where it failed.
fn command(step: Step) -> &'static str {
    match step {
        Step::Mail => "MAIL FROM:<from@example.org> SIZE=25",
        Step::Rcpt => "RCPT TO:<to@example.com>",
        Step::Data => "DATA",
        Step::Rset => "RSET",
        _ => ".",
    }
}

#[tokio::test]
async fn a_refusal_in_any_state_is_the_recipients_fate() {
    for pipelining in [true, false] {
        for step in [Step::Mail, Step::Rcpt, Step::Data, Step::Body] {
            for text in ["450 4.7.1 wait", "550 5.7.1 never", "503 5.5.1 lost count"] {
                let sink =
                    Sink::start(
                        move |turn| {
                            if turn.step == step && turn.nth == 0 { Answer::say(text) } else { Answer::Usual }
                        },
                    )
                    .await;
                let rig = Rig::plain().with("enable_pipelining", pipelining);
                let mut session = rig.open(&sink).await.unwrap();
                let delivered = send(&mut session, &["to@example.com"], HELLO).await;
                assert_eq!(fate(&delivered, After::Keep), text, "{step:?}");
                assert_eq!(delivered.fates[0].1.command.as_deref(), Some(command(step)));
                let delivered = send(&mut session, &["to@example.com"], HELLO).await;
                assert_eq!(fate(&delivered, After::Keep)[..3], *"250", "the session goes on after {step:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_421_in_any_state_ends_the_session() {
    for pipelining in [true, false] {
        for step in [Step::Mail, Step::Rcpt, Step::Data, Step::Body, Step::Rset] {
            let sink = Sink::answering(step, Answer::say("421 4.7.0 [TSS04] deferred")).await;
            let rig = Rig::plain().with("enable_pipelining", pipelining);
            let mut session = rig.open(&sink).await.unwrap();
            let mut delivered = send(&mut session, &["to@example.com"], HELLO).await;
            if step == Step::Rset {
                assert_eq!(fate(&delivered, After::Keep)[..3], *"250");
                delivered = send(&mut session, &["to@example.com"], HELLO).await;
            }
            assert_eq!(fate(&delivered, After::Closed), "421 4.7.0 [TSS04] deferred", "{step:?}");
            assert_eq!(delivered.fates[0].1.command.as_deref(), Some(command(step)));
            assert!(!session.is_usable() && !delivered.untried);
            let again = send(&mut session, &["to@example.com"], HELLO).await;
            assert!(fate(&again, After::Closed).starts_with("400 KumoMTA internal: "));
        }
    }
}

#[tokio::test]
async fn a_421_leaves_earlier_answers() {
    let sink = Sink::start(|turn| match (turn.step, turn.nth) {
        (Step::Rcpt, 0) => Answer::say("550 5.1.1 nobody"),
        (Step::Rcpt, 2) => Answer::say("421 4.7.0 too many"),
        _ => Answer::Usual,
    })
    .await;
    let to = ["a@example.com", "b@example.com", "c@example.com", "d@example.com"];
    let delivered = Rig::plain().deliver(&sink, &to, HELLO).await;
    assert_eq!(
        fates(&delivered),
        ["550 5.1.1 nobody", "421 4.7.0 too many", "421 4.7.0 too many", "421 4.7.0 too many"]
    );
}

#[tokio::test]
async fn closing_in_any_state_is_told() {
    for pipelining in [true, false] {
        for step in [Step::Mail, Step::Rcpt, Step::Data, Step::Body] {
            let sink = Sink::answering(step, Answer::Close).await;
            let rig = Rig::plain().with("enable_pipelining", pipelining);
            let mut session = rig.open(&sink).await.unwrap();
            let delivered = send(&mut session, &["to@example.com"], HELLO).await;
            let text = fate(&delivered, After::Closed);
            let closed = format!("{PREFIX}{}: the peer closed the connection", command(step));
            let reset = format!("{PREFIX}{}: Connection reset by peer", command(step));
            assert!(text == closed || text.starts_with(&reset), "{step:?}: {text}");
            assert!(!delivered.untried);
        }
    }
}

#[tokio::test]
async fn nonsense_in_any_state_ends_the_session() {
    let endless = b"250-and so on\r\n".repeat(10_000);
    let nonsense: [(&[u8], &str); 5] = [
        (b"HTTP/1.1 400 Bad Request\r\n", "\"HTTP/1.1 400 Bad Request\" is no SMTP reply"),
        (b"250-a\r\n251 b\r\n", "\"251 b\" is no SMTP reply"),
        (b"\xff\xfe\r\n", "\"\u{fffd}\u{fffd}\" is no SMTP reply"),
        (b"334 what\r\n", "`334 what` is no answer to it"),
        (&endless, "a reply that is longer than any"),
    ];
    for step in [Step::Mail, Step::Rcpt, Step::Data, Step::Body] {
        for (bytes, why) in nonsense {
            let sink = Sink::answering(step, Answer::Raw(bytes.to_vec())).await;
            let mut session = Rig::plain().open(&sink).await.unwrap();
            let delivered = send(&mut session, &["to@example.com"], HELLO).await;
            assert_eq!(fate(&delivered, After::Closed), format!("{PREFIX}{}: {why}", command(step)), "{step:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_state_has_its_own_timeout() {
    let options = json!({
        "enable_tls": "OpportunisticInsecure",
        "banner_timeout": "11s", "ehlo_timeout": "12s", "starttls_timeout": "13s", "auth_timeout": "14s",
        "mail_from_timeout": "15s", "rcpt_to_timeout": "16s", "data_timeout": "17s", "data_dot_timeout": "18s",
        "rset_timeout": "19s", "smtp_auth_plain_username": "me",
        "allow_smtp_auth_plain_without_valid_certificate": true,
    });
    let opening = [
        (Step::Banner, Stage::Banner, 11),
        (Step::Ehlo, Stage::Hello, 12),
        (Step::StartTls, Stage::StartTls, 13),
        (Step::Handshake, Stage::Handshake, 13),
        (Step::Auth, Stage::Auth, 14),
    ];
    let manner = || Manner::default().and_offering(&["STARTTLS", "AUTH LOGIN PLAIN"]);
    let silent = |step| {
        Sink::with(manner(), move |turn| {
            let silent = turn.step == step && (step != Step::Rset || turn.nth > 0);
            if silent { Answer::Silence } else { Answer::Usual }
        })
    };
    for (step, stage, secs) in opening {
        let sink = silent(step).await;
        let began = Instant::now();
        let error = Rig::new(&options).open(&sink).await.unwrap_err();
        assert_eq!((error.stage, began.elapsed().as_secs()), (stage, secs), "{step:?}");
        let text = format!("failed to connect to mx.example.com (HERE): {stage}: no answer within {secs}s");
        assert_eq!(shown(&error.reply()), format!("400 KumoMTA internal: {text}"));
    }
    let steps = [(Step::Mail, 15), (Step::Rcpt, 16), (Step::Data, 17), (Step::Body, 18), (Step::Rset, 19)];
    for pipelining in [true, false] {
        for (step, secs) in steps {
            let sink = silent(step).await;
            let rig = Rig::new(&options).with("enable_pipelining", pipelining);
            let mut session = rig.open(&sink).await.unwrap();
            if step == Step::Rset {
                send(&mut session, &["to@example.com"], HELLO).await.fates.clear();
                send(&mut session, &["to@example.com"], HELLO).await.fates.clear();
            }
            let began = Instant::now();
            let delivered = send(&mut session, &["to@example.com"], HELLO).await;
            assert_eq!(began.elapsed().as_secs(), secs, "{step:?}");
            let text = format!("{PREFIX}{}: no answer within {secs}s", command(step));
            assert_eq!(fate(&delivered, After::Closed), text);
            assert_eq!(delivered.untried, step == Step::Rset);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_no_more_of_a_message_is_left() {
    // It says nothing to DATA's content and reads none of it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 x\r\n").await.unwrap();
        let mut buffer = [0; 1024];
        for answer in ["250 x\r\n", "250 x\r\n", "250 x\r\n", "354 x\r\n"] {
            let _ = stream.read(&mut buffer).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        std::future::pending::<()>().await;
        drop(stream);
    });
    let rig = Rig::plain().with("data_timeout", "20s");
    let mut session = rig.open_at(Endpoint { name: "mx.example.com.".to_owned(), address }).await.unwrap();
    let began = Instant::now();
    let delivered = send(&mut session, &["to@example.com"], &vec![b'x'; 50_000_000]).await;
    assert_eq!(fate(&delivered, After::Closed), format!("{PREFIX}.: no answer within 20s"));
    assert_eq!(began.elapsed().as_secs(), 21);
}

#[tokio::test]
async fn what_is_said_amid_a_message_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 x\r\n").await.unwrap();
        let mut buffer = [0; 1024];
        for answer in ["250 x\r\n", "250 x\r\n", "250 x\r\n", "354 x\r\n552 5.3.4 too large\r\n"] {
            let _ = stream.read(&mut buffer).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        let _ = stream.read(&mut buffer).await;
    });
    let mut session = Rig::plain().open_at(Endpoint { name: "mx.example.com.".to_owned(), address }).await.unwrap();
    let delivered = send(&mut session, &["to@example.com"], &vec![b'x'; 50_000_000]).await;
    assert_eq!(fates(&delivered), ["552 5.3.4 too large"]);
}

#[tokio::test]
async fn refusals_while_a_session_opens() {
    for (step, text, stage) in [
        (Step::Banner, "554 5.7.1 you are listed", Stage::Banner),
        (Step::Banner, "421 4.7.0 [TSS04] busy", Stage::Banner),
        (Step::Ehlo, "421 4.7.0 busy", Stage::Hello),
        (Step::Ehlo, "451 4.7.0 later", Stage::Hello),
    ] {
        let sink = Sink::answering(step, Answer::say(text)).await;
        let error = Rig::plain().open(&sink).await.unwrap_err();
        assert_eq!((error.stage, error.reply().to_string().as_str()), (stage, text));
        assert_eq!(error.is_421(), text.starts_with("421"));
        assert!(error.said().is_some());
    }
    let sink = Sink::start(|turn| match turn.step {
        Step::Ehlo | Step::Helo => Answer::say("550 5.7.1 not you"),
        _ => Answer::Usual,
    })
    .await;
    let error = Rig::plain().open(&sink).await.unwrap_err();
    assert_eq!(error.reply().command.as_deref(), Some("HELO us.example"));
    for (step, stage) in [(Step::Banner, Stage::Banner), (Step::Ehlo, Stage::Hello)] {
        for (answer, why) in [
            (Answer::Close, "the peer closed the connection"),
            (Answer::say("what?"), "\"what?\" is no SMTP reply"),
            (Answer::say("354 go on"), "`354 go on` is no answer to it"),
        ] {
            let sink = Sink::answering(step, answer).await;
            let error = Rig::plain().open(&sink).await.unwrap_err();
            let text = format!("failed to connect to mx.example.com (HERE): {stage}: {why}");
            assert_eq!(shown(&error.reply()), format!("400 KumoMTA internal: {text}"));
            assert!(error.said().is_none() && !error.is_421());
        }
    }
}

#[tokio::test]
async fn a_refused_connection_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = Rig::plain().open_at(Endpoint { name: "10.1.2.3".to_owned(), address }).await.unwrap_err();
    assert!(matches!(&error.why, Why::Trouble(Trouble::Broken(_))) && error.stage == Stage::Connect);
    let text = shown(&error.reply());
    assert!(
        text.starts_with("400 KumoMTA internal: failed to connect to 10.1.2.3 (HERE): connect: Connection refused")
    );
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_answer_is_left() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Until its queue is full: from then on the system lets connections wait.
    let mut waiting = Vec::new();
    while let Ok(stream) = timeout(Duration::from_secs(5), TcpStream::connect(address)).await {
        waiting.push(stream.unwrap());
        assert!(waiting.len() < 100);
    }
    let rig = Rig::plain().with("connect_timeout", "30s");
    let began = Instant::now();
    let error = rig.open_at(Endpoint { name: "mx.example.com.".to_owned(), address }).await.unwrap_err();
    assert_eq!((error.stage, began.elapsed().as_secs()), (Stage::Connect, 30));
}

#[tokio::test]
async fn a_session_that_ended_while_idle_has_tried_nothing() {
    for reset in [true, false] {
        let sink = Sink::answering(Step::Body, Answer::SayAndClose("250 2.0.0 ok, and bye".to_owned())).await;
        let rig = Rig::plain().with("enable_rset", reset);
        let mut session = rig.open(&sink).await.unwrap();
        let delivered = send(&mut session, &["to@example.com"], HELLO).await;
        assert_eq!(fate(&delivered, After::Keep), "250 2.0.0 ok, and bye");
        assert!(sink.until(|sink| sink.open_now() == 0).await);
        let delivered = send(&mut session, &["to@example.com"], HELLO).await;
        assert!(delivered.untried && delivered.after == After::Closed, "{delivered:?}");
    }
}

#[tokio::test]
async fn an_idle_session_notices_its_end() {
    let sink = Sink::answering(Step::Body, Answer::SayAndClose("250 2.0.0 ok, and bye".to_owned())).await;
    let mut session = Rig::plain().open(&sink).await.unwrap();
    assert!(timeout(Duration::from_millis(50), session.ended()).await.is_err() && session.is_usable());
    assert_eq!(send(&mut session, &["to@example.com"], HELLO).await.fates[0].1.code, 250);
    session.ended().await;
    assert!(!session.is_usable());
    session.quit().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_a_farewell() {
    let sink = Sink::answering(Step::Quit, Answer::Silence).await;
    let session = Rig::plain().open(&sink).await.unwrap();
    let began = Instant::now();
    session.quit().await;
    assert_eq!(began.elapsed().as_secs(), 2);
    assert_eq!(sink.sessions()[0].lines().last(), Some(&"QUIT"));
}
