//! One thing that a daemon has told.

use std::sync::Arc;
use std::time::Duration;

use kumo_tsa_core::decide::{EffectId, EffectKind, View};
use kumo_tsa_core::wire::Time;
use tokio::time::Instant;

use super::Key;
use crate::mail::hold::{Owner, Selector};

/// Ends further away are taken as this far.
const FAR: Duration = Duration::from_hours(24 * 3650);

pub(super) struct Entry {
    pub(super) view: Arc<View>,
    pub(super) id: EffectId,
    pub(super) place: Place,
    pub(super) ends: Instant,
}

/// What an entry acts on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// A path, by the name of its ready queue.
    Path(Arc<str>),
    /// Scheduled queues that are suspended.
    Queues(Selector),
    /// Scheduled queues that are bounced.
    Bounces(Selector),
    /// An option of paths.
    Override(Spot),
}

/// Where an option is overridden.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Spot {
    pub(super) source: Arc<str>,
    /// A site when `rolled`, else a domain.
    pub(super) place: Arc<str>,
    pub(super) rolled: bool,
    pub(super) option: Arc<str>,
}

impl Entry {
    /// `None` when the parts that its kind needs are not there.
    pub(super) fn new(key: &Key, view: View, now: Time) -> Option<Self> {
        let facts = &view.value;
        let place = match (view.kind, facts.domain.as_deref()) {
            (EffectKind::Suspension, None) => Place::Path(facts.path.clone()),
            (EffectKind::Suspension, Some(_)) => {
                // Without a tenant it would hold far more than was meant.
                facts.tenant.as_ref()?;
                Place::Queues(selector(&view))
            }
            (EffectKind::Bounce, Some(_)) => Place::Bounces(selector(&view)),
            (EffectKind::Bounce, None) => return None,
            (EffectKind::Override, domain) => Place::Override(Spot {
                source: facts.source.clone(),
                place: if facts.rolled { facts.site.clone() } else { domain?.to_lowercase().into() },
                rolled: facts.rolled,
                option: facts.option.clone().filter(|_| facts.value.is_some())?,
            }),
        };
        let ends = Instant::now() + facts.until.since(now).min(FAR);
        Some(Self { id: key.1.parse().ok()?, view: Arc::new(view), place, ends })
    }
}

fn selector(view: &View) -> Selector {
    let facts = &view.value;
    Selector::new(facts.campaign.as_deref(), facts.tenant.as_deref(), facts.domain.as_deref())
}

/// Who has the entry among suspensions and bounces.
pub(super) fn owner(key: &Key) -> Owner {
    Owner { who: key.0.clone(), key: key.1.clone() }
}
