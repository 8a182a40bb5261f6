//! The Test Anything Protocol, version 14.

use std::io::{self, Write};

use super::{Report, place, say_coverage, write_indented};
use crate::tools::spec::coverage::Coverage;
use crate::tools::spec::test::{Outcome, Status, Summary, Test, Trouble, Unloaded};

pub(super) struct Tap<W> {
    out: W,
    count: usize,
}

impl<W: Write> Tap<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, count: 0 }
    }

    /// The version stands before all else.
    fn number(&mut self) -> io::Result<usize> {
        if self.count == 0 {
            writeln!(self.out, "TAP version 14")?;
        }
        self.count += 1;
        Ok(self.count)
    }

    fn explain(&mut self, place: &str, trouble: &Trouble) -> io::Result<()> {
        writeln!(self.out, "  ---\n  at: {place:?}\n  message: |-")?;
        write_indented(&mut self.out, "    ", &trouble.message)?;
        if !trouble.traceback.is_empty() {
            writeln!(self.out, "  traceback: |-")?;
            write_indented(&mut self.out, "    ", &trouble.traceback.join("\n"))?;
        }
        writeln!(self.out, "  ...")
    }
}

/// What follows a `#` would be a directive.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#").replace('\n', " ")
}

impl<W: Write> Report for Tap<W> {
    fn unloaded(&mut self, spec: &Unloaded) -> io::Result<()> {
        let number = self.number()?;
        let file = spec.file.display().to_string();
        writeln!(self.out, "not ok {number} - {} loads", escaped(&file))?;
        self.explain(&spec.place(), &spec.trouble)
    }

    fn test(&mut self, test: &Test, outcome: Outcome) -> io::Result<()> {
        let number = self.number()?;
        let name = escaped(&test.name);
        match outcome.status {
            Status::Passed => writeln!(self.out, "ok {number} - {name}")?,
            Status::Pending => {
                let line = format!("ok {number} - {name} # SKIP {}", escaped(&outcome.trouble.message));
                writeln!(self.out, "{}", line.trim_end())?;
            }
            Status::Failed | Status::Error => {
                writeln!(self.out, "not ok {number} - {name}")?;
                self.explain(&place(test, &outcome), &outcome.trouble)?;
            }
        }
        write_indented(&mut self.out, "# ", &outcome.printed)
    }

    fn end(&mut self, _summary: &Summary, coverage: Option<&Coverage>) -> io::Result<()> {
        let count = self.count;
        if count == 0 {
            writeln!(self.out, "TAP version 14")?;
        }
        writeln!(self.out, "1..{count}")?;
        coverage.map_or(Ok(()), |coverage| say_coverage(&mut self.out, "# ", coverage))
    }
}
