//! An automation rule.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

/// Where in the user's files something was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct Origin {
    /// The file as the policy names it, or the URL.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: u32,
    /// The column, counted from 1, in characters.
    pub column: u32,
}

impl fmt::Display for Origin {
    /// `FILE:LINE`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What makes a rule the same rule: a SHA-256 over its content and scope, not its position (semantics S5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub [u8; 32]);

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The block of the merged files that a rule stands in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The `default` block.
    Default,
    /// A `provider` block, by its name.
    Provider(Arc<str>),
    /// The blocks that roll up into this site.
    Site(Arc<str>),
    /// A block with `mx_rollup = false`, or one that could not be rolled up, by its domain.
    Domain(Arc<str>),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Provider(name) => write!(f, "provider:{name}"),
            Self::Site(name) => write!(f, "site:{name}"),
            Self::Domain(name) => write!(f, "domain:{name}"),
        }
    }
}

/// An egress path option and the value that an action gives it.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Setting {
    /// The option, one of those that an egress path has.
    pub name: Arc<str>,
    /// The value as the file has it, known to be of the option's type.
    pub value: serde_json::Value,
}

/// What a rule does when it acts (semantics A1 to A5).
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub enum Action {
    /// No deliveries on the record's egress path.
    Suspend,
    /// None from the scheduled queues of the record's tenant and domain.
    SuspendTenant,
    /// None from the scheduled queues of the record's tenant, campaign and domain.
    SuspendCampaign,
    /// An option is overridden for the source and the whole site, where the rule's scope is a site.
    SetConfig(Setting),
    /// An option is overridden for the source and the domain alone.
    SetDomainConfig(Setting),
    /// What waits for the domain, and what arrives until it ends, is bounced.
    Bounce,
    /// The same for the record's tenant alone.
    BounceTenant,
    /// The same for the record's tenant and campaign alone.
    BounceCampaign,
}

impl fmt::Display for Action {
    /// As people are told of it: `Suspend`, `SetConfig connection_limit=1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetConfig(setting) => write!(f, "SetConfig {}={}", setting.name, setting.value),
            Self::SetDomainConfig(setting) => write!(f, "SetDomainConfig {}={}", setting.name, setting.value),
            plain => write!(f, "{plain:?}"),
        }
    }
}

/// When a rule that matches acts (semantics T1, T2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// On each match.
    Immediate,
    /// When this many matches lie within the period.
    Threshold {
        /// How many.
        count: NonZeroU64,
        /// The period that ends at the newest of them.
        period: Duration,
    },
}

/// An automation rule as it stands in the merged files.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    /// What makes it the same rule.
    pub id: RuleId,
    /// The block it stands in.
    pub scope: Scope,
    /// Its patterns; one that matches is enough.
    pub regex: Vec<Arc<str>>,
    /// What it does; all of them.
    pub actions: Vec<Action>,
    /// When it does it.
    pub trigger: Trigger,
    /// How long the effect lasts from the newest match.
    pub duration: Duration,
    /// Whether it sees responses that the mail host made up itself (semantics R5).
    pub match_internal: bool,
    /// Where it was written; the first place, where several copies are one (semantics S5).
    pub origin: Origin,
}

impl Rule {
    /// The pattern, or `(a,b,…)` for several, as reasons show it (interface C.2).
    pub fn pattern(&self) -> String {
        match self.regex.as_slice() {
            [one] => one.to_string(),
            many => format!("({})", many.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_told_with_what_they_set() {
        let setting = Setting { name: "enable_tls".into(), value: "Required".into() };
        assert_eq!(Action::BounceTenant.to_string(), "BounceTenant");
        assert_eq!(Action::SetConfig(setting.clone()).to_string(), "SetConfig enable_tls=\"Required\"");
        assert_eq!(Action::SetDomainConfig(setting).to_string(), "SetDomainConfig enable_tls=\"Required\"");
    }
}
