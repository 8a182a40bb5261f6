//! The files of a log: zstd-compressed lines, a new file when one is large or old enough (interface C.7).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kumo_tsa_core::wire::Time;
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::time::Instant;
use zstd::stream::write::Encoder;

/// What is written waits in memory for compression no longer than this.
const FLUSH: Duration = Duration::from_secs(1);

/// Where lines go, and what the files there are called: `PREFIX`, the time, `SUFFIX`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::mail) struct Place {
    /// The real folder.
    pub(in crate::mail) folder: PathBuf,
    pub(in crate::mail) prefix: &'static str,
    pub(in crate::mail) suffix: String,
    /// What every file there begins with.
    pub(in crate::mail) header: Option<Vec<u8>>,
}

/// When a file is closed, and how it is compressed.
#[derive(Clone, Debug)]
pub(in crate::mail) struct Limits {
    /// Uncompressed.
    pub(in crate::mail) max_file_bytes: u64,
    pub(in crate::mail) max_age: Option<Duration>,
    /// As of zstd; 0 is its default.
    pub(in crate::mail) compression_level: i32,
}

/// The time, as the host and as a clock that never jumps have it.
#[derive(Clone, Copy, Debug)]
pub(in crate::mail) struct Now {
    pub(in crate::mail) time: Time,
    pub(in crate::mail) instant: Instant,
}

/// A line on its way into a file.
#[derive(Debug)]
pub(in crate::mail) struct Line {
    pub(in crate::mail) place: usize,
    pub(in crate::mail) bytes: Vec<u8>,
    /// How much of it has been taken by a file.
    pub(in crate::mail) taken: usize,
}

/// The files of one log that are open. All methods block; one that failed can be tried again and goes on where it was.
pub(in crate::mail) struct Segments {
    places: Vec<Place>,
    open: Vec<Option<Segment>>,
    limits: Limits,
}

struct Segment {
    path: PathBuf,
    encoder: Encoder<'static, File>,
    bytes: u64,
    since: Instant,
    /// Since when there is something that was not flushed.
    dirty: Option<Instant>,
    /// What of the header has not been written.
    header: Vec<u8>,
}

impl Segments {
    pub(in crate::mail) fn new(places: Vec<Place>, limits: Limits) -> Self {
        let open = places.iter().map(|_| None).collect();
        Self { places, open, limits }
    }

    /// The folders that it writes to.
    pub(in crate::mail) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.places.iter().map(|place| place.folder.as_path())
    }

    /// Makes the folders, and marks files read-only that a process left behind without closing them.
    pub(in crate::mail) fn prepare(&self) -> io::Result<()> {
        for place in &self.places {
            fs::create_dir_all(&place.folder)?;
            for entry in fs::read_dir(&place.folder)? {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if is_segment(&name, place) && path.is_file() {
                    close(&path)?;
                }
            }
        }
        Ok(())
    }

    /// Writes a line, and closes the file if it has become large enough.
    pub(in crate::mail) fn write(&mut self, line: &mut Line, now: Now) -> io::Result<()> {
        let (Some(place), Some(slot)) = (self.places.get(line.place), self.open.get_mut(line.place)) else {
            return Ok(());
        };
        if line.taken < line.bytes.len() {
            if slot.is_none() {
                *slot = Some(Segment::create(place, self.limits.compression_level, now)?);
            }
            if let Some(segment) = slot {
                segment.begin()?;
                segment.take(line, now)?;
            }
        }
        if slot.as_ref().is_some_and(|segment| segment.bytes >= self.limits.max_file_bytes) {
            finish(slot)?;
        }
        Ok(())
    }

    /// When [`tend`](Self::tend) has something to do.
    pub(in crate::mail) fn due(&self) -> Option<Instant> {
        let flush = |segment: &Segment| segment.dirty.map(|since| since + FLUSH);
        let close = |segment: &Segment| self.limits.max_age.and_then(|age| segment.since.checked_add(age));
        self.open.iter().flatten().flat_map(|segment| [flush(segment), close(segment)]).flatten().min()
    }

    /// Flushes what has waited long enough, and closes what is old enough.
    pub(in crate::mail) fn tend(&mut self, now: Instant) -> io::Result<()> {
        for slot in &mut self.open {
            let Some(segment) = slot else { continue };
            if self.limits.max_age.is_some_and(|age| now.duration_since(segment.since) >= age) {
                finish(slot)?;
            } else if segment.dirty.is_some_and(|since| now.duration_since(since) >= FLUSH) {
                segment.encoder.flush()?;
                segment.dirty = None;
            }
        }
        Ok(())
    }

    /// Closes all files.
    pub(in crate::mail) fn close(&mut self) -> io::Result<()> {
        self.open.iter_mut().try_for_each(finish)
    }
}

impl Segment {
    fn create(place: &Place, level: i32, now: Now) -> io::Result<Self> {
        let (path, file) = create(place, now.time)?;
        Ok(Self {
            path,
            encoder: Encoder::new(file, level)?,
            bytes: 0,
            since: now.instant,
            dirty: None,
            header: place.header.clone().unwrap_or_default(),
        })
    }

    fn begin(&mut self) -> io::Result<()> {
        while !self.header.is_empty() {
            let taken = self.encoder.write(&self.header)?;
            self.header.drain(..taken);
        }
        Ok(())
    }

    fn take(&mut self, line: &mut Line, now: Now) -> io::Result<()> {
        while let Some(rest) = line.bytes.get(line.taken..).filter(|rest| !rest.is_empty()) {
            let taken = self.encoder.write(rest)?;
            if taken == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            line.taken += taken;
            self.bytes += taken as u64;
            self.dirty.get_or_insert(now.instant);
        }
        Ok(())
    }
}

/// Ends the compressed frame and marks the file as done. Done again after an error, it goes on where it was.
fn finish(slot: &mut Option<Segment>) -> io::Result<()> {
    if let Some(segment) = slot {
        segment.encoder.do_finish()?;
        close(&segment.path)?;
        *slot = None;
    }
    Ok(())
}

fn close(path: &Path) -> io::Result<()> {
    let mut permissions = fs::metadata(path)?.permissions();
    permissions.set_readonly(true);
    fs::set_permissions(path, permissions)
}

/// Makes a file named after the time; one that is taken makes way to the next microsecond.
fn create(place: &Place, now: Time) -> io::Result<(PathBuf, File)> {
    let mut time = now;
    loop {
        let path = place.folder.join(format!("{}{}{}", place.prefix, file_time(time)?, place.suffix));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => time = time.shifted(1),
            // Someone tidied up.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && !place.folder.exists() => {
                fs::create_dir_all(&place.folder)?;
            }
            Err(cause) => return Err(cause),
        }
    }
}

/// `YYYYMMDD-HHMMSS.<microseconds>`
fn file_time(time: Time) -> io::Result<String> {
    let form = format_description!("[year][month][day]-[hour][minute][second].[subsecond digits:6]");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.micros()) * 1_000)
        .map_err(io::Error::other)?
        .format(form)
        .map_err(io::Error::other)
}

fn is_segment(name: &str, place: &Place) -> bool {
    let time = name.strip_prefix(place.prefix).and_then(|rest| rest.strip_suffix(place.suffix.as_str()));
    time.is_some_and(|time| {
        time.len() > "YYYYMMDD-HHMMSS.".len()
            && time.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'-',
                15 => byte == b'.',
                _ => byte.is_ascii_digit(),
            })
    })
}

#[cfg(test)]
mod tests;
