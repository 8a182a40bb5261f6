//! Messages arrive as they were sent, or not at all.

use kumo_tsa::host::memory::Memory;

use super::client::Client;
use super::rig::{Rig, content};

#[tokio::test]
async fn a_pipelined_session_gets_its_replies_in_order() {
    let rig = Rig::new("").await;
    let mut client = Client::connect(rig.address).await;
    client
        .send(
            "EHLO client.example\r\nMAIL FROM:<a@example.com> BODY=8BITMIME SIZE=100\r\nRCPT TO:<b@example.net>\r\n\
             RCPT TO:<c@example.org>\r\nDATA\r\nSubject: x\r\n\r\nfirst\r\n.\r\n\
             MAIL FROM:<>\r\nRCPT TO:<d@example.net>\r\nDATA\r\nSubject: y\r\n\r\nsecond\r\n.\r\nQUIT\r\n",
        )
        .await;
    assert_eq!(client.reply().await, "220 mx.example KumoMTA");
    assert_eq!(
        client.reply().await,
        "250-mx.example Hello client.example\n250-PIPELINING\n250-ENHANCEDSTATUSCODES\n250-8BITMIME\n250-SMTPUTF8\n\
         250-SIZE 20971520\n250 STARTTLS"
    );
    for begins in ["250 2.1.0", "250 2.1.5", "250 2.1.5", "354 ", "250 OK ids=", "250", "250", "354", "250 OK ids="] {
        let reply = client.reply().await;
        assert!(reply.starts_with(begins), "{begins}: {reply}");
    }
    assert!(client.reply().await.starts_with("221 2.0.0"));
    assert!(client.is_closed().await);
    let all = rig.kept.all();
    let to: Vec<_> = all.iter().map(|message| message.recipients()[0].to_string()).collect();
    assert_eq!(to, ["b@example.net", "c@example.org", "d@example.net"]);
    assert!(all[2].sender().is_null());
    assert_eq!(content(&all[2]).await, b"Subject: y\r\n\r\nsecond\r\n");
}

#[tokio::test]
async fn ids_are_those_of_the_messages() {
    let rig = Rig::new("").await;
    let mut client = rig.client().await;
    client.envelope(&["a@example.com", "b@example.com"]).await;
    let reply = client.data("x").await;
    let ids: Vec<_> = rig.kept.all().iter().map(|message| message.id().to_string()).collect();
    assert_eq!(reply, format!("250 OK ids={}", ids.join(",")));
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn content_is_intact() {
    let rig = Rig::new("").await;
    let mut client = rig.client().await;
    client.expect("MAIL FROM:<gr\u{fc}n@b\u{fc}cher.example> SMTPUTF8 BODY=8BITMIME", "250").await;
    client.expect("RCPT TO:<\"quoted user\"@example.net>", "250").await;
    let mut sent = b"Subject: gr\xc3\xbc\xc3\x9fe\r\n\r\n\xff\xfe\x00 raw\r\n".to_vec();
    sent.extend_from_slice(b"..\r\n..dot\r\nend.");
    assert!(client.data(&sent).await.starts_with("250 OK"));
    let message = rig.kept.all().remove(0);
    assert_eq!(message.sender().email(), "gr\u{fc}n@b\u{fc}cher.example");
    assert_eq!(message.recipients()[0].email(), "\"quoted user\"@example.net");
    assert_eq!(rig.kept.only().await, b"Subject: gr\xc3\xbc\xc3\x9fe\r\n\r\n\xff\xfe\x00 raw\r\n.\r\n.dot\r\nend.\r\n");
}

#[tokio::test]
async fn a_message_may_be_as_large_as_the_limit_and_not_one_byte_larger() {
    let rig = Rig::new("max_message_size = 300000").await;
    let mut client = rig.client().await;
    // With the line ends that `data` adds this is the limit.
    let line = format!("X:{}\r\n", "x".repeat(96));
    let lines = line.repeat(3000);
    client.envelope(&["a@example.com"]).await;
    assert!(client.data(&lines[..lines.len() - 2]).await.starts_with("250 OK"));
    assert_eq!(rig.kept.only().await.len(), 300_000);
    client.envelope(&["a@example.com"]).await;
    let reply = client.data(format!("Y{}", &lines[..lines.len() - 2])).await;
    assert!(reply.starts_with("552 5.3.4"), "{reply}");
    client.expect("MAIL FROM:<a@b.c> SIZE=300001", "552 5.3.4").await;
    client.expect("MAIL FROM:<a@b.c> SIZE=300000", "250").await;
    client.expect("RSET", "250").await;
    assert!(client.message("a@example.com").await.starts_with("250 OK"));
}

#[tokio::test]
async fn a_second_message_cannot_be_smuggled_in() {
    let rig = Rig::new("").await;
    for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r\n\0.\r\n"] {
        let mut client = rig.client().await;
        client.envelope(&["a@example.com"]).await;
        let reply =
            client.data(format!("first{end}MAIL FROM:<evil@x.y>\r\nRCPT TO:<a@example.com>\r\nDATA\r\nsecond")).await;
        if end.contains('\0') {
            assert!(reply.starts_with("250"), "{reply}");
        } else {
            assert!(reply.starts_with("552 5.6.0"), "{end:?}: {reply}");
        }
        client.expect("QUIT", "221").await;
    }
    assert_eq!(rig.kept.len(), 1);
}

