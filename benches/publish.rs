//! Publishing: one record a request, and batches.

use std::sync::Arc;
use std::time::Duration;

use crate::load::{Make, Until, drive, post};
use crate::server::Server;
use crate::{Row, count, median};

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const BATCH: u64 = 500;
const MILLION: u64 = 1_000_000;

/// A rule that every record of [`record`] with this text matches; it acts from the fifth record of a site on.
pub const RULES: &str = r#"
[["default".automation]]
regex = "please slow down, you of all senders"
trigger = {Threshold="5/hr"}
action = "Suspend"
duration = "1 hour"
"#;

pub const MATCHING: &str = "please slow down, you of all senders [x]";
pub const OTHER: &str = "OK: queued as 4Xk2Qw0hMvz9rx7, thank you";

/// A record as a mail host publishes it, with a number for an id.
pub fn record(number: u64, site: u64, now: u64, text: &str, out: &mut Vec<u8>) {
    use std::io::Write as _;
    write!(
        out,
        concat!(
            r#"{{"type":"TransientFailure","id":"{number:032x}","sender":"bounce@news.example","#,
            r#""recipient":"someone{number}@dest{site}.example","queue":"digest:news@dest{site}.example","#,
            r#""site":"ip-1->(mx1|mx2).dest{site}.example@smtp_client","size":2048,"#,
            r#""response":{{"code":421,"enhanced_code":{{"class":4,"subject":7,"detail":0}},"content":"{text}","command":null}},"#,
            r#""peer_address":{{"name":"mx1.dest{site}.example.","addr":"192.0.2.1"}},"timestamp":{now},"created":{now},"#,
            r#""num_attempts":0,"bounce_classification":"Uncategorized","egress_pool":"pool","egress_source":"ip-1","#,
            r#""source_address":{{"address":"192.0.2.9:43210"}},"feedback_report":null,"#,
            r#""meta":{{"x_job":"a-2026-01"}},"headers":{{"Subject":"Your weekly digest"}},"#,
            r#""delivery_protocol":"ESMTP","reception_protocol":"ESMTP","nodeid":"5f1a6cd0-6b0e-4a5c-9a3c-0c1ff1d7a001"}}"#
        ),
        number = number,
        site = site,
        text = text,
        now = now
    )
    .expect("write");
}

pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("clock").as_secs()
}

/// Requests of one record each; `offset` keeps the ids of rounds apart.
pub fn single(offset: u64, text: &'static str, site: Arc<dyn Fn(u64) -> u64 + Send + Sync>) -> Make {
    Arc::new(move |n, out| {
        let mut body = Vec::with_capacity(1_024);
        record(offset + n, site(n), now(), text, &mut body);
        post("application/json", &body, out);
    })
}

/// Drives two servers in turn with what `make` makes for each round; the medians of their requests per second, and that of the
/// ratios of the rounds.
fn in_turn(
    servers: [std::net::SocketAddr; 2],
    connections: usize,
    mut make: impl FnMut(u64) -> Make,
) -> (f64, f64, f64) {
    let (mut ours, mut theirs, mut ratios) = (vec![], vec![], vec![]);
    for round in 0..ROUNDS as u64 {
        let make = make(round);
        let [a, b] = servers.map(|addr| drive(addr, connections, Until::Elapsed(ROUND), &make).per_second());
        ours.push(a);
        theirs.push(b);
        ratios.push(a / b);
    }
    (median(ours), median(theirs), median(ratios))
}

pub fn run(rows: &mut Vec<Row>) {
    let dir = tempfile::tempdir().expect("dir");
    let (daemon, bare) = (Server::daemon(dir.path(), RULES), Server::bare());
    let zipf = Arc::new(zipf_sites(10_000, 1 << 16));
    let sites: [(&'static str, &'static str, &'static str, f64, Arc<dyn Fn(u64) -> u64 + Send + Sync>); 3] = [
        ("publish, no match", OTHER, "at least 0.6", 0.6, Arc::new(|_| 1)),
        ("publish, threshold rule, one site", MATCHING, "at least 0.4", 0.4, Arc::new(|_| 1)),
        ("publish, threshold rule, 10,000 sites (Zipf)", MATCHING, "at least 0.4", 0.4, {
            Arc::new(move |n| zipf[usize::try_from(n).expect("index") % zipf.len()])
        }),
    ];
    let mut offset = 0;
    for (name, text, target, least, site) in sites {
        let (ours, theirs, ratio) = in_turn([daemon.addr, bare.addr], CONNECTIONS, |_| {
            offset += 1 << 32;
            single(offset, text, site.clone())
        });
        rows.push(Row {
            name,
            measured: format!("{} requests/s", count(ours)),
            against: format!("bare hyper handler: {} requests/s", count(theirs)),
            result: format!("{ratio:.2}"),
            target,
            met: ratio >= least,
        });
    }
    sustained(&daemon, offset + (1 << 32), rows);
}

/// A million records, the first 100,000 against the last.
fn sustained(daemon: &Server, offset: u64, rows: &mut Vec<Row>) {
    const PART: u64 = 100_000;
    let make = |at: u64| single(offset + at, MATCHING, Arc::new(|n| n % 10_000));
    let rates: Vec<f64> = (0..MILLION / PART)
        .map(|part| drive(daemon.addr, CONNECTIONS, Until::Requests(PART), &make(part * PART)).per_second())
        .collect();
    let (first, last) = (median(rates[..3].to_vec()), median(rates[rates.len() - 3..].to_vec()));
    rows.push(Row {
        name: "publish after a million matching records",
        measured: format!("{} requests/s", count(last)),
        against: format!("at the start: {} requests/s", count(first)),
        result: format!("{:.2}", last / first),
        target: "not slower (0.9, for noise)",
        met: last / first >= 0.9,
    });
}

pub fn run_batches(rows: &mut Vec<Row>) {
    let dir = tempfile::tempdir().expect("dir");
    let (daemon, parsing) = (Server::daemon(dir.path(), RULES), Server::parsing());
    // One record in so many matches.
    for (name, one_in, least) in [
        ("NDJSON of 500, no match", u64::MAX, 0.3),
        ("NDJSON of 500, one record in 20 matches", 20, 0.3),
        ("NDJSON of 500, every record matches", 1, 0.0),
    ] {
        let (ours, theirs, ratio) = in_turn([daemon.addr, parsing.addr], 4, |round| {
            Arc::new(move |n, out| {
                let (now, mut body) = (now(), Vec::with_capacity(512 * 1_024));
                for i in 0..BATCH {
                    let id = (round << 32) + n * BATCH + i;
                    record(id, id % 10_000, now, if id % one_in == one_in - 1 { MATCHING } else { OTHER }, &mut body);
                    body.push(b'\n');
                }
                post("application/x-ndjson", &body, out);
            })
        });
        rows.push(Row {
            name,
            measured: format!("{} records/s", count(ours * BATCH as f64)),
            against: format!("read and parse only: {} records/s", count(theirs * BATCH as f64)),
            result: format!("{ratio:.2}"),
            target: if least > 0.0 { "at least 0.3" } else { "none" },
            met: ratio >= least,
        });
    }
}

/// Sites drawn with a probability of 1/rank.
fn zipf_sites(sites: u64, draws: usize) -> Vec<u64> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut sum = 0.0;
    let cumulative: Vec<f64> = (1..=sites)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    (0..draws).map(|_| cumulative.partition_point(|c| *c < random.f64() * sum) as u64).collect()
}
