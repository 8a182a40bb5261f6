//! A mail host whose policy each test writes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kumo_tsa::dns::{Resolver, Source, Zones};
use kumo_tsa::host::Host;
use kumo_tsa::mail::queue::{Accept, Queues};
use kumo_tsa::mail::service::MailHost;
use kumo_tsa::mail::{Address, Message};
use kumo_tsa::policy::explain;
use serde_json::Value;

use crate::support::Bench;

const ZONE: &str = "
$ORIGIN example.com.
$TTL 600
@ MX 10 mx
one MX 10 mx
two MX 10 mx
mx A 127.0.0.1
";

const INIT: &str = "local kumo = require 'kumo'
kumo.on('init', function()
  kumo.define_spool { name = 'data', path = '/var/spool/kumomta/data' }
  kumo.define_spool { name = 'meta', path = '/var/spool/kumomta/meta' }
  kumo.configure_local_logs { log_dir = '/var/log/kumomta' }
end)
";

/// A mail host in a folder of its own.
pub(super) struct Rig {
    bench: Bench,
    mail: Option<MailHost>,
    policy: String,
}

impl Rig {
    /// One with these handlers.
    pub(super) async fn new(policy: &str) -> Self {
        let mut rig = Self { bench: Bench::of_mail(), mail: None, policy: format!("{INIT}{policy}") };
        rig.start().await;
        rig
    }

    pub(super) async fn start(&mut self) {
        let mut zones = Zones::default();
        zones.parse("zone", ZONE, false).unwrap();
        Resolver::replace(&self.bench.host, Source::Zones(zones)).unwrap();
        let file = self.bench.write("/opt/kumomta/etc/policy/init.lua", &self.policy);
        let started = MailHost::start(&self.bench.host, &file).await;
        self.mail = Some(started.unwrap_or_else(|error| panic!("{}", explain(&error))));
    }

    pub(super) fn host(&self) -> &Host {
        &self.bench.host
    }

    pub(super) fn queues(&self) -> Arc<Queues> {
        Queues::of(&self.bench.host)
    }

    pub(super) fn message(&self, to: &[&str]) -> Message {
        let to = to.iter().map(|to| Address::parse(to).unwrap()).collect();
        let from = Address::parse("from@example.org").unwrap();
        Message::new(from, to, "Subject: hello\r\n\r\nhello\r\n", self.bench.host.clock().now())
    }

    pub(super) async fn accept(&self, message: Message) {
        let how = Accept { deferred_spool: false, log_reception: true };
        self.queues().accept(vec![message], how).await.unwrap();
    }

    pub(super) async fn send(&self, count: usize, to: &str) {
        for _ in 0..count {
            self.accept(self.message(&[to])).await;
        }
    }

    /// The folder that the host's documented paths lead into.
    pub(super) fn prefix(&self) -> std::path::PathBuf {
        self.bench.path("root")
    }

    /// Real paths in the host's folder.
    pub(super) fn folder(&self, documented: &str) -> std::path::PathBuf {
        self.bench.host.paths().resolve(Path::new(documented)).into_owned()
    }

    /// Stops the host and gives what it logged, receptions apart: `type response`.
    pub(super) async fn stop(&mut self) -> Vec<Value> {
        self.mail.take().unwrap().stop().await;
        let mut records = Vec::new();
        for entry in std::fs::read_dir(self.folder("/var/log/kumomta")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let text = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
                let lines = String::from_utf8(text).unwrap();
                records.extend(lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
            }
        }
        records.retain(|record| record["type"] != "Reception");
        records.sort_by_key(|record| record["event_time"].to_string());
        records
    }

    /// As [`stop`](Self::stop), each record as `type code content`.
    pub(super) async fn told(mut self) -> Vec<String> {
        let show = |record: &Value| {
            let response = &record["response"];
            let kind = record["type"].as_str().unwrap();
            format!("{kind} {} {}", response["code"], response["content"].as_str().unwrap())
        };
        self.stop().await.iter().map(show).collect()
    }
}

pub(super) async fn pass(secs: f64) {
    tokio::time::sleep(Duration::from_secs_f64(secs)).await;
}
