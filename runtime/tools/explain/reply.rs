//! What each rule makes of a response.

use anyhow::bail;
use kumo_tsa_core::shaping::{Action, Outcome, Trial, Trigger};
use kumo_tsa_core::wire::{self, format_duration};
use serde::Serialize;

use super::rules::Rules;
use super::site::Destination;

/// A response, and the rules that were tried on it.
#[derive(Debug, Serialize)]
pub(super) struct Reply {
    /// As one line, as rules see it.
    pub(super) text: String,
    /// The mail host made it up itself.
    pub(super) internal: bool,
    /// Each rule in the order in which it is tried.
    pub(super) rules: Vec<Tried>,
}

/// A rule that was tried.
#[derive(Debug, Serialize)]
pub(super) struct Tried {
    pub(super) scope: String,
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) patterns: Vec<String>,
    pub(super) outcome: Made,
    /// The pattern that matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) matched: Option<String>,
    pub(super) trigger: String,
    pub(super) actions: Vec<Does>,
    pub(super) duration: String,
}

/// What a rule made of the response.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Made {
    Matched,
    Missed,
    Internal,
    Exceeded,
}

/// What an action would do.
#[derive(Debug, Serialize)]
pub(super) struct Does {
    pub(super) action: String,
    /// What it would hold or change.
    pub(super) on: String,
    /// The option that it would override.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) option: Option<String>,
}

impl Reply {
    /// Tries every rule that covers the destination.
    ///
    /// # Errors
    /// When it is no response.
    pub(super) fn of(rules: &Rules, to: &Destination, source: &str, response: &str) -> anyhow::Result<Self> {
        let text = one_line(response)?;
        let internal = is_internal(&text);
        let trials = rules.shaping.trials(&to.domain, &to.site, &text, internal);
        let rules = trials.iter().map(|trial| Tried::of(trial, to, source)).collect();
        Ok(Self { text, internal, rules })
    }
}

/// The response as records have it: `CODE ENHANCED text`, in one line.
fn one_line(response: &str) -> anyhow::Result<String> {
    let line = response.trim().replace("\r\n", " ").replace(['\r', '\n'], " ");
    let is_code = |code: &str| code.bytes().all(|byte| byte.is_ascii_digit());
    match (line.get(..3), line.get(3..)) {
        (Some(code), Some(rest)) if is_code(code) && (rest.is_empty() || rest.starts_with([' ', '-'])) => {
            Ok(format!("{code} {}", rest.get(1..).unwrap_or_default()))
        }
        _ => bail!(
            "--response takes what the provider said, code first, such as `421 4.7.0 Too many connections`, not `{line}`"
        ),
    }
}

fn is_internal(line: &str) -> bool {
    let content = line.get(4..).unwrap_or_default();
    let is_enhanced =
        |word: &str| word.split('.').count() == 3 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let content = match content.split_once(' ') {
        Some((word, rest)) if is_enhanced(word) => rest,
        _ => content,
    };
    wire::is_internal(content)
}

impl Tried {
    fn of(trial: &Trial<'_>, to: &Destination, source: &str) -> Self {
        let rule = trial.rule;
        let (outcome, matched) = match &trial.outcome {
            Outcome::Matched(pattern) => (Made::Matched, Some(pattern.to_string())),
            Outcome::Missed => (Made::Missed, None),
            Outcome::Internal => (Made::Internal, None),
            Outcome::Exceeded => (Made::Exceeded, None),
        };
        Self {
            scope: rule.scope.to_string(),
            file: rule.origin.file.to_string(),
            line: rule.origin.line,
            patterns: rule.regex.iter().map(ToString::to_string).collect(),
            outcome,
            matched,
            trigger: match rule.trigger {
                Trigger::Immediate => "at each match".to_owned(),
                Trigger::Threshold { count, period } => {
                    format!("at {count} matches within {}", format_duration(period))
                }
            },
            actions: rule.actions.iter().map(|action| Does::of(action, trial.rolled, to, source)).collect(),
            duration: format_duration(rule.duration),
        }
    }
}

impl Does {
    fn of(action: &Action, rolled: bool, to: &Destination, source: &str) -> Self {
        let domain = &to.domain;
        let (on, option) = match action {
            Action::Suspend => (format!("{source} to the whole site"), None),
            Action::SetConfig(setting) if rolled => {
                (format!("{source} to the whole site"), Some(setting.name.to_string()))
            }
            Action::SetConfig(setting) | Action::SetDomainConfig(setting) => {
                (format!("{source} to {domain} alone"), Some(setting.name.to_string()))
            }
            Action::Bounce => (format!("all mail to {domain}"), None),
            Action::SuspendTenant | Action::BounceTenant => (format!("the tenant's mail to {domain}"), None),
            Action::SuspendCampaign | Action::BounceCampaign => {
                (format!("the mail of the tenant and campaign to {domain}"), None)
            }
        };
        Self { action: action.to_string(), on, option }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_one_line_with_its_code() {
        assert_eq!(one_line("421 4.7.0 busy").unwrap(), "421 4.7.0 busy");
        assert_eq!(one_line("421-4.7.0 busy\r\nvery\nbusy\n").unwrap(), "421 4.7.0 busy very busy");
        assert_eq!(one_line("250").unwrap(), "250 ");
        for wrong in ["busy", "42", "4217", "", "4ü1 x"] {
            assert!(one_line(wrong).unwrap_err().to_string().contains("code first"), "{wrong}");
        }
    }

    #[test]
    fn r5_the_hosts_own_responses_are_told_apart() {
        for text in ["451 KumoMTA internal: no route", "451 4.4.4 KumoMTA internal: no route"] {
            assert!(is_internal(text), "{text}");
        }
        for text in ["451 4.4.4 x KumoMTA internal: no", "451 4.4 KumoMTA internal: x", "451 "] {
            assert!(!is_internal(text), "{text}");
        }
    }
}
