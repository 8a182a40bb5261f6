//! Overrides that loosen what the files say, or set what they say already (semantics A9).

use serde_json::Value;

use super::desk::{Desk, Spot};
use super::layer::Layers;
use super::value::{gives_up_tls, is_same};
use crate::shaping::finding::code;
use crate::shaping::merged::Merged;
use crate::shaping::param::{Param, Params};
use crate::shaping::strict::loosens;
use crate::shaping::{Action, OptionSpec, Origin, Scope, Setting, Shaping, option};

/// A value that the files give an option, with where and for whom.
struct Configured {
    value: Value,
    origin: Option<Origin>,
    whom: String,
}

pub(super) fn check(desk: &mut Desk<'_>, scope: &Layers<'_>, merged: &Shaping) {
    for (file, draft) in scope.rules() {
        for (action, span) in draft.actions.iter().zip(&draft.places.actions) {
            if let Action::SetConfig(setting) | Action::SetDomainConfig(setting) = action {
                one(desk, &Spot::new(file, span), setting, &configured(scope, merged, &setting.name));
            }
        }
    }
}

fn one(desk: &mut Desk<'_>, spot: &Spot, setting: &Setting, configured: &[Configured]) {
    let Setting { name, value } = setting;
    let allows_more =
        |one: &&Configured| loosens(name, Some(&one.value), value) || gives_up_tls(name, &one.value, value);
    if let Some(before) = configured.iter().find(allows_more) {
        let whose = before.origin.as_ref().map_or_else(|| "the default of the option".to_owned(), ToString::to_string);
        let message =
            format!("this override loosens `{name}`{}: {value} instead of {}, {whose}", before.whom, before.value);
        let help = "overrides are obeyed even then; set a stricter value, or loosen the files";
        desk.warn(code::OVERRIDE_LOOSENS, spot, message, help);
        if let Some(origin) = &before.origin {
            let place = desk.spot(origin);
            desk.note(&place, "stricter");
        }
        return;
    }
    let said = |one: &Configured| one.origin.is_some() && is_same(name, &one.value, value);
    if let [first, ..] = configured
        && configured.iter().all(said)
        && let Some(origin) = &first.origin
    {
        let message = format!("this override changes nothing: `{name}` is {value} already, by {origin}");
        let place = desk.spot(origin);
        desk.warn(code::OVERRIDE_CHANGES_NOTHING, spot, message, "set a stricter value, or remove the action")
            .note(&place, "set here");
    }
}

/// What the option is on the paths that a rule of the scope may act on, the most general first.
fn configured(scope: &Layers<'_>, merged: &Shaping, name: &str) -> Vec<Configured> {
    let mut found = Vec::new();
    let base = &merged.default.params;
    let default = || option(name).and_then(OptionSpec::default_value);
    let mut add = |param: Option<&Param>, whom: String| {
        let value = param.map(|param| param.value.clone()).or_else(default);
        found.extend(value.map(|value| Configured { value, origin: param.map(|param| param.origin.clone()), whom }));
    };
    let over = |merged: &Merged| laid(base, merged);
    match &scope.scope {
        Scope::Default => {
            add(base.get(name), String::new());
            for provider in &merged.providers {
                if let Some(param) = provider.merged.params.get(name) {
                    add(Some(param), format!(" of provider `{}`", provider.name));
                }
            }
            for (of, blocks) in [("site", &merged.sites), ("domain", &merged.domains)] {
                for (whose, merged) in blocks.iter() {
                    if let Some(param) = merged.params.get(name) {
                        add(Some(param), format!(" of {of} `{whose}`"));
                    }
                }
            }
        }
        Scope::Provider(provider) => {
            let Some(provider) = merged.providers.iter().find(|one| one.name == *provider) else { return found };
            add(over(&provider.merged).get(name), String::new());
            for source in &provider.merged.sources {
                if let Some(param) = source.params.get(name) {
                    add(Some(param), format!(" of source `{}`", source.name));
                }
            }
        }
        Scope::Site(site) => of_domain(scope, merged, name, site, &mut add),
        Scope::Domain(_) => of_domain(scope, merged, name, "", &mut add),
    }
    found
}

fn of_domain(
    scope: &Layers<'_>,
    merged: &Shaping,
    name: &str,
    site: &str,
    add: &mut impl FnMut(Option<&Param>, String),
) {
    let Some(domain) = &scope.domain else { return };
    add(merged.egress_path(domain, "", site, None).get(name), String::new());
    for source in scope.live().iter().flat_map(|layer| &layer.block.sources) {
        if source.params.get(name).is_some() {
            let path = merged.egress_path(domain, &source.name, site, None);
            add(path.get(name), format!(" of source `{}`", source.name));
        }
    }
}

/// The options of a block over those of `default`.
fn laid(base: &Params, merged: &Merged) -> Params {
    let mut params = if merged.replace_base { Params::default() } else { base.clone() };
    params.overlay(&merged.params);
    params
}
