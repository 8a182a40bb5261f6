//! What asks for a suspension or a bounce, from Lua and over HTTP (interface A.9, C.14).

use std::time::Duration;

use kumo_tsa_core::wire::Time;
use serde::Deserialize;
use uuid::Uuid;

use super::{Holds, Owner, Selector};
use crate::policy;

/// How long it lasts when nothing is said.
const DEFAULT: Duration = Duration::from_mins(5);

/// Asks for the suspension of a path.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspendPath {
    /// The name of the ready queue.
    pub name: String,
    /// Why.
    pub reason: String,
    /// For how long. Default: 5 minutes.
    #[serde(default, deserialize_with = "policy::optional_duration")]
    pub duration: Option<Duration>,
    /// Until when; goes before `duration`.
    #[serde(default)]
    pub expires: Option<Time>,
}

/// Asks for the suspension of scheduled queues.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspendQueues {
    /// The queues' campaign. Default: any.
    #[serde(default)]
    pub campaign: Option<String>,
    /// The queues' tenant. Default: any.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The queues' domain. Default: any.
    #[serde(default)]
    pub domain: Option<String>,
    /// Why.
    pub reason: String,
    /// For how long. Default: 5 minutes.
    #[serde(default, deserialize_with = "policy::optional_duration")]
    pub duration: Option<Duration>,
    /// Until when; goes before `duration`.
    #[serde(default)]
    pub expires: Option<Time>,
    /// The queues' names. Default: by the selectors above.
    #[serde(default, deserialize_with = "crate::mail::config::list")]
    pub queue_names: Vec<String>,
}

/// Asks for the bounce of scheduled queues.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BounceQueues {
    /// The queues' campaign. Default: any.
    #[serde(default)]
    pub campaign: Option<String>,
    /// The queues' tenant. Default: any.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The queues' domain. Default: any.
    #[serde(default)]
    pub domain: Option<String>,
    /// The queues' routing domain. Default: any.
    #[serde(default)]
    pub routing_domain: Option<String>,
    /// Why.
    pub reason: String,
    /// For how long. Default: 5 minutes.
    #[serde(default, deserialize_with = "policy::optional_duration")]
    pub duration: Option<Duration>,
    /// Until when; goes before `duration`.
    #[serde(default)]
    pub expires: Option<Time>,
    /// Whether no records are logged of it. Default: false.
    #[serde(default)]
    pub suppress_logging: bool,
    /// The queues' names. Default: by the selectors above.
    #[serde(default, deserialize_with = "crate::mail::config::list")]
    pub queue_names: Vec<String>,
}

impl SuspendPath {
    /// Does it; the id of the entry.
    pub fn make(&self, holds: &Holds) -> Uuid {
        holds.suspend_path(&self.name, &self.reason, holds.end(self.duration, self.expires), Owner::operator())
    }
}

impl SuspendQueues {
    /// Which queues.
    pub fn selector(&self) -> Selector {
        let selector = Selector::new(self.campaign.as_deref(), self.tenant.as_deref(), self.domain.as_deref());
        Selector { queue_names: self.queue_names.iter().cloned().collect(), ..selector }
    }

    /// Does it; the id of the entry.
    pub fn make(&self, holds: &Holds) -> Uuid {
        let until = holds.end(self.duration, self.expires);
        holds.suspend_queue(self.selector(), &self.reason, until, Owner::operator())
    }
}

impl BounceQueues {
    /// Which queues.
    pub fn selector(&self) -> Selector {
        let selector = Selector::new(self.campaign.as_deref(), self.tenant.as_deref(), self.domain.as_deref());
        let routing_domain = self.routing_domain.as_ref().map(|domain| domain.to_lowercase().into());
        Selector { routing_domain, queue_names: self.queue_names.iter().cloned().collect(), ..selector }
    }

    /// Does it; the id of the entry. Mail that waits is not looked for: that is up to who asks.
    pub fn make(&self, holds: &Holds) -> Uuid {
        let until = holds.end(self.duration, self.expires);
        holds.bounce(self.selector(), &self.reason, until, self.suppress_logging, Owner::operator())
    }
}

impl Holds {
    fn end(&self, duration: Option<Duration>, expires: Option<Time>) -> Time {
        expires.unwrap_or_else(|| self.clock.now().after(duration.unwrap_or(DEFAULT)))
    }
}
