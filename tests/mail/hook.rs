//! Log hooks: records that become messages (interface C.7, semantics H4).

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kumo_tsa::mail::log::{Attempt, Entry, Intake, Logger, Refusal, hook_queue};
use kumo_tsa::mail::{Address, Message, Reply, lua};
use kumo_tsa_core::wire::Kind;
use serde_json::{Value, json};

use crate::support::{Bench, Log, call};

/// Queues of the test's own.
#[derive(Clone, Debug, Default)]
struct Taken {
    messages: Arc<Mutex<Vec<Message>>>,
    full: Arc<AtomicBool>,
}

impl Intake for Taken {
    fn accept(&self, messages: Vec<Message>, _: bool) -> BoxFuture<'_, Result<(), Refusal>> {
        let full = self.full.load(Ordering::Relaxed);
        let outcome = if full {
            Err(Refusal::Later("full".to_owned()))
        } else {
            self.messages.lock().unwrap().extend(messages);
            Ok(())
        };
        std::future::ready(outcome).boxed()
    }
}

async fn hooked(init: &str, handlers: &str) -> (Bench, Taken) {
    hooked_on(Bench::of_mail(), init, handlers).await
}

async fn hooked_on(bench: Bench, init: &str, handlers: &str) -> (Bench, Taken) {
    let policy = bench.load(&format!("kumo.on('init', function()\n{init}\nend)\n{handlers}")).await;
    if let Err(error) = call::<()>(&policy, "init", ()).await {
        panic!("{}", bench.text(&error));
    }
    let taken = Taken::default();
    Logger::of(&bench.host).start(Arc::new(taken.clone()));
    (bench, taken)
}

fn message(bench: &Bench) -> Message {
    let to = ["a@example.com", "b@example.com"].map(|text| Address::parse(text).unwrap()).into();
    let message = Message::new(
        Address::parse("me@sender.example").unwrap(),
        to,
        "Subject: hello\r\n\r\nhi\r\n",
        bench.host.clock().now(),
    );
    message.set_meta("tenant", json!("t"));
    message
}

async fn log(bench: &Bench, message: &Message, kind: Kind) {
    let (reply, attempt) = (Reply::new(250, "2.0.0 ok"), Attempt::default());
    Logger::of(&bench.host).log(Entry { kind, message, recipients: None, reply, attempt, queue: None }).await;
}

const ENQUEUE: &str = "kumo.on('should_enqueue_log_record', function(msg, hook)
  if msg:get_meta('log_record').type == 'Expiration' then return false end
  msg:set_meta('queue', hook .. '.queue')
  return true
end)";

#[tokio::test(start_paused = true)]
async fn a_record_becomes_a_message_with_all_that_it_says() {
    let (bench, taken) = hooked(
        "kumo.configure_log_hook { name = 'web', meta = { 'tenant' }, headers = { 'Subject' },
           per_record = { Reception = { enable = false }, Bounce = { template = '{{ type }} {{ id }}' } } }",
        ENQUEUE,
    )
    .await;
    let message = message(&bench);
    for kind in [Kind::Reception, Kind::Delivery, Kind::Expiration, Kind::Bounce] {
        log(&bench, &message, kind).await;
    }
    Logger::of(&bench.host).stop().await;
    let taken = taken.messages.lock().unwrap();
    assert_eq!(taken.len(), 2);
    let [delivery, bounce] = [&taken[0], &taken[1]];
    assert_eq!(delivery.queue_name().unwrap(), "web.queue");
    assert_eq!(delivery.sender(), message.sender());
    assert_eq!(delivery.recipients(), message.recipients());
    assert_eq!(delivery.meta("reception_protocol"), Some(json!("LogRecord")));
    assert_eq!(delivery.meta("tenant"), Some(json!("t")));
    let record = delivery.meta("log_record").unwrap();
    assert_eq!((&record["type"], &record["headers"]["Subject"]), (&json!("Delivery"), &json!("hello")));
    let body: Value = serde_json::from_slice(&delivery.data().now_or_never().unwrap().unwrap()).unwrap();
    assert_eq!(body, record);
    let body = bounce.data().now_or_never().unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&body), format!("Bounce {}", message.id()));
}

