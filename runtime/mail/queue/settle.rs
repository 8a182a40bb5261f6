//! What becomes of a message after an attempt: records, the spool, the next attempt.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kumo_tsa_core::wire::{Kind, format_duration};
use tokio::time::Instant;

use super::engine::Engine;
use super::ready::Item;
use super::reason::{self, Reason};
use super::retry;
use super::scheduled::{Scheduled, Waiting};
use super::world::Requeued;
use crate::mail::address::Address;
use crate::mail::log::{Attempt, Entry};
use crate::mail::message::Message;
use crate::mail::reply::Reply;

/// A message that is put back is read from the spool again when it waits for longer than this.
const SHRINK_AFTER: Duration = Duration::from_secs(5);

/// How a message goes back into a scheduled queue.
#[derive(Debug)]
pub(super) struct Back<'a> {
    /// The queue that it comes from.
    pub(super) queue: &'a str,
    pub(super) reasons: &'a [Reason],
    /// Whether an attempt was made: then the retry schedule says when the next one is.
    pub(super) increment: bool,
    /// When it is tried again, where the retry schedule does not say it; within a minute when neither does.
    pub(super) delay: Option<Duration>,
    /// What the attempt was answered.
    pub(super) response: String,
}

impl Engine {
    /// Writes down what became of recipients of a message, and puts it back for those that are to be tried again.
    /// `untried` recipients were not in the transaction.
    pub(super) async fn settle(
        &self,
        item: Item,
        fates: Vec<(Address, Reply)>,
        untried: &[Address],
        attempt: &Attempt,
    ) {
        let message = &item.message;
        let mut groups: Vec<(Reply, Vec<Address>)> = Vec::new();
        for (address, reply) in fates {
            match groups.iter_mut().find(|(known, _)| *known == reply) {
                Some((_, addresses)) => addresses.push(address),
                None => groups.push((reply, vec![address])),
            }
        }
        let mut done = HashSet::new();
        let mut failure = None;
        for (mut reply, addresses) in groups {
            self.rewrite(&item.queue, &mut reply).await;
            let kind = kind_of(&reply);
            if kind == Kind::TransientFailure {
                failure = Some(reply.to_string());
            } else {
                done.extend(addresses.iter().cloned());
            }
            let attempt = attempt.clone();
            let queue = Some(&*item.queue.name);
            self.world.log(Entry { kind, message, recipients: Some(&addresses), reply, attempt, queue }).await;
        }
        let mut remaining = message.recipients();
        remaining.retain(|address| !done.contains(address));
        if remaining.is_empty() {
            self.finish(message).await;
            return;
        }
        message.set_recipients(remaining);
        match failure {
            Some(response) => {
                let reasons = &[Reason::LoggedTransientFailure];
                let queue = item.queue.name.clone();
                self.requeue(item.message, Back { queue: &queue, reasons, increment: true, delay: None, response })
                    .await;
            }
            None if untried.is_empty() => self.finish(message).await,
            None => {
                self.keep_meta(message).await;
                self.give_back(item, &[Reason::DispatcherDrop], Some(Duration::ZERO)).await;
            }
        }
    }

    async fn rewrite(&self, queue: &Scheduled, reply: &mut Reply) {
        if reply.is_positive() {
            return;
        }
        match self.world.rewrite_status(&reply.to_string(), &queue.parts()).await {
            Ok(Some(code)) => reply.code = code,
            Ok(None) => {}
            Err(error) => tracing::error!("queue `{}`: {error}", queue.name),
        }
    }

    /// Writes one record for an attempt that failed for all recipients, and puts the message back.
    pub(super) async fn fail(
        &self,
        queue: &Arc<Scheduled>,
        message: Message,
        reply: Reply,
        attempt: Attempt,
        also: &[Reason],
    ) {
        let response = reply.to_string();
        self.log(Kind::TransientFailure, &message, &queue.name, reply, attempt).await;
        let mut reasons = vec![Reason::LoggedTransientFailure];
        reasons.extend_from_slice(also);
        let back = Back { queue: &queue.name, reasons: &reasons, increment: true, delay: None, response };
        self.requeue(message, back).await;
    }

    /// Gives a message back that nothing was tried with: at once, unless a delay is given.
    pub(super) async fn give_back(&self, item: Item, reasons: &[Reason], delay: Option<Duration>) {
        let response = String::new();
        let delay = Some(delay.unwrap_or(Duration::ZERO));
        let queue = item.queue.name.clone();
        let back = Back { queue: &queue, reasons, increment: false, delay, response };
        self.requeue(item.message, back).await;
    }

