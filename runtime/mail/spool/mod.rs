//! The spool: where messages are from the moment they are accepted until their fate is logged.
//!
//! It has two parts: `data`, the content, which is written once, and `meta`, all else, which is written again with each
//! attempt. A message is in the spool when both are; a part without the other is what a dying process left.

mod definition;
mod engine;
mod enumerate;
mod file;
mod part;
mod turn;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;

pub use definition::{Definition, Kind, Part};
use part::Spool;
use turn::{Engines, Turns, Work};

use super::message::{Message, MessageId};
use crate::host::{Clock, Host};

/// How long after a failed removal it is tried again.
const REMOVE_AGAIN: Duration = Duration::from_secs(1);

/// The spool cannot do what is asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It does not hold the message.
    #[error("message `{id}` is not in the spool")]
    Missing {
        /// The message.
        id: MessageId,
    },
    /// What is stored of the message is not what was written.
    #[error("message `{id}` in the spool cannot be read: {why}")]
    Unreadable {
        /// The message.
        id: MessageId,
        /// What is wrong with it.
        why: String,
    },
    /// It takes no writes, or cannot be read, at the moment.
    #[error("the spool `{name}` in `{folder}` failed: {why}")]
    Failed {
        /// `data` or `meta`.
        name: String,
        /// Where it is.
        folder: String,
        /// What the system says.
        why: String,
    },
    /// Less is free than the policy wants before new messages are taken.
    #[error("the spool `{name}` in `{folder}` is full: {free} {what} are free, and it wants {least}")]
    Full {
        /// `data` or `meta`.
        name: String,
        /// Where it is.
        folder: String,
        /// `bytes` or `inodes`.
        what: &'static str,
        /// How many are free.
        free: u64,
        /// How many have to be.
        least: u64,
    },
    /// The policy defined none, or one alone.
    #[error("no spools have been defined: call `kumo.define_spool` for `data` and for `meta`")]
    Undefined,
}

/// What the policy has defined so far.
#[derive(Default)]
struct Definitions(Mutex<BTreeMap<Part, Definition>>);

/// The spools `data` and `meta` of a host, open.
#[derive(Debug)]
pub struct Spools {
    data: Spool,
    meta: Spool,
    turns: Arc<Turns>,
    /// Later than the ids of all messages that were in it when it was opened.
    opened: MessageId,
    clock: Clock,
    /// What could not be removed when it was to be.
    unremoved: Mutex<Vec<MessageId>>,
}

impl Spools {
    /// Defines one of the two; a later definition replaces an earlier one.
    pub fn define(host: &Host, definition: Definition) {
        if definition.kind == Kind::RocksDB {
            tracing::info!("spool `{}`: kind `RocksDB` is kept by the embedded engine `Fjall`", definition.name);
        }
        if definition.rocks_params.is_some() {
            tracing::info!("spool `{}`: `rocks_params` have no effect", definition.name);
        }
        let definitions = host.slot(Definitions::default);
        definitions.0.lock().unwrap_or_else(PoisonError::into_inner).insert(definition.name, definition);
    }

    /// Opens both spools as they are defined, and makes them those of the host.
    ///
    /// # Errors
    /// [`Error::Undefined`] unless both are defined; [`Error::Failed`] when a folder cannot be made or read, or another
    /// process has it open.
    pub async fn open(host: &Host) -> Result<Arc<Self>, Error> {
        let definitions = {
            let definitions = host.slot(Definitions::default);
            let definitions = definitions.0.lock().unwrap_or_else(PoisonError::into_inner);
            (definitions.get(&Part::Data).cloned(), definitions.get(&Part::Meta).cloned())
        };
        let (Some(data), Some(meta)) = definitions else { return Err(Error::Undefined) };
        if data.path == meta.path {
            let folder = meta.path.display().to_string();
            let why = "the spool `data` is in the same folder: give each its own".to_owned();
            return Err(Error::Failed { name: "meta".to_owned(), folder, why });
        }
        let (data, meta) = (Spool::open(host, data).await?, Spool::open(host, meta).await?);
        let spools = Arc::new(Self {
            data,
            meta,
            turns: Arc::default(),
            opened: MessageId::new(),
            clock: host.clock().clone(),
            unremoved: Mutex::default(),
        });
        host.slot(ArcSwapOption::<Self>::empty).store(Some(spools.clone()));
        Ok(spools)
    }

    /// Those of the host, once they have been opened.
    pub fn of(host: &Host) -> Option<Arc<Self>> {
        host.slot(ArcSwapOption::<Self>::empty).load_full()
    }

    /// Stores a message: its content, unless it is there already, and all else. When this returns the death of the process
    /// loses nothing, and where the spool is defined with `flush` neither does that of the machine (semantics D5).
    ///
    /// A message that is not in the spool yet is refused when too little is free; then, and after a failure, it is not
    /// in the spool.
    pub async fn save(self: &Arc<Self>, message: &Message) -> Result<(), Error> {
        let is_new = !message.is_in_spool();
        if is_new {
            self.health()?;
        }
        let unsaved = message.unsaved_data();
        if let Err(error) = self.put(message, unsaved.clone()).await {
            if is_new {
                // If this fails too, the next start finds it without the rest and drops it.
                let _ = self.data.delete(message.id()).await;
            }
            return Err(error);
        }
        message.saved(self, unsaved.as_ref());
        Ok(())
    }

