//! An open file, as `kumo.fs.open` gives it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::function::failure;
use mlua::{Error, Lua, LuaString, Result, UserData, UserDataMethods};

/// An open file; closed by `close`, or when nothing refers to it.
#[derive(Clone)]
pub(super) struct Handle(Arc<Mutex<Option<BufReader<File>>>>);

impl Handle {
    /// Opens a file with a mode of C's `fopen`: `r` (the default), `w`, `a`, each with `+` and `b` if wanted.
    pub(super) fn open(path: &Path, mode: Option<&str>) -> io::Result<Self> {
        let mode = mode.unwrap_or("r");
        let plain: String = mode.chars().filter(|c| *c != 'b').collect();
        let mut options = OpenOptions::new();
        match plain.as_str() {
            "r" => options.read(true),
            "r+" => options.read(true).write(true),
            "w" => options.write(true).create(true).truncate(true),
            "w+" => options.read(true).write(true).create(true).truncate(true),
            "a" => options.append(true).create(true),
            "a+" => options.read(true).append(true).create(true),
            _ => {
                let why = format!("invalid mode `{mode}`: expected `r`, `w`, `a`, `r+`, `w+` or `a+`");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
        };
        Ok(Self(Arc::new(Mutex::new(Some(BufReader::new(options.open(path)?))))))
    }

    /// Works on the open file where it holds up nobody else.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut BufReader<File>) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let file = self.0.clone();
        let work = move || match file.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(file) => work(file),
            None => Err(io::Error::other("the file is closed")),
        };
        let done = tokio::task::spawn_blocking(work).await.map_err(|e| failure(e.to_string()))?;
        done.map_err(Error::external)
    }

    fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Up to `n` bytes, or all that is left.
fn read(file: &mut BufReader<File>, n: Option<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match n {
        Some(n) => file.take(n).read_to_end(&mut bytes)?,
        None => file.read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}

fn read_line(file: &mut BufReader<File>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if file.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(Some(line))
}

fn write(file: &mut BufReader<File>, bytes: &[u8]) -> io::Result<()> {
    // What was read ahead is dropped, so that the bytes go where the reader stands.
    if !file.buffer().is_empty() {
        let at = file.stream_position()?;
        file.seek(SeekFrom::Start(at))?;
    }
    file.get_mut().write_all(bytes)
}

fn seek(file: &mut BufReader<File>, whence: &str, offset: i64) -> io::Result<u64> {
    let to = match whence {
        "set" => SeekFrom::Start(u64::try_from(offset).unwrap_or(0)),
        "cur" => SeekFrom::Current(offset),
        "end" => SeekFrom::End(offset),
        other => {
            let why = format!("invalid position `{other}`: expected `set`, `cur` or `end`");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
    };
    file.seek(to)
}

impl UserData for Handle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method("read", |lua: Lua, this, n: Option<u64>| {
            let this = this.clone();
            async move { lua.create_string(this.with(move |file| read(file, n)).await?) }
        });
        methods.add_async_method("read_line", |lua: Lua, this, ()| {
            let this = this.clone();
            async move { this.with(read_line).await?.map(|line| lua.create_string(line)).transpose() }
        });
        methods.add_async_method("write", |_, this, bytes: LuaString| {
            let (this, bytes) = (this.clone(), bytes.as_bytes().to_vec());
            async move { this.with(move |file| write(file, &bytes)).await }
        });
        methods.add_async_method("seek", |_, this, (whence, offset): (Option<String>, Option<i64>)| {
            let this = this.clone();
            async move {
                let whence = whence.unwrap_or_else(|| "cur".to_owned());
                this.with(move |file| seek(file, &whence, offset.unwrap_or(0))).await
            }
        });
        methods.add_async_method("flush", |_, this, ()| {
            let this = this.clone();
            async move { this.with(|file| file.get_mut().flush()).await }
        });
        methods.add_method("close", |_, this, ()| {
            this.close();
            Ok(())
        });
    }
}
