//! The newest matches of one rule on one egress path (semantics T2, T3).

use std::collections::VecDeque;
use std::time::Duration;

use crate::wire::Time;

/// One match: when, and which record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Pair {
    /// The record's time, on state's axis.
    pub(super) time: Time,
    /// The record's identity.
    pub(super) identity: u64,
}

/// What a rule asks of its windows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ask {
    /// How many pairs within the period make the rule act.
    pub(super) count: usize,
    /// How many pairs are held, `count` or more.
    pub(super) hold: usize,
    /// The period that ends at the newest pair.
    pub(super) period: Duration,
}

/// What one more record would do to a window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Offer {
    /// Nothing: it is too old, or it is counted already, or it cannot be told from one that was.
    Nothing,
    /// It counts.
    Counts {
        /// Pairs that no longer count or no longer fit.
        gone: Vec<Pair>,
        /// The greatest time, this record's included.
        newest: Time,
        /// Whether enough pairs lie within the period.
        acts: bool,
    },
}

/// Pairs in ascending order.
///
/// Only those later than newest - period are held: as newest never falls, the others cannot count again, and a record as old
/// as they counts for nothing (T2), so forgetting them changes nothing. Two pairs lie inline: most windows have no more.
#[derive(Clone, Debug)]
pub(super) enum Window {
    Few(u8, [Pair; 2]),
    Many(VecDeque<Pair>),
}

impl Default for Window {
    fn default() -> Self {
        Self::Few(0, [Pair::default(); 2])
    }
}

impl Window {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(len, _) => usize::from(*len),
            Self::Many(pairs) => pairs.len(),
        }
    }

    fn get(&self, index: usize) -> Option<Pair> {
        match self {
            Self::Few(len, pairs) => pairs.get(..usize::from(*len))?.get(index).copied(),
            Self::Many(pairs) => pairs.get(index).copied(),
        }
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = Pair> {
        (0..self.len()).map_while(|index| self.get(index))
    }

    /// The greatest time.
    pub(super) fn newest(&self) -> Option<Time> {
        self.get(self.len().checked_sub(1)?).map(|pair| pair.time)
    }

    /// Where the pair is, or where it would go. Records mostly come in order, so it looks at the end first.
    fn find(&self, pair: Pair) -> Result<usize, usize> {
        let len = self.len();
        match self {
            _ if len.checked_sub(1).and_then(|last| self.get(last)).is_none_or(|last| last < pair) => Err(len),
            Self::Few(_, pairs) => pairs.get(..len).unwrap_or(&[]).binary_search(&pair),
            Self::Many(pairs) => pairs.binary_search(&pair),
        }
    }

    pub(super) fn contains(&self, pair: Pair) -> bool {
        self.find(pair).is_ok()
    }

    /// What the pair would do.
    pub(super) fn offer(&self, pair: Pair, ask: Ask) -> Offer {
        let newest = self.newest();
        if newest.is_some_and(|newest| pair.time <= newest.before(ask.period)) {
            return Offer::Nothing;
        }
        let Err(place) = self.find(pair) else { return Offer::Nothing };
        let newest = newest.map_or(pair.time, |newest| newest.max(pair.time));
        let floor = newest.before(ask.period);
        let mut gone: Vec<Pair> = self.pairs().take_while(|old| old.time <= floor).collect();
        let kept = self.len() - gone.len();
        if kept >= ask.hold {
            if place == 0 {
                // Older than all that are held, in a full window: it may have been counted and have left.
                return Offer::Nothing;
            }
            gone.extend(self.get(gone.len()));
        }
        Offer::Counts { gone, newest, acts: kept + 1 >= ask.count }
    }

    pub(super) fn insert(&mut self, pair: Pair) {
        let Err(place) = self.find(pair) else { return };
        if let Self::Few(len, pairs) = self {
            let used = usize::from(*len);
            if used < pairs.len() {
                pairs.copy_within(place..used, place + 1);
                if let Some(slot) = pairs.get_mut(place) {
                    *slot = pair;
                }
                *len += 1;
                return;
            }
            *self = Self::Many(pairs.iter().copied().collect());
        }
        if let Self::Many(pairs) = self {
            pairs.insert(place, pair);
        }
    }

    pub(super) fn remove(&mut self, pair: Pair) {
        let Ok(place) = self.find(pair) else { return };
        match self {
            Self::Few(len, pairs) => {
                pairs.copy_within(place + 1..usize::from(*len), place);
                *len -= 1;
            }
            Self::Many(pairs) => {
                pairs.remove(place);
            }
        }
    }
}

#[cfg(test)]
mod tests;
