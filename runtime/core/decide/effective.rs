//! Which override of an option holds for a domain at a site (semantics A8).

use std::sync::Arc;

use super::effect::{Effect, EffectId};
use super::rank::Place;
use super::state::{Slot, State};
use crate::wire::Time;

/// One option of what an egress path gets for a domain.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// The domain that the mail goes to.
    pub(super) domain: Arc<str>,
    /// The site, without source and protocol.
    pub(super) site: Arc<str>,
    /// The egress source.
    pub(super) source: Arc<str>,
    /// The option.
    pub(super) option: Arc<str>,
}

impl Spot {
    fn slots(&self) -> [Slot; 2] {
        let Self { domain, site, source, option } = self;
        [
            Slot::Site { site: site.clone(), source: source.clone(), option: option.clone() },
            Slot::Domain { domain: domain.clone(), source: source.clone(), option: option.clone() },
        ]
    }
}

impl State {
    /// The override that holds for a domain at a site: of the site's and the domain's, the stricter (A8).
    pub fn effective(&self, domain: &str, site: &str, source: &str, option: &str, now: Time) -> Option<&Arc<Effect>> {
        let spot = Spot { domain: domain.into(), site: site.into(), source: source.into(), option: option.into() };
        self.holds_at(&spot, &[], self.axis.now(now)).map(|(_, effect)| effect)
    }

    /// The same at a moment of state time, where some effects are about to begin or to be prolonged.
    pub(super) fn holds_at<'s>(
        &'s self,
        spot: &Spot,
        coming: &'s [(EffectId, Arc<Effect>)],
        now: Time,
    ) -> Option<(EffectId, &'s Arc<Effect>)> {
        let slots = spot.slots();
        let holders = slots.iter().filter_map(|slot| self.holder(slot, now));
        let coming = coming.iter().filter(|(_, effect)| slots.contains(&Slot::of(effect)));
        holders
            .chain(coming.map(|(id, effect)| (*id, effect)))
            .min_by_key(|(id, effect)| Place::of_override(*id, effect))
    }
}

#[cfg(test)]
mod tests;
