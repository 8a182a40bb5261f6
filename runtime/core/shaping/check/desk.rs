//! Where findings are written down.

use std::ops::Range;

use super::Input;
use crate::shaping::source::Lines;
use crate::shaping::{Finding, Level, Note, Origin};

/// A place in one of the files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Spot {
    /// Which of the files.
    pub(super) file: usize,
    /// Bytes of its text.
    pub(super) span: Range<usize>,
}

impl Spot {
    pub(super) fn new(file: usize, span: &Range<usize>) -> Self {
        Self { file, span: span.clone() }
    }
}

/// Turns places into lines, and keeps what was found.
pub(super) struct Desk<'i> {
    pub(super) input: &'i Input<'i>,
    lines: Vec<Lines<'i>>,
    /// Each with the index of its file.
    found: Vec<(usize, Finding)>,
}

impl<'i> Desk<'i> {
    pub(super) fn new(input: &'i Input<'i>) -> Self {
        let lines = input.files.iter().map(|checked| Lines::of(&checked.source.text)).collect();
        Self { input, lines, found: Vec::new() }
    }

    /// Writes a warning down; notes may be added to what is returned with [`Self::note`].
    pub(super) fn warn(
        &mut self,
        code: &'static str,
        spot: &Spot,
        message: String,
        help: impl Into<String>,
    ) -> &mut Self {
        let finding = Finding {
            code,
            level: Level::Warn,
            origin: self.origin(spot),
            span: spot.span.clone(),
            message,
            help: Some(help.into()),
            notes: Vec::new(),
        };
        self.found.push((spot.file, finding));
        self
    }

    /// Adds a further place to the newest finding.
    pub(super) fn note(&mut self, spot: &Spot, text: impl Into<String>) -> &mut Self {
        let note = Note { origin: self.origin(spot), span: spot.span.clone(), text: text.into() };
        if let Some((_, finding)) = self.found.last_mut() {
            finding.notes.push(note);
        }
        self
    }

    pub(super) fn origin(&self, spot: &Spot) -> Origin {
        let file = self.input.files.get(spot.file).map_or_else(|| "".into(), |checked| checked.source.name.clone());
        let (line, column) = self.lines.get(spot.file).map_or((1, 1), |lines| lines.position(spot.span.start));
        Origin { file, line, column }
    }

    /// The place of a name or value that stands where `origin` says.
    pub(super) fn spot(&self, origin: &Origin) -> Spot {
        let file = self.input.files.iter().position(|checked| checked.source.name == origin.file).unwrap_or(0);
        let text = self.input.files.get(file).map_or("", |checked| checked.source.text.as_str());
        let start = self.lines.get(file).map_or(0, |lines| lines.offset(origin.line, origin.column));
        let rest = text.get(start..).unwrap_or("");
        let end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        Spot { file, span: start..start + end }
    }

    /// In the order of the files; each thing once.
    pub(super) fn finish(self) -> Vec<Finding> {
        let mut found = self.found;
        found.sort_by(|(a_file, a), (b_file, b)| (a_file, a.span.start, a.code).cmp(&(b_file, b.span.start, b.code)));
        found.dedup_by(|(_, a), (_, b)| a.code == b.code && a.origin == b.origin && a.message == b.message);
        found.into_iter().map(|(_, finding)| finding).collect()
    }
}
