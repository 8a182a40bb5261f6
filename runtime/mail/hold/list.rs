//! What is in force, as the admin API lists it (interface C.14).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kumo_tsa_core::wire::{Time, format_duration};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::table::{Entry, Table, Thing};
use super::{Holds, Selector};

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
    /// Which queues, why and for how long.
    #[serde(flatten)]
    pub queues: SuspendedQueues,
    /// The queues' routing domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing_domain: Option<Arc<str>>,
    /// How many messages were bounced, by queue.
    pub bounced: BTreeMap<String, u64>,
    /// How many in all.
    pub total_bounced: u64,
}

fn remaining<S: Serializer>(left: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let whole = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    serializer.serialize_str(&format_duration(Duration::from_secs(whole)))
}

/// The entries of a table in the order in which they are listed: by what they are for, and end.
fn sorted<K: Ord + Thing>(table: &Table<K>) -> Vec<(&K, &Entry, Duration)> {
    let mut entries: Vec<_> = table.live().collect();
    entries.sort_by_key(|(thing, entry, left)| ((*thing).clone(), *left, entry.id));
    entries
}

fn queues(selector: &Selector, entry: &Entry, left: Duration) -> SuspendedQueues {
    SuspendedQueues {
        id: entry.id,
        campaign: selector.campaign.clone(),
        tenant: selector.tenant.clone(),
        domain: selector.domain.clone(),
        reason: entry.reason.clone(),
        duration: left,
    }
}

impl Holds {
    /// The paths that are suspended, by name and end.
    pub fn list_paths(&self) -> Vec<SuspendedPath> {
        let now = self.clock.now();
        let show = |(name, entry, left): (&Arc<str>, &Entry, Duration)| SuspendedPath {
            id: entry.id,
            name: name.clone(),
            reason: entry.reason.clone(),
            duration: left,
            expires: now.after(left),
        };
        sorted(&self.lock().paths).into_iter().map(show).collect()
    }

    /// The scheduled queues that are suspended, by selector and end.
    pub fn list_queues(&self) -> Vec<SuspendedQueues> {
        sorted(&self.lock().queues).into_iter().map(|(selector, entry, left)| queues(selector, entry, left)).collect()
    }

    /// The scheduled queues that are bounced, by selector and end.
    pub fn list_bounces(&self) -> Vec<BouncedQueues> {
        let show = |(selector, entry, left): (&Selector, &Entry, Duration)| BouncedQueues {
            queues: queues(selector, entry, left),
            routing_domain: selector.routing_domain.clone(),
            bounced: entry.bounced.clone(),
            total_bounced: entry.bounced.values().sum(),
        };
        sorted(&self.lock().bounces).into_iter().map(show).collect()
    }
}
