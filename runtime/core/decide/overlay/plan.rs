//! Which block carries what (semantics O3).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::text;
use crate::decide::effect::{Effect, EffectId};
use crate::decide::effective::Spot;
use crate::decide::state::{Slot, State};
use crate::wire::Time;

/// One option that is written.
#[derive(Clone)]
pub(super) struct Written<'s> {
    pub(super) source: &'s Arc<str>,
    pub(super) option: &'s Arc<str>,
    /// The effect whose value it is.
    pub(super) effect: &'s Arc<Effect>,
    /// The value as TOML.
    pub(super) value: Arc<str>,
}

/// A domain's block.
pub(super) struct Block<'s> {
    pub(super) domain: &'s str,
    /// The site of the domain's newest override: what it resolves to, as far as is known here.
    pub(super) site: &'s Arc<str>,
    /// `mx_rollup`.
    pub(super) rolled: bool,
    pub(super) written: Vec<Written<'s>>,
    /// What should have been written elsewhere and could not.
    pub(super) notes: Vec<String>,
}

/// All that is to be written.
pub(super) struct Overlay<'s> {
    pub(super) blocks: Vec<Block<'s>>,
    /// What could not be written and has no block to be told in.
    pub(super) notes: Vec<String>,
}

/// An option that is overridden for a whole site, and what holds there.
struct SiteOption<'s> {
    site: &'s Arc<str>,
    holds: Written<'s>,
    /// It stands in a block that rolls up into the site.
    written: bool,
}

/// One override of a domain, and the number of its site option if it is for the whole site.
struct Triggered<'s> {
    id: EffectId,
    effect: &'s Arc<Effect>,
    site_option: Option<usize>,
}

struct Plan<'s> {
    state: &'s State,
    now: Time,
    site_options: Vec<SiteOption<'s>>,
    /// The site options of each site; empty where no domain has overrides of its own.
    by_site: HashMap<&'s str, Vec<usize>>,
    overlay: Overlay<'s>,
}

impl<'s> Overlay<'s> {
    pub(super) fn gather(state: &'s State, now: Time) -> Self {
        let overlay = Self { blocks: Vec::new(), notes: Vec::new() };
        let mut plan = Plan { state, now, site_options: Vec::new(), by_site: HashMap::new(), overlay };
        let mut domains: Vec<(&'s str, Vec<Triggered<'s>>)> = plan.domains().into_iter().collect();
        domains.sort_by_key(|(domain, _)| *domain);
        if domains.iter().any(|(_, triggered)| triggered.iter().any(|one| !one.effect.rolled)) {
            for (option, number) in plan.site_options.iter().zip(0..) {
                plan.by_site.entry(option.site).or_default().push(number);
            }
        }
        for (domain, triggered) in &domains {
            plan.add_domain(domain, triggered);
        }
        plan.carry();
        plan.overlay.notes.sort();
        plan.overlay
    }
}

impl<'s> Plan<'s> {
    /// What is overridden, by domain; notes what is for whole sites on the way.
    fn domains(&mut self) -> HashMap<&'s str, Vec<Triggered<'s>>> {
        let mut domains: HashMap<&'s str, Vec<Triggered<'s>>> = HashMap::new();
        // By the effect that holds, which tells the site, the source and the option.
        let mut numbers: HashMap<EffectId, usize> = HashMap::new();
        for (id, effect) in self.state.effects.iter().filter(|(_, effect)| effect.live(self.now)) {
            let Some(setting) = effect.setting() else { continue };
            let holder = if effect.rolled { self.state.holder(&Slot::of(effect), self.now) } else { None };
            let site_option = holder.and_then(|(holder, effect)| {
                if let Some(number) = numbers.get(&holder) {
                    return Some(*number);
                }
                let holds = written(&effect.source, &setting.name, effect)?;
                self.site_options.push(SiteOption { site: &effect.site, holds, written: false });
                numbers.insert(holder, self.site_options.len() - 1);
                Some(self.site_options.len() - 1)
            });
            domains.entry(&effect.domain).or_default().push(Triggered { id: *id, effect, site_option });
        }
        domains
    }

