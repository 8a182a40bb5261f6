//! The world that the queues of a host live in: its policy, spool, log, DNS, holds, rates and sessions.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kumo_tsa_core::wire::QueueName;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::internal::Internal;
use super::maildir::Maildir;
use super::route::{Means, Route};
use super::smtp;
use super::world::{Answer, Failure, Lane, Opening, Requeued, Session, World};
use crate::dns::{Mx, Resolver};
use crate::host::Host;
use crate::host::memory::{Headroom, Memory};
use crate::mail::address::Address;
use crate::mail::automation::{Automation, Changed, Changes};
use crate::mail::config::{self, BadConfig, Config, PathConfig, Pool, Protocol, QueueConfig, Source};
use crate::mail::hold::Holds;
use crate::mail::inject;
use crate::mail::log::{Attempt, Entry, Logger, hook_queue};
use crate::mail::lua::queue as lua;
use crate::mail::message::Message;
use crate::mail::reply::Reply;
use crate::mail::smtp::client::{Endpoint, list_hosts, plan_hosts};
use crate::mail::smtp::server::show_deferred;
use crate::mail::spool::{self, Spools};
use crate::mail::throttle::Throttles;
use crate::policy::{Policy, explain};

/// The host, as its queues use it.
pub(super) struct Home {
    host: Host,
    policy: Policy,
    holds: Arc<Holds>,
    throttles: Arc<Throttles>,
    memory: Arc<Memory>,
    automation: Arc<Automation>,
    logger: Arc<Logger>,
    overridden: tokio::sync::Mutex<Changes>,
}

impl Home {
    pub(super) fn new(policy: Policy) -> Self {
        let host = policy.host().clone();
        let automation = Automation::of(&host);
        Self {
            holds: Holds::of(&host),
            throttles: Throttles::of(&host),
            memory: Memory::of(&host),
            logger: Logger::of(&host),
            overridden: tokio::sync::Mutex::new(automation.changed()),
            automation,
            policy,
            host,
        }
    }

    fn spools(&self) -> Result<Arc<Spools>, spool::Error> {
        Spools::of(&self.host).ok_or(spool::Error::Undefined)
    }
}

fn told<T>(outcome: Result<T, crate::policy::Error>) -> Result<T, String> {
    outcome.map_err(|error| explain(&error))
}

/// What holds for the queue of a log hook: what was said with the hook, and over it what the policy gave for the queue. The
/// protocol stays the hook's, whatever handlers there are (semantics H4).
fn of_hook(base: Map<String, Value>, asked: &QueueConfig) -> Result<QueueConfig, BadConfig> {
    let protocol = base.get("protocol").cloned();
    let mut options = base;
    options.extend(asked.given_options());
    if let Some(protocol) = protocol {
        options.insert("protocol".to_owned(), protocol);
    }
    QueueConfig::from_options(&options)
}

impl World for Home {
    fn queue_config<'a>(&'a self, full: &'a str, name: &'a QueueName<'a>) -> Answer<'a, QueueConfig> {
        async move {
            if Internal::of(full).is_some() {
                let retry = Duration::from_mins(1);
                let most = Some(Duration::from_mins(20));
                return Ok(QueueConfig { retry_interval: retry, max_retry_interval: most, ..QueueConfig::default() });
            }
            let asked = told(config::queue_config(&self.policy, name).await)?;
            match hook_queue(&self.host, full) {
                Some(base) => of_hook(base, &asked).map_err(|bad| format!("the queue of log hook `{full}`: {bad}")),
                None => Ok(asked),
            }
        }
        .boxed()
    }

    fn pool<'a>(&'a self, name: &'a str) -> Answer<'a, Arc<Pool>> {
        async move { told(config::egress_pool(&self.policy, name).await) }.boxed()
    }

    fn source<'a>(&'a self, name: &'a str) -> Answer<'a, Arc<Source>> {
        async move { told(config::egress_source(&self.policy, name).await) }.boxed()
    }

    fn path_config<'a>(&'a self, domain: &'a str, source: &'a str, site: &'a str) -> Answer<'a, Arc<PathConfig>> {
        async move {
            let config = told(config::path_config(&self.policy, domain, source, site).await)?;
            let overrides = self.automation.site_wide(source, site);
            if overrides.is_empty() {
                return Ok(config);
            }
            let (config, refused) = config.with(&overrides);
            for bad in refused {
                tracing::error!("an override of automation for `{source}` to `{site}` is left out: {bad}");
            }
            Ok(Arc::new(config))
        }
        .boxed()
    }

    fn lane(&self, domain: &str, source: &str, site: &str, path: &PathConfig) -> Option<Lane> {
        if !self.automation.has_domain_only(source) {
            return None;
        }
        let mut options = self.automation.domain_only(domain, source, site);
        if options.is_empty() {
            return None;
        }
        let (all, _) = path.with(&options);
        let mut lane = Lane::default();
        if options.remove("max_message_rate").is_some() {
            lane.rate = all.max_message_rate;
        }
        if options.remove("connection_limit").is_some() {
            lane.sessions = Some(all.connection_limit);
        }
        if !options.is_empty() {
            lane.config = Some(Arc::new(path.with(&options).0));
        }
        Some(lane)
    }

