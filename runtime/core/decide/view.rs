//! What is in force, as others are told (interface C.2; semantics P1, P2, A11).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::effect::{Effect, EffectId, EffectKind, RuleFacts, action_name};
use super::rulebook::Rulebook;
use super::state::{Selector, Slot, State, Touched};
use crate::wire::Time;

/// The suspension of an egress path, as existing mail hosts read it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReadySuspension {
    /// The rule's id, 64 hexadecimal digits.
    pub rule_hash: String,
    /// The egress path, a record's `site` verbatim.
    pub site_name: Arc<str>,
    /// Why.
    pub reason: String,
    /// The egress source; `unspecified` where the record named none.
    pub source: Arc<str>,
    /// When it ends.
    pub expires: Time,
}

/// The suspension of scheduled queues, as existing mail hosts read it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SchedSuspension {
    /// The rule's id, 64 hexadecimal digits.
    pub rule_hash: String,
    /// The queues' tenant.
    pub tenant: Arc<str>,
    /// The queues' domain.
    pub domain: Arc<str>,
    /// The queues' campaign; any when absent.
    pub campaign: Option<Arc<str>>,
    /// Why.
    pub reason: String,
    /// When it ends.
    pub expires: Time,
}

/// The bounce of scheduled queues, as existing mail hosts read it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SchedBounce {
    /// The rule's id, 64 hexadecimal digits.
    pub rule_hash: String,
    /// The queues' domain.
    pub domain: Arc<str>,
    /// The queues' tenant; any when absent.
    pub tenant: Option<Arc<str>>,
    /// The queues' campaign; any when absent.
    pub campaign: Option<Arc<str>>,
    /// Why.
    pub reason: String,
    /// When it ends.
    pub expires: Time,
}

/// One frame of `/subscribe_event_v1`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Hold {
    /// Of an egress path.
    #[serde(rename = "ReadyQSuspension")]
    Ready(ReadySuspension),
    /// Of scheduled queues.
    #[serde(rename = "SchedQSuspension")]
    Sched(SchedSuspension),
    /// Of scheduled queues.
    #[serde(rename = "SchedQBounce")]
    Bounce(SchedBounce),
}

/// One frame of `/subscribe_suspension_v1`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum OldHold {
    /// Of an egress path.
    #[serde(rename = "ReadyQ")]
    Ready(ReadySuspension),
    /// Of scheduled queues.
    #[serde(rename = "SchedQ")]
    Sched(SchedSuspension),
}

impl Hold {
    /// As the older stream tells it, which has no bounces.
    pub fn into_old(self) -> Option<OldHold> {
        match self {
            Self::Ready(one) => Some(OldHold::Ready(one)),
            Self::Sched(one) => Some(OldHold::Sched(one)),
            Self::Bounce(_) => None,
        }
    }

    fn of(slot: &Slot, effect: &Effect, expires: Time) -> Option<Self> {
        let (rule_hash, reason) = (effect.rule.id.to_string(), effect.reason());
        match slot {
            Slot::Path(path) => {
                let (site_name, source) = (path.clone(), effect.source.clone());
                Some(Self::Ready(ReadySuspension { rule_hash, site_name, reason, source, expires }))
            }
            Slot::Queues(Selector { domain, tenant, campaign }) => Some(Self::Sched(SchedSuspension {
                rule_hash,
                tenant: tenant.clone()?,
                domain: domain.clone(),
                campaign: campaign.clone(),
                reason,
                expires,
            })),
            Slot::Bounces(Selector { domain, tenant, campaign }) => Some(Self::Bounce(SchedBounce {
                rule_hash,
                domain: domain.clone(),
                tenant: tenant.clone(),
                campaign: campaign.clone(),
                reason,
                expires,
            })),
            Slot::Site { .. } | Slot::Domain { .. } => None,
        }
    }
}

