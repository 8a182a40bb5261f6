//! What asks for a suspension or a bounce, from Lua and over HTTP (interface A.9, C.14).

use std::time::Duration;

use kumo_tsa_core::wire::Time;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{BouncedQueues, Holds, Owner, Selector, SuspendedPath, SuspendedQueues};
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

/// What asks for entries of a kind, and how those are listed and ended.
pub trait Order: DeserializeOwned + 'static {
    /// An entry as it is listed.
    type Listed: Serialize + 'static;
    /// What such an entry is called.
    const ENTRY: &str;

    /// Does it; the id of the entry. Mail that waits is not looked for: the queues do that when they hear of it.
    fn make(&self, holds: &Holds) -> Uuid;
    /// The entries in force.
    fn list(holds: &Holds) -> Vec<Self::Listed>;
    /// Ends an entry; false when there is none with this id.
    fn delete(holds: &Holds, id: Uuid) -> bool;
    /// How it is answered over HTTP.
    fn made(id: Uuid) -> Value {
        json!({ "id": id })
    }
}

impl Order for SuspendPath {
    type Listed = SuspendedPath;
    const ENTRY: &str = "suspend-ready-q";

    fn make(&self, holds: &Holds) -> Uuid {
        holds.suspend_path(&self.name, &self.reason, holds.end(self.duration, self.expires), Owner::operator())
    }

    fn list(holds: &Holds) -> Vec<Self::Listed> {
        holds.list_paths()
    }

    fn delete(holds: &Holds, id: Uuid) -> bool {
        holds.delete_path(id)
    }
}

impl SuspendQueues {
    /// Which queues.
    pub fn selector(&self) -> Selector {
        let selector = Selector::new(self.campaign.as_deref(), self.tenant.as_deref(), self.domain.as_deref());
        Selector { queue_names: self.queue_names.iter().cloned().collect(), ..selector }
    }
}

impl Order for SuspendQueues {
    type Listed = SuspendedQueues;
    const ENTRY: &str = "suspend";

    fn make(&self, holds: &Holds) -> Uuid {
        let until = holds.end(self.duration, self.expires);
        holds.suspend_queue(self.selector(), &self.reason, until, Owner::operator())
    }

    fn list(holds: &Holds) -> Vec<Self::Listed> {
        holds.list_queues()
    }

    fn delete(holds: &Holds, id: Uuid) -> bool {
        holds.delete_queue(id)
    }
}

impl BounceQueues {
    /// Which queues.
    pub fn selector(&self) -> Selector {
        let selector = Selector::new(self.campaign.as_deref(), self.tenant.as_deref(), self.domain.as_deref());
        let routing_domain = self.routing_domain.as_ref().map(|domain| domain.to_lowercase().into());
        Selector { routing_domain, queue_names: self.queue_names.iter().cloned().collect(), ..selector }
    }
}

impl Order for BounceQueues {
    type Listed = BouncedQueues;
    const ENTRY: &str = "bounce";

    fn make(&self, holds: &Holds) -> Uuid {
        let until = holds.end(self.duration, self.expires);
        holds.bounce(self.selector(), &self.reason, until, self.suppress_logging, Owner::operator())
    }

    fn list(holds: &Holds) -> Vec<Self::Listed> {
        holds.list_bounces()
    }

    fn delete(holds: &Holds, id: Uuid) -> bool {
        holds.delete_bounce(id)
    }

    /// The list says later how many messages were met.
    fn made(id: Uuid) -> Value {
        json!({ "id": id, "bounced": {}, "total_bounced": 0 })
    }
}

impl Holds {
    fn end(&self, duration: Option<Duration>, expires: Option<Time>) -> Time {
        expires.unwrap_or_else(|| self.clock.now().after(duration.unwrap_or(DEFAULT)))
    }
}
