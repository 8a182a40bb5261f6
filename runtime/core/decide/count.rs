//! All windows: which there are, and which can act no more (semantics T3).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::atom::Atoms;
use super::change::WindowChange;
use super::window::Window;
use crate::shaping::RuleId;
use crate::wire::Time;

/// Windows are dropped by the minute: then most records leave the order of drops as it is.
const GRAIN_MICROS: i64 = 60_000_000;

/// The windows of all rules on all paths.
///
/// A window is dropped once its newest pair is older than its rule's period and duration together, and that changes nothing:
/// whatever makes the rule act together with one of its pairs is less than a period newer than the newest of them, so the
/// effect would end less than period + duration after it, which is past. Counted from there on is what came after, or what
/// comes again: a record that is sent again finds no pair of itself, but the effect it could help to would be past too.
#[derive(Clone, Default, Debug)]
pub(super) struct Counts {
    rules: Atoms<RuleId>,
    /// Period and duration together, by the rule's number. A rule's id covers both, so they never change.
    retain: Vec<Duration>,
    paths: Atoms<Arc<str>>,
    windows: HashMap<(u32, u32), Window>,
    /// Each window once, by the minute from which on it can be dropped.
    due: BTreeSet<(i64, u32, u32)>,
}

fn minute(newest: Time, retain: Duration) -> i64 {
    newest.after(retain).micros().div_euclid(GRAIN_MICROS).saturating_add(1)
}

impl Counts {
    /// The window of a rule on a path, if anything is counted there.
    pub(super) fn window(&self, rule: &RuleId, path: &str) -> Option<&Window> {
        self.windows.get(&(self.rules.number(rule)?, self.paths.number(path)?))
    }

    /// A path's name as it is held already.
    pub(super) fn path(&self, path: &str) -> Option<&Arc<str>> {
        self.paths.value(self.paths.number(path)?)
    }

    /// How many windows there are.
    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }

    pub(super) fn apply(&mut self, change: &WindowChange) {
        let Some((key, mut window)) = self.take(change) else { return };
        for pair in &change.remove {
            window.remove(*pair);
        }
        if let Some(pair) = change.add {
            window.insert(pair);
        }
        let retain = self.retain.get(key.0 as usize).copied().unwrap_or_default();
        if let Some(newest) = window.newest() {
            self.due.insert((minute(newest, retain), key.0, key.1));
            self.windows.insert(key, window);
        } else {
            self.rules.release(key.0);
            self.paths.release(key.1);
        }
    }

    /// Takes a window out, or makes a new one where there is something to put in.
    fn take(&mut self, change: &WindowChange) -> Option<((u32, u32), Window)> {
        let numbers = self.rules.number(&change.rule).zip(self.paths.number(&*change.path));
        if let Some(key) = numbers
            && let Some(window) = self.windows.remove(&key)
        {
            let retain = self.retain.get(key.0 as usize).copied().unwrap_or_default();
            if let Some(newest) = window.newest() {
                self.due.remove(&(minute(newest, retain), key.0, key.1));
            }
            return Some((key, window));
        }
        change.add?;
        let key = (self.rules.hold(&change.rule)?, self.paths.hold(&change.path)?);
        let rule = key.0 as usize;
        if self.retain.len() <= rule {
            self.retain.resize(rule + 1, Duration::ZERO);
        }
        if let Some(retain) = self.retain.get_mut(rule) {
            *retain = change.retain;
        }
        Some((key, Window::default()))
    }

    /// The windows that can act no more, as changes that drop them. Costs what it finds.
    pub(super) fn overdue(&self, now: Time) -> impl Iterator<Item = WindowChange> {
        let minute = now.micros().div_euclid(GRAIN_MICROS);
        self.due.range(..=(minute, u32::MAX, u32::MAX)).filter_map(|&(_, rule, path)| {
            let window = self.windows.get(&(rule, path))?;
            Some(WindowChange {
                rule: *self.rules.value(rule)?,
                path: self.paths.value(path)?.clone(),
                retain: self.retain.get(rule as usize).copied()?,
                add: None,
                remove: window.pairs().collect(),
            })
        })
    }
}

#[cfg(test)]
impl Counts {
    /// All windows with what they hold and when they are due, in an order of its own.
    pub(super) fn essence(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for (minute, rule, path) in &self.due {
            let window = &self.windows[&(*rule, *path)];
            let (id, name) = (self.rules.value(*rule), self.paths.value(*path));
            let retain = self.retain[*rule as usize];
            all.push(format!("{id:?} {name:?} {retain:?} {minute} {:?}", window.pairs().collect::<Vec<_>>()));
        }
        assert_eq!(all.len(), self.windows.len(), "each window is due once");
        all.sort();
        all
    }
}

#[cfg(test)]
mod tests;
