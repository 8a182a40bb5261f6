//! Asking the policy.

use std::sync::Arc;
use std::time::Duration;

use kumo_tsa_core::wire::QueueName;
use tokio::time::Instant;

use super::cache::{Cache, Until};
use super::{PathConfig, Pool, QueueConfig, RefreshStrategy, Source, UNSPECIFIED};
use crate::host::Host;
use crate::mail::lua::config::Made;
use crate::policy::{Error, Event, Policy};

type QueueArguments = (String, Option<String>, Option<String>, Option<String>);

const GET_QUEUE_CONFIG: Event<QueueArguments, Made<QueueConfig>> = Event::multiple("get_queue_config");
const GET_EGRESS_PATH_CONFIG: Event<(String, String, String), Made<PathConfig>> =
    Event::single("get_egress_path_config");
const GET_EGRESS_SOURCE: Event<String, Made<Source>> = Event::single("get_egress_source");
const GET_EGRESS_POOL: Event<String, Made<Pool>> = Event::single("get_egress_pool");

/// What the policy of a host has answered: paths until their `refresh_interval` is over or, with `Epoch`, until the next
/// epoch; sources and pools for their `ttl`.
#[derive(Default)]
pub struct Configs {
    paths: Cache<(String, String, String), PathConfig>,
    sources: Cache<String, Source>,
    pools: Cache<String, Pool>,
}

impl Configs {
    fn of(host: &Host) -> Arc<Self> {
        host.slot(Self::default)
    }
}

/// What `get_queue_config` answers for a scheduled queue; the default when nothing does. Each call asks: who holds a
/// queue holds its config, and refreshes it.
///
/// # Errors
/// When a handler fails.
pub async fn queue_config(policy: &Policy, name: &QueueName<'_>) -> Result<QueueConfig, Error> {
    let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
    let args = (name.domain.to_owned(), owned(name.tenant), owned(name.campaign), owned(name.routing_domain));
    let made = policy.call(&GET_QUEUE_CONFIG, args).await?;
    Ok(made.map(Made::into_inner).unwrap_or_default())
}

/// What `get_egress_path_config` answers for a routing domain (or domain), a source and a site; the default when nothing
/// does. Automation's overrides are not in it.
///
/// # Errors
/// When the handler fails.
pub async fn path_config(policy: &Policy, domain: &str, source: &str, site: &str) -> Result<Arc<PathConfig>, Error> {
    let host = policy.host();
    let epoch = host.epoch().current();
    let key = (domain.to_owned(), source.to_owned(), site.to_owned());
    let ask = async {
        let made = policy.call(&GET_EGRESS_PATH_CONFIG, key.clone()).await?;
        let config = made.map(Made::into_inner).unwrap_or_default();
        let until = match config.refresh_strategy {
            RefreshStrategy::Ttl => within(config.refresh_interval),
            RefreshStrategy::Epoch => Until::Epoch(epoch),
        };
        Ok((config, until))
    };
    Configs::of(host).paths.get(key.clone(), epoch, ask).await
}

/// The source of this name.
///
/// # Errors
/// When `get_egress_source` fails or does not answer.
pub async fn egress_source(policy: &Policy, name: &str) -> Result<Arc<Source>, Error> {
    if name == UNSPECIFIED {
        return Ok(Arc::new(Source::unspecified()));
    }
    let host = policy.host();
    let ask = async {
        let source = policy.ask(&GET_EGRESS_SOURCE, name.to_owned()).await?.into_inner();
        if source.uses_proxies() {
            tracing::warn!("egress source `{name}`: its proxies and their health are not enforced yet");
        }
        let until = within(source.ttl);
        Ok((source, until))
    };
    Configs::of(host).sources.get(name.to_owned(), host.epoch().current(), ask).await
}

/// The pool of this name.
///
/// # Errors
/// When `get_egress_pool` fails or does not answer.
pub async fn egress_pool(policy: &Policy, name: &str) -> Result<Arc<Pool>, Error> {
    if name == UNSPECIFIED {
        return Ok(Arc::new(Pool::unspecified()));
    }
    let host = policy.host();
    let ask = async {
        let pool = policy.ask(&GET_EGRESS_POOL, name.to_owned()).await?.into_inner();
        let until = within(pool.ttl);
        Ok((pool, until))
    };
    Configs::of(host).pools.get(name.to_owned(), host.epoch().current(), ask).await
}

fn within(span: Duration) -> Until {
    let far = Duration::from_hours(24 * 365);
    Until::Instant(Instant::now() + span.min(far))
}
