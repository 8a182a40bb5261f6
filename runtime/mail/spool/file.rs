//! A file for each message.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::mail::message::MessageId;

/// Where files are written before they get their name.
const UNFINISHED: &str = "unfinished";

/// Files `XX/ID` in a folder, where `XX` are the last two digits of the message's id. A file is written under another name,
/// then renamed: it is there as a whole or not at all.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    /// Makes the folder if it is not there, and drops what an earlier process did not finish.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let unfinished = folder.join(UNFINISHED);
        fs::create_dir_all(&unfinished)?;
        for entry in fs::read_dir(&unfinished)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    fn bucket(&self, id: MessageId) -> PathBuf {
        self.folder.join(format!("{:02x}", id.as_bytes()[15]))
    }

    fn path(&self, id: MessageId) -> PathBuf {
        self.bucket(id).join(id.to_string())
    }

    pub(super) fn put(&self, id: MessageId, content: &[u8], sync: bool) -> io::Result<()> {
        // Two writers of one message do not meet in one file.
        let unfinished = self.folder.join(UNFINISHED).join(format!("{id}.{}", uuid::Uuid::new_v4().simple()));
        let written = Self::write(&unfinished, content, sync).and_then(|()| self.name(&unfinished, id, sync));
        if let Err(cause) = written {
            // What is left of it is dropped at the next start at the latest.
            let _ = fs::remove_file(&unfinished);
            return Err(cause);
        }
        if sync { File::open(self.bucket(id))?.sync_all() } else { Ok(()) }
    }

    /// Gives a file its name, in a folder that is made when it is needed first.
    fn name(&self, unfinished: &Path, id: MessageId, sync: bool) -> io::Result<()> {
        let path = self.path(id);
        match fs::rename(unfinished, &path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(self.bucket(id))?;
                if sync {
                    File::open(&self.folder)?.sync_all()?;
                }
                fs::rename(unfinished, &path)
            }
            named => named,
        }
    }

    fn write(path: &Path, content: &[u8], sync: bool) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        file.write_all(content)?;
        if sync { file.sync_data() } else { Ok(()) }
    }

    pub(super) fn get(&self, id: MessageId) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(id)) {
            Ok(content) => Ok(Some(content)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    pub(super) fn delete(&self, id: MessageId) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
            _ => Ok(()),
        }
    }

    /// The ids of all, in no order. Files with other names are left alone.
    pub(super) fn ids(&self) -> io::Result<Vec<MessageId>> {
        let mut ids = Vec::new();
        for number in 0..=u8::MAX {
            let entries = match fs::read_dir(self.folder.join(format!("{number:02x}"))) {
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
                entries => entries?,
            };
            for entry in entries {
                let name = entry?.file_name();
                ids.extend(
                    name.to_str().filter(|name| name.len() == 32).and_then(|name| name.parse::<MessageId>().ok()),
                );
            }
        }
        Ok(ids)
    }
}
