//! Logs as chunks of whole lines.

use std::io::{self, Read};

use kumo_tsa_core::wire::{Record, Time};

/// As much as is parsed in one go.
const CHUNK_BYTES: usize = 256 << 10;

/// A line that is longer than this is broken: no record is.
const LINE_BYTES: usize = 16 << 20;

/// How often reading may fail in a row before it is given up.
const DAMAGES: usize = 1000;

/// Lines of one log.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// Whole lines; the last may lack its end.
    pub(super) text: Vec<u8>,
    /// The time that its last lines got to; `None` where none of them is a record.
    pub(super) newest: Option<Time>,
    /// The time that the lines before these got to.
    pub(super) since: Option<Time>,
    /// The log, or a part of it, ends here before it should.
    pub(super) cut: bool,
    /// Lines that were too long to keep.
    pub(super) too_long: u64,
    /// Up to this time no log has anything left: what is older can be decided on.
    pub(super) horizon: Time,
}

/// Reads a log.
pub(super) struct Lines {
    source: Box<dyn Read + Send>,
    /// The beginning of a line whose end has not been read.
    rest: Vec<u8>,
    ended: bool,
    /// Within a line that is too long.
    skipping: bool,
    /// How often reading has failed with nothing read between.
    damages: usize,
}

impl Lines {
    pub(super) fn new(source: Box<dyn Read + Send>) -> Self {
        Self { source, rest: Vec::new(), ended: false, skipping: false, damages: 0 }
    }

    /// The next lines; `None` at the end. Where a log is damaged a line ends, and what can be read behind it follows.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn next(&mut self) -> io::Result<Option<Chunk>> {
        let mut chunk = Chunk::default();
        while !self.ended {
            let begin = self.rest.len();
            self.rest.resize(begin + CHUNK_BYTES, 0);
            let read = fill(&mut *self.source, self.rest.get_mut(begin..).unwrap_or_default());
            self.rest.truncate(begin + read.count);
            self.damages = if read.count > 0 { 0 } else { self.damages };
            match read.outcome {
                Ok(more) => self.ended = !more,
                Err(error) if super::source::is_damage(&error) => {
                    self.damages += 1;
                    (self.ended, chunk.cut) = (self.damages > DAMAGES, true);
                }
                Err(error) => return Err(error),
            }
            if self.ended || chunk.cut {
                break;
            }
            let Some(end) = self.rest.iter().skip(begin).rposition(|byte| *byte == b'\n') else {
                self.drop_long_line(&mut chunk);
                continue;
            };
            let rest = self.rest.split_off(begin + end + 1);
            chunk.text = std::mem::replace(&mut self.rest, rest);
            self.end_long_line(&mut chunk);
            return Ok(Some(chunk));
        }
        chunk.text = std::mem::take(&mut self.rest);
        self.end_long_line(&mut chunk);
        let nothing = chunk.text.is_empty() && !chunk.cut && chunk.too_long == 0;
        Ok((!nothing).then_some(chunk))
    }

    fn drop_long_line(&mut self, chunk: &mut Chunk) {
        if self.skipping {
            self.rest.clear();
        } else if self.rest.len() > LINE_BYTES {
            chunk.too_long += 1;
            self.skipping = true;
            self.rest.clear();
        }
    }

    /// Where a line that is too long ends, the next begins.
    fn end_long_line(&mut self, chunk: &mut Chunk) {
        if std::mem::take(&mut self.skipping) {
            let end = chunk.text.iter().position(|byte| *byte == b'\n').map_or(chunk.text.len(), |at| at + 1);
            chunk.text.drain(..end);
        }
    }
}

struct Filled {
    count: usize,
    /// Whether there may be more.
    outcome: io::Result<bool>,
}

fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> Filled {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => return Filled { count, outcome: Ok(false) },
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Filled { count, outcome: Err(error) },
        }
    }
    Filled { count, outcome: Ok(true) }
}

/// How many records tell of a time: one of them may be wrong about it.
const WITNESSES: usize = 5;

/// The time at which the records in a text begin.
pub(super) fn first_time(text: &[u8]) -> Option<Time> {
    text.split(|byte| *byte == b'\n').filter_map(time).take(WITNESSES).min()
}

/// The time that the last records got to, where they are among the last few lines: their median, as one may be ahead.
pub(super) fn last_time(text: &[u8]) -> Option<Time> {
    const TRIES: usize = 20;
    let lines = text.rsplit(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut times: Vec<Time> = lines.take(TRIES).filter_map(time).take(WITNESSES).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

fn time(line: &[u8]) -> Option<Time> {
    Record::parse(bare(line)).ok().map(|record| record.time())
}

/// A line without the mark that some editors put before the first.
pub(super) fn bare(line: &[u8]) -> &[u8] {
    line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line)
}
