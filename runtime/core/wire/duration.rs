//! Duration text: `2 hours`, `90m`, `1h 30m`; a bare number is seconds (semantics C1, interface C.12).

use std::time::Duration;

/// A text that is not a duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid duration `{text}`: {why}; expected a number with a unit, such as `90m`, `2 hours` or `1h 30m`, or a bare number of seconds"
)]
pub struct BadDuration {
    text: String,
    why: &'static str,
}

const UNITS: &[(&str, u64)] = &[
    ("nsec", 1),
    ("nanos", 1),
    ("ns", 1),
    ("usec", 1_000),
    ("us", 1_000),
    ("millis", 1_000_000),
    ("msec", 1_000_000),
    ("ms", 1_000_000),
    ("seconds", 1_000_000_000),
    ("second", 1_000_000_000),
    ("secs", 1_000_000_000),
    ("sec", 1_000_000_000),
    ("s", 1_000_000_000),
    ("minutes", 60_000_000_000),
    ("minute", 60_000_000_000),
    ("mins", 60_000_000_000),
    ("min", 60_000_000_000),
    ("m", 60_000_000_000),
    ("hours", 3_600_000_000_000),
    ("hour", 3_600_000_000_000),
    ("hrs", 3_600_000_000_000),
    ("hr", 3_600_000_000_000),
    ("h", 3_600_000_000_000),
    ("days", 86_400_000_000_000),
    ("day", 86_400_000_000_000),
    ("d", 86_400_000_000_000),
    ("weeks", 604_800_000_000_000),
    ("week", 604_800_000_000_000),
    ("wks", 604_800_000_000_000),
    ("wk", 604_800_000_000_000),
    ("w", 604_800_000_000_000),
    // 30.44 days and 365.25 days, as existing policies count them (interface C.12).
    ("months", 2_630_016_000_000_000),
    ("month", 2_630_016_000_000_000),
    ("M", 2_630_016_000_000_000),
    ("years", 31_557_600_000_000_000),
    ("year", 31_557_600_000_000_000),
    ("yrs", 31_557_600_000_000_000),
    ("yr", 31_557_600_000_000_000),
    ("y", 31_557_600_000_000_000),
];

/// Parses a duration text.
///
/// # Errors
/// Names the text and what is wrong with it: no number, an unknown unit, or more than 584 years.
pub fn parse_duration(text: &str) -> Result<Duration, BadDuration> {
    let bad = |why| BadDuration { text: text.to_owned(), why };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(bad("it is empty"));
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let (whole, fraction) = parse_number(number).ok_or_else(|| bad("expected a number"))?;
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let unit_nanos = match unit {
            // Only a number that stands alone may go without its unit.
            "" if after.is_empty() && total == 0 && number.len() == text.trim().len() => 1_000_000_000,
            "" => return Err(bad("a number has no unit")),
            unit => u128::from(unit_nanos(unit).ok_or_else(|| bad("unknown unit"))?),
        };
        let nanos = whole.checked_mul(unit_nanos).ok_or_else(|| bad("it is too long"))?;
        let part = fraction.0 * unit_nanos / fraction.1;
        total = nanos.checked_add(part).and_then(|n| total.checked_add(n)).ok_or_else(|| bad("it is too long"))?;
        rest = after.trim_start();
    }
    let nanos = u64::try_from(total).map_err(|_| bad("it is too long"))?;
    Ok(Duration::from_nanos(nanos))
}

/// The units that durations may have.
pub(crate) fn duration_units() -> impl Iterator<Item = &'static str> {
    UNITS.iter().map(|(name, _)| *name)
}

fn unit_nanos(unit: &str) -> Option<u64> {
    UNITS.iter().find(|(name, _)| *name == unit).map(|(_, nanos)| *nanos)
}

/// The whole part, and the fraction as numerator and denominator (at most nine digits count).
fn parse_number(text: &str) -> Option<(u128, (u128, u128))> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    Some((whole.parse::<u64>().ok()?.into(), (fraction.parse::<u64>().ok()?.into(), scale)))
}

/// Writes a duration the way existing programs do: `59m 59s 123ms`, `1day`, `30days`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    const DAY: u64 = 86_400;
    const STEPS: &[(u64, &str, &str)] = &[
        (31_557_600, "year", "years"),
        (2_630_016, "month", "months"),
        (DAY, "day", "days"),
        (3_600, "h", "h"),
        (60, "m", "m"),
        (1, "s", "s"),
    ];
    let mut parts = Vec::new();
    let mut secs = duration.as_secs();
    for (size, one, many) in STEPS {
        let n = secs / size;
        secs %= size;
        if n > 0 {
            parts.push(format!("{n}{}", if n == 1 { one } else { many }));
        }
    }
    let nanos = duration.subsec_nanos();
    for (n, unit) in [(nanos / 1_000_000, "ms"), (nanos / 1_000 % 1_000, "us"), (nanos % 1_000, "ns")] {
        if n > 0 {
            parts.push(format!("{n}{unit}"));
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn secs(text: &str, expected: u64) {
        assert_eq!(parse_duration(text), Ok(Duration::from_secs(expected)), "{text}");
    }

    #[test]
    fn the_forms_that_policies_use() {
        secs("2 hours", 7_200);
        secs("90m", 5_400);
        secs("1h 30m", 5_400);
        secs("1h30m", 5_400);
        secs("17 mins", 1_020);
        secs("1 day", 86_400);
        secs("1w", 604_800);
        secs("1month", 2_630_016);
        secs("1y", 31_557_600);
        secs("5", 5);
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(parse_duration("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("3ms"), Ok(Duration::from_millis(3)));
    }

    #[test]
    fn what_it_refuses() {
        for (text, why) in [
            ("", "it is empty"),
            ("5 minuts", "unknown unit"),
            ("soon", "expected a number"),
            ("1h 30", "a number has no unit"),
            ("1 2", "a number has no unit"),
            (".s", "expected a number"),
            ("9999999999 years", "it is too long"),
        ] {
            let err = parse_duration(text).unwrap_err();
            assert_eq!((err.text.as_str(), err.why), (text, why));
        }
    }

    #[test]
    fn writes_what_it_can_read() {
        for (text, duration) in [
            ("59m 59s 123ms", Duration::from_millis(3_599_123)),
            ("1day", Duration::from_hours(24)),
            ("30days", Duration::from_hours(30 * 24)),
            ("1h 30m", Duration::from_mins(90)),
            ("0s", Duration::ZERO),
            ("1us 7ns", Duration::from_nanos(1_007)),
        ] {
            assert_eq!(format_duration(duration), text);
            assert_eq!(parse_duration(text), Ok(duration));
        }
    }
}
