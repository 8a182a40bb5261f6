//! Shaping files: their shape, their merge, the rules in them, and how a record finds its rules.
//!
//! * [`parse`] reads one [`Source`] and tells all that is wrong in it as [`Findings`]; [`parse_lossy`] also gives what is sound.
//! * [`Shaping::merge`] lays files over each other into one immutable value that knows where each value came from.
//! * [`Shaping::matches`] finds the rules for a response, [`Shaping::egress_path`] the options of an egress path.
//! * [`check`] says what is doubtful in files that load.
//! * [`option`] and [`options`] are the table of what an egress path can be told.

pub mod check;
mod digest;
mod explain;
mod file;
mod finding;
mod grams;
mod literal;
mod load;
mod lookup;
mod matcher;
mod merge;
mod merged;
mod node;
mod option;
mod overlay;
mod param;
mod parse;
mod pattern;
mod provider;
mod rule;
mod schema;
mod site;
mod source;
pub(crate) mod strict;
mod suggest;
#[cfg(test)]
mod tests;

pub use explain::{Outcome, ProviderFit, Taking, Trial};
pub use file::File;
pub use finding::{BadLevel, Finding, Findings, Level, Note, code};
pub use load::{LoadOptions, Mx};
pub use lookup::{Matched, Matches, Shaping};
pub use merge::Unresolved;
pub use option::{Kind, OptionSpec, check_value, option, options};
pub use param::{EgressPath, Param};
pub use parse::{parse, parse_lossy};
pub use provider::Criterion;
pub use rule::{Action, Origin, Rule, RuleId, Scope, Setting, Trigger};
pub use schema::schema;
pub use site::site_name;
pub use source::{Format, Source};
pub use strict::loosens;
