//! Messages arrive as they came, apart from trace headers.

use super::rig::{HELLO, Rig, shown};
use crate::support::smtp::{Answer, Manner, Sink, Talk};

/// What follows the trace headers, after looking that they are nothing else.
#[track_caller]
fn without_trace<'a>(arrived: &'a [u8], sent: &[u8]) -> &'a [u8] {
    assert!(arrived.len() > sent.len(), "{}", arrived.escape_ascii());
    let (trace, rest) = arrived.split_at(arrived.len() - sent.len());
    let trace = String::from_utf8(trace.to_vec()).unwrap();
    for line in trace.split_inclusive("\r\n") {
        let folded = line.starts_with(['\t', ' ']);
        assert!(folded || line.starts_with("Received: ") || line.starts_with("X-KumoRef: "), "{trace}");
        assert!(line.ends_with("\r\n") && line.len() <= 1000, "{trace}");
    }
    rest
}

#[tokio::test]
async fn a_message_passes_untouched() {
    let mut long = b"Subject: long\r\n\r\n".to_vec();
    for line in 0..150_000 {
        long.extend_from_slice(
            format!("{}some line with number {line}\r\n", if line % 7 == 0 { "." } else { "" }).as_bytes(),
        );
    }
    let messages: [&[u8]; 6] = [
        HELLO,
        b"A: b\r\n\r\n.\r\n..\r\n...\r\n. x\r\n\r\n.\r\n",
        b"A: one\r\nA: two\r\n\tfolded\r\n  more\r\nDKIM-Signature: v=1;\r\n\tb=x\r\n\r\n body \t \r\n\r\n\r\n",
        "Subject: grüße\r\n\r\nÜbung\r\n".as_bytes(),
        b"A: b\r\n\r\nlatin \xe4\xf6\xfc\r\n",
        &long,
    ];
    let sink = Sink::willing().await;
    let rig = Rig::new(&sink, "").await;
    let mut talk = Talk::greeted(rig.address()).await;
    for data in messages {
        let mail = "MAIL FROM:<from@example.org> BODY=8BITMIME SMTPUTF8";
        let replies = talk.pipeline(&[mail, "RCPT TO:<to@one.example.com>", "DATA"]).await;
        assert!(replies[2].starts_with("354"), "{replies:?}");
        talk.write(&crate::support::smtp::stuffed(data)).await;
        let reply = talk.reply().await;
        assert!(reply.starts_with("250"), "{reply}");
    }
    let arrived = sink.received(messages.len()).await;
    for data in messages {
        let found = arrived.iter().any(|mail| mail.data.ends_with(data) && without_trace(&mail.data, data) == data);
        assert!(found, "{}", data[..data.len().min(300)].escape_ascii());
    }
    assert!(arrived.iter().all(|mail| mail.sender == "from@example.org" && mail.recipients == ["to@one.example.com"]));
    let records = rig.stop().await;
    assert!(shown(&records).iter().all(|record| record.starts_with("Delivery 250 2.0.0 OK ids=")), "{records:#?}");
    assert_eq!(records.len(), messages.len());
}

#[tokio::test]
async fn internationalised_addresses_go_where_they_are_taken() {
    let sink = Sink::willing().await;
    let rig = Rig::new(&sink, "").await;
    let mut talk = Talk::greeted(rig.address()).await;
    let lines = ["MAIL FROM:<grün@example.org> SMTPUTF8", "RCPT TO:<blau@one.example.com>", "DATA"];
    assert!(talk.pipeline(&lines).await[2].starts_with("354"));
    talk.write(&crate::support::smtp::stuffed(HELLO)).await;
    assert!(talk.reply().await.starts_with("250"));
    let mails = sink.received(1).await;
    assert_eq!(mails[0].sender, "grün@example.org");
    assert!(mails[0].parameters.contains("SMTPUTF8"));
    rig.stop().await;

    let plain = Sink::with(Manner::default().offering(&["PIPELINING", "8BITMIME"]), |_| Answer::Usual).await;
    let rig = Rig::new(&plain, "").await;
    let mut talk = Talk::greeted(rig.address()).await;
    assert!(talk.pipeline(&lines).await[2].starts_with("354"));
    talk.write(&crate::support::smtp::stuffed(HELLO)).await;
    assert!(talk.reply().await.starts_with("250"));
    // The session is opened, and closed without a transaction.
    assert!(plain.until(|sink| sink.sessions().iter().any(|session| session.closed.is_some())).await);
    let records = rig.stop().await;
    let record = &shown(&records)[0];
    assert!(
        record.starts_with("Bounce 550 5.6.7 KumoMTA internal: `grün@example.org` is an internationalised"),
        "{record}"
    );
}

#[tokio::test]
async fn starttls_on_the_way_out_is_used_and_logged() {
    let sink = Sink::with(Manner::default().and_offering(&["STARTTLS"]), |_| Answer::Usual).await;
    let rig = Rig::new(&sink, "enable_tls = 'RequiredInsecure'").await;
    rig.send(&["to@one.example.com"], HELLO).await;
    sink.received(1).await;
    assert!(sink.sessions()[0].encrypted);
    let records = rig.stop().await;
    let record = &records[0];
    assert_eq!(record["tls_protocol_version"], "TLSv1.3", "{record:#}");
    assert!(record["tls_cipher"].as_str().unwrap().starts_with("TLS13_"));
    assert_eq!(record["tls_peer_subject_name"][0], "CN=rcgen self signed cert");
    assert_eq!(record["peer_address"]["addr"], sink.address().ip().to_string());
    assert_eq!(record["peer_address"]["name"], "mx.example.com.");
    assert_eq!(record["site"], "unspecified->mx.example.com@smtp_client");
}

#[tokio::test]
async fn the_largest_message_passes_and_no_larger_one() {
    let limit = 20 * 1024 * 1024;
    let mut data = b"A: b\r\n\r\n".to_vec();
    while data.len() < limit {
        let left = limit - data.len();
        let line = if left > 1000 { 498 } else { left - 2 };
        data.resize(data.len() + line.min(998), b'x');
        data.extend_from_slice(b"\r\n");
    }
    assert_eq!(data.len(), limit);
    let sink = Sink::willing().await;
    let rig = Rig::new(&sink, "").await;
    rig.send(&["to@one.example.com"], &data).await;
    let arrived = sink.received(1).await;
    assert!(arrived[0].data.ends_with(&data) && without_trace(&arrived[0].data, &data) == data);

    data.insert(limit - 2, b'x');
    let mut talk = Talk::greeted(rig.address()).await;
    let reply = talk.send("from@example.org", &["to@one.example.com"], &data).await;
    assert!(reply.starts_with("552 "), "{reply}");
    assert_eq!(rig.stop().await.iter().filter(|record| record["type"] == "Delivery").count(), 1);
    assert_eq!(sink.count(), 1);
}
