//! The outcome for people to read.

use std::fmt::Write as _;
use std::io::{self, Write};

use kumo_tsa_core::shaping::{Action, Rule};

use super::chunk::RuleSet;
use super::compare::Alone;
use super::engine::{Outcome, Read, Side};
use super::json::{length_text, trigger_text};
use super::kept::{Kept, Weighty as _};
use super::play::{Span, Tally};
use super::propose::propose;
use crate::tools::show::{clock_text, shortened};

/// How much is shown of what may be long; `--json` and `--html` show more.
const SPANS: usize = 40;
const SHAPES: usize = 20;
const DIFFERENCES: usize = 40;
const PATTERN_CHARS: usize = 60;
const RESPONSE_CHARS: usize = 100;

/// Writes the report.
pub(super) fn write(out: &mut dyn Write, outcome: &Outcome, sets: &[RuleSet]) -> io::Result<()> {
    let Some((side, set)) = outcome.sides.iter().zip(sets).next() else { return Ok(()) };
    read(out, &outcome.read)?;
    rules(out, side, set)?;
    timeline(out, side)?;
    if let Some(differences) = &outcome.differences {
        compare(out, outcome, differences)?;
    }
    unmatched(out, outcome)
}

fn read(out: &mut dyn Write, read: &Read) -> io::Result<()> {
    let logs = plural(read.logs as u64, "log");
    match read.first.zip(read.last) {
        Some((first, last)) => {
            let (records, length) = (plural(read.records, "record"), length_text(last.since(first)));
            writeln!(out, "{records} of {logs}, {} to {} ({length})", clock_text(first), clock_text(last))?;
        }
        None => writeln!(out, "no records in {logs}")?,
    }
    let said = remarks(read);
    said.iter().try_for_each(|remark| writeln!(out, "  {remark}"))
}

/// What was not as it should be.
pub(super) fn remarks(read: &Read) -> Vec<String> {
    let mut said = Vec::new();
    let mut say = |count: u64, what: &str, meaning: &str| {
        if count > 0 {
            said.push(format!("{}{meaning}", plural(count, what)));
        }
    };
    say(read.broken, "broken line", " passed over: not log records");
    say(read.truncated, "log", " cut short: read as far as they go");
    say(read.ahead, "record", " dated ahead of those around them: taken in as of when they were logged");
    say(read.out_of_order, "record", " up to 10 minutes out of order: put in order");
    say(read.late, "record", " more than 10 minutes out of order: taken in where they came");
    say(read.no_site, "record", " of nothing that was attempted (receptions and the like)");
    say(read.carriers, "record", " of log messages on their way to a daemon, which are not published");
    say(read.passed_over.len() as u64, "file", " in folders passed over: no logs");
    if read.order_short {
        said.push(
            "too many records within 10 minutes to put all of them in order: some were taken in early".to_owned(),
        );
    }
    said
}

fn rules(out: &mut dyn Write, side: &Side, set: &RuleSet) -> io::Result<()> {
    let matched = matched(side, set);
    let (records, of) = (plural(side.counts.records, "record"), set.rules.len());
    writeln!(out, "\nRules: {} of {of} matched, {records} in all", matched.len())?;
    if matched.is_empty() {
        return Ok(());
    }
    let head = ["matches", "triggers", "effects", "in force", "held", "accepted", "bounced"];
    writeln!(out, "  {}  rule", cells(&head.map(String::from)))?;
    for one in matched {
        writeln!(out, "  {}  {}", cells(&one.cells()), one.describe())?;
    }
    writeln!(
        out,
        "  held: attempts at delivery in the logs that would have waited; accepted: those of them that succeeded."
    )?;
    writeln!(
        out,
        "  In force is the time of all its effects together. What is held makes no more records: live, a rule that"
    )?;
    writeln!(out, "  suspends acts less often than here.")
}

/// A rule that matched.
pub(super) struct Matched<'r> {
    rule: &'r Rule,
    tally: &'r Tally,
    pub(super) matches: u64,
    exceeded: u64,
}

/// The rules that matched, those that acted the most first; with those that were given up on.
pub(super) fn matched<'r>(side: &'r Side, set: &'r RuleSet) -> Vec<Matched<'r>> {
    let counts = side.counts.matches.iter().zip(&side.counts.exceeded);
    let all = set.rules.iter().zip(&side.play.tallies).zip(counts);
    let all =
        all.map(|((rule, tally), (matches, exceeded))| Matched { rule, tally, matches: *matches, exceeded: *exceeded });
    let mut all: Vec<_> = all.filter(|one| one.matches + one.exceeded > 0).collect();
    all.sort_by_key(|one| std::cmp::Reverse((one.tally.triggers, one.matches)));
    all
}

impl Matched<'_> {
    pub(super) fn cells(&self) -> [String; 7] {
        let Tally { triggers, started, in_force, held, held_delivered, bounced, .. } = self.tally;
        let [matches, triggers, started] = [self.matches, *triggers, *started].map(number);
        let [held, accepted, bounced] = [*held, *held_delivered, *bounced].map(number);
        [matches, triggers, started, length_text(*in_force), held, accepted, bounced]
    }

    /// Where it stands and what it says.
    pub(super) fn describe(&self) -> String {
        let actions: Vec<String> = self.rule.actions.iter().map(Action::to_string).collect();
        let mut text = format!(
            "{}  {} {}, {}: `{}`",
            self.rule.origin,
            self.rule.scope,
            trigger_text(self.rule.trigger),
            actions.join(", "),
            shortened(&self.rule.pattern(), PATTERN_CHARS)
        );
        // Writing to a string cannot fail.
        if self.tally.skipped > 0 {
            let _ = write!(text, "; {} without a tenant or domain to act on", times(self.tally.skipped));
        }
        if self.exceeded > 0 {
            let _ = write!(text, "; {} given up on: too many steps", plural(self.exceeded, "response"));
        }
        text
    }
}

