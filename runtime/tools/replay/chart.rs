//! The timeline of effects as a drawing: for each path or set of queues a line for each action, a bar for each effect.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use kumo_tsa_core::wire::Time;

use super::html::{class, escape};
use super::json::length_text;
use super::kept::Weighty as _;
use super::play::Span;
use super::report::{on, plural};
use crate::tools::show::{clock_text, shortened};

/// Units of the drawing.
const WIDTH: f64 = 1200.0;
const NAMES: f64 = 390.0;
const MARGIN: f64 = 10.0;
const LINE: f64 = 18.0;
const TOP: f64 = 34.0;
/// What is narrower could not be seen.
const LEAST: f64 = 2.0;

/// How many lines are drawn.
const LINES: usize = 150;
const NAME_CHARS: usize = 60;

/// How far apart the marks of the scale may be, in minutes.
const STEPS: &[i64] =
    &[1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7 * 1440, 14 * 1440, 28 * 1440, 91 * 1440];
const MARKS: i64 = 9;
const MINUTE: i64 = 60_000_000;

/// What is drawn before the first effect and behind the end of the logs, at least.
const LEAD: Duration = Duration::from_mins(10);

/// The time that is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) from: Time,
    pub(super) to: Time,
    /// When the logs end: the rest is what would have gone on.
    pub(super) end: Time,
}

/// The effects of one action on one target.
type Line<'s> = (String, Vec<&'s Span>);

/// Draws effects.
pub(super) fn chart(spans: &[Span], scale: Scale) -> String {
    if spans.is_empty() {
        return "<p>No effect began.</p>\n".to_owned();
    }
    let (targets, left_out) = targets(spans);
    let rows: usize = targets.iter().map(|(target, lines)| lines.len() + usize::from(!is_one(target, lines))).sum();
    let height = TOP + LINE * rows as f64 + 6.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Timeline of effects\" \
         font-family=\"system-ui,sans-serif\" font-size=\"11\">\n"
    );
    marks(&mut svg, scale, height);
    let mut y = TOP;
    for (target, lines) in &targets {
        let one = is_one(target, lines);
        if !one {
            name(&mut svg, 0.0, y, target, "");
            y += LINE;
        }
        let (x, shown) = if one { (0.0, *target) } else { (14.0, "") };
        for (action, spans) in lines {
            name(&mut svg, x, y, shown, action);
            for span in spans {
                bar(&mut svg, scale, y, span);
            }
            y += LINE;
        }
    }
    svg.push_str("</svg>\n");
    if left_out > 0 {
        let _ = writeln!(svg, "<p>{} with less mail held are not drawn.</p>", plural(left_out as u64, "line"));
    }
    svg
}

