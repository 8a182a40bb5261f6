//! `kumod` as a process, killed and stopped in full flow: what it has answered 250 to is not lost.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::rig::{ZONE, pass, shaping};
use crate::support::smtp::{Answer, Sink, Step, Talk};

/// How many clients bring mail at the same time.
const CLIENTS: usize = 8;
/// How many sessions the path may have.
const SESSIONS: usize = 10;

/// A mail host's process.
struct Process {
    child: Child,
    address: SocketAddr,
}

fn policy(kind: &str) -> String {
    format!(
        "local kumo = require 'kumo'
local shaping = require 'policy-extras.shaping'
kumo.on('init', function()
  kumo.define_spool {{ name = 'data', path = '/var/spool/kumomta/data', kind = '{kind}', min_free_space = 0 }}
  kumo.define_spool {{ name = 'meta', path = '/var/spool/kumomta/meta', kind = '{kind}', min_free_space = 0 }}
  kumo.configure_local_logs {{ log_dir = '/var/log/kumomta', min_free_space = 0 }}
  kumo.start_esmtp_listener {{ listen = '127.0.0.1:0', hostname = 'us.example' }}
end)
kumo.on('get_egress_path_config', shaping:setup {{ '/opt/kumomta/etc/policy/shaping.toml' }})
kumo.on('get_queue_config', function()
  return kumo.make_queue_config {{ retry_interval = '2s', max_retry_interval = '2s' }}
end)
"
    )
}

fn lay_out(sink: &Sink, kind: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let etc = folder.path().join("opt/kumomta/etc/policy");
    std::fs::create_dir_all(&etc).unwrap();
    let options = format!("connection_limit = {SESSIONS}");
    std::fs::write(etc.join("shaping.toml"), shaping(sink, &options, "1 hour")).unwrap();
    std::fs::write(etc.join("init.lua"), policy(kind)).unwrap();
    std::fs::write(folder.path().join("zones"), ZONE).unwrap();
    folder
}

