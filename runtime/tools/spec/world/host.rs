//! A mail host on the stage.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{anyhow, bail};
use kumo_tsa_core::wire::QueueName;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::daemon::Daemon;
use super::given::Options;
use super::letter::{self, Outcome};
use super::provider::Provider;
use super::stage::Stage;
use crate::host::Host;
use crate::mail::automation::Automation;
use crate::mail::hold::Holds;
use crate::mail::log::{Logger, hook_queue};
use crate::mail::queue::Queues;
use crate::mail::service;
use crate::mail::smtp::client::Detour;
use crate::policy::explain;

const POLICY: &str = include_str!("host.lua");
/// How a made-up policy calls its daemons.
const DAEMON_PORT: u16 = 8008;
/// How often is looked whether a host has heard of its daemons, a millisecond after the other.
const TURNS: usize = 500;

/// Who takes what a host sends.
#[derive(Debug)]
pub(super) enum Receiver {
    Provider(Arc<Provider>),
    Host(Arc<MailHost>),
}

/// Which of its records a spec wants.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Selection {
    r#type: Option<String>,
    queue: Option<String>,
    site: Option<String>,
    source: Option<String>,
    domain: Option<String>,
    recipient: Option<String>,
    tenant: Option<String>,
    campaign: Option<String>,
}

/// A mail host that runs, or has run.
#[derive(Debug)]
pub(super) struct MailHost {
    stage: Arc<Stage>,
    host: Host,
    addresses: Vec<SocketAddr>,
    records: Mutex<(Vec<Value>, mpsc::UnboundedReceiver<Value>)>,
    running: Mutex<Option<service::MailHost>>,
    /// The daemons that it may follow.
    daemons: Vec<Arc<Daemon>>,
    /// Whether its policy follows none of them, as it seems.
    deaf: AtomicBool,
    /// The provider goes with the last host.
    _receiver: Receiver,
}

/// The name of a daemon for a policy that is made up.
fn made_up(number: usize) -> String {
    format!("tsa{}.test", number + 1)
}

impl MailHost {
    pub(super) async fn start(
        stage: &Arc<Stage>,
        options: Options,
        daemons: &[(Option<String>, Arc<Daemon>)],
        receiver: Option<Receiver>,
    ) -> anyhow::Result<Arc<Self>> {
        let part = stage.part("host");
        let options = daemons.iter().fold(options, |options, (_, daemon)| options.or_rules_of(daemon.given()));
        // A host that knows no rules cannot tell which records are of use to its daemons.
        let pre_filter = !options.asks_for_nothing();
        let place = options.place(stage, &part, "init.lua", |files| {
            let urls: Vec<_> = (0..daemons.len()).map(|n| format!("'http://{}:{DAEMON_PORT}'", made_up(n))).collect();
            POLICY
                .replace("SHAPING_FILES", files)
                .replace("DAEMONS", &urls.join(", "))
                .replace("PRE_FILTER", &pre_filter.to_string())
        })?;
        let host = stage.host(&part, &place.dir, &options.env)?;
        for (number, (at, daemon)) in daemons.iter().enumerate() {
            let made_up = options.policy.is_none().then(|| format!("{}:{DAEMON_PORT}", made_up(number)));
            daemon.meet(&host, at.as_deref().or(made_up.as_deref()))?;
        }
        let receiver = match receiver {
            Some(receiver) => receiver,
            None => Receiver::Provider(Provider::willing(stage)),
        };
        receiver.receive_from(&host)?;
        let records = Mutex::new((Vec::new(), Logger::of(&host).collect()));
        let policy = place.documented();
        let started = service::MailHost::start(&host, &policy);
        let running = stage.hands.through("testing.host", started).await?.map_err(|error| anyhow!(explain(&error)))?;
        let addresses = running.smtp_addresses();
        let running = Mutex::new(Some(running));
        stage.hands.settle().await;
        let daemons = daemons.iter().map(|(_, daemon)| daemon.clone()).collect();
        let (stage_of, deaf) = (stage.clone(), AtomicBool::new(false));
        let host = Self { stage: stage_of, host, addresses, records, running, daemons, deaf, _receiver: receiver };
        let host = stage.add_host(host);
        // Those who subscribe do so at once.
        host.hear().await;
        Ok(host)
    }

    /// Waits until what its daemons have decided holds here. For a policy that does not subscribe it is waited once; while
    /// time stands still, no news comes at all.
    pub(super) async fn hear(&self) {
        let is_running = self.running.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if !is_running || self.deaf.load(Ordering::Relaxed) || self.stage.hands.is_frozen() {
            return;
        }
        for _ in 0..TURNS {
            if self.has_heard() {
                return;
            }
            self.stage.hands.settle().await;
        }
        self.deaf.store(true, Ordering::Relaxed);
    }

    fn has_heard(&self) -> bool {
        let entries = Automation::of(&self.host).entries();
        let here: HashMap<_, _> = entries.iter().map(|(_, view)| (view.key.as_str(), view.value.until)).collect();
        let mut decided = self.daemons.iter().flat_map(|daemon| daemon.decided());
        decided.all(|(key, until)| here.get(key.as_str()) == Some(&until))
    }

