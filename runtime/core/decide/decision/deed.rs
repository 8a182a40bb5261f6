//! What the rules that matched a record bring about (semantics T1, T2, A1 to A6, A9).

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Decision, Hit, Skipped, Started, ValueChange, What, Why, retain};
use crate::decide::change::{Change, WindowChange};
use crate::decide::effect::{Cause, Effect, EffectId, EffectKind, action_name};
use crate::decide::effective::Spot;
use crate::decide::rank;
use crate::decide::state::State;
use crate::decide::window::{Ask, Offer, Pair, Window};
use crate::shaping::{Action, Rule, Trigger};
use crate::wire::{PathName, QueueName, Record, Time};

/// How many pairs are held beyond those that a rule counts, where effects have keys of their own below the path.
///
/// A record that comes late, when that many newer ones are counted already, can start an effect for its own tenant or domain.
/// Beyond the held pairs nobody can tell it from one that is sent again, and R1 goes first: it does nothing. Where the key
/// is the path no such memory is needed, as a newer record has had the same effect already.
const HELD_BEYOND: usize = 64;

/// The longest response that an effect remembers, in bytes.
const RESPONSE_BYTES: usize = 512;

/// What a rule's action is to do.
struct Wanted<'w> {
    action: &'w Action,
    domain: &'w str,
    tenant: Option<&'w str>,
    campaign: Option<&'w str>,
    rolled: bool,
}

/// That a rule acts.
struct Verdict<'s> {
    rule: &'s Arc<Rule>,
    /// The newest match that counts.
    latest: Time,
    end: Time,
    counted: u64,
}

/// One record's decision while it is made.
pub(super) struct Deed<'d> {
    pub(super) state: &'d State,
    pub(super) now: Time,
    pub(super) record: &'d Record<'d>,
    pub(super) pair: Pair,
    pub(super) name: PathName<'d>,
    pub(super) text: &'d str,
    pub(super) domains: &'d [Cow<'d, str>],
    pub(super) configured: &'d dyn Fn(&Spot) -> Option<Value>,
    /// Effects of this record, in order.
    pub(super) coming: Vec<(EffectId, Arc<Effect>)>,
    pub(super) decision: Decision,
}

