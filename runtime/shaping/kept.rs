//! What URLs gave when they could be fetched last.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kumo_tsa_core::shaping::File;

/// How many URLs are remembered. A policy loads a handful; one that makes up a new URL each time must not fill memory.
const MOST: usize = 64;

/// The last good file of each URL: while a URL cannot be fetched, the rules that it gave hold on (semantics A7, P7). Each
/// host keeps one of these.
#[derive(Default)]
pub(super) struct Kept(Mutex<VecDeque<(Arc<str>, Arc<File>)>>);

impl Kept {
    /// Remembers what a URL gave; the one that was loaded the longest time ago is forgotten when there are too many.
    pub(super) fn keep(&self, url: &Arc<str>, file: &Arc<File>) {
        let mut kept = self.lock();
        kept.retain(|(known, _)| known != url);
        kept.push_back((url.clone(), file.clone()));
        if kept.len() > MOST {
            kept.pop_front();
        }
    }

    /// What the URL gave last.
    pub(super) fn last(&self, url: &str) -> Option<Arc<File>> {
        self.lock().iter().find(|(known, _)| **known == *url).map(|(_, file)| file.clone())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Arc<str>, Arc<File>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kumo_tsa_core::shaping::{Source, parse};

    #[test]
    fn urls_without_end_fill_no_memory() {
        let file = Arc::new(parse(&Source::new("x.toml", "")).unwrap());
        let kept = Kept::default();
        for number in 0..2 * MOST {
            kept.keep(&format!("http://host/{number}").into(), &file);
            kept.keep(&"http://host/always".into(), &file);
        }
        assert_eq!(kept.lock().len(), MOST);
        assert!(kept.last("http://host/always").is_some() && kept.last("http://host/0").is_none());
    }
}
