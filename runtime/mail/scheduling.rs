//! When a message may be tried, as its sender asked (interface A.7).

use jiff::civil;
use jiff::tz::TimeZone;
use kumo_tsa_core::wire::Time;
use serde::{Deserialize, Serialize};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// When a message may be tried. Without any member it says nothing.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct Schedule {
    /// Not before this time.
    pub first_attempt: Option<Time>,
    /// Not after this time: then it expires.
    pub expires: Option<Time>,
    /// In these hours alone.
    pub window: Option<Window>,
}

/// Hours of some days of the week, in a time zone. One that ends before it starts ends on the next day.
#[derive(Clone, PartialEq, Debug)]
pub struct Window {
    /// From Monday on.
    days: [bool; 7],
    zone: TimeZone,
    zone_name: Box<str>,
    start: civil::Time,
    end: civil::Time,
}

/// A schedule that cannot be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadSchedule {
    /// Not RFC 3339.
    #[error("field `{field}`: invalid time `{text}`: expected RFC 3339, such as `2026-01-31T12:00:00Z`")]
    Time {
        /// `first_attempt` or `expires`.
        field: &'static str,
        /// What was given.
        text: String,
    },
    /// Some of the four, but not all.
    #[error("fields `dow`, `tz`, `start` and `end` go together: give all of them or none")]
    Partial,
    /// Not a day of the week.
    #[error("field `dow`: invalid day `{0}`: expected `Mon` to `Sun`, separated by commas")]
    Day(String),
    /// Not a time zone.
    #[error("field `tz`: unknown time zone `{0}`: expected a name such as `America/Phoenix`")]
    Zone(String),
    /// Not a time of the day.
    #[error("field `{field}`: invalid time of day `{text}`: expected `HH:MM:SS`")]
    Clock {
        /// `start` or `end`.
        field: &'static str,
        /// What was given.
        text: String,
    },
}

/// As a header or a Lua table has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default)]
    dow: Option<String>,
    #[serde(default)]
    tz: Option<String>,
    #[serde(default)]
    start: Option<String>,
    #[serde(default)]
    end: Option<String>,
    #[serde(default)]
    first_attempt: Option<String>,
    #[serde(default)]
    expires: Option<String>,
}

impl TryFrom<Fields> for Schedule {
    type Error = BadSchedule;

    fn try_from(fields: Fields) -> Result<Self, BadSchedule> {
        let time = |field, text: Option<String>| {
            text.map(|text| Time::parse(&text).map_err(|_| BadSchedule::Time { field, text })).transpose()
        };
        let window = match (fields.dow, fields.tz, fields.start, fields.end) {
            (None, None, None, None) => None,
            (Some(dow), Some(tz), Some(start), Some(end)) => Some(Window::parse(&dow, &tz, &start, &end)?),
            _ => return Err(BadSchedule::Partial),
        };
        Ok(Self {
            first_attempt: time("first_attempt", fields.first_attempt)?,
            expires: time("expires", fields.expires)?,
            window,
        })
    }
}

impl From<Schedule> for Fields {
    fn from(schedule: Schedule) -> Self {
        let window = schedule.window.as_ref();
        let clock = |time: civil::Time| time.strftime("%H:%M:%S").to_string();
        Self {
            dow: window.map(Window::dow),
            tz: window.map(|window| window.zone_name.to_string()),
            start: window.map(|window| clock(window.start)),
            end: window.map(|window| clock(window.end)),
            first_attempt: schedule.first_attempt.map(|time| time.to_string()),
            expires: schedule.expires.map(|time| time.to_string()),
        }
    }
}

impl Schedule {
    /// The earliest time from `at` on at which the message may be tried.
    pub fn next_allowed(&self, at: Time) -> Time {
        let at = self.first_attempt.map_or(at, |first| first.max(at));
        self.window.as_ref().map_or(at, |window| window.next(at))
    }

    /// Whether a try at `at` would be too late.
    pub fn has_expired(&self, at: Time) -> bool {
        self.expires.is_some_and(|expires| expires <= at)
    }
}

impl Window {
    fn parse(dow: &str, tz: &str, start: &str, end: &str) -> Result<Self, BadSchedule> {
        let mut days = [false; 7];
        for part in dow.split(',').map(str::trim) {
            let day = DAYS.iter().position(|day| is_day(part, day)).ok_or_else(|| BadSchedule::Day(part.to_owned()))?;
            days[day] = true;
        }
        let zone = TimeZone::get(tz).map_err(|_| BadSchedule::Zone(tz.to_owned()))?;
        let clock = |field, text: &str| {
            civil::Time::strptime("%H:%M:%S", text)
                .or_else(|_| civil::Time::strptime("%H:%M", text))
                .map_err(|_| BadSchedule::Clock { field, text: text.to_owned() })
        };
        Ok(Self { days, zone, zone_name: tz.into(), start: clock("start", start)?, end: clock("end", end)? })
    }

    fn dow(&self) -> String {
        let on: Vec<_> = DAYS.iter().zip(self.days).filter(|(_, on)| *on).map(|(day, _)| *day).collect();
        on.join(",")
    }

