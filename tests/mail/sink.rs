//! What the tests' own SMTP server and client do to each other.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::smtp::{Answer, Manner, Sink, Step, Talk};

#[tokio::test]
async fn a_sink_takes_and_remembers() {
    let sink = Sink::with(Manner::default().and_offering(&["STARTTLS"]), |_| Answer::Usual).await;
    let mut talk = Talk::greeted(sink.address()).await;
    talk.start_tls().await;
    assert!(talk.say("EHLO again").await.starts_with("250-sink.example\n"));
    let data = b"Subject: dots\r\n\r\n.one\r\n..two\r\n.\r\n";
    let reply = talk.send("a@example.com", &["b@example.com", "c@example.com"], data).await;
    assert_eq!(reply, "250 2.0.0 OK ids=0-0");
    assert_eq!(talk.say("QUIT").await, "221 2.0.0 bye");
    assert!(talk.is_closed().await);
    let mails = sink.received(1).await;
    assert_eq!(mails[0].data, data);
    assert_eq!((mails[0].sender.as_str(), mails[0].recipients.len()), ("a@example.com", 2));
    assert!(sink.until(|sink| sink.open_now() == 0).await);
    let sessions = sink.sessions();
    assert!(sessions[0].encrypted && sessions[0].hello == "again");
    assert_eq!(sessions[0].lines()[..3], ["EHLO client.example", "STARTTLS", "EHLO again"]);
}

#[tokio::test(start_paused = true)]
async fn a_script_answers_in_the_sinks_place() {
    let sink = Sink::start(|turn| match turn.step {
        Step::Rcpt if turn.line.contains("nobody") => Answer::say("550 5.1.1 nobody"),
        Step::Rcpt if turn.nth == 2 => Answer::say("452 4.5.3 enough").after(Duration::from_mins(1)),
        Step::Noop => Answer::say("421 4.3.2 bye"),
        _ => Answer::Usual,
    })
    .await;
    let mut talk = Talk::greeted(sink.address()).await;
    let began = Instant::now();
    let lines = ["MAIL FROM:<a@b.c>", "RCPT TO:<d@b.c>", "RCPT TO:<nobody@b.c>", "RCPT TO:<e@b.c>", "NOOP"];
    let replies = talk.pipeline(&lines).await;
    assert_eq!(replies[1..], ["250 2.1.5 ok", "550 5.1.1 nobody", "452 4.5.3 enough", "421 4.3.2 bye"]);
    assert!(began.elapsed() >= Duration::from_mins(1));
    assert!(talk.is_closed().await);
    let sessions = sink.sessions();
    assert_eq!(sessions[0].mails[0].refused.len(), 2);
    assert!(sessions[0].heard[1].pipelined && !sessions[0].heard[5].pipelined);
}