    fn add_domain(&mut self, domain: &'s str, triggered: &[Triggered<'s>]) {
        let newest = triggered.iter().max_by_key(|one| (one.effect.latest, one.effect.until, one.id));
        let Some(site) = newest.map(|one| &one.effect.site) else { return };
        let rolled = triggered.iter().all(|one| one.effect.rolled);
        let written = if rolled { self.rolled_up(site, triggered) } else { self.for_domain_alone(site, triggered) };
        // These two names are not domains in a shaping file.
        if matches!(domain, "default" | "provider") {
            let note = |one: &Written<'_>| {
                format!("{} = {} for the domain {domain}, source {}", one.option, one.value, one.source)
            };
            self.overlay.notes.extend(written.iter().map(note));
            return;
        }
        if rolled {
            for one in triggered.iter().filter(|one| one.effect.site == *site) {
                if let Some(option) = one.site_option.and_then(|number| self.site_options.get_mut(number)) {
                    option.written = true;
                }
            }
        }
        self.overlay.blocks.push(Block { domain, site, rolled, written, notes: Vec::new() });
    }

    /// The options that were triggered for the domain, with what holds at the site.
    fn rolled_up(&self, site: &Arc<str>, triggered: &[Triggered<'s>]) -> Vec<Written<'s>> {
        let here = triggered.iter().filter(|one| one.effect.site == *site);
        let mut numbers: Vec<usize> = here.filter_map(|one| one.site_option).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.iter().filter_map(|number| Some(self.site_options.get(*number)?.holds.clone())).collect()
    }

    /// What is in force for a domain that has overrides of its own: those, and if any was triggered for it as part of its
    /// site all of the site's.
    fn for_domain_alone(&self, site: &Arc<str>, triggered: &[Triggered<'s>]) -> Vec<Written<'s>> {
        let mut options: BTreeMap<(&'s Arc<str>, &'s Arc<str>), &Arc<str>> = BTreeMap::new();
        for one in triggered.iter().filter(|one| !one.effect.rolled) {
            if let Some(setting) = one.effect.setting() {
                options.insert((&one.effect.source, &setting.name), &one.effect.domain);
            }
        }
        if let Some(mixed) = triggered.iter().find(|one| one.effect.rolled && one.effect.site == *site) {
            let all = self.by_site.get(&**site).into_iter().flatten();
            for option in all.filter_map(|number| self.site_options.get(*number)) {
                options.insert((option.holds.source, option.holds.option), &mixed.effect.domain);
            }
        }
        let holds = |((source, option), domain): ((&'s Arc<str>, &'s Arc<str>), &Arc<str>)| {
            let (domain, site) = (domain.clone(), site.clone());
            let spot = Spot { domain, site, source: source.clone(), option: option.clone() };
            let (_, effect) = self.state.holds_at(&spot, &[], self.now)?;
            written(source, option, effect)
        };
        options.into_iter().filter_map(holds).collect()
    }

    /// Has another domain of a site carry what stands in no block that rolls up there.
    fn carry(&mut self) {
        let mut missing: Vec<&SiteOption<'s>> = self.site_options.iter().filter(|option| !option.written).collect();
        if missing.is_empty() {
            return;
        }
        missing.sort_by_key(|option| (option.site, option.holds.source, option.holds.option));
        let Overlay { blocks, notes } = &mut self.overlay;
        let mut carriers: HashMap<&str, usize> = HashMap::new();
        let mut domains: HashMap<&str, usize> = HashMap::new();
        for (number, block) in blocks.iter().enumerate() {
            domains.insert(block.domain, number);
            if block.rolled {
                carriers.entry(block.site).or_insert(number);
            }
        }
        for SiteOption { site, holds, .. } in missing {
            if let Some(block) = carriers.get(&***site).and_then(|number| blocks.get_mut(*number)) {
                block.written.push(holds.clone());
                continue;
            }
            let Written { source, option, value, effect } = holds;
            let note = format!("{option} = {value} for the other domains of the site {site}, source {source}");
            match domains.get(&*effect.domain).and_then(|number| blocks.get_mut(*number)) {
                Some(block) => block.notes.push(note),
                None => notes.push(note),
            }
        }
    }
}

fn written<'s>(source: &'s Arc<str>, option: &'s Arc<str>, effect: &'s Arc<Effect>) -> Option<Written<'s>> {
    let value = text::value(&effect.setting()?.value)?.into();
    Some(Written { source, option, effect, value })
}
