//! The real executable: killed, told to stop under load, without room on its disk.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::rig::{RULES, policy, record};

/// A daemon's process.
struct Process {
    child: Child,
    url: String,
    client: reqwest::Client,
}

fn lay_out(rules: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let etc = folder.path().join("opt/kumomta/etc/policy");
    std::fs::create_dir_all(&etc).unwrap();
    std::fs::write(etc.join("shaping.toml"), rules).unwrap();
    std::fs::write(etc.join("tsa_init.lua"), policy("", "")).unwrap();
    std::fs::write(folder.path().join("zones"), "$ORIGIN example.com.\n@ 60 MX 10 mx\nmx 60 A 192.0.2.1\n").unwrap();
    folder
}

impl Process {
    /// Starts it and waits until it says that it is ready, as a supervisor does (interface F.1).
    fn start(folder: &Path) -> Self {
        // The signal that a file grows beyond its limit ends a process that does not ignore it.
        let mut child = Command::new("sh")
            .args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#, env!("CARGO_BIN_EXE_tsa-daemon")])
            .args(["--policy", "/opt/kumomta/etc/policy/tsa_init.lua", "--prefix"])
            .arg(folder)
            .arg("--zones")
            .arg(folder.join("zones"))
            .env("KUMO_TSA_LOG", "off")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut address = None;
        for line in lines.by_ref() {
            let line = line.unwrap();
            assert!(line.contains(" INFO "), "{line}");
            if let Some((_, found)) = line.rsplit_once("http listener on ") {
                address = Some(found.to_owned());
            }
            if line.contains("initialization complete") {
                break;
            }
        }
        // So that it can go on writing.
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://{}", address.expect("it listens"));
        Self {
            child,
            url,
            client: reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls()).build().unwrap(),
        }
    }

    async fn publish(&self, record: &Value) -> Result<u16, reqwest::Error> {
        let request = self.client.post(format!("{}/publish_log_v1", self.url));
        let sent = request.header("content-type", "application/json").body(record.to_string()).send().await?;
        Ok(sent.status().as_u16())
    }

    async fn json(&self, path: &str) -> Value {
        let text = self.client.get(format!("{}{path}", self.url)).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The paths that are suspended.
    async fn held(&self) -> Vec<String> {
        let suspended = self.json("/get_suspension_v1/suspended.json").await;
        let paths = suspended["ready_q"].as_array().unwrap().iter();
        paths.map(|one| one["site_name"].as_str().unwrap().to_owned()).collect()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tls() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

fn on(number: u64, content: &str) -> Value {
    let mut record = record(number, content);
    record["site"] = format!("a->site-{number}@smtp_client").into();
    record
}

#[tokio::test]
async fn d1_killed_after_it_acknowledged_it_answers_the_same() {
    let folder = lay_out(RULES);
    let daemon = Process::start(folder.path());
    for number in 1..=50 {
        assert_eq!(daemon.publish(&on(number, "hold it")).await.unwrap(), 200);
    }
    // Made once: the same record is one of the same time.
    let again = record(102, "three times");
    for one in [&record(101, "three times"), &again] {
        assert_eq!(daemon.publish(one).await.unwrap(), 200);
    }
    let before = (daemon.json("/get_suspension_v1/suspended.json").await, daemon.json("/tsa/effects.json").await);
    daemon.signal("-KILL");
    drop(daemon);
    let daemon = Process::start(folder.path());
    let after = (daemon.json("/get_suspension_v1/suspended.json").await, daemon.json("/tsa/effects.json").await);
    assert_eq!(after, before);
    assert_eq!(daemon.publish(&again).await.unwrap(), 200);
    assert_eq!(daemon.held().await.len(), 50, "nothing is counted twice");
    assert_eq!(daemon.publish(&record(103, "three times")).await.unwrap(), 200);
    assert_eq!(daemon.held().await.len(), 51, "nothing is forgotten");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_told_to_stop_under_load_it_keeps_all_that_it_acknowledged() {
    let folder = lay_out(RULES);
    let mut daemon = Process::start(folder.path());
    let publishers: Vec<_> = (0..8)
        .map(|publisher| {
            let (client, url) = (daemon.client.clone(), daemon.url.clone());
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in 1.. {
                    let record = on(publisher * 1_000_000 + number, "hold it");
                    let path = record["site"].as_str().unwrap().to_owned();
                    let sent = client.post(format!("{url}/publish_log_v1")).header("content-type", "application/json");
                    match sent.body(record.to_string()).send().await {
                        Ok(answer) if answer.status().as_u16() == 200 => acknowledged.push(path),
                        _ => break,
                    }
                }
                acknowledged
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    daemon.signal("-TERM");
    let status = tokio::task::block_in_place(|| daemon.child.wait().unwrap());
    assert!(status.success(), "{status}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let mut acknowledged = Vec::new();
    for publisher in publishers {
        acknowledged.extend(publisher.await.unwrap());
    }
    assert!(acknowledged.len() > 10, "there was load: {}", acknowledged.len());
    let daemon = Process::start(folder.path());
    let held: std::collections::HashSet<_> = daemon.held().await.into_iter().collect();
    for path in acknowledged {
        assert!(held.contains(&path), "{path}");
    }
}

#[tokio::test]
async fn d3_a_disk_without_room_is_said_and_got_over() {
    let folder = lay_out(RULES);
    // A limit to the size of files stands for a full disk.
    let daemon = Process::start(folder.path());
    let limit = |size: &str| {
        let pid = daemon.child.id().to_string();
        Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={size}:unlimited")]).status()
    };
    if !matches!(limit("unlimited"), Ok(status) if status.success()) {
        eprintln!("there is no `prlimit` here that works");
        return;
    }
    assert_eq!(daemon.publish(&on(1, "hold it")).await.unwrap(), 200);
    limit("1").unwrap();
    for _ in 0..3 {
        let refused = daemon.client.post(format!("{}/publish_log_v1", daemon.url));
        let body = on(2, "hold it").to_string();
        let refused = refused.header("content-type", "application/json").body(body).send().await.unwrap();
        assert_eq!(refused.status().as_u16(), 503);
        assert_eq!(refused.headers()["retry-after"], "1");
        let text = refused.text().await.unwrap();
        assert!(text.starts_with("Error: ") && text.contains("tsa.db.store"), "{text}");
    }
    assert_eq!(daemon.publish(&record(3, "no match")).await.unwrap(), 200, "what changes nothing needs no room");
    assert_eq!(daemon.held().await, ["a->site-1@smtp_client"], "nothing is half done");
    limit("unlimited").unwrap();
    let began = Instant::now();
    while daemon.publish(&on(4, "hold it")).await.unwrap() != 200 {
        assert!(began.elapsed() < Duration::from_secs(20), "it opens again by itself");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let expected = ["a->site-1@smtp_client", "a->site-4@smtp_client"];
    assert_eq!(daemon.held().await, expected);
    daemon.signal("-KILL");
    drop(daemon);
    let daemon = Process::start(folder.path());
    assert_eq!(daemon.held().await, expected, "what was refused is not there after a restart either");
}
