//! What hosts and policies log while a test runs: it belongs to the test, and is shown where that fails.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};

/// What is to be logged, as for all of `tsa`.
const FILTER: &str = "KUMO_TSA_LOG";

/// The lines so far. They come without times: those of this machine are not the test's.
#[derive(Clone, Default)]
pub(super) struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    /// Keeps what this thread logs, as long as the guard is there.
    pub(super) fn keep(&self) -> DefaultGuard {
        let writer = self.clone();
        let filter = EnvFilter::builder().with_env_var(FILTER).with_default_directive(LevelFilter::WARN.into());
        let lines = tracing_subscriber::fmt().with_ansi(false).without_time().with_env_filter(filter.from_env_lossy());
        tracing::subscriber::set_default(lines.with_writer(move || writer.clone()).finish())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
