//! How far the replay has come, on stderr when somebody looks.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::report::number;

/// A bar with the time left, where the amount is known; else a count.
pub(super) struct Progress {
    bar: ProgressBar,
    began: Instant,
}

impl Progress {
    /// `total_bytes` are those of all logs, where that is known.
    pub(super) fn new(total_bytes: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), began: Instant::now() };
        }
        let template = match total_bytes {
            Some(_) => "{wide_bar} {percent:>3}% {msg}, {eta} left",
            None => "{spinner} {msg}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(total_bytes, ProgressDrawTarget::stderr()).with_style(style);
        bar.set_message("0 records");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, began: Instant::now() }
    }

    pub(super) fn at(&self, bytes: u64, records: u64) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(bytes);
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let rate = records.saturating_mul(1_000_000) / micros.max(1);
        self.bar.set_message(format!("{} records, {}/s", number(records), number(rate)));
    }

    pub(super) fn done(&self) {
        self.bar.finish_and_clear();
    }
}
