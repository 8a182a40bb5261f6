//! A daemon in a folder of its own, what is published to it, and who subscribes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kumo_tsa::dns::{Resolver, Source, Zones};
use kumo_tsa::host::{Clock, Host, Paths};
use kumo_tsa::tsa::{Daemon, Error};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// `mx.example.com` takes mail for two domains.
const ZONE: &str = "
$ORIGIN example.com.
$TTL 600
@ MX 10 mx
other MX 10 mx.example.com.
mx A 192.0.2.1
";

/// The site that example.com rolls up to, as a record names it.
pub(crate) const SITE: &str = "unspecified->mx.example.com@smtp_client";

/// A daemon and all it needs.
pub(crate) struct Rig {
    pub(crate) host: Host,
    pub(crate) folder: Arc<TempDir>,
    pub(crate) daemon: Option<Daemon>,
    pub(crate) client: reqwest::Client,
}

/// A policy that listens on a free port, with more in its listener's table, and more of its own.
pub(crate) fn policy(listener: &str, more: &str) -> String {
    format!(
        "local kumo = require 'kumo'
local tsa = require 'tsa'
kumo.on('tsa_init', function()
  tsa.start_http_listener {{ listen = '127.0.0.1:0', {listener} }}
end)
kumo.on('tsa_load_shaping_data', function()
  return kumo.shaping.load {{ '/opt/kumomta/etc/policy/shaping.toml' }}
end)
{more}"
    )
}

impl Rig {
    /// A folder with these rules and a plain policy; not started. Its clock is the machine's.
    pub(crate) fn new(rules: &str) -> Self {
        Self::with_clock(rules, Clock::system(), Arc::new(tempfile::tempdir().unwrap()))
    }

    /// The same with time that the test controls.
    pub(crate) fn controlled(rules: &str) -> Self {
        let clock = Clock::controlled(kumo_tsa_core::wire::Time::from_secs(1_769_860_800));
        Self::with_clock(rules, clock, Arc::new(tempfile::tempdir().unwrap()))
    }

    fn with_clock(rules: &str, clock: Clock, folder: Arc<TempDir>) -> Self {
        let host = host(clock, folder.path());
        // The crypto provider is chosen by who makes the client.
        let client = reqwest::Client::builder().tls_backend_preconfigured(trusting()).no_proxy().build().unwrap();
        let rig = Self { host, folder, daemon: None, client };
        rig.write("/opt/kumomta/etc/policy/shaping.toml", rules);
        rig.write("/opt/kumomta/etc/policy/tsa_init.lua", &policy("", ""));
        rig
    }

    /// Another policy.
    pub(crate) fn policy(self, text: &str) -> Self {
        self.write("/opt/kumomta/etc/policy/tsa_init.lua", text);
        self
    }

    /// Writes a file under its documented path.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Where a documented path really is.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.host.paths().resolve(Path::new(path)).into_owned()
    }

    pub(crate) async fn try_start(&mut self) -> Result<(), Error> {
        self.daemon = Some(Daemon::start(&self.host, Path::new("/opt/kumomta/etc/policy/tsa_init.lua")).await?);
        Ok(())
    }

    pub(crate) async fn start(mut self) -> Self {
        if let Err(error) = self.try_start().await {
            panic!("{:#}", anyhow::Error::from(error));
        }
        self
    }

    /// What the start fails with.
    pub(crate) async fn fails(mut self) -> String {
        match self.try_start().await {
            Ok(()) => panic!("it started"),
            Err(error) => format!("{:#}", anyhow::Error::from(error)),
        }
    }

    /// Stops the daemon, unless it was, and starts another in the same folder.
    pub(crate) async fn restart(mut self) -> Self {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop().await;
        }
        self.host = host(self.host.clock().clone(), self.folder.path());
        self.start().await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.daemon.as_ref().unwrap().addresses()[0]
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// A GET: status and text.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        told(self.client.get(self.url(path)).send().await.unwrap()).await
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let (status, text) = self.get(path).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// A body to publish, with headers.
    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> (u16, String) {
        let mut request = self.client.post(self.url("/publish_log_v1")).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        told(request.send().await.unwrap()).await
    }

    /// Publishes one record, which is taken.
    #[track_caller]
    pub(crate) fn publish(&self, record: &Value) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        let body = record.to_string();
        async move {
            let answer = self.post(&[("content-type", "application/json")], body).await;
            assert_eq!(answer, (200, String::new()), "{place}");
        }
    }

    /// Subscribes to an endpoint.
    pub(crate) async fn subscribe(&self, path: &str) -> Subscriber {
        let url = format!("ws://{}{path}", self.address());
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        Subscriber(socket)
    }

    /// The value of a metric: all of its line that is before the value.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics").await;
        text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }
}

