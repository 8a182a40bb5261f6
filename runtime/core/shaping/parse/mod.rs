//! From the text of a shaping file to what it says (interface D.3, semantics A7).

mod automation;
mod block;
pub(super) mod field;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::file::File;
use super::finding::code;
use super::node::{self, Entry, Node, Value};
use super::overlay;
use super::pattern::Pattern;
use super::source::{Format, Lines, Source};
use super::suggest::{nearest, quoted};
use super::{Finding, Findings, Level, Origin};

/// Reads and checks one shaping file.
///
/// # Errors
/// All that is wrong in it, each with its place and what would be accepted.
pub fn parse(source: &Source) -> Result<File, Findings> {
    match parse_lossy(source) {
        (Some(file), errors) if errors.is_empty() => Ok(file),
        (_, errors) => Err(Findings(errors)),
    }
}

/// Reads what can be read of a shaping file, and all that is wrong in it. There is no file when the text is no TOML or JSON.
///
/// Such a file is never in force; it is there to be looked at.
pub fn parse_lossy(source: &Source) -> (Option<File>, Vec<Finding>) {
    let mut reader = Reader::new(source);
    let mut file = reader.empty_file();
    let read = if reader.generated && source.format == Format::Toml {
        reader.pieces(source, &mut file)
    } else {
        reader.whole(source, &mut file)
    };
    let (errors, warnings) = reader.findings.into_iter().partition(|finding| finding.level == Level::Error);
    (read.then_some(File { warnings, ..file }), errors)
}

/// Turns nodes into what they say and keeps what is wrong with them.
struct Reader<'t> {
    name: Arc<str>,
    lines: Lines<'t>,
    /// Where the piece of the text begins that is being read: the places of nodes count from here.
    base: usize,
    generated: bool,
    findings: Vec<Finding>,
    /// Each pattern is compiled once, however many rules have it.
    patterns: HashMap<String, Arc<Pattern>>,
}

impl<'t> Reader<'t> {
    fn new(source: &'t Source) -> Self {
        Self {
            name: source.name.clone(),
            lines: Lines::of(&source.text),
            base: 0,
            generated: overlay::is_generated(&source.text),
            findings: Vec::new(),
            patterns: HashMap::new(),
        }
    }

    fn empty_file(&self) -> File {
        File {
            name: self.name.clone(),
            generated: self.generated,
            default: None,
            providers: Vec::new(),
            domains: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Whether it could be read.
    fn whole(&mut self, source: &Source, file: &mut File) -> bool {
        self.base = 0;
        match node::parse_source(source) {
            Ok(entries) => {
                self.entries(file, &entries);
                true
            }
            Err(problems) => {
                for problem in problems {
                    self.error(problem.code, &problem.span, problem.message, None);
                }
                false
            }
        }
    }

    /// Reads a generated overlay piece by piece; as a whole when a piece cannot be read by itself.
    fn pieces(&mut self, source: &Source, file: &mut File) -> bool {
        for piece in overlay::pieces(&source.text) {
            self.base = piece.start;
            let Some(Ok(entries)) = source.text.get(piece).map(node::parse_toml) else {
                *file = self.empty_file();
                self.findings.clear();
                return self.whole(source, file);
            };
            self.entries(file, &entries);
        }
        true
    }

    /// A place in the text, from one in the piece that is being read.
    fn at(&self, span: &Range<usize>) -> Range<usize> {
        self.base + span.start..self.base + span.end
    }

    fn origin(&self, span: &Range<usize>) -> Origin {
        let (line, column) = self.lines.position(self.at(span).start);
        Origin { file: self.name.clone(), line, column }
    }

    fn error(&mut self, code: &'static str, span: &Range<usize>, message: String, help: Option<String>) {
        self.add(Level::Error, code, span, message, help);
    }

    fn add(&mut self, level: Level, code: &'static str, span: &Range<usize>, message: String, help: Option<String>) {
        let origin = self.origin(span);
        self.findings.push(Finding { code, level, origin, span: self.at(span), message, help, notes: Vec::new() });
    }

    fn wrong_type(&mut self, field: &str, expected: &str, node: &Node) {
        let message = format!("field `{field}`: expected {expected}, found {}", node.shown());
        self.error(code::WRONG_TYPE, &node.span, message, None);
    }

    fn unknown(&mut self, code: &'static str, what: &str, span: &Range<usize>, name: &str, accepted: &[&str]) {
        let near = nearest(name, accepted.iter().copied());
        let meant = if near.is_empty() { String::new() } else { format!("did you mean {}? ", quoted(near)) };
        let help = format!("{meant}accepted: {}", quoted(accepted.iter().copied()));
        self.error(code, span, format!("unknown {what} `{name}`"), Some(help));
    }

    /// What was found, or else that it is not what was expected.
    fn expect<T>(&mut self, field: &str, expected: &str, node: &Node, found: Option<T>) -> Option<T> {
        if found.is_none() {
            self.wrong_type(field, expected, node);
        }
        found
    }

    fn bool(&mut self, entry: &Entry) -> Option<bool> {
        let found = if let Value::Bool(flag) = entry.node.value { Some(flag) } else { None };
        self.expect(&entry.key, "`true` or `false`", &entry.node, found)
    }

    fn table<'n>(&mut self, field: &str, node: &'n Node) -> Option<&'n [Entry]> {
        let found = if let Value::Table(entries) = &node.value { Some(entries.as_slice()) } else { None };
        self.expect(field, "a table", node, found)
    }

    fn list<'n>(&mut self, field: &str, expected: &str, node: &'n Node) -> Option<&'n [Node]> {
        let found = if let Value::List(items) = &node.value { Some(items.as_slice()) } else { None };
        self.expect(field, expected, node, found)
    }

    fn text<'n>(&mut self, field: &str, expected: &str, node: &'n Node) -> Option<&'n str> {
        let found = if let Value::Text(text) = &node.value { Some(text.as_str()) } else { None };
        self.expect(field, expected, node, found)
    }
}
