//! The options of an egress path: what shaping files may set and automation may override (interface D.7).

mod check;
mod table;

pub(super) use check::{KEY_FIELDS, duration};

/// What values an option takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number, zero or more.
    Count,
    /// A TCP port, 0 to 65535.
    Port,
    /// A text.
    Text,
    /// A list of texts.
    Texts,
    /// A duration text, or a number of seconds (interface C.12).
    Duration,
    /// A number of connections above zero, or `"local:N"` (interface C.11).
    Limit,
    /// Names, each with a limit.
    Limits,
    /// A rate such as `"100/min"` (interface C.11).
    Throttle,
    /// Names, each with a rate.
    Throttles,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of IP addresses and networks.
    Cidrs,
    /// Where a key is kept: a path, or a table (interface A.20).
    Key,
}

/// An option of an egress path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OptionSpec {
    /// Its name in files.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// What holds when nobody sets it, as a file would write it; `nil` for nothing.
    pub default: &'static str,
    /// What it is for, with units.
    pub doc: &'static str,
}

impl OptionSpec {
    /// What holds when nobody sets it, as a value; none where it is nothing.
    pub fn default_value(&self) -> Option<serde_json::Value> {
        match self.default {
            "nil" => None,
            // Numbers and the like are written as in JSON, texts without quotes.
            text => Some(serde_json::from_str(text).unwrap_or_else(|_| text.into())),
        }
    }
}

/// All options, in the order of the documentation.
pub fn options() -> &'static [OptionSpec] {
    table::OPTIONS
}

/// The option of this name.
pub fn option(name: &str) -> Option<&'static OptionSpec> {
    table::OPTIONS.iter().find(|spec| spec.name == name)
}

/// Whether the option takes this value.
///
/// # Errors
/// Says what was found and what the option takes, without naming the option.
pub fn check_value(spec: &OptionSpec, value: &serde_json::Value) -> Result<(), String> {
    spec.kind.check(value)
}

impl Kind {
    /// Whether values of several files and lookups merge name by name rather than replace each other (interface D.4).
    pub const fn merges(self) -> bool {
        matches!(self, Self::Limits | Self::Throttles)
    }

    /// What each value of a table or list of this kind has to be, where that is a kind of its own.
    pub(super) const fn inner(self) -> Option<Self> {
        match self {
            Self::Limits => Some(Self::Limit),
            Self::Throttles => Some(Self::Throttle),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a7_every_option_is_found_by_its_name_and_only_once() {
        assert_eq!(options().len(), 60);
        for spec in options() {
            assert_eq!(option(spec.name), Some(spec), "{} stands twice", spec.name);
            assert!(spec.doc.ends_with('.') && spec.doc.len() > 20, "{}", spec.name);
        }
        assert_eq!(option("max_conection_rate"), None);
    }

    #[test]
    fn a7_the_default_of_an_option_is_a_value_that_it_takes() {
        for spec in options().iter().filter(|spec| spec.default != "nil") {
            let value: serde_json::Value = serde_json::from_str(spec.default)
                .unwrap_or_else(|_| serde_json::Value::String(spec.default.to_owned()));
            assert_eq!(check_value(spec, &value), Ok(()), "{}", spec.name);
            // No option takes a list of lists.
            assert!(check_value(spec, &serde_json::json!([[1]])).is_err(), "{}", spec.name);
        }
    }

    #[test]
    fn s7_three_options_merge_name_by_name() {
        let merging: Vec<&str> = options().iter().filter(|o| o.kind.merges()).map(|o| o.name).collect();
        assert_eq!(
            merging,
            ["additional_connection_limits", "additional_message_rate_throttles", "additional_source_selection_rates"]
        );
        assert_eq!(Kind::Limits.inner(), Some(Kind::Limit));
        assert_eq!(Kind::Throttles.inner(), Some(Kind::Throttle));
        assert_eq!(Kind::Cidrs.inner(), None);
    }
}
