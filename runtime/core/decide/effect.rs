//! What a rule's action brings about, and why (semantics A1 to A6).

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::shaping::{Action, Origin, Rule, RuleId, Scope, Setting};
use crate::wire::Time;

/// What makes it the same effect: a hash over the rule, the action and what the table of actions calls its key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(pub(super) u128);

impl EffectId {
    pub(super) fn of(
        rule: &RuleId,
        action: &Action,
        path: &str,
        domain: &str,
        tenant: Option<&str>,
        campaign: Option<&str>,
    ) -> Self {
        let mut bytes = Vec::with_capacity(192);
        bytes.extend_from_slice(&rule.0);
        bytes.push(action_tag(action));
        let mut part = |text: &str| {
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        };
        match action {
            Action::Suspend => part(path),
            Action::SetConfig(setting) | Action::SetDomainConfig(setting) => {
                part(&setting.name);
                part(&setting.value.to_string());
                part(path);
                part(domain);
            }
            _ => {
                // Neither is ever given and empty.
                part(domain);
                part(tenant.unwrap_or(""));
                part(campaign.unwrap_or(""));
            }
        }
        Self(xxh3_128(&bytes))
    }
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not an effect's id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid effect id `{text}`: expected 32 hexadecimal digits")]
pub struct BadEffectId {
    text: String,
}

impl FromStr for EffectId {
    type Err = BadEffectId;

    fn from_str(text: &str) -> Result<Self, BadEffectId> {
        let hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let id = if hex { u128::from_str_radix(text, 16).ok() } else { None };
        id.map(Self).ok_or_else(|| BadEffectId { text: text.to_owned() })
    }
}

/// The three kinds of effect that subscribers tell apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// No deliveries: `Suspend`, `SuspendTenant`, `SuspendCampaign`.
    Suspension,
    /// Mail is bounced: `Bounce`, `BounceTenant`, `BounceCampaign`.
    Bounce,
    /// An egress path option is overridden: `SetConfig`, `SetDomainConfig`.
    Override,
}

impl EffectKind {
    /// `suspension`, `bounce` or `override`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspension => "suspension",
            Self::Bounce => "bounce",
            Self::Override => "override",
        }
    }
}

/// What an effect remembers of its rule, which may be gone from the files meanwhile (A11).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RuleFacts {
    /// The rule's id.
    #[serde(with = "rule_id")]
    pub id: RuleId,
    /// Its pattern, as reasons show it.
    pub pattern: Arc<str>,
    /// The block that it stood in.
    pub scope: Scope,
    /// Where it was written.
    pub origin: Origin,
}

impl RuleFacts {
    pub(super) fn of(rule: &Rule) -> Self {
        let pattern = rule.pattern().into();
        Self { id: rule.id, pattern, scope: rule.scope.clone(), origin: rule.origin.clone() }
    }

    /// Whether these are the rule's facts still; the id covers pattern and scope, but not the position.
    pub(super) fn fit(&self, rule: &Rule) -> bool {
        self.id == rule.id && self.origin == rule.origin
    }
}

/// The record that made the rule act last.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Cause {
    /// The message's id.
    pub id: Arc<str>,
    /// The response as one line, cut to a sane length.
    pub response: Arc<str>,
    /// The record's own time.
    #[serde(with = "micros")]
    pub(super) time: Time,
    /// How many matches made the rule act.
    pub counted: u64,
    /// What identifies the record.
    pub(super) identity: u64,
}

/// One thing in force, or that was. Its times are on state's own axis, so they are shown through [`super::State`] alone.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Effect {
    /// The rule that acted.
    pub rule: Arc<RuleFacts>,
    /// The action, where one without a campaign stands as the tenant's.
    pub action: Action,
    /// The egress path, a record's `site` verbatim.
    pub path: Arc<str>,
    /// The egress source; `unspecified` where the record named none.
    pub source: Arc<str>,
    /// The site alone, without source and protocol.
    pub site: Arc<str>,
    /// The domain of the override or of the scheduled queues; empty for a path's suspension.
    pub domain: Arc<str>,
    /// The tenant of the scheduled queues.
    pub tenant: Option<Arc<str>>,
    /// The campaign of the scheduled queues.
    pub campaign: Option<Arc<str>>,
    /// Whether an override holds for the whole site (A3).
    pub rolled: bool,
    /// When it came in force.
    #[serde(with = "micros")]
    pub(super) begin: Time,
    /// The newest record that made the rule act.
    #[serde(with = "micros")]
    pub(super) latest: Time,
    /// When it ends.
    #[serde(with = "micros")]
    pub(super) until: Time,
    /// When it was ended by hand. It stays until its old end, so that what was known then does not revive it.
    pub(super) cancelled: bool,
    /// The record that made the rule act last.
    pub cause: Cause,
    /// The number of the change that made it as it is.
    pub seq: u64,
}

