//! What is counted and what is in force.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::axis::Axis;
use super::change::{Batch, Change, WindowChange};
use super::count::Counts;
use super::effect::{Effect, EffectId, EffectKind, RuleFacts};
use super::rank::{Group, Place};
use super::row::{self, LoadError, Row};
use crate::shaping::{Action, Rule, RuleId};
use crate::wire::Time;

/// What effects compete for: of those that share a slot, one holds.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Slot {
    /// Deliveries on an egress path (A1).
    Path(Arc<str>),
    /// Deliveries from scheduled queues (A2).
    Queues(Selector),
    /// What scheduled queues hold and get (A5).
    Bounces(Selector),
    /// An option of a whole site (A3).
    Site {
        /// The site, without source and protocol.
        site: Arc<str>,
        /// The egress source.
        source: Arc<str>,
        /// The option.
        option: Arc<str>,
    },
    /// An option of a domain alone (A3, A4).
    Domain {
        /// The domain.
        domain: Arc<str>,
        /// The egress source.
        source: Arc<str>,
        /// The option.
        option: Arc<str>,
    },
}

/// Which scheduled queues.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Selector {
    /// The domain of the queues' names.
    pub domain: Arc<str>,
    /// The tenant; any when absent.
    pub tenant: Option<Arc<str>>,
    /// The campaign; any when absent.
    pub campaign: Option<Arc<str>>,
}

impl Slot {
    pub(super) fn of(effect: &Effect) -> Self {
        let selector = || Selector {
            domain: effect.domain.clone(),
            tenant: effect.tenant.clone(),
            campaign: effect.campaign.clone(),
        };
        match &effect.action {
            Action::Suspend => Self::Path(effect.path.clone()),
            Action::SuspendTenant | Action::SuspendCampaign => Self::Queues(selector()),
            Action::Bounce | Action::BounceTenant | Action::BounceCampaign => Self::Bounces(selector()),
            Action::SetConfig(setting) | Action::SetDomainConfig(setting) => {
                let (source, option) = (effect.source.clone(), setting.name.clone());
                if effect.rolled {
                    Self::Site { site: effect.site.clone(), source, option }
                } else {
                    Self::Domain { domain: effect.domain.clone(), source, option }
                }
            }
        }
    }
}

/// What a change touched, for those who tell others.
#[derive(Clone, PartialEq, Debug)]
pub struct Touched {
    /// The effect.
    pub id: EffectId,
    /// Its kind.
    pub kind: EffectKind,
    /// What it competes for: the slot's holder may be another now.
    pub slot: Slot,
}

/// What is counted and what is in force, in memory. It changes through [`apply`](Self::apply) alone.
#[derive(Clone, Default, Debug)]
pub struct State {
    pub(super) axis: Axis,
    pub(super) counts: Counts,
    pub(super) effects: HashMap<EffectId, Arc<Effect>>,
    ends: BTreeSet<(Time, EffectId)>,
    groups: HashMap<Slot, Group>,
    rules: HashMap<RuleId, (Arc<RuleFacts>, usize)>,
    clamps: HashMap<u64, (Time, Time)>,
    clamp_ends: BTreeSet<(Time, u64)>,
    seq: u64,
}

/// How many records ahead of the clock are remembered; in tests few, as they fill it.
const CLAMPS: usize = if cfg!(test) { 100 } else { 1_000_000 };

impl State {
    /// Changes the state. Says which effect it touched, if one.
    ///
    /// Before others are told, the change must be in the store (P4).
    pub fn apply(&mut self, change: &Change) -> Option<Touched> {
        match change {
            Change::Window(change) => {
                self.counts.apply(change);
                None
            }
            Change::Effect(effect) => {
                let id = effect.id();
                self.remove(id);
                Some(self.insert(id, effect))
            }
            Change::Ended(id) => self.remove(*id),
            Change::Clamped { identity, time, until } => {
                self.unclamp(*identity);
                self.clamps.insert(*identity, (*time, *until));
                self.clamp_ends.insert((*until, *identity));
                None
            }
            Change::Unclamped { identity } => {
                self.unclamp(*identity);
                None
            }
            Change::Shift(axis) => {
                self.axis = axis.clone();
                None
            }
        }
    }

    fn unclamp(&mut self, identity: u64) {
        if let Some((_, until)) = self.clamps.remove(&identity) {
            self.clamp_ends.remove(&(until, identity));
        }
    }

