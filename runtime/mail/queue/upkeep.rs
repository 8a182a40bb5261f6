//! Keeping ready queues: made when needed, sessions opened as there is demand, configuration refreshed, forgotten when idle.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::dispatch::Dispatcher;
use super::engine::Engine;
use super::ready::{Card, Phase, Ready, Rules};
use super::reason::Reason;
use super::route::{Destination, Route};
use crate::mail::config::{PathConfig, Pool, RefreshStrategy, WakeupStrategy};
use crate::mail::throttle::Lease;

/// After how long an idle ready queue is forgotten.
pub(super) const REAP: Duration = Duration::from_mins(10);

/// How often it is looked whether more sessions are wanted, where messages that come do not have it looked at at once.
const RELAXED: Duration = Duration::from_secs(1);

/// What keeps sessions from being opened now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// It is over then.
    until: Option<Instant>,
    /// It is over when somebody gives this lease back.
    lease: Option<String>,
}

/// How many sessions `queued` messages ask for where there may be `limit` (interface C.11).
pub(super) fn ideal(queued: usize, limit: u64) -> u64 {
    let wanted = limit as f64 * (1.0 - (-0.023 * queued as f64).exp());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the limit")]
    let wanted = wanted.ceil() as u64;
    wanted.min(queued as u64)
}

impl Engine {
    /// The ready queue from a source to a destination.
    ///
    /// # Errors
    /// When the policy fails where it is asked about the source or the path.
    pub(super) async fn ready_queue(&self, to: &Destination, source: &str, pool: &Pool) -> Result<Arc<Ready>, String> {
        let path = to.path(source);
        if let Some(ready) = self.find_ready(&path) {
            ready.note_destination(to);
            self.learn_lane(&ready, &to.domain.as_str().into());
            return Ok(ready);
        }
        let route = Route {
            to: to.clone(),
            source: self.world.source(source).await?,
            pool: pool.name.clone(),
            path: path.clone(),
        };
        // Last: an override that came between this and the table would not be noticed.
        let config = self.world.path_config(&to.domain, source, &to.site).await?;
        let ready = {
            let mut table = self.ready_table();
            if let Some(ready) = table.get(&path) {
                return Ok(ready.clone());
            }
            let ready = Arc::new(Ready::new(route, Rules::new(&path, config)));
            table.insert(path, ready.clone());
            ready
        };
        self.learn_lane(&ready, &to.domain.as_str().into());
        let kept = ready.clone();
        self.spawn(|engine| engine.look_after(kept));
        Ok(ready)
    }

    /// Finds out what holds for a domain alone, unless that is known.
    fn learn_lane(&self, ready: &Ready, domain: &Arc<str>) {
        if ready.lock().lanes.knows(domain) {
            return;
        }
        let route = ready.route();
        let lane = self.world.lane(domain, &route.source.name, &route.to.site, &ready.config());
        ready.lock().lanes.set(domain, lane);
    }

    /// Looks after a ready queue until it is forgotten.
    pub(super) async fn look_after(self: Arc<Self>, ready: Arc<Ready>) {
        let mut epoch = self.world.epoch();
        epoch.mark_unchanged();
        loop {
            for caller in ready.callers() {
                let mut state = caller.lock();
                state.stalled = None;
                self.attend(&caller, state);
            }
            if self.reap(&ready) {
                return;
            }
            let (begun, obstacle) = self.scale(&ready);
            if begun > 0 {
                // Those that end as they begin, as all do when the runtime shuts down, ask for others at once: this task would
                // never be done, and the runtime would wait for it.
                tokio::task::yield_now().await;
            }
            let relaxed = ready.config().maintainer_wakeup_strategy == WakeupStrategy::Relaxed && !ready.is_empty();
            let relaxed = relaxed.then(|| Instant::now() + RELAXED);
            let wake = [obstacle.until, relaxed, Some(refresh_time(&ready)), ready.lock().next()];
            let wake = wake.into_iter().flatten().min().unwrap_or_else(|| Instant::now() + REAP);
            let lease = obstacle.lease.unwrap_or_default();
            tokio::select! {
                () = ready.attention.notified() => {}
                () = tokio::time::sleep_until(wake) => ready.stir.notify_waiters(),
                () = self.world.throttles().released(&lease), if !lease.is_empty() => {}
                Ok(()) = epoch.changed() => self.refresh(&ready, true).await,
                () = self.stopped() => return,
            }
            if refresh_time(&ready) <= Instant::now() {
                self.refresh(&ready, false).await;
            }
        }
    }

    fn reap(&self, ready: &Arc<Ready>) -> bool {
        let is_idle = |state: &super::ready::State| {
            state.is_empty() && state.sessions.is_empty() && state.idle_since.elapsed() >= REAP
        };
        if !is_idle(&ready.lock()) {
            return false;
        }
        let mut table = self.ready_table();
        let mut state = ready.lock();
        if !is_idle(&state) {
            return false;
        }
        state.gone = true;
        table.remove(&ready.path_name());
        true
    }

