//! Records in the order of their times, as far as their logs are not too far out of it.

use std::collections::BTreeMap;

use kumo_tsa_core::wire::Time;

use super::chunk::Entry;

/// How many records wait at most, and of those that rules matched; so much memory it takes.
const ENTRIES: usize = 2_000_000;
const HITS: usize = 200_000;

/// Holds records back until those before them must have come.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// By their second; those of one second as they came.
    seconds: BTreeMap<i64, Vec<Entry>>,
    entries: usize,
    hits: usize,
    /// What was before this second has been let go.
    gone: Option<i64>,
    /// Records that came after records had been let go that are newer.
    pub(super) late: u64,
    /// There was not room enough to wait as long as was asked for.
    pub(super) short: bool,
}

impl Order {
    pub(super) fn push(&mut self, entry: Entry) {
        let second = entry.time.micros().div_euclid(1_000_000);
        if self.gone.is_some_and(|gone| second < gone) {
            self.late += 1;
        }
        self.entries += 1;
        self.hits += usize::from(entry.hit.is_some());
        self.seconds.entry(second).or_default().push(entry);
    }

    /// Lets go of what is older than the horizon, and of the oldest where there is no more room.
    pub(super) fn release(&mut self, horizon: Time, mut each: impl FnMut(Entry)) {
        let horizon = horizon.micros().div_euclid(1_000_000);
        while let Some(first) = self.seconds.first_entry() {
            let full = self.entries > ENTRIES || self.hits > HITS;
            let due = *first.key() < horizon;
            if !due && !full {
                break;
            }
            self.short |= !due;
            let (second, mut entries) = first.remove_entry();
            self.gone = Some(self.gone.map_or(second + 1, |gone| gone.max(second + 1)));
            self.entries -= entries.len();
            self.hits -= entries.iter().filter(|entry| entry.hit.is_some()).count();
            // Stable: records of the same time stay as they came.
            entries.sort_by_key(|entry| entry.time);
            entries.into_iter().for_each(&mut each);
        }
    }

    /// Lets go of all.
    pub(super) fn finish(&mut self, each: impl FnMut(Entry)) {
        self.release(Time::MAX, each);
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunk::Mail;
    use super::*;

    fn entry(micros: i64) -> Entry {
        let mail = Mail { path: 0, queues: [0; 3], attempted: true, delivered: true };
        Entry { time: Time::from_micros(micros), mail, hit: None }
    }

    fn released(order: &mut Order, horizon: i64) -> Vec<i64> {
        let mut times = Vec::new();
        order.release(Time::from_secs(horizon), |entry| times.push(entry.time.micros()));
        times
    }

    #[test]
    fn records_wait_for_those_before_them() {
        let mut order = Order::default();
        for time in [5_000_000, 1_500_000, 9_000_000, 1_200_000] {
            order.push(entry(time));
        }
        assert_eq!(released(&mut order, 5), [1_200_000, 1_500_000]);
        order.push(entry(4_000_000));
        assert_eq!(order.late, 0, "nothing newer has been let go");
        order.push(entry(1_000_000));
        assert_eq!(order.late, 1);
        assert_eq!(released(&mut order, 6), [1_000_000, 4_000_000, 5_000_000]);
        let mut rest = 0;
        order.finish(|_| rest += 1);
        assert_eq!((rest, order.entries, order.short), (1, 0, false));
    }

    #[test]
    fn the_buffer_has_an_end() {
        let mut order = Order { entries: ENTRIES, ..Order::default() };
        order.push(entry(7));
        assert_eq!(released(&mut order, 0), [7]);
        assert!(order.short);
    }
}
