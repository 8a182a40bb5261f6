//! Which of several live effects holds (semantics A8, P1).

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::collections::btree_set;

use serde_json::Value;

use super::effect::{Effect, EffectId};
use crate::wire::{Limit, Throttle, Time};

/// How strict a value is, among values of the same option. The strictest is the least.
#[derive(Clone, Copy, Debug)]
pub(super) enum Strictness {
    Rate(Throttle),
    Number(u64),
    /// The option's values are not stricter one than another: the latest wins.
    Untold,
}

impl Strictness {
    pub(super) fn of(option: &str, value: &Value) -> Self {
        let told = match option {
            "max_message_rate" | "max_connection_rate" | "source_selection_rate" => {
                value.as_str().and_then(|text| text.parse().ok()).map(Self::Rate)
            }
            "connection_limit" | "max_deliveries_per_connection" => {
                value.as_u64().or_else(|| Some(value.as_str()?.parse::<Limit>().ok()?.limit.get())).map(Self::Number)
            }
            _ => None,
        };
        told.unwrap_or(Self::Untold)
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Rate(a), Self::Rate(b)) => a.cmp_strictness(b),
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            // An option has one kind of value; a value that is not of it comes last, to keep the order total.
            _ => matches!(self, Self::Untold).cmp(&matches!(other, Self::Untold)),
        }
    }
}

/// Whether `after` allows more than `before` (A9). No value at all is no limit.
pub(super) fn loosens(option: &str, before: Option<&Value>, after: &Value) -> bool {
    let Some(before) = before.filter(|value| !value.is_null()) else { return false };
    Strictness::of(option, after).compare(&Strictness::of(option, before)) == Ordering::Greater
}

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
