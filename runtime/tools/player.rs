//! Plays traffic at a daemon over HTTP, as mail hosts would publish it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::traffic::Traffic;
use crate::host::Host;
use crate::modules::http;

/// Mail hosts that publish side by side.
const PUBLISHERS: u32 = 4;

/// What has been published so far.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Counts {
    /// Records that the daemon acknowledged.
    pub(super) accepted: u64,
    /// Of these, deliveries.
    pub(super) delivered: u64,
    /// Records that it refused, or that did not reach it.
    pub(super) failed: u64,
}

#[derive(Debug, Default)]
struct Tally {
    accepted: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    /// The first failure, for the person to see.
    failure: Mutex<Option<String>>,
}

/// Publishers at work; they stop when this is dropped.
#[derive(Debug)]
pub(super) struct Player {
    tally: Arc<Tally>,
    publishers: JoinSet<()>,
}

impl Player {
    /// Publishes `rate` records in a second to the daemon at `address`.
    pub(super) fn start(host: &Host, traffic: Traffic, address: SocketAddr, rate: u32) -> anyhow::Result<Self> {
        let tally = Arc::new(Tally::default());
        let traffic = Arc::new(Mutex::new(traffic));
        let client = http::builder(host)?.build()?;
        let mut publishers = JoinSet::new();
        for me in 0..PUBLISHERS.min(rate) {
            let (traffic, tally, client, clock) =
                (traffic.clone(), tally.clone(), client.clone(), host.clock().clone());
            let each = Duration::from_secs(1) * PUBLISHERS.min(rate) / rate;
            let url = format!("http://{address}/publish_log_v1");
            publishers.spawn(async move {
                let mut due = Instant::now() + each * me / PUBLISHERS;
                loop {
                    tokio::time::sleep_until(due).await;
                    due += each;
                    let record = traffic.lock().unwrap_or_else(PoisonError::into_inner).next_record(clock.now());
                    tally.note(&record, publish(&client, &url, &record).await);
                }
            });
        }
        Ok(Self { tally, publishers })
    }

    /// What has been published so far.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            accepted: self.tally.accepted.load(Ordering::Relaxed),
            delivered: self.tally.delivered.load(Ordering::Relaxed),
            failed: self.tally.failed.load(Ordering::Relaxed),
        }
    }

    /// The first failure.
    pub(super) fn failure(&self) -> Option<String> {
        self.tally.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops publishing.
    pub(super) async fn stop(&mut self) {
        self.publishers.shutdown().await;
    }
}

impl Tally {
    fn note(&self, record: &Value, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => {
                self.accepted.fetch_add(1, Ordering::Relaxed);
                if record["type"] == "Delivery" {
                    self.delivered.fetch_add(1, Ordering::Relaxed);
                }
            }
            Err(failure) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
            }
        }
    }
}

async fn publish(client: &reqwest::Client, url: &str, record: &Value) -> Result<(), String> {
    let request = client.post(url).json(record);
    let answer = request.send().await.map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("{status}: {}", answer.text().await.unwrap_or_default())),
    }
}
