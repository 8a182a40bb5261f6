//! The default rules and the quickstart's own, against the quickstart's responses: they load offline without a word, every
//! pattern earns its place, no two rules answer the same response, and no override loosens what the files say.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use kumo_tsa_core::shaping::{Action, LoadOptions, Mx, Rule, Scope, Setting, Shaping, Source, Trigger, option, parse};
use kumo_tsa_core::wire::{Limit, Throttle};
use regex::RegexSet;

const DEFAULT: &str = "policy-extras/shaping.toml";
const QUICKSTART: &str = "examples/quickstart/shaping.toml";

/// A domain of each provider, and its site as it is named today.
const SITES: &[(&str, &str, &str)] = &[
    ("google", "gmail.com", "(alt1|alt2|alt3|alt4)?.gmail-smtp-in.l.google.com"),
    ("google", "example.org", "(alt1|alt2|alt3|alt4)?.aspmx.l.google.com"),
    ("google", "example.org", "(alt1|alt2)?.aspmx?.(l|aspmx2|aspmx3).(google|googlemail).com"),
    ("yahoo", "yahoo.com", "(mta5|mta6|mta7).am0.yahoodns.net"),
    ("outlook", "outlook.com", "outlook-com.olc.protection.outlook.com"),
    ("office365", "example.org", "example-org.mail.protection.outlook.com"),
    ("office365-dane", "example.org", "example-org.a-v1.mx.microsoft"),
    ("apple", "icloud.com", "(mx01|mx02).mail.icloud.com"),
    ("comcast", "comcast.net", "(mx1a1|mx1c1|mx2c1|mx2h1).comcast.net"),
    ("orange", "orange.fr", "smtp-in.orange.fr"),
    ("laposte", "laposte.net", "smtpz4.laposte.net"),
    ("gmx", "gmx.de", "(mx00|mx01).emig.gmx.net"),
    ("gmx", "web.de", "(mx-ha02|mx-ha03).web.de"),
    ("mimecast", "example.org", "(eu-smtp-inbound-1|eu-smtp-inbound-2).mimecast.com"),
    ("qq", "qq.com", "(mx1|mx2|mx3).qq.com"),
    ("netease", "163.com", "(163mx01|163mx02|163mx03).mxmail.netease.com"),
    ("yahoo-japan", "yahoo.co.jp", "(mx1|mx2|mx3|mx5).mail.yahoo.co.jp"),
    ("other", "example.com", "mx.example.com"),
];

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The files merged, with a DNS that never answers.
fn load(files: &[&str]) -> Shaping {
    let parsed =
        files.iter().map(|file| Arc::new(parse(&Source::new(file, read(file))).unwrap_or_else(|e| panic!("{e}"))));
    let parsed: Vec<_> = parsed.collect();
    let mx = |_: &str| Mx::Unresolved { why: "offline".to_owned() };
    Shaping::merge(&parsed, &mx, &LoadOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// Provider and response as one line, for each line of the quickstart's collection.
fn responses() -> Vec<(String, String)> {
    let text = read("examples/quickstart/responses.tsv");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let response = |line: &str| {
        let columns: Vec<_> = line.split('\t').collect();
        let [provider, code, text] = columns[..] else { panic!("three columns: {line}") };
        assert!(code.len() == 3 && code.parse::<u16>().is_ok(), "a code: {line}");
        (provider.to_owned(), format!("{code} {text}"))
    };
    lines.map(response).collect()
}

/// Each rule with its patterns, compiled here once more: the loader's own are what is tested.
fn compiled(shaping: &Shaping) -> Vec<(&Rule, RegexSet)> {
    shaping.rules().map(|rule| (&**rule, RegexSet::new(rule.regex.iter().map(|p| &**p)).unwrap())).collect()
}

fn in_scope(rule: &Rule, provider: &str) -> bool {
    match &rule.scope {
        Scope::Default => true,
        Scope::Provider(name) => &**name == provider,
        Scope::Site(_) | Scope::Domain(_) => false,
    }
}

/// What an action does, whatever the value.
fn deed(action: &Action) -> String {
    match action {
        Action::SetConfig(setting) | Action::SetDomainConfig(setting) => setting.name.to_string(),
        other => other.to_string(),
    }
}

fn settings(rule: &Rule) -> impl Iterator<Item = &Setting> {
    rule.actions.iter().filter_map(|action| match action {
        Action::SetConfig(setting) | Action::SetDomainConfig(setting) => Some(setting),
        _ => None,
    })
}

#[test]
fn the_files_load_offline_without_a_word() {
    for files in [&[DEFAULT][..], &[DEFAULT, QUICKSTART]] {
        let shaping = load(files);
        assert_eq!((shaping.warnings(), shaping.errors()), (&[][..], &[][..]));
        assert_eq!(shaping.unresolved().len(), 0);
    }
}

#[test]
fn every_pattern_matches_a_response_of_its_scope() {
    let responses = responses();
    for (rule, set) in compiled(&load(&[DEFAULT, QUICKSTART])) {
        let own = responses.iter().filter(|(provider, _)| in_scope(rule, provider));
        let hit: BTreeSet<_> = own.flat_map(|(_, text)| set.matches(text)).collect();
        let idle: Vec<_> = (0..set.len()).filter(|at| !hit.contains(at)).map(|at| &rule.regex[at]).collect();
        assert!(idle.is_empty(), "{}: {idle:?} match no response of the quickstart", rule.origin);
    }
}

#[test]
fn every_provider_is_known_by_its_site_and_no_response_is_answered_twice_alike() {
    let shaping = load(&[DEFAULT, QUICKSTART]);
    let compiled = compiled(&shaping);
    let responses = responses();
    for (provider, domain, site) in SITES {
        for (_, text) in responses.iter().filter(|(of, _)| of == provider) {
            let expected = compiled.iter().filter(|(rule, set)| in_scope(rule, provider) && set.is_match(text));
            let expected: Vec<_> = expected.map(|(rule, _)| &rule.origin).collect();
            let found = shaping.matches(domain, site, text, false).matched;
            let origins: Vec<_> = found.iter().map(|matched| &matched.rule.origin).collect();
            assert_eq!(origins, expected, "{provider}: {text}");
            // A rule of one's own may add to what a default rule does, and not do the same once more.
            let deeds: Vec<_> = found.iter().flat_map(|matched| &matched.rule.actions).map(deed).collect();
            let distinct: BTreeSet<_> = deeds.iter().collect();
            assert_eq!(distinct.len(), deeds.len(), "{provider}: {text}: {origins:?}");
        }
    }
}

#[test]
fn delivered_mail_sets_off_no_rule_and_every_provider_delivers() {
    let shaping = load(&[DEFAULT, QUICKSTART]);
    let compiled = compiled(&shaping);
    let responses = responses();
    let delivered = |text: &str| text.starts_with("250 ");
    for (provider, text) in responses.iter().filter(|(_, text)| delivered(text)) {
        assert!(!compiled.iter().any(|(_, set)| set.is_match(text)), "{provider}: {text}");
    }
    let all: BTreeSet<_> = responses.iter().map(|(provider, _)| provider.as_str()).collect();
    let delivering = responses.iter().filter(|(_, text)| delivered(text)).map(|(provider, _)| provider.as_str());
    assert_eq!(all, delivering.collect());
    assert_eq!(all, SITES.iter().map(|(provider, ..)| *provider).collect());
}

#[test]
fn every_rule_waits_for_a_threshold_that_its_duration_outlasts() {
    for rule in load(&[DEFAULT, QUICKSTART]).rules() {
        let Trigger::Threshold { count, period } = rule.trigger else { panic!("{}: no threshold", rule.origin) };
        assert!(count.get() > 1 && period <= rule.duration, "{}: {:?}", rule.origin, rule.trigger);
    }
}

#[test]
fn the_default_rules_bounce_nothing() {
    for rule in load(&[DEFAULT]).rules() {
        let bounces =
            |action: &Action| matches!(action, Action::Bounce | Action::BounceTenant | Action::BounceCampaign);
        assert!(!rule.actions.iter().any(bounces), "{}", rule.origin);
    }
}

/// How strict one value of an option is next to another.
fn strictness(setting: &Setting, file: &serde_json::Value) -> Ordering {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let (new, old) = (text(&setting.value), text(file));
    match (new.parse::<Throttle>(), old.parse::<Throttle>()) {
        (Ok(new), Ok(old)) => new.cmp_strictness(&old),
        _ => limit(&new).cmp(&limit(&old)),
    }
}

fn limit(text: &str) -> u64 {
    text.parse::<Limit>().unwrap().limit.get()
}

#[test]
fn no_override_loosens_or_repeats_what_the_files_say() {
    let shaping = load(&[DEFAULT, QUICKSTART]);
    for (provider, domain, site) in SITES {
        let path = shaping.egress_path(domain, "source", site, None);
        for rule in shaping.rules().filter(|rule| in_scope(rule, provider)) {
            for setting in settings(rule) {
                let Some(param) = path.get(&setting.name) else { continue };
                let tightens = strictness(setting, &param.value) == Ordering::Less;
                assert!(tightens, "{}: {setting:?} over {} for {provider}", rule.origin, param.value);
            }
        }
    }
}

#[test]
fn no_option_repeats_what_holds_without_it() {
    let shaping = load(&[DEFAULT]);
    for (provider, domain, site) in SITES {
        for (name, param) in shaping.egress_path(domain, "source", site, None).iter() {
            let default = option(name).unwrap().default;
            let value = param.value.as_str().map_or_else(|| param.value.to_string(), ToOwned::to_owned);
            assert_ne!(value, default, "{provider}: `{name}` is the default");
            let repeated = param.overrode.iter().any(|older| older.value == param.value);
            assert!(!repeated, "{provider}: `{name}` is what `default` says");
        }
    }
}

#[test]
fn providers_that_ask_for_tls_get_it() {
    let shaping = load(&[DEFAULT]);
    let asked = ["google", "outlook", "office365-dane", "comcast", "gmx"];
    for (provider, domain, site) in SITES {
        let tls = shaping.egress_path(domain, "source", site, None).get("enable_tls").map(|param| param.value.clone());
        assert_eq!(tls.is_some_and(|tls| tls == "Required"), asked.contains(provider), "{provider}");
    }
}
