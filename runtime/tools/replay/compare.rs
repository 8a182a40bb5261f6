//! Two sets of rules: what each would have done that the other would not. They are compared as they play, so that
//! nothing is remembered but what is in force.

use std::collections::HashMap;

use kumo_tsa_core::decide::{EffectId, EffectKind};
use kumo_tsa_core::wire::Time;
use serde::Serialize;

use super::kept::Weighty;
use super::play::{Play, Span};

/// A time in which one set of rules had something in force that the other had not.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Alone {
    pub(super) kind: EffectKind,
    /// With what it sets.
    pub(super) action: String,
    pub(super) target: String,
    pub(super) domain: Option<String>,
    /// `FILE:LINE`
    pub(super) rule: String,
    /// The effect's.
    #[serde(skip)]
    pub(super) number: u64,
    pub(super) begin: Time,
    pub(super) until: Time,
    /// Attempts that it would have kept from being made in this time.
    pub(super) held: u64,
    pub(super) bounced: u64,
}

impl Weighty for Alone {
    fn mail(&self) -> u64 {
        self.held + self.bounced
    }

    fn begin(&self) -> Time {
        self.begin
    }

    fn until(&self) -> Time {
        self.until
    }
}

/// What an effect does, whatever rule it is of.
type Deed = (String, String, Option<String>);

fn deed(span: &Span) -> Deed {
    (span.action.clone(), span.target.clone(), span.domain.clone())
}

/// An effect in force, and since when the other side has nothing that does the same.
#[derive(Debug)]
struct Lone {
    id: EffectId,
    /// With what it had kept from being tried then.
    since: Option<(Time, u64, u64)>,
}

/// Compares two sides.
#[derive(Debug, Default)]
pub(super) struct Compare {
    /// What is in force on each side.
    deeds: HashMap<Deed, [Vec<Lone>; 2]>,
    /// Of each side, since this was last taken.
    pub(super) found: [Vec<Alone>; 2],
}

impl Compare {
    /// Time has passed, and effects have ended.
    pub(super) fn ended(&mut self, plays: [&Play; 2]) {
        let mut ended: Vec<(usize, &Span)> =
            (0..).zip(plays).flat_map(|(at, play)| play.ended.iter().map(move |span| (at, span))).collect();
        ended.sort_by_key(|(_, span)| span.until);
        for (at, span) in ended {
            self.end(plays, at, span);
        }
    }

    /// Effects have begun.
    pub(super) fn begun(&mut self, plays: [&Play; 2]) {
        for (at, play) in plays.iter().enumerate() {
            for (id, span) in play.begun.iter().filter_map(|id| Some((*id, play.open.get(id)?))) {
                self.begin(plays, at, id, span);
            }
        }
    }

    fn begin(&mut self, plays: [&Play; 2], at: usize, id: EffectId, span: &Span) {
        let [here, there] = sides(self.deeds.entry(deed(span)).or_default(), at);
        for other in there.iter_mut() {
            let since = other.since.take();
            if let Some(open) = plays[1 - at].open.get(&other.id) {
                self.found[1 - at].extend(part(open, since, span.begin));
            }
        }
        here.push(Lone { id, since: there.is_empty().then_some((span.begin, 0, 0)) });
    }

    fn end(&mut self, plays: [&Play; 2], at: usize, span: &Span) {
        let deed = deed(span);
        let Some(known) = self.deeds.get_mut(&deed) else { return };
        let [here, there] = sides(known, at);
        if let Some(place) = here.iter().position(|lone| lone.id == span.id) {
            self.found[at].extend(part(span, here.swap_remove(place).since, span.until));
        }
        if here.is_empty() {
            for other in there.iter_mut() {
                // It may have ended as well, and be told of next.
                let open = plays[1 - at]
                    .open
                    .get(&other.id)
                    .or_else(|| plays[1 - at].ended.iter().find(|one| one.id == other.id));
                other.since = open.map(|open| (span.until, open.held, open.bounced));
            }
            if there.is_empty() {
                self.deeds.remove(&deed);
            }
        }
    }
}

/// This side and the other.
fn sides(both: &mut [Vec<Lone>; 2], at: usize) -> [&mut Vec<Lone>; 2] {
    let [first, second] = both;
    if at == 0 { [first, second] } else { [second, first] }
}

/// What an effect did by itself, from `since` on.
fn part(span: &Span, since: Option<(Time, u64, u64)>, until: Time) -> Option<Alone> {
    let (begin, held, bounced) = since.filter(|(begin, ..)| *begin < until)?;
    Some(Alone {
        kind: span.kind,
        action: span.action.clone(),
        target: span.target.clone(),
        domain: span.domain.clone(),
        rule: span.rule.clone(),
        number: span.number,
        begin,
        until,
        held: span.held - held,
        bounced: span.bounced - bounced,
    })
}