impl Deed<'_> {
    /// Does what a rule that matched asks for.
    pub(super) fn hit(&mut self, hit: &Hit<'_>) {
        let acts = match hit.rule.trigger {
            Trigger::Immediate => Some((self.pair.time, 1)),
            Trigger::Threshold { count, period } => {
                self.count(hit.rule, count, period).map(|newest| (newest, count.get()))
            }
        };
        let Some((latest, counted)) = acts else { return };
        let verdict = Verdict { rule: hit.rule, latest, end: latest.after(hit.rule.duration), counted };
        if verdict.end <= self.now {
            return;
        }
        for action in &hit.rule.actions {
            self.act(&verdict, action, &hit.domains);
        }
    }

    /// Counts the record for a rule on its path. The newest of what is counted, when the rule acts.
    fn count(&mut self, rule: &Rule, count: NonZeroU64, period: Duration) -> Option<Time> {
        let path = &*self.record.site;
        let count = usize::try_from(count.get()).unwrap_or(usize::MAX);
        let by_path = rule.actions.iter().all(|action| matches!(action, Action::Suspend));
        let hold = if by_path { count } else { count.saturating_add(HELD_BEYOND) };
        let none = Window::default();
        let window = self.state.counts.window(&rule.id, path).unwrap_or(&none);
        let identity = self.pair.identity;
        if self.state.axis.other_moments(self.record.time()).any(|time| window.contains(Pair { time, identity })) {
            return None;
        }
        let Offer::Counts { gone, newest, acts } = window.offer(self.pair, Ask { count, hold, period }) else {
            return None;
        };
        self.decision.changes.push(Change::Window(WindowChange {
            rule: rule.id,
            path: self.state.counts.path(path).cloned().unwrap_or_else(|| path.into()),
            retain: retain(rule),
            add: Some(self.pair),
            remove: gone,
        }));
        acts.then_some(newest)
    }

    fn act(&mut self, verdict: &Verdict<'_>, action: &Action, domains: &[(usize, bool)]) {
        let queue = QueueName::parse(&self.record.queue);
        let of_queue =
            |action, tenant, campaign| Wanted { action, domain: queue.domain, tenant, campaign, rolled: false };
        let wanted = match (action, queue.tenant, queue.campaign) {
            (Action::Suspend, ..) => Wanted { action, domain: "", tenant: None, campaign: None, rolled: false },
            (Action::SetConfig(_) | Action::SetDomainConfig(_), ..) => {
                return self.override_option(verdict, action, domains, queue.routing_domain);
            }
            _ if queue.domain.is_empty() => return self.skip(verdict.rule, action, Why::NoDomain),
            (Action::Bounce, ..) => of_queue(action, None, None),
            (_, None, _) => return self.skip(verdict.rule, action, Why::NoTenant),
            (Action::SuspendCampaign, tenant, None) => of_queue(&Action::SuspendTenant, tenant, None),
            (Action::BounceCampaign, tenant, None) => of_queue(&Action::BounceTenant, tenant, None),
            (Action::SuspendTenant | Action::BounceTenant, tenant, _) => of_queue(action, tenant, None),
            (Action::SuspendCampaign | Action::BounceCampaign, tenant, campaign) => of_queue(action, tenant, campaign),
        };
        self.bring_about(verdict, &wanted);
    }

    fn skip(&mut self, rule: &Arc<Rule>, action: &Action, why: Why) {
        self.decision.skipped.push(Skipped { rule: rule.clone(), action: action_name(action), why });
    }

    /// An override for each domain that the rule matched for, or for the one that they are all routed to (R2, A6).
    fn override_option(
        &mut self,
        verdict: &Verdict<'_>,
        action: &Action,
        domains: &[(usize, bool)],
        routing_domain: Option<&str>,
    ) {
        let whole_site = matches!(action, Action::SetConfig(_));
        let (tenant, campaign) = (None, None);
        if let Some(domain) = routing_domain {
            let domain = domain.to_lowercase();
            let rolled = whole_site && domains.iter().any(|(_, rolled)| *rolled);
            return self.bring_about(verdict, &Wanted { action, domain: &domain, tenant, campaign, rolled });
        }
        for (at, rolled) in domains {
            if let Some(domain) = self.domains.get(*at) {
                let rolled = whole_site && *rolled;
                self.bring_about(verdict, &Wanted { action, domain, tenant, campaign, rolled });
            }
        }
    }

    /// Begins an effect, or prolongs the one that is there; never shortens it (R3).
    fn bring_about(&mut self, verdict: &Verdict<'_>, wanted: &Wanted<'_>) {
        let Wanted { action, domain, tenant, campaign, .. } = *wanted;
        let id = EffectId::of(&verdict.rule.id, action, &self.record.site, domain, tenant, campaign);
        if self.coming.iter().any(|(known, _)| *known == id) {
            return;
        }
        let old = self.state.effects.get(&id);
        let known = |old: &&Arc<Effect>| old.until >= verdict.end || old.cause.identity == self.pair.identity;
        if old.is_some_and(|old| known(&old)) {
            return;
        }
        let what = match old {
            Some(old) if old.live(self.now) => What::Prolonged,
            Some(old) if old.cancelled && old.until > self.now => What::Revived,
            _ => What::Started,
        };
        let begin = old.filter(|_| what == What::Prolonged).map_or(self.now, |old| old.begin);
        let effect = Arc::new(self.effect(verdict, wanted, begin));
        self.decision.changes.push(Change::Effect(effect.clone()));
        let spot = spot(&effect);
        let before = spot.as_ref().map(|spot| self.holding(spot));
        self.coming.push((id, effect.clone()));
        let value = spot.zip(before).and_then(|(spot, before)| self.value_change(&spot, before));
        let until = self.state.axis.wall(effect.until);
        self.decision.effects.push(Started { id, what, effect, until, value });
    }

    fn effect(&self, verdict: &Verdict<'_>, wanted: &Wanted<'_>, begin: Time) -> Effect {
        let path = &*self.record.site;
        Effect {
            rule: self.state.facts(verdict.rule),
            action: wanted.action.clone(),
            path: self.state.counts.path(path).cloned().unwrap_or_else(|| path.into()),
            source: self.record.egress_source.as_deref().unwrap_or("unspecified").into(),
            site: self.name.site.into(),
            domain: wanted.domain.into(),
            tenant: wanted.tenant.map(Into::into),
            campaign: wanted.campaign.map(Into::into),
            rolled: wanted.rolled,
            begin,
            latest: verdict.latest,
            until: verdict.end,
            cancelled: false,
            cause: Cause {
                id: (*self.record.id).into(),
                response: cut(self.text).into(),
                time: self.pair.time,
                counted: verdict.counted,
                identity: self.pair.identity,
            },
            seq: self.state.seq() + 1 + self.coming.len() as u64,
        }
    }

    /// The override that holds, with what this record has brought about so far.
    fn holding(&self, spot: &Spot) -> Option<Value> {
        let (_, effect) = self.state.holds_at(spot, &self.coming, self.now)?;
        Some(effect.setting()?.value.clone())
    }

    fn value_change(&self, spot: &Spot, before: Option<Value>) -> Option<ValueChange> {
        let after = self.holding(spot)?;
        if before.as_ref() == Some(&after) {
            return None;
        }
        let before = before.or_else(|| (self.configured)(spot));
        let loosens = rank::loosens(&spot.option, before.as_ref(), &after);
        Some(ValueChange { before, after, loosens })
    }
}

/// What an override is about; none for other effects.
fn spot(effect: &Effect) -> Option<Spot> {
    if effect.kind() != EffectKind::Override {
        return None;
    }
    let option = effect.setting()?.name.clone();
    Some(Spot { domain: effect.domain.clone(), site: effect.site.clone(), source: effect.source.clone(), option })
}

pub(super) fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(RESPONSE_BYTES)).unwrap_or(text)
}
