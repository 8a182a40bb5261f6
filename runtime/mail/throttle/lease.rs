//! Leases: how many of something there may be at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kumo_tsa_core::wire::Limit;
use tokio::sync::Notify;

use super::Throttles;

#[derive(Default, Debug)]
pub(super) struct Leases(Mutex<HashMap<Arc<str>, Held>>);

#[derive(Default, Debug)]
struct Held {
    count: u64,
    waiting: usize,
    released: Arc<Notify>,
}

/// One of as many as there may be; given back when dropped.
#[derive(Debug)]
pub struct Lease {
    key: Arc<str>,
    leases: Arc<Leases>,
}

impl Lease {
    /// What it is one of.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Throttles {
    /// A lease on `key`, when fewer than `limit` are held now.
    pub fn try_acquire(&self, key: &str, limit: Limit) -> Option<Lease> {
        let mut all = self.leases.lock();
        let key: Arc<str> = all.get_key_value(key).map_or_else(|| key.into(), |(key, _)| key.clone());
        let held = all.entry(key.clone()).or_default();
        if held.count >= limit.limit.get() {
            return None;
        }
        held.count += 1;
        drop(all);
        Some(Lease { key, leases: self.leases.clone() })
    }

    /// A lease on `key` as soon as fewer than `limit` are held.
    pub async fn acquire(&self, key: &str, limit: Limit) -> Lease {
        let waiter = Waiter::new(&self.leases, key);
        loop {
            // Asked for before the look, so that a release between the two is not missed.
            let released = waiter.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            if let Some(lease) = self.try_acquire(key, limit) {
                return lease;
            }
            released.await;
        }
    }

    /// Returns at the next release of a lease on `key`, or when [`stir`](Self::stir) is called for it.
    pub async fn released(&self, key: &str) {
        let waiter = Waiter::new(&self.leases, key);
        waiter.released.notified().await;
    }

    /// Has those who wait for `key` look again, as after a limit has risen.
    pub fn stir(&self, key: &str) {
        if let Some(held) = self.leases.lock().get(key) {
            held.released.notify_waiters();
        }
    }

    /// How many leases on `key` are held.
    pub fn held(&self, key: &str) -> u64 {
        self.leases.lock().get(key).map_or(0, |held| held.count)
    }
}

impl Leases {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_idle(all: &mut HashMap<Arc<str>, Held>, key: &str) {
        if all.get(key).is_some_and(|held| held.count == 0 && held.waiting == 0) {
            all.remove(key);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut all = self.leases.lock();
        if let Some(held) = all.get_mut(&self.key) {
            held.count = held.count.saturating_sub(1);
            // Without anyone waiting the wakening would be kept for a later one, who would look once in vain.
            if held.waiting > 0 {
                held.released.notify_one();
            }
        }
        Leases::forget_idle(&mut all, &self.key);
    }
}

/// Keeps a key while someone waits for it.
struct Waiter<'l> {
    leases: &'l Leases,
    key: &'l str,
    released: Arc<Notify>,
}

impl<'l> Waiter<'l> {
    fn new(leases: &'l Leases, key: &'l str) -> Self {
        let mut all = leases.lock();
        let held = all.entry(key.into()).or_default();
        held.waiting += 1;
        Self { leases, key, released: held.released.clone() }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut all = self.leases.lock();
        if let Some(held) = all.get_mut(self.key) {
            held.waiting = held.waiting.saturating_sub(1);
        }
        Leases::forget_idle(&mut all, self.key);
    }
}
