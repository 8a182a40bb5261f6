//! The mail of four hours through fresh hosts, once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use kumo_tsa_core::decide::{Started, What};
use kumo_tsa_core::shaping::Action;
use kumo_tsa_core::wire::{Time, format_duration};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::effect::Pending;
use super::episode::{Episode, Sight};
use super::letter::{HOURS, Letter};
use super::step::{Step, Steps};
use super::tally::Tally;
use super::{pace, postman};
use crate::host::{Host, Paths};
use crate::mail::automation::Automation;
use crate::mail::hold::Holds;
use crate::mail::log::{Logger, Outcome};
use crate::tools::scene::Scene;
use crate::tools::show::{self, Show};

/// How often suspended paths are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often the count is shown.
const COUNT: Duration = Duration::from_mins(30);
/// What is still on its way through the mail host when time is up is waited for so long.
const SETTLE: Duration = Duration::from_secs(1);

/// One run of the mail.
pub(super) struct Run<'a> {
    pub(super) show: &'a mut Show,
    pub(super) steps: &'a mut Steps,
    /// Whether what the daemon decides is shown.
    pub(super) automation: bool,
    began: Time,
    tally: Tally,
    pending: Pending,
    episodes: Vec<Episode>,
}

impl<'a> Run<'a> {
    pub(super) fn new(show: &'a mut Show, steps: &'a mut Steps, automation: bool, began: Time) -> Self {
        let (tally, pending) = (Tally::new(began), Pending::default());
        Self { show, steps, automation, began, tally, pending, episodes: Vec::new() }
    }

    /// Sends the letters and watches for four hours, which take `real` time.
    pub(super) async fn watch(mut self, scene: &Scene, letters: Vec<Letter>, real: Duration) -> anyhow::Result<Tally> {
        let (mail, daemon) =
            (scene.mail.as_ref().context("no mail host")?, scene.daemon.as_ref().context("no daemon")?);
        let host = mail.host().clone();
        let to = scene.smtp_address().context("init.lua started no listener (kumo.start_esmtp_listener)")?;
        let simulated = Duration::from_hours(HOURS.into());
        let mut outcomes = Logger::of(&host).watch();
        let mut effects = daemon.effects();
        let (mut holds, mut overrides) = (Holds::of(&host).changed(), Automation::of(&host).changed());
        let sender = Host::new(host.clock().clone(), Paths::documented());
        let mut helpers = JoinSet::new();
        helpers.spawn(postman::deliver(sender, to, letters));
        helpers.spawn(async move {
            pace::keep(simulated, real).await;
            Ok(())
        });
        let began = Instant::now();
        let end = tokio::time::sleep(simulated + SETTLE);
        tokio::pin!(end);
        let mut looks = tokio::time::interval(LOOK);
        let mut counts = tokio::time::interval_at(began + COUNT, COUNT);
        loop {
            tokio::select! {
                biased;
                outcome = outcomes.recv() => match outcome {
                    Ok(outcome) => self.note(&outcome),
                    Err(RecvError::Lagged(missed)) => return Err(anyhow!("{missed} outcomes were missed")),
                    Err(RecvError::Closed) => return Err(anyhow!("the mail host has stopped")),
                },
                Ok(effect) = effects.recv(), if self.automation => self.decided(effect, &host),
                Ok(()) = holds.changed() => self.in_force(&host),
                Some(_) = overrides.next() => self.in_force(&host),
                Some(ended) = helpers.join_next() => ended??,
                _ = looks.tick() => self.look(&host),
                _ = counts.tick() => self.count(&host),
                () = &mut end => break,
            }
            if self.show.is_closed() {
                break;
            }
        }
        Ok(self.tally)
    }

    fn say(&mut self, now: Time, text: &str) {
        self.show.line(&format!("  {}  {text}", clock_text(now.since(self.began))));
    }

    fn note(&mut self, outcome: &Outcome) {
        self.pending.answered(&outcome.id);
        if self.tally.note(outcome) && self.automation && self.steps.reach(Step::Deferral) {
            let text = format!("deferral: {} says {}", path_text(&outcome.site), outcome.reply);
            self.say(outcome.at, &show::shortened(&text, 160));
        }
    }

