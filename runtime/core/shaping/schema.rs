//! The JSON schema of shaping files, for editors: made of the tables that also load them.

use serde_json::{Map, Value, json};

use super::option::{KEY_FIELDS, Kind, OptionSpec, options};
use super::parse::field::{ACTIONS, DOMAIN, MATCH, PROVIDER, RULE, SELECTION_RATE, SETTING, TRIGGERS};
use crate::wire::duration_units;

const TITLE: &str = "shaping.toml: traffic shaping rules";
const ABOUT: &str = "Blocks of options and automation rules: `default`, `[provider.NAME]`, and any other name is a domain, in quotes. \
                     Blocks of several files merge; later files win.";
/// A number above zero, in which `,` and `_` help the eye.
const COUNT: &str = r"\s*(0[0,_]*)?[1-9][0-9,_]*\s*";
/// A period of a rate: a unit, or several of them.
const PERIOD: &str = r"\s*((0[0,_]*)?[1-9][0-9,_]*)?\s*(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)\s*";

/// A number, of seconds or of what follows.
const NUMBER: &str = r"[0-9]+(\.[0-9]+)?";
/// Seconds from which on a duration is too long: nanoseconds in 64 bits.
const TOO_LONG: u64 = 18_446_744_074;
/// An IP address or a network.
const NETWORK: &str = concat!(
    r"^(((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(/(3[0-2]|[0-2]?[0-9]))?",
    r"|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(/(12[0-8]|1[01][0-9]|[0-9]?[0-9]))?)$"
);

/// A JSON schema (draft 7) of shaping files, as TOML editors take it.
pub fn schema() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": TITLE,
        "description": ABOUT,
        "type": "object",
        "properties": {
            "default": refer("domain", Some("What holds for all sites.")),
            "provider": {
                "description": "Mailbox providers by name, each known by its mail hosts or domains.",
                "type": "object",
                "additionalProperties": refer("provider", None),
            },
        },
        "additionalProperties": refer("domain", Some("A domain; with `mx_rollup`, all domains of its site.")),
        "definitions": definitions(),
    })
}

fn definitions() -> Value {
    let mut all = Map::new();
    all.insert("domain".to_owned(), block(DOMAIN, "source"));
    all.insert("provider".to_owned(), block(PROVIDER, "provider_source"));
    all.insert("source".to_owned(), closed(option_refs(), &[]));
    let mut of_provider = option_refs();
    of_provider.insert(SELECTION_RATE.to_owned(), field(SELECTION_RATE, ""));
    all.insert("provider_source".to_owned(), closed(of_provider, &[]));
    all.insert("rule".to_owned(), rule());
    all.insert("action".to_owned(), action());
    all.insert("setting".to_owned(), setting());
    all.extend(options().iter().map(|spec| (name(spec), option(spec))));
    all.into()
}

/// A block: its own fields, and every option.
fn block(fields: &[&str], source: &str) -> Value {
    let mut properties: Map<String, Value> =
        fields.iter().map(|name| ((*name).to_owned(), field(name, source))).collect();
    properties.extend(option_refs());
    closed(properties, &[])
}

fn option_refs() -> Map<String, Value> {
    options().iter().map(|spec| (spec.name.to_owned(), refer(&name(spec), None))).collect()
}

/// What a definition of an option is called.
fn name(spec: &OptionSpec) -> String {
    format!("option.{}", spec.name)
}

/// `allOf`, since draft 7 ignores what stands beside a reference.
fn refer(definition: &str, description: Option<&str>) -> Value {
    let reference = json!({ "$ref": format!("#/definitions/{definition}") });
    match description {
        Some(description) => json!({ "description": description, "allOf": [reference] }),
        None => reference,
    }
}

/// A table that has these fields and no others.
fn closed(properties: Map<String, Value>, required: &[&str]) -> Value {
    let mut table = json!({ "type": "object", "properties": {}, "additionalProperties": false });
    table["properties"] = properties.into();
    if !required.is_empty() {
        table["required"] = json!(required);
    }
    table
}

