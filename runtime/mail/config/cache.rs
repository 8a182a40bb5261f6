//! What a policy has answered, until it is to be asked again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// More entries than this make room: first those that are over, then all.
const ENTRIES_AT_MOST: usize = 65_536;

/// Until when an answer holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Until {
    Instant(Instant),
    /// As long as this is the epoch.
    Epoch(u64),
}

impl Until {
    fn holds(self, epoch: u64) -> bool {
        match self {
            Self::Instant(end) => Instant::now() < end,
            Self::Epoch(asked) => asked == epoch,
        }
    }
}

/// Answers by key. Of several that ask for a key at once, one asks the policy and the others wait for it.
pub(super) struct Cache<K, V>(Mutex<HashMap<K, Arc<Cell<V>>>>);

type Cell<V> = tokio::sync::Mutex<Option<(Arc<V>, Until)>>;

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, V> Cache<K, V> {
    /// The answer that holds, or a new one. An error is not kept.
    pub(super) async fn get<E>(
        &self,
        key: K,
        epoch: u64,
        ask: impl Future<Output = Result<(V, Until), E>>,
    ) -> Result<Arc<V>, E> {
        let cell = self.cell(key, epoch);
        let mut answer = cell.lock().await;
        if let Some((value, until)) = &*answer
            && until.holds(epoch)
        {
            return Ok(value.clone());
        }
        let (value, until) = ask.await?;
        let value = Arc::new(value);
        *answer = Some((value.clone(), until));
        Ok(value)
    }

    fn cell(&self, key: K, epoch: u64) -> Arc<Cell<V>> {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.len() >= ENTRIES_AT_MOST && !cells.contains_key(&key) {
            cells.retain(|_, cell| match cell.try_lock() {
                Ok(answer) => answer.as_ref().is_some_and(|(_, until)| until.holds(epoch)),
                Err(_) => true,
            });
            if cells.len() >= ENTRIES_AT_MOST {
                cells.clear();
            }
        }
        cells.entry(key).or_default().clone()
    }
}
