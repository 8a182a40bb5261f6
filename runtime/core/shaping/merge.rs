//! From files to one immutable value (interface D.4, semantics S4, S5, S7).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::file::{DomainBlock, File};
use super::merged::{Merged, Provider};
use super::provider::{Fit, Hosts};
use super::{Findings, Level, LoadOptions, Mx, Origin, Scope, Shaping};

/// A block that rolls up but for whose domain no mail hosts are known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unresolved {
    /// The domain, in lower case.
    pub domain: Arc<str>,
    /// Where the block stands.
    pub origin: Origin,
    /// What DNS said.
    pub why: String,
}

impl Shaping {
    /// Merges files in their order.
    ///
    /// `mx` says what is known about the mail hosts of the domains that [`File::rolled_domains`] listed.
    ///
    /// What is doubtful is graded by `options` and found in [`Shaping::warnings`] and [`Shaping::errors`].
    ///
    /// # Errors
    /// None so far: what a file gets wrong by itself is found by [`super::parse`]. Checks across files that cannot be graded
    /// belong here.
    pub fn merge(files: &[Arc<File>], mx: &dyn Fn(&str) -> Mx, options: &LoadOptions) -> Result<Self, Findings> {
        let mut merge = Merge::new(mx, options);
        for file in files {
            merge.file(file);
        }
        merge.check_aliases();
        merge.check_overlaps();
        Ok(merge.seal())
    }
}

/// A domain that was rolled up.
struct Rolled {
    domain: Arc<str>,
    site: Arc<str>,
    hosts: Vec<String>,
    origin: Origin,
}

struct Merge<'a> {
    mx: &'a dyn Fn(&str) -> Mx,
    options: &'a LoadOptions,
    /// What has been merged so far.
    to: Shaping,
    /// Whether some file has a `default` block.
    default_seen: bool,
    rolled: Vec<Rolled>,
}

impl<'a> Merge<'a> {
    fn new(mx: &'a dyn Fn(&str) -> Mx, options: &'a LoadOptions) -> Self {
        Self { mx, options, to: Shaping::default(), default_seen: false, rolled: Vec::new() }
    }

    fn note(&mut self, level: Level, text: String) {
        match level {
            Level::Ignore => {}
            Level::Warn => self.to.warnings.push(text),
            Level::Error => self.to.errors.push(text),
        }
    }

    fn file(&mut self, file: &File) {
        self.to.warnings.extend(file.warnings.iter().map(ToString::to_string));
        if let Some(block) = &file.default {
            if self.default_seen {
                self.to.default.merge(block);
            } else {
                self.to.default = Merged::of(block);
            }
            self.default_seen = true;
        }
        for block in &file.providers {
            match self.to.providers.iter_mut().find(|have| have.name == block.name) {
                Some(have) => have.merge(block),
                None => self.to.providers.push(Provider::of(block)),
            }
        }
        for domain in &file.domains {
            self.domain(domain, file.generated);
        }
    }

    fn domain(&mut self, domain: &DomainBlock, generated: bool) {
        if !domain.mx_rollup {
            return self.to.domains.merge(&domain.name, &domain.block);
        }
        if let Some(site) = &domain.site {
            return self.to.sites.merge(site, &domain.block);
        }
        match (self.mx)(&domain.name) {
            Mx::Site { name, hosts } if !name.is_empty() => {
                let site = Arc::from(name);
                self.to.sites.merge(&site, &domain.block);
                // What a daemon generated overlaps by its nature; nobody wrote it.
                if !generated {
                    let (domain, origin) = (domain.name.clone(), domain.block.origin.clone());
                    self.rolled.push(Rolled { domain, site, hosts, origin });
                }
            }
            Mx::Site { .. } | Mx::Null => {
                let name = &domain.name;
                let why = format!("domain {name} has a NULL MX and cannot be used with mx_rollup=true");
                self.keep_for_domain(domain, self.options.null_mx, &why, "null MX".to_owned());
            }
            Mx::Unresolved { why } => {
                let text = format!("error resolving MX for {}: {why}", domain.name);
                self.keep_for_domain(domain, self.options.dns_fail, &text, why);
            }
        }
    }

    /// The block acts for its own domain until its mail hosts are known (semantics S4), which is always worth a warning.
    fn keep_for_domain(&mut self, domain: &DomainBlock, level: Level, text: &str, why: String) {
        let (name, origin) = (&domain.name, &domain.block.origin);
        let text =
            format!("{origin}: {text}. Until it resolves, its block acts as with mx_rollup=false, for {name} alone.");
        self.note(level.max(Level::Warn), text);
        self.to.unresolved.push(Unresolved { domain: name.clone(), origin: origin.clone(), why });
        self.to.domains.merge(name, &domain.block);
    }

    fn check_aliases(&mut self) {
        let mut by_site: BTreeMap<&str, Vec<&Rolled>> = BTreeMap::new();
        for rolled in &self.rolled {
            by_site.entry(&rolled.site).or_default().push(rolled);
        }
        let said: Vec<String> = by_site
            .into_iter()
            .filter(|(_, rolled)| rolled.len() > 1)
            .map(|(site, rolled)| {
                let domains: Vec<&str> = rolled.iter().map(|rolled| &*rolled.domain).collect();
                let places: Vec<String> = rolled.iter().map(|rolled| rolled.origin.to_string()).collect();
                let (domains, places) = (domains.join(", "), places.join(", "));
                format!("multiple domain blocks alias to the same site: {site}: {domains} ({places})")
            })
            .collect();
        for text in said {
            self.note(self.options.aliased_site, text);
        }
    }

    fn check_overlaps(&mut self) {
        let mut said = Vec::new();
        for Rolled { domain, hosts, origin, site } in &self.rolled {
            let hosts = Hosts::new(site, Some(hosts));
            let fits = |provider: &&Provider| provider.criteria.fit(domain, &hosts) != Fit::No;
            let names: Vec<&str> = self.to.providers.iter().filter(fits).map(|provider| &*provider.name).collect();
            if !names.is_empty() {
                said.push(format!("domain {domain} is also matched by provider(s): {} ({origin})", names.join(", ")));
            }
        }
        for text in said {
            self.note(self.options.provider_overlap, text);
        }
    }

    fn seal(mut self) -> Shaping {
        self.to.default.seal(&Scope::Default);
        for provider in &mut self.to.providers {
            provider.merged.seal(&Scope::Provider(provider.name.clone()));
        }
        for (name, merged) in self.to.sites.iter_mut() {
            merged.seal(&Scope::Site(name.clone()));
        }
        for (name, merged) in self.to.domains.iter_mut() {
            merged.seal(&Scope::Domain(name.clone()));
        }
        self.to.indexed()
    }
}