impl Effect {
    /// Whether it is in force at a moment of state time.
    pub(super) fn live(&self, now: Time) -> bool {
        self.until > now && !self.cancelled
    }

    /// Which of the three kinds it is.
    pub fn kind(&self) -> EffectKind {
        match self.action {
            Action::Suspend | Action::SuspendTenant | Action::SuspendCampaign => EffectKind::Suspension,
            Action::Bounce | Action::BounceTenant | Action::BounceCampaign => EffectKind::Bounce,
            Action::SetConfig(_) | Action::SetDomainConfig(_) => EffectKind::Override,
        }
    }

    /// The option and value of an override.
    pub fn setting(&self) -> Option<&Setting> {
        match &self.action {
            Action::SetConfig(setting) | Action::SetDomainConfig(setting) => Some(setting),
            _ => None,
        }
    }

    /// What makes it the same effect.
    pub fn id(&self) -> EffectId {
        let (tenant, campaign) = (self.tenant.as_deref(), self.campaign.as_deref());
        EffectId::of(&self.rule.id, &self.action, &self.path, &self.domain, tenant, campaign)
    }

    /// Why, as existing mail hosts are told (interface C.2).
    pub fn reason(&self) -> String {
        let pattern = &self.rule.pattern;
        let mut reason = format!("automation rule: {pattern}");
        // Writing to a string cannot fail.
        let mut add = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                let _ = write!(reason, " {name}={value}");
            }
        };
        let (tenant, campaign) = (self.tenant.as_deref(), self.campaign.as_deref());
        match self.action {
            Action::Suspend | Action::SetConfig(_) | Action::SetDomainConfig(_) => {}
            Action::SuspendTenant | Action::SuspendCampaign => {
                add("tenant", tenant);
                add("domain", Some(&self.domain));
                add("campaign", campaign);
            }
            Action::Bounce | Action::BounceTenant | Action::BounceCampaign => {
                add("domain", Some(&self.domain));
                add("tenant", tenant);
                add("campaign", campaign);
            }
        }
        reason
    }
}

/// The action's name, as shaping files write it.
pub(super) fn action_name(action: &Action) -> &'static str {
    match action {
        Action::Suspend => "Suspend",
        Action::SuspendTenant => "SuspendTenant",
        Action::SuspendCampaign => "SuspendCampaign",
        Action::SetConfig(_) => "SetConfig",
        Action::SetDomainConfig(_) => "SetDomainConfig",
        Action::Bounce => "Bounce",
        Action::BounceTenant => "BounceTenant",
        Action::BounceCampaign => "BounceCampaign",
    }
}

/// A number that stays the same for ever, as stored ids are made of it.
fn action_tag(action: &Action) -> u8 {
    match action {
        Action::Suspend => 1,
        Action::SuspendTenant => 2,
        Action::SuspendCampaign => 3,
        Action::SetConfig(_) => 4,
        Action::SetDomainConfig(_) => 5,
        Action::Bounce => 6,
        Action::BounceTenant => 7,
        Action::BounceCampaign => 8,
    }
}

/// Times as whole microseconds, so that they come back as they were.
pub(super) mod micros {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::wire::Time;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields so")]
    pub(crate) fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        time.micros().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        i64::deserialize(deserializer).map(Time::from_micros)
    }
}

/// Rule ids as 64 hexadecimal digits where people read them, else as 32 numbers.
mod rule_id {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::shaping::RuleId;

    pub(super) fn serialize<S: Serializer>(id: &RuleId, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(id) } else { id.0.serialize(serializer) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RuleId, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 32]>::deserialize(deserializer).map(RuleId);
        }
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let bad = || D::Error::custom(format!("invalid rule id `{text}`: expected 64 hexadecimal digits"));
        let mut id = [0; 32];
        if text.len() != 64 {
            return Err(bad());
        }
        for (byte, digits) in id.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| bad())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| bad())?;
        }
        Ok(RuleId(id))
    }
}

#[cfg(test)]
mod tests;
