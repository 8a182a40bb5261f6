//! The mail host's endpoints (interface C.1, C.14, C.17).

use std::path::Path;
use std::sync::Arc;

use kumo_tsa::dns::{Resolver, Source, Zones};
use kumo_tsa::host::listening::Serving;
use kumo_tsa::mail::log::{Audit, Logger, ToQueues};
use kumo_tsa::mail::queue::{Accept, Queues};
use kumo_tsa::mail::spool::Spools;
use kumo_tsa::mail::{Address, Message, http, lua};
use serde_json::{Value, json};

use crate::support::{Bench, call};

const ZONE: &str = "
$ORIGIN example.com.
$TTL 600
@ MX 10 mx
mx A 192.0.2.1
";

const POLICY: &str = "kumo.on('init', function()
  kumo.define_spool { name = 'data', path = '/var/spool/kumomta/data', min_free_space = 0, min_free_inodes = 0 }
  kumo.define_spool { name = 'meta', path = '/var/spool/kumomta/meta', min_free_space = 0, min_free_inodes = 0 }
  kumo.configure_local_logs { log_dir = '/var/log/kumomta', min_free_space = 0, min_free_inodes = 0 }
  kumo.aaa.configure_acct_log { log_dir = '/var/log/kumomta/acct' }
  kumo.start_http_listener { listen = '127.0.0.1:0' }
end)
kumo.on('get_egress_path_config', function(domain, source, site)
  return kumo.make_egress_path { max_message_rate = '1000/s', connection_limit = 7 }
end)
kumo.on('get_queue_config', function(domain, tenant, campaign, routing_domain)
  return kumo.make_queue_config { max_message_rate = '60/m' }
end)";

/// A host that takes mail and listens.
struct Rig {
    bench: Bench,
    serving: Serving,
    client: reqwest::Client,
}

impl Rig {
    async fn start() -> Self {
        let bench = lua::installs().iter().fold(Bench::new(), |bench, install| bench.with(*install));
        bench.host.announce_to(Arc::new(|_| ()));
        let mut zones = Zones::default();
        zones.parse("test.zone", ZONE, false).unwrap();
        Resolver::replace(&bench.host, Source::Zones(zones)).unwrap();
        let policy = bench.load(POLICY).await;
        if let Err(error) = call::<()>(&policy, "init", ()).await {
            panic!("{}", bench.text(&error));
        }
        Spools::open(&bench.host).await.unwrap();
        Queues::of(&bench.host).start(policy.clone());
        Logger::of(&bench.host).start(Arc::new(ToQueues::of(&bench.host)));
        let serving = http::start(&policy).unwrap();
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
        Self { bench, serving, client }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.serving.addresses()[0])
    }

    async fn get(&self, path: &str) -> (u16, String) {
        told(self.client.get(self.url(path)).send().await.unwrap()).await
    }

    async fn json(&self, path: &str) -> Value {
        let (status, text) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, text) = told(self.client.post(self.url(path)).json(body).send().await.unwrap()).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn delete(&self, path: &str, id: &Value) -> (u16, String) {
        told(self.client.delete(self.url(path)).json(&json!({"id": id})).send().await.unwrap()).await
    }

    async fn accept(&self, to: &str) -> Message {
        let now = self.bench.host.clock().now();
        let message = Message::new(Address::null(), vec![Address::parse(to).unwrap()], "Subject: x\r\n\r\nhi\r\n", now);
        let how = Accept { deferred_spool: false, log_reception: true };
        Queues::of(&self.bench.host).accept(vec![message.clone()], how).await.unwrap();
        message
    }

    /// Stops all, and gives the lines of the logs in a folder.
    async fn stop(mut self, folder: &str) -> Vec<Value> {
        self.bench.host.shutdown().request();
        self.serving.ended().await;
        Queues::of(&self.bench.host).stop(std::time::Duration::from_secs(5)).await;
        Logger::of(&self.bench.host).stop().await;
        Audit::of(&self.bench.host).stop().await;
        let folder = self.bench.host.paths().resolve(Path::new(folder)).into_owned();
        let mut lines = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let text = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
                lines.extend(String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()));
            }
        }
        lines
    }
}

