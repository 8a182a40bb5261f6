//! What a million windows and 100,000 overrides weigh, and what a reload of the rules costs while they are held.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use crate::Row;
use crate::load::{Make, Until, drive, post, read_answer};
use crate::publish::{MATCHING, now, record};
use crate::server::Server;

/// The metric that rises when other rules have been taken up.
const RELOADS: &str = "tsa_shaping_reloads_total";

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

/// Publishes without a pause while the rules change, and looks at the longest time that a publish waited.
fn reload(daemon: &Server, dir: &std::path::Path, rows: &mut Vec<Row>) {
    let watch = |until: &dyn Fn() -> bool| longest_wait(daemon, until);
    let started = Instant::now();
    let calm = watch(&|| started.elapsed() > Duration::from_secs(5));
    let reloads = daemon.metric(RELOADS);
    std::fs::write(dir.join("rules.toml"), RULES.replace("3/day", "4/day")).expect("rules");
    let started = Instant::now();
    let wait = watch(&|| daemon.metric(RELOADS) > reloads || started.elapsed() > Duration::from_secs(60));
    let seen = daemon.metric(RELOADS) > reloads;
    rows.push(Row {
        name: "longest wait of a publish while the rules are reloaded over all that",
        measured: if seen { format!("{:.1} ms", millis(wait)) } else { "no reload seen".to_owned() },
        against: format!("without a reload: {:.1} ms", millis(calm)),
        result: format!("{:.1} ms", millis(wait)),
        target: "under 1 s",
        met: seen && wait < Duration::from_secs(1),
    });
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The longest that a publish waited for its answer until the end; a matching record, so that it needs the state.
fn longest_wait(daemon: &Server, until: &dyn Fn() -> bool) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let mut longest = Duration::ZERO;
    let (mut request, mut body, mut answer) = (Vec::new(), Vec::new(), vec![0; 4_096]);
    let mut stream = runtime.block_on(tokio::net::TcpStream::connect(daemon.addr)).expect("connect");
    let mut number = 3 << 32 | u64::from(std::process::id()) << 20;
    let mut asked = Instant::now();
    loop {
        number += 1;
        request.clear();
        body.clear();
        record(number, number % WINDOWS, now(), MATCHING, &mut body);
        post("application/json", &body, &mut request);
        let sent = Instant::now();
        runtime.block_on(async {
            stream.write_all(&request).await.expect("write");
            read_answer(&mut stream, &mut answer).await;
        });
        longest = longest.max(sent.elapsed());
        if asked.elapsed() > Duration::from_millis(200) {
            asked = Instant::now();
            if until() {
                return longest;
            }
        }
    }
}
