//! Whether a value is one that an option takes.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use super::Kind;
use crate::wire::{Limit, Throttle, parse_duration};

/// The keys of a table that says where a key is kept (interface A.20), and whether each takes more than a text.
pub(in crate::shaping) const KEY_FIELDS: &[(&str, bool)] = &[
    ("key_data", false),
    ("vault_mount", false),
    ("vault_path", false),
    ("vault_key", false),
    ("vault_address", false),
    ("vault_token", false),
    ("event_name", false),
    ("event_args", true),
];

impl Kind {
    /// What values it takes, with an example.
    pub(in crate::shaping) fn expected(self) -> String {
        match self {
            Self::Bool => "`true` or `false`".to_owned(),
            Self::Count => "a whole number of zero or more, such as `100`".to_owned(),
            Self::Port => "a port from 0 to 65535, such as `25`".to_owned(),
            Self::Text => "a text, such as `\"name\"`".to_owned(),
            Self::Texts => "a list of texts, such as `[\"one\", \"two\"]`".to_owned(),
            Self::Duration => "a duration, such as `\"90m\"` or `\"2 hours\"`, or a number of seconds".to_owned(),
            Self::Limit => "a whole number above zero, such as `10`, or `\"local:10\"`".to_owned(),
            Self::Limits => "a table of limits, such as `{ \"name\" = 10 }`".to_owned(),
            Self::Throttle => "a rate, such as `\"100/min\"`".to_owned(),
            Self::Throttles => "a table of rates, such as `{ \"name\" = \"100/min\" }`".to_owned(),
            Self::Word(words) => {
                format!("one of {}", words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", "))
            }
            Self::Cidrs => {
                "a list of IP addresses or networks, such as `[\"10.0.0.0/8\", \"::1\"]`".to_owned()
            }
            Self::Key => {
                "a path, such as `\"/etc/key.pem\"`, or a table with `key_data`, with `vault_mount` and `vault_path`, or with `event_name`".to_owned()
            }
        }
    }

    /// Whether this value is of the kind.
    ///
    /// # Errors
    /// Says what was found and what is expected.
    pub(in crate::shaping) fn check(self, value: &Value) -> Result<(), String> {
        let wrong = || Err(format!("expected {}, found {}", self.expected(), shown(value)));
        match (self, value) {
            (Self::Bool, Value::Bool(_)) | (Self::Text | Self::Key, Value::String(_)) => Ok(()),
            (Self::Count, Value::Number(number)) if number.is_u64() => Ok(()),
            (Self::Port, Value::Number(number)) if number.as_u64().is_some_and(|n| n <= 65_535) => Ok(()),
            (Self::Texts, Value::Array(items)) if items.iter().all(Value::is_string) => Ok(()),
            (Self::Duration, _) => match duration(value) {
                Some(parsed) => parsed.map(drop),
                None => wrong(),
            },
            (Self::Limit, Value::Number(number)) if number.as_u64().is_some_and(|n| n > 0) => Ok(()),
            (Self::Limit, Value::String(text)) => text.parse::<Limit>().map(drop).map_err(|e| e.to_string()),
            (Self::Throttle, Value::String(text)) => text.parse::<Throttle>().map(drop).map_err(|e| e.to_string()),
            (Self::Limits, Value::Object(map)) => each(map, Self::Limit),
            (Self::Throttles, Value::Object(map)) => each(map, Self::Throttle),
            (Self::Word(words), Value::String(text)) if words.contains(&text.as_str()) => Ok(()),
            (Self::Cidrs, Value::Array(items)) => items.iter().try_for_each(cidr),
            (Self::Key, Value::Object(map)) => key_table(map),
            _ => wrong(),
        }
    }
}

/// A duration given as text or as a number of seconds; `None` when the value is neither.
pub(in crate::shaping) fn duration(value: &Value) -> Option<Result<Duration, String>> {
    match value {
        Value::String(text) => Some(parse_duration(text).map_err(|error| error.to_string())),
        Value::Number(number) => Some(seconds(number)),
        _ => None,
    }
}