#[tokio::test(start_paused = true)]
async fn with_shaping_data_only_records_that_a_rule_may_match_are_asked_about() {
    let bench = Bench::of_mail();
    let rule = |regex: &str| {
        let rule = format!("[[default.automation]]\nregex = '{regex}'\naction = 'Suspend'\nduration = '1h'\n");
        bench.write("rules.toml", &rule)
    };
    let file = rule("slow down");
    let rules = format!("kumo.on('rules', function() return kumo.shaping.load {{ '{}' }} end)\n", file.display());
    let init = "kumo.configure_log_hook { name = 'web', shaping_event = 'rules' }";
    let (bench, taken) = hooked_on(bench, init, &(rules + ENQUEUE)).await;
    let message = message(&bench);
    let log_of = async |text: &str, to: Option<&[Address]>| {
        let (kind, reply, attempt) = (Kind::TransientFailure, Reply::new(451, text), Attempt::default());
        let entry = Entry { kind, message: &message, recipients: to, reply, attempt, queue: None };
        Logger::of(&bench.host).log(entry).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        taken.messages.lock().unwrap().len()
    };
    let log = async |text: &str| log_of(text, None).await;
    // The first comes before the policy has told its rules.
    let asked = [log("4.2.1 later").await, log("4.7.1 please slow\r\ndown").await, log("4.2.1 later").await];
    assert_eq!(asked, [0, 1, 1]);
    bench.write("rules.toml", "[[default.automation]]\nregex = 'later'\naction = 'Suspend'\nduration = '1h'\n");
    bench.host.epoch().bump();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!([log("4.7.1 slow down").await, log("4.2.1 later").await], [1, 2]);
    // By any recipient's domain (R2).
    let there = "['two.example']\nmx_rollup = false\n[['two.example'.automation]]\nregex = 'only there'\n\
                 action = 'Suspend'\nduration = '1h'\n";
    bench.write("rules.toml", there);
    bench.host.epoch().bump();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let to = ["a@example.com", "b@two.example"].map(|text| Address::parse(text).unwrap());
    assert_eq!(log_of("4.7.1 only there", Some(&to[..1])).await, 2);
    assert_eq!(log_of("4.7.1 only there", Some(&to)).await, 3);
    bench.write("rules.toml", "what is this");
    bench.host.epoch().bump();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(log("4.7.1 slow down").await, 4, "where the policy cannot tell, it is asked");
    Logger::of(&bench.host).stop().await;
}