/// A field of a block that is no option; `source` is what its sources are.
fn field(name: &str, source: &str) -> Value {
    let (description, mut schema) = match name {
        "mx_rollup" => (
            "Whether the block holds for all domains with the same mail hosts, or for this domain alone.",
            json!({ "type": "boolean", "default": true }),
        ),
        "replace_base" => (
            "Whether this block drops what earlier files say in it, and what `default` says, its rules included.",
            json!({ "type": "boolean", "default": false }),
        ),
        "automation" => (
            "Rules: what to do when a provider says something.",
            json!({ "type": "array", "items": refer("rule", None) }),
        ),
        "sources" => (
            "Options for one egress source each.",
            json!({ "type": "object", "additionalProperties": refer(source, None) }),
        ),
        "match" => (
            "What makes a domain the provider's: its ending, or every one of its mail hosts.",
            json!({ "type": "array", "items": matches() }),
        ),
        "provider_connection_limit" => (
            "Sessions that may be open at once from one source to all sites of the provider together.",
            kind(Kind::Limit),
        ),
        "provider_max_message_rate" => (
            "Messages that one source may send to all sites of the provider together in a period.",
            kind(Kind::Throttle),
        ),
        _ => ("How often the source may be chosen for all sites of the provider together.", kind(Kind::Throttle)),
    };
    schema["description"] = description.into();
    schema
}

fn matches() -> Value {
    let about = |name: &str| match name {
        "MXSuffix" => "The end of a mail host, as `.yahoodns.net`; each mail host must fit some match.",
        "DomainSuffix" => "The end of the domain; one that fits is enough.",
        _ => "A whole mail host; each mail host must fit some match.",
    };
    let field = |name: &str| (name.to_owned(), json!({ "type": "string", "description": about(name) }));
    let mut one = closed(MATCH.iter().map(|name| field(name)).collect(), &[]);
    one["minProperties"] = 1.into();
    one["maxProperties"] = 1.into();
    one
}

fn rule() -> Value {
    closed(RULE.iter().map(|name| ((*name).to_owned(), rule_field(name))).collect(), &["regex", "action", "duration"])
}

fn rule_field(name: &str) -> Value {
    let (description, mut schema) = match name {
        "regex" => (
            "A pattern for the response as one line: code, enhanced code, text; or a list of them, of which one is enough. Literal strings ('...') keep backslashes.",
            one_or_more(&json!({ "type": "string" })),
        ),
        "action" => ("What to do; a list does all of it.", one_or_more(&refer("action", None))),
        "trigger" => (
            "When to do it: at each match, or when so many matches lie within a period.",
            json!({ "anyOf": [{ "enum": &TRIGGERS[..1] }, threshold()], "default": "Immediate" }),
        ),
        "duration" => ("How long the effect lasts from the newest match; more than zero.", duration(true)),
        _ => (
            "Whether the rule sees responses that the mail host made up itself, such as failed connections.",
            json!({ "type": "boolean", "default": false }),
        ),
    };
    schema["description"] = description.into();
    schema
}

fn threshold() -> Value {
    let text = json!({
        "type": "string",
        "description": "Matches in a period, such as `2/hr` or `5/10m`.",
        "pattern": format!("^{COUNT}/{PERIOD}$"),
    });
    closed([(TRIGGERS[1].to_owned(), text)].into_iter().collect(), &TRIGGERS[1..])
}

/// A value, or a list of at least one.
fn one_or_more(one: &Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
}

fn action() -> Value {
    let sets = |name: &&str| name.starts_with("Set");
    let (setting, plain): (Vec<&str>, Vec<&str>) = ACTIONS.iter().copied().partition(sets);
    let mut ways = vec![json!({ "enum": plain })];
    for name in setting {
        ways.push(closed([(name.to_owned(), refer("setting", None))].into_iter().collect(), &[name]));
    }
    json!({ "anyOf": ways })
}

/// An option and a value that it takes.
fn setting() -> Value {
    let names: Vec<&str> = options().iter().map(|spec| spec.name).collect();
    let fields = [
        (SETTING[0].to_owned(), json!({ "enum": names, "description": "The option to override." })),
        (SETTING[1].to_owned(), json!({ "description": "What it is to be." })),
    ];
    let mut table = closed(fields.into_iter().collect(), SETTING);
    let each = |spec: &OptionSpec| {
        json!({
            "if": { "properties": { "name": { "const": spec.name } }, "required": ["name"] },
            "then": { "properties": { "value": refer(&name(spec), None) } },
        })
    };
    table["allOf"] = options().iter().map(each).collect();
    table
}

