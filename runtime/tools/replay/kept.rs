//! The weightiest of many, in memory that does not grow.

use std::cmp::Reverse;
use std::time::Duration;

use kumo_tsa_core::wire::Time;

/// How many are kept.
const ROOM: usize = 10_000;

/// What more or less can be said of.
pub(super) trait Weighty {
    /// The mail that was kept from being tried.
    fn mail(&self) -> u64;
    fn begin(&self) -> Time;
    fn until(&self) -> Time;

    fn length(&self) -> Duration {
        self.until().since(self.begin())
    }

    /// The more mail the weightier, then the longer.
    fn weight(&self) -> (u64, Duration) {
        (self.mail(), self.length())
    }
}

/// As many as there is room for; of more, the lightest go.
#[derive(Clone, Debug)]
pub(super) struct Kept<T> {
    items: Vec<T>,
    /// How many there were.
    pub(super) all: u64,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { items: Vec::new(), all: 0 }
    }
}

impl<T: Weighty> Kept<T> {
    pub(super) fn push(&mut self, item: T) {
        self.items.push(item);
        self.all += 1;
        if self.items.len() >= 2 * ROOM {
            self.prune();
        }
    }

    fn prune(&mut self) {
        if self.items.len() > ROOM {
            self.items.select_nth_unstable_by_key(ROOM, |item| Reverse(item.weight()));
            self.items.truncate(ROOM);
        }
    }

    /// No more will come: what is kept is put in the order of its beginning.
    pub(super) fn finish<K: Ord>(&mut self, key: impl Fn(&T) -> K) {
        self.prune();
        self.items.sort_by_key(|item| (item.begin(), key(item)));
    }

    pub(super) fn items(&self) -> &[T] {
        &self.items
    }

    /// At most so many: the weightiest, in their order.
    pub(super) fn most(&self, count: usize) -> Vec<&T> {
        let mut all: Vec<(usize, &T)> = self.items.iter().enumerate().collect();
        if all.len() > count {
            all.sort_by_key(|(_, item)| Reverse(item.weight()));
            all.truncate(count);
            all.sort_by_key(|(at, _)| *at);
        }
        all.into_iter().map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mail, and when.
    struct Thing(u64, i64);

    impl Weighty for Thing {
        fn mail(&self) -> u64 {
            self.0
        }

        fn begin(&self) -> Time {
            Time::from_secs(self.1)
        }

        fn until(&self) -> Time {
            Time::from_secs(self.1 + 60)
        }
    }

    #[test]
    fn the_weightiest_are_kept_wherever_they_come() {
        let mut kept = Kept::default();
        for number in 0..50_000_u32 {
            kept.push(Thing(u64::from(number % 10 == 9), number.into()));
        }
        kept.finish(|_| ());
        assert_eq!((kept.items().len(), kept.all), (ROOM, 50_000));
        let heavy: Vec<i64> = kept.items().iter().filter(|thing| thing.0 > 0).map(|thing| thing.1).collect();
        assert_eq!((heavy.len(), heavy.first(), heavy.last()), (5_000, Some(&9), Some(&49_999)));
        assert!(kept.items().is_sorted_by_key(|thing| thing.1));
        assert!(kept.most(40).iter().all(|thing| thing.0 > 0));
    }
}
