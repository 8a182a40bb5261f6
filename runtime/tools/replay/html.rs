//! The outcome as one page that needs nothing else.

use std::fmt::Write as _;

use kumo_tsa_core::decide::EffectKind;
use kumo_tsa_core::wire::Time;

use super::chart::{Scale, chart};
use super::chunk::RuleSet;
use super::compare::Alone;
use super::engine::{Outcome, Side};
use super::json::length_text;
use super::kept::{Kept, Weighty as _};
use super::play::Span;
use super::propose::propose;
use super::report::{Matched, matched, matches, number, on, plural, remarks, times, visible};
use crate::tools::show::clock_text;

/// How much is shown of what may be long.
const ROWS: usize = 2_000;
const SHAPES: usize = 100;

/// How pages begin.
pub(super) const BEGINNING: &str = "<!DOCTYPE html>";

const STYLE: &str = include_str!("page.css");

/// Writing to a string cannot fail.
macro_rules! put {
    ($page:expr, $($text:tt)*) => { let _ = writeln!($page, $($text)*); };
}

/// The page.
pub(super) fn page(outcome: &Outcome, sets: &[RuleSet]) -> String {
    let mut page = format!(
        "{BEGINNING}\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>tsa replay</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    );
    summary(&mut page, outcome);
    charts(&mut page, outcome);
    if let Some((side, set)) = outcome.sides.first().zip(sets.first()) {
        rules(&mut page, &matched(side, set));
        effects(&mut page, &side.play.spans);
    }
    if let Some([here, there]) = &outcome.differences {
        differences(&mut page, "Only --shaping would have done", here);
        differences(&mut page, "Only --against would have done", there);
    }
    shapes(&mut page, outcome);
    page.push_str("</body>\n</html>\n");
    page
}

fn summary(page: &mut String, outcome: &Outcome) {
    let read = &outcome.read;
    let records = plural(read.records, "record");
    put!(page, "<h1>What the rules would have done</h1>");
    match read.first.zip(read.last) {
        Some((first, last)) => {
            let (logs, length) = (plural(read.logs as u64, "log"), length_text(last.since(first)));
            put!(page, "<p>{records} of {logs}, {} to {} ({length}).</p>", clock_text(first), clock_text(last));
        }
        None => {
            put!(page, "<p>No records.</p>");
        }
    }
    for (name, Side { counts, play }) in names(outcome).zip(&outcome.sides) {
        let (matched, effects) = (plural(counts.records, "record"), plural(play.spans.all, "effect"));
        let (held, bounced) = (plural(play.held, "attempt"), number(play.bounced));
        put!(page, "<p>{name}{matched} matched, {effects}; {held} at delivery held, {bounced} bounced.</p>");
    }
    let said = remarks(read);
    if !said.is_empty() {
        let items = said.iter().map(|item| format!("<li>{}</li>", escape(item)));
        put!(page, "<ul>{}</ul>", items.collect::<String>());
    }
}

/// What the sides are called, where there are several.
fn names(outcome: &Outcome) -> impl Iterator<Item = &'static str> {
    if outcome.sides.len() > 1 { ["<b>--shaping</b>: ", "<b>--against</b>: "] } else { [""; 2] }.into_iter()
}

fn charts(page: &mut String, outcome: &Outcome) {
    put!(
        page,
        "<h2>Timeline</h2>\n<p class=\"key\"><span class=\"suspension\"></span>suspensions\
         <span class=\"override\"></span>overrides<span class=\"bounce\"></span>bounces; times are UTC; \
         what reaches the right edge goes on</p>"
    );
    let spans = outcome.sides.iter().flat_map(|side| side.play.spans.items());
    let end = outcome.read.last.unwrap_or_default();
    let scale = Scale::of(spans, outcome.read.first, end);
    for (name, side) in names(outcome).zip(&outcome.sides) {
        if !name.is_empty() {
            put!(page, "<p>{}</p>", name.trim_end_matches(": "));
        }
        page.push_str(&chart(side.play.spans.items(), scale));
    }
}