    fn overridden(&self) -> BoxFuture<'_, Vec<(String, String)>> {
        async move {
            match self.overridden.lock().await.next().await {
                Some(Changed::Paths(paths)) => {
                    paths.iter().map(|path| (path.source.to_string(), path.site.to_string())).collect()
                }
                Some(Changed::Anything) => Vec::new(),
                None => std::future::pending().await,
            }
        }
        .boxed()
    }

    fn work_off<'a>(&'a self, internal: Internal, message: &'a Message) -> Answer<'a, Reply, Reply> {
        async move {
            match internal {
                Internal::Generator => match inject::generate(&self.policy, message).await {
                    Ok(done) => Ok(Reply::new(
                        200,
                        &format!("made {} messages, {} failed", done.success_count, done.fail_count),
                    )),
                    Err(why) => Err(Reply::new(400, &format!("KumoMTA internal: failed to make messages: {why}"))),
                },
                Internal::Deferred => match show_deferred(&self.policy, message).await {
                    Ok(()) => Ok(Reply::new(250, "rebound by `smtp_server_message_deferred_inject`")),
                    Err(rejection) => Err(Reply::new(rejection.code, &rejection.message)),
                },
            }
        }
        .boxed()
    }

    fn mx<'a>(&'a self, domain: &'a str) -> Answer<'a, Arc<Mx>> {
        async move { Resolver::of(&self.host).mx(domain).await.map_err(|error| explain(&error)) }.boxed()
    }

    fn hosts<'a>(&'a self, route: &'a Route, config: &'a PathConfig) -> Answer<'a, Vec<Endpoint>, Reply> {
        async move {
            let found = match &route.to.means {
                Means::Mx(mx) => plan_hosts(&self.host, mx, config, &route.source).await,
                Means::List(list) => list_hosts(&self.host, list, config, &route.source).await,
                Means::Lua(_) => Ok(Vec::new()),
            };
            found.map_err(|none| none.reply())
        }
        .boxed()
    }

    fn open<'a>(&'a self, opening: &'a Opening) -> Answer<'a, Box<dyn Session>, Box<Failure>> {
        async move {
            match (&opening.to, opening.route.lua()) {
                (_, Some(path)) => lua::open(&self.policy, path).await,
                (Some(endpoint), None) => smtp::open(&self.policy, opening, endpoint).await,
                (None, None) => {
                    let reply = Reply::new(451, "4.4.1 KumoMTA internal: the site has no hosts");
                    Err(Box::new(Failure { reply, said: false, attempt: Attempt::default() }))
                }
            }
        }
        .boxed()
    }

    fn write_maildir<'a>(
        &'a self,
        config: &'a QueueConfig,
        message: &'a Message,
        to: &'a Address,
    ) -> BoxFuture<'a, Reply> {
        async move {
            let Protocol::Maildir { maildir_path, dir_mode, file_mode } = &config.protocol else {
                return Reply::new(400, "KumoMTA internal: the queue has no maildir any more");
            };
            let maildir = Maildir { path: maildir_path, dir_mode: *dir_mode, file_mode: *file_mode };
            maildir.write(&self.host, message, to).await
        }
        .boxed()
    }

    fn save<'a>(&'a self, message: &'a Message) -> Answer<'a, (), spool::Error> {
        async move { self.spools()?.save(message).await }.boxed()
    }

    fn remove<'a>(&'a self, message: &'a Message) -> Answer<'a, (), spool::Error> {
        async move {
            if message.is_in_spool() {
                self.spools()?.remove_message(message).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn spool_health(&self) -> Result<(), spool::Error> {
        self.spools()?.health()
    }

    fn headroom(&self) -> Headroom {
        self.memory.headroom()
    }

    fn log<'a>(&'a self, entry: Entry<'a>) -> BoxFuture<'a, ()> {
        self.logger.log(entry).boxed()
    }

    fn holds(&self) -> &Holds {
        &self.holds
    }

    fn throttles(&self) -> &Throttles {
        &self.throttles
    }

    fn throttle_insert<'a>(&'a self, message: &'a Message) -> Answer<'a, ()> {
        async move { told(lua::throttle_insert(&self.policy, message).await) }.boxed()
    }

    fn requeued<'a>(&'a self, what: Requeued<'a>) -> Answer<'a, ()> {
        async move { told(lua::requeued(&self.policy, what).await) }.boxed()
    }

    fn rewrite_status<'a>(&'a self, response: &'a str, name: &'a QueueName<'a>) -> Answer<'a, Option<u16>> {
        async move { told(lua::rewrite_status(&self.policy, response, name).await) }.boxed()
    }

    fn epoch(&self) -> watch::Receiver<u64> {
        self.host.epoch().watch()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap_or_default()
    }

    #[test]
    fn h4_handlers_set_everything_of_a_hooks_queue_but_the_protocol() -> Result<(), BadConfig> {
        let lua = json!({ "custom_lua": { "constructor": "make.hook" } });
        let base = options(json!({ "protocol": lua, "retry_interval": "1m", "max_retry_interval": "20m" }));
        let asked = json!({ "retry_interval": "3m", "max_age": "1h", "protocol": { "maildir_path": "/x" } });
        let config = of_hook(base, &QueueConfig::from_options(&options(asked))?)?;
        assert_eq!(config.retry_interval, Duration::from_mins(3));
        assert_eq!(config.max_retry_interval, Some(Duration::from_mins(20)));
        assert_eq!(config.max_age, Duration::from_hours(1));
        assert_eq!(config.protocol.label(), "lua:make.hook");
        Ok(())
    }
}
