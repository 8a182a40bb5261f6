//! Which records a rule may match: most are deliveries that none does, and asking a policy about each takes long.

use std::time::Duration;

use tokio::time::Instant;

use crate::policy::{self, Event, Policy};
use crate::shaping::{Handle, LuaShaping};

/// After how long the policy is asked for the data again; it keeps them itself for as long as it likes.
const REFRESH: Duration = Duration::from_secs(10);

/// Lets records through that a rule of shaping data may match.
pub(super) struct Sieve {
    policy: Policy,
    event: Event<(), LuaShaping>,
    known: Option<Known>,
}

struct Known {
    /// `None` where the policy could not tell: then all is let through.
    shaping: Option<Handle>,
    asked: Instant,
    epoch: u64,
}

impl Sieve {
    /// One whose data the policy's event of this name gives.
    pub(super) fn new(policy: Policy, event: String) -> Self {
        Self { policy, event: Event::named(event), known: None }
    }

    /// Asks the policy for the data in force, when that is due.
    pub(super) async fn refresh(&mut self) {
        let epoch = self.policy.host().epoch().current();
        let is_fresh = |known: &Known| known.epoch == epoch && known.asked.elapsed() < REFRESH;
        if self.known.as_ref().is_some_and(is_fresh) {
            return;
        }
        let shaping = match self.policy.call(&self.event, ()).await {
            Ok(given) => given.map(|LuaShaping(handle)| handle),
            Err(error) => {
                tracing::error!("records are told apart by nothing: {}", policy::explain(&error));
                None
            }
        };
        self.known = Some(Known { shaping, asked: Instant::now(), epoch });
    }

    /// Whether a rule may match a record as it is written. Where that cannot be told, who gets it decides.
    pub(super) fn lets_through(&self, record: &str) -> bool {
        let shaping = self.known.as_ref().and_then(|known| known.shaping.as_ref());
        shaping.is_none_or(|shaping| shaping.may_match(record.as_bytes()).unwrap_or(true))
    }
}
