//! A mail host with a policy, and what it has logged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kumo_tsa::dns::{Resolver, Source, Zones};
use kumo_tsa::host::Host;
use kumo_tsa::mail::service::MailHost;
use kumo_tsa::policy::explain;
use serde_json::Value;

use crate::support::Bench;
use crate::support::smtp::{Sink, Talk};

/// `one` takes mail at 127.0.0.1; of the others the hosts differ.
pub(super) const ZONE: &str = "
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
        Self::running(Bench::new(), ZONE, &policy(port, path)).await
    }

    /// One that runs this policy.
    pub(super) async fn running(bench: Bench, zone: &str, policy: &str) -> Self {
        let mut zones = Zones::default();
        zones.parse("zone", zone, false).unwrap();
        Resolver::replace(&bench.host, Source::Zones(zones)).unwrap();
        let file = bench.write("/opt/kumomta/etc/policy/init.lua", policy);
        let started = MailHost::start(&bench.host, &file).await;
        let mail = started.unwrap_or_else(|error| panic!("{}", explain(&error)));
        Self { bench, mail }
    }

    pub(super) fn host(&self) -> &Host {
        &self.bench.host
    }

    /// Says something to the HTTP listener; gives status and answer.
    pub(super) async fn post(&self, path: &str, body: &Value) -> (u16, String) {
        self.ask(reqwest::Method::POST, path, Some(body)).await
    }

    /// Asks the HTTP listener, which has to answer with JSON.
    pub(super) async fn get(&self, path: &str) -> Value {
        let (status, text) = self.ask(reqwest::Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn ask(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> (u16, String) {
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
        let url = format!("http://{}{path}", self.mail.http_addresses()[0]);
        let request = client.request(method, url);
        let request = if let Some(body) = body { request.json(body) } else { request };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Brings so many messages to a domain, over one connection; all have to be accepted.
    pub(super) async fn pour(&self, count: usize, domain: &str) {
        let mut talk = Talk::greeted(self.address()).await;
        for number in 0..count {
            let reply = talk.send("from@example.org", &[&format!("to{number}@{domain}")], HELLO).await;
            assert!(reply.starts_with("250"), "{reply}");
        }
        talk.say("QUIT").await;
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
        let mut records = self.stop_and_tell_all().await;
        records.retain(|record| record["type"] != "Reception");
        records
    }

    /// The same with receptions.
    pub(super) async fn stop_and_tell_all(self) -> Vec<Value> {
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
        records.sort_by_key(|record| record["event_time"].to_string());
        records
    }
}

/// The beginning of a policy: what `init` needs, and then `more` of it; `listener` is the rest of the listener's options.
pub(super) fn beginning(listener: &str, more: &str) -> String {
    format!(
        "local kumo = require 'kumo'
kumo.on('init', function()
  kumo.define_spool {{ name = 'data', path = '/var/spool/kumomta/data', kind = 'Fjall', min_free_space = 0 }}
  kumo.define_spool {{ name = 'meta', path = '/var/spool/kumomta/meta', kind = 'Fjall', min_free_space = 0 }}
  kumo.configure_local_logs {{ log_dir = '/var/log/kumomta', min_free_space = 0 }}
  kumo.start_esmtp_listener {{ listen = '127.0.0.1:0', hostname = 'us.example', {listener} }}
  {more}
end)
"
    )
}

fn policy(port: u16, path: &str) -> String {
    let init = beginning("batch_handling = 'BatchByDomain'", "");
    format!(
        "{init}
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
