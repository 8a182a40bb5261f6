//! Blocks of several files laid over each other (interface D.4).

use std::collections::HashMap;
use std::sync::Arc;

use super::file::{Block, Draft, ProviderBlock, SourceBlock};
use super::matcher::Matcher;
use super::param::{Param, Params};
use super::provider::Criteria;
use super::{Origin, Rule, Scope, digest};

/// What all files say in one scope.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// Of the first definition: clears what precedes the block in a lookup.
    pub(super) replace_base: bool,
    /// Where the blocks stand that it is made of.
    pub(super) origins: Vec<Origin>,
    pub(super) params: Params,
    pub(super) sources: Vec<SourceBlock>,
    /// Until [`Self::seal`] makes rules of them.
    drafts: Vec<Arc<Draft>>,
    pub(super) matcher: Option<Box<Matcher>>,
}

/// What all files say about one provider.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) name: Arc<str>,
    pub(super) criteria: Criteria,
    pub(super) connection_limit: Option<Param>,
    pub(super) message_rate: Option<Param>,
    /// Where it was first defined.
    pub(super) origin: Origin,
    pub(super) merged: Merged,
}

/// Merged blocks by name, in the order in which they were first defined.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    list: Vec<(Arc<str>, Merged)>,
    index: HashMap<Arc<str>, usize>,
}

impl Merged {
    /// The first definition of the scope.
    pub(super) fn of(block: &Block) -> Self {
        Self {
            replace_base: block.replace_base,
            origins: vec![block.origin.clone()],
            params: block.params.clone(),
            sources: block.sources.clone(),
            drafts: block.automation.clone(),
            matcher: None,
        }
    }

    /// Lays a later block over this one.
    pub(super) fn merge(&mut self, newer: &Block) {
        if newer.replace_base {
            *self = Self { replace_base: self.replace_base, ..Self::of(newer) };
            return;
        }
        self.origins.push(newer.origin.clone());
        self.params.overlay(&newer.params);
        for source in &newer.sources {
            match self.sources.iter_mut().find(|have| have.name == source.name) {
                Some(have) => {
                    have.params.overlay(&source.params);
                    replace(&mut have.selection_rate, source.selection_rate.as_ref());
                }
                None => self.sources.push(source.clone()),
            }
        }
        self.drafts.extend(newer.automation.iter().cloned());
    }

    pub(super) fn source(&self, name: &str) -> Option<&SourceBlock> {
        self.sources.iter().find(|source| &*source.name == name)
    }

    /// Makes rules of what was written and compiles them. Identical ones become one, with the first origin (semantics S5).
    pub(super) fn seal(&mut self, scope: &Scope) {
        let drafts = std::mem::take(&mut self.drafts);
        let mut seen = std::collections::HashSet::new();
        let mut rules = Vec::with_capacity(drafts.len());
        for draft in &drafts {
            let id = digest::rule_id(draft, scope);
            if seen.insert(id) {
                rules.push((Arc::new(Rule::in_scope(draft, scope, id)), draft.patterns.as_slice()));
            }
        }
        if !rules.is_empty() {
            self.matcher = Some(Box::new(Matcher::new(rules)));
        }
    }

    pub(super) fn rules(&self) -> &[Arc<Rule>] {
        self.matcher.as_ref().map_or(&[], |matcher| matcher.rules())
    }
}

impl Rule {
    fn in_scope(draft: &Draft, scope: &Scope, id: super::RuleId) -> Self {
        Self {
            id,
            scope: scope.clone(),
            regex: draft.patterns.iter().map(|pattern| pattern.text.clone()).collect(),
            actions: draft.actions.clone(),
            trigger: draft.trigger,
            duration: draft.duration,
            match_internal: draft.match_internal,
            origin: draft.origin.clone(),
        }
    }
}

impl Provider {
    pub(super) fn of(block: &ProviderBlock) -> Self {
        Self {
            name: block.name.clone(),
            criteria: block.criteria.clone(),
            connection_limit: block.connection_limit.clone(),
            message_rate: block.message_rate.clone(),
            origin: block.block.origin.clone(),
            merged: Merged::of(&block.block),
        }
    }

    /// Lays a later block of the same name over this one.
    pub(super) fn merge(&mut self, newer: &ProviderBlock) {
        if newer.block.replace_base {
            self.criteria = newer.criteria.clone();
            self.connection_limit.clone_from(&newer.connection_limit);
            self.message_rate.clone_from(&newer.message_rate);
        } else {
            self.criteria.extend(&newer.criteria);
            replace(&mut self.connection_limit, newer.connection_limit.as_ref());
            replace(&mut self.message_rate, newer.message_rate.as_ref());
        }
        self.merged.merge(&newer.block);
    }
}

/// A later value takes the place of an earlier one, if there is a later one.
fn replace(older: &mut Option<Param>, newer: Option<&Param>) {
    if let Some(newer) = newer {
        *older = Some(older.as_ref().map_or_else(|| newer.clone(), |older| newer.replace(older)));
    }
}

impl Blocks {
    /// Lays a block over what there is of this name.
    pub(super) fn merge(&mut self, name: &Arc<str>, block: &Block) {
        if let Some(at) = self.index.get(name) {
            self.list[*at].1.merge(block);
        } else {
            self.index.insert(name.clone(), self.list.len());
            self.list.push((name.clone(), Merged::of(block)));
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Merged> {
        self.index.get(name).map(|at| &self.list[*at].1)
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Merged)> {
        self.list.iter().map(|(name, merged)| (name, merged))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut Merged)> {
        self.list.iter_mut().map(|(name, merged)| (&*name, merged))
    }
}