fn cells(cells: &[String; 7]) -> String {
    cells.each_ref().map(|cell| format!("{cell:>8}")).join(" ")
}

fn timeline(out: &mut dyn Write, side: &Side) -> io::Result<()> {
    let all = side.play.spans.all;
    let (held, bounced) = (side.play.held, side.play.bounced);
    let total = plural(all, "effect");
    writeln!(out, "\nTimeline: {total}, {} held, {} bounced", plural(held, "attempt"), number(bounced))?;
    let shown = side.play.spans.most(SPANS);
    shown.iter().try_for_each(|span| writeln!(out, "  {}", span_text(span)))?;
    let more = all - shown.len() as u64;
    if more > 0 {
        writeln!(out, "  and {} that held less: --json shows them all", number(more))?;
    }
    Ok(())
}

fn span_text(span: &Span) -> String {
    let [held, bounced] = mail_text(span.held, span.bounced);
    let more = [
        (span.prolonged > 0).then(|| format!("prolonged {}", times(span.prolonged))),
        held,
        bounced,
        span.loosens.then(|| "allows more than before".to_owned()),
    ];
    let more: Vec<String> = more.into_iter().flatten().collect();
    let more = if more.is_empty() { String::new() } else { format!(", {}", more.join(", ")) };
    format!(
        "{} for {:<8} {}  {}  {}{more}; after {}: {}",
        clock_text(span.begin),
        length_text(span.length()),
        span.action,
        on(&span.target, span.domain.as_deref()),
        span.rule,
        matches(span.matches),
        visible(&shortened(&span.response, RESPONSE_CHARS))
    )
}

fn compare(out: &mut dyn Write, outcome: &Outcome, differences: &[Kept<Alone>; 2]) -> io::Result<()> {
    let [here, there] = differences;
    writeln!(out, "\nCompared with --against")?;
    for (name, side) in ["--shaping", "--against"].into_iter().zip(&outcome.sides) {
        let effects = side.play.spans.all;
        let (held, bounced) = (plural(side.play.held, "attempt"), number(side.play.bounced));
        let matched = plural(side.counts.records, "record");
        writeln!(out, "  {name}: {matched} matched, {}, {held} held, {bounced} bounced", plural(effects, "effect"))?;
    }
    if here.all + there.all == 0 {
        return writeln!(out, "  Both would have done the same.");
    }
    for (name, alone) in [("--shaping", here), ("--against", there)] {
        writeln!(out, "  Only {name} would have done:{}", if alone.all == 0 { " nothing" } else { "" })?;
        let shown = alone.most(DIFFERENCES);
        shown.iter().try_for_each(|one| writeln!(out, "    {}", alone_text(one)))?;
        let more = alone.all - shown.len() as u64;
        if more > 0 {
            writeln!(out, "    and {} that held less: --json shows them", number(more))?;
        }
    }
    Ok(())
}

fn alone_text(one: &Alone) -> String {
    let (begin, length) = (clock_text(one.begin), length_text(one.length()));
    let more = mail_text(one.held, one.bounced).into_iter().flatten().map(|text| format!(", {text}"));
    let target = on(&one.target, one.domain.as_deref());
    format!("{begin} for {length:<8} {}  {target}  {}{}", one.action, one.rule, more.collect::<String>())
}

/// A path, or queues, and the domain that is meant where it says more.
pub(super) fn on(target: &str, domain: Option<&str>) -> String {
    domain.map_or_else(|| target.to_owned(), |domain| format!("{target} for {domain}"))
}

fn mail_text(held: u64, bounced: u64) -> [Option<String>; 2] {
    [(held, "held"), (bounced, "bounced")]
        .map(|(count, what)| (count > 0).then(|| format!("{} {what}", plural(count, "attempt"))))
}

fn unmatched(out: &mut dyn Write, outcome: &Outcome) -> io::Result<()> {
    let shapes = outcome.shapes.sorted();
    let total = plural(outcome.shapes.total, "response");
    writeln!(out, "\nNo rule matched: {total} of {}", plural(shapes.len() as u64, "shape"))?;
    for (shape, known) in shapes.iter().take(SHAPES) {
        let only = known.domain.as_ref().map(|domain| format!("  (all of {domain})")).unwrap_or_default();
        writeln!(out, "  {:>8}  {}{only}", number(known.count), visible(shape))?;
        for line in propose(known).iter().flat_map(|rule| rule.lines()) {
            writeln!(out, "              {line}")?;
        }
    }
    if shapes.len() > SHAPES {
        writeln!(out, "  and {} more: --json shows them", number((shapes.len() - SHAPES) as u64))?;
    }
    if outcome.shapes.forgotten > 0 {
        let forgotten = plural(outcome.shapes.forgotten, "response");
        writeln!(out, "  {forgotten} of rare shapes are not listed")?;
    }
    Ok(())
}

/// Text from outside without what a terminal or a browser would obey: control characters, changes of direction.
pub(super) fn visible(text: &str) -> String {
    let tame = |c: char| match c {
        '\n' | '\t' => c,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(tame).collect()
}

pub(super) fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", number(count)) }
}

pub(super) fn matches(count: u64) -> String {
    if count == 1 { "1 match".to_owned() } else { format!("{} matches", number(count)) }
}

/// `1 record`, `1,234 records`
pub(super) fn plural(count: u64, what: &str) -> String {
    format!("{} {what}{}", number(count), if count == 1 { "" } else { "s" })
}

/// `1,234,567`
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