    /// Opens as many sessions as there is demand for. Tells how many, and what keeps it from opening more.
    fn scale(&self, ready: &Arc<Ready>) -> (u64, Obstacle) {
        let path = ready.path_name();
        if self.is_stopping() || self.world.holds().path(&path, self.clock.now()).is_some() {
            return (0, Obstacle::default());
        }
        let config = ready.config();
        self.ramp.open(&path, Instant::now());
        // Sessions may end as soon as they begin: that must not go on for ever.
        let mut begun = 0;
        loop {
            let now = Instant::now();
            let mut state = ready.lock();
            let (open, busy) = Ready::demand(&state);
            let limit = config.connection_limit.limit.get();
            let (allowed, more) = self.ramp.allowed(&path, limit, now);
            let wanted = if config.aggressive_connection_opening {
                limit.min((open + busy) as u64)
            } else {
                ideal(open + busy, limit)
            };
            let sessions = state.sessions.len() as u64;
            if open == 0 || sessions.max(begun) >= wanted {
                return (begun, Obstacle::default());
            }
            if sessions >= allowed {
                return (begun, Obstacle { until: more, lease: None });
            }
            if let Some(until) = state.closed_until.filter(|until| *until > now) {
                return (begun, Obstacle { until: Some(until), lease: None });
            }
            let leases = match self.leases(&path, &config) {
                Ok(leases) => leases,
                Err(key) => {
                    state.lacks_lease = true;
                    return (begun, Obstacle { until: None, lease: Some(key) });
                }
            };
            state.lacks_lease = false;
            let session = Uuid::new_v4();
            let now = self.clock.now();
            let card = Card {
                started: now,
                phase: Phase::Starting,
                since: now,
                detail: None,
                outcomes: [0; 3],
                delivered_this_connection: 0,
                abort: watch::Sender::new(false),
            };
            let aborted = card.abort.subscribe();
            state.sessions.insert(session, card);
            drop(state);
            let ready = ready.clone();
            self.spawn(|engine| Dispatcher::new(engine, ready, session, aborted, leases).run());
            begun += 1;
        }
    }

    /// Takes one of each number of connections that the path must stay below.
    fn leases(&self, path: &str, config: &PathConfig) -> Result<Vec<Lease>, String> {
        let own = (format!("kumomta.connection_limit.{path}"), config.connection_limit);
        let named = config.additional_connection_limits.iter().map(|(name, limit)| (name.clone(), *limit));
        let mut leases = Vec::new();
        for (key, limit) in std::iter::once(own).chain(named) {
            match self.world.throttles().try_acquire(&key, limit) {
                Some(lease) => leases.push(lease),
                None => return Err(key),
            }
        }
        Ok(leases)
    }

    /// Asks the policy again what holds for a path; when that fails, what held before does.
    pub(super) async fn refresh(&self, ready: &Ready, new_epoch: bool) {
        let rules = ready.rules();
        if new_epoch && rules.config.refresh_strategy != RefreshStrategy::Epoch {
            return;
        }
        self.ask_again(ready).await;
    }

    async fn ask_again(&self, ready: &Ready) {
        let route = ready.route();
        let config = match self.world.path_config(&route.to.domain, &route.source.name, &route.to.site).await {
            Ok(config) => config,
            Err(error) => {
                tracing::error!("path `{}`: its configuration stays as it was: {error}", route.path);
                ready.config()
            }
        };
        let surplus = ready.set_rules(Rules::new(&route.path, config.clone()));
        let mut domains = ready.domains();
        domains.extend(ready.lock().lanes.domains());
        ready.lock().lanes.forget_plain();
        for domain in domains {
            let lane = self.world.lane(&domain, &route.source.name, &route.to.site, &config);
            ready.lock().lanes.set(&domain, lane);
        }
        ready.disturb();
        for item in surplus {
            self.give_back(item, &[Reason::MaxReadyWasReducedByConfigUpdate], Some(super::retry::scatter())).await;
        }
    }

    /// Refreshes the paths whose overrides change, and no others (semantics P5).
    pub(super) async fn watch_overrides(self: Arc<Self>) {
        loop {
            let changed = tokio::select! {
                changed = self.world.overridden() => changed,
                () = self.stopped() => return,
            };
            for ready in self.ready_queues() {
                let route = ready.route();
                let concerns =
                    |(source, site): &(String, String)| *source == route.source.name && *site == route.to.site;
                if changed.is_empty() || changed.iter().any(concerns) {
                    self.ask_again(&ready).await;
                }
            }
        }
    }
}

fn refresh_time(ready: &Ready) -> Instant {
    let rules = ready.rules();
    match rules.config.refresh_strategy {
        RefreshStrategy::Ttl => rules.asked + rules.config.refresh_interval.clamp(Duration::from_millis(100), REAP),
        RefreshStrategy::Epoch => Instant::now() + REAP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_grow_with_the_queue_up_to_the_limit() {
        assert_eq!(ideal(0, 32), 0);
        assert_eq!(ideal(1, 32), 1);
        assert_eq!(ideal(10, 32), 7);
        assert_eq!(ideal(1000, 32), 32);
        assert_eq!(ideal(3, 1000), 3);
        assert_eq!(ideal(1000, 1), 1);
    }
}
