//! What a message asks of the peer, and what follows the sender in MAIL.

use std::fmt::Write as _;

use super::Endpoint;
use super::capability::Capabilities;
use super::error::{internal, show};
use crate::mail::address::Address;
use crate::mail::reply::Reply;

/// What a message needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    size: usize,
    /// There are bytes above 127.
    eight_bit: bool,
    /// There are such in the header section, and they are UTF-8.
    utf8_headers: bool,
}

impl Needs {
    pub(super) fn of(data: &[u8]) -> Self {
        let eight_bit = !data.is_ascii();
        let utf8_headers = eight_bit && {
            let headers = headers(data);
            !headers.is_ascii() && std::str::from_utf8(headers).is_ok()
        };
        Self { size: data.len(), eight_bit, utf8_headers }
    }

    /// What the peer cannot take, as the reply that bounces it (RFC 6152 section 3).
    pub(super) fn unmet(self, offered: Capabilities, peer: &Endpoint) -> Option<Reply> {
        let text = || format!("the message has 8-bit content, and {} does not offer 8BITMIME", show(peer));
        (self.eight_bit && !offered.eight_bit).then(|| ours(554, "5.6.3", &text()))
    }

    /// The parameters of MAIL, each with a blank before it.
    pub(super) fn parameters(self, offered: Capabilities, envelope_is_ascii: bool) -> String {
        let mut text = String::new();
        if offered.size {
            // A failure to write to a string cannot happen.
            let _ = write!(text, " SIZE={}", self.size);
        }
        if offered.eight_bit && self.eight_bit {
            text.push_str(" BODY=8BITMIME");
        }
        if offered.utf8 && (self.utf8_headers || !envelope_is_ascii) {
            text.push_str(" SMTPUTF8");
        }
        text
    }
}

/// Why an address cannot go to the peer, as the reply that bounces it.
pub(super) fn unfit(address: &Address, offered: Capabilities, ignore_8bit: bool, peer: &Endpoint) -> Option<Reply> {
    let text = address.email();
    if text.chars().any(char::is_control) {
        return Some(ours(553, "5.1.3", &format!("{text:?} is no address: it contains a control character")));
    }
    let fits = text.is_ascii() || offered.utf8 || ignore_8bit;
    let why = || format!("`{text}` is an internationalised address, and {} does not offer SMTPUTF8", show(peer));
    (!fits).then(|| ours(550, "5.6.7", &why()))
}

/// A reply of our own with an enhanced code.
pub(super) fn ours(code: u16, enhanced: &str, text: &str) -> Reply {
    Reply { enhanced_code: Reply::new(code, &format!("{enhanced} x")).enhanced_code, ..internal(code, text) }
}

/// What stands before the first blank line.
fn headers(data: &[u8]) -> &[u8] {
    let mut end = 0;
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        if line == b"\r\n" || line == b"\n" {
            break;
        }
        end += line.len();
    }
    &data[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(data: &str, offered: Capabilities) -> String {
        Needs::of(data.as_bytes()).parameters(offered, true)
    }

    #[test]
    fn what_is_needed_and_offered_is_said() {
        let all = Capabilities { eight_bit: true, utf8: true, size: true, ..Capabilities::default() };
        assert_eq!(parameters("A: b\r\n\r\nc", all), " SIZE=9");
        assert_eq!(parameters("A: b\r\n\r\nü", all), " SIZE=10 BODY=8BITMIME");
        assert_eq!(parameters("A: ü\r\n\r\nc", all), " SIZE=10 BODY=8BITMIME SMTPUTF8");
        assert_eq!(parameters("A: ü\r\n\r\nc", Capabilities::default()), "");
        let peer = Endpoint { name: "mx.".to_owned(), address: ([192, 0, 2, 1], 25).into() };
        let unmet = Needs::of(b"A: b\r\n\r\n\xfc").unmet(Capabilities::default(), &peer).unwrap();
        let text = "KumoMTA internal: the message has 8-bit content, and mx (192.0.2.1:25) does not offer 8BITMIME";
        assert_eq!(unmet.to_string(), format!("554 5.6.3 {text}"));
        assert!(!Needs::of(b"A: \xfc\r\n\r\n").utf8_headers);
    }
}
