//! Which of several live effects holds (semantics A8, P1).

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::collections::btree_set;

use serde_json::Value;

use super::effect::{Effect, EffectId};
pub(super) use crate::shaping::strict::{Strictness, loosens};
use crate::wire::Time;

/// An effect's place among those that it competes with. The winner is the least.
///
/// Those who are told of effects and know several daemons weigh them by it too (semantics A8, P6).
#[derive(Clone, Copy, Debug)]
pub struct Place {
    strictness: Strictness,
    first: Time,
    second: Time,
    pub(super) id: EffectId,
}

impl Place {
    /// The place among overrides of one option: the strictest wins, then the latest.
    ///
    /// `latest` is the newest record that made the rule act, `until` the end; both on one time axis.
    pub fn weigh(id: EffectId, option: &str, value: &Value, latest: Time, until: Time) -> Self {
        Self { strictness: Strictness::of(option, value), first: latest, second: until, id }
    }

    /// Among overrides of one option: the strictest, then the latest.
    pub(super) fn of_override(id: EffectId, effect: &Effect) -> Self {
        let strictness =
            effect.setting().map_or(Strictness::Untold, |setting| Strictness::of(&setting.name, &setting.value));
        Self { strictness, first: effect.latest, second: effect.until, id }
    }

    /// Among suspensions or bounces of one thing: the one that ends last.
    pub(super) fn of_hold(id: EffectId, effect: &Effect) -> Self {
        Self { strictness: Strictness::Untold, first: effect.until, second: effect.latest, id }
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        self.strictness
            .compare(&other.strictness)
            .then(other.first.cmp(&self.first))
            .then(other.second.cmp(&self.second))
            .then(other.id.cmp(&self.id))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Place {}

/// Effects that compete with each other; mostly one alone, which then costs no allocation.
#[derive(Clone, Debug)]
pub(super) enum Group {
    One(Place),
    Many(BTreeSet<Place>),
}

impl Group {
    pub(super) fn insert(&mut self, place: Place) {
        match self {
            Self::One(one) => *self = Self::Many(BTreeSet::from([*one, place])),
            Self::Many(many) => {
                many.insert(place);
            }
        }
    }

    /// Takes a place out; false when none is left.
    pub(super) fn remove(&mut self, place: &Place) -> bool {
        match self {
            Self::One(one) => one != place,
            Self::Many(many) => {
                many.remove(place);
                !many.is_empty()
            }
        }
    }

    /// The ids, the winner first.
    pub(super) fn ids(&self) -> impl Iterator<Item = EffectId> {
        let (one, many): (_, btree_set::Iter<'_, Place>) = match self {
            Self::One(one) => (Some(one), btree_set::Iter::default()),
            Self::Many(many) => (None, many.iter()),
        };
        one.into_iter().chain(many).map(|place| place.id)
    }
}

#[cfg(test)]
mod tests;
