//! A mail host from start to stop (interface F.1).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::automation::Automation;
use super::config;
use super::event::{INIT, PRE_INIT, SHUTDOWN_LOGGING};
use super::http;
use super::log::{Audit, Logger, ToQueues};
use super::queue::Queues;
use super::smtp::server::Server;
use super::spool::{self, Spools};
use crate::host::Host;
use crate::host::listening::Serving;
use crate::host::memory::Memory;
use crate::modules;
use crate::policy::{self, Policy};

/// How long sessions may take to finish the message that they are at when the host stops.
const DRAIN: Duration = Duration::from_secs(20);

/// How long handlers of `shutdown_logging` may take.
const LAST_WORD: Duration = Duration::from_secs(5);

/// A mail host that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The policy cannot be run.
    #[error(transparent)]
    Policy(#[from] policy::Error),
    /// A handler of `pre_init` or `init` failed.
    #[error("problem initializing")]
    Init(#[source] policy::Error),
    /// The spool cannot be opened.
    #[error(transparent)]
    Spool(#[from] spool::Error),
}

/// A running mail host.
#[derive(Debug)]
pub struct MailHost {
    host: Host,
    policy: Policy,
    queues: Arc<Queues>,
    spools: Arc<Spools>,
    smtp: Option<Serving>,
    http: Option<Serving>,
    /// What goes on beside it.
    background: JoinSet<()>,
}

impl MailHost {
    /// Runs the mail host of a policy file on `host`: the policy is evaluated, `pre_init` and `init` are called, what the
    /// spool holds is queued, and then mail is taken in and delivered.
    ///
    /// # Errors
    /// Names the policy's file and line, or the spool's folder that stood in the way.
    pub async fn start(host: &Host, policy_file: &Path) -> Result<Self, Error> {
        let policy = Policy::load(host, policy_file, &super::installs()).await?;
        for event in [PRE_INIT, INIT] {
            if let Err(cause) = policy.call(&event, ()).await {
                let error = Error::Init(cause);
                host.announce("initialization complete");
                return Err(error);
            }
        }
        config::say_unenforced();
        let mut background = JoinSet::new();
        background.spawn(modules::monitor::watch(host.clone()));
        background.spawn(Memory::watch(host.clone()));
        Automation::of(host).open(host).await;
        let spools = Spools::open(host).await?;
        let queues = Queues::of(host);
        queues.start(policy.clone());
        Logger::of(host).start(Arc::new(ToQueues::of(host)));
        let found = queues.load(&spools).await;
        if found > 0 {
            tracing::info!("{found} messages were in the spool");
        }
        let server = Server::new(policy.clone());
        let smtp = Serving::start(host, move |bound| server.clone().serve(bound));
        let http = http::start(&policy);
        host.announce("initialization complete");
        Ok(Self { host: host.clone(), policy, queues, spools, smtp, http, background })
    }

    /// The addresses at which it takes SMTP, in the order in which the policy started them.
    pub fn smtp_addresses(&self) -> Vec<SocketAddr> {
        self.smtp.as_ref().map(Serving::addresses).unwrap_or_default()
    }

    /// The addresses at which it takes HTTP, in the order in which the policy started them.
    pub fn http_addresses(&self) -> Vec<SocketAddr> {
        self.http.as_ref().map(Serving::addresses).unwrap_or_default()
    }

    /// The host that it runs on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Stops: nothing more is taken in, sessions finish the message that they are at, logs are closed. What waits stays in
    /// the spool.
    ///
    /// This shuts the host down. It takes well under 30 s.
    pub async fn stop(mut self) {
        self.host.shutdown().request();
        for serving in [&mut self.smtp, &mut self.http].into_iter().flatten() {
            serving.ended().await;
        }
        if !self.queues.stop(DRAIN).await {
            tracing::warn!("sessions were left in the middle of a message; it goes out again after the next start");
        }
        match tokio::time::timeout(LAST_WORD, self.policy.call(&SHUTDOWN_LOGGING, ())).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!("{}", policy::explain(&error)),
            Err(_) => tracing::error!("handlers of `shutdown_logging` took longer than {LAST_WORD:?} and were left"),
        }
        Logger::of(&self.host).stop().await;
        Audit::of(&self.host).stop().await;
        self.background.shutdown().await;
        self.spools.close().await;
    }
}
