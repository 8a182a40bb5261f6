//! A second copy of the effects for those who list them, so that publishing never waits for a reader.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use kumo_tsa_core::decide::{Change, EffectKind, State, render_overlay};
use kumo_tsa_core::wire::Time;
use sha2::{Digest, Sha256};

/// More waiting changes than this are taken in by whoever brings the next.
const WAITING_AT_MOST: usize = 4096;

/// The effects, as of the last change of the state; effects themselves are shared with it.
pub(super) struct Mirror {
    waiting: Mutex<Vec<Change>>,
    shown: Mutex<Shown>,
}

struct Shown {
    state: State,
    overlay: Option<Arc<Overlay>>,
}

/// The generated `shaping.toml`, rendered once for each state (semantics O4).
#[derive(Debug)]
pub(super) struct Overlay {
    pub(super) text: Bytes,
    /// In the quotes of the header `ETag`.
    pub(super) etag: String,
}

impl Mirror {
    pub(super) fn new(state: &State) -> Self {
        let shown = Shown { state: state.without_counts(), overlay: None };
        Self { waiting: Mutex::default(), shown: Mutex::new(shown) }
    }

    /// Takes changes in that have been applied to the state, in their order.
    pub(super) fn follow<'c>(&self, changes: impl IntoIterator<Item = &'c Change>) {
        let shows = |change: &&Change| matches!(change, Change::Effect(_) | Change::Ended(_) | Change::Shift(_));
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(changes.into_iter().filter(shows).cloned());
        if waiting.len() <= WAITING_AT_MOST {
            return;
        }
        drop(waiting);
        // Someone who is reading will take them in; then these wait on.
        if let Ok(mut shown) = self.shown.try_lock() {
            self.catch_up(&mut shown);
        }
    }

    /// Calls `read` with the effects.
    pub(super) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.current().state)
    }

    /// The generated `shaping.toml`.
    pub(super) fn overlay(&self, now: Time) -> Arc<Overlay> {
        let mut shown = self.current();
        if let Some(overlay) = &shown.overlay {
            return overlay.clone();
        }
        let text = render_overlay(&shown.state, now);
        let hash = Sha256::digest(text.as_bytes());
        let etag = format!("\"{}\"", data_encoding::HEXLOWER.encode(hash.get(..16).unwrap_or_default()));
        let overlay = Arc::new(Overlay { text: Bytes::from(text), etag });
        shown.overlay = Some(overlay.clone());
        overlay
    }

    fn current(&self) -> MutexGuard<'_, Shown> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        self.catch_up(&mut shown);
        shown
    }

    fn catch_up(&self, shown: &mut Shown) {
        // In one go, so that changes are not taken in out of order by two.
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for change in &waiting {
            let touched = shown.state.apply(change);
            let moved = matches!(change, Change::Shift(_));
            if moved || touched.is_some_and(|touched| touched.kind == EffectKind::Override) {
                shown.overlay = None;
            }
        }
    }
}