impl Process {
    /// Starts it and waits until it says that it is ready.
    fn start(folder: &Path) -> Self {
        let me = Command::new("id").arg("-un").output().unwrap().stdout;
        let mut child = Command::new(env!("CARGO_BIN_EXE_kumod"))
            .args(["--user", String::from_utf8(me).unwrap().trim(), "--prefix"])
            .arg(folder)
            .arg("--zones")
            .arg(folder.join("zones"))
            .env("KUMOD_LOG", "off")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut address = None;
        for line in lines.by_ref() {
            let line = line.unwrap();
            if let Some((_, found)) = line.rsplit_once("smtp listener on ") {
                address = Some(found.trim().parse().unwrap());
            }
            if line.contains("initialization complete") {
                break;
            }
        }
        // So that it can go on writing.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.expect("it listens") }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    async fn ended(&mut self, patience: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < patience, "it runs on");
            pass(0.01).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A provider that takes 20 ms for each message.
async fn provider() -> Sink {
    Sink::start(|turn| match turn.step {
        Step::Body => Answer::Usual.after(Duration::from_millis(20)),
        _ => Answer::Usual,
    })
    .await
}

/// Clients that bring numbered messages until the host is gone; which of those it has answered 250 to, and how many it
/// was brought.
struct Clients {
    acknowledged: Arc<Mutex<BTreeSet<usize>>>,
    running: JoinSet<()>,
}

impl Clients {
    fn start(address: SocketAddr, first: usize) -> Self {
        let acknowledged: Arc<Mutex<BTreeSet<usize>>> = Arc::default();
        let mut running = JoinSet::new();
        for client in 0..CLIENTS {
            let acknowledged = acknowledged.clone();
            running.spawn(async move {
                let mut talk = Talk::greeted(address).await;
                for number in (first + client..).step_by(CLIENTS) {
                    let data = format!("Subject: hello\r\nX-Number: {number}\r\n\r\n{}\r\n", "line\r\n".repeat(200));
                    let reply = talk.send("from@example.org", &["to@one.example.com"], data.as_bytes()).await;
                    if !reply.starts_with("250") {
                        return;
                    }
                    acknowledged.lock().unwrap().insert(number);
                }
            });
        }
        Self { acknowledged, running }
    }

    async fn end(mut self) -> BTreeSet<usize> {
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
        self.acknowledged.lock().unwrap().clone()
    }
}

/// When each number has arrived, as often as it did.
fn arrived(sink: &Sink) -> BTreeMap<usize, Vec<Instant>> {
    let mut arrived: BTreeMap<usize, Vec<Instant>> = BTreeMap::new();
    for mail in sink.mails() {
        let text = mail.text();
        assert!(text.ends_with("line\r\n\r\n"), "it is whole");
        let number = text.lines().find_map(|line| line.strip_prefix("X-Number: ")).unwrap().parse().unwrap();
        arrived.entry(number).or_default().push(mail.outcome.unwrap().1);
    }
    arrived
}

async fn all_arrive(sink: &Sink, acknowledged: &BTreeSet<usize>) -> BTreeMap<usize, Vec<Instant>> {
    let began = Instant::now();
    loop {
        let arrived = arrived(sink);
        let lost: Vec<_> = acknowledged.iter().filter(|number| !arrived.contains_key(number)).collect();
        if lost.is_empty() {
            return arrived;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{} are lost: {lost:?}", lost.len());
        pass(0.2).await;
    }
}

async fn killed(kind: &str) {
    let sink = provider().await;
    let folder = lay_out(&sink, kind);
    let mut acknowledged = BTreeSet::new();
    let mut deaths = Vec::new();
    for round in 0..3 {
        let process = Process::start(folder.path());
        let clients = Clients::start(process.address, round * 1_000_000);
        let before = sink.count();
        assert!(sink.until(|sink| sink.count() >= before + 200).await);
        process.signal("-KILL");
        deaths.push(Instant::now());
        drop(process);
        acknowledged.extend(clients.end().await);
    }
    assert!(acknowledged.len() > 500, "{}", acknowledged.len());
    let process = Process::start(folder.path());
    all_arrive(&sink, &acknowledged).await;
    // Were there more, they would come now.
    pass(3.0).await;
    let arrived = arrived(&sink);
    let twice: Vec<_> = arrived.iter().filter(|(_, times)| times.len() > 1).collect();
    eprintln!("{kind}: {} acknowledged, {} twice", acknowledged.len(), twice.len());
    assert!(twice.len() <= SESSIONS * deaths.len(), "{}", twice.len());
    for (number, times) in &twice {
        let (before, after) = (Duration::from_secs(1), Duration::from_millis(300));
        let in_flight = deaths.iter().any(|death| times[0] + before > *death && times[0] < *death + after);
        assert!(in_flight && times.len() <= 1 + deaths.len(), "{number}: {times:?}, deaths at {deaths:?}");
    }
    // Each client may have one that was accepted and not answered.
    let unheard = arrived.keys().filter(|number| !acknowledged.contains(number)).count();
    assert!(unheard <= CLIENTS * deaths.len(), "{unheard}");
    drop(process);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d5_killed_in_full_flow_it_delivers_all_that_it_accepted_from_files() {
    killed("LocalDisk").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d5_killed_in_full_flow_it_delivers_all_that_it_accepted_from_the_engine() {
    killed("RocksDB").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_in_full_flow_it_ends_in_time_and_nothing_is_lost_or_doubled() {
    let sink = provider().await;
    let folder = lay_out(&sink, "Fjall");
    let mut process = Process::start(folder.path());
    let clients = Clients::start(process.address, 0);
    assert!(sink.until(|sink| sink.count() >= 200).await);
    process.signal("-TERM");
    let told = Instant::now();
    let status = process.ended(Duration::from_secs(30)).await;
    eprintln!("it ended after {:?}", told.elapsed());
    assert_eq!(status.code(), Some(0));
    let acknowledged = clients.end().await;
    let process = Process::start(folder.path());
    all_arrive(&sink, &acknowledged).await;
    pass(3.0).await;
    let arrived = arrived(&sink);
    assert!(arrived.values().all(|times| times.len() == 1));
    assert_eq!(arrived.keys().copied().collect::<BTreeSet<_>>(), acknowledged, "all that was accepted was answered");
    drop(process);
}
