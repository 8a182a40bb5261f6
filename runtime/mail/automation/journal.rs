//! What is known of daemons, on disk (semantics P7).
//!
//! One row for each entry: its key is owner, zero byte and key; its value the [`View`] as JSON. Rows are written at once
//! and synced within 100 ms; those of entries that ended while nobody looked are dropped at the next start.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kumo_tsa_core::decide::View;
use tokio::sync::{Mutex, watch};

use super::Key;
use crate::host::store::{Batch, Store};
use crate::host::{Clock, Paths};

/// The documented folder.
const FOLDER: &str = "/var/spool/kumomta/automation";

pub(super) struct Journal {
    folder: PathBuf,
    opening: Mutex<bool>,
    store: watch::Sender<Option<Store>>,
    /// A write has failed: what is on disk is older than what is known.
    behind: AtomicBool,
}

/// Rows to be written together.
#[derive(Default)]
pub(super) struct Write {
    batch: Batch,
    rows: usize,
}

impl Write {
    pub(super) fn put(&mut self, key: &Key, view: &View) {
        // Nothing in a view can fail to be JSON.
        self.batch.put(row(key), serde_json::to_vec(view).unwrap_or_default());
        self.rows += 1;
    }

    pub(super) fn delete(&mut self, key: &Key) {
        self.batch.delete(row(key));
        self.rows += 1;
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }
}

fn row((owner, key): &Key) -> Vec<u8> {
    [owner.as_bytes(), b"\0", key.as_bytes()].concat()
}

impl Journal {
    pub(super) fn new(paths: &Paths) -> Self {
        let folder = paths.resolve(Path::new(FOLDER)).into_owned();
        Self { folder, opening: Mutex::default(), store: watch::Sender::new(None), behind: AtomicBool::new(false) }
    }

    /// What is on disk, by owner; `None` when it was opened before.
    pub(super) async fn open(&self) -> Option<Vec<(Arc<str>, View)>> {
        let mut opened = self.opening.lock().await;
        if std::mem::replace(&mut *opened, true) {
            return None;
        }
        let folder = self.folder.clone();
        let opening = tokio::task::spawn_blocking(move || -> Result<_, crate::host::store::Error> {
            let store = Store::open(folder)?;
            let views = load(&store)?;
            Ok((store, views))
        });
        match opening.await {
            Ok(Ok((store, views))) => {
                self.store.send_replace(Some(store));
                Some(views)
            }
            Ok(Err(error)) => {
                let why = anyhow::Error::from(error);
                tracing::error!("what automation decides is kept in memory alone, and forgotten at a restart: {why:#}");
                Some(Vec::new())
            }
            Err(panicked) => {
                tracing::error!("what automation decides is kept in memory alone: {panicked}");
                Some(Vec::new())
            }
        }
    }

    /// Whether everything has to be written anew.
    pub(super) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed)
    }

    /// Writes rows; those of all entries too, where they are given, as after a failure.
    pub(super) fn append(&self, write: Write, everything: &[(Key, Arc<View>)]) {
        let Some(store) = self.store.borrow().clone() else { return };
        let mut write = write;
        for (key, view) in everything {
            write.put(key, view);
        }
        let failed = store.append(write.batch);
        let was_behind = self.behind.swap(failed.is_err(), Ordering::Relaxed);
        if let Err(error) = failed
            && !was_behind
        {
            tracing::error!("automation: {:#}", anyhow::Error::from(error));
        }
    }

    /// Syncs what is written; never ends by itself.
    pub(super) async fn attend(&self, clock: &Clock) {
        let mut opened = self.store.subscribe();
        let store = match opened.wait_for(Option::is_some).await {
            Ok(store) => store.clone(),
            Err(_) => None,
        };
        match store {
            Some(store) => store.attend(clock, false).await,
            None => std::future::pending().await,
        }
    }

    /// Syncs what is left, and lets go of the folder.
    pub(super) async fn close(&self) {
        let Some(store) = self.store.send_replace(None) else { return };
        let synced = tokio::task::spawn_blocking(move || store.sync()).await;
        if let Ok(Err(error)) = synced {
            tracing::error!("automation: {:#}", anyhow::Error::from(error));
        }
    }
}

/// The entries on disk; what cannot be read is said, and dropped.
fn load(store: &Store) -> Result<Vec<(Arc<str>, View)>, crate::host::store::Error> {
    let mut views = Vec::new();
    let mut bad = Batch::default();
    for found in store.rows()? {
        let (key, value) = found?;
        if let Some(view) = parse(&key, &value) {
            views.push(view);
        } else {
            tracing::warn!("automation: the row `{}` on disk cannot be read, and is dropped", key.escape_ascii());
            bad.delete(&key);
        }
    }
    if !bad.is_empty() {
        store.append(bad)?;
    }
    Ok(views)
}

fn parse(key: &[u8], value: &[u8]) -> Option<(Arc<str>, View)> {
    let (owner, key) = std::str::from_utf8(key).ok()?.split_once('\0')?;
    let view: View = serde_json::from_slice(value).ok()?;
    (view.key == key).then(|| (owner.into(), view))
}
