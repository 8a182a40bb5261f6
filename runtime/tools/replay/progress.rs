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
            Some(_) => "{bar:30} {percent:>3}% {bytes} of {total_bytes}, {msg}, {eta} left",
            None => "{spinner} {bytes}, {msg}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(total_bytes, ProgressDrawTarget::stderr()).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, began: Instant::now() }
    }

    pub(super) fn at(&self, bytes: u64, records: u64) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(bytes);
        let rate = records as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        self.bar.set_message(format!("{} records, {rate:.0} a second", number(records)));
    }

    pub(super) fn done(&self) {
        self.bar.finish_and_clear();
    }
}
