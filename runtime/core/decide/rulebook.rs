//! What deciding needs of the shaping files.

use std::sync::Arc;

use serde_json::Value;

use crate::shaping::{Rule, RuleId};

/// What to look rules up for.
#[derive(Clone, Copy, Debug)]
pub struct Query<'q> {
    /// The recipient's domain, in lower case.
    pub domain: &'q str,
    /// The site, without source and protocol.
    pub site: &'q str,
    /// The response as one line.
    pub text: &'q str,
    /// Whether the mail host made the response up (R5).
    pub internal: bool,
}

/// The rules that match a query.
#[derive(Clone, Default, Debug)]
pub struct Found<'s> {
    /// Each rule once, and whether its overrides hold for the whole site (A3).
    pub matched: Vec<(&'s Arc<Rule>, bool)>,
    /// Rules whose pattern needed more steps than it may take, so that nobody knows whether it matches (S6).
    pub exceeded: Vec<&'s Arc<Rule>>,
}

/// The rules and options that the shaping files hold: [`Shaping`](crate::shaping), or a test's own.
pub trait Rulebook {
    /// The rules that match.
    fn find<'s>(&'s self, query: &Query<'_>) -> Found<'s>;

    /// What the files say of an option for this egress path, else its default; none when it has no default either.
    fn configured(&self, domain: &str, source: &str, site: &str, option: &str) -> Option<Value>;

    /// Whether the files have a rule.
    fn has_rule(&self, id: &RuleId) -> bool;
}
