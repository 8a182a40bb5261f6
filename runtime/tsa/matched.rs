//! The rules of a record, found before anything is held up.

use std::borrow::Cow;
use std::sync::Arc;

use kumo_tsa_core::decide::Rulebook;
use kumo_tsa_core::shaping::{Matches, Rule, RuleId, Shaping};
use kumo_tsa_core::wire::{PathName, Record};
use serde_json::Value;

/// A record with the rules that match it; stands for the rules themselves when it is decided on.
pub(super) struct Matched<'r> {
    pub(super) record: &'r Record<'r>,
    rules: &'r Shaping,
    found: Vec<(Cow<'r, str>, Matches<'r>)>,
}

impl<'r> Matched<'r> {
    /// Looks the rules up for each of the record's domains.
    pub(super) fn find(rules: &'r Shaping, record: &'r Record<'r>) -> Self {
        let site = PathName::parse(&record.site, record.egress_source.as_deref()).site;
        let (text, internal) = (record.one_line(), record.is_internal());
        let found = record.domains().into_iter().map(|domain| {
            let matches = rules.matches(&domain, site, &text, internal);
            (domain, matches)
        });
        Self { record, rules, found: found.collect() }
    }

    /// The rules that match, each once.
    pub(super) fn rules(&self) -> Vec<&'r Arc<Rule>> {
        distinct(self.found.iter().flat_map(|(_, matches)| matches.matched.iter().map(|matched| matched.rule)))
    }

    /// The rules that were given up on, each once.
    pub(super) fn exceeded(&self) -> Vec<&'r Arc<Rule>> {
        distinct(self.found.iter().flat_map(|(_, matches)| matches.exceeded.iter().copied()))
    }
}

fn distinct<'r>(all: impl Iterator<Item = &'r Arc<Rule>>) -> Vec<&'r Arc<Rule>> {
    let mut once: Vec<&Arc<Rule>> = Vec::new();
    for rule in all {
        if !once.iter().any(|known| known.id == rule.id) {
            once.push(rule);
        }
    }
    once
}

impl Rulebook for Matched<'_> {
    fn matches<'s>(&'s self, domain: &str, site: &str, text: &str, internal: bool) -> Matches<'s> {
        match self.found.iter().find(|(found, _)| found == domain) {
            Some((_, matches)) => matches.clone(),
            None => self.rules.matches(domain, site, text, internal),
        }
    }

    fn configured(&self, domain: &str, source: &str, site: &str, name: &str) -> Option<Value> {
        self.rules.configured(domain, source, site, name)
    }

    fn has_rule(&self, id: &RuleId) -> bool {
        self.rules.has_rule(id)
    }
}