fn option(spec: &OptionSpec) -> Value {
    let mut schema = kind(spec.kind);
    let default = if spec.default == "nil" { "unset".to_owned() } else { format!("`{}`", spec.default) };
    schema["description"] = format!("{} Default: {default}.", spec.doc).into();
    if spec.default != "nil" {
        schema["default"] = serde_json::from_str(spec.default).unwrap_or_else(|_| spec.default.into());
    }
    schema
}

/// What values a kind takes, as far as a schema can say it.
fn kind(kind: Kind) -> Value {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Count => json!({ "type": "integer", "minimum": 0 }),
        Kind::Port => json!({ "type": "integer", "minimum": 0, "maximum": 65_535 }),
        Kind::Text => json!({ "type": "string" }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Cidrs => json!({ "type": "array", "items": { "type": "string", "pattern": NETWORK } }),
        Kind::Duration => duration(false),
        Kind::Limit => json!({ "anyOf": [
            { "type": "integer", "minimum": 1 },
            { "type": "string", "pattern": format!("^(local:)?{COUNT}$") },
        ] }),
        Kind::Throttle => {
            json!({ "type": "string", "pattern": format!("^(local:)?{COUNT}/{PERIOD}(,max_burst={COUNT})?$") })
        }
        Kind::Limits | Kind::Throttles => {
            json!({ "type": "object", "additionalProperties": kind.inner().map(self::kind) })
        }
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Key => json!({ "anyOf": [{ "type": "string" }, key()] }),
    }
}

/// A text such as `1h 30m`, or seconds; `some` is for those that must not be zero.
fn duration(some: bool) -> Value {
    let units: Vec<_> = duration_units().collect();
    let with_units = format!(r"({NUMBER}\s*({})\s*)+", units.join("|"));
    let mut text = json!({ "type": "string", "pattern": format!(r"^\s*({with_units}|{NUMBER}\s*)$") });
    let mut seconds = json!({ "type": "number", "minimum": 0, "exclusiveMaximum": TOO_LONG });
    if some {
        text["allOf"] = json!([{ "pattern": "[1-9]" }]);
        seconds["exclusiveMinimum"] = 0.into();
    }
    json!({ "anyOf": [text, seconds] })
}

/// A table that says where a key is kept.
fn key() -> Value {
    let field =
        |(name, any): &(&str, bool)| ((*name).to_owned(), if *any { json!({}) } else { json!({ "type": "string" }) });
    let mut table = closed(KEY_FIELDS.iter().map(field).collect(), &[]);
    table["oneOf"] = json!([
        { "required": ["key_data"] },
        { "required": ["vault_mount", "vault_path"] },
        { "required": ["event_name"] },
    ]);
    table
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The descriptions of some fields: as many as fields, or one of them was forgotten.
    fn descriptions(schema: &Value, fields: &[&str]) -> usize {
        let said = |name: &&str| schema["properties"][*name]["description"].as_str().unwrap().to_owned();
        fields.iter().map(said).collect::<BTreeSet<_>>().len()
    }

    #[test]
    fn a7_every_field_that_is_read_is_described() {
        let all = definitions();
        assert_eq!(descriptions(&all["domain"], DOMAIN), DOMAIN.len());
        assert_eq!(descriptions(&all["provider"], PROVIDER), PROVIDER.len());
        assert_eq!(descriptions(&all["provider_source"], &[SELECTION_RATE]), 1);
        assert_eq!(descriptions(&all["rule"], RULE), RULE.len());
        assert_eq!(SETTING, ["name", "value"]);
        assert_eq!(TRIGGERS, ["Immediate", "Threshold"]);
    }

    #[test]
    fn a7_every_option_has_its_doc_and_its_default() {
        let all = definitions();
        for spec in options() {
            let option = &all[name(spec)];
            assert!(option["description"].as_str().unwrap().starts_with(spec.doc), "{}", spec.name);
            assert_eq!(option.get("default").is_some(), spec.default != "nil", "{}", spec.name);
            for block in ["domain", "provider", "source", "provider_source"] {
                let reference = format!("#/definitions/option.{}", spec.name);
                assert_eq!(all[block]["properties"][spec.name]["$ref"], reference, "{block}");
            }
        }
    }
}
