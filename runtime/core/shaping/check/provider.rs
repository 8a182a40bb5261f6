//! Which domains a provider fits (semantics S3).

use std::collections::BTreeMap;

use super::desk::{Desk, Spot};
use super::layer::{Layer, Layers};
use crate::shaping::Scope;
use crate::shaping::file::MatchEntry;
use crate::shaping::finding::code;
use crate::shaping::provider::{Criteria, Fit, Hosts};
use crate::shaping::site::site_name;
use crate::shaping::suggest::{nearest, quoted};

pub(super) fn check(desk: &mut Desk<'_>, scope: &Layers<'_>) {
    let Scope::Provider(name) = &scope.scope else { return };
    let entries: Vec<(usize, &MatchEntry)> = scope.live().iter().flat_map(entries).collect();
    let refused = |layer: &Layer<'_>| layer.provider.is_some_and(|provider| provider.match_refused);
    if entries.is_empty() && desk.input.complete && !scope.live().iter().any(refused) {
        without_match(desk, scope, name);
    }
    for (file, entry) in &entries {
        one(desk, &Spot::new(*file, &entry.span), entry);
    }
    untold(desk, &entries);
}

fn entries<'f>(layer: &Layer<'f>) -> impl Iterator<Item = (usize, &'f MatchEntry)> + use<'f> {
    let file = layer.file;
    layer.provider.into_iter().flat_map(move |provider| provider.matches.iter().map(move |entry| (file, entry)))
}

fn without_match(desk: &mut Desk<'_>, scope: &Layers<'_>, name: &str) {
    let Some(first) = scope.live().first() else { return };
    let dead = match scope.rules().count() {
        0 => "its options never apply".to_owned(),
        1 => "its rule never acts".to_owned(),
        n => format!("its {n} rules never act"),
    };
    let spot = first.spot();
    if let Some((_, entry)) = scope.all.iter().flat_map(entries).next() {
        let message = format!("`replace_base` of provider `{name}` drops its `match`, so it fits no domain: {dead}");
        let help = format!("give it again, as in `match = [{{{} = \"{}\"}}]`", entry.field, entry.text);
        desk.warn(code::PROVIDER_WITHOUT_MATCH, &spot, message, help);
        return;
    }
    let message = format!("provider `{name}` has no `match` in any file, so it fits no domain: {dead}");
    let all = desk.input.files.iter().flat_map(|checked| &checked.file.providers);
    let mut names: Vec<&str> =
        all.filter(|provider| !provider.matches.is_empty()).map(|provider| &*provider.name).collect();
    names.dedup();
    let near = nearest(name, names.iter().copied());
    let meant = match if near.is_empty() { names } else { near } {
        names if names.is_empty() => String::new(),
        names => format!(", or use the name of one that has it: {}", quoted(names)),
    };
    let help = format!("add `match = [{{MXSuffix = \".example.com\"}}]` to it{meant}");
    desk.warn(code::PROVIDER_WITHOUT_MATCH, &spot, message, help);
}

fn one(desk: &mut Desk<'_>, spot: &Spot, entry: &MatchEntry) {
    let MatchEntry { field, text, .. } = entry;
    if text.is_empty() {
        if *field == "HostName" {
            let message = "`HostName` is empty: no host has that name".to_owned();
            desk.warn(code::MATCH_NEVER_FITS, spot, message, "write the whole name of a mail host");
        } else {
            let message = format!("`{field}` is empty: everything ends in it");
            desk.warn(code::MATCH_FITS_ALL, spot, message, "what holds for all domains belongs into `default`");
        }
        return;
    }
    let (why, mended) = if text.ends_with('.') {
        ("hosts and domains are compared without the dot at their end", text.trim_end_matches('.').to_lowercase())
    } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        ("hosts and domains are compared in lower case", text.to_lowercase())
    } else if text.contains('*') {
        ("it is plain text, not a pattern", text.trim_start_matches('*').to_owned())
    } else if text.contains("..") || (*field == "HostName" && text.starts_with('.')) {
        ("a name has no empty part", text.split('.').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("."))
    } else if text.contains(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !"-_.".contains(c)) {
        ("no host has such a character in its name", String::new())
    } else {
        return;
    };
    let message = format!("`{field}` `{text}` never fits: {why}");
    let help = match mended.as_str() {
        "" => "write the end of a host's name, such as `.example.com`".to_owned(),
        mended => format!("write `{mended}`"),
    };
    desk.warn(code::MATCH_NEVER_FITS, spot, message, help);
}

/// Hosts of one owner that would make a site name which does not tell them apart.
fn untold(desk: &mut Desk<'_>, entries: &[(usize, &MatchEntry)]) {
    let texts = |field: &str| -> Vec<String> {
        entries.iter().filter(|(_, entry)| entry.field == field).map(|(_, entry)| entry.text.clone()).collect()
    };
    let criteria =
        Criteria { domain_suffixes: Vec::new(), mx_suffixes: texts("MXSuffix"), host_names: texts("HostName") };
    let mut owned: BTreeMap<String, Vec<&(usize, &MatchEntry)>> = BTreeMap::new();
    for entry in entries.iter().filter(|(_, entry)| entry.field == "HostName") {
        owned.entry((desk.input.owner)(&entry.1.text)).or_default().push(entry);
    }
    for hosts in owned.into_values().filter(|hosts| hosts.len() > 1) {
        let names: Vec<&str> = hosts.iter().map(|(_, entry)| entry.text.as_str()).collect();
        let site = site_name(&names);
        let fits = |hosts: &Hosts<'_>| criteria.fit("", hosts) != Fit::No;
        let known: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        if fits(&Hosts::new(&site, None)) || !fits(&Hosts::new(&site, Some(&known))) {
            continue;
        }
        let [(file, first), rest @ ..] = hosts.as_slice() else { continue };
        let message = format!(
            "a site of these hosts is called `{site}`, which does not tell its hosts apart: `HostName` does not fit it"
        );
        let help = "where two parts of the names differ only suffixes count; use `MXSuffix`";
        desk.warn(code::HOST_NAME_UNTOLD, &Spot::new(*file, &first.span), message, help);
        for (file, entry) in rest {
            desk.note(&Spot::new(*file, &entry.span), "with this one");
        }
    }
}
