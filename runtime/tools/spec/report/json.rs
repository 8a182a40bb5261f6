//! A JSON object on each line: for each test, each spec that does not load, coverage, and at last a summary.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Report;
use crate::tools::spec::coverage::Coverage;
use crate::tools::spec::test::{Outcome, Summary, Test, Unloaded};

pub(super) struct Json<W> {
    out: W,
}

impl<W: Write> Json<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out }
    }

    fn say(&mut self, object: &Value) -> io::Result<()> {
        writeln!(self.out, "{object}")
    }
}

impl<W: Write> Report for Json<W> {
    fn unloaded(&mut self, spec: &Unloaded) -> io::Result<()> {
        self.say(&json!({
            "type": "unloaded",
            "file": spec.file.display().to_string(),
            "line": spec.trouble.line,
            "message": spec.trouble.message,
            "traceback": spec.trouble.traceback,
        }))
    }

    fn test(&mut self, test: &Test, outcome: Outcome) -> io::Result<()> {
        let mut object = json!({
            "type": "test",
            "name": test.name,
            "file": test.file.display().to_string(),
            "line": test.line,
            "status": outcome.status.name(),
            "seconds": outcome.took.as_secs_f64(),
        });
        let trouble = outcome.trouble;
        if !trouble.message.is_empty() {
            object["message"] = trouble.message.into();
        }
        if outcome.status.is_bad() {
            object["at"] = trouble.line.unwrap_or(test.line).into();
            object["traceback"] = trouble.traceback.into();
        }
        if !outcome.printed.is_empty() {
            object["printed"] = outcome.printed.into();
        }
        self.say(&object)
    }

    fn end(&mut self, summary: &Summary, coverage: Option<&Coverage>) -> io::Result<()> {
        for file in coverage.iter().flat_map(|coverage| &coverage.files) {
            let lines = &file.lines;
            let missed: Vec<_> = lines.code.difference(&lines.ran).collect();
            self.say(&json!({ "type": "lines", "file": file.name, "code": lines.code.len(), "missed": missed }))?;
        }
        for rule in coverage.iter().flat_map(|coverage| &coverage.rules) {
            let (file, line) = (rule.file.display().to_string(), rule.line);
            self.say(
                &json!({ "type": "rule", "file": file, "line": line, "name": rule.name, "matched": rule.matched }),
            )?;
        }
        self.say(&json!({
            "type": "summary",
            "tests": summary.tests() + summary.not_run,
            "passed": summary.passed,
            "failed": summary.failed,
            "errors": summary.errors,
            "pending": summary.pending,
            "not_run": summary.not_run,
            "unloaded": summary.unloaded,
            "seconds": summary.took.as_secs_f64(),
        }))
    }
}
