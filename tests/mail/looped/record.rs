//! Records on their way to a daemon: a queue like any other, with a schedule of its own (semantics H4).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::time::Instant;

use super::rig::{Mail, Stage, mails, pass, policy, provider, shaping, until};
use crate::support::smtp::Sink;

/// Something that takes no record: when it was asked, and how many records it was shown.
struct Refusing {
    url: String,
    asked: Arc<Mutex<Vec<(Instant, usize)>>>,
}

impl Refusing {
    async fn start() -> Self {
        let asked: Arc<Mutex<Vec<(Instant, usize)>>> = Arc::default();
        let noted = asked.clone();
        let publish = async move |body: String| {
            noted.lock().unwrap().push((Instant::now(), body.lines().count()));
            StatusCode::INTERNAL_SERVER_ERROR
        };
        let router = Router::new().route("/publish_log_v1", post(publish));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<(Instant, usize)> {
        self.asked.lock().unwrap().clone()
    }
}

const OPTIONS: &str = "no_default_files = true, pre_filter = false";

/// What a user's policy may say of all queues, whether they are meant or not.
const MEDDLING: &str = "kumo.on('get_queue_config', function(domain)
  if domain:find 'tsa' then
    return kumo.make_queue_config { protocol = { maildir_path = '/var/spool/kumomta/nowhere' }, max_age = '10 days' }
  end
  return kumo.make_queue_config {}
end)";

#[tokio::test(start_paused = true)]
async fn h4_records_are_sent_again_after_a_minute_doubling_to_twenty_whatever_the_policy_says() {
    let sink = Sink::start(provider).await;
    let daemon = Refusing::start().await;
    let text = policy(std::slice::from_ref(&daemon.url), &[], OPTIONS, MEDDLING);
    let mail = Mail::new(&shaping(&sink, "", "1 hour"), &text).await;
    mail.send("a@one.example.com").await;
    pass(3600.0 * 2.0).await;
    let asked = daemon.asked();
    let waits: Vec<_> = asked.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs_f64() / 60.0).collect();
    for (wait, expected) in waits.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0]) {
        assert!((wait - expected).abs() < 1.0, "{waits:?}");
    }
    assert!((8..=10).contains(&waits.len()), "{waits:?}");
    assert!(asked.iter().all(|(_, records)| *records == 1), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn h4_what_shaping_files_say_of_all_paths_does_not_throttle_records() {
    let sink = Sink::start(provider).await;
    let daemon = Refusing::start().await;
    let caps = "max_message_rate = \"1/hr\"\nmax_connection_rate = \"1/hr\"\nconnection_limit = 1
max_deliveries_per_connection = 1\nmax_ready = 1
[\"one.example.com\"]\nmax_message_rate = \"1000/s\"\nmax_connection_rate = \"1000/s\"
max_deliveries_per_connection = 1000\nmax_ready = 1000";
    let text = policy(std::slice::from_ref(&daemon.url), &[], OPTIONS, "");
    let mail = Mail::new(&shaping(&sink, caps, "1 hour"), &text).await;
    let sent = Instant::now();
    mail.send_many("", "a@one.example.com", 100).await;
    until("all records", || daemon.asked().iter().map(|(_, records)| records).sum::<usize>() >= 100).await;
    assert!(sent.elapsed() < Duration::from_secs(50), "{:?}", sent.elapsed());
    assert_eq!(mails(&sink, "one.example.com").len(), 100);
}

#[tokio::test(start_paused = true)]
async fn records_of_a_burst_arrive_together_and_all_count() {
    let stage = Stage::new("max_ready = 5000").await;
    stage.mail.send_many("", "451.fine.so.far@one.example.com", 300).await;
    for _ in 0..3 {
        stage.mail.send("451.three.times@two.example.com").await;
    }
    until("the third", || stage.mail.told().len() == 1).await;
    until("all at the daemon", || stage.mail.waiting(".tsa.kumomta") == 0).await;
    // Those that no rule can match were not sent.
    let counted = stage.rig.get("/metrics").await.1;
    let records: Vec<_> = counted.lines().filter(|line| line.starts_with("tsa_records_total")).collect();
    assert!(records.len() == 1 && records[0].ends_with(" 3"), "{records:#?}");
}