fn seconds(number: &serde_json::Number) -> Result<Duration, String> {
    let duration = match number.as_u64() {
        // As far as a duration text reaches: nanoseconds in 64 bits.
        Some(whole) => whole.checked_mul(1_000_000_000).map(Duration::from_nanos),
        None => number.as_f64().and_then(|secs| Duration::try_from_secs_f64(secs).ok()),
    };
    duration
        .filter(|duration| duration.as_nanos() <= u128::from(u64::MAX))
        .ok_or_else(|| format!("invalid duration `{number}`: expected zero or more seconds, and less than 584 years"))
}

fn each(map: &serde_json::Map<String, Value>, kind: Kind) -> Result<(), String> {
    map.iter().try_for_each(|(name, value)| kind.check(value).map_err(|why| format!("`{name}`: {why}")))
}

fn cidr(value: &Value) -> Result<(), String> {
    let text = value.as_str().ok_or_else(|| format!("expected {}, found {}", Kind::Cidrs.expected(), shown(value)))?;
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let bad = |why: &str| Err(format!("invalid network `{text}`: {why}; expected such as `10.0.0.0/8` or `::1`"));
    let Ok(address) = address.parse::<IpAddr>() else { return bad("it is no IP address") };
    let most = if address.is_ipv4() { 32 } else { 128 };
    match prefix.map(str::parse::<u8>) {
        None => Ok(()),
        Some(Ok(bits)) if bits <= most => Ok(()),
        Some(_) => bad(&format!("the prefix must be 0 to {most}")),
    }
}

fn key_table(map: &serde_json::Map<String, Value>) -> Result<(), String> {
    let wrong = |why: String| Err(format!("{why}; expected {}", Kind::Key.expected()));
    for (name, value) in map {
        match KEY_FIELDS.iter().find(|(field, _)| field == name) {
            None => return wrong(format!("unknown field `{name}`")),
            Some((_, false)) if !value.is_string() => {
                return wrong(format!("field `{name}`: expected a text, found {}", shown(value)));
            }
            Some(_) => {}
        }
    }
    let has = |name: &str| map.contains_key(name);
    let ways = [has("key_data"), has("vault_mount") && has("vault_path"), has("event_name")];
    if ways.iter().filter(|way| **way).count() == 1 {
        Ok(())
    } else {
        wrong("it does not say where the key is".to_owned())
    }
}

