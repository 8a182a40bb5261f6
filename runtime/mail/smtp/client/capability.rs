//! What a peer offers in its answer to EHLO (RFC 5321 section 4.1.1.1).

use crate::mail::reply::Reply;

/// The extensions that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one extension")]
pub(super) struct Capabilities {
    /// PIPELINING (RFC 2920).
    pub(super) pipelining: bool,
    /// 8BITMIME (RFC 6152).
    pub(super) eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub(super) utf8: bool,
    /// SIZE (RFC 1870).
    pub(super) size: bool,
    /// STARTTLS (RFC 3207).
    pub(super) start_tls: bool,
    /// AUTH with PLAIN (RFC 4954, 4616).
    pub(super) auth_plain: bool,
}

impl Capabilities {
    /// Reads them from the lines after the first.
    pub(super) fn of(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.content.lines().skip(1) {
            // `AUTH=` is how servers wrote it before it was a standard.
            let mut words = line.split([' ', '=']);
            let keyword = words.next().unwrap_or_default();
            match keyword.to_ascii_uppercase().as_str() {
                "PIPELINING" => found.pipelining = true,
                "8BITMIME" => found.eight_bit = true,
                "SMTPUTF8" => found.utf8 = true,
                "SIZE" => found.size = true,
                "STARTTLS" => found.start_tls = true,
                "AUTH" => found.auth_plain |= words.any(|word| word.eq_ignore_ascii_case("PLAIN")),
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_found_in_any_case() {
        let reply = Reply::new(250, "STARTTLS is my name\nPipelining\nauth LOGIN plain\nSIZE 1000\nX-8BITMIME");
        let expected = Capabilities { pipelining: true, auth_plain: true, size: true, ..Capabilities::default() };
        assert_eq!(Capabilities::of(&reply), expected);
        assert!(Capabilities::of(&Reply::new(250, "x\nAUTH=PLAIN")).auth_plain);
        assert_eq!(Capabilities::of(&Reply::new(250, "x")), Capabilities::default());
    }
}
