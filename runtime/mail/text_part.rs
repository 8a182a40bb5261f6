//! Adding to the text of a message, such as a footer.

use bytes::Bytes;
use data_encoding::{BASE64, BASE64_MIME_PERMISSIVE};
use mail_parser::{Encoding, MessageParser, PartType};

/// Which text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Text {
    /// `text/plain`
    Plain,
    /// `text/html`
    Html,
}

/// The message with `more` at the end of its first part of this kind, in the encoding that the part has; HTML goes before
/// `</body>`, where there is one in plain sight. `None` when the message has no such part, or does not parse.
pub fn append(message: &[u8], kind: Text, more: &str) -> Option<Bytes> {
    let parsed = MessageParser::new().parse(message)?;
    let part = parsed.parts.iter().find(|part| match part.body {
        PartType::Text(_) => kind == Text::Plain,
        PartType::Html(_) => kind == Text::Html,
        _ => false,
    })?;
    let (start, end) = (usize::try_from(part.offset_body).ok()?, usize::try_from(part.offset_end).ok()?);
    let raw = message.get(start..end)?;
    let replaced = match part.encoding {
        Encoding::None => insert(raw, kind, with_crlf(more).as_bytes()),
        // After a soft line break, since the line before may be long already.
        Encoding::QuotedPrintable => insert(raw, kind, format!("=\r\n{}", quoted(&with_crlf(more))).as_bytes()),
        Encoding::Base64 => {
            let text = BASE64_MIME_PERMISSIVE.decode(raw.trim_ascii()).ok()?;
            lines_of(&BASE64.encode(&insert(&text, kind, with_crlf(more).as_bytes()))).into_bytes()
        }
    };
    Some([message.get(..start)?, &replaced, message.get(end..)?].concat().into())
}

fn insert(text: &[u8], kind: Text, more: &[u8]) -> Vec<u8> {
    let at = match kind {
        Text::Html => text.windows(7).rposition(|window| window.eq_ignore_ascii_case(b"</body>")),
        Text::Plain => None,
    };
    let (before, after) = text.split_at(at.unwrap_or(text.len()));
    [before, more, after].concat()
}

fn with_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// Quoted-printable (RFC 2045 section 6.7); line ends stay line ends.
fn quoted(text: &str) -> String {
    let lines: Vec<_> = text.split("\r\n").map(quoted_line).collect();
    lines.join("\r\n")
}

fn quoted_line(line: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for (index, byte) in line.bytes().enumerate() {
        let last = index + 1 == line.len();
        let plain = (byte.is_ascii_graphic() && byte != b'=') || (matches!(byte, b' ' | b'\t') && !last);
        let word = if plain { char::from(byte).to_string() } else { format!("={byte:02X}") };
        if column + word.len() > 75 {
            out.push_str("=\r\n");
            column = 0;
        }
        column += word.len();
        out.push_str(&word);
    }
    out
}

fn lines_of(base64: &str) -> String {
    let lines: Vec<_> = base64.as_bytes().chunks(76).map(String::from_utf8_lossy).collect();
    lines.join("\r\n") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn text(message: &[u8], kind: Text) -> String {
        let parsed = MessageParser::new().parse(message).unwrap();
        let text = match kind {
            Text::Plain => parsed.body_text(0),
            Text::Html => parsed.body_html(0),
        };
        text.unwrap().into_owned()
    }

    #[test]
    fn a_footer_goes_to_the_end_of_the_text() {
        let plain = b"Subject: x\r\n\r\nhello\r\n";
        assert_eq!(append(plain, Text::Plain, "-- \nfoot\n").unwrap(), "Subject: x\r\n\r\nhello\r\n-- \r\nfoot\r\n");
        assert_eq!(append(plain, Text::Html, "x"), None);
    }

    #[test]
    fn it_takes_the_encoding_of_its_part() {
        let head = "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\
                    Content-Transfer-Encoding: quoted-printable\r\n\r\nh=C3=A9llo\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\
                    Content-Transfer-Encoding: base64\r\n\r\n";
        let html = BASE64.encode("<html><body>hé</body></html>".as_bytes());
        let message = format!("{head}{html}\r\n--b--\r\n");
        let changed = append(message.as_bytes(), Text::Plain, &format!("=\u{e9} {}", "long ".repeat(30))).unwrap();
        let changed = append(&changed, Text::Html, "<p>é</p>").unwrap();
        assert!(text(&changed, Text::Plain).starts_with("héllo=é long long"));
        assert_eq!(text(&changed, Text::Html), "<html><body>hé<p>é</p></body></html>");
        assert!(changed.split(|byte| *byte == b'\n').all(|line| line.len() < 80));
    }
}
