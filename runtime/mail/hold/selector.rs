//! Which scheduled queues are meant.

use std::collections::BTreeSet;
use std::sync::Arc;

use kumo_tsa_core::wire::QueueName;

/// Which scheduled queues are meant: those whose name has all the parts that are given. A list of names, where there is
/// one, decides alone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Selector {
    /// The campaign; any when `None`.
    pub campaign: Option<Arc<str>>,
    /// The tenant; any when `None`.
    pub tenant: Option<Arc<str>>,
    /// The domain, in lower case; any when `None`.
    pub domain: Option<Arc<str>>,
    /// The routing domain, in lower case; any when `None`.
    pub routing_domain: Option<Arc<str>>,
    /// The queues' whole names.
    pub queue_names: BTreeSet<String>,
}

/// How many ways there are to give some of the four parts.
pub(super) const SHAPES: usize = 16;

impl Selector {
    /// Of these parts; domains are compared without case.
    pub fn new(campaign: Option<&str>, tenant: Option<&str>, domain: Option<&str>) -> Self {
        Self {
            campaign: campaign.map(Into::into),
            tenant: tenant.map(Into::into),
            domain: domain.map(|domain| domain.to_lowercase().into()),
            ..Self::default()
        }
    }

    /// Whether the scheduled queue of this name is meant.
    pub fn matches(&self, queue: &QueueName<'_>, name: &str) -> bool {
        if !self.queue_names.is_empty() {
            return self.queue_names.contains(name);
        }
        let fits = |given: &Option<Arc<str>>, has: Option<&str>| given.as_deref().is_none_or(|part| has == Some(part));
        fits(&self.campaign, queue.campaign)
            && fits(&self.tenant, queue.tenant)
            && fits(&self.domain, Some(&queue.domain.to_lowercase()))
            && fits(&self.routing_domain, queue.routing_domain.map(str::to_lowercase).as_deref())
    }

    /// Which of the four parts are given, as a number below [`SHAPES`]; `None` with a list of names.
    pub(super) fn shape(&self) -> Option<usize> {
        let bit = |part: &Option<Arc<str>>, bit: usize| if part.is_some() { bit } else { 0 };
        let parts = bit(&self.campaign, 1) | bit(&self.tenant, 2) | bit(&self.domain, 4) | bit(&self.routing_domain, 8);
        self.queue_names.is_empty().then_some(parts)
    }

    /// The selector of a shape that means exactly this queue's parts; `None` when the queue has no such part.
    pub(super) fn of_queue(queue: &QueueName<'_>, shape: usize) -> Option<Self> {
        let part = |bit: usize, has: Option<&str>| -> Option<Option<Arc<str>>> {
            if shape & bit == 0 { Some(None) } else { has.map(|text| Some(text.into())) }
        };
        Some(Self {
            campaign: part(1, queue.campaign)?,
            tenant: part(2, queue.tenant)?,
            domain: part(4, Some(&queue.domain.to_lowercase()))?,
            routing_domain: part(8, queue.routing_domain.map(str::to_lowercase).as_deref())?,
            queue_names: BTreeSet::new(),
        })
    }
}
