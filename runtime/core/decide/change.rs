//! What a decision changes, and how a change is stored (semantics D1).

use std::sync::Arc;
use std::time::Duration;

use super::axis::Axis;
use super::effect::{Effect, EffectId};
use super::row;
use super::window::Pair;
use crate::shaping::RuleId;
use crate::wire::Time;

/// Where changes are written: puts and deletes of one atomic batch.
pub trait Batch {
    /// Sets a row.
    fn put(&mut self, key: &[u8], value: &[u8]);
    /// Removes a row, which may not be there.
    fn delete(&mut self, key: &[u8]);
}

/// One change of [`super::State`], made by `decide`, `expire`, `cancel` or `clock_jumped`; the only way it changes.
///
/// Changes that came together belong in one batch of the store: half of them would count a record twice or not at all.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// A match is counted, or matches are no longer.
    Window(WindowChange),
    /// An effect begins, is prolonged, or is cancelled.
    Effect(Arc<Effect>),
    /// An effect has ended and is forgotten.
    Ended(EffectId),
    /// A record came with a time ahead of the clock (R3).
    Clamped {
        /// Which record.
        identity: u64,
        /// The time that it counts at.
        time: Time,
        /// When it need not be known any more.
        until: Time,
    },
    /// The memory of such a record is dropped.
    Unclamped {
        /// Which record.
        identity: u64,
    },
    /// The wall clock jumped (C2).
    Shift(Axis),
}

/// A change of the window of one rule on one egress path.
#[derive(Clone, PartialEq, Debug)]
pub struct WindowChange {
    pub(super) rule: RuleId,
    pub(super) path: Arc<str>,
    /// The rule's period and duration together: how long after its newest pair the window can act.
    pub(super) retain: Duration,
    pub(super) add: Option<Pair>,
    pub(super) remove: Vec<Pair>,
}

impl Change {
    /// Writes what the change makes of the stored rows. It costs the same however much is stored.
    pub fn write(&self, batch: &mut dyn Batch) {
        match self {
            Self::Window(change) => {
                for pair in &change.remove {
                    batch.delete(&row::window_key(&change.rule, &change.path, *pair));
                }
                if let Some(pair) = change.add {
                    let retain = row::window_value(change.retain);
                    batch.put(&row::window_key(&change.rule, &change.path, pair), &retain);
                }
            }
            Self::Effect(effect) => batch.put(&row::effect_key(effect.id()), &row::effect_value(effect)),
            Self::Ended(id) => batch.delete(&row::effect_key(*id)),
            Self::Clamped { identity, time, until } => {
                batch.put(&row::clamp_key(*identity), &row::clamp_value(*time, *until));
            }
            Self::Unclamped { identity } => batch.delete(&row::clamp_key(*identity)),
            Self::Shift(axis) => batch.put(row::AXIS_KEY, &row::axis_value(axis)),
        }
    }
}
