//! For people: a dot or a line for each test, then what failed.

use std::io::{self, Write};

use super::{Report, in_full, place, write_indented};
use crate::tools::show::shortened;
use crate::tools::spec::coverage::Coverage;
use crate::tools::spec::test::{Outcome, Status, Summary, Test, Unloaded};

/// Dots in a line; characters of a pattern.
const WIDTH: usize = 80;

pub(super) struct Human<W> {
    out: W,
    /// A line for each test instead of a dot.
    lines: bool,
    colour: bool,
    dots: usize,
    unloaded: Vec<Unloaded>,
    /// What is told at the end: what failed, what is pending, what was printed.
    told: Vec<(Test, Outcome)>,
}

impl<W: Write> Human<W> {
    pub(super) fn new(out: W, lines: bool, colour: bool) -> Self {
        Self { out, lines, colour, dots: 0, unloaded: Vec::new(), told: Vec::new() }
    }

    fn paint(&self, status: Status, text: &str) -> String {
        let code = match status {
            Status::Passed => 32,
            Status::Pending => 33,
            Status::Failed | Status::Error => 31,
        };
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn dot(&mut self, status: Status) -> io::Result<()> {
        let dot = match status {
            Status::Passed => ".",
            Status::Failed => "F",
            Status::Error => "E",
            Status::Pending => "P",
        };
        let dot = self.paint(status, dot);
        write!(self.out, "{dot}")?;
        self.dots += 1;
        if self.dots.is_multiple_of(WIDTH) {
            writeln!(self.out)?;
        }
        self.out.flush()
    }

    fn line(&mut self, test: &Test, outcome: &Outcome) -> io::Result<()> {
        let word = self.paint(outcome.status, &format!("{:7}", word(outcome.status)));
        let took = outcome.took.as_millis();
        writeln!(self.out, "{word} {}:{}  {}  ({took} ms)", test.file.display(), test.line, test.name)?;
        write_indented(&mut self.out, "        | ", &outcome.printed)
    }

    fn tell(&mut self, test: &Test, outcome: &Outcome) -> io::Result<()> {
        let status = outcome.status;
        let prints = !self.lines && !outcome.printed.is_empty();
        if status == Status::Passed && !prints {
            return Ok(());
        }
        let head = if status == Status::Passed { "printed" } else { word(status) };
        let head = self.paint(status, head);
        writeln!(self.out, "\n{head}  {}  {}", place(test, outcome), test.name)?;
        write_indented(&mut self.out, "  ", &in_full(&outcome.trouble))?;
        if prints {
            write_indented(&mut self.out, "  | ", &outcome.printed)?;
        }
        Ok(())
    }
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Passed => "ok",
        Status::Failed => "FAILED",
        Status::Error => "ERROR",
        Status::Pending => "pending",
    }
}

impl<W: Write> Report for Human<W> {
    fn unloaded(&mut self, spec: &Unloaded) -> io::Result<()> {
        self.unloaded.push(spec.clone());
        Ok(())
    }

    fn test(&mut self, test: &Test, outcome: Outcome) -> io::Result<()> {
        if self.lines {
            self.line(test, &outcome)?;
        } else {
            self.dot(outcome.status)?;
        }
        self.told.push((test.clone(), outcome));
        Ok(())
    }

    fn end(&mut self, summary: &Summary, coverage: Option<&Coverage>) -> io::Result<()> {
        if !self.lines && !self.dots.is_multiple_of(WIDTH) {
            writeln!(self.out)?;
        }
        for (test, outcome) in std::mem::take(&mut self.told) {
            self.tell(&test, &outcome)?;
        }
        for spec in std::mem::take(&mut self.unloaded) {
            let head = self.paint(Status::Error, "DOES NOT LOAD");
            writeln!(self.out, "\n{head}  {}", spec.place())?;
            write_indented(&mut self.out, "  ", &in_full(&spec.trouble))?;
        }
        if let Some(coverage) = coverage {
            writeln!(self.out)?;
            say_coverage(&mut self.out, "", coverage)?;
        }
        let status =
            if summary.failed + summary.errors + summary.unloaded > 0 { Status::Failed } else { Status::Passed };
        let text = self.paint(status, &in_words(summary));
        writeln!(self.out, "\n{text}")
    }
}

fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn in_words(summary: &Summary) -> String {
    let mut parts = vec![format!("{} passed", summary.passed)];
    let others = [
        (summary.failed, "failed".to_owned()),
        (summary.errors, if summary.errors == 1 { "error" } else { "errors" }.to_owned()),
        (summary.pending, "pending".to_owned()),
        (summary.not_run, "not run".to_owned()),
    ];
    parts.extend(others.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    if summary.unloaded > 0 {
        parts.push(format!("{} not loaded", counted(summary.unloaded, "spec")));
    }
    let tests = counted(summary.tests() + summary.not_run, "test");
    format!("{tests}: {}, in {:.2} s", parts.join(", "), summary.took.as_secs_f64())
}

/// Coverage as lines of text, each after `before`.
pub(in crate::tools::spec) fn say_coverage(out: &mut impl Write, before: &str, coverage: &Coverage) -> io::Result<()> {
    writeln!(out, "{before}lines that ran:")?;
    if coverage.files.is_empty() {
        writeln!(out, "{before}  no policy was run")?;
    }
    let width = coverage.files.iter().map(|file| file.name.len()).max().unwrap_or_default();
    for file in &coverage.files {
        let missed = file.missed();
        let missed = if missed.is_empty() { String::new() } else { format!("  not: {missed}") };
        let (ran, code) = (file.lines.ran.len(), file.lines.code.len());
        writeln!(out, "{before}  {:width$}  {ran:>4} of {code:>4}{missed}", file.name)?;
    }
    if coverage.rules.is_empty() {
        return writeln!(out, "{before}rules that matched: no shaping file was loaded");
    }
    let (matched, all) = (coverage.rules.iter().filter(|rule| rule.matched).count(), coverage.rules.len());
    if matched == all {
        return writeln!(out, "{before}rules that matched: all {all}");
    }
    writeln!(out, "{before}rules that matched: {matched} of {all}; no test made these match:")?;
    coverage.rules.iter().filter(|rule| !rule.matched).try_for_each(|rule| {
        let (file, name) = (rule.file.display(), shortened(&rule.name, WIDTH));
        writeln!(out, "{before}  {file}:{}  {name}", rule.line)
    })
}
