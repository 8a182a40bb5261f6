//! The content of a message as it comes in after DATA (RFC 5321 sections 4.1.1.4 and 4.5.2).

use bytes::{Buf, BytesMut};

use super::parameter::{LineEndings, Settings};

/// More than this is not set aside for a message because its sender says so.
const MOST_EXPECTED: usize = 256 * 1024;

/// Takes content in until its end; what breaks a limit is read to the end all the same, so that the client can be told.
#[derive(Debug)]
pub(super) struct Content {
    body: Vec<u8>,
    max_size: usize,
    max_line: usize,
    endings: LineEndings,
    /// How much of what waits in the buffer holds no line feed.
    searched: usize,
    /// Whether what comes next begins a line.
    at_start: bool,
    /// Whether the beginning of the current line was thrown away.
    within_overlong: bool,
    fault: Option<Fault>,
}

/// Why a message is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// It is larger than allowed.
    Size,
    /// A line is longer than allowed.
    Line,
    /// A line feed or carriage return stands alone.
    Ending,
}

impl Content {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            body: Vec::new(),
            max_size: settings.max_message_size,
            max_line: settings.line_length_hard_limit,
            endings: settings.invalid_line_endings,
            searched: 0,
            at_start: true,
            within_overlong: false,
            fault: None,
        }
    }

    /// Makes room for as much as the client says that will come, within reason.
    pub(super) fn expect(&mut self, size: usize) {
        self.body.reserve(size.min(self.max_size).min(MOST_EXPECTED));
    }

    /// Takes whole lines out of `input`. Returns `true` when the end of the content was among them; what comes after it
    /// stays.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> bool {
        let mut at = 0;
        while let Some(found) = input[at + self.searched..].iter().position(|byte| *byte == b'\n') {
            let end = at + self.searched + found + 1;
            let line = &input[at..end];
            self.searched = 0;
            at = end;
            if self.at_start && !self.within_overlong && line == b".\r\n" {
                input.advance(at);
                return true;
            }
            self.line(line);
        }
        input.advance(at);
        self.searched = input.len();
        // The bytes for a dot, CR and LF, and one more to know that it is too long.
        if input.len() > self.longest().saturating_add(4) {
            self.skip(input);
        }
        false
    }

    /// The content, or why it is refused.
    pub(super) fn finish(self) -> Result<Vec<u8>, Fault> {
        match self.fault {
            None => Ok(self.body),
            Some(fault) => Err(fault),
        }
    }

    fn line(&mut self, line: &[u8]) {
        let starts = std::mem::replace(&mut self.at_start, line.ends_with(b"\r\n"));
        if std::mem::take(&mut self.within_overlong) || self.fault.is_some() {
            return;
        }
        let line = if starts { line.strip_prefix(b".").unwrap_or(line) } else { line };
        let (text, proper) = match line.strip_suffix(b"\r\n") {
            Some(text) => (text, true),
            None => (line.strip_suffix(b"\n").unwrap_or(line), false),
        };
        let proper = proper && !text.contains(&b'\r');
        if text.len() > self.longest() {
            self.fail(self.too_long());
        } else if proper || self.endings == LineEndings::Allow {
            self.push(line);
        } else if self.endings == LineEndings::Deny {
            self.fail(Fault::Ending);
        } else {
            let mut parts = text.split(|byte| *byte == b'\r').peekable();
            while let Some(part) = parts.next() {
                // A carriage return right before CRLF ends no line of its own.
                if !(part.is_empty() && parts.peek().is_none() && text.ends_with(b"\r")) {
                    self.push(&[part, b"\r\n"].concat());
                }
            }
        }
    }

    fn push(&mut self, line: &[u8]) {
        if self.body.len() + line.len() > self.max_size {
            self.fail(Fault::Size);
        } else if self.fault.is_none() {
            self.body.extend_from_slice(line);
        }
    }

    fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
        self.body = Vec::new();
    }

    /// The longest line that is not refused for its length alone.
    fn longest(&self) -> usize {
        self.max_line.min(self.max_size)
    }

    fn too_long(&self) -> Fault {
        if self.max_size < self.max_line { Fault::Size } else { Fault::Line }
    }

    /// Throws the beginning of a line away that is too long to be anything but refused.
    fn skip(&mut self, input: &mut BytesMut) {
        self.fail(self.too_long());
        self.within_overlong = true;
        // A carriage return may be half of the line's end.
        let keep = usize::from(input.last() == Some(&b'\r'));
        input.advance(input.len() - keep);
        self.searched = keep;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
        let parameters =
            super::super::parameter::Parameters::parse(super::super::parameter::Table::default(), "x".into());
        let mut settings = Settings::clone(&parameters.unwrap().settings);
        change(&mut settings);
        settings
    }

    /// The content, if it came to its end, and what was left over.
    fn read(settings: &Settings, bytes: &[u8], step: usize) -> (Option<Result<Vec<u8>, Fault>>, Vec<u8>) {
        let mut content = Content::new(settings);
        let mut input = BytesMut::new();
        let mut chunks = bytes.chunks(step);
        while let Some(chunk) = chunks.next() {
            input.extend_from_slice(chunk);
            if content.take(&mut input) {
                let rest = chunks.flatten().copied();
                return (Some(content.finish()), input.iter().copied().chain(rest).collect());
            }
        }
        (None, input.to_vec())
    }

    #[track_caller]
    fn gives(settings: &Settings, bytes: &[u8], expected: &[u8]) {
        for step in 1..=bytes.len() {
            let (content, rest) = read(settings, bytes, step);
            assert_eq!(content.unwrap().unwrap().escape_ascii().to_string(), expected.escape_ascii().to_string());
            assert!(rest.is_empty());
        }
    }

    #[track_caller]
    fn refuses(settings: &Settings, bytes: &[u8], fault: Fault) {
        for step in 1..=bytes.len() {
            assert_eq!(read(settings, bytes, step), (Some(Err(fault)), Vec::new()), "in steps of {step}");
        }
    }

    #[test]
    fn dots_are_unstuffed() {
        let settings = settings(|_| {});
        gives(&settings, b".\r\n", b"");
        gives(&settings, b"..\r\n...\r\n.a\r\na.\r\n.\r\n", b".\r\n..\r\na\r\na.\r\n");
    }

    #[test]
    fn what_follows_the_end_is_left() {
        let (content, rest) = read(&settings(|_| {}), b"a\r\n.\r\nQUIT\r\n", 100);
        assert_eq!((content.unwrap().unwrap(), rest), (b"a\r\n".to_vec(), b"QUIT\r\n".to_vec()));
    }

    #[test]
    fn only_crlf_dot_crlf_ends_a_message() {
        let deny = settings(|_| {});
        for smuggled in [
            b"a\n.\nMAIL FROM:<x@y>\r\n.\r\n".as_slice(),
            b"a\n.\r\nMAIL FROM:<x@y>\r\n.\r\n",
            b"a\r\n.\nMAIL FROM:<x@y>\r\n.\r\n",
            b"a\r.\r\nMAIL FROM:<x@y>\r\n.\r\n",
            b"a\r\n.\rMAIL FROM:<x@y>\r\n.\r\n",
            b"a\r\r\n.\r\n",
        ] {
            refuses(&deny, smuggled, Fault::Ending);
        }
        let allow = settings(|settings| settings.invalid_line_endings = LineEndings::Allow);
        gives(&allow, b"a\n.\nb\n.\r\nc\r\n.\r\n", b"a\n.\nb\n.\r\nc\r\n");
        let fix = settings(|settings| settings.invalid_line_endings = LineEndings::Fix);
        gives(&fix, b"a\n.\nb\rc\n.\r\nd\r\r\n\r\n.\r\n", b"a\r\n.\r\nb\r\nc\r\n.\r\nd\r\n\r\n");
    }

    #[test]
    fn limits_are_exact() {
        let size = settings(|settings| settings.max_message_size = 6);
        gives(&size, b"..23\r\n.\r\n", b".23\r\n");
        gives(&size, b"1234\r\n.\r\n", b"1234\r\n");
        refuses(&size, b"12345\r\n.\r\n", Fault::Size);
        refuses(&size, b"12345678901234\r\n.\r\n", Fault::Size);
        let line = settings(|settings| settings.line_length_hard_limit = 4);
        gives(&line, b"1234\r\n..234\r\n.\r\n", b"1234\r\n.234\r\n");
        refuses(&line, b"12345\r\n.\r\n", Fault::Line);
        refuses(&line, b"ok\r\n1234567890123\r\n.ok\r\n.\r\n", Fault::Line);
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut content = Content::new(&settings(|_| {}));
        let mut input = BytesMut::new();
        for _ in 0..1000 {
            input.extend_from_slice(&[b'x'; 4096]);
            assert!(!content.take(&mut input));
            assert!(input.len() < 4096);
        }
        input.extend_from_slice(b"\r\n.\r\n");
        assert!(content.take(&mut input));
        assert_eq!(content.finish(), Err(Fault::Line));
    }

    proptest! {
        #[test]
        fn how_it_is_cut_makes_no_difference(
            bytes in prop::collection::vec(prop::sample::select(b"a.\r\n".as_slice()), 0..40),
            step in 1_usize..9,
        ) {
            for endings in [LineEndings::Deny, LineEndings::Allow, LineEndings::Fix] {
                let settings = settings(|settings| {
                    settings.invalid_line_endings = endings;
                    settings.line_length_hard_limit = 5;
                });
                let bytes = [bytes.as_slice(), b"\r\n.\r\n"].concat();
                prop_assert_eq!(read(&settings, &bytes, step), read(&settings, &bytes, bytes.len()));
            }
        }
    }
}
