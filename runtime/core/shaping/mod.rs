//! Shaping files: their shape, their merge, the rules in them, and how a record finds its rules.

mod rule;

pub use rule::{Action, Origin, Rule, RuleId, Scope, Setting, Trigger};
