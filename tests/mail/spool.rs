//! The spool keeps what it acknowledged, and nothing else.

use std::sync::Arc;

use kumo_tsa::host::Host;
use kumo_tsa::mail::spool::{Definition, Error, Spools};
use kumo_tsa::mail::{Address, Message};
use kumo_tsa_core::wire::Time;
use serde_json::json;

use crate::support::{Bench, Log};

const KINDS: [&str; 2] = ["LocalDisk", "RocksDB"];

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn define(bench: &Bench, kind: &str, more: &serde_json::Value) {
    for name in ["data", "meta"] {
        let path = bench.path(&format!("spool-{kind}-{name}"));
        let mut definition =
            json!({"name": name, "path": path, "kind": kind, "min_free_space": 0, "min_free_inodes": 0});
        definition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let definition: Definition = serde_json::from_value(definition).unwrap();
        Spools::define(&bench.host, definition);
    }
}

async fn open(bench: &Bench, kind: &str) -> Arc<Spools> {
    define(bench, kind, &json!({}));
    Spools::open(&bench.host).await.unwrap()
}

fn message(host: &Host, data: &[u8]) -> Message {
    Message::new(address("a@from.example"), vec![address("b@to.example")], data.to_vec(), host.clock().now())
}

async fn all(spools: &Arc<Spools>) -> Vec<Message> {
    let mut messages = spools.enumerate();
    let mut found = Vec::new();
    while let Some(message) = messages.recv().await {
        found.push(message);
    }
    found
}

