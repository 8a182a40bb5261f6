//! What a host keeps on disk: keys and values in a folder, changed in atomic batches.
//!
//! A wrapper over fjall that gives three promises (semantics D1 to D3):
//!
//! * when [`Store::append`] returns, the operating system has the data: the death of the process loses nothing;
//! * the disk has it within 100 ms of the first unsynced write, or before [`Store::synced`] returns to who asks for that;
//! * after a full or failing disk nothing is half done, and the store opens itself again when it can.
//!
//! The last two need [`Store::attend`] to run beside it.

mod batch;
mod error;
mod journal;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};
use tokio::sync::{Notify, watch};

pub use batch::Batch;
pub use error::Error;

use super::Clock;

/// How long writes may gather before they are synced; with the sync itself this stays well under 100 ms.
const GATHER: Duration = Duration::from_millis(40);
/// How long after a failure the store is opened again.
const REOPEN_AFTER: Duration = Duration::from_secs(1);
const KEYSPACE: &str = "state";
/// A key that no user of the store has; rewritten to see whether the disk takes writes again.
const PROBE: &[u8] = b"\0probe";

/// What a store is laid out for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// What may be in memory alone besides the journal. Default: 16 MiB.
    pub memtable_bytes: u64,
    /// Blocks kept in memory from reading. Default: 4 MiB, for what is read at start only.
    pub cache_bytes: u64,
    /// What journals may take on disk. Default: 128 MiB.
    pub journal_bytes: u64,
    /// Whether values of 1 KiB and more are kept beside the tables, so that merging tables does not copy them.
    /// Default: false.
    pub large_values: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            memtable_bytes: 16 * 1024 * 1024,
            cache_bytes: 4 * 1024 * 1024,
            journal_bytes: 128 * 1024 * 1024,
            large_values: false,
        }
    }
}

/// A handle to a store; clones refer to the same one.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    layout: Layout,
    open: Mutex<State>,
    /// How many batches have been appended.
    appended: watch::Sender<u64>,
    /// How many of them are known to be on disk.
    synced: watch::Sender<u64>,
    failed: Notify,
}

enum State {
    Open(Open),
    /// Writing failed.
    Down {
        why: String,
        /// What the failed batch would have overwritten, to be put back when the store opens again.
        undo: Batch,
        /// What can still be read, which is all that was stored before; not there after opening again has failed.
        last: Option<Open>,
    },
}

struct Open {
    database: Database,
    keyspace: Keyspace,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.0.folder).finish()
    }
}

