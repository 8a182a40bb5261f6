//! The text of a shaping file, and how it is to be read.

use std::sync::Arc;

/// How the text of a source is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    /// As TOML.
    Toml,
    /// As strict JSON: no comments, no trailing commas.
    Json,
    /// As TOML, and when that fails as JSON.
    Either,
}

impl Format {
    /// By the suffix of a path or URL: `.toml`, `.json`, any other (interface D.2).
    pub fn of(name: &str) -> Self {
        match name.rsplit_once('.') {
            Some((_, "toml")) => Self::Toml,
            Some((_, "json")) => Self::Json,
            _ => Self::Either,
        }
    }
}

/// A shaping file as it was fetched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The path or URL as the policy wrote it.
    pub name: Arc<str>,
    /// How to read it.
    pub format: Format,
    /// Its text.
    pub text: String,
}

impl Source {
    /// A source whose format follows from its name.
    pub fn new(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.into(), format: Format::of(name), text: text.into() }
    }
}

/// Where the lines of a text begin.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    /// Line and column of a byte offset, both from 1, columns in characters.
    pub(super) fn position(&self, offset: usize) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..offset).map_or(0, |text| text.chars().count());
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (number(line), number(before + 1))
    }

    /// The byte offset of a line and column, both from 1, columns in characters.
    pub(super) fn offset(&self, line: u32, column: u32) -> usize {
        let index = |n: u32| usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
        let start = self.starts.get(index(line)).copied().unwrap_or(self.text.len());
        let rest = self.text.get(start..).unwrap_or("");
        start + rest.char_indices().nth(index(column)).map_or(rest.len(), |(at, _)| at)
    }

    /// The lines that follow the one that holds the byte at `offset`, without their line breaks.
    pub(super) fn after(&self, offset: usize) -> impl Iterator<Item = &'t str> + use<'_, 't> {
        let next = self.starts.partition_point(|start| *start <= offset);
        self.starts.iter().skip(next).map(|start| self.text.get(*start..).unwrap_or("").lines().next().unwrap_or(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s7_the_suffix_tells_the_format() {
        assert_eq!(Format::of("/etc/shaping.toml"), Format::Toml);
        assert_eq!(Format::of("http://host/x.json"), Format::Json);
        assert_eq!(Format::of("shaping.TOML"), Format::Either);
        assert_eq!(Source::new("a.json", "{}").format, Format::Json);
    }

    #[test]
    fn a7_positions_count_from_one_in_characters() {
        let lines = Lines::of("äb\nxü=1\n");
        assert_eq!(lines.position(0), (1, 1));
        assert_eq!(lines.position(2), (1, 2));
        assert_eq!(lines.position(3), (1, 3), "the line break belongs to its line");
        assert_eq!(lines.position(4), (2, 1));
        assert_eq!(lines.position(7), (2, 3));
        assert_eq!(lines.position(9), (2, 5));
        assert_eq!(lines.position(10), (3, 1));
        assert_eq!(Lines::of("").position(0), (1, 1));
        for offset in [0, 2, 3, 4, 7, 9, 10] {
            let (line, column) = lines.position(offset);
            assert_eq!(lines.offset(line, column), offset);
        }
        assert_eq!((lines.offset(9, 1), Lines::of("").offset(1, 1)), (10, 0));
    }

    #[test]
    fn o4_the_lines_after_a_place() {
        let lines = Lines::of("a\nbb\r\ncc");
        assert_eq!(lines.after(0).collect::<Vec<_>>(), ["bb", "cc"]);
        assert_eq!(lines.after(2).collect::<Vec<_>>(), ["cc"]);
        assert_eq!(lines.after(6).count(), 0);
    }
}
