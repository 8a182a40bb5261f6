//! The timeline of effects as a drawing: a line for each action on a path or set of queues, a bar for each effect.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kumo_tsa_core::wire::Time;

use super::html::{class, escape};
use super::json::length_text;
use super::play::Span;
use super::report::{clock, plural};
use crate::tools::show::shortened;

/// Units of the drawing.
const WIDTH: f64 = 1200.0;
const NAMES: f64 = 440.0;
const LINE: f64 = 18.0;
const TOP: f64 = 28.0;
/// What is narrower could not be seen.
const LEAST: f64 = 2.0;

const LINES: usize = 200;
const NAME_CHARS: usize = 70;
const TICKS: i64 = 6;

/// Draws effects from the first record to the end of the last effect.
pub(super) fn chart(spans: &[Span], from: Time, to: Time) -> String {
    if spans.is_empty() {
        return "<p>No effect began.</p>\n".to_owned();
    }
    let mut lines: BTreeMap<(&str, &str), Vec<&Span>> = BTreeMap::new();
    for span in spans {
        lines.entry((&span.target, &span.action)).or_default().push(span);
    }
    let mut lines: Vec<_> = lines.into_iter().collect();
    let all = lines.len();
    if all > LINES {
        // Those with the most mail.
        lines.sort_by_key(|(_, spans)| {
            std::cmp::Reverse(spans.iter().map(|span| span.held + span.bounced).sum::<u64>())
        });
        lines.truncate(LINES);
    }
    lines.sort_by_key(|(name, spans)| (spans.first().map(|span| span.begin), *name));
    let to = spans.iter().map(|span| span.until).max().unwrap_or(to).max(to);
    let scale = Scale { from, to };
    let height = TOP + LINE * lines.len() as f64 + 6.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Timeline of effects\" \
         font-family=\"system-ui,sans-serif\" font-size=\"11\">\n"
    );
    ticks(&mut svg, &scale, height);
    for (at, (name, spans)) in lines.iter().enumerate() {
        line(&mut svg, &scale, TOP + LINE * at as f64, &format!("{} {}", name.0, name.1), spans);
    }
    svg.push_str("</svg>\n");
    if all > LINES {
        let _ = writeln!(svg, "<p>{} with less mail held are not drawn.</p>", plural((all - LINES) as u64, "line"));
    }
    svg
}

struct Scale {
    from: Time,
    to: Time,
}

impl Scale {
    fn x(&self, time: Time) -> f64 {
        let whole = self.to.since(self.from).as_secs_f64().max(1e-6);
        NAMES + (WIDTH - NAMES - 10.0) * (time.since(self.from).as_secs_f64() / whole).clamp(0.0, 1.0)
    }
}

fn ticks(svg: &mut String, scale: &Scale, height: f64) {
    let step = (scale.to.micros() - scale.from.micros()) / TICKS;
    for tick in 0..TICKS {
        let time = scale.from.shifted(step * tick);
        let (x, text) = (scale.x(time), clock(time));
        let text = text.get(5..16).unwrap_or(&text).replace('T', " ");
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"16\" y2=\"{height}\" stroke=\"#999\" stroke-opacity=\".4\"/>\
             <text x=\"{x:.1}\" y=\"11\">{text}</text>"
        );
    }
}

fn line(svg: &mut String, scale: &Scale, y: f64, name: &str, spans: &[&Span]) {
    let middle = y + LINE * 0.7;
    let _ = writeln!(svg, "<text x=\"0\" y=\"{middle:.1}\">{}</text>", escape(&shortened(name, NAME_CHARS)));
    for span in spans {
        let (x, end) = (scale.x(span.begin), scale.x(span.until));
        let about = format!(
            "{} on {}\n{} for {}\n{}\nheld {}, bounced {}\n{}",
            span.action,
            span.target,
            clock(span.begin),
            length_text(span.until.since(span.begin)),
            span.rule,
            span.held,
            span.bounced,
            span.response
        );
        let _ = writeln!(
            svg,
            "<rect class=\"{}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\" fill-opacity=\".8\"><title>{}</title></rect>",
            class(span.kind),
            y + 3.0,
            (end - x).max(LEAST),
            LINE - 5.0,
            escape(&about)
        );
    }
}
