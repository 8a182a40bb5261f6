//! Addresses as SMTP envelopes carry them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// An address of an SMTP envelope, without the angle brackets; empty for the null sender `<>` (RFC 5321 section 4.5.5).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(Arc<str>);

/// A text that is no envelope address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid address `{text}`: {why}")]
pub struct BadAddress {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Address {
    /// The null sender.
    pub fn null() -> Self {
        Self::default()
    }

    /// Reads an address; angle brackets around it are allowed, and nothing at all is the null sender.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let bad = |why| BadAddress { text: text.to_owned(), why };
        let bare = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(text);
        if bare.is_empty() || bare.eq_ignore_ascii_case("postmaster") {
            return Ok(Self(bare.into()));
        }
        let (user, domain) = bare.rsplit_once('@').ok_or_else(|| bad("expected `user@domain`"))?;
        if user.is_empty() || domain.is_empty() {
            return Err(bad("expected `user@domain`"));
        }
        if bare.chars().any(char::is_control) {
            return Err(bad("it contains a control character"));
        }
        Ok(Self(bare.into()))
    }

    /// The whole address, without angle brackets.
    pub fn email(&self) -> &str {
        &self.0
    }

    /// What stands before the last `@`.
    pub fn user(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(user, _)| user)
    }

    /// What stands after the last `@`; empty when there is none.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// Whether it is the null sender.
    pub fn is_null(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0)
    }
}
