//! From a record and the rules to changes of state, and from state to what subscribers see.
//!
//! [`decide`] and [`State::expire`] say what changes; [`Change::write`] stores it; [`State::apply`] does it. The store's rows
//! are the state ([`State::load`]), so recovery, replay and the live daemon are one code path.
//!
//! Every time that goes in or comes out is wall time; inside, state has its own ([`Axis`], semantics C2).

mod atom;
mod axis;
mod change;
mod count;
mod decision;
mod effect;
mod effective;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod model;
mod overlay;
mod rank;
mod row;
mod rulebook;
mod state;
mod view;
mod window;

pub use axis::Axis;
pub use change::{Batch, Change, WindowChange};
pub use decision::{Decision, Skipped, Started, ValueChange, What, Why, decide};
pub use effect::{BadEffectId, Cause, Effect, EffectId, EffectKind, RuleFacts};
pub use overlay::render_overlay;
pub use rank::Place;
pub use row::LoadError;
pub use rulebook::Rulebook;
pub use state::{Selector, Slot, State, Touched};
pub use view::{Facts, Hold, Listed, OldHold, ReadySuspension, SchedBounce, SchedSuspension, Trace, View};
