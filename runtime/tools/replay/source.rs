//! The logs of a mail host as they lie on disk: which files there are, and what is in them whatever they are called.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, anyhow, bail};

use super::frames::{Frames, Kind};
use super::lines::{bare, first_time};

/// What stands for standard input.
pub(super) const STDIN: &str = "-";

/// As much of a log as tells whether it is one, uncompressed.
const BEGINNING_BYTES: u64 = 64 << 10;

/// One log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Log {
    /// As people are told of it.
    pub(super) name: String,
    /// `None` for standard input.
    path: Option<PathBuf>,
    /// As it lies on disk; 0 where that is not known.
    pub(super) bytes: u64,
    /// Whether it was named, and not found in a folder.
    named: bool,
    /// It can be read once alone: a pipe, a device.
    stream: bool,
}

/// A log's content is not that of one.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` is {what}; expected JSON lines as a mail host logs them, plain or compressed with gzip or zstd")]
pub(super) struct NoLog {
    name: String,
    what: &'static str,
}

/// How far reading has come, in bytes as they lie on disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(Arc<AtomicU64>);

impl Meter {
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The logs that arguments name: files, those below folders in the order of their names, standard input.
/// What is named twice, or found by several ways, is there once.
pub(super) fn find(arguments: &[PathBuf]) -> anyhow::Result<Vec<Log>> {
    let (mut logs, mut seen) = (Vec::new(), HashSet::new());
    for argument in arguments {
        let name = argument.display().to_string();
        if name == STDIN {
            if logs.iter().any(|log: &Log| log.path.is_none()) {
                bail!("`-` is given twice: standard input can be read once");
            }
            logs.push(Log { name: "standard input".to_owned(), path: None, bytes: 0, named: true, stream: true });
            continue;
        }
        let about = std::fs::metadata(argument).with_context(|| format!("cannot read `{name}`"))?;
        if about.is_dir() {
            let before = seen.len();
            below(argument, &mut logs, &mut seen).with_context(|| format!("cannot read the folder `{name}`"))?;
            // The folder itself is one.
            if seen.len() == before + 1 {
                bail!("there is no file in the folder `{name}`");
            }
        } else {
            let (path, stream) = (Some(argument.clone()), !about.is_file());
            if stream || is_new(argument, &mut seen) {
                logs.push(Log { name, path, bytes: about.len(), named: true, stream });
            }
        }
    }
    Ok(logs)
}

/// Whether no other way has led there.
fn is_new(path: &Path, seen: &mut HashSet<PathBuf>) -> bool {
    seen.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()))
}

fn below(folder: &Path, logs: &mut Vec<Log>, seen: &mut HashSet<PathBuf>) -> io::Result<()> {
    // A link may lead back up.
    if !is_new(folder, seen) {
        return Ok(());
    }
    let mut entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        let Ok(about) = std::fs::metadata(&path) else { continue };
        if about.is_dir() {
            below(&path, logs, seen)?;
        } else if about.is_file() && is_new(&path, seen) {
            let name = path.display().to_string();
            logs.push(Log { name, path: Some(path), bytes: about.len(), named: false, stream: false });
        }
    }
    Ok(())
}

/// Whether a path looks like logs rather than like a shaping file.
pub(super) fn looks_like_logs(path: &Path) -> bool {
    if path.as_os_str() == STDIN || path.is_dir() {
        return true;
    }
    if path.extension().is_some_and(|end| end == "toml") || is_url(path) {
        return false;
    }
    let json = path.extension().is_some_and(|end| end == "json");
    match beginning_of(path) {
        Ok(Some(text)) => has_records(&text) || (!json && judge(&text) != Some(TEXT)),
        Ok(None) => true,
        // What is not there is not missed as a shaping file, which has a suffix.
        Err(_) => !json,
    }
}

/// Whether a path is surely logs, and no shaping file.
pub(super) fn is_log(path: &Path) -> bool {
    path.is_dir() || beginning_of(path).is_ok_and(|text| text.is_some_and(|text| has_records(&text)))
}

/// The first bytes of a file; `None` for what can be read once alone.
fn beginning_of(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let about = std::fs::metadata(path)?;
    let path = Some(path.to_owned());
    let log = Log { name: String::new(), path, bytes: about.len(), named: true, stream: !about.is_file() };
    if log.stream { Ok(None) } else { log.beginning().map(Some) }
}

/// Whether it is to be fetched and not read.
pub(super) fn is_url(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.starts_with("http://") || path.starts_with("https://"))
}

impl Log {
    /// The first bytes of the log, uncompressed; empty for what can be read once alone. `None` where it is none.
    ///
    /// # Errors
    /// When the file cannot be read, or its content is not a log's.
    pub(super) fn begin(&self) -> anyhow::Result<Option<Vec<u8>>> {
        if self.stream {
            return Ok(Some(Vec::new()));
        }
        let text = self.beginning().with_context(|| format!("cannot read `{}`", self.name))?;
        match judge(&text) {
            None => Ok(Some(text)),
            Some(what) if self.named => Err(anyhow!(NoLog { name: self.name.clone(), what })),
            Some(_) => Ok(None),
        }
    }

    fn beginning(&self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let read = self.open(&Meter::default())?.take(BEGINNING_BYTES).read_to_end(&mut text);
        match read {
            // What is there can be looked at, however it ends.
            Err(error) if text.is_empty() && !is_damage(&error) => Err(error),
            _ => Ok(text),
        }
    }

    /// The content of the log, uncompressed.
    pub(super) fn open(&self, meter: &Meter) -> io::Result<Box<dyn Read + Send>> {
        let source: Box<dyn Read + Send> = match &self.path {
            Some(path) => Box::new(File::open(path)?),
            None => Box::new(io::stdin()),
        };
        decompressed(Metered { source, meter: meter.clone() })
    }

    /// Whether it can be read once alone; its content is judged as it is read.
    pub(super) fn is_stream(&self) -> bool {
        self.stream
    }
}

/// Whether reading failed because of what is in the file: it is cut short, or is not what it began as.
pub(super) fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | Other | UnexpectedEof)
}

/// What is neither JSON lines nor binary.
const TEXT: &str = "something else";

/// Whether any line is a record; what else there is may be damage.
fn has_records(text: &[u8]) -> bool {
    first_time(text).is_some()
}

/// What a text is, when it is not lines of JSON.
fn judge(text: &[u8]) -> Option<&'static str> {
    if has_records(text) {
        return None;
    }
    if text.contains(&0) {
        return Some("binary");
    }
    let lines = text.split(|byte| *byte == b'\n').map(|line| bare(line).trim_ascii_start());
    let mut lines = lines.filter(|line| !line.is_empty());
    let any = lines.clone().next().is_some();
    let json = lines.any(|line| line.first() == Some(&b'{'));
    (any && !json).then_some(TEXT)
}

struct Metered {
    source: Box<dyn Read + Send>,
    meter: Meter,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.meter.0.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// By content, not by name.
fn decompressed(mut source: Metered) -> io::Result<Box<dyn Read + Send>> {
    let mut magic = [0; 4];
    let mut have = 0;
    while have < magic.len() {
        match source.read(magic.get_mut(have..).unwrap_or_default())? {
            0 => break,
            count => have += count,
        }
    }
    let whole = io::Cursor::new(magic.get(..have).unwrap_or_default().to_vec()).chain(source);
    Ok(if Kind::of(&magic).is_some() { Box::new(Frames::new(Box::new(whole))) } else { Box::new(whole) })
}
