//! Local logs (interface C.6, C.7).

use std::path::Path;

use kumo_tsa::mail::log::{Attempt, Entry, Logger};
use kumo_tsa::mail::{Address, Message, Reply, lua};
use kumo_tsa_core::wire::{Kind, Record};
use serde_json::{Value, json};

use crate::support::{Bench, call};

/// A host whose policy configures its logs with `text` in `init`.
async fn logging(text: &str) -> Bench {
    let bench = lua::installs().iter().fold(Bench::new(), |bench, install| bench.with(*install));
    let policy = bench.load(&format!("kumo.on('init', function()\n{text}\nend)")).await;
    if let Err(error) = call::<()>(&policy, "init", ()).await {
        panic!("{}", bench.text(&error));
    }
    bench
}

fn message(bench: &Bench) -> Message {
    let to = vec![Address::parse("to@example.com").unwrap()];
    let content = "Subject: hello\r\nX-Campaign: spring\r\n\r\nhi\r\n";
    let message = Message::new(Address::parse("me@sender.example").unwrap(), to, content, bench.host.clock().now());
    message.set_meta("tenant", json!("t"));
    message.set_meta("reception_protocol", json!("ESMTP"));
    message
}

async fn log(bench: &Bench, message: &Message, kind: Kind, text: &str) {
    let reply = Reply::new(if kind == Kind::Bounce { 550 } else { 250 }, text);
    let attempt = Attempt { site: "ip->mx.example.com@smtp_client".to_owned(), ..Attempt::default() };
    Logger::of(&bench.host).log(Entry { kind, message, recipients: None, reply, attempt, queue: None }).await;
}

/// The texts of the files in a folder, by name; all of them closed.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            assert!(path.metadata().unwrap().permissions().readonly(), "{} is open", path.display());
            let text = zstd::decode_all(std::fs::File::open(&path).unwrap()).unwrap();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), String::from_utf8(text).unwrap())
        })
        .collect();
    found.sort();
    found
}

fn folder(bench: &Bench, path: &str) -> std::path::PathBuf {
    bench.host.paths().resolve(Path::new(path)).into_owned()
}

#[tokio::test(start_paused = true)]
async fn records_are_lines_that_a_daemon_takes() {
    let bench = logging(
        "kumo.configure_local_logs { log_dir = '/var/log/kumomta', meta = { 'ten*' }, headers = { 'subject' } }",
    )
    .await;
    let message = message(&bench);
    log(&bench, &message, Kind::Reception, "").await;
    log(&bench, &message, Kind::Delivery, "2.0.0 OK ids=1").await;
    Logger::of(&bench.host).stop().await;
    let found = files(&folder(&bench, "/var/log/kumomta"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "20260131-120000.000000");
    let records: Vec<_> = found[0].1.lines().map(|line| Record::parse(line.as_bytes()).unwrap()).collect();
    assert_eq!(records.iter().map(|record| record.kind).collect::<Vec<_>>(), [Kind::Reception, Kind::Delivery]);
    assert_eq!(records[1].one_line(), "250 2.0.0 OK ids=1");
    let value: Value = serde_json::from_str(found[0].1.lines().next().unwrap()).unwrap();
    assert_eq!(value["meta"], json!({"tenant": "t"}));
    assert_eq!(value["headers"], json!({"subject": "hello"}));
    assert_eq!(value["queue"], "t@example.com");
}

#[tokio::test(start_paused = true)]
async fn each_kind_goes_where_the_policy_says() {
    let bench = logging(
        "kumo.configure_local_logs {
  log_dir = '/var/log/kumomta', max_file_size = 1e9, max_segment_duration = '5 seconds',
  per_record = {
    Reception = { enable = false },
    Bounce = { log_dir = '/var/log/kumomta/bounced', suffix = '_bounce', segment_header = 'code,to',
               template = '{{ response.code }},{{ recipient }}{% if absent %}!{% endif %}' },
    Any = { suffix = '_any' },
  },
}",
    )
    .await;
    let message = message(&bench);
    for kind in [Kind::Reception, Kind::Bounce, Kind::Bounce, Kind::Delivery] {
        log(&bench, &message, kind, "x").await;
    }
    // No call of `stop`: the files are closed when they are old enough.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    let bounced = files(&folder(&bench, "/var/log/kumomta/bounced"));
    assert_eq!(
        bounced,
        [("20260131-120000.000000_bounce".to_owned(), "code,to\n550,to@example.com\n550,to@example.com\n".to_owned())]
    );
    std::fs::remove_dir_all(folder(&bench, "/var/log/kumomta/bounced")).unwrap();
    let other = files(&folder(&bench, "/var/log/kumomta"));
    assert_eq!(other.len(), 1);
    assert!(other[0].0.ends_with("_any") && other[0].1.contains("\"Delivery\""), "{other:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_carries_a_record_logs_no_reception() {
    let bench = logging("kumo.configure_local_logs { log_dir = '/var/log/kumomta' }").await;
    let message = message(&bench);
    message.set_meta("reception_protocol", json!("LogRecord"));
    log(&bench, &message, Kind::Reception, "").await;
    log(&bench, &message, Kind::Delivery, "ok").await;
    Logger::of(&bench.host).stop().await;
    let text = &files(&folder(&bench, "/var/log/kumomta"))[0].1;
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("\"Delivery\"") && text.contains("\"reception_protocol\":\"LogRecord\""), "{text}");
}

