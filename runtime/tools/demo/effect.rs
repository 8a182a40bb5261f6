//! An effect on its way: from the provider's response to the mail host that does as decided.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kumo_tsa_core::decide::Started;
use kumo_tsa_core::shaping::Action;
use kumo_tsa_core::wire::QueueName;
use tokio::time::Instant;

use crate::host::Host;
use crate::mail::automation::Automation;
use crate::mail::hold::Holds;
use crate::tools::show::target_text;

/// A moment on the clock that is under control, and on the machine's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    shown: Instant,
    real: std::time::Instant,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { shown: Instant::now(), real: std::time::Instant::now() }
    }

    /// How long ago that was: what was waited, which the controlled clock knows, and what was worked, which takes no time
    /// there.
    pub(super) fn elapsed(&self) -> Duration {
        self.shown.elapsed() + self.real.elapsed()
    }
}

/// Effects that are not in force in the mail host yet, and the responses that may be behind them.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// When something was last answered about a message, by its id.
    answers: HashMap<String, Moment>,
    effects: Vec<(Arc<Started>, Moment)>,
}

impl Pending {
    pub(super) fn answered(&mut self, id: &str) {
        self.answers.insert(id.to_owned(), Moment::now());
    }

    pub(super) fn begun(&mut self, effect: Arc<Started>) {
        let answered = self.answers.get(&*effect.effect.cause.id).copied().unwrap_or_else(Moment::now);
        self.effects.push((effect, answered));
    }

    /// Those that the mail host has taken up since, and how long after the response that was.
    pub(super) fn take(&mut self, host: &Host) -> Vec<(Arc<Started>, Duration)> {
        let (taken, left) = self.effects.drain(..).partition(|(effect, _)| is_in_force(host, effect));
        self.effects = left;
        let taken: Vec<(Arc<Started>, Moment)> = taken;
        taken.into_iter().map(|(effect, answered)| (effect, answered.elapsed())).collect()
    }
}

fn is_in_force(host: &Host, started: &Started) -> bool {
    let (effect, now) = (&started.effect, host.clock().now());
    let holds = Holds::of(host);
    match &effect.action {
        Action::Suspend => holds.path(&effect.path, now).is_some(),
        Action::SetConfig(setting) | Action::SetDomainConfig(setting) => {
            Automation::of(host).overrides(&effect.domain, &effect.source, &effect.site).contains_key(&*setting.name)
        }
        Action::SuspendTenant | Action::SuspendCampaign => {
            let name = target_text(started);
            holds.queue(&QueueName::parse(&name), &name, now).is_some()
        }
        Action::Bounce | Action::BounceTenant | Action::BounceCampaign => {
            let name = target_text(started);
            holds.bounced(&QueueName::parse(&name), &name, now).is_some()
        }
    }
}
