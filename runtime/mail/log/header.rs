//! The headers of a message as records carry them.

use mail_parser::MessageParser;

/// Names and decoded values (RFC 2047), in order.
pub(super) fn headers(content: &[u8]) -> Vec<(String, String)> {
    let parser = MessageParser::new().default_header_text();
    let Some(message) = parser.parse_headers(content) else { return Vec::new() };
    let header = |header: &mail_parser::Header<'_>| {
        let value = header.value().as_text().unwrap_or_default();
        (header.name().to_owned(), value.to_owned())
    };
    message.headers().iter().map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_unfolded() {
        let content =
            b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nX-Two: a\r\n b\r\nTo: Me <me@example.com>\r\n\r\nX-No: body\r\n";
        let found = headers(content);
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("Subject", "grüße"), ("X-Two", "a b"), ("To", "Me <me@example.com>")]);
        assert_eq!(headers(b""), []);
    }
}
