//! A message on its way out.

/// What DATA sends: the message with every line break as CRLF (RFC 5321 section 2.3.8), a dot doubled at the start of a
/// line (section 4.5.2), and the line with one dot at the end.
///
/// The pieces lend from the message; a message without such dots is one piece and the end. Bare line breaks, which some
/// servers would take for an end of the message, do not leave this host.
#[derive(Debug)]
pub(super) struct Pieces<'a> {
    rest: &'a [u8],
    at_line_start: bool,
    /// What goes out before the rest.
    next: &'static [u8],
    ended: bool,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        let next: &[u8] = if data.first() == Some(&b'.') { b"." } else { b"" };
        Self { rest: data, at_line_start: true, next, ended: false }
    }

    /// The longest piece that goes out as it stands.
    fn piece(&mut self) -> &'a [u8] {
        let data = self.rest;
        let mut start = 0;
        while let Some(found) = data[start..].iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            let at = start + found;
            if data[at..].starts_with(b"\r\n") {
                start = at + 2;
                if data.get(start) == Some(&b'.') {
                    return self.cut(start, start, b".");
                }
            } else {
                let next: &[u8] = if data.get(at + 1) == Some(&b'.') { b"\r\n." } else { b"\r\n" };
                return self.cut(at, at + 1, next);
            }
        }
        self.rest = &[];
        self.at_line_start = start == data.len();
        data
    }

    fn cut(&mut self, end: usize, resume: usize, next: &'static [u8]) -> &'a [u8] {
        let piece = &self.rest[..end];
        self.rest = &self.rest[resume..];
        self.next = next;
        self.at_line_start = true;
        piece
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if !self.next.is_empty() {
            return Some(std::mem::take(&mut self.next));
        }
        if !self.rest.is_empty() {
            return Some(self.piece());
        }
        if self.ended {
            return None;
        }
        self.ended = true;
        Some(if self.at_line_start { b".\r\n" } else { b"\r\n.\r\n" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sent(data: &[u8]) -> Vec<u8> {
        Pieces::new(data).flatten().copied().collect()
    }

    #[test]
    fn dots_are_doubled_and_breaks_are_whole() {
        for (data, expected) in [
            ("", ".\r\n"),
            ("a", "a\r\n.\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            (".a\r\n..b\r\nc.\r\n.", "..a\r\n...b\r\nc.\r\n..\r\n.\r\n"),
            ("a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r.\r\r\n\n", "a\r\n..\r\n\r\n\r\n.\r\n"),
        ] {
            assert_eq!(String::from_utf8(sent(data.as_bytes())).unwrap(), expected, "{data:?}");
        }
    }

    #[test]
    fn what_needs_no_change_is_one_piece() {
        let data = b"Subject: a\r\n\r\nno dots\r\nat the start\r\n";
        assert_eq!(Pieces::new(data).collect::<Vec<_>>(), [&data[..], b".\r\n"]);
    }

    proptest! {
        #[test]
        fn no_end_comes_before_the_end(data in "[.\r\na]{0,40}") {
            let sent = sent(data.as_bytes());
            prop_assert!(sent == b".\r\n" || sent.ends_with(b"\r\n.\r\n"));
            let lines: Vec<_> = sent.split_inclusive(|byte| *byte == b'\n').collect();
            let (last, lines) = lines.split_last().unwrap();
            prop_assert_eq!(*last, b".\r\n");
            let mut plain = Vec::new();
            for line in lines {
                prop_assert!(line.ends_with(b"\r\n") && !line[..line.len() - 2].contains(&b'\r'));
                prop_assert!(*line != b".\r\n");
                plain.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            }
            let mut expected = data.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
            if !expected.is_empty() && !expected.ends_with("\r\n") {
                expected.push_str("\r\n");
            }
            prop_assert_eq!(plain, expected.into_bytes());
        }
    }
}