/// The record that made a rule act last.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Trace {
    /// The message's id.
    pub id: Arc<str>,
    /// The response as one line, cut to a sane length.
    pub response: Arc<str>,
    /// The record's own time.
    pub time: Time,
    /// How many matches made the rule act.
    pub counted: u64,
}

/// All there is to know of an effect.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// The action's name, as shaping files write it.
    pub action: Arc<str>,
    /// The rule that acted.
    pub rule: Arc<RuleFacts>,
    /// The egress path, a record's `site` verbatim.
    pub path: Arc<str>,
    /// The site, without source and protocol.
    pub site: Arc<str>,
    /// The egress source; `unspecified` where the record named none.
    pub source: Arc<str>,
    /// The domain, absent for the suspension of a path.
    pub domain: Option<Arc<str>>,
    /// The tenant; any when absent.
    pub tenant: Option<Arc<str>>,
    /// The campaign; any when absent.
    pub campaign: Option<Arc<str>>,
    /// The option of an override.
    pub option: Option<Arc<str>>,
    /// The value of an override.
    pub value: Option<Value>,
    /// Whether an override holds for the whole site.
    pub rolled: bool,
    /// Why, as existing mail hosts are told.
    pub reason: String,
    /// When it came in force.
    pub begin: Time,
    /// The newest record that made the rule act.
    pub latest: Time,
    /// When it ends.
    pub until: Time,
    /// The record that made the rule act last.
    pub record: Trace,
    /// The number of the change that made it as it is.
    pub seq: u64,
}

/// An effect as subscribers of state get it: `Put{kind, key, value}`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct View {
    /// `suspension`, `bounce` or `override`.
    pub kind: EffectKind,
    /// The effect's id, 32 hexadecimal digits.
    pub key: String,
    /// All there is to know of it.
    pub value: Facts,
}

/// An effect as operators get it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Listed {
    /// What subscribers get.
    #[serde(flatten)]
    pub view: View,
    /// The rule is not in the files any more (A11).
    pub rule_gone: bool,
    /// It is what holds its path, its queues or its option: no other effect outdoes it (A8).
    pub holds: bool,
}

impl State {
    /// An effect that is in force.
    pub fn view(&self, id: EffectId, now: Time) -> Option<View> {
        let effect = self.effects.get(&id).filter(|effect| effect.live(self.axis.now(now)))?;
        Some(self.view_of(id, effect))
    }

    /// When one thing in force ends, on the wall clock.
    pub fn end(&self, id: EffectId, now: Time) -> Option<Time> {
        let effect = self.effects.get(&id).filter(|effect| effect.live(self.axis.now(now)))?;
        Some(self.axis.wall(effect.until))
    }

    /// All that is in force, by end and id.
    pub fn views(&self, now: Time) -> Vec<View> {
        self.live(now).into_iter().map(|(id, effect)| self.view_of(id, effect)).collect()
    }

    /// All that is in force, for operators, by end and id.
    pub fn list<R: Rulebook + ?Sized>(&self, rules: &R, now: Time) -> Vec<Listed> {
        let present = self.axis.now(now);
        let listed = self.live(now).into_iter().map(|(id, effect)| Listed {
            view: self.view_of(id, effect),
            rule_gone: !rules.has_rule(&effect.rule.id),
            holds: self.holder(&Slot::of(effect), present).is_some_and(|(holder, _)| holder == id),
        });
        listed.collect()
    }

    fn live(&self, now: Time) -> Vec<(EffectId, &Arc<Effect>)> {
        let now = self.axis.now(now);
        let mut live: Vec<_> =
            self.effects.iter().filter(|(_, effect)| effect.live(now)).map(|(id, e)| (*id, e)).collect();
        live.sort_by_key(|(id, effect)| (effect.until, *id));
        live
    }

