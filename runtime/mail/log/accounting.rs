//! How much mail came and went, by month, for who pays by it (interface C.8).

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kumo_tsa_core::wire::{Kind, Time};
use rusqlite::{Connection, params};

use super::logger::LOG_RECORD;
use super::record::Record;

/// Where the numbers are kept unless the policy says otherwise.
const DEFAULT: &str = "/var/spool/kumomta/accounting.db";
/// What another program may take with the file.
const BUSY: Duration = Duration::from_secs(30);

/// Counts, and adds what it has counted to a file now and then.
#[derive(Debug)]
pub(super) struct Accounting {
    received: AtomicU64,
    delivered: AtomicU64,
    /// The documented path.
    path: Mutex<PathBuf>,
}

impl Default for Accounting {
    fn default() -> Self {
        Self { received: AtomicU64::new(0), delivered: AtomicU64::new(0), path: Mutex::new(DEFAULT.into()) }
    }
}

impl Accounting {
    pub(super) fn set_path(&self, path: PathBuf) {
        *self.path.lock().unwrap_or_else(PoisonError::into_inner) = path;
    }

    /// The documented path.
    pub(super) fn path(&self) -> PathBuf {
        self.path.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts each recipient of what came in and of what was delivered, once. Messages that carry records are no mail.
    pub(super) fn count(&self, record: &Record) {
        let counter = match record.kind {
            Kind::Reception => &self.received,
            Kind::Delivery => &self.delivered,
            _ => return,
        };
        if record.reception_protocol() != Some(LOG_RECORD) {
            counter.fetch_add(record.recipients.len() as u64, Ordering::Relaxed);
        }
    }

    /// Adds what was counted to the row of this month in `file`. Blocks. Nothing is written when nothing was counted, unless
    /// the row is to be there in any case; what cannot be written is kept for the next time.
    pub(super) fn flush(&self, file: &Path, now: Time, always: bool) -> rusqlite::Result<()> {
        let counted = (self.received.swap(0, Ordering::Relaxed), self.delivered.swap(0, Ordering::Relaxed));
        if counted == (0, 0) && !always {
            return Ok(());
        }
        add(file, now, counted).inspect_err(|_| {
            self.received.fetch_add(counted.0, Ordering::Relaxed);
            self.delivered.fetch_add(counted.1, Ordering::Relaxed);
        })
    }
}

fn add(file: &Path, now: Time, (received, delivered): (u64, u64)) -> rusqlite::Result<()> {
    if let Some(folder) = file.parent().filter(|_| file != Path::new(":memory:")) {
        // Opening says what is wrong.
        let _ = std::fs::create_dir_all(folder);
    }
    let database = Connection::open(file)?;
    database.busy_timeout(BUSY)?;
    database.execute_batch(
        "CREATE TABLE IF NOT EXISTS accounting (event_time DATETIME NOT NULL PRIMARY KEY, \
         received int NOT NULL, delivered int NOT NULL)",
    )?;
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    database.execute(
        "INSERT INTO accounting (event_time, received, delivered) VALUES (?1, ?2, ?3) ON CONFLICT (event_time) DO UPDATE \
         SET received = received + excluded.received, delivered = delivered + excluded.delivered",
        params![month(now), number(received), number(delivered)],
    )?;
    Ok(())
}

/// The first of the month, UTC.
fn month(now: Time) -> String {
    let text = now.to_string();
    format!("{}-01 00:00:00", text.get(..7).unwrap_or("1970-01"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_added_up() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/accounting.db");
        let accounting = Accounting::default();
        let now = Time::parse("2026-02-28T23:59:59Z").unwrap();
        accounting.flush(&file, now, false).unwrap();
        assert!(!file.exists());
        accounting.flush(&file, now, true).unwrap();
        for _ in 0..2 {
            accounting.received.fetch_add(3, Ordering::Relaxed);
            accounting.delivered.fetch_add(1, Ordering::Relaxed);
            accounting.flush(&file, now, false).unwrap();
        }
        accounting.received.fetch_add(1, Ordering::Relaxed);
        accounting.flush(&file, now.after(Duration::from_secs(1)), false).unwrap();
        let database = Connection::open(&file).unwrap();
        let mut rows = database.prepare("SELECT event_time, received, delivered FROM accounting ORDER BY 1").unwrap();
        let rows: Vec<(String, u64, u64)> = rows
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let expected = [("2026-02-01 00:00:00", 6, 2), ("2026-03-01 00:00:00", 1, 0)];
        assert_eq!(rows, expected.map(|(month, received, delivered)| (month.to_owned(), received, delivered)));
    }

    #[test]
    fn what_cannot_be_written_is_kept() {
        let accounting = Accounting::default();
        accounting.received.fetch_add(2, Ordering::Relaxed);
        assert!(accounting.flush(Path::new("/proc/no/accounting.db"), Time::default(), false).is_err());
        assert_eq!(accounting.received.load(Ordering::Relaxed), 2);
    }
}
