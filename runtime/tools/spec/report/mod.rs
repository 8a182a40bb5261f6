//! How results are shown.

mod human;
mod json;
mod junit;
mod tap;

use std::io::{self, Write};

use super::coverage::Coverage;
use super::test::{Outcome, Summary, Test, Trouble, Unloaded};
use crate::tools::has_colour;

pub(super) use human::say_coverage;

/// What tests are shown as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(super) enum Format {
    /// A dot for each test, then what failed
    #[default]
    Dots,
    /// A line for each test, then what failed
    Lines,
    /// A JUnit XML file, for CI
    Junit,
    /// The Test Anything Protocol, version 14
    Tap,
    /// A JSON object on each line
    Json,
}

/// Takes results in the order of the tests.
pub(super) trait Report {
    /// A spec that does not load.
    fn unloaded(&mut self, spec: &Unloaded) -> io::Result<()>;

    /// A test has ended.
    fn test(&mut self, test: &Test, outcome: Outcome) -> io::Result<()>;

    /// All have ended.
    fn end(&mut self, summary: &Summary, coverage: Option<&Coverage>) -> io::Result<()>;
}

impl Format {
    /// A report of this form to stdout.
    pub(super) fn report(self) -> Box<dyn Report> {
        let out = io::stdout();
        let colour = has_colour(&out);
        match self {
            Self::Dots | Self::Lines => Box::new(human::Human::new(out, self == Self::Lines, colour)),
            Self::Junit => Box::new(junit::Junit::new(out)),
            Self::Tap => Box::new(tap::Tap::new(out)),
            Self::Json => Box::new(json::Json::new(out)),
        }
    }
}

/// `a_spec.lua:12`; without a line where nobody knows it.
fn place(test: &Test, outcome: &Outcome) -> String {
    format!("{}:{}", test.file.display(), outcome.trouble.line.unwrap_or(test.line))
}

/// What went wrong with its call stack, as several lines.
fn in_full(trouble: &Trouble) -> String {
    let mut text = trouble.message.clone();
    if !trouble.traceback.is_empty() {
        text.push_str("\nstack traceback:");
        trouble.traceback.iter().for_each(|frame| {
            text.push_str("\n  ");
            text.push_str(frame);
        });
    }
    text
}

/// Each line of a text after `before`.
fn write_indented(out: &mut impl Write, before: &str, text: &str) -> io::Result<()> {
    text.lines().try_for_each(|line| writeln!(out, "{}", format!("{before}{line}").trim_end()))
}
