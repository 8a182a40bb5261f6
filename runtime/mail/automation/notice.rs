//! Telling which paths have changed (semantics P5).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kumo_tsa_core::decide::View;
use tokio::sync::{Notify, broadcast};

use super::Receiver;
use super::entry::Spot;

/// Changes that come within this time of each other are told together.
pub(super) const GATHER: Duration = Duration::from_millis(50);
/// Notices that a reader may be behind before it is told that everything may have changed.
const BEHIND: usize = 256;

/// A path whose options have changed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Touched {
    /// The egress source.
    pub source: Arc<str>,
    /// The site.
    pub site: Arc<str>,
    /// The domain, where the change concerns it alone; the site is the one where the record was made then.
    pub domain: Option<Arc<str>>,
}

/// What has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Changed {
    /// These paths.
    Paths(Arc<BTreeSet<Touched>>),
    /// Perhaps all of them: the reader has fallen too far behind.
    Anything,
}

/// Tells of changes as they come.
#[derive(Debug)]
pub struct Changes(Receiver);

impl Changes {
    pub(super) fn new(receiver: Receiver) -> Self {
        Self(receiver)
    }

    /// The next notice; `None` when there will be no more.
    pub async fn next(&mut self) -> Option<Changed> {
        match self.0.recv().await {
            Ok(paths) => Some(Changed::Paths(paths)),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Changed::Anything),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

pub(super) struct Notices {
    waiting: Mutex<BTreeSet<Touched>>,
    stir: Notify,
    sender: broadcast::Sender<Arc<BTreeSet<Touched>>>,
}

impl Notices {
    pub(super) fn new() -> Self {
        Self { waiting: Mutex::default(), stir: Notify::new(), sender: broadcast::Sender::new(BEHIND) }
    }

    pub(super) fn subscribe(&self) -> Receiver {
        self.sender.subscribe()
    }

    /// Notes an override, when its spot has another value now.
    pub(super) fn add(&self, touched: bool, spot: &Spot, view: &View) {
        if touched {
            let facts = &view.value;
            let domain = (!spot.rolled).then(|| spot.place.clone());
            let touched = Touched { source: spot.source.clone(), site: facts.site.clone(), domain };
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(touched);
        }
    }

    /// Has what was noted looked at, and ends that may be earlier now.
    pub(super) fn stir(&self) {
        self.stir.notify_one();
    }

    pub(super) async fn stirred(&self) {
        self.stir.notified().await;
    }

    /// Sends what has gathered; false when nothing has.
    pub(super) fn send(&self) -> bool {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.is_empty() {
            return false;
        }
        // Without a reader nobody has to know.
        let _ = self.sender.send(Arc::new(waiting));
        true
    }
}