#[tokio::test]
async fn line_ends_are_mended_where_that_is_wanted() {
    let rig = Rig::new("invalid_line_endings = 'Fix'").await;
    let mut client = rig.client().await;
    client.envelope(&["a@example.com"]).await;
    assert!(client.data("X: a\nb\rc\n.\nd").await.starts_with("250 OK"));
    assert_eq!(rig.kept.only().await, b"X: a\r\nb\r\nc\r\n.\r\nd\r\n");
    let rig = Rig::new("invalid_line_endings = 'Allow'").await;
    let mut client = rig.client().await;
    client.envelope(&["a@example.com"]).await;
    assert!(client.data("X: a\nb\rc\n.\nd").await.starts_with("250 OK"));
    assert_eq!(rig.kept.only().await, b"X: a\nb\rc\n.\nd\r\n");
}

#[tokio::test]
async fn long_lines_are_refused() {
    let rig = Rig::new("").await;
    let mut client = rig.client().await;
    for (length, code) in [(998, "250"), (999, "552 5.6.0"), (100_000, "552 5.6.0")] {
        client.envelope(&["a@example.com"]).await;
        let reply = client.data(format!("{}\r\nok", "x".repeat(length))).await;
        assert!(reply.starts_with(code), "{length}: {reply}");
    }
    let rig = Rig::new("line_length_hard_limit = 100000").await;
    let mut client = rig.client().await;
    client.envelope(&["a@example.com"]).await;
    assert!(client.data("x".repeat(100_000)).await.starts_with("250"));
}

#[tokio::test]
async fn messages_come_with_trace_headers() {
    let rig = Rig::new("trace_headers = { header_name = 'X-Ref', include_meta_names = { 'ehlo_domain' } }").await;
    let mut client = rig.client().await;
    client.message("recip@example.com").await;
    let data = rig.kept.all()[0].data().await.unwrap();
    let text = String::from_utf8(data.to_vec()).unwrap();
    let (headers, _) = text.split_once("Subject: ").unwrap();
    assert!(headers.contains("X-Ref: ") && headers.contains("Received: from client.example"), "{headers}");
    assert!(headers.contains("for <recip@example.com>;"), "{headers}");
    assert!(headers.lines().all(|line| line.len() <= 998));
    let rig = Rig::new("trace_headers = { received_header = false, supplemental_header = false }").await;
    let mut client = rig.client().await;
    client.message("recip@example.com").await;
    assert_eq!(&*rig.kept.all()[0].data().await.unwrap(), b"Subject: test\r\n\r\nhello\r\n");
}

#[tokio::test]
async fn recipients_of_one_domain_share_a_message_where_that_is_wanted() {
    let rig = Rig::new("batch_handling = 'BatchByDomain'").await;
    let mut client = rig.client().await;
    client.envelope(&["a@example.com", "b@example.net", "c@EXAMPLE.com"]).await;
    assert!(client.data("x").await.starts_with("250 OK"));
    let to: Vec<_> = rig.kept.all().iter().map(|message| format!("{:?}", message.recipients())).collect();
    assert_eq!(to, ["[<a@example.com>, <c@EXAMPLE.com>]", "[<b@example.net>]"]);
}

#[tokio::test]
async fn what_is_known_of_the_connection_goes_with_the_message() {
    let rig = Rig::new("meta = { team = 'blue' }, deferred_spool = true").await;
    let mut client = rig.client().await;
    client.message("a@example.com").await;
    let message = rig.kept.all().remove(0);
    assert_eq!(message.meta("reception_protocol"), Some("ESMTP".into()));
    assert_eq!(message.meta("received_via"), Some(rig.address.to_string().into()));
    assert_eq!(message.meta("hostname"), Some("mx.example".into()));
    assert_eq!(message.meta("ehlo_domain"), Some("client.example".into()));
    assert_eq!(message.meta("team"), Some("blue".into()));
    assert!(message.meta("received_from").unwrap().as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(rig.kept.deferred(), [true]);
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_accepted() {
    let rig = Rig::new("").await;
    let mut client = rig.client().await;
    *rig.kept.refusal.lock().unwrap() = Some("the spool is full".to_owned());
    let reply = client.message("a@example.com").await;
    assert_eq!(reply, "451 4.3.0 mx.example cannot take the message now, try again later");
    *rig.kept.refusal.lock().unwrap() = None;
    let memory = Memory::of(&rig.bench.host);
    memory.set_limit(1);
    let reply = client.say("MAIL FROM:<from@example.org>").await;
    assert_eq!(reply, "452 4.3.1 mx.example has no room for mail now, try again later");
    memory.set_limit(u64::MAX);
    assert!(client.message("a@example.com").await.starts_with("250 OK"));
    assert_eq!(rig.kept.len(), 1);
}
