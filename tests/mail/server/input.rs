//! Input that makes no sense does no harm.

use super::client::Client;
use super::rig::Rig;

#[tokio::test]
async fn commands_out_of_order_are_told_what_is_missing() {
    let rig = Rig::new("").await;
    let mut client = Client::connect(rig.address).await;
    assert!(client.reply().await.starts_with("220"));
    client.expect("MAIL FROM:<a@b.c>", "503 5.5.0 EHLO or HELO").await;
    client.expect("HELO client.example", "250 mx.example").await;
    assert_eq!(client.say("RCPT TO:<a@b.c>").await, "503 5.5.0 MAIL FROM must be issued first");
    assert_eq!(client.say("DATA").await, "503 5.5.0 MAIL FROM must be issued first");
    client.expect("MAIL FROM:<a@b.c>", "250").await;
    client.expect("MAIL FROM:<a@b.c>", "503").await;
    assert_eq!(client.say("DATA").await, "503 5.5.0 RCPT TO must be issued first");
    client.expect("EHLO client.example", "250").await;
    client.expect("RCPT TO:<a@b.c>", "503").await;
    client.expect("NOOP anything", "250").await;
    client.expect("VRFY a", "252").await;
    client.expect("HELP", "214").await;
}

#[tokio::test]
async fn data_pipelined_after_a_refused_recipient_is_out_of_order() {
    let rig = Rig::new("relay_hosts = {}").await;
    let mut client = rig.client().await;
    client.send("MAIL FROM:<a@b.c>\r\nRCPT TO:<x@y.z>\r\nDATA\r\n").await;
    assert!(client.reply().await.starts_with("250"));
    assert_eq!(client.reply().await, "550 5.7.1 relaying not permitted");
    assert_eq!(client.reply().await, "503 5.5.0 RCPT TO must be issued first");
    client.expect("RSET", "250").await;
}

#[tokio::test]
async fn lines_too_long_or_not_text_are_refused_and_the_session_goes_on() {
    let rig = Rig::new("").await;
    let mut client = rig.client().await;
    client.expect(&"x".repeat(200_000), "500 5.5.2 the command line is too long").await;
    client.expect("NOOP", "250").await;
    client.send(b"MAIL FROM:<\xff@b.c>\r\n").await;
    assert!(client.reply().await.starts_with("500 5.5.2"));
    client.send(b"\0\x01\x02\r\n").await;
    assert!(client.reply().await.starts_with("500 5.5.2"));
    client.send("\r\n").await;
    assert!(client.reply().await.starts_with("500"));
    client.send("NOOP\n").await;
    assert!(client.reply().await.starts_with("250"));
    assert!(client.message("a@example.com").await.starts_with("250 OK"));
}

#[tokio::test]
async fn who_never_makes_sense_is_left() {
    let rig = Rig::new("").await;
    let mut client = Client::connect(rig.address).await;
    client.send("GET / HTTP/1.1\r\n".repeat(200)).await;
    let mut replies = Vec::new();
    loop {
        match client.reply().await {
            reply if reply.is_empty() => break,
            reply => replies.push(reply),
        }
    }
    assert!(replies.len() < 110, "{}", replies.len());
    assert!(replies.last().unwrap().starts_with("421 4.7.0"), "{replies:?}");
}

#[tokio::test]
async fn a_client_that_goes_within_data_leaves_nothing() {
    let rig = Rig::new("").await;
    let mut client = rig.client().await;
    client.envelope(&["a@example.com"]).await;
    client.expect("DATA", "354").await;
    client.send("Subject: half\r\n\r\nof it\r\n.").await;
    drop(client);
    let mut other = rig.client().await;
    assert!(other.message("b@example.com").await.starts_with("250 OK"));
    assert_eq!(rig.kept.all()[0].recipients()[0].email(), "b@example.com");
    assert_eq!(rig.kept.len(), 1);
}

#[tokio::test]
async fn a_line_may_come_byte_by_byte() {
    let rig = Rig::new("").await;
    let mut client = rig.client().await;
    for byte in b"MAIL FROM:<a@b.c>\r\n" {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert!(client.reply().await.starts_with("250 2.1.0"));
}
