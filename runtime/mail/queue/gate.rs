//! What a message passes between a ready queue and a session: holds, bounces, rates.

use tokio::time::Instant;

use super::dispatch::{Dispatcher, interval};
use super::ready::{Found, Item, Phase};
use super::reason::Reason;
use super::world::Session;
use crate::mail::hold::{Bounce, Hold};
use crate::mail::log::Attempt;
use crate::mail::throttle::Short;

/// What became of a message at the gate.
enum Passage {
    /// It may go.
    Open(Item),
    /// It went elsewhere.
    Elsewhere,
    /// The session is to end.
    Shut,
}

impl Dispatcher {
    /// Takes messages into the hand, as many as the session takes at a time; waits for the first as long as a session may be
    /// idle. False when there is none, or none may go.
    pub(super) async fn fill_hand(&mut self, most: usize, session: &mut dyn Session) -> bool {
        let idle = self.ready.config().idle_timeout;
        if !self.take_one(Instant::now() + idle, Phase::Idle, session).await {
            return false;
        }
        let route = self.ready.route();
        let Some(lua) = route.lua() else { return true };
        let want = lua.batch_size.min(most.max(1));
        let patience = Instant::now() + lua.max_batch_latency;
        while self.hand.len() < want {
            let have = self.hand.len();
            let until = if have < lua.min_batch_size { patience } else { Instant::now() };
            if !self.take_one(until, Phase::AccumulatingBatch { have, want }, session).await {
                break;
            }
        }
        // While it waited for more, the path may have been suspended.
        self.may_go_on()
    }

    async fn take_one(&mut self, until: Instant, phase: Phase, session: &mut dyn Session) -> bool {
        let ready = self.ready.clone();
        loop {
            let stirred = ready.stir.notified();
            let mut stirred = std::pin::pin!(stirred);
            // Whatever comes from here on wakes it.
            stirred.as_mut().enable();
            if !self.may_go_on() {
                return false;
            }
            match ready.take(self.id, &self.suits) {
                Found::Item(item) => match self.pass(item).await {
                    Passage::Open(item) => {
                        self.hand.push(item);
                        return true;
                    }
                    Passage::Elsewhere => continue,
                    Passage::Shut => return false,
                },
                Found::ForOthers => return false,
                Found::Nothing => {}
            }
            if until <= Instant::now() {
                return false;
            }
            self.phase(phase);
            tokio::select! {
                () = stirred => {}
                () = session.ended() => return false,
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    async fn pass(&mut self, item: Item) -> Passage {
        // Should the task end meanwhile, the message is not lost.
        self.hand.push(item);
        let passage = self.wait_at_gate().await;
        let Some(item) = self.hand.pop() else { return Passage::Elsewhere };
        match passage {
            Ok(()) => Passage::Open(item),
            Err(Stopped::Elsewhere(how)) => {
                self.ready.put_down(1);
                self.send_elsewhere(item, how).await;
                Passage::Elsewhere
            }
            Err(Stopped::Shut) => {
                self.ready.put_down(1);
                self.ready.push_front(std::iter::once(item));
                self.drain_if_held().await;
                Passage::Shut
            }
            Err(Stopped::TooLong(wait)) => {
                self.ready.put_down(1);
                let interval = self.ready.config().max_message_rate.map(interval).unwrap_or_default();
                let mut items = vec![item];
                items.extend(self.ready.drain());
                self.engine.postpone(items, wait, interval, Reason::MessageRateThrottle).await;
                Passage::Shut
            }
        }
    }

    async fn drain_if_held(&self) {
        let path = self.ready.path_name();
        if self.engine.world.holds().path(&path, self.engine.clock.now()).is_some() {
            self.engine.drain_suspended(&self.ready).await;
        }
    }

    async fn send_elsewhere(&self, item: Item, how: Elsewhere) {
        match how {
            Elsewhere::Bounced(bounced) => {
                self.engine.send_back(&item.queue.name, &item.message, &bounced).await;
            }
            Elsewhere::Held(held) => {
                let attempt = self.ready.attempt(Attempt::default());
                let attempt = Attempt { protocol: None, ..attempt };
                self.engine.hold_from_ready(&item.queue, item.message, attempt, &held).await;
            }
            Elsewhere::Blocked(until) => {
                self.ready.lock().lanes.block(&item.domain, until);
                self.ready.push_front(std::iter::once(item));
            }
        }
    }

    async fn wait_at_gate(&self) -> Result<(), Stopped> {
        let Some(item) = self.hand.last() else { return Ok(()) };
        loop {
            let now = self.engine.clock.now();
            let name = item.queue.parts();
            if let Some(bounced) = self.engine.world.holds().bounced(&name, &item.queue.name, now) {
                return Err(Stopped::Elsewhere(Elsewhere::Bounced(bounced)));
            }
            if let Some(held) = self.engine.world.holds().queue(&name, &item.queue.name, now) {
                return Err(Stopped::Elsewhere(Elsewhere::Held(held)));
            }
            let Err((wait, by_lane)) = self.throttle(item) else { return Ok(()) };
            if by_lane {
                return Err(Stopped::Elsewhere(Elsewhere::Blocked(Instant::now() + wait)));
            }
            if wait >= self.ready.config().idle_timeout {
                return Err(Stopped::TooLong(wait));
            }
            self.phase(Phase::MessageRateThrottled);
            let until = Instant::now() + wait;
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(until) => break,
                    () = self.ready.change.notified() => {}
                }
                if !self.may_go_on() {
                    return Err(Stopped::Shut);
                }
            }
            if !self.may_go_on() {
                return Err(Stopped::Shut);
            }
        }
    }

    /// Takes one from each rate of the path, and of the domain where it has one of its own.
    fn throttle(&self, item: &Item) -> Result<(), (std::time::Duration, bool)> {
        let rules = self.ready.rules();
        let lane = self.ready.lock().lanes.rate(&item.domain);
        let taken = match lane {
            None => self.engine.world.throttles().check_all(&rules.message_rates),
            Some(rate) => {
                let mut rates = rules.message_rates.clone();
                rates.push((format!("kumomta.max_message_rate.{}.{}", self.ready.path_name(), item.domain), rate));
                self.engine.world.throttles().check_all(&rates)
            }
        };
        taken.map_err(|Short { which, wait }| (wait, which >= rules.message_rates.len()))
    }
}

enum Stopped {
    Elsewhere(Elsewhere),
    Shut,
    TooLong(std::time::Duration),
}

enum Elsewhere {
    Bounced(Bounce),
    Held(Hold),
    Blocked(Instant),
}
