//! What the server says.

use std::borrow::Cow;

use super::command::BadCommand;
use crate::mail::Rejection;
use crate::mail::rejection::Closing;

/// A reply to a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    pub(super) code: u16,
    /// With an enhanced code at its start, where there is one; line feeds make several lines of it.
    pub(super) text: Cow<'static, str>,
    pub(super) closing: Closing,
}

impl Answer {
    pub(super) fn new(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into(), closing: Closing::If421 }
    }

    /// What is said when the policy, or the server, fails; the connection ends with it.
    pub(super) fn difficulties(hostname: &str) -> Self {
        Self::new(421, format!("4.3.0 {hostname} technical difficulties"))
    }

    /// Whether it is a refusal that is logged: all are, but those that speak of the server's load.
    pub(super) fn is_logged(&self) -> bool {
        self.code >= 400 && !(self.code == 421 && self.text.starts_with("4.3.2"))
    }

    /// Appends it as it goes over the wire.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let mark = if lines.peek().is_some() { '-' } else { ' ' };
            out.extend_from_slice(format!("{:03}{mark}", self.code).as_bytes());
            // A policy's text cannot end the line, and so cannot be taken for another reply.
            out.extend(line.bytes().filter(|byte| !byte.is_ascii_control()));
            out.extend_from_slice(b"\r\n");
        }
    }
}

impl From<BadCommand> for Answer {
    fn from(bad: BadCommand) -> Self {
        Self::new(bad.code, bad.text)
    }
}

impl From<Rejection> for Answer {
    fn from(rejection: Rejection) -> Self {
        Self { code: rejection.code, text: rejection.message.into(), closing: rejection.closing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_forge_a_reply() {
        let mut out = Vec::new();
        Answer::new(550, "5.7.1 no\r\n250 yes\u{7f}").write(&mut out);
        assert_eq!(out, b"550-5.7.1 no\r\n550 250 yes\r\n");
    }
}
