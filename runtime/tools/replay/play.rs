//! One set of rules played over the records, at the records' own time.

use std::collections::HashMap;
use std::time::Duration;

use kumo_tsa_core::decide::{EffectId, EffectKind, Started, State, What, decide};
use kumo_tsa_core::shaping::Action;
use kumo_tsa_core::wire::{Record, Time};
use serde::Serialize;

use super::chunk::{Entry, Mail, RuleSet, path_key, queues_key};
use super::kept::{Kept, Weighty};
use crate::tools::show::target_text;

/// What a rule brought about.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Records that made it act.
    pub(super) triggers: u64,
    /// Effects that began.
    pub(super) started: u64,
    /// How often one was made to last longer.
    pub(super) prolonged: u64,
    /// The lengths of its effects together, as far as the logs go.
    pub(super) in_force: Duration,
    /// Attempts at delivery that its suspensions would have held back.
    pub(super) held: u64,
    /// Those among them that the provider accepted.
    pub(super) held_delivered: u64,
    /// Attempts whose mail its bounces would have taken.
    pub(super) bounced: u64,
    /// Actions that could not be carried out, as the record's queue has no tenant or domain.
    pub(super) skipped: u64,
}

/// An effect from its beginning to its end.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Span {
    /// The effect's id.
    pub(super) key: String,
    #[serde(skip)]
    pub(super) id: EffectId,
    pub(super) kind: EffectKind,
    /// With what it sets: `SetConfig connection_limit=1`.
    pub(super) action: String,
    /// The path, or the queues.
    pub(super) target: String,
    /// What is overridden for which domain.
    pub(super) domain: Option<String>,
    /// `FILE:LINE`
    pub(super) rule: String,
    #[serde(skip)]
    pub(super) place: usize,
    /// The how many-th effect it is.
    #[serde(skip)]
    pub(super) number: u64,
    /// What it holds, and whether it bounces the mail there.
    #[serde(skip)]
    holds: Option<(u64, bool)>,
    pub(super) begin: Time,
    pub(super) until: Time,
    /// How often it was made to last longer.
    pub(super) prolonged: u64,
    pub(super) held: u64,
    pub(super) held_delivered: u64,
    pub(super) bounced: u64,
    /// An override that allows more than what it took the place of (semantics A9).
    pub(super) loosens: bool,
    /// How many matches it took.
    pub(super) matches: u64,
    /// The response that began it.
    pub(super) response: String,
}

impl Weighty for Span {
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

/// What holds a path or queues at the time.
#[derive(Debug)]
struct Hold {
    id: EffectId,
    until: Time,
    bounces: bool,
}

/// A daemon's mind without the daemon.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) state: State,
    /// The time that the logs have got to.
    pub(super) now: Time,
    pub(super) tallies: Vec<Tally>,
    /// In force now.
    pub(super) open: HashMap<EffectId, Span>,
    /// Those that have begun since this was last taken.
    pub(super) begun: Vec<EffectId>,
    /// Those that have ended since they were last gathered.
    pub(super) ended: Vec<Span>,
    holds: HashMap<u64, Vec<Hold>>,
    /// Effects that have ended and been gathered.
    pub(super) spans: Kept<Span>,
    /// How many effects have begun.
    number: u64,
    /// Attempts that any suspension would have held back, and bounces taken; each once.
    pub(super) held: u64,
    pub(super) bounced: u64,
}

impl Play {
    pub(super) fn new(set: &RuleSet) -> Self {
        Self {
            state: State::default(),
            now: Time::MIN,
            tallies: vec![Tally::default(); set.rules.len()],
            open: HashMap::new(),
            begun: Vec::new(),
            ended: Vec::new(),
            holds: HashMap::new(),
            spans: Kept::default(),
            number: 0,
            held: 0,
            bounced: 0,
        }
    }

    /// Takes the next record, once time has [`advance`](Self::advance)d to it. One that comes late counts at its own
    /// time, and time does not go back for it.
    pub(super) fn take(&mut self, entry: &Entry, set: &RuleSet, number: usize) {
        if entry.mail.attempted && !self.holds.is_empty() {
            self.meet(&entry.mail);
        }
        let hit = entry.hit.as_ref().filter(|hit| hit.sets.get(number).is_some_and(|matched| *matched));
        if let Some(hit) = hit {
            self.decide(&hit.record, set);
        }
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, time: Time) {
        const MINUTE: i64 = 60_000_000;
        let before = self.now;
        self.now = before.max(time);
        let new_minute = before.micros().div_euclid(MINUTE) != self.now.micros().div_euclid(MINUTE);
        if !new_minute && self.state.next_end().is_none_or(|end| end > self.now) {
            return;
        }
        for change in self.state.expire(self.now) {
            if let Some(touched) = self.state.apply(&change) {
                self.close(touched.id, self.now);
            }
        }
    }

