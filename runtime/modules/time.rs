//! `kumo.time`: points in time and spans between them (interface A.19).
//!
//! All readings come from the host's clock, so that a test or a replay decides what time a policy sees.

use std::time::Duration;

use kumo_tsa_core::wire::{self, format_duration};
use mlua::{
    AnyUserData, Error, ExternalError, FromLua, Lua, MetaMethod, Result, UserData, UserDataFields, UserDataMethods,
    Value,
};
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use super::data::Data;
use super::function::{Functions, failure};
use crate::host::{Clock, Host};
use crate::policy;

/// A point in time as a policy holds it: UTC, microseconds.
#[derive(Clone, Debug)]
pub struct Time {
    at: wire::Time,
    clock: Clock,
}

/// A span between two points in time as a policy holds it: microseconds, negative when it leads back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeDelta(i64);

/// A running stopwatch.
struct Timer {
    label: String,
    started: tokio::time::Instant,
    clock: Clock,
}

/// Puts `kumo.time` in place.
pub fn install(lua: &Lua, host: &Host) -> Result<()> {
    let functions = Functions::of(lua, policy::table(lua, "kumo.time")?, "kumo.time");
    readers(&functions, host)?;
    let clock = host.clock().clone();
    functions.add("now", move |_, ()| Ok(Time { at: clock.now(), clock: clock.clone() }))?;
    let clock = host.clock().clone();
    functions.add_async("sleep", move |_, span: TimeDelta| {
        let clock = clock.clone();
        async move {
            clock.sleep(span.forward()).await;
            Ok(())
        }
    })?;
    let clock = host.clock().clone();
    functions.add("start_timer", move |_, label: String| {
        Ok(Timer { label, started: clock.instant(), clock: clock.clone() })
    })?;
    Ok(())
}

/// The functions that make a time or a span of what a policy has.
fn readers(functions: &Functions<'_>, host: &Host) -> Result<()> {
    let clock = host.clock().clone();
    functions.add("from_unix_timestamp", move |_, (secs, nanos): (f64, Option<i64>)| {
        let at = wire::Time::from_micros(to_micros(secs)).shifted(nanos.unwrap_or(0) / 1_000);
        Ok(Time { at, clock: clock.clone() })
    })?;
    let clock = host.clock().clone();
    functions.add("parse_rfc3339", move |_, text: String| {
        let at = wire::Time::parse(&text).map_err(|e| failure(format!("kumo.time.parse_rfc3339: {e}")))?;
        Ok(Time { at, clock: clock.clone() })
    })?;
    let clock = host.clock().clone();
    functions.add("parse_rfc2822", move |_, text: String| {
        let expected = "expected RFC 2822, such as `Sat, 31 Jan 2026 12:00:00 +0000`";
        let parsed = OffsetDateTime::parse(&text, &Rfc2822)
            .map_err(|e| failure(format!("kumo.time.parse_rfc2822: invalid time `{text}`: {e}; {expected}")))?;
        Ok(Time { at: wire::Time::from_secs(parsed.unix_timestamp()), clock: clock.clone() })
    })?;
    functions.add("parse_duration", |_, span: TimeDelta| Ok(span))?;
    Ok(())
}

/// How a time or span is written where data is asked for: RFC 3339, or a duration text.
pub(super) fn scalar(userdata: &AnyUserData) -> Option<Data> {
    if let Ok(time) = userdata.borrow::<Time>() {
        return Some(Data::Text(time.at.to_string()));
    }
    userdata.borrow::<TimeDelta>().ok().map(|span| Data::Text(span.human()))
}

/// Seconds to microseconds; what no span can hold becomes the longest.
#[allow(clippy::cast_possible_truncation)] // `as` saturates
fn to_micros(secs: f64) -> i64 {
    (secs * 1e6).round() as i64
}

impl Time {
    /// The point in time.
    pub fn at(&self) -> wire::Time {
        self.at
    }

    fn date(&self) -> Result<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.at.micros()) * 1_000)
            .map_err(|_| failure("the time is beyond the years that a calendar can show"))
    }

    fn plus(&self, span: TimeDelta) -> Self {
        Self { at: self.at.shifted(span.0), clock: self.clock.clone() }
    }

    fn format(&self, format: &str) -> Result<String> {
        let bad = |e: String| failure(format!("invalid time format `{format}`: {e}"));
        let items = time::format_description::parse_strftime_owned(format).map_err(|e| bad(e.to_string()))?;
        self.date()?.format(&items).map_err(|e| bad(e.to_string()))
    }
}

impl FromLua for Time {
    /// A time, and nothing else.
    fn from_lua(value: Value, _: &Lua) -> Result<Self> {
        value
            .as_userdata()
            .and_then(|userdata| userdata.borrow::<Self>().ok())
            .map(|time| time.clone())
            .ok_or_else(|| wrong(&value, "a Time"))
    }
}

impl TimeDelta {
    /// The span; none if it leads back.
    pub fn forward(self) -> Duration {
        Duration::from_micros(u64::try_from(self.0).unwrap_or(0))
    }

    /// A span.
    pub fn of(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
    }

    fn secs(self) -> f64 {
        self.0 as f64 / 1e6
    }

    fn human(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        format!("{sign}{}", format_duration(Duration::from_micros(self.0.unsigned_abs())))
    }
}

