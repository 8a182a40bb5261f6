//! Documented names that the tools know of.

/// The folder of policies, which another stands in for.
pub(super) const POLICY_FOLDER: &str = "/opt/kumomta/etc/policy";
/// The rules that come with the program.
pub(super) const DEFAULT_RULES: &str = "/opt/kumomta/share/policy-extras/shaping.toml";