    /// Stores all of a message but its content: after an attempt, or a change of its notes.
    pub async fn save_meta(self: &Arc<Self>, message: &Message) -> Result<(), Error> {
        self.put(message, None).await
    }

    /// Content, where that is given, before meta.
    async fn put(&self, message: &Message, data: Option<Bytes>) -> Result<(), Error> {
        let (id, sync) = (message.id(), message.is_force_sync());
        let meta = serde_json::to_vec(&message.envelope())
            .map_err(|cause| Error::Unreadable { id, why: cause.to_string() })?
            .into();
        let Some(engines) = self.engines()? else {
            if let Some(data) = data {
                self.data.put(id, data, sync).await?;
            }
            return self.meta.put(id, meta, sync).await;
        };
        let written = self.turns.write(engines, Work::Save { id, data, meta }).await.map_err(|why| self.failed(why))?;
        self.data.synced(written.data, sync).await?;
        self.meta.synced(written.meta, sync).await
    }

    /// Both, where the embedded engine keeps them: then writes are made together.
    fn engines(&self) -> Result<Option<Engines>, Error> {
        let (data, meta) = (self.data.store()?, self.meta.store()?);
        Ok(data.zip(meta).map(|(data, meta)| Engines { data, meta }))
    }

    fn failed(&self, (part, why): turn::Failure) -> Error {
        match part {
            Part::Data => self.data.failed(why),
            Part::Meta => self.meta.failed(why),
        }
    }

    /// Removes a message whose fate is settled. After an error it is tried again until it is done, so that a disk that is
    /// full for a while brings no message back; a process that ends before that does.
    pub async fn remove(self: &Arc<Self>, id: MessageId) -> Result<(), Error> {
        let removed = self.try_remove(id).await;
        if removed.is_err() {
            self.remove_later(id);
        }
        removed
    }

    fn remove_later(self: &Arc<Self>, id: MessageId) {
        let is_first = {
            let mut unremoved = self.unremoved.lock().unwrap_or_else(PoisonError::into_inner);
            unremoved.push(id);
            unremoved.len() == 1
        };
        if is_first {
            let (spools, clock) = (Arc::downgrade(self), self.clock.clone());
            tokio::spawn(async move {
                loop {
                    clock.sleep(REMOVE_AGAIN).await;
                    let Some(spools) = spools.upgrade() else { break };
                    if spools.remove_unremoved().await {
                        break;
                    }
                }
            });
        }
    }

    /// Tells whether nothing is left to remove.
    async fn remove_unremoved(&self) -> bool {
        let ids = self.unremoved.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut done = 0;
        for id in &ids {
            if self.try_remove(*id).await.is_err() {
                break;
            }
            done += 1;
        }
        let mut unremoved = self.unremoved.lock().unwrap_or_else(PoisonError::into_inner);
        // Others are added at the end alone.
        unremoved.drain(..done);
        unremoved.is_empty()
    }

    async fn try_remove(&self, id: MessageId) -> Result<(), Error> {
        if let Some(engines) = self.engines()? {
            let written = self.turns.write(engines, Work::Remove { id }).await;
            return written.map(drop).map_err(|why| self.failed(why));
        }
        // Without this part it is not delivered again, whatever becomes of the other.
        self.meta.delete(id).await?;
        self.data.delete(id).await
    }

    /// As [`remove`](Self::remove), where the message is at hand: its content stays in memory if it is there.
    pub async fn remove_message(self: &Arc<Self>, message: &Message) -> Result<(), Error> {
        self.remove(message.id()).await?;
        message.removed();
        Ok(())
    }

    /// The content of a message.
    pub async fn load_data(&self, id: MessageId) -> Result<Bytes, Error> {
        self.data.get(id).await
    }

    /// A message that is in the spool, without its content.
    pub async fn load(self: &Arc<Self>, id: MessageId) -> Result<Message, Error> {
        self.parse(id, &self.meta.get(id).await?)
    }

    fn parse(self: &Arc<Self>, id: MessageId, text: &[u8]) -> Result<Message, Error> {
        let envelope =
            serde_json::from_slice(text).map_err(|cause| Error::Unreadable { id, why: cause.to_string() })?;
        Ok(Message::from_spool(id, envelope, self.clone()))
    }

    /// Fails when new messages are not to be taken: a disk is failing or full, or less is free than is wanted. It recovers
    /// by itself when there is room again.
    pub fn health(&self) -> Result<(), Error> {
        self.data.check()?;
        self.meta.check()
    }

    /// Syncs and closes both; whatever is asked of them later fails.
    pub async fn close(&self) {
        self.data.close().await;
        self.meta.close().await;
    }
}