    fn insert(&mut self, id: EffectId, effect: &Arc<Effect>) -> Touched {
        let slot = Slot::of(effect);
        if !effect.cancelled {
            let place = place(id, effect);
            match self.groups.get_mut(&slot) {
                Some(group) => group.insert(place),
                None => {
                    self.groups.insert(slot.clone(), Group::One(place));
                }
            }
        }
        self.ends.insert((effect.until, id));
        self.rules
            .entry(effect.rule.id)
            .and_modify(|(facts, uses)| {
                *facts = effect.rule.clone();
                *uses += 1;
            })
            .or_insert_with(|| (effect.rule.clone(), 1));
        self.seq = self.seq.max(effect.seq);
        self.effects.insert(id, effect.clone());
        Touched { id, kind: effect.kind(), slot }
    }

    fn remove(&mut self, id: EffectId) -> Option<Touched> {
        let effect = self.effects.remove(&id)?;
        let slot = Slot::of(&effect);
        if let Some(group) = self.groups.get_mut(&slot)
            && !group.remove(&place(id, &effect))
        {
            self.groups.remove(&slot);
        }
        self.ends.remove(&(effect.until, id));
        if let Some((_, uses)) = self.rules.get_mut(&effect.rule.id) {
            *uses -= 1;
            if *uses == 0 {
                self.rules.remove(&effect.rule.id);
            }
        }
        Some(Touched { id, kind: effect.kind(), slot })
    }

    /// What is over: effects that have ended, windows that can act no more, records ahead of the clock that are so no longer.
    ///
    /// Costs in proportion to what it finds. Nothing depends on how often it is asked.
    pub fn expire(&self, now: Time) -> Vec<Change> {
        let now = self.axis.now(now);
        let ended = self.ends.iter().take_while(|(until, _)| *until <= now).map(|(_, id)| Change::Ended(*id));
        let windows = self.counts.overdue(now).map(Change::Window);
        let clamps = self.clamp_ends.iter().take_while(|(until, _)| *until <= now);
        ended.chain(windows).chain(clamps.map(|(_, identity)| Change::Unclamped { identity: *identity })).collect()
    }

    /// When the next effect ends, as the wall clock will show it.
    pub fn next_end(&self) -> Option<Time> {
        self.ends.first().map(|(until, _)| self.axis.wall(*until))
    }

    /// Ends an effect early. None when it is not in force.
    ///
    /// It is kept until its old end without holding anything: records that are sent again or come late do not revive it,
    /// only one whose own effect would end later than that.
    pub fn cancel(&self, id: EffectId, now: Time) -> Option<Change> {
        let effect = self.effects.get(&id).filter(|effect| effect.live(self.axis.now(now)))?;
        Some(Change::Effect(Arc::new(Effect { cancelled: true, seq: self.seq + 1, ..Effect::clone(effect) })))
    }

    /// The wall clock jumped by `delta_micros` against an even clock, and now shows `now` (C2).
    pub fn clock_jumped(&self, now: Time, delta_micros: i64) -> Change {
        Change::Shift(self.axis.jumped(now, delta_micros))
    }

    /// Wall time minus state time, in microseconds.
    pub fn skew_micros(&self) -> i64 {
        self.axis.skew_micros()
    }

    /// The number of the last change of an effect.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// An effect by its id, ended or not; its times are told by [`view`](Self::view).
    pub fn effect(&self, id: EffectId) -> Option<&Arc<Effect>> {
        self.effects.get(&id)
    }

    /// The effects alone, without what is counted: for those who show what is in force.
    #[must_use]
    pub fn without_counts(&self) -> Self {
        Self {
            axis: self.axis.clone(),
            effects: self.effects.clone(),
            ends: self.ends.clone(),
            groups: self.groups.clone(),
            rules: self.rules.clone(),
            seq: self.seq,
            ..Self::default()
        }
    }

    /// How many windows count something.
    pub fn window_count(&self) -> usize {
        self.counts.len()
    }

    /// How many effects there are, those that await their removal included.
    pub fn effect_count(&self) -> usize {
        self.effects.len()
    }

