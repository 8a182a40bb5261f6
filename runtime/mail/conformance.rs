//! What about a message may trouble others (`msg:check_fix_conformance`, interface A.7).

use bytes::Bytes;
use kumo_tsa_core::wire::Time;

use super::header;
use super::trace::date;

/// RFC 5321 section 4.5.3.1.6: a line has 1000 bytes at most, CRLF included.
const LONGEST_LINE: usize = 998;

/// One thing to check, under the name that policies have for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are those of the flags; `Flag::finding` says what each is")]
pub enum Flag {
    MissingColonValue,
    NonCanonicalLineEndings,
    NameEndsWithSpace,
    LineTooLong,
    NeedsTransferEncoding,
    MissingDateHeader,
    MissingMessageIdHeader,
    MissingMimeVersion,
}

const FLAGS: [(&str, Flag); 8] = [
    ("MISSING_COLON_VALUE", Flag::MissingColonValue),
    ("NON_CANONICAL_LINE_ENDINGS", Flag::NonCanonicalLineEndings),
    ("NAME_ENDS_WITH_SPACE", Flag::NameEndsWithSpace),
    ("LINE_TOO_LONG", Flag::LineTooLong),
    ("NEEDS_TRANSFER_ENCODING", Flag::NeedsTransferEncoding),
    ("MISSING_DATE_HEADER", Flag::MissingDateHeader),
    ("MISSING_MESSAGE_ID_HEADER", Flag::MissingMessageIdHeader),
    ("MISSING_MIME_VERSION", Flag::MissingMimeVersion),
];

/// A flag that is not there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown conformance flag `{0}`: expected one of {known}", known = FLAGS.map(|(name, _)| name).join(", "))]
pub struct UnknownFlag(String);

/// Reads flags with `|` between them; spaces are allowed, and nothing at all is none.
pub fn parse_flags(text: &str) -> Result<Vec<Flag>, UnknownFlag> {
    let names = text.split('|').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let known = FLAGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            known.map(|(_, flag)| *flag).ok_or_else(|| UnknownFlag(name.to_owned()))
        })
        .collect()
}

impl Flag {
    /// Whether the message has it.
    pub fn is_in(self, message: &[u8]) -> bool {
        let head = header::section_len(message);
        let lacks = |name| header::first(message, name).is_none();
        match self {
            Self::MissingColonValue => {
                let rest = message.get(head..).unwrap_or_default();
                !(rest.is_empty() || rest.starts_with(b"\r\n") || rest.starts_with(b"\n"))
            }
            Self::NonCanonicalLineEndings => has_bare_end(message),
            Self::NameEndsWithSpace => header::fields(message).any(|field| spaced(message, &field)),
            Self::LineTooLong => message.split(|byte| *byte == b'\n').any(too_long),
            Self::NeedsTransferEncoding => !message.is_ascii() || message.contains(&0),
            Self::MissingDateHeader => lacks("Date"),
            Self::MissingMessageIdHeader => lacks("Message-ID"),
            Self::MissingMimeVersion => lacks("MIME-Version"),
        }
    }

    /// The message without it; `None` when that cannot be done.
    fn mend(self, message: &[u8], id: &str, now: Time) -> Option<Bytes> {
        let more = |name: &str, value: &str| Some(header::append(message, format!("{name}: {value}\r\n").as_bytes()));
        match self {
            Self::NonCanonicalLineEndings => Some(with_crlf(message)),
            Self::NameEndsWithSpace => Some(without_spaces(message)),
            Self::MissingDateHeader => more("Date", &date(now)),
            Self::MissingMessageIdHeader => more("Message-ID", &format!("<{id}>")),
            Self::MissingMimeVersion => more("MIME-Version", "1.0"),
            Self::MissingColonValue | Self::LineTooLong | Self::NeedsTransferEncoding => None,
        }
    }

    fn name(self) -> &'static str {
        FLAGS.iter().find(|(_, flag)| *flag == self).map_or("", |(name, _)| name)
    }

    fn finding(self) -> &'static str {
        match self {
            Self::MissingColonValue => "a line among the headers is no header",
            Self::NonCanonicalLineEndings => "a line does not end with CRLF",
            Self::NameEndsWithSpace => "a header has a space before its colon",
            Self::LineTooLong => "a line is longer than 998 bytes",
            Self::NeedsTransferEncoding => "it is not 7-bit",
            Self::MissingDateHeader => "it has no Date header",
            Self::MissingMessageIdHeader => "it has no Message-ID header",
            Self::MissingMimeVersion => "it has no MIME-Version header",
        }
    }
}

/// What is left to object to, and the message with mended what can be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// In words; `None` when there is nothing.
    pub objection: Option<String>,
    /// The message, when it was changed.
    pub mended: Option<Bytes>,
}

