//! The rules in force, and how they are replaced by better ones.

use std::sync::Arc;

use kumo_tsa_core::shaping::Shaping;

use super::lua::TSA_LOAD_SHAPING_DATA;
use crate::policy::{self, Policy, explain};
use crate::shaping::Handle;

/// Asks the policy for the rules.
pub(super) async fn load(policy: &Policy) -> Result<Handle, policy::Error> {
    policy.ask(&TSA_LOAD_SHAPING_DATA, ()).await.map(|shaping| shaping.0)
}

/// What there is to warn of; not the domains that do not resolve, which loading itself has said.
pub(super) fn warnings(shaping: &Shaping) -> impl Iterator<Item = &String> {
    let unresolved: Vec<_> =
        shaping.unresolved().iter().map(|one| (format!("{}: ", one.origin), one.domain.clone())).collect();
    let said =
        move |text: &str| unresolved.iter().any(|(place, name)| text.starts_with(place) && text.contains(&**name));
    shaping.warnings().iter().filter(move |text| !said(text))
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
        warnings(&after).for_each(|warning| tracing::warn!("{warning}"));
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
