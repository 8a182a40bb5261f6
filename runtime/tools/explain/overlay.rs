//! What a daemon has decided, laid over what files say.

use std::sync::Arc;

use kumo_tsa_core::decide::EffectKind;
use kumo_tsa_core::shaping::Origin;
use kumo_tsa_core::wire::{PathName, Time};

use super::daemon::{Listed, Told, What};
use super::model::{DaemonSays, Explanation, InForce, SetBy, winner};
use super::rules::Rules;

impl Explanation {
    /// Lays over what a daemon has decided for the path and the queues of the domain; of other sources of the site too, when
    /// `any_source` will do.
    pub(super) fn lay_over(&mut self, told: &Told, now: Time, any_source: bool) {
        let in_force = match &told.what {
            What::Effects(list) => self.effects(list, now, any_source),
            What::Plain { .. } => self.holds(&told.what, now, any_source),
        };
        self.daemon = Some(DaemonSays { url: told.url.clone(), in_force });
    }

    /// Overrides go to their options; returned is what has no option: holds, overrides that others outdo, and those of other sources.
    fn effects(&mut self, list: &[Listed], now: Time, any_source: bool) -> Vec<InForce> {
        let concerning = list.iter().filter(|one| self.concerns(one));
        let (mine, others): (Vec<&Listed>, Vec<_>) = concerning.partition(|one| self.is_of_source(one));
        let (overrides, holds): (Vec<_>, Vec<_>) =
            mine.into_iter().partition(|one| one.view.kind == EffectKind::Override);
        let others = others.into_iter().filter(|_| any_source);
        let mut in_force: Vec<InForce> =
            holds.into_iter().chain(others).map(|one| InForce::of(one, !one.holds, now)).collect();
        let mut names: Vec<&Arc<str>> = overrides.iter().filter_map(|one| one.view.value.option.as_ref()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let rivals: Vec<&Listed> =
                overrides.iter().copied().filter(|one| one.view.value.option.as_ref() == Some(name)).collect();
            let Some(first) = winner(&rivals) else { continue };
            let value = first.view.value.value.clone().unwrap_or_default();
            self.put(name, &value, InForce::of(first, false, now));
            let outdone = rivals.into_iter().filter(|one| one.view.key != first.view.key);
            in_force.extend(outdone.map(|one| InForce::of(one, true, now)));
        }
        in_force
    }

    /// Whether an effect has to do with the site, or with queues of the domain.
    fn concerns(&self, one: &Listed) -> bool {
        let facts = &one.view.value;
        let on_site = *facts.site == *self.site;
        let of_domain = facts.domain.as_deref() == Some(self.domain.as_str());
        match one.view.kind {
            EffectKind::Override if facts.rolled => on_site,
            EffectKind::Suspension if facts.domain.is_none() => on_site,
            EffectKind::Override | EffectKind::Suspension | EffectKind::Bounce => of_domain,
        }
    }

    /// Whether it is for the source that was asked for, or for queues, which have none.
    fn is_of_source(&self, one: &Listed) -> bool {
        let facts = &one.view.value;
        let is_of_queue = one.view.kind != EffectKind::Override && facts.domain.is_some();
        is_of_queue || *facts.source == *self.source
    }

    /// What a daemon tells that lists no effects.
    fn holds(&self, what: &What, now: Time, any_source: bool) -> Vec<InForce> {
        let What::Plain { ready, sched, bounces, .. } = what else { return Vec::new() };
        let here = |path: &str, source: &str| {
            (any_source || source == self.source) && PathName::parse(path, Some(source)).site == self.site
        };
        let queues = |tenant: Option<&str>, campaign: Option<&str>| queues(&self.domain, tenant, campaign);
        let ready = ready.iter().filter(|one| here(&one.site_name, &one.source)).map(|one| {
            let what = format!("the path {}", one.site_name);
            InForce::plain("Suspend", what, &one.reason, one.expires, now)
        });
        let sched = sched.iter().filter(|one| *one.domain == *self.domain).map(|one| {
            let what = queues(Some(&one.tenant), one.campaign.as_deref());
            InForce::plain("Suspend", what, &one.reason, one.expires, now)
        });
        let bounces = bounces.iter().filter(|one| *one.domain == *self.domain).map(|one| {
            let what = queues(one.tenant.as_deref(), one.campaign.as_deref());
            InForce::plain("Bounce", what, &one.reason, one.expires, now)
        });
        ready.chain(sched).chain(bounces).collect()
    }
}

/// Scheduled queues, for people.
fn queues(domain: &str, tenant: Option<&str>, campaign: Option<&str>) -> String {
    let tenant = tenant.map(|tenant| format!(" of tenant {tenant}")).unwrap_or_default();
    let campaign = campaign.map(|campaign| format!(", campaign {campaign}")).unwrap_or_default();
    format!("mail to {domain}{tenant}{campaign}")
}

impl InForce {
    fn of(one: &Listed, outdone: bool, now: Time) -> Self {
        let facts = &one.view.value;
        let what = match (&facts.option, &facts.domain) {
            (Some(option), domain) => {
                let value = facts.value.as_ref().map(ToString::to_string).unwrap_or_default();
                let whom = match domain {
                    Some(domain) if !facts.rolled => format!("{domain} alone"),
                    _ => "the whole site".to_owned(),
                };
                format!("{option}={value} for {} to {whom}", facts.source)
            }
            (None, Some(domain)) => queues(domain, facts.tenant.as_deref(), facts.campaign.as_deref()),
            (None, None) => format!("the path {}", facts.path),
        };
        Self {
            action: facts.action.to_string(),
            what,
            until: facts.until,
            seconds_left: facts.until.since(now).as_secs(),
            reason: None,
            effect: Some(one.view.clone()),
            rule_gone: one.rule_gone,
            outdone,
        }
    }

    fn plain(action: &str, what: String, reason: &str, until: Time, now: Time) -> Self {
        let (action, reason) = (action.to_owned(), Some(reason.to_owned()));
        let seconds_left = until.since(now).as_secs();
        Self { action, what, until, seconds_left, reason, effect: None, rule_gone: false, outdone: false }
    }
}

impl Rules {
    /// Who set a value that was loaded: a file, or a daemon whose overlay was among them.
    pub(super) fn set_by(&self, origin: &Origin) -> SetBy {
        match &self.overlay {
            Some(overlay) if overlay.url == origin.file => {
                SetBy::Overlay { origin: origin.clone(), comments: overlay.comments_above(origin.line) }
            }
            _ => SetBy::File(origin.clone()),
        }
    }
}

/// The overlay of a daemon that lists no effects.
#[derive(Clone, Debug)]
pub(super) struct Overlay {
    pub(super) url: Arc<str>,
    pub(super) text: String,
}

impl Overlay {
    /// The comments directly above a line, counted from 1.
    fn comments_above(&self, line: u32) -> Vec<String> {
        let before = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
        let lines: Vec<&str> = self.text.lines().take(before).collect();
        let comments = lines.iter().rev().map_while(|line| line.strip_prefix("# "));
        let mut comments: Vec<String> = comments.map(str::to_owned).collect();
        comments.reverse();
        comments
    }
}
