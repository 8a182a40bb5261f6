//! The merged files as an immutable value, and the lookups in it (interface D.5, D.6, semantics S1, S3).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::digest::Digest;
use super::file::SourceBlock;
use super::matcher::Hits;
use super::merged::{Blocks, Merged, Provider};
use super::option::option;
use super::param::{EgressPath, Param, Params};
use super::provider::{Fit, Hosts, is_dns_name};
use super::{Rule, RuleId, Unresolved};

/// All shaping files, merged.
#[derive(Debug, Default)]
pub struct Shaping {
    pub(super) default: Merged,
    pub(super) providers: Vec<Provider>,
    pub(super) sites: Blocks,
    pub(super) domains: Blocks,
    pub(super) unresolved: Vec<Unresolved>,
    pub(super) warnings: Vec<String>,
    pub(super) errors: Vec<String>,
    rules: Vec<Arc<Rule>>,
    by_id: HashMap<RuleId, usize>,
    hash: String,
}

/// A rule that matched a response.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Matched<'s> {
    /// The rule.
    pub rule: &'s Arc<Rule>,
    /// Whether what it sets holds for the whole site rather than for the domain alone (semantics A3).
    pub rolled: bool,
}

/// What a response matched.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Matches<'s> {
    /// Each rule once.
    pub matched: Vec<Matched<'s>>,
    /// Rules of which a pattern with look-around or back-references was given up on this response; none of their other
    /// patterns matched. Each is to be counted and logged (semantics S6).
    pub exceeded: Vec<&'s Arc<Rule>>,
}

impl Shaping {
    /// What holds without any file.
    pub fn empty() -> Self {
        Self::default().indexed()
    }

    /// Adds what came up while the files were fetched, before what came up in merging.
    pub fn with_notes(mut self, warnings: Vec<String>, errors: Vec<String>) -> Self {
        self.warnings.splice(0..0, warnings);
        self.errors.splice(0..0, errors);
        self
    }

    /// The rules that match a response, each once (semantics S1, S3, S6, R5).
    ///
    /// `site` is what stands between source and protocol in the record's `site`, `text` the response as one line.
    /// `internal` says that the response is the mail host's own.
    pub fn matches<'s>(&'s self, domain: &str, site: &str, text: &str, internal: bool) -> Matches<'s> {
        let domain = lower(domain);
        let mut found = Matches::default();
        self.each_scope(&domain, site, |merged, rolled| {
            let Some(matcher) = &merged.matcher else { return };
            let Hits { matched, exceeded } = matcher.find(text, internal);
            let rule = |at: usize| &matcher.rules()[at];
            found.matched.extend(matched.into_iter().map(|at| Matched { rule: rule(at), rolled }));
            found.exceeded.extend(exceeded.into_iter().map(rule));
        });
        found
    }

    /// The scopes whose rules see a record, in the order in which they are tried; each with whether what it sets holds for
    /// the whole site. The domain is in lower case.
    pub(super) fn each_scope<'s>(&'s self, domain: &str, site: &str, mut look: impl FnMut(&'s Merged, bool)) {
        look(&self.default, true);
        let fitting = Fitting::new(domain, site, None);
        for provider in self.providers.iter().filter(|provider| provider.merged.matcher.is_some()) {
            match fitting.fit(provider) {
                Fit::No => {}
                fit => look(&provider.merged, fit == Fit::Hosts),
            }
        }
        if let Some(merged) = self.sites.get(site) {
            look(merged, true);
        }
        if let Some(merged) = self.domains.get(domain) {
            look(merged, false);
        }
    }

    /// The options of the path from `source` to the site of `domain`, in the order of interface D.5.
    ///
    /// `hosts` are the mail hosts of the domain where they are known, else those count that the site name spells out.
    pub fn egress_path(&self, domain: &str, source: &str, site: &str, hosts: Option<&[String]>) -> EgressPath {
        let domain = lower(domain);
        let mut path = EgressPath::default();
        path.apply(&self.default);
        let fitting = Fitting::new(&domain, site, hosts);
        let fitting: Vec<_> = self.providers.iter().filter(|provider| fitting.fit(provider) != Fit::No).collect();
        for provider in &fitting {
            path.apply_provider(provider, source);
        }
        for provider in &fitting {
            path.apply_provider_source(provider, source);
        }
        let (by_site, by_domain) = (self.sites.get(site), self.domains.get(&domain));
        let blocks = [by_site, by_domain];
        blocks.into_iter().flatten().for_each(|merged| path.apply(merged));
        let sources = blocks.into_iter().flatten().filter_map(|merged| merged.source(source));
        sources.for_each(|source| path.params.overlay(&source.params));
        path
    }

    /// The rule of this identity.
    pub fn rule(&self, id: &RuleId) -> Option<&Arc<Rule>> {
        self.by_id.get(id).map(|at| &self.rules[*at])
    }

    /// All rules: those of `default`, of providers, of sites, of domains.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Arc<Rule>> {
        self.rules.iter()
    }

    /// The blocks that should roll up but for now act for their domain alone (semantics S4).
    pub fn unresolved(&self) -> &[Unresolved] {
        &self.unresolved
    }

    /// What should be known.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What should be mended.
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// Egress sources that blocks name, each with the `site:X` and `domain:Y` blocks that do.
    pub fn referenced_sources(&self) -> BTreeMap<String, Vec<String>> {
        let mut referenced: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (kind, blocks) in [("site", &self.sites), ("domain", &self.domains)] {
            for (name, merged) in blocks.iter() {
                for source in &merged.sources {
                    referenced.entry(source.name.to_string()).or_default().push(format!("{kind}:{name}"));
                }
            }
        }
        referenced
    }

    /// Hex SHA-256 over what the files say, wherever they say it.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Fills in what follows from the merged blocks.
    pub(super) fn indexed(mut self) -> Self {
        let providers = self.providers.iter().map(|provider| &provider.merged);
        let sites = self.sites.iter().map(|(_, merged)| merged);
        let domains = self.domains.iter().map(|(_, merged)| merged);
        let all = std::iter::once(&self.default).chain(providers).chain(sites).chain(domains);
        self.rules = all.flat_map(Merged::rules).cloned().collect();
        self.by_id = self.rules.iter().enumerate().map(|(at, rule)| (rule.id, at)).collect();
        self.hash = RuleId(self.digest()).to_string();
        self
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = block(Digest::of("shaping"), &self.default).number(self.providers.len() as u128);
        for provider in &self.providers {
            let criteria = &provider.criteria;
            digest = digest.text(&provider.name);
            for list in [&criteria.domain_suffixes, &criteria.mx_suffixes, &criteria.host_names] {
                digest = digest.texts(list.iter().map(String::as_str));
            }
            digest = digest.param(provider.connection_limit.as_ref()).param(provider.message_rate.as_ref());
            digest = block(digest, &provider.merged);
        }
        for blocks in [&self.sites, &self.domains] {
            let mut sorted: Vec<_> = blocks.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            digest = digest.number(sorted.len() as u128);
            digest = sorted.into_iter().fold(digest, |digest, (name, merged)| block(digest.text(name), merged));
        }
        digest.finish()
    }
}