#[tokio::test]
async fn d5_opening_again_gives_back_exactly_what_was_saved() {
    for kind in KINDS {
        let bench = Bench::new();
        let spools = open(&bench, kind).await;
        let large: Vec<u8> = (0..3_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let contents: [&[u8]; 4] = [b"", b"Subject: x\r\n\r\n.\r\n..\r\n", b"\xff\x00\xfe8-bit \xe9\r\n", &large];
        let mut saved = Vec::new();
        for content in contents {
            let message = message(&bench.host, content);
            message.set_meta("tenant", json!("t"));
            message.set_meta("n", json!(9_007_199_254_740_993_i64));
            message.set_recipients(vec![address("x@to.example"), address("y@to.example")]);
            message.set_due(Some(Time::from_secs(1_800_000_000)));
            message.increment_num_attempts();
            let schedule = serde_json::from_value(json!({"expires": "2027-01-01T00:00:00Z"})).unwrap();
            message.set_schedule(Some(schedule));
            spools.save(&message).await.unwrap();
            saved.push(message);
        }
        // Changed after it was saved, as after an attempt.
        saved[1].increment_num_attempts();
        spools.save_meta(&saved[1]).await.unwrap();
        let gone = message(&bench.host, b"gone");
        spools.save(&gone).await.unwrap();
        spools.remove(gone.id()).await.unwrap();
        spools.close().await;

        let spools = open(&bench, kind).await;
        let found = all(&spools).await;
        assert_eq!(
            found.iter().map(Message::id).collect::<Vec<_>>(),
            saved.iter().map(Message::id).collect::<Vec<_>>()
        );
        for (before, after) in saved.iter().zip(&found) {
            assert!(!after.is_data_loaded());
            assert_eq!(after.size(), before.size());
            assert_eq!(after.data().await.unwrap(), before.data().await.unwrap(), "{kind}");
            assert_eq!((after.sender(), after.recipients()), (before.sender(), before.recipients()));
            assert_eq!((after.metas(), after.created()), (before.metas(), before.created()));
            assert_eq!((after.due(), after.num_attempts()), (before.due(), before.num_attempts()));
            assert_eq!(after.schedule(), before.schedule());
        }
        assert!(matches!(spools.load_data(gone.id()).await, Err(Error::Missing { .. })));
    }
}

#[tokio::test]
async fn d5_flushed_is_on_disk_before_it_is_acknowledged() {
    for kind in KINDS {
        let bench = Bench::new();
        define(&bench, kind, &json!({"flush": true}));
        let spools = Spools::open(&bench.host).await.unwrap();
        let saving = (0..20).map(|n| {
            let (spools, message) = (spools.clone(), message(&bench.host, format!("{n}").as_bytes()));
            async move { spools.save(&message).await }
        });
        for saved in futures_util::future::join_all(saving).await {
            saved.unwrap();
        }
        spools.close().await;
        assert_eq!(all(&open(&bench, kind).await).await.len(), 20);
    }
}

#[tokio::test]
async fn content_is_dropped_from_memory_only_when_it_is_stored() {
    let bench = Bench::new();
    let spools = open(&bench, "Fjall").await;
    let message = message(&bench.host, b"one");
    assert!(!message.shrink_data());
    spools.save(&message).await.unwrap();
    assert!(message.shrink_data());
    assert!(!message.is_data_loaded());
    assert_eq!(message.data().await.unwrap(), "one");
    message.set_data("another");
    assert!(!message.shrink_data());
    assert_eq!(spools.load_data(message.id()).await.unwrap(), "one");
    spools.save(&message).await.unwrap();
    assert!(message.shrink_data());
    assert_eq!(message.data().await.unwrap(), "another");
}

#[tokio::test]
async fn what_a_dying_process_left_is_removed_and_what_is_broken_is_kept_aside() {
    let log = Log::capture();
    let bench = Bench::new();
    let spools = open(&bench, "LocalDisk").await;
    let [whole, broken, no_meta, no_data] = [b"1", b"2", b"3", b"4"].map(|data| message(&bench.host, data));
    for message in [&whole, &broken, &no_meta, &no_data] {
        spools.save(message).await.unwrap();
    }
    spools.close().await;
    let file = |part: &str, message: &Message| {
        let id = message.id().to_string();
        bench.path(&format!("spool-LocalDisk-{part}")).join(&id[30..]).join(&id)
    };
    std::fs::write(file("meta", &broken), "{\"sen").unwrap();
    std::fs::remove_file(file("meta", &no_meta)).unwrap();
    std::fs::remove_file(file("data", &no_data)).unwrap();
    std::fs::write(bench.path("spool-LocalDisk-data/unfinished/x"), "half").unwrap();

    let spools = open(&bench, "LocalDisk").await;
    let found = all(&spools).await;
    assert_eq!(found.iter().map(Message::id).collect::<Vec<_>>(), [whole.id()]);
    assert!(!file("data", &no_meta).exists());
    assert!(!bench.path("spool-LocalDisk-data/unfinished/x").exists());
    let aside = |part: &str, message: &Message| {
        bench.path(&format!("spool-LocalDisk-{part}/aside")).join(message.id().to_string())
    };
    assert_eq!(std::fs::read_to_string(aside("meta", &broken)).unwrap(), "{\"sen");
    assert_eq!(std::fs::read_to_string(aside("data", &broken)).unwrap(), "2");
    assert!(aside("meta", &no_data).exists());
    assert!(
        log.text()
            .contains(&format!("message `{}` in the spool cannot be used: its content is not there", no_data.id()))
    );
    spools.close().await;
    assert_eq!(all(&open(&bench, "LocalDisk").await).await.len(), 1);
}

#[tokio::test]
async fn too_little_free_refuses_new_messages_alone() {
    let bench = Bench::new();
    let spools = open(&bench, "LocalDisk").await;
    let waiting = message(&bench.host, b"waiting");
    spools.save(&waiting).await.unwrap();
    spools.close().await;
    define(&bench, "LocalDisk", &json!({"min_free_space": "100%"}));
    let spools = Spools::open(&bench.host).await.unwrap();
    let error = spools.health().unwrap_err().to_string();
    assert!(error.contains("is full: ") && error.contains(" bytes are free, and it wants "), "{error}");
    assert!(matches!(spools.save(&message(&bench.host, b"new")).await, Err(Error::Full { .. })));
    let waiting = all(&spools).await.remove(0);
    waiting.increment_num_attempts();
    spools.save_meta(&waiting).await.unwrap();
}

/// A file system of its own with this many MiB, where the system allows to make one; it goes with it.
pub(super) struct Disk(pub(super) std::path::PathBuf);

impl Disk {
    pub(super) fn mount(at: std::path::PathBuf, mib: usize) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let size = format!("size={mib}m");
        let done = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at).output();
        done.ok().filter(|done| done.status.success()).map(|_| Self(at))
    }
}