    /// Puts a message back into a scheduled queue, or gives it up when it would become too old there (interface C.9).
    pub(super) async fn requeue(&self, message: Message, back: Back<'_>) {
        let told = Requeued {
            message: &message,
            response: back.response,
            reasons: back.reasons.iter().map(|reason| reason.name().to_owned()).collect(),
            increment: back.increment,
            delay: back.delay,
        };
        if let Err(error) = self.world.requeued(told).await {
            tracing::error!("message `{}`: {error}", message.id());
        }
        let name = message.queue_name().unwrap_or_else(|error| {
            tracing::error!("message `{}` stays in queue `{}`: {error}", message.id(), back.queue);
            back.queue.to_owned()
        });
        let queue = self.scheduled(&name);
        let config = match self.config(&queue).await {
            Ok(config) => config,
            Err(error) => {
                tracing::error!("queue `{name}` has the default configuration for now: {error}");
                Arc::default()
            }
        };
        let delay = if back.increment {
            let attempts = message.num_attempts();
            message.increment_num_attempts();
            retry::with_jitter(&config, retry::delay(&config, attempts))
        } else {
            back.delay.unwrap_or_else(retry::scatter)
        };
        let now = self.clock.now();
        if delay.is_zero() {
            self.place(&queue, message, back.reasons).await;
            return;
        }
        message.set_due(Some(now.after(delay)));
        let due = message.due_from(now);
        let expires = message.schedule().and_then(|schedule| schedule.expires);
        if let Some(why) = retry::expiry(&config, message.created(), due, expires) {
            self.give_up(&name, &message, &why).await;
            return;
        }
        self.keep_meta(&message).await;
        self.place(&queue, message, back.reasons).await;
    }

    /// Takes a message in: it goes where it is due, unless its queue is bounced.
    pub(super) async fn enter(&self, name: &str, message: Message, reasons: &[Reason]) {
        let queue = self.scheduled(name);
        if let Some(bounced) = self.world.holds().bounced(&queue.parts(), name, self.clock.now()) {
            return self.send_back(name, &message, &bounced).await;
        }
        self.place(&queue, message, reasons).await;
    }

    /// Puts a message into a scheduled queue for when it is due, and says so where the reasons ask for it.
    pub(super) async fn place(&self, queue: &Arc<Scheduled>, message: Message, reasons: &[Reason]) {
        let now = self.clock.now();
        let due = message.due_from(now);
        let wait = due.since(now);
        let first = reasons.contains(&Reason::Received) && wait.is_zero();
        if reason::is_told(reasons) && !first {
            let wait = format_duration(retry::whole(wait));
            let reply = Reply::new(400, &format!("Context: {}. Next due in {wait} at {due}", reason::text(reasons)));
            self.log(Kind::Delayed, &message, &queue.name, reply, Attempt::default()).await;
        }
        if !wait.is_zero() {
            self.keep(&message).await;
        }
        if wait > SHRINK_AFTER {
            message.shrink_data();
        }
        self.put(queue, Instant::now() + wait, Waiting { message, told: false });
    }

    /// Gives a message up that is too old.
    pub(super) async fn give_up(&self, queue: &str, message: &Message, why: &str) {
        let attempt = Attempt { site: "localhost".to_owned(), ..Attempt::default() };
        self.log(Kind::Expiration, message, queue, Reply::new(551, &format!("5.4.7 {why}")), attempt).await;
        self.finish(message).await;
    }

    /// Takes a message out of the spool: its fate is logged.
    pub(super) async fn finish(&self, message: &Message) {
        if let Err(error) = self.world.remove(message).await {
            tracing::error!("message `{}` is done with, but stays in the spool: {error}", message.id());
        }
    }

    /// Puts a message into the spool whose way there was deferred, now that it stays.
    pub(super) async fn keep(&self, message: &Message) {
        if !message.is_in_spool() {
            self.keep_meta(message).await;
        }
    }

    pub(super) async fn keep_meta(&self, message: &Message) {
        if let Err(error) = self.world.save(message).await {
            tracing::error!("message `{}`: its attempts and due time are not in the spool: {error}", message.id());
        }
    }
}

/// Which record says of a reply what it means.
pub(super) fn kind_of(reply: &Reply) -> Kind {
    if reply.is_positive() {
        Kind::Delivery
    } else if reply.is_permanent() {
        Kind::Bounce
    } else {
        Kind::TransientFailure
    }
}