/// Mends what `fix` names where the message has it, then looks for what `check` names. `id` is what a missing Message-ID
/// becomes, without the angle brackets.
pub fn check_and_fix(message: &[u8], check: &[Flag], fix: &[Flag], id: &str, now: Time) -> Verdict {
    let mut mended: Option<Bytes> = None;
    for flag in fix {
        let current = mended.as_deref().unwrap_or(message);
        if flag.is_in(current)
            && let Some(better) = flag.mend(current, id, now)
        {
            mended = Some(better);
        }
    }
    let current = mended.as_deref().unwrap_or(message);
    let found: Vec<_> = check
        .iter()
        .chain(fix)
        .filter(|flag| flag.is_in(current))
        .map(|flag| format!("{} ({})", flag.name(), flag.finding()))
        .collect();
    let mut unique = found.clone();
    unique.sort();
    unique.dedup();
    let objection = (!unique.is_empty()).then(|| format!("message has conformance issues: {}", unique.join(", ")));
    Verdict { objection, mended }
}

fn has_bare_end(message: &[u8]) -> bool {
    let mut before = 0;
    for byte in message {
        if (*byte == b'\n') != (before == b'\r') {
            return true;
        }
        before = *byte;
    }
    before == b'\r'
}

fn with_crlf(message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + message.len() / 32);
    let mut bytes = message.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if(|next| **next == b'\n');
                out.extend_from_slice(b"\r\n");
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            other => out.push(*other),
        }
    }
    out.into()
}

fn too_long(line: &[u8]) -> bool {
    line.strip_suffix(b"\r").unwrap_or(line).len() > LONGEST_LINE
}

fn spaced(message: &[u8], field: &header::Field<'_>) -> bool {
    matches!(message.get(field.range().start + field.name.len()), Some(b' ' | b'\t'))
}

fn without_spaces(message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(message.len());
    let mut end = 0;
    for field in header::fields(message) {
        out.extend_from_slice(field.name.as_bytes());
        out.push(b':');
        out.extend_from_slice(field.raw);
        end = field.range().end;
    }
    out.extend_from_slice(message.get(end..).unwrap_or_default());
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fixed(message: &str, flags: &str, expected: &str) {
        let flags = parse_flags(flags).unwrap();
        let verdict = check_and_fix(message.as_bytes(), &flags, &flags, "id@host", Time::from_secs(0));
        assert_eq!((verdict.objection, verdict.mended.unwrap()), (None, Bytes::from(expected.to_owned())));
    }

    #[test]
    fn what_can_be_mended_is() {
        fixed("A: 1\nB: 2\r\rx\r\n", "NON_CANONICAL_LINE_ENDINGS", "A: 1\r\nB: 2\r\n\r\nx\r\n");
        fixed("A : 1\r\n\r\nx : y", "NAME_ENDS_WITH_SPACE", "A: 1\r\n\r\nx : y");
        fixed(
            "A: 1\r\n\r\nx",
            "MISSING_DATE_HEADER|MISSING_MESSAGE_ID_HEADER | MISSING_MIME_VERSION",
            "A: 1\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000\r\nMessage-ID: <id@host>\r\nMIME-Version: 1.0\r\n\r\nx",
        );
    }

    #[test]
    fn what_cannot_be_is_said() {
        let message = format!("A: 1\r\nno header\r\n\r\n\u{e9}{}\r\n", "x".repeat(998));
        let flags = parse_flags("MISSING_COLON_VALUE|LINE_TOO_LONG|NEEDS_TRANSFER_ENCODING").unwrap();
        let verdict = check_and_fix(message.as_bytes(), &flags, &flags, "", Time::from_secs(0));
        assert_eq!(verdict.mended, None);
        assert_eq!(
            verdict.objection.unwrap(),
            "message has conformance issues: LINE_TOO_LONG (a line is longer than 998 bytes), MISSING_COLON_VALUE (a line \
             among the headers is no header), NEEDS_TRANSFER_ENCODING (it is not 7-bit)"
        );
        let error = parse_flags("WHAT").unwrap_err().to_string();
        assert!(error.starts_with("unknown conformance flag `WHAT`: expected one of MISSING_COLON_VALUE, "), "{error}");
    }

    #[test]
    fn a_clean_message_stays() {
        let all = FLAGS.map(|(_, flag)| flag);
        let message = b"Date: x\r\nMessage-ID: <a@b>\r\nMIME-Version: 1.0\r\n\r\nx\r\n";
        let verdict = check_and_fix(message, &all, &all, "", Time::from_secs(0));
        assert_eq!(verdict, Verdict { objection: None, mended: None });
    }
}
