//! What an SMTP peer answers, and what a log record says of it (interface C.6).

use std::fmt;

use kumo_tsa_core::wire::EnhancedCode;
use serde::Serialize;

/// A reply: three digits, perhaps an enhanced code, text; and the command that it answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Reply {
    /// The three digits (RFC 5321 section 4.2).
    pub code: u16,
    /// The enhanced code at the start of the text, if there is one.
    pub enhanced_code: Option<EnhancedCode>,
    /// The text, without the codes; lines are joined with line feeds.
    pub content: String,
    /// The command that it answers, if it answers one.
    pub command: Option<String>,
}

impl Reply {
    /// A reply without an enhanced code of its own: one that stands at the start of `text` is taken from there.
    pub fn new(code: u16, text: &str) -> Self {
        let (enhanced_code, content) = split_enhanced(text);
        Self { code, enhanced_code, content: content.to_owned(), command: None }
    }

    /// The same, said to answer `command`.
    #[must_use]
    pub fn answering(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// Whether to try again later: 4xx, and 503, which is what a peer that lost count of a pipelined session says.
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code) || self.code == 503
    }

    /// 2xx.
    pub fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// 5xx, 503 apart.
    pub fn is_permanent(&self) -> bool {
        (500..600).contains(&self.code) && self.code != 503
    }
}

/// `CODE ENHANCED content` with line breaks as spaces (semantics S6).
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(EnhancedCode { class, subject, detail }) = self.enhanced_code {
            write!(f, " {class}.{subject}.{detail}")?;
        }
        for line in self.content.split(['\r', '\n']).filter(|line| !line.is_empty()) {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

fn split_enhanced(text: &str) -> (Option<EnhancedCode>, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut parts = word.splitn(3, '.').map(|part| {
        let plain = !part.is_empty() && part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit());
        if plain { part.parse::<u16>().ok() } else { None }
    });
    match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten()) {
        (Some(class @ (2 | 4 | 5)), Some(subject), Some(detail)) => {
            (Some(EnhancedCode { class, subject, detail }), rest)
        }
        _ => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enhanced_code_is_taken_from_the_text() {
        let reply = Reply::new(421, "4.7.0 [TSS04] Messages temporarily deferred\nsee help");
        assert_eq!(reply.enhanced_code, Some(EnhancedCode { class: 4, subject: 7, detail: 0 }));
        assert_eq!(reply.content, "[TSS04] Messages temporarily deferred\nsee help");
        assert_eq!(reply.to_string(), "421 4.7.0 [TSS04] Messages temporarily deferred see help");
    }

    #[test]
    fn a_text_that_only_looks_like_one_stays() {
        for text in ["4.7 busy", "1.2.3 no class", "4.7.0.1 an address", "no code"] {
            let reply = Reply::new(450, text);
            assert_eq!((reply.enhanced_code, reply.content.as_str()), (None, text));
        }
    }
}
