//! What a million windows and 100,000 overrides weigh, and what a reload of the rules costs while they are held.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::load::{Make, Until, drive, post};
use crate::publish::{MATCHING, OTHER, now, record, single};
use crate::server::Server;
use crate::{Row, count, median};

const WINDOWS: u64 = 1_000_000;
const OVERRIDES: u64 = 100_000;
const BATCH: u64 = 500;

/// Two records do not trigger the first; one record triggers the second.
const RULES: &str = r#"
[["default".automation]]
regex = "please slow down, you of all senders"
trigger = {Threshold="3/day"}
action = "Suspend"
duration = "1 day"

[["default".automation]]
regex = "one at a time please"
action = {SetConfig={name="connection_limit", value=1}}
duration = "1 day"
"#;

pub fn run(rows: &mut Vec<Row>) {
    let dir = tempfile::tempdir().expect("dir");
    let daemon = Server::daemon(dir.path(), RULES);
    let empty = daemon.memory_mib("VmRSS:");
    fill(&daemon, 0, WINDOWS, MATCHING);
    fill(&daemon, 1 << 32, WINDOWS, MATCHING);
    fill(&daemon, 2 << 32, OVERRIDES, "one at a time please");
    let peak = daemon.memory_mib("VmHWM:");
    rows.push(Row {
        name: "memory: 1,000,000 windows of two records, 100,000 overrides",
        measured: format!("{peak:.0} MiB at most"),
        against: format!("the daemon when empty: {empty:.0} MiB"),
        result: format!("{peak:.0} MiB"),
        target: "under 600 MB",
        met: peak * 1.048_576 < 600.0,
    });
    reload(&daemon, dir.path(), rows);
}

/// A record for each of `sites` sites.
fn fill(daemon: &Server, offset: u64, sites: u64, text: &'static str) {
    let make: Make = Arc::new(move |n, out| {
        let (now, mut body) = (now(), Vec::with_capacity(512 * 1_024));
        for site in n * BATCH..(n + 1) * BATCH {
            record(offset + site, site, now, text, &mut body);
            body.push(b'\n');
        }
        post("application/x-ndjson", &body, out);
    });
    drive(daemon.addr, 4, Until::Requests(sites / BATCH), &make);
}

/// Publishes without a pause while the rules change, and looks at the longest time without an answer.
fn reload(daemon: &Server, dir: &std::path::Path, rows: &mut Vec<Row>) {
    let make = single(3 << 32, OTHER, Arc::new(|_| 1));
    let calm = longest_gap(daemon, &make, || ());
    std::fs::write(dir.join("rules.toml"), RULES.replace("3/day", "4/day")).expect("rules");
    let started = Instant::now();
    let mut took = None;
    let gap = longest_gap(daemon, &make, || {
        if took.is_none() && rules_reloaded(daemon) {
            took = Some(started.elapsed());
        }
    });
    rows.push(Row {
        name: "longest pause in publishing while the rules are reloaded",
        measured: format!("{:.1} ms", gap * 1_000.0),
        against: format!("without a reload: {:.1} ms", calm * 1_000.0),
        result: took.map_or("no reload seen".to_owned(), |t| format!("reload seen after {:.1} s", t.as_secs_f64())),
        target: "under 1 s",
        met: took.is_some() && gap < 1.0,
    });
    let rate = drive(daemon.addr, 32, Until::Elapsed(Duration::from_secs(2)), &make).per_second();
    eprintln!("publishing goes on at {} requests/s; median of one: {:.1}", count(rate), median(vec![rate]));
}
