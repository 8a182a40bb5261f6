//! The one timer of all scheduled queues: when which of them has something to do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, Weak};

use tokio::sync::Notify;
use tokio::time::Instant;

/// What an armed entry is found by.
pub(super) type Key = (Instant, u64);

/// Entries in the order of their time. One task sleeps until the first of them.
#[derive(Debug)]
pub(super) struct Timer<T> {
    inner: Mutex<Inner<T>>,
    earlier: Notify,
}

#[derive(Debug)]
struct Inner<T> {
    entries: BTreeMap<Key, Weak<T>>,
    next: u64,
}

impl<T> Default for Timer<T> {
    fn default() -> Self {
        Self { inner: Mutex::new(Inner { entries: BTreeMap::new(), next: 0 }), earlier: Notify::new() }
    }
}

impl<T> Timer<T> {
    /// Arms an entry for `at`.
    pub(super) fn arm(&self, at: Instant, what: Weak<T>) -> Key {
        let mut inner = self.lock();
        let key = (at, inner.next);
        inner.next += 1;
        let first = inner.entries.first_key_value().is_none_or(|(first, _)| key < *first);
        inner.entries.insert(key, what);
        drop(inner);
        if first {
            self.earlier.notify_one();
        }
        key
    }

    /// Takes an entry out before its time.
    pub(super) fn disarm(&self, key: Key) {
        self.lock().entries.remove(&key);
    }

    /// Sleeps until entries are due, and takes them out.
    pub(super) async fn due(&self) -> Vec<(Key, Weak<T>)> {
        loop {
            let next = {
                let mut inner = self.lock();
                let later = inner.entries.split_off(&(Instant::now(), u64::MAX));
                let due = std::mem::replace(&mut inner.entries, later);
                if !due.is_empty() {
                    return due.into_iter().collect();
                }
                inner.entries.first_key_value().map(|((at, _), _)| *at)
            };
            match next {
                Some(at) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(at) => {}
                        () = self.earlier.notified() => {}
                    }
                }
                None => self.earlier.notified().await,
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn entries_come_at_their_time_also_when_armed_while_it_sleeps() {
        let timer: Arc<Timer<u32>> = Arc::default();
        let (late, early, never) = (Arc::new(1), Arc::new(2), Arc::new(3));
        let start = Instant::now();
        let at = move |secs| start + Duration::from_secs(secs);
        timer.arm(at(10), Arc::downgrade(&late));
        let key = timer.arm(at(7), Arc::downgrade(&never));
        let other = timer.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            other.disarm(key);
            other.arm(at(5), Arc::downgrade(&early));
            tokio::time::sleep(Duration::from_mins(1)).await;
            drop(early);
        });
        let due = timer.due().await;
        assert_eq!((due.len(), due[0].1.upgrade().as_deref(), start.elapsed()), (1, Some(&2), Duration::from_secs(5)));
        let due = timer.due().await;
        assert_eq!((due.len(), due[0].1.upgrade().as_deref()), (1, Some(&1)));
        assert_eq!(start.elapsed().as_secs(), 10);
    }
}
