//! The rules in force, and how they are replaced by better ones.

use std::sync::Arc;

use kumo_tsa_core::decide::{Found, Query, Rulebook};
use kumo_tsa_core::shaping::{RuleId, Shaping, option};
use serde_json::Value;

use super::engine::RuleSource;
use super::lua::TSA_LOAD_SHAPING_DATA;
use crate::policy::{self, Policy, explain};
use crate::shaping::Handle;

/// Merged shaping files as deciding sees them.
struct Files(Arc<Shaping>);

impl Rulebook for Files {
    fn find<'s>(&'s self, query: &Query<'_>) -> Found<'s> {
        let matches = self.0.matches(query.domain, query.site, query.text, query.internal);
        Found {
            matched: matches.matched.into_iter().map(|matched| (matched.rule, matched.rolled)).collect(),
            exceeded: matches.exceeded,
        }
    }

    fn configured(&self, domain: &str, source: &str, site: &str, name: &str) -> Option<Value> {
        let path = self.0.egress_path(domain, source, site, None);
        match path.get(name) {
            Some(param) => Some(param.value.clone()),
            None => default(option(name)?.default),
        }
    }

    fn has_rule(&self, id: &RuleId) -> bool {
        self.0.rule(id).is_some()
    }
}

/// A default as a file would write it; `nil` is none.
fn default(text: &str) -> Option<Value> {
    if text == "nil" {
        return None;
    }
    let value: toml::Value = toml::from_str::<toml::Table>(&format!("v = {text}")).ok()?.remove("v")?;
    serde_json::to_value(value).ok()
}

/// What the engine decides by: always the newest that the handle has.
pub(super) fn source(handle: Handle) -> RuleSource {
    Box::new(move || Arc::new(Files(handle.current())))
}

/// Asks the policy for the rules.
pub(super) async fn load(policy: &Policy) -> Result<Handle, policy::Error> {
    policy.ask(&TSA_LOAD_SHAPING_DATA, ()).await.map(|shaping| shaping.0)
}

/// What became of a reload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reload {
    /// The rules are the same.
    Same,
    /// They are other rules, or the same for other mail hosts.
    Changed,
    /// They could not be loaded or are not good; the old ones stay in force (semantics A7).
    Failed,
}

/// Whether what a reload gave is to take the place of `old`; says what there is to say, once for each change.
pub(super) fn judge(old: &Handle, loaded: Result<&Handle, &policy::Error>, said: &mut Option<String>) -> Reload {
    let new = match loaded {
        Ok(new) => new,
        Err(error) => return fail(explain(error), said),
    };
    let (before, after) = (old.current(), new.current());
    if Arc::ptr_eq(&before, &after) {
        *said = None;
        return Reload::Same;
    }
    if !after.errors().is_empty() {
        return fail(after.errors().join("; "), said);
    }
    *said = None;
    if before.hash() != after.hash() {
        after.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        tracing::info!("other rules are in force: {}", after.rules().len());
        return Reload::Changed;
    }
    // Where DNS fails for a moment, what it said before holds on.
    let worse = after.unresolved().iter().any(|new| !before.unresolved().iter().any(|old| old.domain == new.domain));
    if worse { Reload::Same } else { Reload::Changed }
}

fn fail(why: String, said: &mut Option<String>) -> Reload {
    if said.as_ref() != Some(&why) {
        tracing::error!("the rules could not be reloaded, those from before stay in force: {why}");
        *said = Some(why);
    }
    Reload::Failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a9_the_value_before_an_override_is_the_default_when_no_file_says_more() {
        let files = Files(Arc::new(Shaping::empty()));
        let value = |name| files.configured("example.com", "a", "mx.example.com", name);
        assert_eq!(value("max_deliveries_per_connection"), Some(1024.into()));
        assert_eq!(value("enable_tls"), Some("Opportunistic".into()));
        assert_eq!(value("max_message_rate"), None);
        assert_eq!(value("no such option"), None);
    }
}
