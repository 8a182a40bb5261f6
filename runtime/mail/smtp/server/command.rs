//! Command lines (RFC 5321 section 4.1). Addresses are kept as they are written, quotes included.

use crate::mail::Address;

/// A command with its arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Command<'a> {
    Ehlo(&'a str),
    Helo(&'a str),
    Mail { sender: Address, options: MailOptions },
    Rcpt { recipient: Address },
    Data,
    Rset,
    Noop,
    Quit,
    Help,
    Vrfy,
    StartTls,
    Auth { mechanism: &'a str, initial: Option<&'a str> },
    Xclient(Vec<(&'a str, String)>),
}

/// What may stand after the sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct MailOptions {
    /// How large the client says that the message is (RFC 1870).
    pub(super) size: Option<u64>,
    /// Whether addresses and headers may hold more than ASCII (RFC 6531).
    pub(super) utf8: bool,
}

/// A line that is no command: what to answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct BadCommand {
    pub(super) code: u16,
    pub(super) text: String,
}

fn bad(code: u16, text: impl Into<String>) -> BadCommand {
    BadCommand { code, text: text.into() }
}

/// Reads a line without its line end.
pub(super) fn parse(line: &[u8]) -> Result<Command<'_>, BadCommand> {
    let line = std::str::from_utf8(line).map_err(|_| bad(500, "5.5.2 the command is not UTF-8"))?;
    if line.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return Err(bad(500, "5.5.2 control characters cannot stand in a command"));
    }
    let line = line.trim_ascii_end();
    let (verb, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let rest = rest.trim_ascii_start();
    let is = |name: &str| verb.eq_ignore_ascii_case(name);
    if is("MAIL") {
        mail(rest)
    } else if is("RCPT") {
        rcpt(rest)
    } else if is("EHLO") {
        domain(rest).map(Command::Ehlo)
    } else if is("HELO") {
        domain(rest).map(Command::Helo)
    } else if is("DATA") {
        alone(rest, Command::Data)
    } else if is("RSET") {
        alone(rest, Command::Rset)
    } else if is("QUIT") {
        alone(rest, Command::Quit)
    } else if is("NOOP") {
        Ok(Command::Noop)
    } else if is("HELP") {
        Ok(Command::Help)
    } else if is("VRFY") {
        Ok(Command::Vrfy)
    } else if is("STARTTLS") {
        alone(rest, Command::StartTls)
    } else if is("AUTH") {
        auth(rest)
    } else if is("XCLIENT") {
        xclient(rest)
    } else {
        Err(bad(500, "5.5.1 command unknown"))
    }
}

fn alone<'a>(rest: &str, command: Command<'a>) -> Result<Command<'a>, BadCommand> {
    if rest.is_empty() { Ok(command) } else { Err(bad(501, "5.5.4 this command takes no arguments")) }
}

fn domain(rest: &str) -> Result<&str, BadCommand> {
    match rest {
        "" => Err(bad(501, "5.5.4 expected a domain or an address literal")),
        _ if rest.len() > 255 || rest.contains([' ', '\t']) => Err(bad(501, "5.5.4 that is no domain")),
        _ => Ok(rest),
    }
}

fn mail(rest: &str) -> Result<Command<'_>, BadCommand> {
    let (path, parameters) = path(rest, "FROM:")?;
    let sender = address(path).ok_or_else(|| bad(501, format!("5.1.7 invalid sender address <{path}>")))?;
    let mut options = MailOptions::default();
    for parameter in parameters.split_ascii_whitespace() {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.to_ascii_uppercase().as_str() {
            "SIZE" => {
                let size = value.parse().map_err(|_| bad(501, "5.5.4 SIZE takes a number"))?;
                options.size = Some(size);
            }
            "BODY" if value.eq_ignore_ascii_case("7BIT") || value.eq_ignore_ascii_case("8BITMIME") => {}
            "BODY" => return Err(bad(501, "5.5.4 BODY is 7BIT or 8BITMIME")),
            "SMTPUTF8" if value.is_empty() => options.utf8 = true,
            // RFC 4954 section 5: to be accepted; nobody here trusts it.
            "AUTH" => {}
            _ => return Err(bad(555, format!("5.5.4 parameter {name} is not supported"))),
        }
    }
    if !options.utf8 && !path.is_ascii() {
        return Err(bad(553, "5.6.7 an address beyond ASCII takes SMTPUTF8"));
    }
    Ok(Command::Mail { sender, options })
}

fn rcpt(rest: &str) -> Result<Command<'_>, BadCommand> {
    let (path, parameters) = path(rest, "TO:")?;
    let recipient = address(path)
        .filter(|address| !address.is_null())
        .ok_or_else(|| bad(501, format!("5.1.3 invalid recipient address <{path}>")))?;
    match parameters.split_ascii_whitespace().next() {
        None => Ok(Command::Rcpt { recipient }),
        Some(parameter) => {
            let name = parameter.split('=').next().unwrap_or_default();
            Err(bad(555, format!("5.5.4 parameter {name} is not supported")))
        }
    }
}

/// What stands between the angle brackets, and what comes after.
fn path<'a>(rest: &'a str, keyword: &str) -> Result<(&'a str, &'a str), BadCommand> {
    let syntax = || bad(501, format!("5.5.4 expected {keyword}<address>"));
    let (word, rest) = rest.split_at_checked(keyword.len()).ok_or_else(syntax)?;
    if !word.eq_ignore_ascii_case(keyword) {
        return Err(syntax());
    }
    let rest = rest.trim_ascii_start().strip_prefix('<').ok_or_else(syntax)?;
    let end = closing_bracket(rest).ok_or_else(syntax)?;
    let (path, after) = (&rest[..end], &rest[end + 1..]);
    if !after.is_empty() && !after.starts_with([' ', '\t']) {
        return Err(syntax());
    }
    Ok((path, after))
}

