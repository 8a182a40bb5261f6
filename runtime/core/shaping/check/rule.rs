//! Rules that are doubtful by themselves.

use std::time::Duration;

use super::desk::{Desk, Spot};
use super::layer::Layers;
use crate::shaping::file::Draft;
use crate::shaping::finding::code;
use crate::shaping::{Action, Trigger};
use crate::wire::format_duration;

pub(super) fn check(desk: &mut Desk<'_>, scope: &Layers<'_>) {
    for (file, draft) in scope.rules() {
        threshold(desk, file, draft);
        bounce(desk, file, draft);
        actions(desk, file, draft);
    }
}

fn threshold(desk: &mut Desk<'_>, file: usize, draft: &Draft) {
    let (Trigger::Threshold { count, period }, Some(span)) = (draft.trigger, &draft.places.trigger) else { return };
    let spot = Spot::new(file, span);
    if count.get() == 1 {
        let message = "a threshold of one match is no threshold: the rule acts on each match".to_owned();
        desk.warn(code::THRESHOLD_POINTLESS, &spot, message, "write `trigger = \"Immediate\"`, or count more matches");
        return;
    }
    // Matches that come just often enough come this far apart.
    let apart = Duration::from_secs_f64(period.as_secs_f64() / count.get() as f64);
    if draft.duration.saturating_mul(2) < apart {
        let message = format!(
            "the effect lasts {}, and matches that reach the threshold may be {} apart: most of the time nothing is in force",
            format_duration(draft.duration),
            format_duration(Duration::from_secs(apart.as_secs())),
        );
        let help = format!(
            "let `duration` be at least {}, or count within a shorter period",
            format_duration(Duration::from_secs(apart.as_secs().max(1)))
        );
        desk.warn(code::THRESHOLD_POINTLESS, &spot, message, help)
            .note(&Spot::new(file, &draft.places.duration), "this short");
    }
}

fn bounce(desk: &mut Desk<'_>, file: usize, draft: &Draft) {
    if matches!(draft.trigger, Trigger::Threshold { count, .. } if count.get() > 1) {
        return;
    }
    for (action, span) in draft.actions.iter().zip(&draft.places.actions) {
        if matches!(action, Action::Bounce | Action::BounceTenant | Action::BounceCampaign) {
            let message = format!("`{action}` without a threshold: one response bounces all that waits");
            let help = "mail that is bounced is gone for good; add `trigger = {Threshold = \"5/hr\"}` or the like";
            desk.warn(code::BOUNCE_WITHOUT_THRESHOLD, &Spot::new(file, span), message, help);
        }
    }
}

/// Actions of one rule begin and end together.
fn actions(desk: &mut Desk<'_>, file: usize, draft: &Draft) {
    let placed: Vec<_> = draft.actions.iter().zip(&draft.places.actions).collect();
    for (at, (action, span)) in placed.iter().enumerate() {
        let others = placed.iter().enumerate().filter(|(other, _)| *other != at);
        let Some((_, (other, place))) = others.into_iter().find(|(index, (other, _))| {
            super::overlap::outdoes(other, action) && (*index < at || !super::overlap::outdoes(action, other))
        }) else {
            continue;
        };
        let code = match other {
            Action::SetConfig(_) | Action::SetDomainConfig(_) => code::OVERRIDE_NEVER_WINS,
            _ => code::ACTION_WITHOUT_EFFECT,
        };
        let message = format!("`{action}` has no effect beside `{other}` of the same rule");
        desk.warn(code, &Spot::new(file, span), message, "leave one of them out")
            .note(&Spot::new(file, place), "this goes further, and lasts as long");
    }
}
