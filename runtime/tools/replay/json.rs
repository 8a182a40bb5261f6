//! The outcome as JSON, one object a line; the last says what is in force when the logs end.

use std::io::{self, Write};
use std::time::Duration;

use kumo_tsa_core::decide::{EffectKind, ReadySuspension, SchedBounce, SchedSuspension, View};
use kumo_tsa_core::shaping::{Action, Rule, Trigger};
use kumo_tsa_core::wire::format_duration;
use serde::Serialize;

use super::chunk::RuleSet;
use super::compare::Alone;
use super::engine::{Outcome, Side};
use super::play::{Span, Tally};
use super::propose::propose;

/// How many shapes of responses are listed.
const SHAPES: usize = 1_000;

/// A line before the last.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<'l> {
    Effect(&'l Span),
    Unmatched(Unmatched<'l>),
    Input(&'l super::engine::Read),
    OnlyShaping(&'l Alone),
    OnlyAgainst(&'l Alone),
    Against(Summary<'l>),
}

#[derive(Serialize)]
struct Unmatched<'l> {
    shape: &'l str,
    count: u64,
    example: &'l str,
    /// The one domain, if it is one alone.
    domain: Option<&'l str>,
    site: Option<&'l str>,
    /// TOML.
    rule: Option<String>,
}

/// The last line.
#[derive(Serialize)]
struct Summary<'l> {
    records: u64,
    ready_q: Vec<ReadySuspension>,
    sched_q: Vec<SchedSuspension>,
    bounces: Vec<SchedBounce>,
    overrides: Vec<View>,
    rules: Vec<Told<'l>>,
}

/// A rule, and what it would have done.
#[derive(Serialize)]
struct Told<'l> {
    id: String,
    file: &'l str,
    line: u32,
    scope: String,
    regex: &'l [std::sync::Arc<str>],
    actions: Vec<String>,
    trigger: String,
    duration_secs: u64,
    matches: u64,
    triggers: u64,
    effects: u64,
    prolonged: u64,
    in_force_secs: u64,
    held: u64,
    held_delivered: u64,
    bounced: u64,
    skipped: u64,
    exceeded: u64,
}

/// Writes effects that have ended.
pub(super) fn effects(out: &mut dyn Write, spans: &[Span]) -> io::Result<()> {
    spans.iter().try_for_each(|span| line(out, &Line::Effect(span)))
}

/// Writes what one set of rules would have done and the other would not.
pub(super) fn alone(out: &mut dyn Write, [here, there]: &[Vec<Alone>; 2]) -> io::Result<()> {
    here.iter().try_for_each(|one| line(out, &Line::OnlyShaping(one)))?;
    there.iter().try_for_each(|one| line(out, &Line::OnlyAgainst(one)))
}

/// Writes all that comes after the effects.
pub(super) fn rest(out: &mut dyn Write, outcome: &Outcome, sets: &[RuleSet]) -> io::Result<()> {
    for (shape, known) in outcome.shapes.sorted().into_iter().take(SHAPES) {
        let (domain, site) = (known.domain.as_deref(), known.site.as_deref());
        let rule = propose(known);
        line(
            out,
            &Line::Unmatched(Unmatched { shape, count: known.count, example: &known.example, domain, site, rule }),
        )?;
    }
    line(out, &Line::Input(&outcome.read))?;
    let mut summaries = outcome.sides.iter().zip(sets).map(|(side, set)| summary(outcome.read.records, side, set));
    let first = summaries.next();
    summaries.try_for_each(|other| line(out, &Line::Against(other)))?;
    first.map_or(Ok(()), |first| line(out, &first))
}

fn line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

fn summary<'l>(records: u64, side: &'l Side, set: &'l RuleSet) -> Summary<'l> {
    let (state, now) = (&side.play.state, side.play.now);
    let views = state.views(now).into_iter();
    Summary {
        records,
        ready_q: state.ready_suspensions(now),
        sched_q: state.sched_suspensions(now),
        bounces: state.bounces(now),
        overrides: views.filter(|view| view.kind == EffectKind::Override).collect(),
        rules: rules(side, set).collect(),
    }
}

fn rules<'l>(side: &'l Side, set: &'l RuleSet) -> impl Iterator<Item = Told<'l>> {
    let counts = side.counts.matches.iter().zip(&side.counts.exceeded);
    let all = set.rules.iter().zip(&side.play.tallies).zip(counts);
    all.map(|((rule, tally), (matches, exceeded))| told(rule, tally, *matches, *exceeded))
}

fn told<'l>(rule: &'l Rule, tally: &Tally, matches: u64, exceeded: u64) -> Told<'l> {
    Told {
        id: rule.id.to_string(),
        file: &rule.origin.file,
        line: rule.origin.line,
        scope: rule.scope.to_string(),
        regex: &rule.regex,
        actions: rule.actions.iter().map(Action::to_string).collect(),
        trigger: trigger_text(rule.trigger),
        duration_secs: rule.duration.as_secs(),
        matches,
        triggers: tally.triggers,
        effects: tally.started,
        prolonged: tally.prolonged,
        in_force_secs: tally.in_force.as_secs(),
        held: tally.held,
        held_delivered: tally.held_delivered,
        bounced: tally.bounced,
        skipped: tally.skipped,
        exceeded,
    }
}

/// `Immediate`, `10 within 1h`
pub(super) fn trigger_text(trigger: Trigger) -> String {
    match trigger {
        Trigger::Immediate => "Immediate".to_owned(),
        Trigger::Threshold { count, period } => format!("{count} within {}", length_text(period)),
    }
}

/// A length of time to the second, as people write it; of weeks in days and hours, as months are not all the same.
pub(super) fn length_text(length: Duration) -> String {
    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    let secs = length.as_secs();
    if secs < 14 * DAY {
        return format_duration(Duration::from_secs(secs));
    }
    match (secs / DAY, secs % DAY / HOUR) {
        (days, 0) => format!("{days}days"),
        (days, hours) => format!("{days}days {hours}h"),
    }
}
