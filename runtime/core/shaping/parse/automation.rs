//! The automation rules of a block.

use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{Reader, field};
use crate::shaping::file::{Draft, Places};
use crate::shaping::finding::code;
use crate::shaping::node::{Entry, Node, Value};
use crate::shaping::option::{Kind, duration, option};
use crate::shaping::pattern::Pattern;
use crate::shaping::{Action, Setting, Trigger};
use crate::wire::{BadSpec, Throttle};

const ACTION_EXAMPLE: &str =
    "an action, such as `\"Suspend\"` or `{SetConfig={name=\"connection_limit\", value=1}}`, or a list of them";
const TRIGGER_EXAMPLE: &str = "`\"Immediate\"` or a threshold, such as `{Threshold=\"2/hr\"}`";
/// A window keeps each match that it counts (semantics T3), so there is an end to what it can count.
const MOST_MATCHES: u64 = 1_000_000;

impl Reader<'_> {
    pub(super) fn automation(&mut self, field: &Entry) -> Vec<Arc<Draft>> {
        let expected = "a list of rules; in TOML each begins with `[[\"example.com\".automation]]`";
        let rules = self.list("automation", expected, &field.node).unwrap_or_default();
        rules.iter().filter_map(|rule| self.rule(rule)).map(Arc::new).collect()
    }

    fn rule(&mut self, node: &Node) -> Option<Draft> {
        let entries = self.table("automation", node)?;
        for entry in entries.iter().filter(|entry| !field::RULE.contains(&entry.key.as_str())) {
            self.unknown(code::UNKNOWN_FIELD, "field", &entry.span, &entry.key, field::RULE);
        }
        let field = |name: &str| entries.iter().find(|entry| entry.key == name);
        // Each is looked at, so that all that is wrong is said at once.
        let patterns = self.required(node, "regex", field("regex")).and_then(|entry| self.regex(entry));
        let actions = self.required(node, "action", field("action")).and_then(|entry| self.actions(entry));
        let trigger = field("trigger").map_or(Some(Trigger::Immediate), |entry| self.trigger(entry));
        let duration = self.required(node, "duration", field("duration")).and_then(|entry| self.duration(entry));
        let match_internal = field("match_internal").map_or(Some(false), |entry| self.bool(entry));
        Some(Draft {
            patterns: patterns?,
            actions: actions?,
            trigger: trigger?,
            duration: duration?,
            match_internal: match_internal?,
            origin: self.origin(&node.span),
            places: Places {
                rule: self.at(&node.span),
                patterns: self.item_spans(field("regex")),
                actions: self.item_spans(field("action")),
                trigger: field("trigger").map(|entry| self.at(&entry.node.span)),
                duration: field("duration").map_or(0..0, |entry| self.at(&entry.node.span)),
            },
        })
    }

    fn required<'n>(&mut self, rule: &Node, name: &str, field: Option<&'n Entry>) -> Option<&'n Entry> {
        if field.is_none() {
            let help = match name {
                "regex" => "a pattern, such as `regex = \"too many connections\"`, or a list of them",
                "action" => "such as `action = \"Suspend\"`",
                _ => "how long the effect lasts, such as `duration = \"2 hours\"`",
            };
            self.error(code::MISSING_FIELD, &rule.span, format!("field `{name}` is missing"), Some(help.to_owned()));
        }
        field
    }

    /// Where each item of such a field stands.
    fn item_spans(&self, entry: Option<&Entry>) -> Vec<Range<usize>> {
        let items = entry.map_or(&[][..], |entry| match &entry.node.value {
            Value::List(items) => items,
            _ => std::slice::from_ref(&entry.node),
        });
        items.iter().map(|item| self.at(&item.span)).collect()
    }

    /// The items of a field that takes one value or a list of at least one.
    fn one_or_more<'n>(&mut self, entry: &'n Entry) -> &'n [Node] {
        match &entry.node.value {
            Value::List(items) => {
                if items.is_empty() {
                    let message = format!("field `{}`: the list is empty", entry.key);
                    self.error(code::BAD_VALUE, &entry.node.span, message, None);
                }
                items
            }
            _ => std::slice::from_ref(&entry.node),
        }
    }

    fn regex(&mut self, entry: &Entry) -> Option<Vec<Arc<Pattern>>> {
        let items = self.one_or_more(entry);
        let patterns: Vec<_> = items.iter().filter_map(|item| self.pattern(item)).collect();
        (!items.is_empty() && patterns.len() == items.len()).then_some(patterns)
    }

    fn pattern(&mut self, node: &Node) -> Option<Arc<Pattern>> {
        let text = self.text("regex", "a pattern, such as `\"too many connections\"`, or a list of them", node)?;
        if let Some(pattern) = self.patterns.get(text) {
            return Some(pattern.clone());
        }
        match Pattern::parse(text) {
            Ok(pattern) => {
                let pattern = Arc::new(pattern);
                self.patterns.insert(text.to_owned(), pattern.clone());
                Some(pattern)
            }
            Err(error) => {
                self.error(error.code(), &node.span, format!("field `regex`: {error}"), Some(error.help().to_owned()));
                None
            }
        }
    }

    fn actions(&mut self, entry: &Entry) -> Option<Vec<Action>> {
        let items = self.one_or_more(entry);
        let actions: Vec<_> = items.iter().filter_map(|item| self.action(item)).collect();
        (!items.is_empty() && actions.len() == items.len()).then_some(actions)
    }

    fn action(&mut self, node: &Node) -> Option<Action> {
        match &node.value {
            Value::Text(name) => self.plain_action(name, node),
            Value::Table(entries) => {
                let [entry] = entries.as_slice() else {
                    self.wrong_type("action", ACTION_EXAMPLE, node);
                    return None;
                };
                match entry.key.as_str() {
                    "SetConfig" => self.setting(entry).map(Action::SetConfig),
                    "SetDomainConfig" => self.setting(entry).map(Action::SetDomainConfig),
                    name if field::ACTIONS.contains(&name) => {
                        let message = format!("action `{name}` takes nothing");
                        self.error(code::WRONG_TYPE, &node.span, message, Some(format!("write `action = \"{name}\"`")));
                        None
                    }
                    name => {
                        self.unknown(code::UNKNOWN_ACTION, "action", &entry.span, name, field::ACTIONS);
                        None
                    }
                }
            }
            _ => {
                self.wrong_type("action", ACTION_EXAMPLE, node);
                None
            }
        }
    }

    fn plain_action(&mut self, name: &str, node: &Node) -> Option<Action> {
        match name {
            "Suspend" => Some(Action::Suspend),
            "SuspendTenant" => Some(Action::SuspendTenant),
            "SuspendCampaign" => Some(Action::SuspendCampaign),
            "Bounce" => Some(Action::Bounce),
            "BounceTenant" => Some(Action::BounceTenant),
            "BounceCampaign" => Some(Action::BounceCampaign),
            "SetConfig" | "SetDomainConfig" => {
                let message = format!("action `{name}` needs the option and its value");
                let help = format!("write `action = {{{name}={{name=\"connection_limit\", value=1}}}}`");
                self.error(code::WRONG_TYPE, &node.span, message, Some(help));
                None
            }
            _ => {
                self.unknown(code::UNKNOWN_ACTION, "action", &node.span, name, field::ACTIONS);
                None
            }
        }
    }

    fn setting(&mut self, action: &Entry) -> Option<Setting> {
        let entries = self.table(&action.key, &action.node)?;
        for entry in entries.iter().filter(|entry| !field::SETTING.contains(&entry.key.as_str())) {
            self.unknown(code::UNKNOWN_FIELD, "field", &entry.span, &entry.key, field::SETTING);
        }
        let find = |name: &str| entries.iter().find(|entry| entry.key == name);
        let (Some(name), Some(value)) = (find("name"), find("value")) else {
            let message = format!("action `{}` needs the fields `name` and `value`", action.key);
            let help = format!("such as `{}={{name=\"connection_limit\", value=1}}`", action.key);
            self.error(code::MISSING_FIELD, &action.node.span, message, Some(help));
            return None;
        };
        let option_name = self.text("name", "the name of an option, such as `\"connection_limit\"`", &name.node)?;
        let Some(spec) = option(option_name) else {
            let named = Entry { key: option_name.to_owned(), span: name.node.span.clone(), node: name.node.clone() };
            self.unknown_option(&named, &[]);
            return None;
        };
        let json = value.node.to_json();
        if let Err(why) = spec.kind.check(&json) {
            self.bad_value(spec.kind, &format!("value` of option `{option_name}"), &value.node, &why);
            return None;
        }
        Some(Setting { name: spec.name.into(), value: json })
    }

    fn trigger(&mut self, entry: &Entry) -> Option<Trigger> {
        match &entry.node.value {
            Value::Text(name) if name == "Immediate" => Some(Trigger::Immediate),
            Value::Text(name) if name == "Threshold" => {
                self.wrong_type("trigger", TRIGGER_EXAMPLE, &entry.node);
                None
            }
            Value::Text(name) => {
                self.unknown(code::UNKNOWN_TRIGGER, "trigger", &entry.node.span, name, field::TRIGGERS);
                None
            }
            Value::Table(entries) => match entries.as_slice() {
                [inner] if inner.key == "Threshold" => self.threshold(&inner.node),
                [inner] if inner.key != "Immediate" => {
                    self.unknown(code::UNKNOWN_TRIGGER, "trigger", &inner.span, &inner.key, field::TRIGGERS);
                    None
                }
                _ => {
                    self.wrong_type("trigger", TRIGGER_EXAMPLE, &entry.node);
                    None
                }
            },
            _ => {
                self.wrong_type("trigger", TRIGGER_EXAMPLE, &entry.node);
                None
            }
        }
    }

    fn threshold(&mut self, node: &Node) -> Option<Trigger> {
        let text = self.text("Threshold", "matches in a period, such as `\"2/hr\"`", node)?;
        match parse_threshold(text) {
            Ok((count, period)) => Some(Trigger::Threshold { count, period }),
            Err(why) => {
                let help = "a number of matches, a slash and a period, such as `2/hr` or `5/10m`".to_owned();
                self.error(code::BAD_THRESHOLD, &node.span, format!("field `Threshold`: {why}"), Some(help));
                None
            }
        }
    }

    fn duration(&mut self, entry: &Entry) -> Option<Duration> {
        let (code, why) = match duration(&entry.node.to_json()) {
            Some(Ok(duration)) if !duration.is_zero() => return Some(duration),
            Some(Ok(_)) => (code::BAD_DURATION, "the effect must last longer than zero".to_owned()),
            Some(Err(why)) => (code::BAD_DURATION, why),
            None => {
                self.wrong_type("duration", &Kind::Duration.expected(), &entry.node);
                return None;
            }
        };
        self.error(code, &entry.node.span, format!("field `duration`: {why}"), None);
        None
    }
}

/// `N/period`: how many matches in which period (semantics T2, T4).
fn parse_threshold(text: &str) -> Result<(NonZeroU64, Duration), String> {
    let spec: Throttle = text.parse().map_err(|error: BadSpec| error.to_string())?;
    if spec.local || spec.max_burst.is_some() {
        return Err(format!("invalid threshold `{text}`: `local:` and `max_burst` are for rates"));
    }
    if spec.limit.get() > MOST_MATCHES {
        return Err(format!("invalid threshold `{text}`: at most {MOST_MATCHES} matches can be counted"));
    }
    Ok((spec.limit, spec.period))
}
