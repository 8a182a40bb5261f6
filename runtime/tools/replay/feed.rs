//! Several logs as one: read side by side where they tell of the same time, as those of several hosts do.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Context as _;
use kumo_tsa_core::wire::Time;

use super::lines::{Chunk, Lines, first_time, last_time};
use super::source::{Log, Meter};

/// How far out of order the records of a log may be.
pub(super) const TOLERANCE: Duration = Duration::from_mins(10);

/// The logs that are to be read, in the order of what they tell of first.
pub(super) struct Feed {
    waiting: VecDeque<(Option<Time>, Log)>,
    open: Vec<Open>,
    meter: Meter,
    /// The sizes of all logs together; `None` where standard input is among them.
    pub(super) total_bytes: Option<u64>,
    /// How many logs there are.
    pub(super) logs: usize,
    /// Files in folders that are no logs.
    pub(super) passed_over: Vec<String>,
}

struct Open {
    name: String,
    lines: Lines,
    /// How far it has been read.
    newest: Time,
}

impl Feed {
    /// Looks into all logs.
    ///
    /// # Errors
    /// When one that was named cannot be read or is none.
    pub(super) fn new(logs: Vec<Log>) -> anyhow::Result<Self> {
        let known = !logs.iter().any(Log::is_stream);
        let (mut waiting, mut passed_over, mut total) = (Vec::new(), Vec::new(), 0);
        for log in logs {
            let Some(beginning) = log.begin()? else {
                passed_over.push(log.name);
                continue;
            };
            total += log.bytes;
            waiting.push((first_time(&beginning), log));
        }
        // Those of which nothing is known come first; else the order is kept.
        waiting.sort_by_key(|(first, _)| *first);
        Ok(Self {
            logs: waiting.len(),
            waiting: waiting.into(),
            open: Vec::new(),
            meter: Meter::default(),
            total_bytes: known.then_some(total),
            passed_over,
        })
    }

    /// How many bytes of the logs have been read, as they lie on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.meter.bytes()
    }

    /// The next lines, of the log that is behind the others; `None` when all have been read.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Chunk>> {
        loop {
            self.open_due()?;
            let behind = self.open.iter_mut().enumerate().min_by_key(|(_, open)| open.newest);
            let Some((at, open)) = behind else { return Ok(None) };
            let read = open.lines.next().with_context(|| format!("cannot read `{}`", open.name))?;
            let Some(mut chunk) = read else {
                self.open.swap_remove(at);
                continue;
            };
            chunk.since = Some(open.newest).filter(|newest| *newest > Time::MIN);
            chunk.newest = last_time(&chunk.text);
            if let Some(newest) = chunk.newest {
                open.newest = open.newest.max(newest);
            }
            chunk.horizon = self.horizon();
            return Ok(Some(chunk));
        }
    }

    /// Opens the logs that begin before the others have got there.
    fn open_due(&mut self) -> anyhow::Result<()> {
        loop {
            let behind = self.open.iter().map(|open| open.newest).min();
            let due =
                self.waiting.front().is_some_and(|(first, _)| behind.is_none_or(|at| first.is_none_or(|f| f <= at)));
            if !due {
                return Ok(());
            }
            let Some((first, log)) = self.waiting.pop_front() else { return Ok(()) };
            let source = log.open(&self.meter).with_context(|| format!("cannot read `{}`", log.name))?;
            let newest = first.unwrap_or(Time::MIN);
            self.open.push(Open { name: log.name, lines: Lines::new(source), newest });
        }
    }

    /// What is older than this is complete.
    fn horizon(&self) -> Time {
        let waiting = self.waiting.front().and_then(|(first, _)| *first);
        let open = self.open.iter().map(|open| open.newest).chain(waiting).min();
        open.unwrap_or(Time::MIN).before(TOLERANCE)
    }
}
