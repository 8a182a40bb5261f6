//! What `tsa up` shows: a line for each effect, a running count, a summary.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use kumo_tsa_core::decide::{EffectId, Started, What};
use kumo_tsa_core::shaping::Action;
use kumo_tsa_core::wire::{Time, format_duration};

use super::player::Counts;

/// As much of a response, and of a pattern, as fits a line beside the rest.
const RESPONSE_CHARS: usize = 100;
const PATTERN_CHARS: usize = 60;

/// Writes lines to stdout; on a terminal the running count stays below them, otherwise it is a line among them.
#[derive(Debug)]
pub(super) struct Show {
    bar: Option<ProgressBar>,
    closed: bool,
    rules: BTreeMap<String, Tally>,
    effects: BTreeMap<EffectId, (String, Time)>,
}

/// What a rule has brought about.
#[derive(Debug, Default)]
struct Tally {
    pattern: String,
    actions: String,
    started: u64,
    prolonged: u64,
}

impl Show {
    pub(super) fn new(terminal: bool) -> Self {
        let bar = terminal.then(|| {
            let style =
                ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, closed: false, rules: BTreeMap::new(), effects: BTreeMap::new() }
    }

    /// A line of text.
    pub(super) fn line(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            // Who reads may have seen enough, as `head` does.
            None => self.closed |= writeln!(std::io::stdout(), "{text}").is_err(),
        }
    }

    /// Whether nobody reads any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// An effect that began or lasts longer now. One that lasts longer is counted and not shown.
    pub(super) fn effect(&mut self, started: &Started, after: Duration) {
        let effect = &started.effect;
        let place = effect.rule.origin.to_string();
        let tally = self.rules.entry(place.clone()).or_default();
        let action = effect.action.to_string();
        if tally.pattern.is_empty() {
            tally.pattern = effect.rule.pattern.to_string();
        }
        if !tally.actions.split(", ").any(|known| known == action) {
            let comma = if tally.actions.is_empty() { "" } else { ", " };
            tally.actions.push_str(comma);
            tally.actions.push_str(&action);
        }
        self.effects.insert(started.id, (place.clone(), started.until));
        if started.what == What::Prolonged {
            tally.prolonged += 1;
            return;
        }
        tally.started += 1;
        self.line(&format!(
            "{:>6.1}s  {action}{}  {}  until {}  rule {place} `{}`{}  after {}: {}",
            after.as_secs_f64(),
            change_text(started),
            target_text(started),
            clock_text(started.until),
            shortened(&effect.rule.pattern, PATTERN_CHARS),
            if started.value.as_ref().is_some_and(|value| value.loosens) { " (loosens)" } else { "" },
            matches_text(effect.cause.counted),
            shortened(&effect.cause.response, RESPONSE_CHARS),
        ));
    }

    /// The running count.
    pub(super) fn count(&mut self, counts: Counts, after: Duration) {
        let text = format!(
            "{:>6.1}s  {} records, {:.0} a second, {} delivered{}; {} effects",
            after.as_secs_f64(),
            counts.accepted,
            rate(counts.accepted, after),
            percent(counts.delivered, counts.accepted),
            if counts.failed > 0 { format!(", {} not accepted", counts.failed) } else { String::new() },
            self.effects.len(),
        );
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => self.line(&text),
        }
    }

    /// Takes the running count away.
    pub(super) fn done(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// What it came to, once traffic has stopped.
    pub(super) fn summary(&mut self, counts: Counts, after: Duration, now: Time) {
        self.done();
        self.line("");
        self.line(&format!(
            "{} records in {}, {:.0} a second: {} delivered, {} not accepted by the daemon",
            counts.accepted,
            format_duration(Duration::from_secs(after.as_secs())),
            rate(counts.accepted, after),
            percent(counts.delivered, counts.accepted),
            counts.failed,
        ));
        let live = self.effects.values().filter(|(_, until)| *until > now).count();
        self.line(&format!("{} effects of {} rules, {live} in force now:", self.effects.len(), self.rules.len()));
        let mut rules: Vec<_> = self.rules.iter().collect();
        rules.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.started));
        let lines: Vec<String> = rules.into_iter().map(|(place, tally)| self.rule_line(place, tally, now)).collect();
        for line in lines {
            self.line(&line);
        }
    }

    fn rule_line(&self, place: &str, tally: &Tally, now: Time) -> String {
        let live = self.effects.values().filter(|(rule, until)| rule == place && *until > now).count();
        format!(
            "  {:>3} begun, {:>4} times prolonged, {live:>3} in force  {}  {place} `{}`",
            tally.started,
            tally.prolonged,
            tally.actions,
            shortened(&tally.pattern, PATTERN_CHARS)
        )
    }
}

pub(super) fn change_text(started: &Started) -> String {
    started.value.as_ref().map_or_else(String::new, |value| {
        let before = value.before.as_ref().map_or_else(|| "no limit".to_owned(), ToString::to_string);
        format!(" (was {before})")
    })
}

/// What the effect holds or changes: a path, or scheduled queues.
pub(super) fn target_text(started: &Started) -> String {
    let effect = &started.effect;
    match &effect.action {
        Action::Suspend | Action::SetConfig(_) | Action::SetDomainConfig(_) => effect.path.to_string(),
        _ => {
            let campaign = effect.campaign.as_ref().map_or_else(String::new, |campaign| format!("{campaign}:"));
            let tenant = effect.tenant.as_ref().map_or_else(String::new, |tenant| format!("{tenant}@"));
            format!("{campaign}{tenant}{}", effect.domain)
        }
    }
}

/// UTC, to the second.
pub(super) fn clock_text(time: Time) -> String {
    Time::from_secs(time.micros().div_euclid(1_000_000)).to_string()
}

pub(super) fn matches_text(count: u64) -> String {
    if count == 1 { "1 match".to_owned() } else { format!("{count} matches") }
}

pub(super) fn shortened(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(0.001)
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "0%".to_owned() } else { format!("{:.1}%", part as f64 * 100.0 / whole as f64) }
}
