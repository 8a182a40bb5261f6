//! Rates and limits as shaping files write them (interface C.11, semantics T4).

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

/// A rate: at most [`limit`](Self::limit) events in each [`period`](Self::period).
///
/// Text form: `["local:"] N "/" [count] unit [",max_burst=" B]`, such as `100/min`, `1_000/5m` or `500/d,max_burst=1`.
/// Units: `s`, `sec`, `second`, `m`, `min`, `minute`, `h`, `hr`, `hour`, `d`, `day` and their plurals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Throttle {
    /// Events allowed in a period.
    pub limit: NonZeroU64,
    /// The period, never zero.
    pub period: Duration,
    /// How many may come at once; the limit when not given.
    pub max_burst: Option<NonZeroU64>,
    /// Counted in this process alone, even where a shared store is configured.
    pub local: bool,
}

/// A number of connections: an integer above zero, or `local:N`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limit {
    /// How many.
    pub limit: NonZeroU64,
    /// Counted in this process alone, even where a shared store is configured.
    pub local: bool,
}

/// A text that is not a rate or a limit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} `{text}`: {why}; expected {expected}")]
pub struct BadSpec {
    what: &'static str,
    text: String,
    why: &'static str,
    expected: &'static str,
}

impl Throttle {
    /// How many may come at once: `max_burst`, else the limit, and never more than the limit.
    pub fn burst(&self) -> u64 {
        self.max_burst.map_or(self.limit.get(), |b| b.get().min(self.limit.get()))
    }

    /// Orders rates from the strictest: the lower limit per period first, then the smaller burst (semantics A8).
    pub fn cmp_strictness(&self, other: &Self) -> std::cmp::Ordering {
        // limit / period compared without dividing; 128 bits hold u64 * nanoseconds of any sane period.
        let mine = u128::from(self.limit.get()).saturating_mul(other.period.as_nanos());
        let theirs = u128::from(other.limit.get()).saturating_mul(self.period.as_nanos());
        mine.cmp(&theirs).then(self.burst().cmp(&other.burst()))
    }
}

impl FromStr for Throttle {
    type Err = BadSpec;

    fn from_str(text: &str) -> Result<Self, BadSpec> {
        let bad = |why| BadSpec {
            what: "rate",
            text: text.to_owned(),
            why,
            expected: "a number, a slash and a unit, such as `100/min`, `5/10m` or `500/d,max_burst=1`",
        };
        let (local, spec) = split_local(text);
        let (spec, burst) = match spec.split_once(",max_burst=") {
            Some((spec, burst)) => {
                (spec, Some(parse_count(burst).ok_or_else(|| bad("`max_burst` is not a number above zero"))?))
            }
            None => (spec, None),
        };
        let (limit, period) = spec.split_once('/').ok_or_else(|| bad("there is no slash"))?;
        let limit = parse_count(limit).ok_or_else(|| bad("what stands before the slash is not a number above zero"))?;
        let period = parse_period(period).ok_or_else(|| bad("unknown unit"))?;
        Ok(Self { limit, period, max_burst: burst, local })
    }
}

impl fmt::Display for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.local { "local:" } else { "" })?;
        write!(f, "{}/", self.limit)?;
        let secs = self.period.as_secs();
        let (count, unit) = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")]
            .into_iter()
            .find(|(size, _)| secs.is_multiple_of(*size))
            .map_or((secs, "s"), |(size, unit)| (secs / size, unit));
        if count != 1 {
            write!(f, "{count}")?;
        }
        f.write_str(unit)?;
        match self.max_burst {
            Some(burst) => write!(f, ",max_burst={burst}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Limit {
    type Err = BadSpec;

    fn from_str(text: &str) -> Result<Self, BadSpec> {
        let (local, count) = split_local(text);
        let limit = parse_count(count).ok_or_else(|| BadSpec {
            what: "limit",
            text: text.to_owned(),
            why: "it is not a number above zero",
            expected: "a number, such as `10` or `local:10`",
        })?;
        Ok(Self { limit, local })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.local { "local:" } else { "" }, self.limit)
    }
}

fn split_local(text: &str) -> (bool, &str) {
    match text.strip_prefix("local:") {
        Some(rest) => (true, rest),
        None => (false, text),
    }
}

/// A number above zero in which `,` and `_` only help the eye.
fn parse_count(text: &str) -> Option<NonZeroU64> {
    let text = text.trim();
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits: String = text.chars().filter(|c| !matches!(c, ',' | '_')).collect();
    digits.parse().ok()
}

fn parse_period(text: &str) -> Option<Duration> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, ',' | '_')).unwrap_or(text.len());
    let (count, unit) = text.split_at(at);
    let count = if count.is_empty() { 1 } else { parse_count(count)?.get() };
    let unit = unit.trim();
    let secs = match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        _ => return None,
    };
    count.checked_mul(secs).map(Duration::from_secs)
}

macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
serde_as_text!(Throttle);

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering;

    #[test]
    fn the_forms_that_files_use() {
        for (text, shown) in [
            ("100/min", "100/m"),
            ("3/minutes", "3/m"),
            ("10000/h", "10000/h"),
            ("1_000/sec", "1000/s"),
            ("1,000/hrs", "1000/h"),
            ("5/10m", "5/10m"),
            ("2/90 seconds", "2/90s"),
            ("500/d,max_burst=1", "500/d,max_burst=1"),
            ("local:7/day", "local:7/d"),
        ] {
            let throttle: Throttle = text.parse().unwrap();
            assert_eq!(throttle.to_string(), shown);
            assert_eq!(shown.parse(), Ok(throttle));
        }
        assert_eq!("local:5".parse::<Limit>().unwrap().to_string(), "local:5");
    }

    #[test]
    fn what_it_refuses() {
        for text in ["", "5", "0/s", "-1/s", "x/s", "5/", "5/fortnight", "5/0m", "5/ss", "5/s,max_burst=0", "_/s"] {
            assert!(text.parse::<Throttle>().is_err(), "{text}");
        }
        for text in ["", "0", "-1", "many", "local:"] {
            assert!(text.parse::<Limit>().is_err(), "{text}");
        }
    }

    #[test]
    fn strictness_is_the_limit_per_period_then_the_burst() {
        let order = |a: &str, b: &str| a.parse::<Throttle>().unwrap().cmp_strictness(&b.parse().unwrap());
        assert_eq!(order("1/s", "100/min"), Ordering::Less);
        assert_eq!(order("100/s", "100/min"), Ordering::Greater);
        assert_eq!(order("60/min", "1/s"), Ordering::Greater, "a larger burst");
        assert_eq!(order("60/min,max_burst=1", "1/s"), Ordering::Equal);
        let burst = "5/s,max_burst=9".parse::<Throttle>().unwrap().burst();
        assert_eq!(burst, 5, "a burst is never above the limit");
    }
}