#[tokio::test]
async fn what_is_wrong_is_said_where_it_is_configured() {
    let bench = lua::installs().iter().fold(Bench::new(), |bench, install| bench.with(*install));
    for (table, expected) in [
        ("{}", "deserialize error: missing field `log_dir`"),
        ("{ log_dir = 'x', nonsense = 1 }", "deserialize error: unknown field `nonsense`"),
        (
            "{ log_dir = 'x', max_segment_duration = 'soon' }",
            "field `max_segment_duration`: invalid value: string \"soon\"",
        ),
        ("{ log_dir = 'x', max_file_size = 1.5 }", "field `max_file_size`: invalid value: floating point `1.5`"),
        ("{ log_dir = 'x', per_record = { Sent = {} } }", "field `per_record`: unknown variant `Sent`"),
        (
            "{ log_dir = 'x', per_record = { Any = { template = '{{ a' } } }",
            "field `per_record.Any.template`: syntax error",
        ),
        ("{ log_dir = 'x', filter_event = 'absent' }", "event `absent` has not been registered"),
        ("{ log_dir = '/proc/no' }", "cannot use the folder `/proc/no`"),
    ] {
        let error = bench.fails(&format!("kumo.configure_local_logs {table}")).await;
        assert!(error.contains(expected), "{table}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn want_of_room_is_told_of() {
    let bench = logging("kumo.configure_local_logs { log_dir = '/var/log/kumomta', min_free_space = 1000000000000000, min_free_inodes = 0 }").await;
    let why = Logger::of(&bench.host).health().unwrap_err();
    assert!(why.contains("bytes are free, and it wants 1000000000000000"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn an_event_may_choose_whose_records_are_written() {
    let bench = lua::installs().iter().fold(Bench::new(), |bench, install| bench.with(*install));
    let policy = bench
        .load(
            "kumo.on('init', function()
               kumo.configure_local_logs { log_dir = '/var/log/kumomta', filter_event = 'wanted' }
               kumo.configure_bounce_classifier { files = { '/opt/kumomta/share/bounce_classifier/iana.toml' } }
             end)
             kumo.on('wanted', function(msg) return msg:get_meta('tenant') == 't' end)",
        )
        .await;
    call::<()>(&policy, "init", ()).await.unwrap();
    let (wanted, other) = (message(&bench), message(&bench));
    other.set_meta("tenant", json!("other"));
    for message in [&wanted, &other] {
        log(&bench, message, Kind::Bounce, "5.1.1 no such user").await;
    }
    Logger::of(&bench.host).stop().await;
    let text = &files(&folder(&bench, "/var/log/kumomta"))[0].1;
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains(&wanted.id().to_string()) && text.contains("\"InvalidRecipient\""), "{text}");
}
