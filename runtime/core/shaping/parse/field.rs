//! The names that blocks and rules know; the schema for editors is made of the same.

/// How a provider is known.
pub(in crate::shaping) const MATCH: &[&str] = &["MXSuffix", "DomainSuffix", "HostName"];
/// Of a domain's block, and of `default`, beside the options.
pub(in crate::shaping) const DOMAIN: &[&str] = &["mx_rollup", "replace_base", "automation", "sources"];
/// Of a provider's block, beside the options.
pub(in crate::shaping) const PROVIDER: &[&str] =
    &["match", "provider_connection_limit", "provider_max_message_rate", "replace_base", "automation", "sources"];
/// Of a source in a provider's block, beside the options.
pub(in crate::shaping) const SELECTION_RATE: &str = "provider_source_selection_rate";
/// Of a rule.
pub(in crate::shaping) const RULE: &[&str] = &["regex", "action", "trigger", "duration", "match_internal"];
/// Of an action that sets an option.
pub(in crate::shaping) const SETTING: &[&str] = &["name", "value"];
/// When a rule acts.
pub(in crate::shaping) const TRIGGERS: &[&str] = &["Immediate", "Threshold"];
/// What a rule does.
pub(in crate::shaping) const ACTIONS: &[&str] = &[
    "Suspend",
    "SuspendTenant",
    "SuspendCampaign",
    "SetConfig",
    "SetDomainConfig",
    "Bounce",
    "BounceTenant",
    "BounceCampaign",
];
