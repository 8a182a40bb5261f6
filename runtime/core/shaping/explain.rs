//! Why a path has the options that it has, and what each rule makes of a response: what a lookup does, told to people.

use std::sync::Arc;

use super::lookup::{Fitting, lower};
use super::merged::Merged;
use super::provider::{Criterion, Fit};
use super::{Origin, Rule, Scope, Shaping};

/// A provider that fits, or that fits some of the mail hosts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProviderFit<'s> {
    /// The provider's name.
    pub name: &'s Arc<str>,
    /// Where it was first defined.
    pub origin: &'s Origin,
    /// What of its `match` fits.
    pub by: Vec<Criterion<'s>>,
    /// Whether it fits by every mail host, so that its rules speak for the whole site (semantics A3).
    pub site_wide: bool,
    /// The mail hosts that keep it from fitting; none when it fits.
    pub strangers: Vec<String>,
}

/// A block that takes part in a lookup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taking<'s> {
    /// Which it is.
    pub scope: Scope,
    /// Where files write it, in their order.
    pub origins: &'s [Origin],
}

/// What a rule made of a response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome<'s> {
    /// This is the first of its patterns that matches.
    Matched(&'s Arc<str>),
    /// None of its patterns matches.
    Missed,
    /// The response is the mail host's own, which this rule does not look at (semantics R5).
    Internal,
    /// A pattern was given up on this response, and no other matches (semantics S6).
    Exceeded,
}

/// A rule that was tried on a response.
#[derive(Clone, PartialEq, Debug)]
pub struct Trial<'s> {
    /// The rule.
    pub rule: &'s Arc<Rule>,
    /// Whether what it sets holds for the whole site rather than for the domain alone (semantics A3).
    pub rolled: bool,
    /// What it made of the response.
    pub outcome: Outcome<'s>,
}

impl<'s> Taking<'s> {
    fn of(scope: Scope, merged: &'s Merged) -> Self {
        Self { scope, origins: &merged.origins }
    }
}

impl ProviderFit<'_> {
    /// Whether the provider's block takes part at all.
    pub fn fits(&self) -> bool {
        self.strangers.is_empty()
    }
}

impl Shaping {
    /// The providers that fit, and those that would if all mail hosts were like some of them; as
    /// [`egress_path`](Self::egress_path) judges them.
    pub fn providers_for<'s>(&'s self, domain: &str, site: &str, hosts: Option<&[String]>) -> Vec<ProviderFit<'s>> {
        let domain = lower(domain);
        let fitting = Fitting::new(&domain, site, hosts);
        let mut found = Vec::new();
        for provider in &self.providers {
            let fit = fitting.fit(provider);
            let Some(asked) = &fitting.hosts else { continue };
            let by = provider.criteria.fitting(&domain, asked);
            let strangers = if fit == Fit::No { provider.criteria.strangers(asked) } else { Vec::new() };
            if fit != Fit::No || !(by.is_empty() || strangers.is_empty()) {
                let (name, origin) = (&provider.name, &provider.origin);
                found.push(ProviderFit { name, origin, by, site_wide: fit == Fit::Hosts, strangers });
            }
        }
        found
    }

    /// The blocks that take part in a lookup, in the order of interface D.5.
    pub fn blocks_for(&self, domain: &str, site: &str, hosts: Option<&[String]>) -> Vec<Taking<'_>> {
        let said = |merged: &&Merged| merged.params.iter().len() + merged.sources.len() + merged.rules().len() > 0;
        let mut blocks: Vec<Taking<'_>> =
            Some(&self.default).filter(said).map(|merged| Taking::of(Scope::Default, merged)).into_iter().collect();
        for fit in self.providers_for(domain, site, hosts).iter().filter(|fit| fit.fits()) {
            let provider = self.providers.iter().find(|provider| provider.name == *fit.name);
            blocks.extend(provider.map(|one| Taking::of(Scope::Provider(one.name.clone()), &one.merged)));
        }
        let domain = lower(domain);
        blocks.extend(self.sites.get(site).map(|merged| Taking::of(Scope::Site(site.into()), merged)));
        blocks
            .extend(self.domains.get(&domain).map(|merged| Taking::of(Scope::Domain(domain.as_ref().into()), merged)));
        blocks
    }

    /// Every rule that [`matches`](Self::matches) tries on a response, in its order, with what came of it.
    pub fn trials<'s>(&'s self, domain: &str, site: &str, text: &str, internal: bool) -> Vec<Trial<'s>> {
        let mut trials = Vec::new();
        self.each_scope(&lower(domain), site, |merged, rolled| {
            let Some(matcher) = &merged.matcher else { return };
            let hits = matcher.find(text, internal);
            for (at, rule) in matcher.rules().iter().enumerate() {
                let outcome = if hits.matched.contains(&at) {
                    matcher.first_match(at, text).map_or(Outcome::Missed, Outcome::Matched)
                } else if internal && !rule.match_internal {
                    Outcome::Internal
                } else if hits.exceeded.contains(&at) {
                    Outcome::Exceeded
                } else {
                    Outcome::Missed
                };
                trials.push(Trial { rule, rolled, outcome });
            }
        });
        trials
    }
}