fn host(clock: Clock, folder: &Path) -> Host {
    let host = Host::new(clock, Paths::with_prefix(folder));
    host.announce_to(Arc::new(|_| ()));
    let mut zones = Zones::default();
    zones.parse("test.zone", ZONE, false).unwrap();
    Resolver::replace(&host, Source::Zones(zones)).unwrap();
    host
}

/// TLS that takes any certificate's root from the test; plain HTTP does not care.
pub(crate) fn trusting() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

async fn told(response: reqwest::Response) -> (u16, String) {
    (response.status().as_u16(), response.text().await.unwrap())
}

/// A websocket that reads frames.
pub(crate) struct Subscriber(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Subscriber {
    /// The next frame, which must come soon.
    pub(crate) async fn next(&mut self) -> Value {
        let message = tokio::time::timeout(Duration::from_secs(20), self.0.next()).await.expect("a frame in time");
        match message.expect("it is open").unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("not a text frame: {other:?}"),
        }
    }

    /// Frames up to and with one that `last` recognizes.
    pub(crate) async fn until(&mut self, last: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            frames.push(self.next().await);
            if frames.last().is_some_and(&last) {
                return frames;
            }
        }
    }
}

/// A Delivery record of now for `example.com`: `250 2.0.0 CONTENT`, told from others by its number.
pub(crate) fn record(number: u64, content: &str) -> Value {
    record_at(kumo_tsa_core::wire::Time::from_secs(now()), number, content)
}

fn now() -> i64 {
    i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// The same of another time.
pub(crate) fn record_at(time: kumo_tsa_core::wire::Time, number: u64, content: &str) -> Value {
    let secs = time.micros() / 1_000_000;
    json!({
        "type": "Delivery", "id": format!("{number:032x}"), "sender": "from@sender.example",
        "recipient": "to@example.com", "queue": "campaign:tenant@example.com", "site": SITE, "size": 1000,
        "response": {"code": 250, "enhanced_code": {"class": 2, "subject": 0, "detail": 0}, "content": content,
                     "command": null},
        "peer_address": {"name": "mx.example.com", "addr": "192.0.2.1"},
        "timestamp": secs, "event_time": time.to_string(), "created": secs, "created_time": time.to_string(),
        "num_attempts": 0, "bounce_classification": "Uncategorized", "egress_pool": "unspecified",
        "egress_source": "unspecified", "source_address": null, "feedback_report": null, "meta": {}, "headers": {},
        "delivery_protocol": "ESMTP", "reception_protocol": "ESMTP",
        "nodeid": "5c47c3e3-8f3c-4a0a-9f35-6e5a7a0e7d11"
    })
}

/// Rules for all that tests need: the content of a response chooses the rule.
pub(crate) const RULES: &str = r#"
[[default.automation]]
regex = "hold it"
action = "Suspend"
duration = "1 hour"

[[default.automation]]
regex = "hold tenant"
action = "SuspendTenant"
duration = "1 hour"

[[default.automation]]
regex = "bounce it"
action = "Bounce"
duration = "1 hour"

[[default.automation]]
regex = "slow down"
action = {SetConfig={name="max_message_rate", value="10/s"}}
duration = "1 hour"

[[default.automation]]
regex = "three times"
trigger = {Threshold="3/hr"}
action = "Suspend"
duration = "1 hour"
"#;

/// What reads JSON.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