impl FromLua for TimeDelta {
    /// A span, a number of seconds, or a duration text (interface C.12).
    fn from_lua(value: Value, _: &Lua) -> Result<Self> {
        match &value {
            #[allow(clippy::cast_precision_loss)]
            Value::Integer(secs) => Ok(Self(secs.saturating_mul(1_000_000))),
            Value::Number(secs) if secs.is_finite() => Ok(Self(to_micros(*secs))),
            Value::String(text) => {
                wire::parse_duration(&text.to_str()?).map(Self::of).map_err(ExternalError::into_lua_err)
            }
            Value::UserData(userdata) => {
                userdata.borrow::<Self>().map(|span| *span).map_err(|_| wrong(&value, "a duration"))
            }
            _ => Err(wrong(&value, "a duration")),
        }
    }
}

fn wrong(value: &Value, expected: &str) -> Error {
    failure(format!("expected {expected}, got {}", value.type_name()))
}

impl UserData for Time {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("year", |_, this| Ok(this.date()?.year()));
        fields.add_field_method_get("month", |_, this| Ok(u8::from(this.date()?.month())));
        fields.add_field_method_get("day", |_, this| Ok(this.date()?.day()));
        fields.add_field_method_get("hour", |_, this| Ok(this.date()?.hour()));
        fields.add_field_method_get("minute", |_, this| Ok(this.date()?.minute()));
        fields.add_field_method_get("second", |_, this| Ok(this.date()?.second()));
        fields.add_field_method_get("unix_timestamp", |_, this| Ok(this.at.micros().div_euclid(1_000_000)));
        fields.add_field_method_get("unix_timestamp_millis", |_, this| Ok(this.at.micros().div_euclid(1_000)));
        fields.add_field_method_get("rfc3339", |_, this| {
            this.date()?.format(&Rfc3339).map_err(ExternalError::into_lua_err)
        });
        fields.add_field_method_get("rfc2822", |_, this| {
            this.date()?.format(&Rfc2822).map_err(ExternalError::into_lua_err)
        });
        fields.add_field_method_get("elapsed", |_, this| {
            Ok(TimeDelta(this.clock.now().micros().saturating_sub(this.at.micros())))
        });
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("format", |_, this, format: String| this.format(&format));
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.at.to_string()));
        methods.add_meta_function(MetaMethod::Add, |lua, (a, b): (Value, Value)| {
            match Time::from_lua(a.clone(), lua) {
                Ok(time) => Ok(time.plus(TimeDelta::from_lua(b, lua)?)),
                Err(_) => Ok(Time::from_lua(b, lua)?.plus(TimeDelta::from_lua(a, lua)?)),
            }
        });
        methods.add_meta_method(MetaMethod::Sub, |lua, this, other: Value| {
            if let Ok(other) = Time::from_lua(other.clone(), lua) {
                let span = TimeDelta(this.at.micros().saturating_sub(other.at.micros()));
                return lua.create_userdata(span);
            }
            let TimeDelta(micros) = TimeDelta::from_lua(other, lua)?;
            lua.create_userdata(this.plus(TimeDelta(micros.saturating_neg())))
        });
        methods.add_meta_function(MetaMethod::Eq, |_, (a, b): (Time, Time)| Ok(a.at == b.at));
        methods.add_meta_function(MetaMethod::Lt, |_, (a, b): (Time, Time)| Ok(a.at < b.at));
        methods.add_meta_function(MetaMethod::Le, |_, (a, b): (Time, Time)| Ok(a.at <= b.at));
    }
}

impl UserData for TimeDelta {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("seconds", |_, this| Ok(this.secs()));
        fields.add_field_method_get("milliseconds", |_, this| Ok(this.0 / 1_000));
        fields.add_field_method_get("microseconds", |_, this| Ok(this.0));
        fields.add_field_method_get("nanoseconds", |_, this| Ok(this.0.saturating_mul(1_000)));
        fields.add_field_method_get("human", |_, this| Ok(this.human()));
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.human()));
        methods.add_meta_function(MetaMethod::Add, |lua, (a, b): (Value, Value)| {
            // `span + time` arrives here because the span stands first.
            if let Ok(time) = Time::from_lua(b.clone(), lua) {
                return lua.create_userdata(time.plus(TimeDelta::from_lua(a, lua)?));
            }
            let sum = TimeDelta::from_lua(a, lua)?.0.saturating_add(TimeDelta::from_lua(b, lua)?.0);
            lua.create_userdata(TimeDelta(sum))
        });
        methods.add_meta_function(MetaMethod::Sub, |_, (a, b): (TimeDelta, TimeDelta)| {
            Ok(TimeDelta(a.0.saturating_sub(b.0)))
        });
        methods.add_meta_method(MetaMethod::Unm, |_, this, ()| Ok(TimeDelta(this.0.saturating_neg())));
        methods.add_meta_function(MetaMethod::Eq, |_, (a, b): (TimeDelta, TimeDelta)| Ok(a == b));
        methods.add_meta_function(MetaMethod::Lt, |_, (a, b): (TimeDelta, TimeDelta)| Ok(a < b));
        methods.add_meta_function(MetaMethod::Le, |_, (a, b): (TimeDelta, TimeDelta)| Ok(a <= b));
    }
}

impl UserData for Timer {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("done", |_, this, ()| {
            let span = TimeDelta::of(this.clock.instant() - this.started);
            tracing::debug!(target: "lua", timer = this.label, "took {}", span.human());
            Ok(span.secs())
        });
    }
}
