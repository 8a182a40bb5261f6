//! What can go wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

/// A store that cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be opened.
    #[error("cannot open the store in `{}`: {why}", folder.display())]
    Open {
        /// Where the store is.
        folder: PathBuf,
        /// What the cause was.
        why: String,
    },
    /// What is stored cannot be read.
    #[error("cannot read the store in `{}`: {why}", folder.display())]
    Read {
        /// Where the store is.
        folder: PathBuf,
        /// What the cause was.
        why: String,
    },
    /// A batch could not be written; nothing of it holds.
    #[error("cannot write to the store in `{}`: {why}", folder.display())]
    Append {
        /// Where the store is.
        folder: PathBuf,
        /// What the cause was.
        why: String,
    },
    /// An earlier write failed, and the store has not opened again since.
    #[error("the store in `{}` takes no writes since one failed: {why}", folder.display())]
    Down {
        /// Where the store is.
        folder: PathBuf,
        /// Why that write failed.
        why: String,
    },
    /// What was written could not be synced to disk.
    #[error("cannot sync the store in `{}`", folder.display())]
    Sync {
        /// Where the store is.
        folder: PathBuf,
        /// What the cause was.
        source: io::Error,
    },
}

impl Error {
    pub(super) fn open(folder: &Path, cause: &fjall::Error) -> Self {
        Self::Open { folder: folder.to_owned(), why: plain(cause) }
    }

    pub(super) fn read(folder: &Path, cause: &fjall::Error) -> Self {
        Self::Read { folder: folder.to_owned(), why: plain(cause) }
    }

    pub(super) fn append(folder: &Path, cause: &fjall::Error) -> Self {
        Self::Append { folder: folder.to_owned(), why: plain(cause) }
    }
}

/// The cause in words: fjall itself only offers its debug form.
pub(super) fn plain(cause: &fjall::Error) -> String {
    match cause {
        fjall::Error::Io(io) | fjall::Error::Storage(fjall::LsmError::Io(io)) => io.to_string(),
        fjall::Error::Locked => "another process has it open".to_owned(),
        fjall::Error::Poisoned => "an earlier write in the background failed".to_owned(),
        other => format!("{other:?}"),
    }
}
