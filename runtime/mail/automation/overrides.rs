//! Overrides of egress path options, and which of several holds (semantics A8, P6).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kumo_tsa_core::decide::Place;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::Key;
use super::entry::{Entry, Spot};

/// By source, then by site or domain, then by option.
#[derive(Default)]
pub(super) struct Overrides {
    sites: Scope,
    domains: Scope,
}

type Scope = HashMap<Arc<str>, HashMap<Arc<str>, Options>>;
type Options = BTreeMap<Arc<str>, Vec<Held>>;

/// An override that is in force.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) owner: Arc<str>,
    pub(super) key: Arc<str>,
    value: Value,
    place: Place,
    ends: Instant,
}

impl Held {
    pub(super) fn of(key: &Key, entry: &Entry) -> Self {
        let facts = &entry.view.value;
        let value = facts.value.clone().unwrap_or_default();
        let place =
            Place::weigh(entry.id, facts.option.as_deref().unwrap_or_default(), &value, facts.latest, facts.until);
        Self { owner: key.0.clone(), key: key.1.clone(), value, place, ends: entry.ends }
    }
}

/// Of several the winner: the strictest or latest; of two daemons that tell the same, either.
fn winner(held: &[Held]) -> Option<&Held> {
    let now = Instant::now();
    held.iter().filter(|one| one.ends > now).min_by(|a, b| a.place.cmp(&b.place).then_with(|| a.owner.cmp(&b.owner)))
}

impl Overrides {
    /// Changes what is held at a spot; tells whether another value holds there now.
    pub(super) fn change(&mut self, spot: &Spot, act: impl FnOnce(&mut Vec<Held>)) -> bool {
        let scope = if spot.rolled { &mut self.sites } else { &mut self.domains };
        let options = scope.entry(spot.source.clone()).or_default().entry(spot.place.clone()).or_default();
        let held = options.entry(spot.option.clone()).or_default();
        // Who held is still among them, even if over: the end is noticed by its removal.
        let strongest = |held: &[Held]| held.iter().min_by_key(|one| one.place).map(|one| one.value.clone());
        let before = strongest(held);
        act(held);
        let changed = strongest(held) != before;
        if held.is_empty() {
            options.remove(&spot.option);
            self.forget(spot);
        }
        changed
    }

    fn forget(&mut self, spot: &Spot) {
        let scope = if spot.rolled { &mut self.sites } else { &mut self.domains };
        if let Some(places) = scope.get_mut(&spot.source) {
            if places.get(&spot.place).is_some_and(BTreeMap::is_empty) {
                places.remove(&spot.place);
            }
            if places.is_empty() {
                scope.remove(&spot.source);
            }
        }
    }

    pub(super) fn effective(&self, domain: &str, source: &str, site: &str) -> Map<String, Value> {
        let mut map = self.site_wide(source, site);
        map.extend(self.domain_only(domain, source, site));
        map
    }

    pub(super) fn site_wide(&self, source: &str, site: &str) -> Map<String, Value> {
        let options = at(&self.sites, source, site).into_iter().flatten();
        options.filter_map(|(name, held)| Some((name.to_string(), winner(held)?.value.clone()))).collect()
    }

    pub(super) fn domain_only(&self, domain: &str, source: &str, site: &str) -> Map<String, Value> {
        let Some(places) = self.domains.get(source) else { return Map::new() };
        let own = places.get(domain).or_else(|| places.get(domain.to_lowercase().as_str()));
        let sites = at(&self.sites, source, site);
        let prevails = |(name, held): (&Arc<str>, &Vec<Held>)| {
            let mine = winner(held)?;
            let of_site = sites.and_then(|options| winner(options.get(name)?));
            let first = of_site.is_none_or(|other| mine.place < other.place);
            first.then(|| (name.to_string(), mine.value.clone()))
        };
        own.into_iter().flatten().filter_map(prevails).collect()
    }

    pub(super) fn has_domain_only(&self, source: &str) -> bool {
        self.domains.contains_key(source)
    }
}

fn at<'s>(scope: &'s Scope, source: &str, place: &str) -> Option<&'s Options> {
    scope.get(source)?.get(place)
}
