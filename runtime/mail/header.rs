//! The header section of a message (RFC 5322 section 2.2), read and changed without touching the body.
//!
//! Lines end with CRLF, or with a bare line feed where a message came with these; new ones end with CRLF.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use mail_builder::headers::Header as _;
use mail_builder::headers::text::Text;
use mail_parser::parsers::MessageStream;

use super::address::Address;

/// A header that cannot be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadHeader {
    /// A name that RFC 5322 section 3.6.8 does not allow.
    #[error("invalid header name `{0}`: expected printable ASCII without spaces and colons")]
    Name(String),
    /// A line end that does not fold the value, so that what follows would be another header, or the body.
    #[error("invalid value for header `{0}`: a line end in it must be followed by a space or a tab")]
    Value(String),
}

/// An address header that says no addresses.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("header `{name}` is no list of addresses: `{text}`")]
pub struct BadMailbox {
    /// The header.
    pub name: String,
    /// Its value.
    pub text: String,
}

/// One of the header fields of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field<'m> {
    /// The name as it is written.
    pub name: &'m str,
    /// What stands after the colon, folds and line end included.
    pub raw: &'m [u8],
    start: usize,
    end: usize,
}

impl Field<'_> {
    /// Whether it has this name.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value: unfolded, trimmed, its encoded words decoded (RFC 2047).
    pub fn text(&self) -> String {
        // The parser wants a line end.
        let line = [self.raw, b"\n"].concat();
        let decoded = MessageStream::new(&line).parse_unstructured().into_text();
        decoded.map_or_else(String::new, |text| text.trim().to_owned())
    }

    /// Where it stands in the message, line end included.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// A mailbox of an address header (RFC 5322 section 3.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mailbox {
    /// The display name.
    pub name: Option<String>,
    /// The address.
    pub address: Address,
}

/// The header fields, in order. They end at the first empty line, or at the first line that is none.
pub fn fields(message: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let field = field_at(message, at)?;
        at = field.end;
        Some(field)
    })
}

fn field_at(message: &[u8], start: usize) -> Option<Field<'_>> {
    let colon = start + message.get(start..)?.iter().position(|byte| matches!(byte, b':' | b'\n'))?;
    if message.get(colon) != Some(&b':') {
        return None;
    }
    // Some put spaces before the colon.
    let name = std::str::from_utf8(message.get(start..colon)?).ok()?.trim_end();
    if name.is_empty() || name.starts_with([' ', '\t']) {
        return None;
    }
    let mut end = line_end(message, colon);
    while matches!(message.get(end), Some(b' ' | b'\t')) {
        end = line_end(message, end);
    }
    Some(Field { name, raw: message.get(colon + 1..end)?, start, end })
}

/// The first byte after the line that `at` stands in.
fn line_end(message: &[u8], at: usize) -> usize {
    let rest = message.get(at..).unwrap_or_default();
    rest.iter().position(|byte| *byte == b'\n').map_or(message.len(), |feed| at + feed + 1)
}

/// The number of bytes of the header section, without the empty line that ends it.
pub fn section_len(message: &[u8]) -> usize {
    fields(message).last().map_or(0, |field| field.end)
}

/// The decoded value of the first header with this name.
pub fn first(message: &[u8], name: &str) -> Option<String> {
    fields(message).find(|field| field.is(name)).map(|field| field.text())
}

/// The decoded values of all headers with this name.
pub fn all(message: &[u8], name: &str) -> Vec<String> {
    fields(message).filter(|field| field.is(name)).map(|field| field.text()).collect()
}

/// The mailboxes of the first header with this name; groups are flattened.
pub fn mailboxes(message: &[u8], name: &str) -> Result<Option<Vec<Mailbox>>, BadMailbox> {
    let Some(field) = fields(message).find(|field| field.is(name)) else { return Ok(None) };
    match parse_mailboxes(field.raw) {
        Some(list) => Ok(Some(list)),
        None => Err(BadMailbox { name: field.name.to_owned(), text: field.text() }),
    }
}

/// Reads a list of mailboxes; nothing when it has none, or one without an address.
pub fn parse_mailboxes(text: &[u8]) -> Option<Vec<Mailbox>> {
    let line = [text, b"\n"].concat();
    let parsed = MessageStream::new(&line).parse_address().into_address()?;
    let list: Option<Vec<_>> = parsed
        .iter()
        .map(|one| {
            let address = Address::parse(one.address()?).ok().filter(|address| !address.domain().is_empty())?;
            Some(Mailbox { name: one.name().map(ToOwned::to_owned), address })
        })
        .collect();
    list.filter(|list| !list.is_empty())
}

/// Makes the lines of a header. With `encode` a value that is not plain ASCII is written in encoded words and a long one is
/// folded; without, it stands as it is.
pub fn line(name: &str, value: &str, encode: bool) -> Result<Vec<u8>, BadHeader> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
        return Err(BadHeader::Name(name.to_owned()));
    }
    let mut out = format!("{name}: ").into_bytes();
    if encode {
        // A line end is white space here.
        let value: Cow<'_, str> =
            if value.contains(['\r', '\n']) { value.replace(['\r', '\n'], " ").into() } else { value.into() };
        Text::new(value).write_header(&mut out, name.len() + 2);
        return Ok(out);
    }
    let lines: Vec<_> = value.trim_end().split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let folded = lines.iter().skip(1).all(|line| line.starts_with([' ', '\t']) && !line.trim().is_empty());
    if !folded || lines.iter().any(|line| line.contains('\r')) {
        return Err(BadHeader::Value(name.to_owned()));
    }
    out.put_slice(lines.join("\r\n").as_bytes());
    out.put_slice(b"\r\n");
    Ok(out)
}