impl Disk {
    /// A small one, and what takes up half of it; `None`, and a line that says so, where none can be mounted.
    fn half_full(bench: &Bench) -> Option<(Self, std::path::PathBuf)> {
        let Some(disk) = Self::mount(bench.path("disk"), 24) else {
            eprintln!("no file system can be mounted here");
            return None;
        };
        let ballast = disk.0.join("ballast");
        std::fs::write(&ballast, vec![1; 12 << 20]).unwrap();
        Some((disk, ballast))
    }

    /// Spools on it, which want no room to be free.
    async fn open(&self, host: &Host, kind: &str) -> Arc<Spools> {
        for name in ["data", "meta"] {
            let path = self.0.join(name);
            let definition =
                json!({"name": name, "path": path, "kind": kind, "min_free_space": 0, "min_free_inodes": 0});
            Spools::define(host, serde_json::from_value(definition).unwrap());
        }
        Spools::open(host).await.unwrap()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn d3_a_full_disk_loses_nothing_and_is_got_over() {
    for kind in KINDS {
        let bench = Bench::new();
        let Some((disk, ballast)) = Disk::half_full(&bench) else { return };
        let spools = disk.open(&bench.host, kind).await;
        let first = message(&bench.host, b"first");
        spools.save(&first).await.unwrap();
        let mut kept = Vec::new();
        let mut refused = 0;
        // What does not compress.
        let content: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(300_000).collect();
        while refused < 3 {
            assert!(kept.len() < 200, "the disk has an end");
            let message = message(&bench.host, &content);
            match spools.save(&message).await {
                Ok(()) => kept.push(message.id()),
                Err(Error::Failed { .. }) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        // Its fate is settled while the disk is full.
        let removed = spools.remove(first.id()).await;
        std::fs::remove_file(&ballast).unwrap();
        let began = std::time::Instant::now();
        let last = loop {
            assert!(began.elapsed() < std::time::Duration::from_secs(20), "{kind}: it goes on by itself");
            let message = message(&bench.host, &content);
            if spools.save(&message).await.is_ok() {
                break message.id();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        kept.push(last);
        while spools.load(first.id()).await.is_ok() {
            assert!(removed.is_err() && began.elapsed() < std::time::Duration::from_secs(20), "{kind}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        spools.health().unwrap();
        spools.close().await;
        let spools = disk.open(&bench.host, kind).await;
        let found = all(&spools).await;
        assert_eq!(found.iter().map(Message::id).collect::<Vec<_>>(), kept, "{kind}");
        for message in found {
            assert_eq!(message.data().await.unwrap(), content);
        }
        spools.close().await;
    }
}

#[tokio::test]
async fn d3_of_writes_that_share_a_full_disk_those_are_kept_that_were_acknowledged() {
    let bench = Bench::new();
    let Some((disk, ballast)) = Disk::half_full(&bench) else { return };
    let spools = disk.open(&bench.host, "Fjall").await;
    // What does not compress.
    let content: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(100_000).collect();
    let (mut kept, mut refused) = (Vec::new(), 0);
    for _ in 0..20 {
        let together: Vec<_> = (0..16).map(|_| message(&bench.host, &content)).collect();
        let outcomes = futures_util::future::join_all(together.iter().map(|message| spools.save(message))).await;
        for (message, outcome) in together.iter().zip(outcomes) {
            assert_eq!(message.is_in_spool(), outcome.is_ok());
            match outcome {
                Ok(()) => kept.push(message.id()),
                Err(Error::Failed { .. }) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert!(!kept.is_empty() && refused > 16, "{} kept, {refused} refused", kept.len());
    std::fs::remove_file(&ballast).unwrap();
    spools.close().await;
    let spools = disk.open(&bench.host, "Fjall").await;
    let mut found: Vec<_> = all(&spools).await.iter().map(Message::id).collect();
    found.sort_unstable();
    kept.sort_unstable();
    assert_eq!(found, kept);
    spools.close().await;
}

#[tokio::test]
async fn both_have_to_be_defined_and_apart() {
    let bench = Bench::new();
    assert!(matches!(Spools::open(&bench.host).await, Err(Error::Undefined)));
    for name in ["data", "meta"] {
        let definition = serde_json::from_value(json!({"name": name, "path": bench.path("same")})).unwrap();
        Spools::define(&bench.host, definition);
    }
    let error = Spools::open(&bench.host).await.unwrap_err().to_string();
    assert!(error.ends_with("the spool `data` is in the same folder: give each its own"), "{error}");
}