fn closing_bracket(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// An envelope address; a source route before it is dropped, as RFC 5321 appendix C asks.
fn address(path: &str) -> Option<Address> {
    let path = match path.strip_prefix('@') {
        Some(route) => route.split_once(':')?.1,
        None => path,
    };
    let address = Address::parse(path).ok()?;
    if path.starts_with('<') || !address.is_null() && !is_written_well(&address) {
        return None;
    }
    Some(address)
}

fn is_written_well(address: &Address) -> bool {
    if !address.email().contains('@') {
        return true;
    }
    let (user, domain) = (address.user(), address.domain());
    let user_is_well = if user.len() >= 2 && user.starts_with('"') && user.ends_with('"') {
        true
    } else {
        !user.chars().any(|c| c.is_whitespace() || "()<>,;:\\\"@[]".contains(c))
            && !user.starts_with('.')
            && !user.ends_with('.')
            && !user.contains("..")
    };
    let domain_is_well = if let Some(literal) = domain.strip_prefix('[') {
        literal.ends_with(']') && literal.chars().all(|c| c.is_ascii_alphanumeric() || ".:]".contains(c))
    } else {
        domain.len() <= 255
            && domain.split('.').all(|label| !label.is_empty())
            && domain.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_' || !c.is_ascii())
    };
    user_is_well && domain_is_well
}

fn auth(rest: &str) -> Result<Command<'_>, BadCommand> {
    let mut words = rest.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(mechanism), initial, None) => Ok(Command::Auth { mechanism, initial }),
        _ => Err(bad(501, "5.5.4 expected AUTH mechanism [initial response]")),
    }
}

/// Attributes in the order given; values in xtext (RFC 3461 section 4) are decoded.
fn xclient(rest: &str) -> Result<Command<'_>, BadCommand> {
    let attribute = |word| {
        let (name, value) = str::split_once(word, '=')?;
        Some((name, decode_xtext(value)?))
    };
    let attributes: Option<Vec<_>> = rest.split_ascii_whitespace().map(attribute).collect();
    match attributes {
        Some(attributes) if !attributes.is_empty() => Ok(Command::Xclient(attributes)),
        _ => Err(bad(501, "5.5.4 expected XCLIENT name=value ...")),
    }
}

fn decode_xtext(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'+' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(line: &str) -> u16 {
        parse(line.as_bytes()).unwrap_err().code
    }

    fn sender(line: &str) -> String {
        match parse(line.as_bytes()) {
            Ok(Command::Mail { sender, .. }) => sender.email().to_owned(),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn recipient(line: &str) -> String {
        match parse(line.as_bytes()) {
            Ok(Command::Rcpt { recipient }) => recipient.email().to_owned(),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn addresses_are_kept_as_written() {
        assert_eq!(sender("MAIL FROM:<>"), "");
        assert_eq!(sender("mail from: <a@b.example> SIZE=12 BODY=8BITMIME"), "a@b.example");
        assert_eq!(sender("MAIL FROM:<\"a b>\\\"\"@b.example>"), "\"a b>\\\"\"@b.example");
        assert_eq!(sender("MAIL FROM:<@x,@y:a@b.example>"), "a@b.example");
        assert_eq!(sender("MAIL FROM:<gr\u{fc}n@b\u{fc}cher.example> SMTPUTF8"), "gr\u{fc}n@b\u{fc}cher.example");
        assert_eq!(recipient("RCPT TO:<Postmaster>"), "Postmaster");
        assert_eq!(recipient("RCPT TO:<a+b=c@[127.0.0.1]>"), "a+b=c@[127.0.0.1]");
    }

    #[test]
    fn what_is_no_command_is_answered_by_kind() {
        assert_eq!(code(""), 500);
        assert_eq!(code("FROB x"), 500);
        assert_eq!(code("MAIL\u{1}"), 500);
        assert_eq!(parse(b"MAIL FROM:<\xff@x>").unwrap_err().code, 500);
        for line in [
            "MAIL FROM:a@b",
            "MAIL FROM:<a@b",
            "MAIL FROM:<a@b>x",
            "MAIL FROM:<a>",
            "MAIL FROM:<a@b@c>",
            "MAIL FROM:<a b@c>",
            "MAIL FROM:<a@b..c>",
            "MAIL FROM:<<a@b>>",
            "MAIL FROM:<a@b> SIZE=x",
            "MAIL TO:<a@b>",
            "MAIL \u{fc}\u{fc}\u{fc}<a@b>",
            "RCPT TO:<>",
            "DATA now",
            "EHLO",
            "AUTH",
            "XCLIENT ADDR",
            "XCLIENT ADDR=+4",
        ] {
            assert_eq!(code(line), 501, "{line}");
        }
        assert_eq!(code("MAIL FROM:<a@b> RET=FULL"), 555);
        assert_eq!(code("RCPT TO:<a@b> NOTIFY=NEVER"), 555);
        assert_eq!(code("MAIL FROM:<gr\u{fc}n@b.example>"), 553);
    }

    #[test]
    fn xclient_decodes_its_values() {
        assert_eq!(
            parse(b"XCLIENT ADDR=IPV6:::1 helo=a+2Bb"),
            Ok(Command::Xclient(vec![("ADDR", "IPV6:::1".to_owned()), ("helo", "a+b".to_owned())]))
        );
    }

    proptest! {
        #[test]
        fn no_line_panics(line in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(&line);
        }

        #[test]
        fn no_path_panics(path in "\\PC{0,40}", from: bool) {
            let _ = parse(format!("{}<{path}>", if from { "MAIL FROM:" } else { "RCPT TO:" }).as_bytes());
        }
    }
}
