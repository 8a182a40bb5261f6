//! The resolver of a host.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use moka::future::Cache;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::address::canonical;
use super::backend::{Answer, Backend};
use super::mx::{Asked, Mx, Target, lifetime, parse_target};
use super::{Error, Source, Strategy, Zones, parse_name, ptr_host, reverse_ip};
use crate::host::Host;

/// How lookups are done; one set for all resolvers of a host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// How long one lookup may take. Default 5 s.
    pub timeout: Duration,
    /// How long it is remembered that a domain has no exchangers, or that nobody could tell. Default 5 min.
    pub mx_negative_ttl: Duration,
    /// MX lookups at a time. Default 128.
    pub mx_concurrency: usize,
    /// Whether MTA-STS policies are to be looked at. Kept for the mail host; default true.
    pub mta_sts: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            mx_negative_ttl: Duration::from_mins(5),
            mx_concurrency: 128,
            mta_sts: true,
        }
    }
}

/// How many domains' exchangers are remembered.
const MX_CACHE_CAPACITY: u64 = 65_536;

/// Looks names up, and remembers mail exchangers. Clones are cheap and share what is remembered.
#[derive(Clone, Debug)]
pub struct Resolver(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    backend: Backend,
    tuning: Arc<Tuning>,
    exchangers: Cache<String, Remembered>,
}

#[derive(Clone, Debug)]
struct Remembered {
    outcome: Result<Arc<Mx>, Error>,
    expires: Instant,
}

impl Remembered {
    fn is_over(&self) -> bool {
        self.expires <= Instant::now()
    }
}

/// The host's resolver, whichever it is at the time; does not keep the host alive.
#[derive(Clone, Debug)]
pub struct Current(Arc<PerHost>);

impl Current {
    /// The resolver as of now.
    pub fn get(&self) -> Resolver {
        Resolver::clone(&self.0.current.load())
    }
}

/// What a host keeps.
#[derive(Debug)]
struct PerHost {
    current: ArcSwap<Resolver>,
    named: Mutex<HashMap<String, Resolver>>,
    tuning: Arc<Tuning>,
    /// Whether the person who started the process has said where answers come from.
    settled: AtomicBool,
}

#[derive(Debug)]
struct Tuning {
    settings: ArcSwap<Settings>,
    mx_permits: ArcSwap<Semaphore>,
}

impl PerHost {
    fn of(host: &Host) -> Arc<Self> {
        host.slot(|| {
            let settings = Settings::default();
            let tuning = Arc::new(Tuning {
                mx_permits: ArcSwap::from_pointee(Semaphore::new(settings.mx_concurrency)),
                settings: ArcSwap::from_pointee(settings),
            });
            let current = ArcSwap::from_pointee(Resolver::system(tuning.clone()));
            Self { current, named: Mutex::default(), tuning, settled: AtomicBool::new(false) }
        })
    }
}

impl Resolver {
    /// The resolver of a host: the machine's, until [`replace`](Self::replace) puts another there.
    pub fn of(host: &Host) -> Self {
        Self::current(host).get()
    }

    /// The host's resolver for work that outlives a change of it.
    pub fn current(host: &Host) -> Current {
        Current(PerHost::of(host))
    }

    /// Puts another resolver in the place of the host's; who holds the former keeps it.
    pub fn replace(host: &Host, source: Source) -> Result<(), Error> {
        let resolver = Self::new(host, source)?;
        PerHost::of(host).current.store(Arc::new(resolver));
        Ok(())
    }

    /// As [`replace`](Self::replace), for a policy: the same source again leaves the resolver and what it remembers, since
    /// every Lua context runs the policy anew; and after [`use_zones`](Self::use_zones) it changes nothing.
    pub fn configure(host: &Host, source: Source) -> Result<(), Error> {
        if PerHost::of(host).settled.load(Ordering::Relaxed) {
            tracing::info!("DNS is answered from the zone files given at start, the policy's resolver is not used");
            return Ok(());
        }
        if Self::of(host).0.source == source {
            return Ok(());
        }
        Self::replace(host, source)
    }

