//! Who answers.

use std::time::Duration;

use futures_util::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::address::canonical;
use super::{Config, Error, Zones};

/// Where answers come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The machine's configuration (`/etc/resolv.conf`, `/etc/hosts`).
    System,
    /// Name servers that somebody named.
    Configured(Box<Config>),
    /// Zones in memory; every other name does not exist.
    Zones(Zones),
    /// Several: the first that has records answers, else the first that is sure there are none, else the first failure.
    Aggregate(Vec<Source>),
    /// Never answers, as a network that swallows packets. For tests.
    Silent,
    /// Fails at once with this text. For tests.
    Failing(String),
}

/// Records of one type for one name.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) records: Vec<RData>,
    pub(super) ttl: Duration,
    /// Whether the answer can be trusted as DNSSEC validated.
    pub(super) secure: bool,
}

#[derive(Debug)]
pub(super) enum Backend {
    Hickory(Box<TokioResolver>),
    Zones(Zones),
    Aggregate(Vec<Backend>),
    Silent,
    Failing(String),
}

impl Backend {
    pub(super) fn new(source: Source) -> Result<Self, Error> {
        Ok(match source {
            // A machine without a resolver configuration still has work that needs no DNS, so only lookups fail.
            Source::System => match TokioResolver::builder_tokio().and_then(hickory_resolver::ResolverBuilder::build) {
                Ok(resolver) => Self::Hickory(Box::new(resolver)),
                Err(error) => Self::Failing(format!("reading the system's resolver configuration: {error}")),
            },
            Source::Configured(config) => Self::Hickory(Box::new(config.build()?)),
            Source::Zones(zones) => Self::Zones(zones),
            Source::Aggregate(sources) => {
                Self::Aggregate(sources.into_iter().map(Self::new).collect::<Result<_, _>>()?)
            }
            Source::Silent => Self::Silent,
            Source::Failing(why) => Self::Failing(why),
        })
    }

    pub(super) fn query<'b>(&'b self, name: &'b Name, kind: RecordType) -> BoxFuture<'b, Result<Answer, Error>> {
        Box::pin(async move {
            match self {
                Self::Hickory(resolver) => ask(resolver, name, kind).await,
                Self::Zones(zones) => zones.query(name, kind),
                Self::Aggregate(backends) => ask_each(backends, name, kind).await,
                Self::Silent => std::future::pending().await,
                Self::Failing(why) => Err(Error::Failed { name: canonical(name), kind, why: why.clone() }),
            }
        })
    }
}

async fn ask_each(backends: &[Backend], name: &Name, kind: RecordType) -> Result<Answer, Error> {
    let mut best: Option<Error> = None;
    for backend in backends {
        match backend.query(name, kind).await {
            Ok(answer) => return Ok(answer),
            Err(error) if best.as_ref().is_none_or(|best| error.is_definite() && !best.is_definite()) => {
                best = Some(error);
            }
            Err(_) => {}
        }
    }
    let none = || Error::Failed { name: canonical(name), kind, why: "an aggregate of no resolvers".into() };
    Err(best.unwrap_or_else(none))
}

async fn ask(resolver: &TokioResolver, name: &Name, kind: RecordType) -> Result<Answer, Error> {
    let lookup = resolver.lookup(name.clone(), kind).await.map_err(|error| translate(&error, name, kind))?;
    let found: Vec<_> = lookup.answers().iter().filter(|record| record.record_type() == kind).collect();
    if found.is_empty() {
        return Err(Error::NoRecords { name: canonical(name), kind });
    }
    Ok(Answer {
        ttl: Duration::from_secs(found.iter().map(|record| record.ttl).min().unwrap_or_default().into()),
        records: found.into_iter().map(|record| record.data.clone()).collect(),
        secure: false,
    })
}

fn translate(error: &NetError, name: &Name, kind: RecordType) -> Error {
    let name = canonical(name);
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Error::NxDomain { name, kind },
            ResponseCode::NoError => Error::NoRecords { name, kind },
            code => Error::Failed { name, kind, why: code_text(code) },
        },
        NetError::Dns(DnsError::ResponseCode(ResponseCode::NXDomain)) => Error::NxDomain { name, kind },
        NetError::Dns(DnsError::ResponseCode(code)) => Error::Failed { name, kind, why: code_text(*code) },
        other => Error::Failed { name, kind, why: other.to_string() },
    }
}

fn code_text(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        other => other.to_string(),
    }
}
