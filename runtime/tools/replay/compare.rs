//! Two sets of rules: what each would have done that the other would not.

use std::collections::BTreeMap;
use std::time::Duration;

use kumo_tsa_core::decide::EffectKind;
use kumo_tsa_core::wire::Time;
use serde::Serialize;

use super::play::Span;

/// A time in which one set of rules had something in force that the other had not.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Alone {
    pub(super) kind: EffectKind,
    /// With what it sets.
    pub(super) action: String,
    pub(super) target: String,
    pub(super) domain: Option<String>,
    /// `FILE:LINE`
    pub(super) rule: String,
    pub(super) begin: Time,
    pub(super) until: Time,
    /// Attempts that the whole effect would have kept from being made.
    pub(super) held: u64,
    pub(super) bounced: u64,
}

impl Alone {
    pub(super) fn length(&self) -> Duration {
        self.until.since(self.begin)
    }
}

/// What an effect does, whatever rule it is of.
type Deed<'s> = (&'s str, &'s str, Option<&'s str>);

fn deed(span: &Span) -> Deed<'_> {
    (&span.action, &span.target, span.domain.as_deref())
}

/// The parts of effects in `spans` during which nothing in `others` does the same, in the order of their beginning.
pub(super) fn alone(spans: &[Span], others: &[Span]) -> Vec<Alone> {
    let mut known: BTreeMap<Deed<'_>, Vec<(Time, Time)>> = BTreeMap::new();
    for other in others {
        known.entry(deed(other)).or_default().push((other.begin, other.until));
    }
    for times in known.values_mut() {
        times.sort_unstable();
    }
    let mut alone: Vec<Alone> = spans
        .iter()
        .flat_map(|span| {
            let times = known.get(&deed(span)).map(Vec::as_slice).unwrap_or_default();
            left_over(span.begin, span.until, times).into_iter().map(|(begin, until)| part(span, begin, until))
        })
        .collect();
    alone.sort_by(|a, b| (a.begin, a.until, &a.rule, &a.target).cmp(&(b.begin, b.until, &b.rule, &b.target)));
    alone
}

fn part(span: &Span, begin: Time, until: Time) -> Alone {
    Alone {
        kind: span.kind,
        action: span.action.clone(),
        target: span.target.clone(),
        domain: span.domain.clone(),
        rule: span.rule.clone(),
        begin,
        until,
        held: span.held,
        bounced: span.bounced,
    }
}

/// What is left of a time when others, in order, are taken out of it.
fn left_over(begin: Time, until: Time, others: &[(Time, Time)]) -> Vec<(Time, Time)> {
    let (mut left, mut at) = (Vec::new(), begin);
    for (from, to) in others {
        if *from >= until {
            break;
        }
        if *from > at {
            left.push((at, *from));
        }
        at = at.max(*to);
    }
    if at < until {
        left.push((at, until));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(others: &[(i64, i64)]) -> Vec<(i64, i64)> {
        let secs = |(from, to): &(i64, i64)| (Time::from_secs(*from), Time::from_secs(*to));
        let others: Vec<_> = others.iter().map(secs).collect();
        let left = left_over(Time::from_secs(10), Time::from_secs(20), &others);
        left.into_iter().map(|(from, to)| (from.micros() / 1_000_000, to.micros() / 1_000_000)).collect()
    }

    #[test]
    fn times_are_taken_out_of_times() {
        assert_eq!(left(&[]), [(10, 20)]);
        assert_eq!(left(&[(0, 5), (20, 30)]), [(10, 20)]);
        assert_eq!(left(&[(0, 12), (14, 16), (15, 17), (19, 40)]), [(12, 14), (17, 19)]);
        assert_eq!(left(&[(10, 20)]), []);
        assert_eq!(left(&[(0, 15), (0, 11), (15, 20)]), []);
    }
}
