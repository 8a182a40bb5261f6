//! Where the messages go that log hooks make.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::hook::{Intake, Refusal};
use crate::host::Host;
use crate::mail::message::Message;
use crate::mail::queue::{Accept, NotTaken, Queues};
use crate::mail::spool::Spools;

/// The queues of a host; while they do not run, its spool, from which the next start takes them.
#[derive(Debug)]
pub struct ToQueues {
    host: Host,
}

impl ToQueues {
    /// Those of `host`.
    pub fn of(host: &Host) -> Self {
        Self { host: host.clone() }
    }

    async fn keep(&self, messages: &[Message]) -> Result<(), Refusal> {
        let later = |why: String| Refusal::Later(why);
        let spools = Spools::of(&self.host).ok_or_else(|| later("the spool is not open".to_owned()))?;
        for message in messages {
            spools.save(message).await.map_err(|error| later(error.to_string()))?;
        }
        Ok(())
    }
}

impl Intake for ToQueues {
    fn accept(&self, messages: Vec<Message>, deferred_spool: bool) -> BoxFuture<'_, Result<(), Refusal>> {
        async move {
            let how = Accept { deferred_spool, log_reception: false };
            match Queues::of(&self.host).accept(messages.clone(), how).await {
                Ok(()) => Ok(()),
                Err(NotTaken::Stopped) => self.keep(&messages).await,
                Err(error @ NotTaken::Spool(_)) => Err(Refusal::Later(error.to_string())),
                Err(error) => Err(Refusal::Never(error.to_string())),
            }
        }
        .boxed()
    }
}
