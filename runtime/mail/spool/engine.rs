//! What keeps the entries of a spool.

use std::fs;
use std::path::Path;

use bytes::Bytes;

use super::definition::{Kind, Part};
use super::file::Files;
use crate::host::store::{Batch, Layout, Store};
use crate::mail::message::MessageId;

/// The embedded engine is in this folder of the spool, so that it meets no files of another engine.
const STORE: &str = "store";
/// What could not be read is put into this folder of the spool.
const ASIDE: &str = "aside";

/// The embedded engine, or files.
pub(super) enum Engine {
    Files(Files),
    Store(Store),
}

/// Why it could not, in words.
type Why = String;

impl Engine {
    pub(super) fn open(folder: &Path, kind: Kind, part: Part) -> Result<Self, Why> {
        match kind {
            Kind::LocalDisk => Files::open(folder).map(Self::Files).map_err(why),
            Kind::RocksDB | Kind::Fjall => {
                fs::create_dir_all(folder).map_err(why)?;
                let large_values = part == Part::Data;
                let layout = Layout {
                    memtable_bytes: 32 * 1024 * 1024,
                    cache_bytes: 8 * 1024 * 1024,
                    journal_bytes: 256 * 1024 * 1024,
                    large_values,
                };
                Store::open_with(folder.join(STORE), layout).map(Self::Store).map_err(why)
            }
        }
    }

    /// Tells the number to wait for until it is on disk; `None` when it is there already, or nothing syncs it.
    pub(super) fn put(&self, id: MessageId, content: &[u8], sync: bool) -> Result<Option<u64>, Why> {
        match self {
            Self::Files(files) => files.put(id, content, sync).map(|()| None).map_err(why),
            Self::Store(store) => {
                let mut batch = Batch::default();
                batch.put(id.as_bytes(), content);
                let number = store.append(batch).map_err(why)?;
                Ok(sync.then_some(number))
            }
        }
    }

    /// Makes changes of the embedded engine together; tells the number to wait for until they are on disk.
    pub(super) fn append(&self, batch: Batch) -> Result<Option<u64>, Why> {
        match self {
            Self::Files(_) => Ok(None),
            Self::Store(store) => store.append(batch).map(Some).map_err(why),
        }
    }

    pub(super) fn get(&self, id: MessageId) -> Result<Option<Bytes>, Why> {
        match self {
            Self::Files(files) => Ok(files.get(id).map_err(why)?.map(Bytes::from)),
            Self::Store(store) => {
                Ok(store.get(id.as_bytes()).map_err(why)?.map(|value| Bytes::copy_from_slice(&value)))
            }
        }
    }

    pub(super) fn delete(&self, id: MessageId) -> Result<(), Why> {
        match self {
            Self::Files(files) => files.delete(id).map_err(why),
            Self::Store(store) => {
                let mut batch = Batch::default();
                batch.delete(id.as_bytes());
                store.append(batch).map(drop).map_err(why)
            }
        }
    }

    pub(super) fn ids(&self) -> Result<Vec<MessageId>, Why> {
        match self {
            Self::Files(files) => files.ids().map_err(why),
            Self::Store(store) => {
                let keys = store.keys().map_err(why)?.filter_map(|key| match key {
                    Ok(key) => <[u8; 16]>::try_from(&*key).ok().map(|bytes| Ok(MessageId::from_bytes(bytes))),
                    Err(cause) => Some(Err(why(cause))),
                });
                keys.collect()
            }
        }
    }

    /// Moves an entry to where nobody reads it by itself. Tells where it is now.
    pub(super) fn set_aside(&self, folder: &Path, id: MessageId) -> Result<Option<std::path::PathBuf>, Why> {
        let Some(content) = self.get(id)? else { return Ok(None) };
        let aside = folder.join(ASIDE);
        fs::create_dir_all(&aside).map_err(why)?;
        let file = aside.join(id.to_string());
        fs::write(&file, content).map_err(why)?;
        self.delete(id)?;
        Ok(Some(file))
    }

    /// Fails when writes are not taken at the moment.
    pub(super) fn check(&self) -> Result<(), Why> {
        match self {
            Self::Files(_) => Ok(()),
            Self::Store(store) => store.check().map_err(why),
        }
    }

    pub(super) fn store(&self) -> Option<&Store> {
        match self {
            Self::Files(_) => None,
            Self::Store(store) => Some(store),
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Files(_) => "Files",
            Self::Store(_) => "Store",
        })
    }
}

fn why(cause: impl std::error::Error + Send + Sync + 'static) -> Why {
    format!("{:#}", anyhow::Error::from(cause))
}