/// What a value is, as messages say it.
pub(in crate::shaping) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => format!("`{flag}`"),
        Value::Number(number) => format!("the number `{number}`"),
        Value::String(text) => format!("the text `{text}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn takes(kind: Kind, values: &[Value]) {
        for value in values {
            assert_eq!(kind.check(value), Ok(()), "{kind:?} {value}");
        }
    }

    #[track_caller]
    fn refuses(kind: Kind, values: &[Value], said: &str) {
        for value in values {
            let error = kind.check(value).expect_err(&format!("{kind:?} {value}"));
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a7_plain_kinds() {
        takes(Kind::Bool, &[json!(true), json!(false)]);
        refuses(
            Kind::Bool,
            &[json!("true"), json!(1), json!(null), json!([]), json!({})],
            "expected `true` or `false`",
        );
        takes(Kind::Count, &[json!(0), json!(u64::MAX)]);
        refuses(Kind::Count, &[json!(-1), json!(1.5), json!("1")], "a whole number of zero or more");
        takes(Kind::Port, &[json!(0), json!(65_535)]);
        refuses(Kind::Port, &[json!(65_536), json!(-1), json!("25")], "a port from 0 to 65535");
        takes(Kind::Text, &[json!("")]);
        refuses(Kind::Text, &[json!(5)], "expected a text, such as `\"name\"`, found the number `5`");
        takes(Kind::Texts, &[json!([]), json!(["a", "b"])]);
        refuses(Kind::Texts, &[json!("a"), json!(["a", 1])], "a list of texts");
        takes(Kind::Word(&["One", "Two"]), &[json!("One"), json!("Two")]);
        refuses(Kind::Word(&["One", "Two"]), &[json!("one"), json!(1)], "one of `\"One\"`, `\"Two\"`");
    }

    #[test]
    fn a7_durations() {
        takes(Kind::Duration, &[json!("5 minutes"), json!("90m"), json!(0), json!(1.5), json!(18_446_744_073_u64)]);
        refuses(Kind::Duration, &[json!("5 minuts")], "invalid duration `5 minuts`");
        refuses(
            Kind::Duration,
            &[json!(-1), json!(-0.5), json!(1e11), json!(18_446_744_074_u64)],
            "zero or more seconds",
        );
        refuses(Kind::Duration, &[json!(true)], "expected a duration, such as `\"90m\"`");
        assert_eq!(duration(&json!(90)), Some(Ok(Duration::from_secs(90))));
        assert_eq!(duration(&json!(0.25)), Some(Ok(Duration::from_millis(250))));
        assert_eq!(duration(&json!("1h 30m")), Some(Ok(Duration::from_mins(90))));
    }

    #[test]
    fn a7_limits_and_rates() {
        takes(Kind::Limit, &[json!(1), json!("local:5"), json!("7")]);
        refuses(Kind::Limit, &[json!(0), json!(-1), json!(1.0), json!(true)], "a whole number above zero");
        refuses(Kind::Limit, &[json!("many")], "invalid limit `many`");
        takes(Kind::Throttle, &[json!("100/min"), json!("local:5/10m,max_burst=1")]);
        refuses(Kind::Throttle, &[json!("100/fortnight")], "invalid rate `100/fortnight`: unknown unit");
        refuses(Kind::Throttle, &[json!(5)], "expected a rate, such as `\"100/min\"`, found the number `5`");
        takes(Kind::Limits, &[json!({}), json!({"a": 1, "b": "local:2"})]);
        refuses(Kind::Limits, &[json!({"a": 1, "b": 0})], "`b`: expected a whole number above zero");
        refuses(Kind::Limits, &[json!(5)], "a table of limits");
        takes(Kind::Throttles, &[json!({"a": "1/s"})]);
        refuses(Kind::Throttles, &[json!({"a": 1})], "`a`: expected a rate");
        refuses(Kind::Throttles, &[json!("1/s")], "a table of rates");
    }

    #[test]
    fn a7_networks() {
        takes(Kind::Cidrs, &[json!([]), json!(["10.0.0.0/8", "127.0.0.1", "::1", "::/0", "1.2.3.4/32", "fe80::/128"])]);
        refuses(Kind::Cidrs, &[json!("::1"), json!([5])], "a list of IP addresses or networks");
        refuses(Kind::Cidrs, &[json!(["host"]), json!(["/8"])], "it is no IP address");
        refuses(Kind::Cidrs, &[json!(["1.2.3.4/33"]), json!(["1.2.3.4/x"])], "the prefix must be 0 to 32");
        refuses(Kind::Cidrs, &[json!(["::1/129"])], "the prefix must be 0 to 128");
    }

    #[test]
    fn a7_key_sources() {
        takes(
            Kind::Key,
            &[
                json!("/etc/key"),
                json!({"key_data": "x"}),
                json!({"vault_mount": "m", "vault_path": "p", "vault_key": "k", "vault_address": "a", "vault_token": "t"}),
                json!({"event_name": "e", "event_args": {"a": 1}}),
                json!({"event_name": "e"}),
            ],
        );
        refuses(Kind::Key, &[json!({"path": "x"})], "unknown field `path`; expected a path");
        refuses(Kind::Key, &[json!({"key_data": 5})], "field `key_data`: expected a text, found the number `5`");
        let nowhere = [
            json!({}),
            json!({"vault_mount": "m"}),
            json!({"vault_path": "p"}),
            json!({"key_data": "x", "event_name": "e"}),
        ];
        refuses(Kind::Key, &nowhere, "it does not say where the key is");
        refuses(Kind::Key, &[json!(5), json!([]), json!(null)], "expected a path");
    }

    #[test]
    fn a7_what_was_found_is_said() {
        let said: Vec<String> =
            [json!(null), json!(true), json!(1), json!("x"), json!([]), json!({})].iter().map(shown).collect();
        assert_eq!(said, ["nothing", "`true`", "the number `1`", "the text `x`", "a list", "a table"]);
    }
}
