//! JUnit XML, as CI systems read it: a suite for each spec.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::{Report, in_full, place, say_coverage};
use crate::tools::spec::coverage::Coverage;
use crate::tools::spec::test::{Outcome, Status, Summary, Test, Trouble, Unloaded};

pub(super) struct Junit<W> {
    out: W,
    suites: Vec<TestSuite>,
}

impl<W: Write> Junit<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, suites: Vec::new() }
    }

    fn suite(&mut self, file: &str) -> &mut TestSuite {
        let at = self.suites.iter().position(|suite| suite.name.as_str() == file).unwrap_or_else(|| {
            self.suites.push(TestSuite::new(file));
            self.suites.len() - 1
        });
        &mut self.suites[at]
    }
}

/// What did not go well: its first line, and all of it.
fn bad(kind: NonSuccessKind, place: &str, trouble: &Trouble) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(trouble.message.lines().next().unwrap_or_default());
    status.set_description(format!("{place}: {}", in_full(trouble)));
    status
}

impl<W: Write> Report for Junit<W> {
    fn unloaded(&mut self, spec: &Unloaded) -> io::Result<()> {
        let file = spec.file.display().to_string();
        let mut case = TestCase::new("loads", bad(NonSuccessKind::Error, &spec.place(), &spec.trouble));
        case.set_classname(&*file);
        self.suite(&file).add_test_case(case);
        Ok(())
    }

    fn test(&mut self, test: &Test, outcome: Outcome) -> io::Result<()> {
        let at = place(test, &outcome);
        let status = match outcome.status {
            Status::Passed => TestCaseStatus::success(),
            Status::Failed => bad(NonSuccessKind::Failure, &at, &outcome.trouble),
            Status::Error => bad(NonSuccessKind::Error, &at, &outcome.trouble),
            Status::Pending => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(&*outcome.trouble.message);
                status
            }
        };
        let file = test.file.display().to_string();
        let mut case = TestCase::new(&*test.name, status);
        case.set_classname(&*file).set_time(outcome.took);
        if !outcome.printed.is_empty() {
            // Tabs would be left out as control characters.
            case.set_system_out(outcome.printed.replace('\t', "    "));
        }
        self.suite(&file).add_test_case(case);
        Ok(())
    }

    fn end(&mut self, summary: &Summary, coverage: Option<&Coverage>) -> io::Result<()> {
        let mut report = quick_junit::Report::new("tsa test");
        report.set_time(summary.took);
        report.add_test_suites(std::mem::take(&mut self.suites));
        report.serialize(&mut self.out).map_err(io::Error::other)?;
        // There is no room for it in the file.
        coverage.map_or(Ok(()), |coverage| say_coverage(&mut io::stderr(), "", coverage))
    }
}