/// Whether a target and its one action fit into a line.
fn is_one(target: &str, lines: &[Line<'_>]) -> bool {
    matches!(lines, [(action, _)] if target.chars().count() + action.chars().count() < NAME_CHARS)
}

/// What is drawn, in the order of its beginning; and how many lines there was no room for.
fn targets(spans: &[Span]) -> (Vec<(&str, Vec<Line<'_>>)>, usize) {
    let mut lines: BTreeMap<(&str, String), Vec<&Span>> = BTreeMap::new();
    for span in spans {
        lines.entry((&span.target, on(&span.action, span.domain.as_deref()))).or_default().push(span);
    }
    let mut lines: Vec<_> = lines.into_iter().collect();
    let left_out = lines.len().saturating_sub(LINES);
    if left_out > 0 {
        thin_out(&mut lines);
    }
    let begin = |spans: &[&Span]| spans.first().map(|span| span.number);
    lines.sort_by_key(|(_, spans)| begin(spans));
    let mut targets: Vec<(&str, Vec<Line<'_>>)> = Vec::new();
    for ((target, action), spans) in lines {
        match targets.iter_mut().find(|(known, _)| *known == target) {
            Some((_, lines)) => lines.push((action, spans)),
            None => targets.push((target, vec![(action, spans)])),
        }
    }
    (targets, left_out)
}

/// Keeps the lines with the most mail, as many of each kind of effect as there are.
fn thin_out<K>(lines: &mut Vec<(K, Vec<&Span>)>) {
    lines.sort_by_key(|(_, spans)| Reverse(spans.iter().map(|span| span.mail()).sum::<u64>()));
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    lines.sort_by_cached_key(|(_, spans)| {
        let rank = seen.entry(spans.first().map_or("", |span| class(span.kind))).or_default();
        *rank += 1;
        *rank
    });
    lines.truncate(LINES);
}

impl Scale {
    /// The time of the effects; neither a long time before them nor what goes on for long makes the rest too small.
    pub(super) fn of<'s>(spans: impl Iterator<Item = &'s Span> + Clone, first: Option<Time>, end: Time) -> Self {
        let begin = spans.clone().map(|span| span.begin).min().unwrap_or(end);
        let lead = (end.since(begin) / 4).max(LEAD);
        let from = first.map_or(begin, |first| first.max(begin.before(lead))).min(begin);
        let most = end.after((end.since(from) / 3).max(LEAD));
        let to = spans.map(|span| span.until).max().unwrap_or(end).clamp(end, most);
        Self { from, to, end }
    }

    fn x(self, time: Time) -> f64 {
        let whole = self.to.since(self.from).as_secs_f64().max(1e-6);
        NAMES + (WIDTH - NAMES - MARGIN) * (time.since(self.from).as_secs_f64() / whole).clamp(0.0, 1.0)
    }

    /// Round times, in microseconds, and how far apart they are.
    fn marks(self) -> (impl Iterator<Item = i64>, i64) {
        let (from, to) = (self.from.micros(), self.to.micros());
        let fits = |step: &&i64| to.saturating_sub(from) / (**step * MINUTE) < MARKS;
        let step = match STEPS.iter().find(fits) {
            Some(step) => step * MINUTE,
            None => to.saturating_sub(from) / MARKS,
        };
        let first = from.saturating_add(step - 1).div_euclid(step).saturating_mul(step);
        ((0..=MARKS).map(move |at| first.saturating_add(at * step)).take_while(move |mark| *mark <= to), step)
    }
}

fn marks(svg: &mut String, scale: Scale, height: f64) {
    let (marks, step) = scale.marks();
    for mark in marks {
        let time = Time::from_micros(mark);
        let text = clock_text(time);
        let text = if step < 1440 * MINUTE { text.get(5..16) } else { text.get(..10) }.unwrap_or(&text);
        let x = scale.x(time);
        let _ = writeln!(
            svg,
            "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"16\" y2=\"{height}\"/>\
             <text x=\"{x:.1}\" y=\"11\" text-anchor=\"{}\">{}</text>",
            if x > WIDTH - 50.0 { "end" } else { "middle" },
            text.replace('T', " ")
        );
    }
    if scale.end < scale.to {
        let x = scale.x(scale.end);
        let _ = writeln!(
            svg,
            "<rect class=\"beyond\" x=\"{x:.1}\" y=\"16\" width=\"{:.1}\" height=\"{:.1}\"/>\
             <text x=\"{:.1}\" y=\"27\" class=\"dim\">the logs end</text>",
            WIDTH - MARGIN - x,
            height - 16.0,
            (x + 3.0).min(WIDTH - 70.0)
        );
    }
}

fn name(svg: &mut String, x: f64, y: f64, target: &str, action: &str) {
    let middle = y + LINE * 0.7;
    let [target, action] = [target, action].map(|text| escape(&shortened(text, NAME_CHARS)));
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{middle:.1}\"><tspan class=\"target\">{target}</tspan> {action}</text>");
}

fn bar(svg: &mut String, scale: Scale, y: f64, span: &Span) {
    let (x, end) = (scale.x(span.begin), scale.x(span.until));
    let about = format!(
        "{} on {}\n{} for {}\n{}\nheld {}, bounced {}\n{}",
        span.action,
        on(&span.target, span.domain.as_deref()),
        clock_text(span.begin),
        length_text(span.length()),
        span.rule,
        span.held,
        span.bounced,
        span.response
    );
    let _ = writeln!(
        svg,
        "<rect class=\"{}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"><title>{}</title></rect>",
        class(span.kind),
        y + 3.0,
        (end - x).max(LEAST),
        LINE - 5.0,
        escape(&about)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_at_round_times() {
        let noon = 1_769_860_800;
        for (from, length, expected) in [
            (noon + 26, 8 * 3600, &["13:00", "14:00", "15:00", "16:00", "17:00", "18:00", "19:00", "20:00"][..]),
            (noon, 60, &["12:00", "12:01"]),
            (noon, 0, &["12:00"]),
            (noon + 1, 24 * 3600, &["15:00", "18:00", "21:00", "00:00", "03:00", "06:00", "09:00", "12:00"]),
        ] {
            let time = Time::from_secs;
            let (marks, _) = Scale { from: time(from), to: time(from + length), end: time(from) }.marks();
            let marks: Vec<String> = marks.map(|mark| clock_text(Time::from_micros(mark))[11..16].to_owned()).collect();
            assert_eq!(marks, expected);
        }
        let ages = Scale { from: Time::MIN, to: Time::MAX, end: Time::MAX };
        assert!(ages.marks().0.count() <= 10, "whatever the times");
    }
}
