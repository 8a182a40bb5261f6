//! What is refused is logged (interface C.6).

use std::path::Path;

use kumo_tsa::mail::log::Logger;
use serde_json::Value;

use super::client::Client;
use super::rig::Rig;

const LOGS: &str = "kumo.on('pre_init', function()
    kumo.configure_local_logs { log_dir = '/var/log/kumomta', meta = { 'received_via' } }
end)";

/// The records so far; nothing is logged after that.
async fn records(rig: &Rig) -> Vec<Value> {
    Logger::of(&rig.bench.host).stop().await;
    let folder = rig.bench.host.paths().resolve(Path::new("/var/log/kumomta")).into_owned();
    let mut records = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = zstd::decode_all(std::fs::File::open(entry.unwrap().path()).unwrap()).unwrap();
        let lines = String::from_utf8(text).unwrap();
        records.extend(lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    records
}

/// Sender, recipient, the response and the command that it answers.
fn told(record: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let response = &record["response"];
    let detail = &response["enhanced_code"];
    format!(
        "{} <{}> <{}> {} {}.{}.{} {} [{}]",
        text(&record["type"]),
        text(&record["sender"]),
        text(&record["recipient"]),
        response["code"],
        detail["class"],
        detail["subject"],
        detail["detail"],
        text(&response["content"]),
        text(&response["command"])
    )
}

#[tokio::test]
async fn each_refusal_is_a_record() {
    let rig = Rig::with("relay_hosts = {}, max_connections = 1", LOGS).await;
    let mut client = rig.client().await;
    client.send("MAIL FROM:<a@b.c>\r\nRCPT TO:<x@y.z>\r\nDATA\r\nFROB\r\n").await;
    for code in ["250", "550", "503", "500"] {
        assert!(client.reply().await.starts_with(code));
    }
    let mut other = Client::connect(rig.address).await;
    assert!(other.reply().await.starts_with("421 4.3.2"));
    let records = records(&rig).await;
    assert_eq!(
        records.iter().map(told).collect::<Vec<_>>(),
        [
            "Rejection <a@b.c> <x@y.z> 550 5.7.1 relaying not permitted [RCPT TO:<x@y.z>]",
            "Rejection <a@b.c> <x@y.z> 503 5.5.0 RCPT TO must be issued first [DATA]",
            "Rejection <a@b.c> <x@y.z> 500 5.5.1 command unknown [FROB]",
        ]
    );
    let first = &records[0];
    assert_eq!((first["id"].as_str(), first["queue"].as_str(), first["site"].as_str()), (Some(""), Some(""), Some("")));
    assert_eq!(first["reception_protocol"], "ESMTP");
    assert_eq!(first["peer_address"]["name"], "client.example");
    assert_eq!(first["meta"]["received_via"], rig.address.to_string());
}

#[tokio::test]
async fn a_password_is_not_logged() {
    let rig = Rig::with("", LOGS).await;
    let mut client = rig.client().await;
    client.start_tls("").await;
    client.expect("EHLO client.example", "250").await;
    client.expect("AUTH PLAIN AHVzZXIAc2VjcmV0", "535").await;
    let records = records(&rig).await;
    assert_eq!(
        records.iter().map(told).collect::<Vec<_>>(),
        ["Rejection <> <> 535 5.7.8 the credentials are not valid [AUTH PLAIN]"]
    );
    assert!(!serde_json::to_string(&records).unwrap().contains("AHVzZXI"));
}
