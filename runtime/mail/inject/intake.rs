//! Where messages go that were made here.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use futures_util::future::BoxFuture;

use crate::host::Host;
use crate::host::memory::{Headroom, Memory};
use crate::mail::Message;
use crate::mail::log::Logger;
use crate::mail::queue::{Accept, Queues};
use crate::mail::spool::Spools;

/// Takes messages over: into the spool, the log and the queues.
pub trait Intake: Send + Sync {
    /// Takes all of them, or none. With `deferred_spool` they may stay in memory alone until they could not be delivered at
    /// once.
    fn accept(&self, messages: Vec<Message>, deferred_spool: bool) -> BoxFuture<'_, Result<(), NotTaken>>;
}

/// Messages could not be taken over; whoever sent them may try again later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotTaken(pub String);

/// Whether mail may be taken in: fails while the spool, or what records go to, is full or failing, or memory is used up.
///
/// # Errors
/// Why not.
pub(in crate::mail) fn health(host: &Host) -> Result<(), String> {
    if let Some(spools) = Spools::of(host) {
        spools.health().map_err(|error| error.to_string())?;
    }
    if Memory::of(host).headroom() == Headroom::None {
        return Err("memory is used up".to_owned());
    }
    Logger::of(host).health()
}

type Slot = ArcSwapOption<Box<dyn Intake>>;

/// Sets where messages go on this host, in the place of its queues.
pub fn set_intake(host: &Host, intake: impl Intake + 'static) {
    let intake: Box<dyn Intake> = Box::new(intake);
    host.slot(Slot::empty).store(Some(Arc::new(intake)));
}

/// Hands messages over: to the host's queues, if nothing else was set.
pub(in crate::mail) async fn accept(host: &Host, messages: Vec<Message>, deferred_spool: bool) -> Result<(), NotTaken> {
    accept_as(host, messages, Accept { deferred_spool, log_reception: true }).await
}

/// The same, and says whether receptions are logged.
pub(in crate::mail) async fn accept_as(host: &Host, messages: Vec<Message>, how: Accept) -> Result<(), NotTaken> {
    if let Some(intake) = host.slot(Slot::empty).load_full() {
        return intake.accept(messages, how.deferred_spool).await;
    }
    let taken = Queues::of(host).accept(messages, how).await;
    taken.map_err(|error| NotTaken(format!("{:#}", anyhow::Error::from(error))))
}
