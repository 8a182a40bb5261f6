//! Values of options: read from JSON as policies and files write them, and written back.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use kumo_tsa_core::wire::{Limit, Throttle, format_duration, parse_duration};
use serde_json::Value;

use crate::dns::Strategy;

/// A value of an option. What does not read was refused before, by [`kumo_tsa_core::shaping::check_value`].
pub(super) trait OptionValue: Sized {
    fn read(value: &Value) -> Option<Self>;
    fn write(&self) -> Value;
}

impl OptionValue for bool {
    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

impl OptionValue for usize {
    fn read(value: &Value) -> Option<Self> {
        value.as_u64()?.try_into().ok()
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

impl OptionValue for u16 {
    fn read(value: &Value) -> Option<Self> {
        value.as_u64()?.try_into().ok()
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

impl OptionValue for String {
    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(ToOwned::to_owned)
    }

    fn write(&self) -> Value {
        self.as_str().into()
    }
}

impl OptionValue for Duration {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => parse_duration(text).ok(),
            Value::Number(seconds) => match seconds.as_u64() {
                Some(whole) => Some(Self::from_secs(whole)),
                None => Self::try_from_secs_f64(seconds.as_f64()?).ok(),
            },
            _ => None,
        }
    }

    fn write(&self) -> Value {
        format_duration(*self).into()
    }
}

impl OptionValue for Limit {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => text.parse().ok(),
            number => Some(Self { limit: number.as_u64()?.try_into().ok()?, local: false }),
        }
    }

    /// A number, or a text where it is `local:` (interface C.11).
    fn write(&self) -> Value {
        if self.local { self.to_string().into() } else { self.limit.get().into() }
    }
}

impl OptionValue for Throttle {
    fn read(value: &Value) -> Option<Self> {
        value.as_str()?.parse().ok()
    }

    fn write(&self) -> Value {
        self.to_string().into()
    }
}

impl OptionValue for IpNet {
    fn read(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        let net = text.parse::<Self>().ok().or_else(|| text.parse::<IpAddr>().ok().map(Self::from));
        net.map(|net| net.trunc())
    }

    /// A single address stands without its prefix.
    fn write(&self) -> Value {
        if self.prefix_len() == self.max_prefix_len() {
            self.addr().to_string().into()
        } else {
            self.to_string().into()
        }
    }
}

impl OptionValue for Strategy {
    fn read(value: &Value) -> Option<Self> {
        serde_json::from_value(value.clone()).ok()
    }

    fn write(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl<T: OptionValue> OptionValue for Option<T> {
    fn read(value: &Value) -> Option<Self> {
        if value.is_null() { Some(None) } else { T::read(value).map(Some) }
    }

    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::write)
    }
}

impl<T: OptionValue> OptionValue for Vec<T> {
    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(T::read).collect()
    }

    fn write(&self) -> Value {
        self.iter().map(T::write).collect()
    }
}

impl<T: OptionValue> OptionValue for BTreeMap<String, T> {
    fn read(value: &Value) -> Option<Self> {
        value.as_object()?.iter().map(|(name, value)| Some((name.clone(), T::read(value)?))).collect()
    }

    fn write(&self) -> Value {
        self.iter().map(|(name, value)| (name.clone(), value.write())).collect()
    }
}

/// Makes an enum of words that stand for themselves.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$word_doc])* $word,)*
        }

        impl $name {
            /// The word that stands for it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => stringify!($word),)*
                }
            }
        }

        impl super::value::OptionValue for $name {
            fn read(value: &serde_json::Value) -> Option<Self> {
                match value.as_str()? {
                    $(stringify!($word) => Some(Self::$word),)*
                    _ => None,
                }
            }

            fn write(&self) -> serde_json::Value {
                self.as_str().into()
            }
        }
    };
}
pub(super) use words;

/// Durations as texts, for `#[serde(with)]`.
pub(super) mod span {
    use std::time::Duration;

    use kumo_tsa_core::wire::format_duration;
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(*span))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        crate::policy::duration(deserializer)
    }
}

/// The same where there may be none.
pub(super) mod optional_span {
    use std::time::Duration;

    use kumo_tsa_core::wire::format_duration;
    use serde::{Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes fields so")]
    pub(crate) fn serialize<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => serializer.serialize_str(&format_duration(*span)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        crate::policy::optional_duration(deserializer)
    }
}

/// A list; an empty table of Lua, which is no list in itself, is one too.
pub(in crate::mail) fn list<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: serde::de::DeserializeOwned,
    D: serde::Deserializer<'de>,
{
    use serde::Deserialize;
    use serde::de::Error;
    let value = Value::deserialize(deserializer)?;
    match value {
        Value::Object(map) if map.is_empty() => Ok(Vec::new()),
        other => Vec::deserialize(other).map_err(D::Error::custom),
    }
}
