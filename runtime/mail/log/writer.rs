//! Writing lines to files beside everything else: whoever logs waits only when too many lines wait already.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kumo_tsa_core::wire::Time;
use tokio::time::Instant;

use super::backlog::{Backlog, Jobs, Woken};
use super::segment::{Line, Now, Segments};
use crate::host::Clock;

/// How many lines go to the files in one go.
const BATCH: usize = 1024;
/// How long lines are gathered before they go: far below how long they wait for compression anyway.
const GATHER: Duration = Duration::from_millis(20);
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often a failure that lasts is told of.
const SAY_AGAIN: Duration = Duration::from_mins(1);
/// How often it is tried again when the host stops.
const LAST_TRIES: u32 = 3;

/// Writes the lines of one log.
#[derive(Debug)]
pub(in crate::mail) struct Writer {
    lines: Backlog<Line>,
    trouble: Trouble,
}

/// Why nothing can be written at the moment.
type Trouble = Arc<Mutex<Option<String>>>;

impl Writer {
    /// Starts writing; `back_pressure` lines may wait. The folders are made now.
    ///
    /// # Errors
    /// The folder that cannot be made or read, and why.
    pub(in crate::mail) fn start(
        clock: Clock,
        segments: Segments,
        back_pressure: usize,
    ) -> Result<Self, (PathBuf, io::Error)> {
        if let Err(cause) = segments.prepare() {
            return Err((segments.folders().next().map(PathBuf::from).unwrap_or_default(), cause));
        }
        let trouble = Trouble::default();
        let scribe = Scribe { clock, segments: Some(segments), trouble: trouble.clone(), said: None };
        Ok(Self { lines: Backlog::start(back_pressure, |jobs| scribe.run(jobs)), trouble })
    }

    /// Gives a line to it. Waits while too many wait already.
    pub(in crate::mail) async fn write(&self, place: usize, bytes: Vec<u8>) {
        self.lines.push(Line { place, bytes, taken: 0 }).await;
    }

    /// Why nothing can be written at the moment.
    pub(in crate::mail) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes what waits, closes the files, and ends.
    pub(in crate::mail) async fn stop(&self) {
        self.lines.stop().await;
    }
}

struct Scribe {
    clock: Clock,
    /// Away while they are written to.
    segments: Option<Segments>,
    trouble: Trouble,
    /// When the trouble was told of.
    said: Option<Instant>,
}

impl Scribe {
    async fn run(mut self, mut jobs: Jobs<Line>) {
        let mut batch = Vec::new();
        loop {
            let due = self.segments.as_ref().and_then(Segments::due);
            let mut last = jobs.next(&mut batch, BATCH, due).await == Woken::Last;
            // A file that is begun now is named after its first line.
            let came = self.clock.now();
            if !batch.is_empty() && !last {
                last = self.gather(&mut jobs, &mut batch).await;
            }
            if !self.write(&jobs, batch.drain(..).collect(), came, last).await || last {
                return;
            }
        }
    }

    /// Takes the lines that come soon, so that they are written in one go; tells whether there will be no more.
    async fn gather(&self, jobs: &mut Jobs<Line>, batch: &mut Vec<Line>) -> bool {
        let until = self.clock.instant() + GATHER;
        while batch.len() < BATCH && self.clock.instant() < until {
            if jobs.next(batch, BATCH - batch.len(), Some(until)).await == Woken::Last {
                return true;
            }
        }
        false
    }

    /// Writes until it is done; `false` if it never will be.
    async fn write(&mut self, jobs: &Jobs<Line>, mut lines: VecDeque<Line>, came: Time, close: bool) -> bool {
        let mut tries = 0;
        loop {
            let Some(mut segments) = self.segments.take() else { return false };
            let now = Now { time: came, instant: self.clock.instant() };
            let work = tokio::task::spawn_blocking(move || {
                let done = write_all(&mut segments, &mut lines, now, close);
                (segments, lines, done)
            });
            let Ok((segments, left, done)) = work.await else {
                tracing::error!("writing a log failed in a way that it does not recover from");
                return false;
            };
            self.segments = Some(segments);
            lines = left;
            let Err(cause) = done else {
                self.recovered();
                return true;
            };
            self.failed(&cause);
            if jobs.is_stopping() {
                tries += 1;
                if tries > LAST_TRIES {
                    tracing::error!("{} records cannot be written and are lost: {cause}", lines.len());
                    return false;
                }
            }
            self.clock.sleep(AGAIN).await;
        }
    }

    fn failed(&mut self, cause: &io::Error) {
        let folders = self.segments.iter().flat_map(Segments::folders);
        let folder = folders.map(|folder| format!("`{}`", folder.display())).collect::<Vec<_>>().join(", ");
        let text = format!("cannot write the log in {folder}: {cause}");
        let now = self.clock.instant();
        if self.said.is_none_or(|said| now.duration_since(said) >= SAY_AGAIN) {
            self.said = Some(now);
            tracing::error!("{text}; records wait");
        }
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    fn recovered(&mut self) {
        if self.said.take().is_some() {
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
            tracing::info!("the log can be written again");
        }
    }
}

/// Lines that were written are taken off, so that trying again goes on where it failed.
fn write_all(segments: &mut Segments, lines: &mut VecDeque<Line>, now: Now, close: bool) -> io::Result<()> {
    while let Some(line) = lines.front_mut() {
        segments.write(line, now)?;
        lines.pop_front();
    }
    segments.tend(now.instant)?;
    if close { segments.close() } else { Ok(()) }
}
