//! All that is explained, before anybody reads it.

use kumo_tsa_core::decide::{EffectId, Place, View};
use kumo_tsa_core::shaping::{
    Criterion, EgressPath, OptionSpec, Origin, Param, ProviderFit, Scope, Taking, loosens, option,
};
use kumo_tsa_core::wire::Time;
use serde::Serialize;
use serde_json::Value;

use super::daemon::Listed;
use super::reply::Reply;
use super::rules::Rules;
use super::site::Destination;

/// What holds for mail to a domain from a source.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    pub(super) domain: String,
    pub(super) source: String,
    pub(super) site: String,
    /// As DNS says; absent where the site was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hosts: Option<Vec<String>>,
    /// Where the rules were loaded from.
    pub(super) rules: Vec<String>,
    /// The blocks that take part, in their order.
    pub(super) blocks: Vec<Block>,
    pub(super) providers: Vec<Provider>,
    /// What the daemon has decided for this path and these queues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) daemon: Option<DaemonSays>,
    pub(super) options: Vec<OptionSet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<Reply>,
    /// What else is worth knowing.
    pub(super) notes: Vec<String>,
}

/// A block that takes part.
#[derive(Debug, Serialize)]
pub(super) struct Block {
    /// Such as `default` or `provider:google`.
    pub(super) scope: String,
    /// Where it stands, in the order of the files.
    pub(super) places: Vec<Origin>,
}

/// A provider that fits, or nearly.
#[derive(Debug, Serialize)]
pub(super) struct Provider {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) origin: Origin,
    pub(super) fits: bool,
    /// What its rules set holds for the whole site.
    pub(super) site_wide: bool,
    /// What of its `match` fits, as files write it.
    pub(super) by: Vec<String>,
    /// The mail hosts that keep it from fitting.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) strangers: Vec<String>,
}

/// What a daemon has decided that concerns the path.
#[derive(Debug, Serialize)]
pub(super) struct DaemonSays {
    pub(super) url: String,
    /// Suspensions and bounces, and overrides that others outdo.
    pub(super) in_force: Vec<InForce>,
}

/// Something that a daemon has decided.
#[derive(Clone, Debug, Serialize)]
pub(super) struct InForce {
    /// Such as `Suspend` or `SetConfig`.
    pub(super) action: String,
    /// What it holds or changes, for people.
    pub(super) what: String,
    pub(super) until: Time,
    pub(super) seconds_left: u64,
    /// Why, where the daemon tells no more than that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// As the daemon lists it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) effect: Option<View>,
    /// The rule is not in the daemon's files any more.
    pub(super) rule_gone: bool,
    /// Another outdoes it.
    pub(super) outdone: bool,
}

/// An option that somebody sets; of one whose names merge, one name.
#[derive(Debug, Serialize)]
pub(super) struct OptionSet {
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) set_by: SetBy,
    /// Whether it is an override that allows more than what it took the place of (semantics A9).
    pub(super) loosens: bool,
    /// What this took the place of, the newest first.
    pub(super) overrode: Vec<Older>,
}

/// Who sets an option.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SetBy {
    /// A shaping file.
    File(Origin),
    /// The overlay of a daemon, with what its comments say.
    Overlay {
        /// Where it stands there.
        origin: Origin,
        /// Reason, expiry, rule.
        comments: Vec<String>,
    },
    /// An override of a daemon.
    Override(Box<InForce>),
}

/// A value that something took the place of.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Older {
    pub(super) value: Value,
    pub(super) set_by: SetBy,
}

impl Explanation {
    /// What the rules say of a path.
    pub(super) fn of(rules: &Rules, to: &Destination, source: &str) -> Self {
        let Destination { domain, site, hosts } = to;
        let shaping = &rules.shaping;
        let blocks = shaping.blocks_for(domain, site, hosts.as_deref());
        let path = shaping.egress_path(domain, source, site, hosts.as_deref());
        let mut notes = Vec::new();
        let special = |block: &Taking<'_>| block.scope != Scope::Default;
        if !rules.from.is_empty() && !blocks.iter().any(special) {
            notes.push(format!("no provider, site or domain block covers `{domain}`: only `default` holds"));
        }
        for one in shaping.unresolved().iter().filter(|one| *one.domain == *domain) {
            notes.push(format!("the block at {} acts for `{domain}` alone: {}", one.origin, one.why));
        }
        Self {
            domain: domain.clone(),
            source: source.to_owned(),
            site: site.clone(),
            hosts: hosts.clone(),
            rules: rules.from.clone(),
            blocks: blocks.iter().map(Block::of).collect(),
            providers: shaping.providers_for(domain, site, hosts.as_deref()).iter().map(Provider::of).collect(),
            daemon: None,
            options: options(&path, rules),
            response: None,
            notes,
        }
    }

