//! What subscribers are told (semantics P1, P2).

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use kumo_tsa_core::decide::{EffectId, EffectKind, Hold, Selector, Slot, State, Touched, View};
use kumo_tsa_core::wire::Time;
use serde::Serialize;

use super::feed::{Change, Feed};
use super::mirror::Mirror;
use crate::host::Clock;

/// How many ends of effects are remembered for readers that have not heard of them; who is farther behind begins anew.
const ENDS_AT_MOST: usize = 65_536;

/// The two feeds of a daemon.
pub(super) struct Told {
    /// For existing mail hosts: for each path or set of queues what holds it, as frames of `/subscribe_event_v1`.
    pub(super) holds: Arc<Feed<Slot>>,
    /// For our own: each effect, as frames of `/subscribe_state_v1`.
    pub(super) effects: Arc<Feed<EffectId>>,
}

/// What follows the state on `/subscribe_state_v1`.
#[derive(Serialize)]
enum Frame<'f> {
    Put(&'f View),
    Delete { kind: EffectKind, key: String },
}

impl Told {
    /// Feeds without anything in them; what they do not keep they make from the mirror.
    pub(super) fn new(mirror: &Arc<Mirror>, clock: &Clock) -> Self {
        let (of_slot, of_effect) = ((mirror.clone(), clock.clone()), (mirror.clone(), clock.clone()));
        let slots = move |slots: &[Slot]| {
            let now = of_slot.1.now();
            let hold = |state: &State, slot| state.hold(slot, now).map(|hold| text(&hold));
            of_slot.0.read(|state| slots.iter().map(|slot| hold(state, slot)).collect())
        };
        let effects = move |ids: &[EffectId]| {
            let now = of_effect.1.now();
            let put = |state: &State, id: &EffectId| state.view(*id, now).map(|view| text(&Frame::Put(&view)));
            of_effect.0.read(|state| ids.iter().map(|id| put(state, id)).collect())
        };
        // Ends by hand on the first feed are remembered until the end that was told first: a client that has not heard of
        // them forgets the entry by itself then, so there is nothing to bound.
        Self {
            holds: Arc::new(Feed::new(usize::MAX, Box::new(slots))),
            effects: Arc::new(Feed::new(ENDS_AT_MOST, Box::new(effects))),
        }
    }

    /// Tells of effects that have changed.
    pub(super) fn changes(&self, state: &State, touched: &[Touched], now: Time) {
        let read = self.effects.is_read();
        self.effects.publish(touched.iter().map(|one| {
            let change = match state.end(one.id, now) {
                Some(expires) => {
                    // Nothing is put together for nobody.
                    let view = if read { state.view(one.id, now) } else { None };
                    Change::Put { frame: view.map(|view| text(&Frame::Put(&view))), expires }
                }
                None => Change::End { frame: text(&Frame::Delete { kind: one.kind, key: one.id.to_string() }) },
            };
            (one.id, change)
        }));
        let read = self.holds.is_read();
        for one in touched.iter().filter(|one| one.kind != EffectKind::Override) {
            let hold = || state.notice(one, now).map(|hold| text(&hold));
            let change = match state.notice_end(one, now) {
                Some(end) if end <= now => hold().map_or(Change::Forget, |frame| Change::End { frame }),
                // Another effect than the one that holds the slot has changed.
                Some(end) if self.holds.expires(&one.slot) == Some(end) => continue,
                Some(expires) => Change::Put { frame: if read { hold() } else { None }, expires },
                None => Change::Forget,
            };
            self.holds.publish([(one.slot.clone(), change)]);
        }
    }

    /// Tells of all that is in force.
    pub(super) fn everything(&self, state: &State, now: Time) {
        self.effects.publish(
            state.views(now).iter().filter_map(|view| {
                Some((view.key.parse().ok()?, Change::Put { frame: None, expires: view.value.until }))
            }),
        );
        let ready = state.ready_suspensions(now).into_iter().map(Hold::Ready);
        let sched = state.sched_suspensions(now).into_iter().map(Hold::Sched);
        let bounces = state.bounces(now).into_iter().map(Hold::Bounce);
        self.holds.publish(ready.chain(sched).chain(bounces).map(|hold| {
            let change = Change::Put { frame: None, expires: expires(&hold) };
            (slot(hold), change)
        }));
    }
}

fn text(frame: &impl Serialize) -> Utf8Bytes {
    // Nothing in a frame can fail to be JSON.
    serde_json::to_string(frame).unwrap_or_default().into()
}

fn expires(hold: &Hold) -> Time {
    match hold {
        Hold::Ready(one) => one.expires,
        Hold::Sched(one) => one.expires,
        Hold::Bounce(one) => one.expires,
    }
}

fn slot(hold: Hold) -> Slot {
    match hold {
        Hold::Ready(one) => Slot::Path(one.site_name),
        Hold::Sched(one) => {
            Slot::Queues(Selector { domain: one.domain, tenant: Some(one.tenant), campaign: one.campaign })
        }
        Hold::Bounce(one) => Slot::Bounces(Selector { domain: one.domain, tenant: one.tenant, campaign: one.campaign }),
    }
}
