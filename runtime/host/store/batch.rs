//! Changes that are made together.

use std::collections::HashSet;

use fjall::Slice;

/// Keys that are given values, and keys that are taken out, all at once.
#[derive(Clone, Default, Debug)]
pub struct Batch(Vec<(Slice, Option<Slice>)>);

impl Batch {
    /// Gives `key` a value.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.0.push((Slice::from(key.as_ref()), Some(Slice::from(value.as_ref()))));
    }

    /// Takes `key` out.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) {
        self.0.push((Slice::from(key.as_ref()), None));
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many keys it changes, counting each time that one is changed.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn set(&mut self, key: Slice, value: Option<Slice>) {
        self.0.push((key, value));
    }

    pub(super) fn keys(&self) -> Vec<Slice> {
        self.0.iter().map(|(key, _)| key.clone()).collect()
    }

    /// The last change of each key: the store wants a key once in a batch.
    pub(super) fn into_changes(self) -> Vec<(Slice, Option<Slice>)> {
        let mut changes = self.0;
        if changes.len() > 1 {
            let mut seen = HashSet::with_capacity(changes.len());
            changes.reverse();
            changes.retain(|(key, _)| seen.insert(key.clone()));
        }
        changes
    }
}

impl kumo_tsa_core::decide::Batch for Batch {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        Self::put(self, key, value);
    }

    fn delete(&mut self, key: &[u8]) {
        Self::delete(self, key);
    }
}

impl<'c> FromIterator<&'c kumo_tsa_core::decide::Change> for Batch {
    fn from_iter<I: IntoIterator<Item = &'c kumo_tsa_core::decide::Change>>(changes: I) -> Self {
        let mut batch = Self::default();
        for change in changes {
            change.write(&mut batch);
        }
        batch
    }
}
