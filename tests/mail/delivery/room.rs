//! A disk that is full.

use std::time::Duration;

use super::rig::{HELLO, Rig, ZONE, beginning, shown};
use crate::mail::spool::Disk;
use crate::support::Bench;
use crate::support::smtp::{Sink, Talk};

#[tokio::test]
async fn d5_a_full_spool_refuses_mail_loses_none_and_recovers() {
    for kind in ["LocalDisk", "Fjall"] {
        let sink = Sink::willing().await;
        let bench = Bench::new();
        let Some(disk) = Disk::mount(bench.path("root/var/spool/kumomta"), 24) else {
            eprintln!("no file system can be mounted here");
            return;
        };
        let ballast = disk.0.join("ballast");
        std::fs::write(&ballast, vec![1; 12 << 20]).unwrap();
        // What is accepted stays: the path is closed for now.
        let paths = format!(
            "kumo.on('get_egress_path_config', function()
               return kumo.make_egress_path {{ smtp_port = {}, prohibited_hosts = {{}} }}
             end)
             kumo.on('smtp_server_message_received', function(msg) msg:set_meta('tenant', 'held') end)",
            sink.port()
        );
        let policy = beginning("", "kumo.start_http_listener { listen = '127.0.0.1:0' }") + &paths;
        let rig = Rig::running(bench, ZONE, &policy.replace("'Fjall'", &format!("'{kind}'"))).await;
        let held = serde_json::json!({"tenant": "held", "reason": "for now", "duration": "1h"});
        let (status, answer) = rig.post("/api/admin/suspend/v1", &held).await;
        assert_eq!(status, 200, "{answer}");

        let mut content = HELLO.to_vec();
        // What does not compress.
        for _ in 0..4000 {
            content.extend((0..76).map(|_| fastrand::alphanumeric() as u8));
            content.extend_from_slice(b"\r\n");
        }
        let (mut accepted, mut refused) = (0, 0);
        while refused < 3 {
            assert!(accepted < 200, "the disk has an end");
            let mut talk = Talk::greeted(rig.address()).await;
            let reply = talk.send("from@example.org", &["to@one.example.com"], &content).await;
            match &reply[..3] {
                "250" => accepted += 1,
                // Before DATA, or in the middle of it.
                "452" | "451" => refused += 1,
                _ => panic!("{reply}"),
            }
        }
        assert!(accepted > 0);
        assert_eq!(sink.count(), 0);
        std::fs::remove_file(&ballast).unwrap();
        let began = std::time::Instant::now();
        loop {
            assert!(began.elapsed() < Duration::from_secs(20), "{kind}: it goes on by itself");
            let mut talk = Talk::greeted(rig.address()).await;
            let reply = talk.send("from@example.org", &["to@one.example.com"], HELLO).await;
            if reply.starts_with("250") {
                accepted += 1;
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let id = answer["id"].as_str().unwrap().parse().unwrap();
        assert!(kumo_tsa::mail::hold::Holds::of(rig.host()).delete_queue(id));
        assert!(sink.until(|sink| sink.count() == accepted).await, "{kind}: {} of {accepted}", sink.count());
        let records = rig.stop().await;
        let delivered = shown(&records).iter().filter(|text| text.starts_with("Delivery ")).count();
        assert_eq!(delivered, accepted);
        assert_eq!(sink.count(), accepted);
        drop(disk);
    }
}