async fn told(response: reqwest::Response) -> (u16, String) {
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn suspensions_are_made_listed_and_ended() {
    let rig = Rig::start().await;
    for (kind, what, body) in [
        ("suspend", "suspend", json!({"domain": "example.com", "tenant": "t", "reason": "rest", "duration": "1 hour"})),
        ("suspend-ready-q", "suspend-ready-q", json!({"name": "s->x@smtp_client", "reason": "rest"})),
        ("bounce", "bounce", json!({"domain": "example.org", "routing_domain": "r", "reason": "go away"})),
    ] {
        let path = format!("/api/admin/{kind}/v1");
        assert_eq!(rig.json(&path).await, json!([]));
        let (status, made) = rig.post(&path, &body).await;
        assert_eq!(status, 200, "{made}");
        let listed = rig.json(&path).await;
        assert_eq!((&listed[0]["id"], &listed[0]["reason"]), (&made["id"], &body["reason"]), "{kind}");
        assert!(listed[0]["duration"].is_string());
        let id = made["id"].as_str().unwrap();
        assert_eq!(rig.delete(&path, &made["id"]).await, (200, format!("removed {id}")));
        assert_eq!(rig.delete(&path, &made["id"]).await, (404, format!("{what} entry {id} not found")));
    }
}

#[tokio::test]
async fn bodies_are_refused_with_what_is_wrong() {
    let rig = Rig::start().await;
    let send = |kind: &'static str, body: &'static str| {
        let request = rig.client.post(rig.url("/api/admin/suspend/v1")).header("content-type", kind).body(body);
        async { told(request.send().await.unwrap()).await }
    };
    assert_eq!(send("text/plain", "{}").await.0, 415);
    assert_eq!(send("application/json", "{").await.0, 400);
    let (status, text) = send("application/json", "{}").await;
    assert_eq!(status, 422);
    assert!(text.contains("missing field `reason`"), "{text}");
    let (status, text) = send("application/json", r#"{"reason": "x", "duration": "soon"}"#).await;
    assert_eq!(status, 422);
    assert!(text.contains("duration: invalid value"), "{text}");
}

#[tokio::test]
async fn what_waits_is_shown_and_bounced() {
    let rig = Rig::start().await;
    rig.post("/api/admin/suspend/v1", &json!({"domain": "example.com", "reason": "rest"})).await;
    let message = rig.accept("to@example.com").await;
    let shown = rig.json("/api/admin/inspect-sched-q/v1?queue_name=example.com&want_body=true").await;
    assert_eq!((&shown["num_scheduled"], &shown["queue_config"]["max_message_rate"]), (&json!(1), &json!("60/m")));
    let first = &shown["messages"][0];
    assert_eq!(
        (&first["id"], &first["message"]["recipient"]),
        (&json!(message.id().to_string()), &json!("to@example.com"))
    );
    assert_eq!(first["message"]["data"], "Subject: x\r\n\r\nhi\r\n");
    let shown = rig.json(&format!("/api/admin/inspect-message/v1?id={}", message.id())).await;
    assert_eq!((&shown["message"]["sender"], &shown["message"].get("data")), (&json!(""), &None));
    let (_, metrics) = rig.get("/metrics").await;
    assert!(metrics.contains("scheduled_count{queue=\"example.com\"} 1"), "{metrics}");
    assert!(metrics.contains("total_messages_received{service=\"esmtp_listener\"} 1"), "{metrics}");
    let (status, made) = rig.post("/api/admin/bounce/v1", &json!({"domain": "example.com", "reason": "go away"})).await;
    assert_eq!((status, &made["bounced"], &made["total_bounced"]), (200, &json!({}), &json!(0)));
    while rig.json("/api/admin/bounce/v1").await[0]["total_bounced"] != 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.json("/api/admin/bounce/v1").await[0]["bounced"], json!({"example.com": 1}));
    assert_eq!(rig.get(&format!("/api/admin/inspect-message/v1?id={}", message.id())).await.0, 404);
    let records = rig.stop("/var/log/kumomta").await;
    let bounced = records.iter().find(|record| record["type"] == "AdminBounce").unwrap();
    assert_eq!(bounced["response"]["content"], "Administrator bounced with reason: go away");
}

#[tokio::test]
async fn what_holds_for_a_domain_is_resolved() {
    let rig = Rig::start().await;
    let found = rig.json("/api/admin/resolve-egress-path/v1?domain=example.com").await;
    assert_eq!(found["queue_name"], "unspecified->mx.example.com@smtp_client");
    assert_eq!(found["mx"]["by_preference"], json!({"10": ["mx.example.com."]}));
    assert_eq!((&found["path_config"]["connection_limit"], &found["source"]), (&json!(7), &json!("unspecified")));
    assert_eq!(found["constraints"]["max_message_rate"]["value"], 1.0);
    assert_eq!(found["constraints"]["max_message_rate_declared"], "1000/s");
    let (status, text) = rig.get("/api/admin/resolve-egress-path/v1?domain=nowhere.example").await;
    assert!(status == 500 && text.starts_with("Error: ") && text.contains("NXDOMAIN"), "{status} {text}");
}

#[tokio::test]
async fn queues_that_are_not_there_are_not_found() {
    let rig = Rig::start().await;
    let (status, text) = rig.get("/api/admin/inspect-ready-q/v1?queue_name=X").await;
    assert_eq!((status, text.as_str()), (404, "Error: no such ready queue X"));
    assert_eq!(rig.get("/api/admin/inspect-sched-q/v1?queue_name=X").await.0, 404);
    assert_eq!(rig.get("/api/admin/inspect-message/v1?id=X").await.0, 400);
    assert_eq!(rig.json("/api/admin/ready-q-states/v1").await, json!({"states_by_ready_queue": {}}));
    assert_eq!(rig.get("/api/admin/nonsense").await.0, 404);
    assert_eq!(rig.get("/api/inject/v1").await.0, 405);
}

#[tokio::test]
async fn who_asks_is_written_down_and_liveness_is_told_to_anyone() {
    let rig = Rig::start().await;
    assert_eq!(rig.get("/api/check-liveness/v1").await, (200, "OK".to_owned()));
    rig.json("/api/admin/bounce/v1").await;
    let address = rig.serving.addresses()[0];
    let records = rig.stop("/var/log/kumomta/acct").await;
    assert_eq!(records.len(), 1, "{records:?}");
    let record = &records[0];
    assert_eq!(
        (&record["type"], &record["access"], &record["privilege"]),
        (&json!("Authorization"), &json!("Allow"), &json!("GET"))
    );
    assert_eq!(record["target_resource"], format!("http_listener/{address}/api/admin/bounce/v1"));
    assert_eq!(record["auth_info"]["groups"], json!(["kumomta:http-listener-trusted-ip"]));
}
