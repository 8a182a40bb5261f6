//! Blocks of domains: what they roll up into, and the sources that they name.

use std::collections::BTreeMap;

use super::desk::{Desk, Spot};
use super::layer::Layers;
use crate::shaping::Mx;
use crate::shaping::file::{DomainBlock, MatchEntry};
use crate::shaping::finding::code;
use crate::shaping::provider::{Criteria, Fit, Hosts, is_dns_name};

/// A block that rolls up.
struct Rolled<'f> {
    file: usize,
    block: &'f DomainBlock,
}

impl Rolled<'_> {
    fn spot(&self) -> Spot {
        Spot::new(self.file, &self.block.block.span)
    }
}

/// A provider as all files together have it.
struct Merged<'f> {
    name: &'f str,
    criteria: Criteria,
    spot: Spot,
}

pub(super) fn check(desk: &mut Desk<'_>) {
    let files = desk.input.files.iter().enumerate().filter(|(_, checked)| !checked.file.generated);
    let rolled: Vec<Rolled<'_>> = files
        .flat_map(|(file, checked)| checked.file.domains.iter().map(move |block| Rolled { file, block }))
        .filter(|rolled| rolled.block.mx_rollup)
        .collect();
    let providers = providers(desk);
    let mut sites: BTreeMap<String, Vec<&Rolled<'_>>> = BTreeMap::new();
    for one in &rolled {
        let name = &one.block.name;
        let site = if looks_like_a_domain(name) {
            look_up(desk, one)
        } else {
            let message = format!("`{name}` rolls up, and is no domain that has mail hosts");
            desk.warn(code::ROLLUP_UNRESOLVED, &one.spot(), message, "add `mx_rollup = false` to the block");
            None
        };
        covered(desk, one, site.as_ref(), &providers);
        if let Some((site, _)) = site {
            sites.entry(site).or_default().push(one);
        }
    }
    for (site, rolled) in sites {
        alias(desk, &site, &rolled);
    }
}

/// A name, a name with a port, or an address in brackets.
fn looks_like_a_domain(name: &str) -> bool {
    let host = name.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(name, |(host, _)| host);
    is_dns_name(host) || (host.starts_with('[') && host.ends_with(']'))
}

fn providers<'f>(desk: &Desk<'f>) -> Vec<Merged<'f>> {
    let mut merged: Vec<Merged<'f>> = Vec::new();
    for (file, checked) in desk.input.files.iter().enumerate() {
        for provider in &checked.file.providers {
            match merged.iter_mut().find(|have| have.name == &*provider.name) {
                Some(have) if provider.block.replace_base => have.criteria = provider.criteria.clone(),
                Some(have) => have.criteria.extend(&provider.criteria),
                None => merged.push(Merged {
                    name: &provider.name,
                    criteria: provider.criteria.clone(),
                    spot: Spot::new(file, &provider.block.span),
                }),
            }
        }
    }
    merged
}

/// The site of a domain and its hosts, where DNS tells them.
fn look_up(desk: &mut Desk<'_>, one: &Rolled<'_>) -> Option<(String, Vec<String>)> {
    let name = &one.block.name;
    let (code, why) = match desk.input.mx(name)? {
        Mx::Site { name, hosts } if !name.is_empty() => return Some((name, hosts)),
        Mx::Site { .. } | Mx::Null => {
            (code::ROLLUP_NULL_MX, format!("`{name}` has a null MX: it takes no mail, and has nothing to roll up into"))
        }
        Mx::Unresolved { why } => (code::ROLLUP_UNRESOLVED, format!("the mail hosts of `{name}` are not known: {why}")),
    };
    let help = "the block acts for this domain alone; say so with `mx_rollup = false`, or correct the name";
    desk.warn(code, &one.spot(), why, help);
    None
}

fn covered(desk: &mut Desk<'_>, one: &Rolled<'_>, site: Option<&(String, Vec<String>)>, providers: &[Merged<'_>]) {
    let name = &one.block.name;
    let (known, none) = (site.map(|(_, hosts)| hosts.as_slice()), [].as_slice());
    let hosts = Hosts::new("", Some(known.unwrap_or(none)));
    for provider in providers {
        let fit = provider.criteria.fit(name, &hosts);
        if fit != Fit::No {
            let by = if fit == Fit::Hosts { "by its mail hosts" } else { "by its name" };
            let message = format!("provider `{}` also covers `{name}`, {by}", provider.name);
            let help = "both blocks apply, and rules of both act; put what is for the whole provider there, or add \
                        `mx_rollup = false` if the domain alone is meant";
            desk.warn(code::ROLLUP_COVERED, &one.spot(), message, help).note(&provider.spot, "the provider");
        }
        untold(desk, one, site, provider);
    }
}

/// A site whose hosts all fit a provider, by names that the site's own name does not tell (semantics S3).
fn untold(desk: &mut Desk<'_>, one: &Rolled<'_>, site: Option<&(String, Vec<String>)>, provider: &Merged<'_>) {
    let Some((site, hosts)) = site else { return };
    let fits = |hosts: &Hosts<'_>| provider.criteria.fit("", hosts) == Fit::Hosts;
    if !fits(&Hosts::new(site, Some(hosts))) || fits(&Hosts::new(site, None)) {
        return;
    }
    let (file, entry) =
        host_name(desk, provider.name).map_or((provider.spot.file, None), |(file, entry)| (file, Some(entry)));
    let spot = entry.map_or_else(|| provider.spot.clone(), |entry| Spot::new(file, &entry.span));
    let name = &one.block.name;
    let message = format!(
        "the site of `{name}` is called `{site}`, which does not tell its hosts apart: `HostName` does not fit it"
    );
    let help = "where two parts of the names differ only suffixes count; use `MXSuffix`";
    desk.warn(code::HOST_NAME_UNTOLD, &spot, message, help).note(&one.spot(), "the domain");
}

fn host_name<'f>(desk: &Desk<'f>, provider: &str) -> Option<(usize, &'f MatchEntry)> {
    desk.input.files.iter().enumerate().find_map(|(file, checked)| {
        let blocks = checked.file.providers.iter().filter(|block| &*block.name == provider);
        blocks.flat_map(|block| &block.matches).find(|entry| entry.field == "HostName").map(|entry| (file, entry))
    })
}

fn alias(desk: &mut Desk<'_>, site: &str, rolled: &[&Rolled<'_>]) {
    let Some((first, rest)) = rolled.split_first() else { return };
    for one in rest.iter().filter(|one| one.block.name != first.block.name) {
        let message = format!(
            "`{}` rolls up into the site of `{}`, {site}: both blocks apply to both domains",
            one.block.name, first.block.name
        );
        let help =
            "put what is for the site into one of them, or add `mx_rollup = false` to what is for one domain alone";
        desk.warn(code::ROLLUP_ALIAS, &one.spot(), message, help).note(&first.spot(), "the first block of this site");
    }
}

/// Sources that nobody defines.
pub(super) fn sources(desk: &mut Desk<'_>, scope: &Layers<'_>) {
    let Some(has_source) = desk.input.has_source else { return };
    for layer in scope.live() {
        for source in layer.block.sources.iter().filter(|source| !has_source(&source.name)) {
            let message = format!("there is no source `{}`: what is said for it here has no effect", source.name);
            let help = "correct the name, or define the source in the policy";
            desk.warn(code::UNKNOWN_SOURCE, &Spot::new(layer.file, &source.span), message, help);
        }
    }
}