    /// The effect that holds a slot at a moment of state time.
    pub(super) fn holder(&self, slot: &Slot, now: Time) -> Option<(EffectId, &Arc<Effect>)> {
        let mut ids = self.groups.get(slot)?.ids();
        ids.find_map(|id| self.effects.get(&id).filter(|effect| effect.live(now)).map(|effect| (id, effect)))
    }

    /// The slots that have effects, ended or not.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.groups.keys()
    }

    /// A rule's facts, shared with effects that have them already.
    pub(super) fn facts(&self, rule: &Rule) -> Arc<RuleFacts> {
        match self.rules.get(&rule.id) {
            Some((facts, _)) if facts.fit(rule) => facts.clone(),
            _ => Arc::new(RuleFacts::of(rule)),
        }
    }

    /// The time that a record ahead of the clock was given when it first came.
    pub(super) fn clamped(&self, identity: u64) -> Option<Time> {
        self.clamps.get(&identity).map(|(time, _)| *time)
    }

    /// The remembered record to forget before one more is remembered: the one whose memory would end first.
    pub(super) fn excess_clamp(&self) -> Option<u64> {
        if self.clamps.len() < CLAMPS {
            return None;
        }
        self.clamp_ends.first().map(|(_, identity)| *identity)
    }

    /// Writes what a new store must hold before anything else.
    pub fn write_header(batch: &mut dyn Batch) {
        batch.put(row::FORMAT_KEY, row::FORMAT);
    }

    /// Rebuilds the state from the rows of a store, in any order. No rows at all are an empty state.
    ///
    /// # Errors
    /// Names the row that cannot be read, or the format that is not this program's.
    pub fn load<K: AsRef<[u8]>, V: AsRef<[u8]>>(rows: impl IntoIterator<Item = (K, V)>) -> Result<Self, LoadError> {
        let mut state = Self::default();
        let (mut any, mut format) = (false, false);
        for (key, value) in rows {
            any = true;
            match Row::parse(key.as_ref(), value.as_ref())? {
                Row::Format => format = true,
                row => state.restore(row),
            }
        }
        if any && !format { Err(LoadError::NoFormat) } else { Ok(state) }
    }

    fn restore(&mut self, row: Row) {
        let change = match row {
            Row::Format => return,
            Row::Axis(axis) => Change::Shift(axis),
            Row::Pair { rule, path, retain, pair } => {
                Change::Window(WindowChange { rule, path, retain, add: Some(pair), remove: Vec::new() })
            }
            Row::Effect(mut effect) => {
                if let Some((facts, _)) = self.rules.get(&effect.rule.id).filter(|(facts, _)| *facts == effect.rule) {
                    effect.rule = facts.clone();
                }
                if let Some(path) = self.counts.path(&effect.path) {
                    effect.path = path.clone();
                }
                Change::Effect(Arc::from(effect))
            }
            Row::Clamp { identity, time, until } => Change::Clamped { identity, time, until },
        };
        self.apply(&change);
    }
}

fn place(id: EffectId, effect: &Effect) -> Place {
    match effect.kind() {
        EffectKind::Override => Place::of_override(id, effect),
        EffectKind::Suspension | EffectKind::Bounce => Place::of_hold(id, effect),
    }
}

/// All that makes two states the same, in an order of its own.
#[cfg(test)]
pub(super) type Essence = (
    Axis,
    Vec<String>,
    std::collections::BTreeMap<EffectId, Arc<Effect>>,
    std::collections::BTreeMap<Slot, Vec<EffectId>>,
    [Vec<String>; 4],
);

#[cfg(test)]
impl State {
    pub(super) fn essence(&self) -> Essence {
        let mut rules: Vec<String> =
            self.rules.iter().map(|(id, (facts, uses))| format!("{id} {facts:?} {uses}")).collect();
        rules.sort();
        let mut clamps: Vec<String> = self.clamps.iter().map(|clamp| format!("{clamp:?}")).collect();
        clamps.sort();
        let ends = self.ends.iter().map(|end| format!("{end:?}")).collect();
        let clamp_ends = self.clamp_ends.iter().map(|end| format!("{end:?}")).collect();
        (
            self.axis.clone(),
            self.counts.essence(),
            self.effects.iter().map(|(id, effect)| (*id, effect.clone())).collect(),
            self.groups.iter().map(|(slot, group)| (slot.clone(), group.ids().collect())).collect(),
            [rules, clamps, ends, clamp_ends],
        )
    }
}

#[cfg(test)]
mod tests;