    /// The value of an option that somebody sets.
    pub(super) fn option(&self, name: &str) -> Option<&OptionSet> {
        self.options.iter().find(|option| option.name == name)
    }

    /// An override takes the place of what files say.
    pub(super) fn put(&mut self, name: &str, value: &Value, by: InForce) {
        let set_by = SetBy::Override(Box::new(by));
        match self.options.iter_mut().find(|option| option.name == name) {
            Some(option) => {
                option.loosens = loosens(name, Some(&option.value), value);
                let value = std::mem::replace(&mut option.value, value.clone());
                let set_by = std::mem::replace(&mut option.set_by, set_by);
                option.overrode.insert(0, Older { value, set_by });
            }
            None => {
                self.options.push(OptionSet {
                    name: name.to_owned(),
                    value: value.clone(),
                    set_by,
                    loosens: loosens(name, option(name).and_then(OptionSpec::default_value).as_ref(), value),
                    overrode: Vec::new(),
                });
            }
        }
    }

    /// Says which other sources have something in force on the site, where one was asked for.
    pub(super) fn hint(&mut self, effects: &[Listed]) {
        let here = |one: &&Listed| {
            let facts = &one.view.value;
            *facts.site == *self.site && *facts.source != *self.source
        };
        let mut sources: Vec<&str> = effects.iter().filter(here).map(|one| &*one.view.value.source).collect();
        sources.sort_unstable();
        sources.dedup();
        if !sources.is_empty() {
            self.notes.push(format!("the daemon has effects on this site for other sources: {}", sources.join(", ")));
        }
    }
}

impl Block {
    fn of(taking: &Taking<'_>) -> Self {
        Self { scope: taking.scope.to_string(), places: taking.origins.to_vec() }
    }
}

impl Provider {
    fn of(fit: &ProviderFit<'_>) -> Self {
        let written = |criterion: &Criterion<'_>| match criterion {
            Criterion::DomainSuffix(text) => format!("DomainSuffix=\"{text}\""),
            Criterion::MxSuffix(text) => format!("MXSuffix=\"{text}\""),
            Criterion::HostName(text) => format!("HostName=\"{text}\""),
        };
        Self {
            name: fit.name.to_string(),
            origin: fit.origin.clone(),
            fits: fit.fits(),
            site_wide: fit.site_wide,
            by: fit.by.iter().map(written).collect(),
            strangers: fit.strangers.clone(),
        }
    }
}

fn options(path: &EgressPath, rules: &Rules) -> Vec<OptionSet> {
    let mut list = Vec::new();
    for (name, param) in path.iter() {
        if param.entries.is_empty() {
            list.push(set(name.to_owned(), param, rules));
        }
        let entries = param.entries.iter();
        list.extend(entries.map(|(key, param)| set(format!("{name}.\"{key}\""), param, rules)));
    }
    list
}

fn set(name: String, param: &Param, rules: &Rules) -> OptionSet {
    let by = |param: &Param| rules.set_by(&param.origin);
    let older = |older: &Param| Older { value: older.value.clone(), set_by: by(older) };
    let overrode = param.overrode.iter().map(older).collect();
    OptionSet { name, value: param.value.clone(), set_by: by(param), loosens: false, overrode }
}

/// The override that holds among those of one option: the strictest, then the latest (semantics A8).
pub(super) fn winner<'l>(overrides: &[&'l Listed]) -> Option<&'l Listed> {
    let place = |one: &&&Listed| {
        let facts = &one.view.value;
        let id: EffectId = one.view.key.parse().ok()?;
        let option = facts.option.as_deref().unwrap_or_default();
        let value = facts.value.as_ref().unwrap_or(&Value::Null);
        Some(Place::weigh(id, option, value, facts.latest, facts.until))
    };
    overrides.iter().min_by_key(place).copied()
}
