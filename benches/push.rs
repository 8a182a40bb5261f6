//! From a publish to the frame that a subscriber reads.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::load::{Until, drive, post, read_answer};
use crate::publish::{MATCHING, now, record, single};
use crate::server::Server;
use crate::{Row, count};

const CONNECTIONS: u64 = 8;
const SECONDS: u64 = 8;

const RULES: &str = r#"
[["default".automation]]
regex = "please slow down, you of all senders"
action = "Suspend"
duration = "1 hour"
"#;

/// Every record suspends a path of its own, so that each has a frame of its own.
pub fn run(rows: &mut Vec<Row>) {
    let dir = tempfile::tempdir().expect("dir");
    let daemon = Server::daemon(dir.path(), RULES);
    let top = drive(daemon.addr, 32, Until::Elapsed(Duration::from_secs(3)), &single(0, MATCHING, Arc::new(|n| n)));
    let half = top.per_second() / 2.0;
    drop(daemon);
    let dir = tempfile::tempdir().expect("dir");
    let daemon = Server::daemon(dir.path(), RULES);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let mut waits = runtime.block_on(publish_and_watch(&daemon, half));
    waits.sort();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    rows.push(Row {
        name: "publish to websocket frame, p99",
        measured: format!("{:.2} ms (median {:.2} ms)", millis(at(0.99)), millis(at(0.5))),
        against: format!("at half the load: {} publishes/s", count(half)),
        result: format!("{:.2} ms", millis(at(0.99))),
        target: "under 5 ms",
        met: at(0.99) < Duration::from_millis(5),
    });
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

async fn publish_and_watch(daemon: &Server, rate: f64) -> Vec<Duration> {
    let sent: Arc<Mutex<HashMap<u64, Instant>>> = Arc::default();
    let url = format!("ws://{}/subscribe_event_v1", daemon.addr);
    let (mut frames, _) = tokio_tungstenite::connect_async(url).await.expect("websocket");
    let total = (rate * SECONDS as f64) as u64;
    let started = Instant::now();
    let publishers: Vec<_> =
        (0..CONNECTIONS).map(|c| tokio::spawn(publish(daemon.addr, c, total, rate, started, sent.clone()))).collect();
    let mut waits = Vec::new();
    while (waits.len() as u64) < total / CONNECTIONS * CONNECTIONS {
        let frame = frames.next().await.expect("open").expect("frame").into_text().expect("text");
        let arrived = Instant::now();
        let site = frame.split("dest").nth(1).and_then(|rest| rest.split('.').next()).expect("site");
        if let Some(at) = sent.lock().await.remove(&site.parse().expect("number")) {
            waits.push(arrived - at);
        }
    }
    for publisher in publishers {
        publisher.await.expect("publisher");
    }
    waits
}

/// Sends its share, each record at the moment it is due.
async fn publish(
    addr: std::net::SocketAddr,
    me: u64,
    total: u64,
    rate: f64,
    started: Instant,
    sent: Arc<Mutex<HashMap<u64, Instant>>>,
) {
    let mut stream = TcpStream::connect(addr).await.expect("connect");
    stream.set_nodelay(true).expect("nodelay");
    let (mut body, mut request, mut answer) = (Vec::new(), Vec::new(), vec![0_u8; 4_096]);
    for i in 0..total / CONNECTIONS {
        let number = i * CONNECTIONS + me;
        let due = started + Duration::from_secs_f64(number as f64 / rate);
        tokio::time::sleep_until(due.into()).await;
        body.clear();
        request.clear();
        record(number, number, now(), MATCHING, &mut body);
        post("application/json", &body, &mut request);
        sent.lock().await.insert(number, Instant::now());
        stream.write_all(&request).await.expect("write");
        read_answer(&mut stream, &mut answer).await;
    }
}