    fn view_of(&self, id: EffectId, effect: &Effect) -> View {
        let wall = |time| self.axis.wall(time);
        let value = Facts {
            action: action_name(&effect.action).into(),
            rule: effect.rule.clone(),
            path: effect.path.clone(),
            site: effect.site.clone(),
            source: effect.source.clone(),
            domain: Some(effect.domain.clone()).filter(|domain| !domain.is_empty()),
            tenant: effect.tenant.clone(),
            campaign: effect.campaign.clone(),
            option: effect.setting().map(|setting| setting.name.clone()),
            value: effect.setting().map(|setting| setting.value.clone()),
            rolled: effect.rolled,
            reason: effect.reason(),
            begin: wall(effect.begin),
            latest: wall(effect.latest),
            until: wall(effect.until),
            record: Trace {
                id: effect.cause.id.clone(),
                response: effect.cause.response.clone(),
                time: wall(effect.cause.time),
                counted: effect.cause.counted,
            },
            seq: effect.seq,
        };
        View { kind: effect.kind(), key: id.to_string(), value }
    }

    /// What to tell existing mail hosts of a slot after a change touched it: the effect that holds it; after the last was
    /// ended by hand, the same with an end that is now; nothing where it ended at the time that they were told (P1).
    pub fn notice(&self, touched: &Touched, now: Time) -> Option<Hold> {
        let (effect, end) = self.noticed(touched, now)?;
        Hold::of(&touched.slot, effect, end)
    }

    /// The end that [`notice`](Self::notice) would tell.
    pub fn notice_end(&self, touched: &Touched, now: Time) -> Option<Time> {
        self.noticed(touched, now).map(|(_, end)| end)
    }

    fn noticed(&self, touched: &Touched, now: Time) -> Option<(&Effect, Time)> {
        match self.holder(&touched.slot, self.axis.now(now)) {
            Some((_, effect)) => Some((effect, self.axis.wall(effect.until))),
            None => Some((self.effects.get(&touched.id).filter(|effect| effect.cancelled)?, now)),
        }
    }

    /// What holds a path or queues, as existing mail hosts read it: of the effects in force the one that ends last (P1).
    pub fn hold(&self, slot: &Slot, now: Time) -> Option<Hold> {
        let (_, effect) = self.holder(slot, self.axis.now(now))?;
        Hold::of(slot, effect, self.axis.wall(effect.until))
    }

    fn holds(&self, now: Time) -> impl Iterator<Item = Hold> {
        self.slots().filter_map(move |slot| self.hold(slot, now))
    }

    /// The paths that are suspended, by end and name.
    pub fn ready_suspensions(&self, now: Time) -> Vec<ReadySuspension> {
        let mut ready: Vec<_> =
            self.holds(now).filter_map(|hold| if let Hold::Ready(one) = hold { Some(one) } else { None }).collect();
        ready.sort_by(|a, b| (a.expires, &a.site_name).cmp(&(b.expires, &b.site_name)));
        ready
    }

    /// The scheduled queues that are suspended, by end, tenant, domain and campaign.
    pub fn sched_suspensions(&self, now: Time) -> Vec<SchedSuspension> {
        let mut sched: Vec<_> =
            self.holds(now).filter_map(|hold| if let Hold::Sched(one) = hold { Some(one) } else { None }).collect();
        sched.sort_by(|a, b| {
            (a.expires, &a.tenant, &a.domain, &a.campaign).cmp(&(b.expires, &b.tenant, &b.domain, &b.campaign))
        });
        sched
    }

    /// The scheduled queues that are bounced, by end, domain, tenant and campaign.
    pub fn bounces(&self, now: Time) -> Vec<SchedBounce> {
        let mut bounces: Vec<_> =
            self.holds(now).filter_map(|hold| if let Hold::Bounce(one) = hold { Some(one) } else { None }).collect();
        bounces.sort_by(|a, b| {
            (a.expires, &a.domain, &a.tenant, &a.campaign).cmp(&(b.expires, &b.domain, &b.tenant, &b.campaign))
        });
        bounces
    }
}

#[cfg(test)]
mod tests;
