//! The blocks of all files by scope, one over the other.

use std::collections::HashMap;
use std::sync::Arc;

use super::Input;
use super::desk::Spot;
use crate::shaping::file::{Block, Draft, ProviderBlock};
use crate::shaping::{Mx, Scope};

/// One block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer<'f> {
    /// Which of the files.
    pub(super) file: usize,
    pub(super) block: &'f Block,
    /// Set when it is a provider's.
    pub(super) provider: Option<&'f ProviderBlock>,
}

/// All blocks of one scope.
#[derive(Debug)]
pub(super) struct Layers<'f> {
    pub(super) scope: Scope,
    /// A domain of the scope, where it is a site or a domain.
    pub(super) domain: Option<Arc<str>>,
    /// In the order of the files.
    pub(super) all: Vec<Layer<'f>>,
}

impl Layer<'_> {
    pub(super) fn spot(&self) -> Spot {
        Spot::new(self.file, &self.block.span)
    }
}

impl<'f> Layers<'f> {
    /// The blocks that count: those from the last `replace_base` on.
    pub(super) fn live(&self) -> &[Layer<'f>] {
        let from = self.all.iter().rposition(|layer| layer.block.replace_base).unwrap_or(0);
        self.all.get(from..).unwrap_or_default()
    }

    /// The rules that count.
    pub(super) fn rules(&self) -> impl Iterator<Item = (usize, &'f Arc<Draft>)> {
        self.live().iter().flat_map(|layer| layer.block.automation.iter().map(|draft| (layer.file, draft)))
    }
}

/// The scopes in the order in which the files begin them. Generated overlays are left out.
pub(super) fn scopes<'f>(input: &'f Input<'_>) -> Vec<Layers<'f>> {
    let mut scopes: Vec<Layers<'f>> = Vec::new();
    let mut known: HashMap<Scope, usize> = HashMap::new();
    let mut add = |scope: Scope, domain: Option<&Arc<str>>, layer: Layer<'f>| {
        let at = *known.entry(scope.clone()).or_insert_with(|| {
            scopes.push(Layers { scope, domain: domain.cloned(), all: Vec::new() });
            scopes.len() - 1
        });
        scopes[at].all.push(layer);
    };
    let written = input.files.iter().enumerate().filter(|(_, checked)| !checked.file.generated);
    for (at, checked) in written {
        let file = &checked.file;
        if let Some(block) = &file.default {
            add(Scope::Default, None, Layer { file: at, block, provider: None });
        }
        for provider in &file.providers {
            let layer = Layer { file: at, block: &provider.block, provider: Some(provider) };
            add(Scope::Provider(provider.name.clone()), None, layer);
        }
        for domain in &file.domains {
            let rolled = if domain.mx_rollup { input.mx(&domain.name) } else { None };
            let scope = match rolled {
                Some(Mx::Site { name, .. }) if !name.is_empty() => Scope::Site(name.into()),
                _ => Scope::Domain(domain.name.clone()),
            };
            add(scope, Some(&domain.name), Layer { file: at, block: &domain.block, provider: None });
        }
    }
    scopes
}