/// The message with `lines` before all headers.
pub fn prepend(message: &[u8], lines: &[u8]) -> Bytes {
    [lines, separator(message, 0), message].concat().into()
}

/// The message with `lines` after all headers.
pub fn append(message: &[u8], lines: &[u8]) -> Bytes {
    let at = section_len(message);
    let (before, after) = message.split_at(at.min(message.len()));
    // A last header without a line end.
    let joint: &[u8] = if before.is_empty() || before.ends_with(b"\n") { b"" } else { b"\r\n" };
    [before, joint, lines, separator(message, at), after].concat().into()
}

/// The empty line that keeps new headers from a body, where the message has none.
fn separator(message: &[u8], at: usize) -> &'static [u8] {
    let rest = message.get(at..).unwrap_or_default();
    let separated = rest.is_empty() || rest.starts_with(b"\n") || rest.starts_with(b"\r\n");
    if separated || field_at(message, at).is_some() { b"" } else { b"\r\n" }
}

/// The message without the headers that `unwanted` names.
pub fn without(message: &[u8], unwanted: impl Fn(&str) -> bool) -> Bytes {
    let mut kept = BytesMut::with_capacity(message.len());
    let mut end = 0;
    for field in fields(message) {
        end = field.end;
        if !unwanted(field.name) {
            kept.put_slice(message.get(field.range()).unwrap_or_default());
        }
    }
    kept.put_slice(message.get(end..).unwrap_or_default());
    kept.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"Subject: =?utf-8?q?caf=C3=A9?=\r\n au lait\r\nX-One: 1\r\nTo: =?utf-8?B?w4Q=?= <a@x.example>, \"B, b\" <b@y.example>\r\nx-one : 2\nFrom: nobody\r\n\r\nX-Body: \xff\r\n.\r\n";

    #[test]
    fn values_are_unfolded_and_decoded() {
        assert_eq!(first(MESSAGE, "subject").unwrap(), "café au lait");
        assert_eq!(all(MESSAGE, "X-One"), ["1", "2"]);
        assert_eq!(first(MESSAGE, "X-Body"), None);
        let names: Vec<_> = fields(MESSAGE).map(|field| field.name).collect();
        assert_eq!(names, ["Subject", "X-One", "To", "x-one", "From"]);
    }

    #[test]
    fn addresses_are_read() {
        let to = mailboxes(MESSAGE, "to").unwrap().unwrap();
        let names: Vec<_> = to.iter().map(|one| (one.name.as_deref().unwrap(), one.address.email())).collect();
        assert_eq!(names, [("Ä", "a@x.example"), ("B, b", "b@y.example")]);
        assert_eq!(mailboxes(MESSAGE, "Cc"), Ok(None));
        let error = mailboxes(MESSAGE, "From").unwrap_err().to_string();
        assert_eq!(error, "header `From` is no list of addresses: `nobody`");
    }

    #[test]
    fn the_body_is_never_touched() {
        let body = b"\r\nX-Body: \xff\r\n.\r\n";
        let more = line("X-New", "größer", true).unwrap();
        for changed in [prepend(MESSAGE, &more), append(MESSAGE, &more)] {
            assert!(changed.ends_with(body));
            assert_eq!(changed.len(), MESSAGE.len() + more.len());
            assert_eq!(first(&changed, "x-new").unwrap(), "größer");
        }
        assert!(append(MESSAGE, &more).starts_with(b"Subject: "));
        let less = without(MESSAGE, |name| name.eq_ignore_ascii_case("x-one"));
        assert!(less.ends_with(body));
        assert_eq!(fields(&less).count(), 3);
    }

    #[test]
    fn a_message_that_is_all_headers_or_all_body_takes_one_more() {
        let more = line("X-New", "1", true).unwrap();
        assert_eq!(append(b"A: 1", &more), "A: 1\r\nX-New: 1\r\n");
        assert_eq!(prepend(b"A: 1\r\n", &more), "X-New: 1\r\nA: 1\r\n");
        assert_eq!(append(b"no header here\r\n", &more), "X-New: 1\r\n\r\nno header here\r\n");
        assert_eq!(prepend(b"no header here\r\n", &more), "X-New: 1\r\n\r\nno header here\r\n");
        assert_eq!(prepend(b"\r\nbody", &more), "X-New: 1\r\n\r\nbody");
        assert_eq!(append(b"", &more), "X-New: 1\r\n");
    }

    #[test]
    fn nothing_can_be_smuggled_in() {
        assert_eq!(line("X", "1\r\nBcc: x@y", true).unwrap(), b"X: 1  Bcc: x@y\r\n");
        assert!(matches!(line("X", "1\r\nBcc: x@y", false), Err(BadHeader::Value(_))));
        assert!(matches!(line("X", "1\n\nbody", false), Err(BadHeader::Value(_))));
        assert_eq!(line("X", "1\n\tmore\n", false).unwrap(), b"X: 1\r\n\tmore\r\n");
        for name in ["", "X Y", "X:", "Ä"] {
            assert!(matches!(line(name, "1", false), Err(BadHeader::Name(_))));
        }
    }

    #[test]
    fn long_values_are_folded_and_read_back() {
        let value = "many words ".repeat(100).trim().to_owned();
        let made = line("X-Long", &value, true).unwrap();
        assert!(made.split(|byte| *byte == b'\n').all(|line| line.len() < 80));
        assert_eq!(first(&made, "X-Long").unwrap(), value);
    }
}
