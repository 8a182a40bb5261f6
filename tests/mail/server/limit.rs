//! Limits and timeouts.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::client::Client;
use super::rig::{Hold, Rig};

#[tokio::test]
async fn more_connections_than_allowed_are_turned_away() {
    let rig = Rig::new("max_connections = 2").await;
    let (mut first, _second) = (rig.client().await, rig.client().await);
    let mut third = Client::connect(rig.address).await;
    assert!(third.reply().await.starts_with("421 4.3.2 mx.example"));
    assert!(third.is_closed().await);
    first.expect("QUIT", "221").await;
    assert!(first.is_closed().await);
    // The place is free when the session has ended, which nobody tells of.
    loop {
        let mut next = Client::connect(rig.address).await;
        if next.reply().await.starts_with("220") {
            break;
        }
    }
}

#[tokio::test]
async fn more_recipients_than_allowed_are_put_off() {
    let rig = Rig::new("max_recipients_per_message = 2").await;
    let mut client = rig.client().await;
    client.envelope(&["a@example.com", "b@example.com"]).await;
    assert_eq!(client.say("RCPT TO:<c@example.com>").await, "452 4.5.3 too many recipients");
    assert!(client.data("x").await.starts_with("250 OK"));
    assert_eq!(rig.kept.len(), 2);
}

#[tokio::test]
async fn a_connection_carries_so_many_messages() {
    let rig = Rig::new("max_messages_per_connection = 2").await;
    let mut client = rig.client().await;
    for _ in 0..2 {
        assert!(client.message("a@example.com").await.starts_with("250 OK"));
    }
    client.expect("MAIL FROM:<a@example.com>", "421 4.7.0 mx.example").await;
    assert!(client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_told_goodbye() {
    let rig = Rig::new("client_timeout = '30s'").await;
    for stage in 0..4 {
        let hold = Hold::new();
        let mut client = if stage == 0 { Client::connect(rig.address).await } else { rig.client().await };
        match stage {
            0 => assert!(client.reply().await.starts_with("220")),
            1 => {}
            2 => client.envelope(&["a@example.com"]).await,
            _ => {
                client.envelope(&["a@example.com"]).await;
                client.expect("DATA", "354").await;
                client.send("half a line").await;
            }
        }
        let started = tokio::time::Instant::now();
        hold.until(|| true).await;
        assert_eq!(
            client.reply().await,
            "421 4.4.2 mx.example nothing heard for 30 s, closing the connection",
            "stage {stage}"
        );
        assert!(client.is_closed().await);
        let waited = started.elapsed().as_secs_f64();
        assert!((30.0..32.0).contains(&waited), "stage {stage}: {waited}");
    }
    assert_eq!(rig.kept.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_takes_too_long_is_put_off() {
    let rig = Rig::new("data_processing_timeout = '20s'").await;
    *rig.kept.delay.lock().unwrap() = Duration::from_mins(1);
    let hold = Hold::new();
    let mut client = rig.client().await;
    client.send("MAIL FROM:<a@b.c>\r\nRCPT TO:<a@b.c>\r\nDATA\r\nx\r\n.\r\n").await;
    for code in ["250", "250", "354"] {
        assert!(client.reply().await.starts_with(code));
    }
    hold.until(|| rig.kept.asked.load(Ordering::Relaxed) > 0).await;
    assert_eq!(client.reply().await, "451 4.3.0 mx.example took too long over the message, try again later");
    assert_eq!(rig.kept.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_ends_the_connection() {
    for event in ["connection_accepted", "ehlo", "mail_from", "rcpt_to", "data", "message_received"] {
        let event = format!("smtp_server_{event}");
        let rig = Rig::with("", &format!("kumo.on('{event}', function() kumo.sleep(100000) end)")).await;
        let hold = Hold::new();
        let mut client = Client::connect(rig.address).await;
        client.send("EHLO c.example\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<a@b.c>\r\nDATA\r\nx\r\n.\r\n").await;
        hold.until(|| rig.policy.stats().events.contains_key(&event)).await;
        let mut last = String::new();
        loop {
            match client.reply().await {
                reply if reply.is_empty() => break,
                reply => last = reply,
            }
        }
        assert_eq!(last, "421 4.3.0 mx.example technical difficulties", "{event}");
        assert_eq!(rig.kept.len(), 0);
    }
}

#[tokio::test]
async fn at_shutdown_clients_are_told_and_what_is_in_hand_is_finished() {
    let rig = Rig::new("").await;
    let (mut idle, mut busy) = (rig.client().await, rig.client().await);
    busy.envelope(&["a@example.com"]).await;
    busy.expect("DATA", "354").await;
    rig.bench.host.shutdown().request();
    assert!(idle.reply().await.starts_with("421 4.3.2 mx.example"));
    assert!(idle.is_closed().await);
    busy.send("x\r\n.\r\n").await;
    assert!(busy.reply().await.starts_with("250 OK"));
    assert!(busy.reply().await.starts_with("421 4.3.2"));
    assert!(busy.is_closed().await);
    rig.serving.await.unwrap();
    assert_eq!(rig.kept.len(), 1);
}

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn ten_thousand_silent_clients_cost_little() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    // Each takes two of this process's file descriptors.
    let count = usize::try_from(most.saturating_sub(1000) / 2).unwrap().min(10_000);
    let rig = Rig::new("client_timeout = '1h'").await;
    let before = resident();
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = Client::connect(rig.address).await;
        assert!(client.reply().await.starts_with("220"));
        clients.push(client);
    }
    let each = resident().saturating_sub(before) / count;
    assert!(each < 8 * 1024, "{each} bytes for each of {count}");
    let mut client = rig.client().await;
    assert!(client.message("a@example.com").await.starts_with("250 OK"));
}