    fn decided(&mut self, effect: Arc<Started>, host: &Host) {
        if effect.what == What::Prolonged {
            return;
        }
        self.steps.reach(Step::Effect);
        self.pending.begun(effect);
        self.in_force(host);
    }

    fn in_force(&mut self, host: &Host) {
        let now = host.clock().now();
        for (effect, after) in self.pending.take(host) {
            let is_suspension = matches!(effect.effect.action, Action::Suspend);
            self.explain(&effect, after, now);
            if matches!(effect.effect.action, Action::SetConfig(_) | Action::SetDomainConfig(_)) {
                self.steps.reach(Step::Override);
            }
            if is_suspension {
                self.steps.reach(Step::Suspension);
                let path = &effect.effect.path;
                self.episodes.retain(|episode| episode.path != **path);
                self.episodes.push(Episode::new(path, &self.tally, now));
            }
        }
    }

    fn explain(&mut self, started: &Started, after: Duration, now: Time) {
        let effect = &started.effect;
        let until = clock_text(started.until.since(self.began));
        let what = format!("effect: {}{}", effect.action, show::change_text(started));
        self.say(now, &format!("{what}  {}  until {until}", path_text(&show::target_text(started))));
        let rule = show::shortened(&effect.rule.pattern, 60);
        self.show.line(&format!("           rule {} `{rule}`", effect.rule.origin));
        let response = show::shortened(&effect.cause.response, 100);
        self.show.line(&format!("           after {}: {response}", show::matches_text(effect.cause.counted)));
        let kind = match effect.action {
            Action::SetConfig(_) | Action::SetDomainConfig(_) => "override",
            Action::Bounce | Action::BounceTenant | Action::BounceCampaign => "bounce",
            _ => "suspension",
        };
        self.show.line(&format!("           {kind} in force {} after the response", millis_text(after)));
    }

    fn look(&mut self, host: &Host) {
        let now = host.clock().now();
        let mut seen = Vec::new();
        for episode in &mut self.episodes {
            if let Some(sight) = episode.look(host, &self.tally) {
                seen.push((path_text(&episode.path), sight));
            }
        }
        for (path, sight) in seen {
            self.tell(&path, &sight, now);
        }
    }

    fn tell(&mut self, path: &str, sight: &Sight, now: Time) {
        match *sight {
            Sight::Ended { others, own, lasted } => {
                let lasted = format_duration(Duration::from_secs(lasted.as_secs()));
                self.say(now, &format!("end of the suspension: {path}, after {lasted}"));
                self.steps.reach(Step::End);
                let text = format!("other paths flow on: {others} messages delivered meanwhile, {own} on this one");
                self.show.line(&format!("           {text}"));
                if others > 0 {
                    self.steps.reach(Step::OthersFlow);
                }
            }
            Sight::Ramped { first, most, in_ramp, afterwards } => {
                let text = format!(
                    "ramp: {path}, {in_ramp} messages in the first minute, {afterwards} in ten; connections at once: {first} \
                     in the first 15 s, {most} later"
                );
                self.say(now, &text);
                if afterwards > 0 && first <= most {
                    self.steps.reach(Step::Ramp);
                }
            }
        }
    }

    fn count(&mut self, host: &Host) {
        let tally = &self.tally;
        let text = format!(
            "{} messages taken in, {} delivered, {} deferrals, {} on their way",
            tally.received,
            tally.delivered(),
            tally.deferred,
            tally.waiting()
        );
        self.say(host.clock().now(), &text);
    }
}

/// Hours, minutes and seconds since the start.
fn clock_text(since: Duration) -> String {
    let seconds = since.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A path without its protocol, which is always the same.
pub(super) fn path_text(path: &str) -> String {
    path.strip_suffix("@smtp_client").unwrap_or(path).to_owned()
}

fn millis_text(duration: Duration) -> String {
    format!("{} ms", duration.as_millis().max(1))
}
