//! What one shaping file says, checked but not yet merged with others.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::param::{Param, Params};
use super::pattern::Pattern;
use super::provider::Criteria;
use super::{Action, Finding, Origin, Trigger};

/// A shaping file that was read and found good.
#[derive(Debug)]
pub struct File {
    pub(super) name: Arc<str>,
    /// Whether it is the overlay that a tsa-daemon generates, rather than written by a person.
    pub(super) generated: bool,
    pub(super) default: Option<Block>,
    pub(super) providers: Vec<ProviderBlock>,
    pub(super) domains: Vec<DomainBlock>,
    pub(super) warnings: Vec<Finding>,
}

impl File {
    /// The path or URL as the policy wrote it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The domains whose mail hosts have to be looked up before the file can be merged: blocks that roll up, apart from
    /// those of a generated overlay that say their site themselves. A domain may come twice.
    pub fn rolled_domains(&self) -> impl Iterator<Item = (&str, &Origin)> {
        self.domains
            .iter()
            .filter(|domain| domain.mx_rollup && domain.site.is_none())
            .map(|domain| (&*domain.name, &domain.block.origin))
    }

    /// The egress sources that its blocks name. A source may come twice.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        let providers = self.providers.iter().map(|provider| &provider.block);
        let domains = self.domains.iter().map(|domain| &domain.block);
        let blocks = self.default.iter().chain(providers).chain(domains);
        blocks.flat_map(|block| &block.sources).map(|source| &*source.name)
    }

    /// What does not keep the file from being used, but should be known.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }
}

/// What all kinds of blocks have.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Block {
    pub(super) origin: Origin,
    /// The name of the block, as bytes of the file's text.
    pub(super) span: Range<usize>,
    pub(super) replace_base: bool,
    pub(super) params: Params,
    pub(super) sources: Vec<SourceBlock>,
    pub(super) automation: Vec<Arc<Draft>>,
}

/// What a block says for one egress source.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct SourceBlock {
    pub(super) name: Arc<str>,
    /// The name, as bytes of the file's text.
    pub(super) span: Range<usize>,
    pub(super) params: Params,
    /// In a provider block: how often the source may be chosen, for all of the provider's sites together.
    pub(super) selection_rate: Option<Param>,
}

/// A block named by a domain.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct DomainBlock {
    /// In lower case.
    pub(super) name: Arc<str>,
    pub(super) mx_rollup: bool,
    /// The site that a generated overlay gives for the domain.
    pub(super) site: Option<Arc<str>>,
    pub(super) block: Block,
}

/// A block named by a provider.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct ProviderBlock {
    pub(super) name: Arc<str>,
    pub(super) criteria: Criteria,
    /// What `criteria` was made of, in the order of the file.
    pub(super) matches: Vec<MatchEntry>,
    /// Something in its `match` is wrong, so that `matches` may lack what was meant.
    pub(super) match_refused: bool,
    pub(super) connection_limit: Option<Param>,
    pub(super) message_rate: Option<Param>,
    pub(super) block: Block,
}

/// One entry of a provider's `match`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct MatchEntry {
    /// `MXSuffix`, `DomainSuffix` or `HostName`.
    pub(super) field: &'static str,
    pub(super) text: String,
    /// The text, as bytes of the file's text.
    pub(super) span: Range<usize>,
}

/// Where the parts of a rule stand, as bytes of the file's text.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Places {
    pub(super) rule: Range<usize>,
    /// One for each pattern.
    pub(super) patterns: Vec<Range<usize>>,
    /// One for each action.
    pub(super) actions: Vec<Range<usize>>,
    pub(super) trigger: Option<Range<usize>>,
    pub(super) duration: Range<usize>,
}

/// A rule that does not know its scope yet.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Draft {
    pub(super) patterns: Vec<Arc<Pattern>>,
    pub(super) actions: Vec<Action>,
    pub(super) trigger: Trigger,
    pub(super) duration: Duration,
    pub(super) match_internal: bool,
    pub(super) origin: Origin,
    pub(super) places: Places,
}
