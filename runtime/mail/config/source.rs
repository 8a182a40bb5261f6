//! Egress sources and pools of them (interface A.5).

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::value::{list, span};
use super::{BadConfig, Config, read, written};

/// The name of the source and the pool that are built in.
pub const UNSPECIFIED: &str = "unspecified";

/// An egress source.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name; it stands in the names of ready queues.
    pub name: String,
    /// What to say in EHLO, where the path's `ehlo_domain` does not say it. Default: none.
    #[serde(default)]
    pub ehlo_domain: Option<String>,
    /// The local address to connect from. Default: the system chooses.
    #[serde(default)]
    pub source_address: Option<IpAddr>,
    /// The port to connect to, where not the path's `smtp_port`. Default: none.
    #[serde(default)]
    pub remote_port: Option<u16>,
    /// How long it holds before the policy is asked again. Default: 60 s.
    #[serde(default = "ttl", with = "span")]
    pub ttl: Duration,
    /// Proxies to connect through, and when to take the source out of use.
    #[serde(skip)]
    pub proxies: Proxies,
}

/// What a source says of proxies. Accepted, and not enforced yet.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are those of the options")]
pub struct Proxies {
    pub ha_proxy_server: Option<String>,
    pub ha_proxy_source_address: Option<IpAddr>,
    pub socks5_proxy_server: Option<String>,
    pub socks5_proxy_source_address: Option<IpAddr>,
    pub socks5_proxy_username: Option<String>,
    pub socks5_proxy_password: Option<String>,
    pub suspend_when_unplumbed: Option<Health>,
    pub suspend_when_proxy_unhealthy: Option<Health>,
}

/// When a source that does not work is taken out of use.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// `"Immediate"`, or `{Threshold="N/period"}`.
    pub trigger: Value,
    /// For how long.
    #[serde(with = "span")]
    pub duration: Duration,
}

const fn ttl() -> Duration {
    Duration::from_mins(1)
}

impl Config for Source {
    const MAKER: &'static str = "kumo.make_egress_source";

    fn from_options(options: &Map<String, Value>) -> Result<Self, BadConfig> {
        // What is about proxies is read apart, so that a source without them stays small to look at.
        let known = written(&Proxies::default());
        let (about_proxies, own): (Map<_, _>, Map<_, _>) =
            options.clone().into_iter().partition(|(name, _)| known.contains_key(name));
        let mut source: Self = read(&own)?;
        source.proxies = read(&about_proxies)?;
        if source.name.is_empty() {
            return Err(BadConfig("field `name`: invalid value: it is empty, expected a name".to_owned()));
        }
        Ok(source)
    }

    fn to_json(&self) -> Map<String, Value> {
        let mut map = written(self);
        map.extend(written(&self.proxies));
        map
    }
}

impl Source {
    /// The one that is built in.
    pub fn unspecified() -> Self {
        Self { name: UNSPECIFIED.to_owned(), ttl: ttl(), ..Self::default() }
    }

    /// Whether mail would have to go through a proxy, or the source be watched.
    pub fn uses_proxies(&self) -> bool {
        self.proxies != Proxies::default()
    }
}

/// A pool of egress sources.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its sources. Default: none.
    #[serde(default, deserialize_with = "list")]
    pub entries: Vec<PoolEntry>,
    /// How long it holds before the policy is asked again. Default: 60 s.
    #[serde(default = "ttl", with = "span")]
    pub ttl: Duration,
}

/// A source of a pool.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolEntry {
    /// The source's name.
    pub name: String,
    /// How much of the mail it takes, against the others; none at 0. Default: 1.
    #[serde(default = "one")]
    pub weight: u64,
}

const fn one() -> u64 {
    1
}

impl Config for Pool {
    const MAKER: &'static str = "kumo.make_egress_pool";

    fn from_options(options: &Map<String, Value>) -> Result<Self, BadConfig> {
        read(options)
    }

    fn to_json(&self) -> Map<String, Value> {
        written(self)
    }
}

impl Pool {
    /// The one that is built in: its only source is the one that is built in.
    pub fn unspecified() -> Self {
        let entries = vec![PoolEntry { name: UNSPECIFIED.to_owned(), weight: 1 }];
        Self { name: UNSPECIFIED.to_owned(), entries, ttl: ttl() }
    }

    /// Its sources with their weights divided by what they have in common, those without weight left out.
    pub fn weighted(&self) -> Vec<(&str, u64)> {
        let common = self.entries.iter().fold(0, |common, entry| gcd(common, entry.weight)).max(1);
        let used = self.entries.iter().filter(|entry| entry.weight > 0);
        used.map(|entry| (entry.name.as_str(), entry.weight / common)).collect()
    }
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
