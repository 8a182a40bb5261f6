//! What makes a rule the same rule, and merged files the same files.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::file::{Draft, SourceBlock};
use super::param::{Param, Params};
use super::{Action, RuleId, Scope, Setting, Trigger};

/// A hash over parts that cannot run into each other.
pub(super) struct Digest(Sha256);

impl Digest {
    /// For content of one sort; digests of different sorts differ.
    pub(super) fn of(sort: &str) -> Self {
        Self(Sha256::new()).text(sort)
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    pub(super) fn number(mut self, number: impl Into<u128>) -> Self {
        self.0.update(number.into().to_be_bytes());
        self
    }

    pub(super) fn text(self, text: &str) -> Self {
        let mut digest = self.number(text.len() as u128);
        digest.0.update(text.as_bytes());
        digest
    }

    pub(super) fn texts<'t>(self, texts: impl ExactSizeIterator<Item = &'t str>) -> Self {
        let counted = self.number(texts.len() as u128);
        texts.fold(counted, Self::text)
    }

    pub(super) fn id(mut self, id: &RuleId) -> Self {
        self.0.update(id.0);
        self
    }

    /// A value, in whatever order its fields stand.
    pub(super) fn value(self, value: &Value) -> Self {
        match value {
            Value::Array(items) => items.iter().fold(self.text("list").number(items.len() as u128), Self::value),
            Value::Object(map) => {
                let mut fields: Vec<_> = map.iter().collect();
                fields.sort_unstable_by_key(|(name, _)| *name);
                let counted = self.text("table").number(fields.len() as u128);
                fields.into_iter().fold(counted, |digest, (name, value)| digest.text(name).value(value))
            }
            plain => self.text("plain").text(&plain.to_string()),
        }
    }

    pub(super) fn param(self, param: Option<&Param>) -> Self {
        match param {
            Some(param) => self.number(1_u8).value(&param.value),
            None => self.number(0_u8),
        }
    }

    /// Options, in whatever order they were set.
    pub(super) fn params(self, params: &Params) -> Self {
        let mut params: Vec<_> = params.iter().collect();
        params.sort_unstable_by_key(|(spec, _)| spec.name);
        let counted = self.number(params.len() as u128);
        params.into_iter().fold(counted, |digest, (spec, param)| digest.text(spec.name).value(&param.value))
    }

    /// Sources, in whatever order they were named.
    pub(super) fn sources(self, sources: &[SourceBlock]) -> Self {
        let mut sources: Vec<_> = sources.iter().collect();
        sources.sort_unstable_by_key(|source| &source.name);
        let counted = self.number(sources.len() as u128);
        sources.into_iter().fold(counted, |digest, source| {
            digest.text(&source.name).params(&source.params).param(source.selection_rate.as_ref())
        })
    }
}

/// The identity of a rule: its content and scope, not its position (semantics S5).
pub(super) fn rule_id(draft: &Draft, scope: &Scope) -> RuleId {
    let patterns = draft.patterns.iter().map(|pattern| &*pattern.text);
    let digest = Digest::of("rule").text(&scope.to_string()).texts(patterns).number(draft.actions.len() as u128);
    let digest = draft.actions.iter().fold(digest, action);
    let digest = match draft.trigger {
        Trigger::Immediate => digest.number(0_u8),
        Trigger::Threshold { count, period } => digest.number(1_u8).number(count.get()).number(period.as_nanos()),
    };
    RuleId(digest.number(draft.duration.as_nanos()).number(u8::from(draft.match_internal)).finish())
}

fn action(digest: Digest, action: &Action) -> Digest {
    let setting = |digest: Digest, Setting { name, value }: &Setting| digest.text(name).value(value);
    match action {
        Action::Suspend => digest.text("Suspend"),
        Action::SuspendTenant => digest.text("SuspendTenant"),
        Action::SuspendCampaign => digest.text("SuspendCampaign"),
        Action::SetConfig(to) => setting(digest.text("SetConfig"), to),
        Action::SetDomainConfig(to) => setting(digest.text("SetDomainConfig"), to),
        Action::Bounce => digest.text("Bounce"),
        Action::BounceTenant => digest.text("BounceTenant"),
        Action::BounceCampaign => digest.text("BounceCampaign"),
    }
}