    /// Brings mail; what has to be done at once has been done when it returns.
    pub(super) async fn inject(&self, options: &letter::Options) -> anyhow::Result<Outcome> {
        if self.running.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            bail!("the host has been stopped");
        }
        let to = self.addresses.first().copied().map(reachable);
        let outcome = self.stage.hands.through("host:inject", options.bring(&self.host, to)).await??;
        self.stage.hands.settle().await;
        Ok(outcome)
    }

    /// The records that it has logged, those about records apart.
    pub(super) fn records(&self, wanted: &Selection) -> Vec<Value> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, coming) = &mut *records;
        while let Ok(record) = coming.try_recv() {
            known.push(record);
        }
        known.iter().filter(|record| wanted.fits(record)).cloned().collect()
    }

    pub(super) fn deliveries(&self, wanted: Selection) -> Vec<Value> {
        self.records(&Selection { r#type: Some("Delivery".to_owned()), ..wanted })
    }

    /// What was tried with a peer, well or not.
    pub(super) fn attempts(&self, wanted: &Selection) -> Vec<Value> {
        let tried = |record: &Value| {
            let kind = record["type"].as_str().unwrap_or_default();
            matches!(kind, "Delivery" | "TransientFailure" | "Bounce") && !record["peer_address"].is_null()
        };
        self.records(wanted).into_iter().filter(tried).collect()
    }

    /// The scheduled queues: how many messages wait in each, and what holds it.
    pub(super) fn queues(&self) -> Vec<Value> {
        let (holds, now) = (Holds::of(&self.host), self.host.clock().now());
        let names = Queues::of(&self.host).scheduled_names();
        let own = names.iter().filter(|(name, _)| !self.is_internal(name));
        let one = |(name, count): &(String, usize)| {
            let parts = QueueName::parse(name);
            let held = holds.queue(&parts, name, now);
            let bounced = holds.bounced(&parts, name, now);
            json!({
                "name": name, "messages": count, "domain": parts.domain, "tenant": parts.tenant, "campaign": parts.campaign,
                "suspended": held.map(|hold| hold.reason.to_string()),
                "bounced": bounced.map(|bounce| bounce.reason.to_string()),
            })
        };
        own.map(one).collect()
    }

    /// The egress paths that have been used of late.
    pub(super) fn paths(&self) -> Vec<Value> {
        let snapshots = Queues::of(&self.host).all_ready();
        let one = |path: &crate::mail::queue::ReadySnapshot| {
            json!({
                "name": path.queue_name, "source": path.egress_source, "pool": path.egress_pool,
                "messages": path.ready_count, "connections": path.connection_count,
                "suspended": path.suspended.as_ref().map(|hold| hold.reason.to_string()),
                "until": path.suspended.as_ref().map(|hold| hold.until),
                "config": path.path_config,
                "delivered": path.totals.delivered, "deferred": path.totals.transfailed, "failed": path.totals.failed,
            })
        };
        let mut paths: Vec<_> = snapshots.iter().filter(|path| path.protocol.contains("smtp")).map(one).collect();
        paths.sort_by_key(|path| path["name"].to_string());
        paths
    }

    /// The paths, by name, that are suspended here though nothing waits for them.
    pub(super) fn suspensions(&self) -> Vec<Value> {
        let holds = Holds::of(&self.host);
        let paths = holds.list_paths();
        let queues = holds.list_queues();
        paths.iter().map(|one| json!(one)).chain(queues.iter().map(|one| json!(one))).collect()
    }

    /// Queues that carry records to daemons and the like are nobody's mail.
    fn is_internal(&self, name: &str) -> bool {
        name.ends_with(".kumomta.internal") || name.contains("://") || hook_queue(&self.host, name).is_some()
    }

    /// Stops it. Stopping again changes nothing.
    pub(super) async fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.stop().await;
        }
    }
}

impl Receiver {
    fn receive_from(&self, host: &Host) -> anyhow::Result<()> {
        let detour = Detour::of(host);
        match self {
            Self::Provider(provider) => {
                let provider = Arc::downgrade(provider);
                detour.lead_by(move |meant| match provider.upgrade() {
                    Some(provider) => provider.address(&meant.name, meant.address.ip()),
                    None => nowhere(),
                });
            }
            Self::Host(other) => match other.addresses.first() {
                Some(address) => detour.lead_to(reachable(*address)),
                None => bail!("field `provider`: that host started no listener (kumo.start_esmtp_listener)"),
            },
        }
        Ok(())
    }
}

/// An address at which nobody listens.
pub(super) fn nowhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 1))
}

fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}

impl Selection {
    fn fits(&self, record: &Value) -> bool {
        let queue = record["queue"].as_str().unwrap_or_default();
        let parts = QueueName::parse(queue);
        let is =
            |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
        let recipient = self.recipient.as_deref().is_none_or(|wanted| match &record["recipient"] {
            Value::Array(list) => list.iter().any(|one| one == wanted),
            one => one == wanted,
        });
        recipient
            && is(&self.r#type, record["type"].as_str())
            && is(&self.queue, Some(queue))
            && is(&self.site, record["site"].as_str())
            && is(&self.source, record["egress_source"].as_str())
            && is(&self.domain, Some(parts.domain))
            && is(&self.tenant, parts.tenant)
            && is(&self.campaign, parts.campaign)
    }
}
