//! A daemon from start to stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kumo_tsa_core::decide::Started;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;

use super::engine::{Engine, LoadError};
use super::http::{App, handler};
use super::insight::Insight;
use super::lua::{self, StoreWish, TSA_INIT, Wishes};
use super::metrics::Metrics;
use super::rules::{self, Reload};
use crate::host::Host;
use crate::host::http::{Access, serve};
use crate::host::listening::Serving;
use crate::host::store::Store;
use crate::modules;
use crate::modules::credential::PolicyCredentials;
use crate::policy::{self, Install, Policy};
use crate::shaping::{self, Handle};

/// How often the policy is asked for the rules (interface B.6).
const RELOAD: Duration = Duration::from_secs(30);

/// How long subscribers may take to hear that the daemon stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// A daemon that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The policy cannot be run, or one of its handlers failed.
    #[error(transparent)]
    Policy(#[from] policy::Error),
    /// The store cannot be opened, or what it holds cannot be taken up.
    #[error(transparent)]
    State(#[from] LoadError),
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    host: Host,
    engine: Arc<Engine>,
    /// What serves listeners; ends when the host shuts down.
    listeners: Option<Serving>,
    /// What goes on beside it.
    background: JoinSet<()>,
    /// Closes when all requests and subscriptions have ended.
    ended: mpsc::Receiver<()>,
}

impl Daemon {
    /// Runs the daemon of a policy file on `host`: the policy is evaluated, the rules are loaded, `tsa_init` is called,
    /// the state is taken up, and then requests are answered. Those that come before wait.
    ///
    /// # Errors
    /// Names the policy's file and line, the listener's address or the store's folder that stood in the way.
    pub async fn start(host: &Host, policy_file: &Path) -> Result<Self, Error> {
        let policy = Policy::load(host, policy_file, &installs()).await?;
        let handle = rules::load(&policy).await?;
        say_what_is_wrong(&handle);
        policy.call(&TSA_INIT, ()).await?;
        let wishes = host.slot(Wishes::default);
        let engine = Arc::new(take_up_state(host, &wishes.store(), handle.clone()).await?);
        let access = Arc::new(Access::new(PolicyCredentials(policy.clone())));
        let (open, ended) = mpsc::channel(1);
        let app = App { host: host.clone(), engine: engine.clone(), access, metrics: engine.metrics().clone(), open };

        let mut background = JoinSet::new();
        background.spawn(reload(host.clone(), policy, engine.clone(), handle));
        background.spawn({
            let engine = engine.clone();
            async move { engine.expire().await }
        });
        background.spawn({
            let engine = engine.clone();
            async move { engine.attend_store().await }
        });
        let (on, handle) = (host.clone(), handler(app));
        let listeners = Serving::start(host, move |bound| serve(bound, on.clone(), handle.clone()));
        if listeners.as_ref().is_some_and(|listeners| listeners.addresses().is_empty()) {
            tracing::warn!("the policy started no listener: see `tsa.start_http_listener`");
        }
        host.announce("initialization complete");
        Ok(Self { host: host.clone(), engine, listeners, background, ended })
    }

    /// The addresses that it listens on, in the order in which the policy started them.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.as_ref().map(Serving::addresses).unwrap_or_default()
    }

    /// Effects as they begin or are prolonged. Who does not keep up misses the oldest.
    pub fn effects(&self) -> broadcast::Receiver<Arc<Started>> {
        self.engine.watch()
    }

    /// The daemon as one sees it that stands beside it.
    pub fn insight(&self) -> Insight {
        Insight::new(self.engine.clone())
    }

    /// The host that it runs on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Stops: no more connections are accepted, what is in hand is finished, and all that was stored is synced to disk.
    ///
    /// This shuts the host down. It takes a few seconds at most.
    pub async fn stop(mut self) {
        self.host.shutdown().request();
        if let Some(listeners) = &mut self.listeners {
            listeners.ended().await;
        }
        // Subscribers are told before they are left.
        let _ = tokio::time::timeout(FAREWELL, self.ended.recv()).await;
        self.background.shutdown().await;
        let engine = self.engine.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || engine.sync()).await {
            tracing::error!("{:#}", anyhow::Error::from(error));
        }
    }
}

/// The rules that a daemon with this policy loads, without starting one.
///
/// # Errors
/// When the policy cannot be run, or does not load rules; each names its file and line.
pub async fn load_rules(host: &Host, policy_file: &Path) -> Result<Handle, policy::Error> {
    rules::load(&Policy::load(host, policy_file, &installs()).await?).await
}

/// What the policy of a daemon sees.
pub fn installs() -> Vec<Install> {
    let mut installs = modules::standard().to_vec();
    installs.extend([shaping::install as Install, lua::install, modules::absent::install_mail]);
    installs
}

fn say_what_is_wrong(handle: &Handle) {
    let shaping = handle.current();
    shaping.errors().iter().for_each(|error| tracing::error!("{error}"));
    rules::warnings(&shaping).for_each(|warning| tracing::warn!("{warning}"));
}

async fn take_up_state(host: &Host, wish: &StoreWish, handle: Handle) -> Result<Engine, Error> {
    let database = host.paths().resolve(&wish.path).into_owned();
    let folder = with_suffix(&database, ".store");
    let old: Vec<_> = [database.clone(), with_suffix(&database, ".state")]
        .into_iter()
        .filter(|path| path.exists())
        .map(|path| format!("`{}`", path.display()))
        .collect();
    if !old.is_empty() {
        tracing::info!("left as they are, the state is kept in `{}`: {}", folder.display(), old.join(" and "));
    }
    let (host, sync) = (host.clone(), wish.sync);
    let opening = tokio::task::spawn_blocking(move || -> Result<Engine, LoadError> {
        let store = Store::open(folder)?;
        let metrics = Metrics::register(&host);
        metrics.unresolved(handle.current().unresolved());
        Engine::new(&host, store, sync, handle, metrics)
    });
    match opening.await {
        Ok(opened) => Ok(opened?),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Asks the policy for the rules now and then. Those that are not good never take the place of good ones (semantics A7).
async fn reload(host: Host, policy: Policy, engine: Arc<Engine>, mut handle: Handle) {
    let metrics = engine.metrics().clone();
    let mut said = None;
    loop {
        host.clock().sleep(RELOAD).await;
        let loaded = rules::load(&policy).await;
        match rules::judge(&handle, loaded.as_ref(), &mut said) {
            Reload::Same => {}
            Reload::Failed => {
                metrics.reload_failures.inc();
            }
            Reload::Changed => {
                if let Ok(new) = loaded {
                    engine.set_rules(new.clone());
                    if new.current().hash() != handle.current().hash() {
                        metrics.reloads.inc();
                    }
                    handle = new;
                }
            }
        }
        metrics.unresolved(handle.current().unresolved());
    }
}
