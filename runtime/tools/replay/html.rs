//! The outcome as one page that needs nothing else.

use std::fmt::Write as _;

use kumo_tsa_core::decide::EffectKind;
use kumo_tsa_core::wire::Time;

use super::chart::chart;
use super::chunk::RuleSet;
use super::compare::Alone;
use super::engine::Outcome;
use super::json::length_text;
use super::play::Span;
use super::propose::propose;
use super::report::{alone_text, clock, matched, number, plural, remarks};

/// How much is shown of what may be long.
const ROWS: usize = 2_000;
const SHAPES: usize = 100;

const STYLE: &str = "body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1200px;padding:0 1em;color:#1c1e21;background:#fff}\
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}table{border-collapse:collapse;width:100%}\
th,td{padding:.25em .6em;border-bottom:1px solid #ddd;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
td.n,th.n{text-align:right;white-space:nowrap}td.t{white-space:nowrap}pre{background:#f4f5f6;padding:.6em;overflow-x:auto;margin:.3em 0}\
svg{width:100%;height:auto}.suspension{fill:#c0392b}.bounce{fill:#6c3483}.override{fill:#2874a6}\
.key span{display:inline-block;width:.9em;height:.9em;margin:0 .3em 0 1em;vertical-align:-.1em}\
.key .suspension{background:#c0392b}.key .bounce{background:#6c3483}.key .override{background:#2874a6}\
@media(prefers-color-scheme:dark){body{background:#17191c;color:#e4e6e8}th,td{border-color:#3a3d41}pre{background:#24272b}svg text{fill:#e4e6e8}}";

/// The page.
pub(super) fn page(outcome: &Outcome, sets: &[RuleSet], differences: Option<&[Vec<Alone>; 2]>) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>tsa replay</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    );
    summary(&mut page, outcome);
    if let (Some(side), Some(set)) = (outcome.sides.first(), sets.first()) {
        let (from, to) = (outcome.read.first.unwrap_or_default(), outcome.read.last.unwrap_or_default());
        page.push_str(
            "<h2>Timeline</h2>\n<p class=\"key\"><span class=\"suspension\"></span>suspensions\
             <span class=\"override\"></span>overrides<span class=\"bounce\"></span>bounces</p>\n",
        );
        page.push_str(&chart(&side.play.spans, from, to));
        rules(&mut page, &matched(side, set));
        spans(&mut page, &side.play.spans, side.play.forgotten);
    }
    if let Some([here, there]) = differences {
        alone(&mut page, "Only --shaping would have done", here);
        alone(&mut page, "Only --against would have done", there);
    }
    shapes(&mut page, outcome);
    page.push_str("</body>\n</html>\n");
    page
}

/// Writing to a string cannot fail.
macro_rules! put {
    ($page:expr, $($text:tt)*) => { let _ = writeln!($page, $($text)*); };
}

fn summary(page: &mut String, outcome: &Outcome) {
    let read = &outcome.read;
    let records = plural(read.records, "record");
    put!(page, "<h1>What the rules would have done</h1>");
    match read.first.zip(read.last) {
        Some((first, last)) => {
            let logs = plural(read.logs as u64, "log");
            put!(page, "<p>{records} of {logs}, {} to {} ({}).</p>", clock(first), clock(last), length(first, last));
        }
        None => {
            put!(page, "<p>No records.</p>");
        }
    }
    if let Some(play) = outcome.sides.first().map(|side| &side.play) {
        let (held, bounced) = (plural(play.held, "attempt"), number(play.bounced));
        put!(page, "<p>{held} at delivery would have been held, {bounced} bounced.</p>");
    }
    let said = remarks(read);
    if !said.is_empty() {
        list(page, said.iter().map(String::as_str));
    }
}

fn list<'t>(page: &mut String, items: impl Iterator<Item = &'t str>) {
    put!(page, "<ul>");
    for item in items {
        put!(page, "<li>{}</li>", escape(item));
    }
    put!(page, "</ul>");
}

fn length(from: Time, to: Time) -> String {
    length_text(to.since(from))
}

fn rules(page: &mut String, rules: &[super::report::Matched<'_>]) {
    put!(page, "<h2>Rules that matched</h2>");
    let head = ["matches", "triggers", "effects", "in force", "held", "accepted", "bounced"];
    put!(page, "<table><tr>{}<th>rule</th></tr>", head.map(|name| format!("<th class=\"n\">{name}</th>")).concat());
    for rule in rules {
        let cells = rule.cells().map(|cell| format!("<td class=\"n\">{}</td>", escape(&cell))).concat();
        put!(page, "<tr>{cells}<td>{}</td></tr>", escape(&rule.describe()));
    }
    put!(page, "</table>");
}

fn spans(page: &mut String, spans: &[Span], forgotten: u64) {
    put!(page, "<h2>Effects</h2>");
    put!(
        page,
        "<table><tr><th>from</th><th>for</th><th>action</th><th>on</th><th class=\"n\">held</th><th class=\"n\">bounced</th><th>rule</th><th>response</th></tr>"
    );
    for span in spans.iter().take(ROWS) {
        put!(
            page,
            "<tr><td class=\"t\">{}</td><td class=\"t\">{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td></tr>",
            clock(span.begin),
            length(span.begin, span.until),
            escape(&span.action),
            escape(&span.target),
            number(span.held),
            number(span.bounced),
            escape(&span.rule),
            escape(&span.response)
        );
    }
    put!(page, "</table>");
    let more = forgotten + spans.len().saturating_sub(ROWS) as u64;
    if more > 0 {
        put!(page, "<p>{} are not listed: <code>--json</code> has them all.</p>", plural(more, "effect"));
    }
}

fn alone(page: &mut String, title: &str, alone: &[Alone]) {
    put!(page, "<h2>{}</h2>", escape(title));
    if alone.is_empty() {
        put!(page, "<p>Nothing.</p>");
        return;
    }
    let texts: Vec<String> = alone.iter().take(ROWS).map(alone_text).collect();
    list(page, texts.iter().map(String::as_str));
}

fn shapes(page: &mut String, outcome: &Outcome) {
    let shapes = outcome.shapes.sorted();
    put!(page, "<h2>Responses that no rule matched</h2>");
    put!(page, "<table><tr><th class=\"n\">count</th><th>response, and a rule for it</th></tr>");
    for (shape, known) in shapes.iter().take(SHAPES) {
        let rule = propose(known).map(|rule| format!("<pre>{}</pre>", escape(&rule))).unwrap_or_default();
        put!(page, "<tr><td class=\"n\">{}</td><td>{}{rule}</td></tr>", number(known.count), escape(shape));
    }
    put!(page, "</table>");
}

/// What a kind is called in the style.
pub(super) fn class(kind: EffectKind) -> &'static str {
    kind.as_str()
}

/// Text as it is, whatever it says.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // What no page may hold.
            c if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
