//! Options of blocks: values that change nothing, allow more than before, or have no effect; rules that a block drops.

use std::collections::HashMap;

use serde_json::Value;

use super::desk::{Desk, Spot};
use super::layer::{Layer, Layers};
use crate::shaping::Scope;
use crate::shaping::finding::code;
use crate::shaping::option::{Kind, duration, option};
use crate::shaping::param::{Param, Params};
use crate::shaping::parse::field::SELECTION_RATE;
use crate::shaping::strict::loosens;

/// From the weakest.
const TLS: &[&str] = &["Disabled", "OpportunisticInsecure", "Opportunistic", "RequiredInsecure", "Required"];

/// Values that earlier files set: by source, if it is one's, and option.
type Before = HashMap<(String, String), (usize, Param)>;

pub(super) fn check(desk: &mut Desk<'_>, scope: &Layers<'_>) {
    let mut before = Before::new();
    for (at, layer) in scope.all.iter().enumerate() {
        if layer.block.replace_base && at > 0 {
            before.clear();
            dropped(desk, scope.all.get(..at).unwrap_or_default(), layer);
        }
        for (source, option, param) in values(layer) {
            let key = (source.to_owned(), option.to_owned());
            if let Some((_, older)) = before.get(&key).filter(|(file, _)| *file != layer.file) {
                compare(desk, option, older, param);
            }
            before.insert(key, (layer.file, param.clone()));
        }
        without_effect(desk, layer);
        if scope.scope == Scope::Default {
            unused_sources(desk, layer);
        }
    }
}

/// All values of a block, with the source that they are for.
fn values<'f>(layer: &Layer<'f>) -> Vec<(&'f str, &'f str, &'f Param)> {
    let of = |source: &'f str, params: &'f Params| params.iter().map(move |(spec, param)| (source, spec.name, param));
    let block = layer.block;
    let mut values: Vec<_> = of("", &block.params).collect();
    if let Some(provider) = layer.provider {
        values.extend(provider.connection_limit.iter().map(|param| ("", "provider_connection_limit", param)));
        values.extend(provider.message_rate.iter().map(|param| ("", "provider_max_message_rate", param)));
    }
    for source in &block.sources {
        values.extend(of(&source.name, &source.params));
        values.extend(source.selection_rate.iter().map(|param| (&*source.name, SELECTION_RATE, param)));
    }
    values
}

fn compare(desk: &mut Desk<'_>, option: &str, older: &Param, newer: &Param) {
    if !newer.entries.is_empty() {
        for (name, newer) in &newer.entries {
            if let Some((_, older)) = older.entries.iter().find(|(have, _)| have == name) {
                compare(desk, option, older, newer);
            }
        }
        return;
    }
    let (place, before) = (desk.spot(&newer.origin), desk.spot(&older.origin));
    let (value, was, origin) = (&newer.value, &older.value, &older.origin);
    if is_same(option, was, value) {
        let message = format!("option `{option}` is {value} already, by {origin}");
        let help = "leave it out, so that a change there counts";
        desk.warn(code::OPTION_CHANGES_NOTHING, &place, message, help).note(&before, "set here");
    } else if is_weaker(option, was, value) {
        let message = format!("option `{option}` becomes {value}, weaker than {was} of {origin}");
        let help = "the last file wins; leave it out, or set a stricter value";
        desk.warn(code::OPTION_WEAKER, &place, message, help).note(&before, "stricter");
    }
}

fn is_weaker(option: &str, was: &Value, value: &Value) -> bool {
    let as_limit = match option {
        "provider_connection_limit" | "additional_connection_limits" => "connection_limit",
        "provider_max_message_rate" | "additional_message_rate_throttles" => "max_message_rate",
        SELECTION_RATE | "additional_source_selection_rates" => "source_selection_rate",
        option => option,
    };
    loosens(as_limit, Some(was), value) || is_weaker_tls(option, was, value)
}

fn is_weaker_tls(name: &str, was: &Value, value: &Value) -> bool {
    let strength = |value: &Value| TLS.iter().position(|word| Some(*word) == value.as_str());
    name == "enable_tls" && strength(value) < strength(was)
}

/// Whether an override gives up TLS that the files demand. Where it is only tried, an override that tries less is what one writes for
/// hosts whose TLS is broken.
pub(super) fn gives_up_tls(name: &str, was: &Value, value: &Value) -> bool {
    was.as_str().is_some_and(|word| word.starts_with("Required")) && is_weaker_tls(name, was, value)
}

/// Whether two values of an option say the same, as `60s` and `1m` do.
pub(super) fn is_same(name: &str, one: &Value, other: &Value) -> bool {
    let is_duration = option(name).is_some_and(|spec| spec.kind == Kind::Duration);
    let time = |value| duration(value).and_then(Result::ok);
    one == other || (is_duration && time(one).is_some_and(|one| time(other) == Some(one)))
}

fn dropped(desk: &mut Desk<'_>, before: &[Layer<'_>], layer: &Layer<'_>) {
    let from = before.iter().rposition(|layer| layer.block.replace_base).unwrap_or(0);
    let live = before.get(from..).unwrap_or_default();
    let older = live.iter().flat_map(|older| older.block.automation.iter().map(|draft| (older.file, draft)));
    let kept = |patterns| layer.block.automation.iter().any(|draft| draft.patterns == patterns);
    let lost: Vec<_> = older.filter(|(_, draft)| !kept(draft.patterns.clone())).collect();
    if lost.is_empty() {
        return;
    }
    let rules = if lost.len() == 1 { "a rule".to_owned() } else { format!("{} rules", lost.len()) };
    let message = format!("`replace_base` throws away {rules} of earlier files");
    let help =
        "without `replace_base` later values go before earlier ones and rules stay; or copy the rules that you need";
    desk.warn(code::REPLACE_BASE_DROPS_RULES, &layer.spot(), message, help);
    for (file, draft) in lost {
        desk.note(&Spot::new(file, &draft.places.rule), "thrown away");
    }
}

fn without_effect(desk: &mut Desk<'_>, layer: &Layer<'_>) {
    let known = desk.input.without_effect;
    for (_, option, param) in values(layer) {
        let Some((_, instead)) = known.iter().find(|(name, _)| *name == option) else { continue };
        // Switching off what does not happen anyway asks for nothing.
        if param.value == Value::Bool(false) {
            continue;
        }
        let message = format!("option `{option}` is accepted and has no effect yet: {instead}");
        desk.warn(
            code::OPTION_WITHOUT_EFFECT,
            &desk.spot(&param.origin),
            message,
            "leave it out, or do not rely on it",
        );
    }
}

fn unused_sources(desk: &mut Desk<'_>, layer: &Layer<'_>) {
    for source in &layer.block.sources {
        let message = format!(
            "source `{}` of the `default` block has no effect: sources are looked for in blocks of domains and providers",
            source.name
        );
        let help = "name it in the blocks of the domains or providers that it is meant for";
        desk.warn(code::OPTION_WITHOUT_EFFECT, &Spot::new(layer.file, &source.span), message, help);
    }
}