/// What decides which providers fit.
pub(super) struct Fitting<'d> {
    domain: &'d str,
    /// `None` where no provider can fit.
    pub(super) hosts: Option<Hosts<'d>>,
}

impl<'d> Fitting<'d> {
    pub(super) fn new(domain: &'d str, site: &'d str, hosts: Option<&'d [String]>) -> Self {
        Self { domain, hosts: is_dns_name(domain).then(|| Hosts::new(site, hosts)) }
    }

    pub(super) fn fit(&self, provider: &Provider) -> Fit {
        self.hosts.as_ref().map_or(Fit::No, |hosts| provider.criteria.fit(self.domain, hosts))
    }
}

fn block(digest: Digest, merged: &Merged) -> Digest {
    let digest = digest.number(u8::from(merged.replace_base)).params(&merged.params).sources(&merged.sources);
    let mut ids: Vec<RuleId> = merged.rules().iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    ids.iter().fold(digest.number(ids.len() as u128), Digest::id)
}

/// Domains are compared in lower case.
pub(super) fn lower(domain: &str) -> Cow<'_, str> {
    if domain.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        Cow::Borrowed(domain)
    } else {
        Cow::Owned(domain.to_lowercase())
    }
}

impl EgressPath {
    /// Lays a block over what was found so far.
    fn apply(&mut self, merged: &Merged) {
        if merged.replace_base {
            self.params.clear();
        }
        self.params.overlay(&merged.params);
    }

    fn apply_provider(&mut self, provider: &Provider, source: &str) {
        self.apply(&provider.merged);
        let name = &provider.name;
        set(&mut self.params, "provider_name", &Param::new(name.to_string().into(), provider.origin.clone()));
        if let Some(limit) = &provider.connection_limit {
            self.shared("additional_connection_limits", format!("shaping-provider-{name}-{source}-limit"), limit);
        }
        if let Some(rate) = &provider.message_rate {
            self.shared("additional_message_rate_throttles", format!("shaping-provider-{name}-{source}-rate"), rate);
        }
    }

    fn apply_provider_source(&mut self, provider: &Provider, source: &str) {
        let Some(SourceBlock { params, selection_rate, .. }) = provider.merged.source(source) else { return };
        self.params.overlay(params);
        if let Some(rate) = selection_rate {
            let key = format!("shaping-provider-{}-{source}-selection-rate", provider.name);
            self.shared("additional_source_selection_rates", key, rate);
        }
    }

    /// A limit or rate that all paths of a provider and source share, under a name that says so.
    fn shared(&mut self, name: &str, key: String, param: &Param) {
        set(&mut self.params, name, &Param::table(param.origin.clone(), vec![(key.into(), param.clone())]));
    }
}

fn set(params: &mut Params, name: &str, param: &Param) {
    if let Some(spec) = option(name) {
        params.set(spec, param);
    }
}