    /// `at` itself when it lies within, else when it opens next.
    fn next(&self, at: Time) -> Time {
        let Ok(stamp) = jiff::Timestamp::from_microsecond(at.micros()) else { return at };
        let today = stamp.to_zoned(self.zone.clone()).date();
        // Yesterday's may reach into today; all days of the week come by within eight.
        let mut day = today.yesterday().unwrap_or(today);
        for _ in 0..10 {
            if let Some((opens, closes)) = self.on(day)
                && at < closes
            {
                return opens.max(at);
            }
            match day.tomorrow() {
                Ok(next) => day = next,
                Err(_) => break,
            }
        }
        at
    }

    /// From when to when it is open, if it opens on this day.
    fn on(&self, day: civil::Date) -> Option<(Time, Time)> {
        let index = usize::try_from(day.weekday().to_monday_zero_offset()).ok()?;
        if !self.days.get(index).copied().unwrap_or(false) {
            return None;
        }
        let last = if self.end <= self.start { day.tomorrow().ok()? } else { day };
        Some((self.instant(day, self.start)?, self.instant(last, self.end)?))
    }

    fn instant(&self, day: civil::Date, time: civil::Time) -> Option<Time> {
        let zoned = self.zone.to_zoned(day.to_datetime(time)).ok()?;
        Some(Time::from_micros(zoned.timestamp().as_microsecond()))
    }
}

/// `mon`, `Monday`, `MON`.
fn is_day(text: &str, day: &str) -> bool {
    let full = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let text = text.to_lowercase();
    text == day.to_lowercase() || (full.contains(&text.as_str()) && text.starts_with(&day.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Schedule, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn fails(text: &str, with: &str) {
        let error = read(text).unwrap_err();
        assert!(error.contains(with), "{error}");
    }

    fn time(text: &str) -> Time {
        Time::parse(text).unwrap()
    }

    #[test]
    fn it_says_what_is_wrong() {
        fails(r#"{"dow":"Mon"}"#, "go together");
        fails(r#"{"dow":"Mon,Foo","tz":"UTC","start":"09:00:00","end":"17:00:00"}"#, "invalid day `Foo`");
        fails(r#"{"dow":"Mon","tz":"Mars/Base","start":"09:00:00","end":"17:00:00"}"#, "`Mars/Base`");
        fails(r#"{"dow":"Mon","tz":"UTC","start":"9 o'clock","end":"17:00:00"}"#, "field `start`");
        fails(r#"{"first_attempt":"tomorrow"}"#, "field `first_attempt`: invalid time `tomorrow`");
        fails(r#"{"frist_attempt":"x"}"#, "unknown field `frist_attempt`");
    }

    #[test]
    fn it_is_written_as_it_was_read() {
        let text = r#"{"dow":"Mon,Wed","tz":"America/Phoenix","start":"09:00:00","end":"17:00:00","first_attempt":"2026-01-31T12:00:00Z","expires":null}"#;
        let schedule = read(text).unwrap();
        assert_eq!(serde_json::to_string(&schedule).unwrap(), text);
    }

    #[test]
    fn a_window_is_waited_for_in_its_time_zone() {
        // 2026-01-31 is a Saturday; Phoenix is 7 hours behind UTC.
        let schedule = read(r#"{"dow":"Mon,Tue","tz":"America/Phoenix","start":"09:00:00","end":"17:00:00"}"#).unwrap();
        assert_eq!(schedule.next_allowed(time("2026-01-31T12:00:00Z")), time("2026-02-02T16:00:00Z"));
        let within = time("2026-02-02T20:30:00Z");
        assert_eq!(schedule.next_allowed(within), within);
        assert_eq!(schedule.next_allowed(time("2026-02-03T00:00:00Z")), time("2026-02-03T16:00:00Z"));
        assert_eq!(schedule.next_allowed(time("2026-02-04T00:00:00Z")), time("2026-02-09T16:00:00Z"));
    }

    #[test]
    fn a_window_may_reach_over_midnight() {
        let schedule = read(r#"{"dow":"Sat","tz":"UTC","start":"22:00:00","end":"02:00:00"}"#).unwrap();
        let sunday = time("2026-02-01T01:00:00Z");
        assert_eq!(schedule.next_allowed(sunday), sunday);
        assert_eq!(schedule.next_allowed(time("2026-02-01T02:00:00Z")), time("2026-02-07T22:00:00Z"));
    }

    #[test]
    fn the_first_attempt_waits_and_the_last_expires() {
        let schedule =
            read(r#"{"first_attempt":"2026-02-01T00:00:00Z","expires":"2026-02-02T00:00:00+00:00"}"#).unwrap();
        assert_eq!(schedule.next_allowed(time("2026-01-31T12:00:00Z")), time("2026-02-01T00:00:00Z"));
        assert_eq!(schedule.next_allowed(time("2026-02-01T12:00:00Z")), time("2026-02-01T12:00:00Z"));
        assert!(!schedule.has_expired(time("2026-02-01T23:59:59Z")));
        assert!(schedule.has_expired(time("2026-02-02T00:00:00Z")));
    }
}