#[tokio::test(start_paused = true)]
async fn hooks_never_see_what_becomes_of_their_own_messages() {
    let (bench, taken) = hooked("kumo.configure_log_hook { name = 'web' }", ENQUEUE).await;
    let message = message(&bench);
    message.set_meta("reception_protocol", json!("LogRecord"));
    for kind in [Kind::Reception, Kind::TransientFailure, Kind::Delivery] {
        log(&bench, &message, kind).await;
    }
    Logger::of(&bench.host).stop().await;
    assert!(taken.messages.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_record_without_a_queue_is_dropped_and_told_of() {
    let told = Log::capture();
    let handler = "kumo.on('should_enqueue_log_record', function(msg, hook)
      if hook == 'broken' then error 'on purpose' end
      return true
    end)";
    let init = "kumo.configure_log_hook { name = 'none' } kumo.configure_log_hook { name = 'broken' }";
    let (bench, taken) = hooked(init, handler).await;
    log(&bench, &message(&bench), Kind::Delivery).await;
    Logger::of(&bench.host).stop().await;
    assert!(taken.messages.lock().unwrap().is_empty());
    let text = told.text();
    assert!(text.contains("log hook `none` drops a record") && text.contains("meta `queue`"), "{text}");
    assert!(text.contains("log hook `broken` drops a record") && text.contains("on purpose"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn who_logs_waits_when_too_much_waits_already_and_nothing_is_lost() {
    let (bench, taken) = hooked("kumo.configure_log_hook { name = 'web', back_pressure = 2 }", ENQUEUE).await;
    taken.full.store(true, Ordering::Relaxed);
    let message = message(&bench);
    let logging = async {
        for _ in 0..200 {
            log(&bench, &message, Kind::Delivery).await;
        }
    };
    tokio::pin!(logging);
    assert!(tokio::time::timeout(Duration::from_secs(30), &mut logging).await.is_err());
    taken.full.store(false, Ordering::Relaxed);
    logging.await;
    Logger::of(&bench.host).stop().await;
    assert_eq!(taken.messages.lock().unwrap().len(), 200);
}

#[tokio::test(start_paused = true)]
async fn h4_a_hook_says_how_its_queue_is_to_be() {
    let (bench, _) = hooked(
        "kumo.configure_log_hook { name = 'http://tsa:8008.tsa.kumomta',
           queue = { retry_interval = '1m', max_retry_interval = '20m', protocol = { custom_lua = { constructor = 'x' } } } }",
        ENQUEUE,
    )
    .await;
    let options = hook_queue(&bench.host, "http://tsa:8008.tsa.kumomta").unwrap();
    assert_eq!(
        (&options["retry_interval"], &options["protocol"]["custom_lua"]["constructor"]),
        (&json!("1m"), &json!("x"))
    );
    assert_eq!(hook_queue(&bench.host, "example.com"), None);
}

#[tokio::test]
async fn what_is_wrong_with_a_hook_is_said() {
    let bench = lua::installs().iter().fold(Bench::new(), |bench, install| bench.with(*install));
    for (call, expected) in [
        ("kumo.configure_log_hook { }", "missing field `name`"),
        ("kumo.configure_log_hook { name = 'x', per_record = { Any = { suffix = 'y' } } }", "unknown field `suffix`"),
        ("kumo.configure_log_hook { name = 'x', queue = { retry = 1 } }", "field `queue`: unknown field `retry`"),
        (
            "kumo.configure_log_hook { name = 'x' } kumo.configure_log_hook { name = 'x' }",
            "there is a log hook `x` already",
        ),
    ] {
        let error = bench.fails(call).await;
        assert!(error.contains(expected), "{call}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_disposition_hook_is_told_what_became_of_each_message() {
    let (bench, _) = hooked(
        "kumo.configure_log_disposition_hook { name = 'mine', per_record = { Reception = { enable = false } } }",
        "kumo.on('log_disposition_mine', function(msg, record)
           kumo.log_info('told', msg:id(), record.type, record.response.code, record.egress_pool)
         end)",
    )
    .await;
    let told = Log::capture();
    let message = message(&bench);
    for kind in [Kind::Reception, Kind::Delivery] {
        log(&bench, &message, kind).await;
    }
    Logger::of(&bench.host).stop().await;
    let text = told.text();
    assert!(text.contains(&format!("told {} Delivery 250 nil", message.id())), "{text}");
    assert!(!text.contains("Reception"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn accounts_are_kept_of_mail_and_not_of_records() {
    let (bench, _) = hooked("kumo.configure_accounting_db_path '/var/spool/kumomta/acct.db'", "").await;
    let (mail, record) = (message(&bench), message(&bench));
    record.set_meta("reception_protocol", json!("LogRecord"));
    for kind in [Kind::Reception, Kind::TransientFailure, Kind::Delivery] {
        log(&bench, &mail, kind).await;
        log(&bench, &record, kind).await;
    }
    log(&bench, &mail, Kind::Reception).await;
    Logger::of(&bench.host).stop().await;
    let file = bench.host.paths().resolve(Path::new("/var/spool/kumomta/acct.db")).into_owned();
    let database = rusqlite::Connection::open(file).unwrap();
    let sums = "SELECT SUM(received), SUM(delivered) FROM accounting";
    let sums: (u64, u64) = database.query_row(sums, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(sums, (4, 2), "each recipient counts");
}
