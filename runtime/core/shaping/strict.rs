//! How strict the values of an option are (semantics A8, A9).

use std::cmp::Ordering;

use serde_json::Value;

use crate::wire::{Limit, Throttle};

/// How strict a value is, among values of the same option. The strictest is the least.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Strictness {
    Rate(Throttle),
    Number(u64),
    /// The option's values are not stricter one than another: the latest wins.
    Untold,
}

impl Strictness {
    pub(crate) fn of(option: &str, value: &Value) -> Self {
        let told = match option {
            "max_message_rate" | "max_connection_rate" | "source_selection_rate" => {
                value.as_str().and_then(|text| text.parse().ok()).map(Self::Rate)
            }
            "connection_limit" | "max_deliveries_per_connection" => {
                value.as_u64().or_else(|| Some(value.as_str()?.parse::<Limit>().ok()?.limit.get())).map(Self::Number)
            }
            _ => None,
        };
        told.unwrap_or(Self::Untold)
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Rate(a), Self::Rate(b)) => a.cmp_strictness(b),
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            // An option has one kind of value; a value that is not of it comes last, to keep the order total.
            _ => matches!(self, Self::Untold).cmp(&matches!(other, Self::Untold)),
        }
    }
}

/// Whether `after` allows more than `before` (A9). No value at all is no limit.
pub fn loosens(option: &str, before: Option<&Value>, after: &Value) -> bool {
    let Some(before) = before.filter(|value| !value.is_null()) else { return false };
    Strictness::of(option, after).compare(&Strictness::of(option, before)) == Ordering::Greater
}
