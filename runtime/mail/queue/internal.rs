//! The host's own queues: their messages are not delivered, the host itself works them off (interface C.4).

use std::sync::Arc;

use kumo_tsa_core::wire::Kind;

use super::engine::Engine;
use super::reason::Reason;
use super::scheduled::Scheduled;
use crate::mail::inject::GENERATOR_QUEUE;
use crate::mail::log::Attempt;
use crate::mail::message::Message;
use crate::mail::reply::Reply;
use crate::mail::smtp::server::DEFERRED_QUEUE;

/// How many messages of such queues are worked on at a time.
pub(super) const AT_A_TIME: usize = 16;

/// A queue of the host's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Internal {
    /// Messages that are requests to inject others.
    Generator,
    /// Messages that came over SMTP and that the policy has not seen.
    Deferred,
}

impl Internal {
    /// The one of this name.
    pub fn of(queue: &str) -> Option<Self> {
        match queue {
            GENERATOR_QUEUE => Some(Self::Generator),
            DEFERRED_QUEUE => Some(Self::Deferred),
            _ => None,
        }
    }

    /// The protocol, as records have it.
    const fn protocol(self) -> &'static str {
        match self {
            Self::Generator => "HttpInjectionGenerator",
            Self::Deferred => "DeferredSmtpInjection",
        }
    }
}

impl Engine {
    /// Has a message of an internal queue worked off, beside others.
    pub(super) async fn work_off(&self, internal: Internal, queue: &Arc<Scheduled>, message: Message) {
        // The semaphore is never closed.
        let Ok(place) = self.internal.clone().acquire_owned().await else { return };
        let queue = queue.clone();
        self.spawn(move |engine| async move {
            engine.work_off_one(internal, &queue, message).await;
            drop(place);
        });
    }

    async fn work_off_one(&self, internal: Internal, queue: &Arc<Scheduled>, message: Message) {
        let attempt = Attempt { protocol: Some(internal.protocol().to_owned()), ..Attempt::default() };
        match self.world.work_off(internal, &message).await {
            Ok(reply) if internal == Internal::Generator => {
                self.log(Kind::Delivery, &message, &queue.name, reply, attempt).await;
                self.finish(&message).await;
            }
            Ok(reply) => self.rebind(message, Kind::DeferredInjectionRebind, reply, attempt, &[Reason::Received]).await,
            Err(reply) if reply.is_permanent() => {
                self.log(Kind::Bounce, &message, &queue.name, reply, attempt).await;
                self.finish(&message).await;
            }
            Err(reply) => self.fail(queue, message, reply, attempt, &[]).await,
        }
    }

    /// Logs that a message is for another queue now, and puts it there.
    pub(super) async fn rebind(
        &self,
        message: Message,
        kind: Kind,
        reply: Reply,
        attempt: Attempt,
        reasons: &[Reason],
    ) {
        let name = match message.queue_name() {
            Ok(name) => name,
            Err(error) => {
                let reply = Reply::new(554, &format!("5.4.4 KumoMTA internal: {error}"));
                self.log(Kind::Bounce, &message, "", reply, attempt).await;
                return self.finish(&message).await;
            }
        };
        self.keep_meta(&message).await;
        self.log(kind, &message, &name, reply, attempt).await;
        if name == super::NULL { self.finish(&message).await } else { self.enter(&name, message, reasons).await }
    }
}
