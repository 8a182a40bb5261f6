//! Which records a rule may match: most are deliveries that none does, and asking a policy about each takes long.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::record::Record;
use crate::policy::{self, Event, Policy};
use crate::shaping::{Handle, LuaShaping};

/// After how long the policy is asked for the data again; it keeps them itself for as long as it likes.
const REFRESH: Duration = Duration::from_secs(30);

/// Lets records through that a rule of shaping data may match.
#[derive(Clone, Debug)]
pub(super) struct Sieve {
    known: watch::Receiver<Known>,
    asking: Arc<Asking>,
}

#[derive(Clone, Debug)]
enum Known {
    /// The policy has not answered yet.
    NotYet,
    /// The policy cannot tell.
    Nothing,
    Rules(Handle),
}

/// The task that asks the policy.
#[derive(Debug)]
struct Asking(JoinHandle<()>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Sieve {
    /// One whose data the policy's event of this name gives, now and again.
    pub(super) fn start(policy: Policy, event: String) -> Self {
        let (tell, known) = watch::channel(Known::NotYet);
        let event = Event::<(), LuaShaping>::named(event);
        let task = tokio::spawn(async move {
            let mut epoch = policy.host().epoch().watch();
            let clock = policy.host().clock().clone();
            loop {
                epoch.mark_unchanged();
                tell.send_replace(match policy.call(&event, ()).await {
                    Ok(Some(LuaShaping(handle))) => Known::Rules(handle),
                    Ok(None) => Known::Nothing,
                    Err(error) => {
                        tracing::error!("all records are let through: {}", policy::explain(&error));
                        Known::Nothing
                    }
                });
                tokio::select! {
                    () = clock.sleep(REFRESH) => {}
                    // Fails only when the host is gone, and this with it.
                    _ = epoch.changed() => {}
                }
            }
        });
        Self { known, asking: Arc::new(Asking(task)) }
    }

    /// Asks the policy no more.
    pub(super) fn stop(&self) {
        self.asking.0.abort();
    }

    /// Returns when the policy has told, or failed to tell.
    pub(super) async fn ready(&mut self) {
        // Fails when nobody can tell any more.
        let _ = self.known.wait_for(|known| !matches!(known, Known::NotYet)).await;
    }

    /// Whether a rule may match. Where that cannot be told, who gets the record decides.
    pub(super) fn lets_through(&self, record: &Record) -> bool {
        match &*self.known.borrow() {
            Known::Rules(rules) => record.may_match(rules),
            Known::NotYet | Known::Nothing => true,
        }
    }
}
