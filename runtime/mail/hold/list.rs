//! What is in force, as the admin API lists it (interface C.14).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kumo_tsa_core::wire::{Time, format_duration};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::Holds;

/// The suspension of a path.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SuspendedPath {
    /// The entry.
    pub id: Uuid,
    /// The name of the ready queue.
    pub name: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// How long it still takes; in whole seconds, rounded up.
    #[serde(serialize_with = "remaining")]
    pub duration: Duration,
    /// When it ends.
    pub expires: Time,
}

/// The suspension of scheduled queues.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SuspendedQueues {
    /// The entry.
    pub id: Uuid,
    /// The queues' campaign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Arc<str>>,
    /// The queues' tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Arc<str>>,
    /// The queues' domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Arc<str>>,
    /// Why.
    pub reason: Arc<str>,
    /// How long it still takes.
    #[serde(serialize_with = "remaining")]
    pub duration: Duration,
}

/// The bounce of scheduled queues.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BouncedQueues {
    /// The entry.
    pub id: Uuid,
    /// The queues' campaign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Arc<str>>,
    /// The queues' tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Arc<str>>,
    /// The queues' domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Arc<str>>,
    /// The queues' routing domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing_domain: Option<Arc<str>>,
    /// Why.
    pub reason: Arc<str>,
    /// How long it still takes.
    #[serde(serialize_with = "remaining")]
    pub duration: Duration,
    /// How many messages were bounced, by queue.
    pub bounced: BTreeMap<String, u64>,
    /// How many in all.
    pub total_bounced: u64,
}

fn remaining<S: Serializer>(left: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let whole = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    serializer.serialize_str(&format_duration(Duration::from_secs(whole)))
}

impl Holds {
    /// The paths that are suspended, by name and end.
    pub fn list_paths(&self) -> Vec<SuspendedPath> {
        let now = self.clock.now();
        let all = self.lock();
        let mut listed: Vec<_> = all.paths.live().collect::<Vec<_>>();
        listed.sort_by_key(|(name, entry, left)| ((*name).clone(), *left, entry.id));
        let show = |(name, entry, left): (&Arc<str>, &super::Entry, Duration)| SuspendedPath {
            id: entry.id,
            name: name.clone(),
            reason: entry.reason.clone(),
            duration: left,
            expires: now.after(left),
        };
        listed.into_iter().map(show).collect()
    }

    /// The scheduled queues that are suspended, by selector and end.
    pub fn list_queues(&self) -> Vec<SuspendedQueues> {
        let all = self.lock();
        let mut listed: Vec<_> = all.queues.live().collect();
        listed.sort_by_key(|(selector, entry, left)| ((*selector).clone(), *left, entry.id));
        let show = |(selector, entry, left): (&super::Selector, &super::Entry, Duration)| SuspendedQueues {
            id: entry.id,
            campaign: selector.campaign.clone(),
            tenant: selector.tenant.clone(),
            domain: selector.domain.clone(),
            reason: entry.reason.clone(),
            duration: left,
        };
        listed.into_iter().map(show).collect()
    }

    /// The scheduled queues that are bounced, by selector and end.
    pub fn list_bounces(&self) -> Vec<BouncedQueues> {
        let all = self.lock();
        let mut listed: Vec<_> = all.bounces.live().collect();
        listed.sort_by_key(|(selector, entry, left)| ((*selector).clone(), *left, entry.id));
        let show = |(selector, entry, left): (&super::Selector, &super::Entry, Duration)| BouncedQueues {
            id: entry.id,
            campaign: selector.campaign.clone(),
            tenant: selector.tenant.clone(),
            domain: selector.domain.clone(),
            routing_domain: selector.routing_domain.clone(),
            reason: entry.reason.clone(),
            duration: left,
            bounced: entry.bounced.clone(),
            total_bounced: entry.bounced.values().sum(),
        };
        listed.into_iter().map(show).collect()
    }
}
