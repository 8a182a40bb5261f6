//! Long names that stand in many keys, each held once and told by a number.

use std::collections::HashMap;
use std::hash::Hash;

/// Values that are counted by how often they are in use.
#[derive(Clone, Debug)]
pub(super) struct Atoms<T> {
    numbers: HashMap<T, u32>,
    slots: Vec<Option<(T, u32)>>,
    free: Vec<u32>,
}

impl<T> Default for Atoms<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), slots: Vec::new(), free: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash> Atoms<T> {
    /// The number of a value that is in use.
    pub(super) fn number<Q: Hash + Eq + ?Sized>(&self, value: &Q) -> Option<u32>
    where
        T: std::borrow::Borrow<Q>,
    {
        self.numbers.get(value).copied()
    }

    /// The value of a number in use.
    pub(super) fn value(&self, number: u32) -> Option<&T> {
        self.slots.get(number as usize)?.as_ref().map(|(value, _)| value)
    }

    /// Uses a value once more. None when there are four thousand million of them.
    pub(super) fn hold(&mut self, value: &T) -> Option<u32> {
        if let Some(&number) = self.numbers.get(value) {
            if let Some(Some((_, uses))) = self.slots.get_mut(number as usize) {
                *uses = uses.saturating_add(1);
            }
            return Some(number);
        }
        let slot = Some((value.clone(), 1));
        let number = if let Some(number) = self.free.pop() {
            *self.slots.get_mut(number as usize)? = slot;
            number
        } else {
            self.slots.push(slot);
            u32::try_from(self.slots.len() - 1).ok()?
        };
        self.numbers.insert(value.clone(), number);
        Some(number)
    }

    /// Uses it once less; unused values are forgotten.
    pub(super) fn release(&mut self, number: u32) {
        let Some(slot) = self.slots.get_mut(number as usize) else { return };
        if let Some((value, uses)) = slot {
            *uses -= 1;
            if *uses == 0 {
                self.numbers.remove(value);
                *slot = None;
                self.free.push(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_held_as_long_as_it_is_used() {
        let mut atoms: Atoms<&str> = Atoms::default();
        assert_eq!((atoms.hold(&"a"), atoms.hold(&"b"), atoms.hold(&"a")), (Some(0), Some(1), Some(0)));
        assert_eq!((atoms.value(0), atoms.value(1), atoms.value(2)), (Some(&"a"), Some(&"b"), None));
        atoms.release(0);
        assert_eq!((atoms.number("a"), atoms.numbers.len()), (Some(0), 2));
        atoms.release(0);
        assert_eq!((atoms.number("a"), atoms.value(0), atoms.numbers.len()), (None, None, 1));
        atoms.release(0);
        atoms.release(9);
        assert_eq!(atoms.hold(&"c"), Some(0), "numbers are used again");
        assert_eq!(atoms.hold(&"d"), Some(2));
    }
}
