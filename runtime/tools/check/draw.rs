//! How findings are shown.

use std::fmt;
use std::ops::Range;

use kumo_tsa_core::shaping::{Finding, Level, Note};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode};
use serde_json::json;
use textwrap::WordSeparator;

use super::Report;

/// A line is this long at most, apart from the text of the file.
const WIDTH: usize = 110;
/// A file with longer lines is not drawn: nobody could see the place.
const LONGEST_DRAWN: usize = 1_000;
/// As much is shown of such a line before and after the place.
const BESIDE: usize = 40;

/// One object a line.
pub(super) fn json(report: &Report) -> String {
    let line = |finding: &Finding| {
        let Finding { code, origin, message, help, .. } = finding;
        let (file, line, column) = (&*origin.file, origin.line, origin.column);
        let level = level(finding.level);
        let object = json!({
            "level": level, "code": code, "file": file, "line": line, "column": column, "message": message, "help": help,
        });
        format!("{object}\n")
    };
    report.findings.iter().map(line).collect()
}

fn level(level: Level) -> &'static str {
    if level == Level::Error { "error" } else { "warning" }
}

/// Findings for people, each in its place in the source.
pub(super) struct Drawing<'r> {
    report: &'r Report,
    handler: GraphicalReportHandler,
}

impl<'r> Drawing<'r> {
    pub(super) fn new(report: &'r Report, colour: bool) -> Self {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            .with_width(WIDTH)
            .with_context_lines(1)
            .with_word_separator(WordSeparator::AsciiSpace);
        Self { report, handler }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.report.findings {
            let source = self.source(finding);
            let around = if source.is_none() { self.around(finding) } else { None };
            let shown = Shown { finding, source, around };
            // Writing to a string cannot fail.
            let _ = self.handler.render_report(&mut text, &shown);
            text.push('\n');
        }
        for note in &self.report.notes {
            text.push_str(note);
            text.push('\n');
        }
        text.push_str(&self.summary());
        text
    }

    fn source(&self, finding: &Finding) -> Option<NamedSource<String>> {
        let (name, text) = self.report.texts.iter().find(|(name, _)| *name == finding.origin.file)?;
        let is_about_the_file = finding.span == (0..0);
        let can_be_drawn = || text.lines().all(|line| line.len() <= LONGEST_DRAWN);
        (!is_about_the_file && !text.is_empty() && can_be_drawn()).then(|| NamedSource::new(name, text.clone()))
    }

    /// What stands around a place that is not drawn.
    fn around(&self, finding: &Finding) -> Option<String> {
        let (_, text) = self.report.texts.iter().find(|(name, _)| *name == finding.origin.file)?;
        let (start, end) = (finding.span.start, finding.span.end);
        let before = text.get(..start)?.rsplit('\n').next()?;
        let after = text.get(start..)?.lines().next().unwrap_or("");
        let skipped = before.char_indices().rev().nth(BESIDE - 1).map_or(0, |(at, _)| at);
        let shown: String = after.chars().take(BESIDE).collect();
        let (from, to) = (if skipped > 0 { "…" } else { "" }, if shown.len() < after.len() { "…" } else { "" });
        (end > 0).then(|| format!("{from}{}{shown}{to}", before.get(skipped..).unwrap_or("")))
    }

    fn summary(&self) -> String {
        let count = |wanted| self.report.findings.iter().filter(|finding| finding.level == wanted).count();
        let shown = |number: usize, what: &str| match number {
            0 => format!("no {what}s"),
            1 => format!("1 {what}"),
            n => format!("{n} {what}s"),
        };
        let files = shown(self.report.texts.len(), "file");
        format!("{}, {} in {files}\n", shown(count(Level::Error), "error"), shown(count(Level::Warn), "warning"))
    }
}

/// A finding as miette draws it.
#[derive(Debug)]
struct Shown<'f> {
    finding: &'f Finding,
    source: Option<NamedSource<String>>,
    around: Option<String>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { origin, message, .. } = self.finding;
        match (&self.source, &self.around) {
            (Some(_), _) => f.write_str(message),
            (None, None) => write!(f, "{origin}: {message}"),
            (None, Some(around)) => write!(f, "{origin}:{}: {message}, at `{around}`", origin.column),
        }
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!("{}[{}]", level(self.finding.level), self.finding.code)))
    }

    fn severity(&self) -> Option<Severity> {
        Some(if self.finding.level == Level::Error { Severity::Error } else { Severity::Warning })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.finding.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display + 'a>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let text = self.source.as_ref()?.inner();
        let finding = self.finding;
        // Places in other files stand in the message.
        let apart = |note: &&Note| note.span.end <= finding.span.start || note.span.start >= finding.span.end;
        let same = finding.notes.iter().filter(|note| note.origin.file == finding.origin.file).filter(apart);
        let notes: Vec<_> =
            same.map(|note| LabeledSpan::new_with_span(Some(note.text.clone()), note.span.clone())).collect();
        let word = (!notes.is_empty()).then(|| "here".to_owned());
        let here = LabeledSpan::new_primary_with_span(word, visible(text, &finding.span));
        Some(Box::new(std::iter::once(here).chain(notes)))
    }
}

/// A span with something to see in it: the end of a line is shown at the character before it.
fn visible(text: &str, span: &Range<usize>) -> Range<usize> {
    let seen = text.get(span.clone()).unwrap_or("").trim_end_matches(['\r', '\n']);
    if !seen.is_empty() {
        return span.start..span.start + seen.len();
    }
    let before = text.get(..span.start.min(text.len())).unwrap_or(text).trim_end();
    let start = before.char_indices().next_back().map_or(0, |(at, _)| at);
    start..before.len()
}
