//! Which source of a pool is next: weighted round robin (interface A.5).

use crate::mail::config::Pool;

/// Where in the rotation over a pool's sources a queue is.
#[derive(Clone, Debug)]
pub(super) struct Rotation {
    names: Vec<String>,
    weights: Vec<u64>,
    current: Vec<i128>,
}

impl Rotation {
    /// The rotation over `pool`: entries of weight 0 are left out, weights reduced by their greatest common divisor.
    /// It starts `turns` turns in, so that many queues of few messages do not all begin with the same source.
    pub(super) fn new(pool: &Pool, turns: u64) -> Self {
        let weighted = pool.weighted();
        let mut rotation = Self {
            names: weighted.iter().map(|(name, _)| (*name).to_owned()).collect(),
            current: vec![0; weighted.len()],
            weights: weighted.iter().map(|(_, weight)| *weight).collect(),
        };
        let round: u64 = rotation.weights.iter().fold(0, |sum, weight| sum.saturating_add(*weight));
        // A long rotation begins anywhere in its first turns: enough to spread, and quickly done.
        for _ in 0..turns.checked_rem(round).unwrap_or(0).min(1024) {
            let _ = rotation.next(|_| true);
        }
        rotation
    }

    /// Whether it goes over these sources.
    pub(super) fn is_of(&self, pool: &Pool) -> bool {
        let mine = self.names.iter().map(String::as_str).zip(self.weights.iter().copied());
        mine.eq(pool.weighted())
    }

    /// The sources in the order of the pool.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The next source among those that `is_eligible` lets through; those skipped do not save turns up.
    pub(super) fn next(&mut self, is_eligible: impl Fn(&str) -> bool) -> Option<&str> {
        let mut total: i128 = 0;
        let mut best: Option<usize> = None;
        for at in 0..self.names.len() {
            if !is_eligible(&self.names[at]) {
                continue;
            }
            let weight = i128::from(self.weights[at]);
            total += weight;
            self.current[at] += weight;
            if best.is_none_or(|best| self.current[at] > self.current[best]) {
                best = Some(at);
            }
        }
        let best = best?;
        self.current[best] -= total;
        Some(&self.names[best])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::mail::config::PoolEntry;

    fn pool(entries: &[(&str, u64)]) -> Pool {
        let entry = |(name, weight): &(&str, u64)| PoolEntry { name: (*name).to_owned(), weight: *weight };
        Pool { entries: entries.iter().map(entry).collect(), ..Pool::unspecified() }
    }

    fn counts(rotation: &mut Rotation, turns: usize, skip: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..turns {
            if let Some(name) = rotation.next(|name| name != skip) {
                *counts.entry(name.to_owned()).or_default() += 1;
            }
        }
        counts
    }

    #[test]
    fn each_has_its_weight_in_every_round() {
        let pool = pool(&[("a", 30), ("b", 10), ("c", 0), ("d", 20)]);
        for start in 0..7 {
            let mut rotation = Rotation::new(&pool, start);
            for _ in 0..3 {
                let counts = counts(&mut rotation, 6, "");
                let got: Vec<_> = counts.iter().map(|(name, n)| (name.as_str(), *n)).collect();
                assert_eq!(got, [("a", 3), ("b", 1), ("d", 2)]);
            }
        }
    }

    #[test]
    fn those_that_cannot_be_used_are_skipped_without_saving_turns_up() {
        let mut rotation = Rotation::new(&pool(&[("a", 1), ("b", 1), ("c", 2)]), 0);
        assert_eq!(counts(&mut rotation, 300, "c").len(), 2);
        let after = counts(&mut rotation, 40, "");
        assert!((19..=21).contains(&after["c"]), "{after:?}");
        assert_eq!(rotation.next(|_| false), None);
        assert!(Rotation::new(&pool(&[]), 5).next(|_| true).is_none());
    }

    #[test]
    fn it_knows_its_pool() {
        let rotation = Rotation::new(&pool(&[("a", 2), ("b", 4)]), 1);
        assert!(rotation.is_of(&pool(&[("a", 1), ("b", 2)])));
        assert!(!rotation.is_of(&pool(&[("a", 1), ("b", 1)])));
        assert!(!rotation.is_of(&pool(&[("a", 1)])));
    }
}
