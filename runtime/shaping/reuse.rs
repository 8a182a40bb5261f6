//! What was loaded before, for as long as nothing has changed.
//!
//! A policy loads its files again and again (interface B.7): parsing them and compiling all patterns each time would cost
//! far more than what it decides with them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use kumo_tsa_core::shaping::{File, LoadOptions, Shaping, Source};

use super::fetch::Notes;
use super::rollup::Known;

/// How many files are remembered, and how many sets of them: the overrides of a busy daemon are megabytes.
const FILES: usize = 8;
const SETS: usize = 2;

/// Files by their text. Each host keeps one of these.
#[derive(Default)]
pub(super) struct Parsed(Mutex<VecDeque<(Source, Arc<File>)>>);

impl Parsed {
    /// The file that this very text gave.
    pub(super) fn find(&self, source: &Source) -> Option<Arc<File>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == source).map(|(_, file)| file.clone())
    }

    /// Remembers a file in the place of what its name gave before.
    pub(super) fn keep(&self, source: Source, file: &Arc<File>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| known.name != source.name);
        kept.push_back((source, file.clone()));
        if kept.len() > FILES {
            kept.pop_front();
        }
    }
}

/// All that merged data follows from.
#[derive(Clone)]
pub(super) struct Basis {
    pub(super) files: Vec<Arc<File>>,
    pub(super) notes: Notes,
    pub(super) options: LoadOptions,
    pub(super) known: Known,
}

impl PartialEq for Basis {
    fn eq(&self, other: &Self) -> bool {
        let same = |(mine, theirs): (&Arc<File>, &Arc<File>)| Arc::ptr_eq(mine, theirs);
        self.files.len() == other.files.len()
            && self.files.iter().zip(&other.files).all(same)
            && self.notes == other.notes
            && self.options == other.options
            && self.known == other.known
    }
}

/// Merged data by what it follows from. Each host keeps one of these.
#[derive(Default)]
pub(super) struct Merged(Mutex<VecDeque<(Basis, Arc<Shaping>)>>);

impl Merged {
    pub(super) fn find(&self, basis: &Basis) -> Option<Arc<Shaping>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == basis).map(|(_, shaping)| shaping.clone())
    }

    pub(super) fn keep(&self, basis: Basis, shaping: &Arc<Shaping>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((basis, shaping.clone()));
        if kept.len() > SETS {
            kept.pop_front();
        }
    }
}
