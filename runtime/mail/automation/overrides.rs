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
type Options = BTreeMap<Arc<str>, BTreeMap<Rank, Held>>;

/// An override's place among those of its option at its spot, the strongest first; of two daemons that tell the same,
/// either.
type Rank = (Place, Arc<str>);

/// What an override says.
pub(super) struct Held {
    value: Value,
    ends: Instant,
}

/// The place of an entry that is an override.
pub(super) fn rank(key: &Key, entry: &Entry) -> Rank {
    let facts = &entry.view.value;
    let value = facts.value.as_ref().unwrap_or(&Value::Null);
    let option = facts.option.as_deref().unwrap_or_default();
    (Place::weigh(entry.id, option, value, facts.latest, facts.until), key.0.clone())
}

/// An entry that is an override, with its place.
pub(super) fn held(key: &Key, entry: &Entry) -> (Rank, Held) {
    let value = entry.view.value.value.clone().unwrap_or_default();
    (rank(key, entry), Held { value, ends: entry.ends })
}

/// The strongest that is in force.
fn winner(held: &BTreeMap<Rank, Held>) -> Option<(&Place, &Value)> {
    let now = Instant::now();
    held.iter().find(|(_, one)| one.ends > now).map(|((place, _), one)| (place, &one.value))
}

impl Overrides {
    /// Takes one out and puts one in at a spot; tells whether another value holds there now.
    pub(super) fn change(&mut self, spot: &Spot, out: Option<Rank>, new: Option<(Rank, Held)>) -> bool {
        let scope = if spot.rolled { &mut self.sites } else { &mut self.domains };
        let options = scope.entry(spot.source.clone()).or_default().entry(spot.place.clone()).or_default();
        let held = options.entry(spot.option.clone()).or_default();
        // Who held is still among them, even if over: the end is noticed by its removal.
        let strongest = |held: &BTreeMap<Rank, Held>| held.first_key_value().map(|(_, one)| one.value.clone());
        let before = strongest(held);
        out.and_then(|rank| held.remove(&rank));
        held.extend(new);
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
        options.filter_map(|(name, held)| Some((name.to_string(), winner(held)?.1.clone()))).collect()
    }

    pub(super) fn domain_only(&self, domain: &str, source: &str, site: &str) -> Map<String, Value> {
        let Some(places) = self.domains.get(source) else { return Map::new() };
        let own = places.get(domain).or_else(|| places.get(domain.to_lowercase().as_str()));
        let sites = at(&self.sites, source, site);
        let prevails = |(name, held): (&Arc<str>, &BTreeMap<Rank, Held>)| {
            let (mine, value) = winner(held)?;
            let of_site = sites.and_then(|options| winner(options.get(name)?));
            let first = of_site.is_none_or(|(other, _)| mine < other);
            first.then(|| (name.to_string(), value.clone()))
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
