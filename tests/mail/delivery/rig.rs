//! A mail host with a policy, and what it has logged.

use std::net::SocketAddr;
use std::time::Duration;

use kumo_tsa::dns::{Resolver, Source, Zones};
use kumo_tsa::mail::service::MailHost;
use kumo_tsa::policy::explain;
use serde_json::Value;

use crate::support::Bench;
use crate::support::smtp::{Sink, Talk};

/// `one` takes mail at 127.0.0.1; of the others the hosts differ.
const ZONE: &str = "
$ORIGIN example.com.
$TTL 600
one MX 10 mx
mx A 127.0.0.1
several MX 10 first
several MX 20 second
first A 127.0.0.2
second A 127.0.0.3
null MX 0 .
";

/// A small message.
pub(super) const HELLO: &[u8] = b"Subject: hello\r\n\r\nhello\r\n";

/// A running mail host.
pub(super) struct Rig {
    bench: Bench,
    mail: MailHost,
}

impl Rig {
    /// One that delivers to the sink's port, with options more for its paths.
    pub(super) async fn new(sink: &Sink, path: &str) -> Self {
        Self::with_port(sink.port(), path).await
    }

    pub(super) async fn with_port(port: u16, path: &str) -> Self {
        let bench = Bench::new();
        let mut zones = Zones::default();
        zones.parse("zone", ZONE, false).unwrap();
        Resolver::replace(&bench.host, Source::Zones(zones)).unwrap();
        let file = bench.write("/opt/kumomta/etc/policy/init.lua", &policy(port, path));
        let started = MailHost::start(&bench.host, &file).await;
        let mail = started.unwrap_or_else(|error| panic!("{}", explain(&error)));
        Self { bench, mail }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.mail.smtp_addresses()[0]
    }

    /// Brings one message, which has to be accepted.
    pub(super) async fn send(&self, to: &[&str], data: &[u8]) {
        let mut talk = Talk::greeted(self.address()).await;
        let reply = talk.send("from@example.org", to, data).await;
        assert!(reply.starts_with("250"), "{reply}");
        talk.say("QUIT").await;
    }

    /// Stops the host and gives what it has logged of each message, in order of time; receptions apart.
    pub(super) async fn stop(self) -> Vec<Value> {
        self.mail.stop().await;
        let folder = self.bench.host.paths().resolve(std::path::Path::new("/var/log/kumomta")).into_owned();
        let mut records = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
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
}

fn policy(port: u16, path: &str) -> String {
    format!(
        "local kumo = require 'kumo'
kumo.on('init', function()
  kumo.define_spool {{ name = 'data', path = '/var/spool/kumomta/data', kind = 'Fjall', min_free_space = 0 }}
  kumo.define_spool {{ name = 'meta', path = '/var/spool/kumomta/meta', kind = 'Fjall', min_free_space = 0 }}
  kumo.configure_local_logs {{ log_dir = '/var/log/kumomta', min_free_space = 0 }}
  kumo.start_esmtp_listener {{ listen = '127.0.0.1:0', hostname = 'us.example', batch_handling = 'BatchByDomain' }}
end)
kumo.on('get_queue_config', function()
  return kumo.make_queue_config {{ retry_interval = '5m' }}
end)
kumo.on('get_egress_path_config', function()
  return kumo.make_egress_path {{ smtp_port = {port}, prohibited_hosts = {{}}, {path} }}
end)
"
    )
}

/// `type response`, without the port and what comes after the number of what was accepted.
pub(super) fn shown(records: &[Value]) -> Vec<String> {
    records.iter().map(one).collect()
}

fn one(record: &Value) -> String {
    let response = &record["response"];
    let enhanced = match response["enhanced_code"].as_object() {
        Some(code) => format!(" {}.{}.{}", code["class"], code["subject"], code["detail"]),
        None => String::new(),
    };
    let (kind, content) = (record["type"].as_str().unwrap(), response["content"].as_str().unwrap());
    format!("{kind} {}{enhanced} {content}", response["code"])
}

/// Waits, in tokio's time, until a condition holds.
pub(super) async fn until(what: &str, reached: impl Fn() -> bool) {
    for _ in 0..3000 {
        if reached() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain for: {what}");
}