    fn decide(&mut self, record: &Record<'_>, set: &RuleSet) {
        let decision = decide(&self.state, &*set.shaping, record, self.now);
        for change in &decision.changes {
            self.state.apply(change);
        }
        let acted = decision.effects.iter().filter_map(|started| set.place(&started.effect.rule.id));
        let skipped: Vec<usize> = decision.skipped.iter().filter_map(|one| set.place(&one.rule.id)).collect();
        let mut acted: Vec<usize> = acted.chain(skipped.iter().copied()).collect();
        acted.sort_unstable();
        acted.dedup();
        for at in acted {
            self.tally(at, |tally| tally.triggers += 1);
        }
        for at in skipped {
            self.tally(at, |tally| tally.skipped += 1);
        }
        for started in &decision.effects {
            if let Some(place) = set.place(&started.effect.rule.id) {
                self.begin(started, place);
            }
        }
    }

    fn tally(&mut self, place: usize, change: impl FnOnce(&mut Tally)) {
        if let Some(tally) = self.tallies.get_mut(place) {
            change(tally);
        }
    }

    fn begin(&mut self, started: &Started, place: usize) {
        if let Some(span) = self.open.get_mut(&started.id).filter(|_| started.what == What::Prolonged) {
            span.until = started.until;
            span.prolonged += 1;
            self.tally(place, |tally| tally.prolonged += 1);
        } else {
            self.number += 1;
            self.begun.push(started.id);
            self.open.insert(started.id, Span { number: self.number, ..span(started, place, self.now) });
            self.tally(place, |tally| tally.started += 1);
        }
        let Some((key, bounces)) = holds(started) else { return };
        let holds = self.holds.entry(key).or_default();
        let (id, until) = (started.id, started.until);
        match holds.iter_mut().find(|hold| hold.id == id) {
            Some(hold) => hold.until = until,
            None => holds.push(Hold { id, until, bounces }),
        }
    }

    /// Counts mail for all that would have kept it from being tried.
    fn meet(&mut self, mail: &Mail) {
        let [domain, tenant, campaign] = mail.queues;
        let mut last = None;
        // A queue without a tenant is its domain's, and so on.
        let once = |key: &u64| last.replace(*key) != Some(*key);
        let keys = [mail.path, domain, tenant, campaign].into_iter().filter(once);
        let (mut held, mut bounced) = (false, false);
        let now = self.now;
        for hold in keys.filter_map(|key| self.holds.get(&key)).flatten().filter(|hold| hold.until > now) {
            let Some(span) = self.open.get_mut(&hold.id) else { continue };
            let Some(tally) = self.tallies.get_mut(span.place) else { continue };
            let delivered = u64::from(mail.delivered);
            if hold.bounces {
                (span.bounced, tally.bounced, bounced) = (span.bounced + 1, tally.bounced + 1, true);
            } else {
                (span.held, tally.held, held) = (span.held + 1, tally.held + 1, true);
                span.held_delivered += delivered;
                tally.held_delivered += delivered;
            }
        }
        self.held += u64::from(held);
        self.bounced += u64::from(bounced);
    }

    /// An effect is over.
    fn close(&mut self, id: EffectId, end: Time) {
        let Some(span) = self.open.remove(&id) else { return };
        if let Some((key, _)) = span.holds
            && let Some(holds) = self.holds.get_mut(&key)
        {
            holds.retain(|hold| hold.id != id);
            if holds.is_empty() {
                self.holds.remove(&key);
            }
        }
        let length = span.until.min(end).since(span.begin);
        self.tally(span.place, |tally| tally.in_force += length);
        self.ended.push(span);
    }

    /// Remembers what has ended, as far as there is room; returns it.
    pub(super) fn gather(&mut self) -> Vec<Span> {
        let ended = std::mem::take(&mut self.ended);
        ended.iter().cloned().for_each(|span| self.spans.push(span));
        ended
    }

    /// The logs end here. What is in force stays so in [`state`](Self::state).
    pub(super) fn finish(&mut self) {
        let mut open: Vec<_> = self.open.iter().map(|(id, span)| (span.until, *id)).collect();
        open.sort_unstable();
        let now = self.now;
        for (_, id) in open {
            self.close(id, now);
        }
    }
}

fn span(started: &Started, place: usize, now: Time) -> Span {
    let effect = &started.effect;
    let kind = effect.kind();
    let domain = (kind == EffectKind::Override).then(|| effect.domain.to_string());
    Span {
        key: started.id.to_string(),
        id: started.id,
        kind,
        action: effect.action.to_string(),
        target: target_text(started),
        domain,
        rule: effect.rule.origin.to_string(),
        place,
        number: 0,
        holds: holds(started),
        begin: now,
        until: started.until,
        prolonged: 0,
        held: 0,
        held_delivered: 0,
        bounced: 0,
        loosens: started.value.as_ref().is_some_and(|value| value.loosens),
        matches: effect.cause.counted,
        response: effect.cause.response.to_string(),
    }
}

/// What an effect keeps mail from: the key of a path or of queues, and whether it bounces that mail.
fn holds(started: &Started) -> Option<(u64, bool)> {
    let effect = &started.effect;
    let (domain, tenant, campaign) = (&effect.domain, effect.tenant.as_deref(), effect.campaign.as_deref());
    match effect.action {
        Action::Suspend => Some((path_key(&effect.path), false)),
        Action::SuspendTenant | Action::SuspendCampaign => Some((queues_key(domain, tenant, campaign), false)),
        Action::Bounce | Action::BounceTenant | Action::BounceCampaign => {
            Some((queues_key(domain, tenant, campaign), true))
        }
        Action::SetConfig(_) | Action::SetDomainConfig(_) => None,
    }
}