impl Store {
    /// Opens the store in `folder`, which is made if it is not there. Blocks on the disk.
    ///
    /// Fails when the folder cannot be made or written, or when another process has it open.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::open_with(folder, Layout::default())
    }

    /// As [`open`](Self::open), laid out otherwise. Whether large values are kept apart is decided when the folder is
    /// made.
    pub fn open_with(folder: impl Into<PathBuf>, layout: Layout) -> Result<Self, Error> {
        let folder = folder.into();
        let open = open(&folder, &layout).map_err(|cause| Error::open(&folder, &cause))?;
        Ok(Self(Arc::new(Shared {
            folder,
            layout,
            open: Mutex::new(State::Open(open)),
            appended: watch::Sender::new(0),
            synced: watch::Sender::new(0),
            failed: Notify::new(),
        })))
    }

    /// The folder that the store is in.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Makes all changes of `batch`, or none, and hands them to the operating system before it returns.
    ///
    /// Tells the number of the batch, which [`synced`](Self::synced) takes. After an error nothing has changed, and all
    /// appends fail until the store has opened again.
    pub fn append(&self, batch: Batch) -> Result<u64, Error> {
        if batch.is_empty() {
            return Ok(*self.0.synced.borrow());
        }
        let mut state = self.lock();
        let open = match &*state {
            State::Open(open) => open,
            State::Down { why, .. } => return Err(self.down(why)),
        };
        // The keys are shared with the batch, not copied.
        let keys = batch.keys();
        match commit(open, batch, PersistMode::Buffer) {
            Ok(()) => {
                drop(state);
                let mut number = 0;
                self.0.appended.send_modify(|count| {
                    *count += 1;
                    number = *count;
                });
                Ok(number)
            }
            Err(cause) => {
                // A failed batch is not in the tables in memory, so these still tell what was there before it. It may
                // be in the journal, wholly or in part, which is why it has to be undone.
                let undo = before(open, keys);
                let error = Error::append(&self.0.folder, &cause);
                state.go_down(error::plain(&cause), undo);
                drop(state);
                self.0.failed.notify_one();
                Err(error)
            }
        }
    }

    /// Returns when the batch of this number is on disk.
    ///
    /// Fails when the store fails before it is.
    pub async fn synced(&self, number: u64) -> Result<(), Error> {
        let mut synced = self.0.synced.subscribe();
        loop {
            if *synced.borrow_and_update() >= number {
                return Ok(());
            }
            self.check()?;
            if synced.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// All keys and values as they are now, in the order of the keys.
    ///
    /// After a failed append this is what was there before it.
    pub fn rows(&self) -> Result<impl Iterator<Item = Result<(fjall::Slice, fjall::Slice), Error>> + use<>, Error> {
        let keyspace = self.readable()?;
        let folder = self.0.folder.clone();
        let rows = keyspace.iter().map(move |row| row.into_inner().map_err(|cause| Error::read(&folder, &cause)));
        Ok(rows.filter(|row| !matches!(row, Ok((key, _)) if **key == *PROBE)))
    }

    /// The value of `key` as it is now.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<fjall::Slice>, Error> {
        self.readable()?.get(key).map_err(|cause| Error::read(&self.0.folder, &cause))
    }

    /// All keys as they are now, in order; values are not read.
    pub fn keys(&self) -> Result<impl Iterator<Item = Result<fjall::Slice, Error>> + use<>, Error> {
        let folder = self.0.folder.clone();
        let keys = self.readable()?.iter().map(move |row| row.key().map_err(|cause| Error::read(&folder, &cause)));
        Ok(keys.filter(|key| !matches!(key, Ok(key) if **key == *PROBE)))
    }

    fn readable(&self) -> Result<Keyspace, Error> {
        match &*self.lock() {
            State::Open(open) | State::Down { last: Some(open), .. } => Ok(open.keyspace.clone()),
            State::Down { why, .. } => Err(self.down(why)),
        }
    }

    /// Fails when appends are not taken at the moment.
    pub fn check(&self) -> Result<(), Error> {
        match &*self.lock() {
            State::Open(_) => Ok(()),
            State::Down { why, .. } => Err(self.down(why)),
        }
    }

    fn down(&self, why: &str) -> Error {
        Error::Down { folder: self.0.folder.clone(), why: why.to_owned() }
    }

    /// Syncs everything that has been appended to disk. Blocks on the disk, without holding up appends.
    pub fn sync(&self) -> Result<(), Error> {
        let number = *self.0.appended.borrow();
        if *self.0.synced.borrow() >= number {
            return Ok(());
        }
        // Not through fjall, whose sync makes appends wait. Journals before the newest were synced when it was begun.
        journal::sync_newest(&self.0.folder).map_err(|cause| {
            self.lock().go_down(cause.to_string(), Batch::default());
            self.0.failed.notify_one();
            // Wakes who waits for a sync that will not come.
            self.0.synced.send_modify(|_| ());
            Error::Sync { folder: self.0.folder.clone(), source: cause }
        })?;
        self.0.synced.send_if_modified(|synced| {
            let more = *synced < number;
            *synced = (*synced).max(number);
            more
        });
        Ok(())
    }

    /// Syncs what is appended and opens the store again after failures; runs until it is dropped.
    ///
    /// With `at_once` a sync follows each append without delay, and those that come during a sync share the next one;
    /// else they gather for a moment first.
    pub async fn attend(&self, clock: &Clock, at_once: bool) {
        let mut appended = self.0.appended.subscribe();
        loop {
            let down = self.check().is_err();
            let ahead = *appended.borrow_and_update() > *self.0.synced.borrow();
            if down {
                clock.sleep(REOPEN_AFTER).await;
                self.in_background(Self::reopen).await;
            } else if ahead {
                if !at_once {
                    clock.sleep(GATHER).await;
                }
                self.in_background(Self::sync).await;
            } else {
                tokio::select! {
                    _ = appended.changed() => {}
                    () = self.0.failed.notified() => {}
                }
            }
        }
    }

    async fn in_background(&self, work: fn(&Self) -> Result<(), Error>) {
        let store = self.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || work(&store)).await {
            tracing::error!("{:#}", anyhow::Error::from(error));
        }
    }

    /// Opens a failed store again; what a failed append may have left in the journal is undone. Blocks on the disk.
    pub fn reopen(&self) -> Result<(), Error> {
        let mut state = self.lock();
        let State::Down { undo, last, .. } = &mut *state else { return Ok(()) };
        // It holds the lock of the folder.
        *last = None;
        let opened = open(&self.0.folder, &self.0.layout).map_err(|cause| Error::open(&self.0.folder, &cause))?;
        let mut probe = undo.clone();
        probe.put(PROBE, b"");
        commit(&opened, probe, PersistMode::SyncData).map_err(|cause| Error::append(&self.0.folder, &cause))?;
        // The probe has shown that what is in the journal is on disk.
        *state = State::Open(opened);
        let number = *self.0.appended.borrow();
        drop(state);
        self.0.synced.send_replace(number);
        tracing::info!("the store in `{}` takes writes again", self.0.folder.display());
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn go_down(&mut self, why: String, undo: Batch) {
        let before = std::mem::replace(self, Self::Down { why, undo, last: None });
        match (self, before) {
            (Self::Down { last, .. }, Self::Open(open)) => *last = Some(open),
            // What has to be undone since it went down first still has.
            (now, down) => *now = down,
        }
    }
}

fn open(folder: &Path, layout: &Layout) -> fjall::Result<Open> {
    let database = Database::builder(folder)
        .cache_size(layout.cache_bytes)
        // Of several, one passes work on to the others in a busy loop while they compact.
        .worker_threads(1)
        .max_journaling_size(layout.journal_bytes)
        .open()?;
    let apart = layout.large_values.then(KvSeparationOptions::default);
    let options =
        || KeyspaceCreateOptions::default().max_memtable_size(layout.memtable_bytes).with_kv_separation(apart.clone());
    let keyspace = database.keyspace(KEYSPACE, options)?;
    Ok(Open { database, keyspace })
}

fn commit(open: &Open, batch: Batch, mode: PersistMode) -> fjall::Result<()> {
    let changes = batch.into_changes();
    let mut write = fjall::OwnedWriteBatch::with_capacity(open.database.clone(), changes.len()).durability(Some(mode));
    for (key, value) in changes {
        match value {
            Some(value) => write.insert(&open.keyspace, key, value),
            None => write.remove(&open.keyspace, key),
        }
    }
    write.commit()
}

fn before(open: &Open, keys: Vec<fjall::Slice>) -> Batch {
    let mut undo = Batch::default();
    for key in keys {
        match open.keyspace.get(&key) {
            Ok(value) => undo.set(key, value),
            Err(cause) => tracing::error!("cannot read back a value from the store: {cause}"),
        }
    }
    undo
}

#[cfg(test)]
mod tests;
