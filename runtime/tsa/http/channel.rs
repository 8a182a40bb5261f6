//! What each endpoint for subscribers carries.

use axum::extract::ws::Utf8Bytes;
use kumo_tsa_core::decide::{EffectId, Slot};
use kumo_tsa_core::wire::Time;

use super::subscribe::View;

/// `/subscribe_event_v1`: suspensions and bounces (interface C.2).
#[derive(Clone, Copy)]
pub(super) struct Events;

/// `/subscribe_suspension_v1`: suspensions, named as they were before there were bounces.
#[derive(Clone, Copy)]
pub(super) struct Suspensions;

/// `/subscribe_state_v1`: all effects (semantics P2).
#[derive(Clone)]
pub(super) struct Everything {
    /// What goes first: it tells this start of the daemon from others.
    pub(super) begin: Utf8Bytes,
}

impl View<Slot> for Events {
    fn first(&self) -> Option<Utf8Bytes> {
        None
    }

    fn frame(&self, _slot: &Slot, frame: Utf8Bytes) -> Option<Utf8Bytes> {
        Some(frame)
    }

    fn ready(&self) -> Option<Utf8Bytes> {
        None
    }

    fn sort(&self, live: &mut Vec<(Time, Slot)>) {
        sort_holds(live);
    }
}

impl View<Slot> for Suspensions {
    fn first(&self) -> Option<Utf8Bytes> {
        None
    }

    fn frame(&self, slot: &Slot, frame: Utf8Bytes) -> Option<Utf8Bytes> {
        let (long, short) = match slot {
            Slot::Path(_) => (r#"{"ReadyQSuspension":"#, r#"{"ReadyQ":"#),
            Slot::Queues(_) => (r#"{"SchedQSuspension":"#, r#"{"SchedQ":"#),
            Slot::Bounces(_) | Slot::Site { .. } | Slot::Domain { .. } => return None,
        };
        frame.strip_prefix(long).map(|rest| format!("{short}{rest}").into())
    }

    fn ready(&self) -> Option<Utf8Bytes> {
        None
    }

    fn sort(&self, live: &mut Vec<(Time, Slot)>) {
        sort_holds(live);
    }
}

/// Paths, then queues, then bounces; each by end, then by name.
fn sort_holds(live: &mut [(Time, Slot)]) {
    let rank = |slot: &Slot| match slot {
        Slot::Path(_) => 0,
        Slot::Queues(_) => 1,
        Slot::Bounces(_) | Slot::Site { .. } | Slot::Domain { .. } => 2,
    };
    live.sort_by(|(a_end, a), (b_end, b)| (rank(a), a_end, a).cmp(&(rank(b), b_end, b)));
}

impl View<EffectId> for Everything {
    fn first(&self) -> Option<Utf8Bytes> {
        Some(self.begin.clone())
    }

    fn frame(&self, _id: &EffectId, frame: Utf8Bytes) -> Option<Utf8Bytes> {
        Some(frame)
    }

    fn ready(&self) -> Option<Utf8Bytes> {
        Some(Utf8Bytes::from_static(r#"{"Ready":{}}"#))
    }

    fn sort(&self, _live: &mut Vec<(Time, EffectId)>) {}
}