    /// As [`replace`](Self::replace), whatever the policy configures later.
    pub fn settle(host: &Host, source: Source) -> Result<(), Error> {
        Self::replace(host, source)?;
        PerHost::of(host).settled.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Lets the host answer DNS from zone files and nothing else (`--zones`), whatever the policy configures. Errors name
    /// file and line.
    pub fn use_zones<P: AsRef<Path>>(host: &Host, files: &[P]) -> Result<(), Error> {
        let mut zones = Zones::default();
        for file in files {
            let file = file.as_ref();
            let text = std::fs::read_to_string(host.paths().resolve(file))
                .map_err(|source| Error::ZoneFile { file: file.to_owned(), source: Arc::new(source) })?;
            zones.parse(&file.display().to_string(), &text, false)?;
        }
        PerHost::of(host).settled.store(true, Ordering::Relaxed);
        Self::replace(host, Source::Zones(zones))
    }

    /// A resolver that shares the host's settings without being its own.
    pub fn new(host: &Host, source: Source) -> Result<Self, Error> {
        let backend = Backend::new(source.clone())?;
        Ok(Self::with_backend(source, backend, PerHost::of(host).tuning.clone()))
    }

    /// Gives a resolver a name; another that had it is replaced.
    pub fn define(host: &Host, name: &str, source: Source) -> Result<(), Error> {
        let per_host = PerHost::of(host);
        let mut named = per_host.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.get(name).is_none_or(|known| known.0.source != source) {
            let backend = Backend::new(source.clone())?;
            named.insert(name.to_owned(), Self::with_backend(source, backend, per_host.tuning.clone()));
        }
        Ok(())
    }

    /// The resolver with a name.
    pub fn named(host: &Host, name: &str) -> Result<Self, Error> {
        let per_host = PerHost::of(host);
        let named = per_host.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.get(name).cloned().ok_or_else(|| Error::UnknownResolver(name.to_owned()))
    }

    /// The settings of the host's resolvers.
    pub fn settings(host: &Host) -> Settings {
        **PerHost::of(host).tuning.settings.load()
    }

    /// Changes settings of the host's resolvers; lookups on their way keep the former.
    pub fn tune(host: &Host, change: impl Fn(&mut Settings)) {
        let tuning = PerHost::of(host).tuning.clone();
        let before = **tuning.settings.load();
        tuning.settings.rcu(|settings| {
            let mut changed = **settings;
            change(&mut changed);
            changed
        });
        let after = **tuning.settings.load();
        if before.mx_concurrency != after.mx_concurrency {
            let permits = after.mx_concurrency.clamp(1, Semaphore::MAX_PERMITS);
            tuning.mx_permits.store(Arc::new(Semaphore::new(permits)));
        }
    }

    fn system(tuning: Arc<Tuning>) -> Self {
        let backend = Backend::new(Source::System).unwrap_or_else(|error| Backend::Failing(error.to_string()));
        Self::with_backend(Source::System, backend, tuning)
    }

    fn with_backend(source: Source, backend: Backend, tuning: Arc<Tuning>) -> Self {
        let exchangers = Cache::builder().max_capacity(MX_CACHE_CAPACITY).build();
        Self(Arc::new(Inner { source, backend, tuning, exchangers }))
    }

    /// The exchangers of `domain`, `domain:port` or `[ip]` (interface C.5), remembered as long as their TTL says, failures
    /// for [`Settings::mx_negative_ttl`]. Concurrent callers share one lookup.
    pub async fn mx(&self, domain: &str) -> Result<Arc<Mx>, Error> {
        self.mx_unless(domain, Remembered::is_over).await
    }

    /// As [`mx`](Self::mx), without trusting remembered failures.
    pub async fn mx_again(&self, domain: &str) -> Result<Arc<Mx>, Error> {
        self.mx_unless(domain, |known| known.outcome.is_err() || known.is_over()).await
    }

    /// As [`mx`](Self::mx), but waits no longer than `patience`; `None` then, and the lookup goes on for those who ask later.
    pub async fn mx_within(&self, domain: &str, patience: Duration) -> Option<Result<Arc<Mx>, Error>> {
        if let Some(known) = self.mx_known(domain).await {
            return Some(known);
        }
        let (resolver, domain) = (self.clone(), domain.to_owned());
        let lookup = tokio::spawn(async move { resolver.mx(&domain).await });
        tokio::time::timeout(patience, lookup).await.ok()?.ok()
    }

    /// What is remembered of the exchangers of a domain, without asking anybody.
    pub async fn mx_known(&self, domain: &str) -> Option<Result<Arc<Mx>, Error>> {
        match parse_target(domain) {
            Err(error) => Some(Err(error)),
            Ok(Target::Literal(ip, port)) => Some(Ok(Arc::new(Mx::literal(domain, ip, port)))),
            Ok(Target::Domain(asked)) if asked.is_localhost() => Some(Ok(Arc::new(Mx::implicit(&asked)))),
            Ok(Target::Domain(asked)) => {
                let known = self.0.exchangers.get(&asked.key()).await?;
                (!known.is_over()).then_some(known.outcome)
            }
        }
    }

    async fn mx_unless(&self, domain: &str, stale: impl Fn(&Remembered) -> bool + Send) -> Result<Arc<Mx>, Error> {
        let asked = match parse_target(domain)? {
            Target::Literal(ip, port) => return Ok(Arc::new(Mx::literal(domain, ip, port))),
            Target::Domain(asked) => asked,
        };
        if asked.is_localhost() {
            return Ok(Arc::new(Mx::implicit(&asked)));
        }
        let lookup = self.look_up_mx(&asked);
        let entry = self.0.exchangers.entry(asked.key()).or_insert_with_if(lookup, stale).await;
        entry.into_value().outcome
    }

    async fn look_up_mx(&self, asked: &Asked) -> Remembered {
        let tuning = &self.0.tuning;
        let permits = tuning.mx_permits.load_full();
        // The semaphore is never closed; without a permit the lookup would merely be one more.
        let _permit = permits.acquire().await.ok();
        let (outcome, lifetime) = match self.query(&asked.name, RecordType::MX).await {
            Ok(answer) => (Ok(Arc::new(Mx::from_answer(asked, &answer))), lifetime(&answer)),
            Err(Error::NoRecords { .. }) => (Ok(Arc::new(Mx::implicit(asked))), tuning.settings.load().mx_negative_ttl),
            Err(error) => (Err(error), tuning.settings.load().mx_negative_ttl),
        };
        Remembered { outcome, expires: Instant::now() + lifetime }
    }

    async fn query(&self, name: &Name, kind: RecordType) -> Result<Answer, Error> {
        let after = self.0.tuning.settings.load().timeout;
        match tokio::time::timeout(after, self.0.backend.query(name, kind)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Timeout { name: canonical(name), kind, after }),
        }
    }

