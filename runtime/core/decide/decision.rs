//! What a record changes (semantics R, T, A).

mod deed;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::change::Change;
use super::effect::{Effect, EffectId};
use super::effective::Spot;
use super::rulebook::Rulebook;
use super::state::State;
use super::window::Pair;
use crate::shaping::{Matched, Rule, Trigger};
use crate::wire::{PathName, Record, Time};
use deed::Deed;

/// What one record changes, and what there is to say about it.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// To be stored in one batch and then applied, in this order. Empty for most records.
    pub changes: Vec<Change>,
    /// Effects that begin or last longer now.
    pub effects: Vec<Started>,
    /// Actions of rules that acted which could not be carried out.
    pub skipped: Vec<Skipped>,
    /// Rules whose pattern needed more steps than it may take (S6).
    pub exceeded: Vec<Arc<Rule>>,
    /// How many rules matched.
    pub matched: usize,
    /// The record has no site: nothing was attempted, so it counts for nothing (R4).
    pub no_site: bool,
    /// The record's time was ahead of the clock and is counted as now (R3).
    pub clamped: bool,
}

/// An effect that begins or lasts longer now.
#[derive(Clone, Debug)]
pub struct Started {
    /// Its id.
    pub id: EffectId,
    /// Whether it was in force before.
    pub what: What,
    /// The effect as it is now.
    pub effect: Arc<Effect>,
    /// When it ends, on the wall clock.
    pub until: Time,
    /// For an override that changes what its domain gets: from what to what.
    pub value: Option<ValueChange>,
}

/// Whether an effect was in force before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// It was not.
    Started,
    /// It was, and ends later now.
    Prolonged,
    /// It had been cancelled, and this record would have had it end later than it would have then.
    Revived,
}

/// What an override does to its option (A9).
#[derive(Clone, PartialEq, Debug)]
pub struct ValueChange {
    /// The value before: another override's, else what the files say, else the default.
    pub before: Option<Value>,
    /// The value from now on.
    pub after: Value,
    /// The value from now on allows more.
    pub loosens: bool,
}

/// An action that could not be carried out.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// The rule that acted.
    pub rule: Arc<Rule>,
    /// The action's name.
    pub action: &'static str,
    /// What it lacked.
    pub why: Why,
}

/// What an action lacked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The record's queue has no tenant (A2, A5).
    NoTenant,
    /// The record's queue has no domain (A5).
    NoDomain,
}

/// How far ahead of the clock a record's time can be and still be known again when it is sent again after that time.
const FARTHEST_AHEAD: Duration = Duration::from_hours(7 * 24);

/// Decides what one record changes. Nothing is changed by it.
///
/// `now` is the wall clock's time.
pub fn decide<R: Rulebook + ?Sized>(state: &State, rules: &R, record: &Record<'_>, now: Time) -> Decision {
    let mut decision = Decision::default();
    if record.site.is_empty() {
        decision.no_site = true;
        return decision;
    }
    let name = PathName::parse(&record.site, record.egress_source.as_deref());
    let text = record.one_line();
    let domains = record.domains();
    let hits = find_rules(rules, record, &domains, name.site, &text, &mut decision);
    if hits.is_empty() {
        return decision;
    }
    let identity = record.identity();
    let time = moment(state, record, identity, now, &hits, &mut decision);
    let mut deed = Deed {
        state,
        now: state.axis.now(now),
        record,
        pair: Pair { time, identity },
        name,
        text: &text,
        domains: &domains,
        configured: &|spot: &Spot| rules.configured(&spot.domain, &spot.source, &spot.site, &spot.option),
        coming: Vec::new(),
        decision,
    };
    for hit in &hits {
        deed.hit(hit);
    }
    deed.decision
}

/// The rules that match for any of the record's domains, each once (R2).
fn find_rules<'s, R: Rulebook + ?Sized>(
    rules: &'s R,
    record: &Record<'_>,
    domains: &[Cow<'_, str>],
    site: &str,
    text: &str,
    decision: &mut Decision,
) -> Vec<Hit<'s>> {
    let mut hits: Vec<Hit<'s>> = Vec::new();
    for (domain, at) in domains.iter().zip(0..) {
        let found = rules.matches(domain, site, text, record.is_internal());
        for rule in found.exceeded {
            if !decision.exceeded.iter().any(|known| known.id == rule.id) {
                decision.exceeded.push(rule.clone());
            }
        }
        for Matched { rule, rolled } in found.matched {
            match hits.iter_mut().find(|hit| hit.rule.id == rule.id) {
                Some(hit) => hit.domains.push((at, rolled)),
                None => hits.push(Hit { rule, domains: vec![(at, rolled)] }),
            }
        }
    }
    decision.matched = hits.len();
    hits
}

/// A rule that matched, and for which of the record's domains.
struct Hit<'s> {
    rule: &'s Arc<Rule>,
    domains: Vec<(usize, bool)>,
}

/// The moment that the record counts at (R3).
fn moment(
    state: &State,
    record: &Record<'_>,
    identity: u64,
    now: Time,
    hits: &[Hit<'_>],
    decision: &mut Decision,
) -> Time {
    if let Some(time) = state.clamped(identity) {
        return time;
    }
    let (own, present) = (record.time(), state.axis.now(now));
    if own <= now {
        return state.axis.moment(own).min(present);
    }
    if let Some(time) = state.axis.other_moments(own).last() {
        // The clock showed this time, and went back since.
        return time;
    }
    // It is remembered for as long as it could do anything when it is sent again: until its own time it would be set to a
    // later now; from then on it counts at its own time, and period + duration later whatever it helps to has ended.
    let longest = hits.iter().map(|hit| retain(hit.rule)).max().unwrap_or_default();
    let until = present.after(own.since(now).min(FARTHEST_AHEAD)).after(longest);
    decision.clamped = true;
    decision.changes.extend(state.excess_clamp().map(|identity| Change::Unclamped { identity }));
    decision.changes.push(Change::Clamped { identity, time: present, until });
    present
}

/// How long after a match the rule can do something that the match has a part in.
fn retain(rule: &Rule) -> Duration {
    match rule.trigger {
        Trigger::Immediate => rule.duration,
        Trigger::Threshold { period, .. } => rule.duration.saturating_add(period),
    }
}

#[cfg(test)]
mod tests;