fn rules(page: &mut String, rules: &[Matched<'_>]) {
    put!(page, "<h2>Rules that matched</h2>");
    if rules.is_empty() {
        put!(page, "<p>None.</p>");
        return;
    }
    let head = ["matches", "triggers", "effects", "in force", "held", "accepted", "bounced"];
    put!(page, "<table><tr>{}<th>rule</th></tr>", head.map(|name| format!("<th class=\"n\">{name}</th>")).concat());
    for rule in rules {
        let cells = rule.cells().map(|cell| format!("<td class=\"n\">{}</td>", escape(&cell))).concat();
        put!(page, "<tr>{cells}<td>{}</td></tr>", escape(&rule.describe()));
    }
    put!(page, "</table>");
    put!(
        page,
        "<p class=\"dim\">Held: attempts at delivery in the logs that would have waited; accepted: those of them that \
         succeeded. In force is the time of all effects of the rule together.</p>"
    );
}

/// A line of a table of effects.
struct Row<'r> {
    begin: Time,
    length: String,
    action: &'r str,
    target: String,
    mail: [u64; 2],
    rule: &'r str,
    why: String,
}

fn effects(page: &mut String, spans: &Kept<Span>) {
    put!(page, "<h2>Effects</h2>");
    let rows = spans.most(ROWS).into_iter().map(|span| Row {
        begin: span.begin,
        length: length_text(span.length()),
        action: &span.action,
        target: on(&span.target, span.domain.as_deref()),
        mail: [span.held, span.bounced],
        rule: &span.rule,
        why: why(span),
    });
    table(page, rows, spans.all);
}

fn why(span: &Span) -> String {
    let prolonged = (span.prolonged > 0).then(|| format!(", prolonged {}", times(span.prolonged)));
    let loosens = span.loosens.then_some(", allows more than before");
    let (prolonged, loosens) = (prolonged.unwrap_or_default(), loosens.unwrap_or_default());
    format!("after {}{prolonged}{loosens}: {}", matches(span.matches), span.response)
}

fn differences(page: &mut String, title: &str, alone: &Kept<Alone>) {
    put!(page, "<h2>{}</h2>", escape(title));
    let rows = alone.most(ROWS).into_iter().map(|one| Row {
        begin: one.begin,
        length: length_text(one.length()),
        action: &one.action,
        target: on(&one.target, one.domain.as_deref()),
        mail: [one.held, one.bounced],
        rule: &one.rule,
        why: String::new(),
    });
    table(page, rows, alone.all);
}

fn table<'r>(page: &mut String, rows: impl ExactSizeIterator<Item = Row<'r>>, all: u64) {
    if all == 0 {
        put!(page, "<p>None.</p>");
        return;
    }
    let more = all - rows.len() as u64;
    put!(
        page,
        "<table><tr><th>from</th><th>for</th><th class=\"e\">effect</th><th class=\"n\">held</th><th class=\"n\">bounced</th>\
         <th>rule</th></tr>"
    );
    for Row { begin, length, action, target, mail, rule, why } in rows {
        let [held, bounced] = mail.map(number);
        put!(
            page,
            "<tr><td class=\"t\">{}</td><td class=\"t\">{length}</td><td>{}<div class=\"dim\">{}</div></td>\
             <td class=\"n\">{held}</td><td class=\"n\">{bounced}</td><td>{}<div class=\"dim\">{}</div></td></tr>",
            clock_text(begin),
            escape(action),
            escape(&target),
            escape(rule),
            escape(&why)
        );
    }
    put!(page, "</table>");
    if more > 0 {
        put!(page, "<p>{} with less mail are not listed: --json has them all.</p>", number(more));
    }
}

fn shapes(page: &mut String, outcome: &Outcome) {
    let shapes = outcome.shapes.sorted();
    let total = plural(outcome.shapes.total, "response");
    put!(page, "<h2>Responses that no rule matched</h2>");
    put!(page, "<p>{total} of {}.</p>", plural(shapes.len() as u64, "shape"));
    if shapes.is_empty() {
        return;
    }
    put!(page, "<table><tr><th class=\"n\">count</th><th>response, and a rule for it</th></tr>");
    for (shape, known) in shapes.iter().take(SHAPES) {
        let rule = propose(known).map(|rule| format!("<pre>{}</pre>", escape(&rule))).unwrap_or_default();
        put!(page, "<tr><td class=\"n\">{}</td><td>{}{rule}</td></tr>", number(known.count), escape(shape));
    }
    put!(page, "</table>");
    if shapes.len() > SHAPES {
        put!(page, "<p>{} more shapes are not listed.</p>", number((shapes.len() - SHAPES) as u64));
    }
}

/// What a kind is called in the style.
pub(super) fn class(kind: EffectKind) -> &'static str {
    kind.as_str()
}

/// Text as it is, whatever it says.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
