//! Saying what was decided: log lines, counters, and whoever watches (semantics A9).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kumo_tsa_core::decide::{Decision, Skipped, Started, What, Why};
use kumo_tsa_core::shaping::{Rule, RuleId};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::metrics::Metrics;

/// Who watches and does not keep up misses the oldest.
const WATCHED_AT_MOST: usize = 4096;
/// What would be said for each record is said once in this time for each rule.
const SELDOM: Duration = Duration::from_mins(1);

/// Says what was decided.
pub(super) struct Announcements {
    metrics: Metrics,
    watchers: broadcast::Sender<Arc<Started>>,
    said: Mutex<HashMap<RuleId, Instant>>,
}

impl Announcements {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics, watchers: broadcast::Sender::new(WATCHED_AT_MOST), said: Mutex::default() }
    }

    /// Effects as they begin or are prolonged.
    pub(super) fn watch(&self) -> broadcast::Receiver<Arc<Started>> {
        self.watchers.subscribe()
    }

    /// Says what a record has brought about; to be called once it is stored.
    pub(super) fn decided(&self, decision: Decision) {
        for skipped in &decision.skipped {
            self.skipped(skipped);
        }
        for started in decision.effects {
            self.metrics.acted(&started.effect.rule);
            log(&started);
            if self.watchers.receiver_count() > 0 {
                // An error says that nobody watches any more.
                let _ = self.watchers.send(Arc::new(started));
            }
        }
    }

    fn skipped(&self, skipped: &Skipped) {
        if self.is_time(&skipped.rule.id) {
            let Skipped { rule, action, why } = skipped;
            let why = match why {
                Why::NoTenant => "the queue of the record has no tenant",
                Why::NoDomain => "the queue of the record has no domain",
            };
            tracing::warn!("rule `{}` at {} cannot {action}: {why}", rule.pattern(), rule.origin);
        }
    }

    /// Says that a pattern was given up.
    pub(super) fn bound_hit(&self, rule: &Arc<Rule>) {
        self.metrics.bound_hit(rule);
        if self.is_time(&rule.id) {
            tracing::warn!(
                "rule `{}` at {} was given up on a response: its pattern takes too many steps",
                rule.pattern(),
                rule.origin
            );
        }
    }

    fn is_time(&self, rule: &RuleId) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match said.get(rule) {
            Some(last) if now.duration_since(*last) < SELDOM => false,
            _ => {
                said.retain(|_, last| now.duration_since(*last) < SELDOM);
                said.insert(*rule, now);
                true
            }
        }
    }
}

/// Logs the beginning of an effect and each change of a value; that an effect lasts longer by one more match is for those
/// who look closely.
fn log(started: &Started) {
    let loosens = started.value.as_ref().is_some_and(|value| value.loosens);
    let quiet = started.what == What::Prolonged && started.value.is_none();
    // The line is not put together for nobody.
    if loosens {
        tracing::warn!(loosens, "{}", Line(started));
    } else if quiet {
        tracing::debug!(loosens, "{}", Line(started));
    } else {
        tracing::info!(loosens, "{}", Line(started));
    }
}

/// An effect in a line.
struct Line<'s>(&'s Started);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Started { what, effect, until, value, .. } = self.0;
        write!(f, "{} on `{}` until {until}", effect.action, effect.path)?;
        match what {
            What::Started => {}
            What::Prolonged => f.write_str(" (prolonged)")?,
            What::Revived => f.write_str(" (after it was cancelled)")?,
        }
        if let Some(value) = value {
            match &value.before {
                Some(before) => write!(f, ", from {before} to {}", value.after)?,
                None => write!(f, ", which was not set, to {}", value.after)?,
            }
            f.write_str(if value.loosens { ", which loosens it" } else { "" })?;
        }
        let (rule, response) = (&effect.rule, &effect.cause.response);
        write!(f, "; rule `{}` at {}, response: {response}", rule.pattern, rule.origin)
    }
}
