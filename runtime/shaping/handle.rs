//! What loading gives: shaping data that may get better while it is in use.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use kumo_tsa_core::shaping::Shaping;
use tokio::sync::watch;

/// Loaded shaping data. Clones are cheap and refer to the same data.
///
/// Domains that DNS could not tell of are tried again as long as a clone lives (semantics S4), and what
/// [`current`](Self::current) gives is replaced when that succeeds.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    current: ArcSwap<Shaping>,
    /// Closes when the last clone is gone.
    alive: watch::Sender<()>,
}

impl Handle {
    /// Data that stays as it is.
    pub fn new(shaping: impl Into<Arc<Shaping>>) -> Self {
        Self(Arc::new(Inner { current: ArcSwap::new(shaping.into()), alive: watch::Sender::new(()) }))
    }

    /// The data as it is now. Take it once per unit of work, so that all of it sees the same.
    pub fn current(&self) -> Arc<Shaping> {
        self.0.current.load_full()
    }

    /// Whether a daemon with the same rules may act on a response: it is looked at for each recipient domain, as the daemon
    /// does (R2), and a pattern that was given up is the daemon's to report (S6). The rest is as in [`Shaping::matches`].
    pub fn may_match<'a>(
        &self,
        mut domains: impl Iterator<Item = &'a str>,
        site: &str,
        text: &str,
        internal: bool,
    ) -> bool {
        let shaping = self.current();
        domains.any(|domain| {
            let found = shaping.matches(domain, site, text, internal);
            !(found.matched.is_empty() && found.exceeded.is_empty())
        })
    }

    pub(super) fn downgrade(&self) -> WeakHandle {
        WeakHandle { inner: Arc::downgrade(&self.0), alive: self.0.alive.subscribe() }
    }
}

/// A reference that does not keep the data alive.
#[derive(Debug)]
pub(super) struct WeakHandle {
    inner: Weak<Inner>,
    alive: watch::Receiver<()>,
}

impl WeakHandle {
    /// Puts other data in the place of the current; `false` when nobody holds it any more.
    pub(super) fn replace(&self, shaping: Shaping) -> bool {
        let inner = self.inner.upgrade();
        inner.map(|inner| inner.current.store(Arc::new(shaping))).is_some()
    }

    /// Returns when nobody holds the data any more.
    pub(super) fn dropped(&self) -> impl Future<Output = ()> + use<> {
        let mut alive = self.alive.clone();
        // Nothing is ever sent: this ends when the sender is gone.
        async move { while alive.changed().await.is_ok() {} }
    }
}
