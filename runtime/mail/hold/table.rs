//! Entries by what they are for.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use kumo_tsa_core::wire::{QueueName, Time};
use tokio::time::Instant;
use uuid::Uuid;

use super::Owner;
use super::selector::{SHAPES, Selector};
use crate::host::Clock;

/// Fewer entries than this are not looked through for those that are over.
const SWEEP_FROM: usize = 64;
/// Ends further away are taken as this far.
const FAR: Duration = Duration::from_hours(24 * 3650);

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: Uuid,
    pub(super) owner: Owner,
    pub(super) reason: Arc<str>,
    pub(super) ends: Instant,
    pub(super) suppress_logging: bool,
    pub(super) bounced: BTreeMap<String, u64>,
}

impl Entry {
    pub(super) fn new(owner: Owner, reason: &str, ends: Instant) -> Self {
        let (id, reason) = (Uuid::new_v4(), reason.into());
        Self { id, owner, reason, ends, suppress_logging: false, bounced: BTreeMap::new() }
    }

    fn left(&self) -> Option<Duration> {
        self.ends.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

/// The moment that the wall clock means by `until` today.
pub(super) fn deadline(clock: &Clock, until: Time) -> Instant {
    clock.instant() + until.since(clock.now()).min(FAR)
}

/// Entries by what they are for, and by id.
#[derive(Debug)]
pub(super) struct Table<K> {
    by_thing: HashMap<K, Vec<Entry>>,
    by_id: HashMap<Uuid, K>,
    sweep_at: usize,
    /// How many things of each shape there are, and how many with a list of names; for selectors alone.
    shapes: [usize; SHAPES],
    named: Vec<K>,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self {
            by_thing: HashMap::new(),
            by_id: HashMap::new(),
            sweep_at: SWEEP_FROM,
            shapes: [0; SHAPES],
            named: Vec::new(),
        }
    }
}

/// What an entry can be for.
pub(super) trait Thing: Hash + Eq + Clone {
    /// As of [`Selector::shape`]; 0 for what is no selector.
    fn shape(&self) -> Option<usize>;
}

impl Thing for Arc<str> {
    fn shape(&self) -> Option<usize> {
        Some(0)
    }
}

impl Thing for Selector {
    fn shape(&self) -> Option<usize> {
        Self::shape(self)
    }
}

impl<K: Thing> Table<K> {
    pub(super) fn insert(&mut self, thing: K, entry: Entry) -> Uuid {
        self.sweep();
        let id = entry.id;
        if !self.by_thing.contains_key(&thing) {
            self.note(&thing, true);
        }
        let entries = self.by_thing.entry(thing.clone()).or_default();
        match entries.iter_mut().find(|old| old.owner == entry.owner) {
            Some(old) => {
                self.by_id.remove(&old.id);
                *old = entry;
            }
            None => entries.push(entry),
        }
        self.by_id.insert(id, thing);
        id
    }

    pub(super) fn remove(&mut self, thing: &K, owner: &Owner) -> bool {
        self.retain(thing, |entry| entry.owner != *owner)
    }

    pub(super) fn delete(&mut self, id: Uuid) -> bool {
        match self.by_id.get(&id).cloned() {
            Some(thing) => self.retain(&thing, |entry| entry.id != id),
            None => false,
        }
    }

    pub(super) fn by_id(&mut self, id: Uuid) -> Option<&mut Entry> {
        let thing = self.by_id.get(&id)?;
        self.by_thing.get_mut(thing)?.iter_mut().find(|entry| entry.id == id)
    }

    /// Of the entries for a thing that are in force the one that ends last, and how long that takes (P6).
    pub(super) fn longest<Q: Hash + Eq + ?Sized>(&self, thing: &Q) -> Option<(&Entry, Duration)>
    where
        K: Borrow<Q>,
    {
        let entries = self.by_thing.get(thing)?;
        entries.iter().filter_map(|entry| Some((entry, entry.left()?))).max_by_key(|(_, left)| *left)
    }

    /// All that are in force.
    pub(super) fn live(&self) -> impl Iterator<Item = (&K, &Entry, Duration)> {
        let all = self.by_thing.iter().flat_map(|(thing, entries)| entries.iter().map(move |entry| (thing, entry)));
        all.filter_map(|(thing, entry)| Some((thing, entry, entry.left()?)))
    }

    /// Takes out those that `keep` does not want; false when it wants all.
    fn retain(&mut self, thing: &K, keep: impl Fn(&Entry) -> bool) -> bool {
        let Some(entries) = self.by_thing.get_mut(thing) else { return false };
        let before = entries.len();
        let by_id = &mut self.by_id;
        entries.retain(|entry| {
            let kept = keep(entry);
            if !kept {
                by_id.remove(&entry.id);
            }
            kept
        });
        let (gone, empty) = (entries.len() < before, entries.is_empty());
        if empty {
            self.by_thing.remove(thing);
            self.note(thing, false);
        }
        gone
    }

    fn note(&mut self, thing: &K, there: bool) {
        match thing.shape() {
            Some(shape) => {
                if let Some(count) = self.shapes.get_mut(shape) {
                    *count = if there { *count + 1 } else { count.saturating_sub(1) };
                }
            }
            None if there => self.named.push(thing.clone()),
            None => self.named.retain(|other| other != thing),
        }
    }

    /// Forgets those that are over, when there are twice as many as were left the last time.
    fn sweep(&mut self) {
        if self.by_id.len() < self.sweep_at {
            return;
        }
        let things: Vec<K> = self.by_thing.keys().cloned().collect();
        for thing in things {
            self.retain(&thing, |entry| entry.left().is_some());
        }
        self.sweep_at = (self.by_id.len() * 2).max(SWEEP_FROM);
    }
}

impl Table<Selector> {
    /// What is in force for a scheduled queue; of several the one that ends last.
    pub(super) fn find(&self, queue: &QueueName<'_>, name: &str) -> Option<(&Entry, Duration)> {
        if self.by_thing.is_empty() {
            return None;
        }
        let shapes = (0..SHAPES).filter(|shape| self.shapes.get(*shape).is_some_and(|count| *count > 0));
        let by_parts = shapes.filter_map(|shape| self.longest(&Selector::of_queue(queue, shape)?));
        let named = self.named.iter().filter(|selector| selector.matches(queue, name));
        by_parts.chain(named.filter_map(|selector| self.longest(selector))).max_by_key(|(_, left)| *left)
    }
}