    /// The addresses of a host; an address is its own, and `localhost` is known.
    pub async fn addr(&self, host: &str, strategy: Strategy) -> Result<Vec<IpAddr>, Error> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![ip]);
        }
        let name = parse_name(host)?;
        let (v4, v6) = (RecordType::A, RecordType::AAAA);
        match strategy {
            Strategy::Ipv4Only => self.addresses(&name, v4).await,
            Strategy::Ipv6Only => self.addresses(&name, v6).await,
            Strategy::Ipv4ThenIpv6 => self.either(&name, v4, v6).await,
            Strategy::Ipv6ThenIpv4 => self.either(&name, v6, v4).await,
            Strategy::Ipv4AndIpv6 => {
                let both = futures_util::future::join(self.addresses(&name, v4), self.addresses(&name, v6)).await;
                match both {
                    (Ok(mut found), Ok(more)) => {
                        found.extend(more);
                        Ok(found)
                    }
                    (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
                    (Err(error), Err(_)) => Err(error),
                }
            }
        }
    }

    async fn either(&self, name: &Name, first: RecordType, second: RecordType) -> Result<Vec<IpAddr>, Error> {
        match self.addresses(name, first).await {
            Err(_) => self.addresses(name, second).await,
            found => found,
        }
    }

    async fn addresses(&self, name: &Name, kind: RecordType) -> Result<Vec<IpAddr>, Error> {
        if canonical(name) == "localhost." {
            return Ok(vec![if kind == RecordType::A {
                [127, 0, 0, 1].into()
            } else {
                [0, 0, 0, 0, 0, 0, 0, 1].into()
            }]);
        }
        let answer = self.query(name, kind).await?;
        let ip = |data: &RData| match data {
            RData::A(a) => Some(a.0.into()),
            RData::AAAA(aaaa) => Some(aaaa.0.into()),
            _ => None,
        };
        Ok(answer.records.iter().filter_map(ip).collect())
    }

    /// The names of an address, fully qualified with the final dot.
    pub async fn ptr(&self, ip: IpAddr) -> Result<Vec<String>, Error> {
        let answer = self.query(&parse_name(&ptr_host(ip))?, RecordType::PTR).await?;
        let name = |data: &RData| if let RData::PTR(name) = data { Some(canonical(&name.0)) } else { None };
        Ok(answer.records.iter().filter_map(name).collect())
    }

    /// The TXT records of a name, the parts of each put together; bytes that are not UTF-8 are replaced.
    pub async fn txt(&self, name: &str) -> Result<Vec<String>, Error> {
        let answer = self.query(&parse_name(name)?, RecordType::TXT).await?;
        let text = |data: &RData| match data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        };
        Ok(answer.records.iter().filter_map(text).collect())
    }

    /// Asks a block list for an address (RFC 5782): the answer, and the reason if it gives one; `None` if it is not listed.
    pub async fn rbl(&self, ip: IpAddr, list: &str) -> Result<Option<(IpAddr, Option<String>)>, Error> {
        let name = format!("{}.{list}", reverse_ip(ip));
        let answer = match self.addr(&name, Strategy::Ipv4Only).await {
            Ok(answer) => answer,
            Err(Error::NxDomain { .. } | Error::NoRecords { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(answer) = answer.into_iter().next() else { return Ok(None) };
        let reason = self.txt(&name).await.ok().filter(|lines| !lines.is_empty());
        Ok(Some((answer, reason.map(|lines| lines.join(" ")))))
    }
}
