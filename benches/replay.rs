//! Replaying logs: records of zstd logs a second, on one core, under the default rules.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{Row, count, median};

const RECORDS: u64 = 600_000;
const ROUNDS: usize = 5;
const TARGET: f64 = 300_000.0;
/// The default rules, as they travel inside the executable.
const RULES: &str = "/opt/kumomta/share/policy-extras/shaping.toml";

/// What providers say to mail that they do not take; a few of these match default rules.
const REFUSALS: &[(u16, &str)] = &[
    (421, "4.7.0 too many connections from your host"),
    (450, "4.2.0 <someone@example.com>: Recipient address rejected: Greylisted"),
    (550, "5.1.1 The email account that you tried to reach does not exist"),
    (552, "5.2.2 mailbox is full"),
    (451, "4.3.0 try again later"),
];

/// A day of a mail host: most mail is taken, some is refused, each has been received before.
fn write_log(path: &Path) {
    let mut random = fastrand::Rng::with_seed(1);
    let encoder = zstd::Encoder::new(File::create(path).expect("log"), 0).expect("zstd").auto_finish();
    let mut out = BufWriter::new(encoder);
    for number in 0..RECORDS {
        let now = 1_769_860_800 + number / 10;
        let domain = random.u32(..10_000).min(random.u32(..10_000));
        let (id, queue_id) = (random.u128(..), random.u64(..));
        let (code, text) = match random.usize(..100) {
            lot if lot < 10 => REFUSALS[lot % REFUSALS.len()],
            _ => (250, "2.0.0 OK: queued as"),
        };
        let kind = ["Delivery", "TransientFailure", "Bounce"][usize::from(code >= 400) + usize::from(code >= 500)];
        writeln!(
            out,
            concat!(
                r#"{{"type":"{kind}","id":"{id:032x}","sender":"bounce@news.example","recipient":"someone{number}@dest{domain}.example","#,
                r#""queue":"digest:news@dest{domain}.example","site":"ip-1->(mx1|mx2).dest{domain}.example@smtp_client","size":2048,"#,
                r#""response":{{"code":{code},"enhanced_code":null,"content":"{text} {queue_id:x}","command":null}},"#,
                r#""peer_address":{{"name":"mx1.dest{domain}.example.","addr":"192.0.2.1"}},"timestamp":{now},"created":{now},"#,
                r#""num_attempts":0,"bounce_classification":"Uncategorized","egress_pool":"pool","egress_source":"ip-1","#,
                r#""source_address":{{"address":"192.0.2.9:43210"}},"feedback_report":null,"meta":{{"x_job":"a-2026-01"}},"#,
                r#""headers":{{"Subject":"Your weekly digest"}},"delivery_protocol":"ESMTP","reception_protocol":"ESMTP","#,
                r#""nodeid":"5f1a6cd0-6b0e-4a5c-9a3c-0c1ff1d7a001"}}"#
            ),
            kind = kind,
            id = id,
            number = number,
            domain = domain,
            code = code,
            text = text,
            queue_id = queue_id,
            now = now
        )
        .expect("write");
    }
    out.flush().expect("flush");
}

/// Records a second of the tool on one thread.
fn replay(log: &Path) -> f64 {
    let began = Instant::now();
    let ended = Command::new(env!("CARGO_BIN_EXE_tsa"))
        .args(["replay", "--json", "--jobs", "1", "--shaping", RULES])
        .arg(log)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .env_remove("KUMO_PREFIX")
        .status()
        .expect("tsa");
    assert!(ended.success(), "{ended}");
    RECORDS as f64 / began.elapsed().as_secs_f64()
}

/// Records a second of a program that decompresses and parses, and does nothing with it.
fn parse(log: &Path) -> f64 {
    let began = Instant::now();
    let decoder = zstd::Decoder::new(File::open(log).expect("log")).expect("zstd");
    let mut lines = BufReader::with_capacity(256 << 10, decoder);
    let (mut line, mut records) = (String::new(), 0_u64);
    while lines.read_line(&mut line).expect("line") > 0 {
        serde_json::from_str::<serde::de::IgnoredAny>(&line).expect("JSON");
        records += 1;
        line.clear();
    }
    records as f64 / began.elapsed().as_secs_f64()
}

pub fn run(rows: &mut Vec<Row>) {
    let dir = tempfile::tempdir().expect("dir");
    let log = dir.path().join("20260131-120000.000");
    write_log(&log);
    let (mut ours, mut theirs, mut ratios) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let (a, b) = (replay(&log), parse(&log));
        ours.push(a);
        theirs.push(b);
        ratios.push(a / b);
    }
    let (ours, theirs, ratio) = (median(ours), median(theirs), median(ratios));
    rows.push(Row {
        name: "replay of zstd logs, default rules, one core",
        measured: format!("{} records/s", count(ours)),
        against: format!("decompress and check JSON only: {} records/s", count(theirs)),
        result: format!("{ratio:.2}"),
        target: "at least 300,000 records/s",
        met: ours >= TARGET,
    });
}
