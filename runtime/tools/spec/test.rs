//! A test and how it ended.

use std::path::PathBuf;
use std::time::Duration;

use super::world::RuleSeen;

/// A test of a spec.
#[derive(Clone, Debug)]
pub(super) struct Test {
    /// The spec, as it was found.
    pub(super) file: PathBuf,
    /// Its place among the tests of the spec, from 1.
    pub(super) index: usize,
    /// With the names of the blocks around it.
    pub(super) name: String,
    /// Where it is declared.
    pub(super) line: usize,
    /// Whether it is declared as one that cannot run yet.
    pub(super) pending: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    Passed,
    /// An assertion does not hold.
    Failed,
    /// Something else was raised.
    Error,
    Pending,
}

impl Status {
    /// For programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Pending => "pending",
        }
    }

    pub(super) fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Error)
    }
}

/// What went wrong, where.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    pub(super) message: String,
    /// The innermost line of the spec that was at it.
    pub(super) line: Option<usize>,
    /// The Lua call stack, line by line, without the runner's own.
    pub(super) traceback: Vec<String>,
}

/// How a test ended.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) status: Status,
    /// What failed, or why it is pending.
    pub(super) trouble: Trouble,
    /// What it printed; where it failed also what was logged meanwhile.
    pub(super) printed: String,
    /// In real time.
    pub(super) took: Duration,
    /// The rules that it loaded.
    pub(super) rules: Vec<RuleSeen>,
}

impl Outcome {
    /// Of something that went wrong outside of what the test does.
    pub(super) fn error(message: String) -> Self {
        let trouble = Trouble { message, ..Trouble::default() };
        Self { status: Status::Error, trouble, printed: String::new(), took: Duration::ZERO, rules: Vec::new() }
    }
}

/// A spec that does not load.
#[derive(Clone, Debug)]
pub(super) struct Unloaded {
    pub(super) file: PathBuf,
    pub(super) trouble: Trouble,
}

impl Unloaded {
    /// `a_spec.lua:12`; without a line where nobody knows it.
    pub(super) fn place(&self) -> String {
        let file = self.file.display();
        self.trouble.line.map_or_else(|| file.to_string(), |line| format!("{file}:{line}"))
    }
}

/// How it went in all.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) errors: usize,
    pub(super) pending: usize,
    /// After the first failure, where that ends it.
    pub(super) not_run: usize,
    pub(super) unloaded: usize,
    pub(super) took: Duration,
}

impl Summary {
    pub(super) fn count(&mut self, status: Status) {
        match status {
            Status::Passed => self.passed += 1,
            Status::Failed => self.failed += 1,
            Status::Error => self.errors += 1,
            Status::Pending => self.pending += 1,
        }
    }

    /// How many tests were looked at.
    pub(super) fn tests(&self) -> usize {
        self.passed + self.failed + self.errors + self.pending
    }
}
