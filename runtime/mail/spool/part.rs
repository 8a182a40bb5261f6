//! One of the two spools, open.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::Error;
use super::definition::Definition;
use super::engine::Engine;
use crate::host::Host;
use crate::mail::message::MessageId;
use crate::mail::room::{Room, Short};

/// An open spool. Each call works on a thread for blocking work.
#[derive(Debug)]
pub(super) struct Spool {
    definition: Definition,
    /// Where its folder really is, and what has to be free there.
    room: Room,
    /// `None` after it was closed.
    engine: ArcSwapOption<Engine>,
    /// Syncs the embedded engine, and opens it again after failures.
    attending: Mutex<Option<JoinHandle<()>>>,
}

impl Spool {
    pub(super) async fn open(host: &Host, definition: Definition) -> Result<Self, Error> {
        let folder = host.paths().resolve(&definition.path).into_owned();
        let (kind, part, at) = (definition.kind, definition.name, folder.clone());
        let failed = |why| failed(&definition, why);
        let opened = tokio::task::spawn_blocking(move || Engine::open(&at, kind, part)).await;
        let engine = opened.map_err(|gone| failed(gone.to_string()))?.map_err(failed)?;
        let attending = engine.store().map(|store| {
            let (store, clock, at_once) = (store.clone(), host.clock().clone(), definition.flush);
            tokio::spawn(async move { store.attend(&clock, at_once).await })
        });
        let room = Room::new(host, folder, definition.min_free_space, definition.min_free_inodes);
        Ok(Self { definition, room, engine: ArcSwapOption::from_pointee(engine), attending: Mutex::new(attending) })
    }

    pub(super) fn failed(&self, why: impl Into<String>) -> Error {
        failed(&self.definition, why.into())
    }

    fn engine(&self) -> Result<Arc<Engine>, Error> {
        self.engine.load_full().ok_or_else(|| self.failed("it is closed"))
    }

    /// The embedded engine, where that keeps it.
    pub(super) fn store(&self) -> Result<Option<Arc<Engine>>, Error> {
        let engine = self.engine()?;
        Ok(engine.store().is_some().then_some(engine))
    }

    /// Returns when the write of this number is on disk, where the spool is defined so, or with `sync`.
    pub(super) async fn synced(&self, number: Option<u64>, sync: bool) -> Result<(), Error> {
        if !(sync || self.definition.flush) {
            return Ok(());
        }
        if let (Some(number), Some(store)) = (number, self.engine()?.store()) {
            store.synced(number).await.map_err(|cause| self.failed(format!("{:#}", anyhow::Error::from(cause))))?;
        }
        Ok(())
    }

    /// Works on the engine where that holds up nobody else.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine) -> Result<T, String> + Send + 'static,
    ) -> Result<T, Error> {
        let engine = self.engine()?;
        let done = tokio::task::spawn_blocking(move || work(&engine)).await;
        done.map_err(|gone| self.failed(gone.to_string()))?.map_err(|why| self.failed(why))
    }

    /// Stores; with `sync`, or where the spool is defined so, it is on disk when this returns.
    pub(super) async fn put(&self, id: MessageId, content: Bytes, sync: bool) -> Result<(), Error> {
        let sync = sync || self.definition.flush;
        let number = self.with(move |engine| engine.put(id, &content, sync)).await?;
        self.synced(number, sync).await
    }

    pub(super) async fn get(&self, id: MessageId) -> Result<Bytes, Error> {
        self.with(move |engine| engine.get(id)).await?.ok_or(Error::Missing { id })
    }

    pub(super) async fn delete(&self, id: MessageId) -> Result<(), Error> {
        self.with(move |engine| engine.delete(id)).await
    }

    pub(super) async fn set_aside(&self, id: MessageId) -> Result<Option<PathBuf>, Error> {
        let folder = self.room.folder.clone();
        self.with(move |engine| engine.set_aside(&folder, id)).await
    }

    /// Fails when new messages are not to be taken: writes fail, or too little is free.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.engine()?.check().map_err(|why| self.failed(why))?;
        match self.room.short().map_err(|why| self.failed(why))? {
            None => Ok(()),
            Some(Short { what, free, least }) => Err(Error::Full {
                name: self.definition.name.to_string(),
                folder: self.definition.path.display().to_string(),
                what,
                free,
                least,
            }),
        }
    }

    /// Syncs and closes it; all that is asked of it later fails.
    pub(super) async fn close(&self) {
        let attending = self.attending.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(attending) = attending {
            attending.abort();
            // An error is what the abort makes.
            let _ = attending.await;
        }
        let Some(engine) = self.engine.swap(None) else { return };
        let closed =
            tokio::task::spawn_blocking(move || engine.store().map_or(Ok(()), crate::host::store::Store::sync));
        if let Ok(Err(error)) = closed.await {
            tracing::error!("{:#}", anyhow::Error::from(error));
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Some(attending) = self.attending.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            attending.abort();
        }
    }
}

fn failed(definition: &Definition, why: String) -> Error {
    Error::Failed { name: definition.name.to_string(), folder: definition.path.display().to_string(), why }
}
