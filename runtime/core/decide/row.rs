//! State as rows of a keyed store.
//!
//! | key | value |
//! |---|---|
//! | `format` | `2` |
//! | `skew` | [`Axis`] as JSON |
//! | `w` rule id, time, identity, path | period + duration in µs |
//! | `e` effect id | [`Effect`] as MessagePack, its fields in their order |
//! | `c` record identity | the time it counts at, the time to forget it at, in µs |
//!
//! A window has one row for each pair, so a record costs the same however many its rule counts. Numbers are big-endian.

use std::sync::Arc;
use std::time::Duration;

use super::axis::Axis;
use super::effect::{Effect, EffectId};
use super::window::Pair;
use crate::shaping::RuleId;
use crate::wire::Time;

pub(super) const FORMAT_KEY: &[u8] = b"format";
pub(super) const FORMAT: &[u8] = b"2";
pub(super) const AXIS_KEY: &[u8] = b"skew";

/// Stored state that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Written by a program that stores in another way.
    #[error("the stored state has format `{found}`; this program reads format `2`")]
    Format {
        /// What the format row says.
        found: String,
    },
    /// There are rows, but none that says what they are.
    #[error("the stored state has no row `format`")]
    NoFormat,
    /// A row is not what it should be.
    #[error("row `{key}` of the stored state: {why}")]
    Row {
        /// Its key, with what is not text escaped.
        key: String,
        /// What is wrong.
        why: String,
    },
}

impl LoadError {
    fn row(key: &[u8], why: &(impl ToString + ?Sized)) -> Self {
        Self::Row { key: key.escape_ascii().to_string(), why: why.to_string() }
    }
}

/// What one row holds.
#[derive(Debug, PartialEq)]
pub(super) enum Row {
    Format,
    Axis(Axis),
    Pair { rule: RuleId, path: Arc<str>, retain: Duration, pair: Pair },
    Effect(Box<Effect>),
    Clamp { identity: u64, time: Time, until: Time },
}

impl Row {
    /// Reads one row.
    pub(super) fn parse(key: &[u8], value: &[u8]) -> Result<Self, LoadError> {
        let short = || LoadError::row(key, &format!("the value has {} bytes", value.len()));
        match key {
            FORMAT_KEY if value == FORMAT => Ok(Self::Format),
            FORMAT_KEY => Err(LoadError::Format { found: value.escape_ascii().to_string() }),
            AXIS_KEY => serde_json::from_slice(value).map(Self::Axis).map_err(|e| LoadError::row(key, &e)),
            [b'w', rest @ ..] => {
                let (rule, time, identity, path) =
                    split_window(rest).ok_or_else(|| LoadError::row(key, "it is cut short"))?;
                let path = std::str::from_utf8(path).map_err(|e| LoadError::row(key, &e))?;
                let retain = value.try_into().map(u64::from_be_bytes).map_err(|_| short())?;
                let pair = Pair { time: Time::from_micros(time), identity };
                Ok(Self::Pair { rule, path: path.into(), retain: Duration::from_micros(retain), pair })
            }
            [b'e', rest @ ..] => {
                let id =
                    rest.try_into().map(u128::from_be_bytes).map_err(|_| LoadError::row(key, "it is no effect id"))?;
                let effect = parse_effect(value).map_err(|why| LoadError::row(key, &why))?;
                if effect.id() != EffectId(id) {
                    return Err(LoadError::row(key, &format!("it holds another effect, `{}`", effect.id())));
                }
                Ok(Self::Effect(Box::new(effect)))
            }
            [b'c', rest @ ..] => {
                let identity =
                    rest.try_into().map(u64::from_be_bytes).map_err(|_| LoadError::row(key, "it is no identity"))?;
                let (time, until) = value.split_first_chunk().ok_or_else(short)?;
                let until = until.try_into().map(i64::from_be_bytes).map_err(|_| short())?;
                let time = Time::from_micros(i64::from_be_bytes(*time));
                Ok(Self::Clamp { identity, time, until: Time::from_micros(until) })
            }
            _ => Err(LoadError::row(key, "no row has such a key")),
        }
    }
}

fn split_window(key: &[u8]) -> Option<(RuleId, i64, u64, &[u8])> {
    let (rule, rest) = key.split_first_chunk()?;
    let (time, rest) = rest.split_first_chunk()?;
    let (identity, path) = rest.split_first_chunk()?;
    Some((RuleId(*rule), i64::from_be_bytes(*time), u64::from_be_bytes(*identity), path))
}

pub(super) fn window_key(rule: &RuleId, path: &str, pair: Pair) -> Vec<u8> {
    let mut key = Vec::with_capacity(49 + path.len());
    key.push(b'w');
    key.extend_from_slice(&rule.0);
    key.extend_from_slice(&pair.time.micros().to_be_bytes());
    key.extend_from_slice(&pair.identity.to_be_bytes());
    key.extend_from_slice(path.as_bytes());
    key
}

pub(super) fn window_value(retain: Duration) -> [u8; 8] {
    u64::try_from(retain.as_micros()).unwrap_or(u64::MAX).to_be_bytes()
}

pub(super) fn effect_key(id: EffectId) -> [u8; 17] {
    let mut key = [b'e'; 17];
    if let Some(rest) = key.last_chunk_mut() {
        *rest = id.0.to_be_bytes();
    }
    key
}

pub(super) fn effect_value(effect: &Effect) -> Vec<u8> {
    // Nothing in an effect can fail to be MessagePack.
    rmp_serde::to_vec(effect).unwrap_or_default()
}

fn parse_effect(value: &[u8]) -> Result<Effect, String> {
    let mut rest = value;
    let effect = rmp_serde::from_read(&mut rest).map_err(|why| why.to_string())?;
    if rest.is_empty() { Ok(effect) } else { Err(format!("{} bytes too many", rest.len())) }
}

pub(super) fn clamp_key(identity: u64) -> [u8; 9] {
    let mut key = [b'c'; 9];
    if let Some(rest) = key.last_chunk_mut() {
        *rest = identity.to_be_bytes();
    }
    key
}

pub(super) fn clamp_value(time: Time, until: Time) -> Vec<u8> {
    [time.micros().to_be_bytes(), until.micros().to_be_bytes()].concat()
}

pub(super) fn axis_value(axis: &Axis) -> Vec<u8> {
    serde_json::to_vec(axis).unwrap_or_default()
}

#[cfg(test)]
mod tests;
