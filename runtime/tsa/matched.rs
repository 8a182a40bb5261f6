//! The rules of a record, found before anything is held up.

use std::borrow::Cow;
use std::sync::Arc;

use kumo_tsa_core::decide::{Found, Query, Rulebook};
use kumo_tsa_core::shaping::{Rule, RuleId};
use kumo_tsa_core::wire::{PathName, Record};
use serde_json::Value;

/// A record with the rules that match it; stands for the rules themselves when it is decided on.
pub(super) struct Matched<'s, 'r> {
    pub(super) record: &'r Record<'r>,
    rules: &'s (dyn Rulebook + Send + Sync),
    found: Vec<(Cow<'r, str>, Found<'s>)>,
}

impl<'s, 'r> Matched<'s, 'r> {
    /// Looks the rules up for each of the record's domains.
    pub(super) fn find(rules: &'s (dyn Rulebook + Send + Sync), record: &'r Record<'r>) -> Self {
        let site = PathName::parse(&record.site, record.egress_source.as_deref()).site;
        let (text, internal) = (record.one_line(), record.is_internal());
        let found = record
            .domains()
            .into_iter()
            .map(|domain| {
                let found = rules.find(&Query { domain: &domain, site, text: &text, internal });
                (domain, found)
            })
            .collect();
        Self { record, rules, found }
    }

    /// The rules that match, each once.
    pub(super) fn rules(&self) -> Vec<&'s Arc<Rule>> {
        distinct(self.found.iter().flat_map(|(_, found)| found.matched.iter().map(|(rule, _)| *rule)))
    }

    /// The rules that were given up on, each once.
    pub(super) fn exceeded(&self) -> Vec<&'s Arc<Rule>> {
        distinct(self.found.iter().flat_map(|(_, found)| found.exceeded.iter().copied()))
    }
}

fn distinct<'s>(all: impl Iterator<Item = &'s Arc<Rule>>) -> Vec<&'s Arc<Rule>> {
    let mut once: Vec<&Arc<Rule>> = Vec::new();
    for rule in all {
        if !once.iter().any(|known| known.id == rule.id) {
            once.push(rule);
        }
    }
    once
}

impl Rulebook for Matched<'_, '_> {
    fn find<'s>(&'s self, query: &Query<'_>) -> Found<'s> {
        match self.found.iter().find(|(domain, _)| domain == query.domain) {
            Some((_, found)) => found.clone(),
            None => self.rules.find(query),
        }
    }

    fn configured(&self, domain: &str, source: &str, site: &str, option: &str) -> Option<Value> {
        self.rules.configured(domain, source, site, option)
    }

    fn has_rule(&self, id: &RuleId) -> bool {
        self.rules.has_rule(id)
    }
}
