//! `tsa replay`, as a person types it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kumo_tsa_core::wire::Time;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Noon of 31 January 2026.
const NOON: i64 = 1_769_860_800;

const RULES: &str = r#"
["a.example"]
mx_rollup = false

[["a.example".automation]]
regex = "busy"
trigger = {Threshold = "2/hr"}
action = ["Suspend", {SetConfig = {name = "connection_limit", value = 3}}]
duration = "30 minutes"

[[default.automation]]
regex = "bad list"
action = "BounceTenant"
duration = "1 hour"

[[default.automation]]
regex = "never said"
action = "Suspend"
duration = "1 hour"
"#;

/// A folder with rules and logs.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("rules.toml", RULES);
        folder
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tsa"));
        command.arg("replay").args(arguments).current_dir(self.0.path());
        command.env_remove("KUMO_PREFIX").env_remove("KUMO_ZONES");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What it says when all is well.
    #[track_caller]
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// What it says when it is not.
    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{}", text(&output.stdout));
        text(&output.stderr)
    }

    /// The lines of `--json`.
    #[track_caller]
    fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.says(&[&["--json", "--shaping", "rules.toml"], arguments].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A record of a delivery to `domain` that was tried so many seconds after noon.
fn record(at: i64, domain: &str, code: u16, content: &str) -> Value {
    let kind = match code {
        200..400 => "Delivery",
        400..500 => "TransientFailure",
        _ => "Bounce",
    };
    json!({
        "type": kind, "id": format!("{at:032x}"), "sender": "from@sender.example", "recipient": format!("to@{domain}"),
        "queue": format!("spring:shop@{domain}"), "site": format!("ip1->mx.{domain}@smtp_client"), "size": 1000,
        "response": {"code": code, "enhanced_code": null, "content": content, "command": null},
        "timestamp": NOON + at, "event_time": Time::from_secs(NOON + at).to_string(), "created": NOON, "num_attempts": 0,
        "bounce_classification": "Uncategorized", "egress_pool": "pool", "egress_source": "ip1", "meta": {}, "headers": {},
        "nodeid": "5c47c3e3-8f3c-4a0a-9f35-6e5a7a0e7d11"
    })
}

fn log(records: &[Value]) -> String {
    records.iter().flat_map(|record| [record.to_string(), "\n".to_owned()]).collect()
}

/// An hour and a half in which the rules have something to do.
fn story() -> Vec<Value> {
    let mut records = vec![
        record(0, "a.example", 250, "ok"),
        record(60, "a.example", 421, "busy, sorry"),
        record(120, "a.example", 421, "busy, still"),
        record(180, "a.example", 250, "ok"),
        record(240, "a.example", 421, "busy, see ticket 4711"),
        record(300, "b.example", 550, "bad list"),
        record(400, "b.example", 250, "ok"),
    ];
    for n in 0..3 {
        let refused = format!("<to{n}@c.example>: greylisted for {} s (id a{n}b{n}c{n}d{n}e)", 300 - n);
        records.push(record(500 + n, "c.example", 451, &refused));
    }
    records.push(record(5400, "c.example", 250, "ok"));
    records
}

#[test]
fn the_report_says_what_would_have_happened() {
    let folder = Folder::new();
    folder.write("log", log(&story()));
    let said = folder.says(&["--shaping", "rules.toml", "log"]);
    let expected = r#"11 records of 1 log, 2026-01-31T12:00:00Z to 2026-01-31T13:30:00Z (1h 30m)

Rules: 2 of 3 matched, 4 records in all
   matches triggers  effects in force     held accepted  bounced  rule
         3        2        2    1h 4m        2        1        0  rules.toml:5  domain:a.example 2 within 1h, Suspend, SetConfig connection_limit=3: `busy`
         1        1        1       1h        0        0        1  rules.toml:11  default Immediate, BounceTenant: `bad list`
  held: attempts at delivery in the logs that would have waited; accepted: those of them that succeeded.
  In force is the time of all its effects together. What is held makes no more records: live, a rule that
  suspends acts less often than here.

Timeline: 3 effects, 2 attempts held, 1 bounced
  2026-01-31T12:02:00Z for 32m      Suspend  ip1->mx.a.example@smtp_client  rules.toml:5, prolonged once, 2 attempts held; after 2 matches: 421 busy, still
  2026-01-31T12:02:00Z for 32m      SetConfig connection_limit=3  ip1->mx.a.example@smtp_client for a.example  rules.toml:5, prolonged once; after 2 matches: 421 busy, still
  2026-01-31T12:05:00Z for 1h       BounceTenant  shop@b.example  rules.toml:11, 1 attempt bounced; after 1 match: 550 bad list

No rule matched: 3 responses of 1 shape
         3  451 <<address>>: greylisted for # s (id <id>)  (all of c.example)
              # a deferral that the queue's own retries answer: slow down when it does not end
              [['c.example'.automation]]
              regex = '^451 <\S+>: greylisted for \d+ s \(id [\w~%+:-]+\)'
              trigger = {Threshold = "100/hr"}
              action = [{SetConfig = {name = "connection_limit", value = 1}}, {SetConfig = {name = "max_message_rate", value = "30/min"}}]
              duration = "30 minutes"
"#;
    assert_eq!(said, expected);
}

#[test]
fn the_last_line_of_json_says_what_is_in_force() {
    let folder = Folder::new();
    let mut records = story();
    records.truncate(7);
    folder.write("log", log(&records));
    let lines = folder.lines(&["log"]);
    let last = lines.last().unwrap();
    let keys: Vec<&str> = last.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["records", "ready_q", "sched_q", "bounces", "overrides", "rules"]);
    assert_eq!(last["records"], 7);
    let ready = &last["ready_q"][0];
    assert_eq!(ready["site_name"], "ip1->mx.a.example@smtp_client");
    assert_eq!(ready["reason"], "automation rule: busy");
    assert_eq!(ready["expires"], "2026-01-31T12:34:00Z");
    assert_eq!(last["sched_q"], json!([]));
    assert_eq!(last["bounces"][0]["tenant"], "shop");
    assert_eq!(last["overrides"][0]["value"]["option"], "connection_limit");
    let rules: Vec<_> =
        last["rules"].as_array().unwrap().iter().map(|rule| rule["matches"].as_u64().unwrap()).collect();
    assert_eq!(rules.iter().sum::<u64>(), 4);
    assert_eq!(rules.len(), 3, "those that matched nothing too");
    let effects: Vec<_> = lines.iter().filter_map(|line| line.get("effect")).collect();
    assert_eq!(effects.len(), 3);
    assert_eq!(lines.iter().filter(|line| line.get("input").is_some()).count(), 1);
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

#[test]
fn a_log_is_known_by_its_content() {
    let folder = Folder::new();
    let story = story();
    let (first, second) = story.split_at(4);
    let (first, second) = (log(first), log(second));
    let whole = format!("{first}{second}");
    folder.write("plain", &whole);
    folder.write("gzip.txt", gzip(&whole));
    folder.write("zstd", zstd(&whole));
    // Members and frames one after the other are one log.
    folder.write("gzip2", [gzip(&first), gzip(&second)].concat());
    folder.write("zstd2", [zstd(&first), zstd(&second)].concat());
    folder.write("folder/b/20260131-120200", zstd(&second));
    folder.write("folder/a/20260131-120000", gzip(&first));
    folder.write("folder/README", "about these logs\n");
    let expected = folder.lines(&["plain"]).pop().unwrap();
    for log in ["gzip.txt", "zstd", "gzip2", "zstd2", "folder"] {
        assert_eq!(folder.lines(&[log]).pop().unwrap(), expected, "{log}");
        assert_eq!(folder.lines(&["--jobs", "3", log]).pop().unwrap(), expected, "{log}");
    }
    let mut child = folder
        .command(&["--json", "--shaping", "rules.toml", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&zstd(&whole)).unwrap();
    let said = text(&child.wait_with_output().unwrap().stdout);
    assert_eq!(serde_json::from_str::<Value>(said.lines().last().unwrap()).unwrap(), expected);
}

#[test]
fn broken_lines_and_truncated_logs_are_survived_and_counted() {
    let folder = Folder::new();
    let good = log(&story());
    let many: String =
        (0..2000).map(|n| log(&[record(6000, "d.example", 250, &format!("ok {}", n * 7919 % 10_007))])).collect();
    let broken = format!("half a line\n{good}{{\"type\":\"Delivery\"}}\n\n[1,2]\n\u{fffd}\n");
    folder.write("broken", &broken);
    let whole = zstd(&format!("{good}{many}"));
    folder.write("cut.zst", &whole[..whole.len() - 100]);
    let whole = gzip(&format!("{good}{many}"));
    folder.write("cut.gz", &whole[..whole.len() - 100]);
    folder.write("cut.txt", &good[..good.len() - 40]);
    for (log, broken, truncated, records) in [("broken", 4, 0, 11), ("cut.txt", 0, 1, 10)] {
        let lines = folder.lines(&[log]);
        let input = lines.iter().find_map(|line| line.get("input")).unwrap();
        assert_eq!((&input["broken"], &input["truncated"]), (&json!(broken), &json!(truncated)), "{log}");
        assert_eq!(lines.last().unwrap()["records"], records, "{log}");
    }
    for log in ["cut.zst", "cut.gz"] {
        let lines = folder.lines(&[log]);
        let input = lines.iter().find_map(|line| line.get("input")).unwrap();
        assert_eq!((&input["broken"], &input["truncated"]), (&json!(0), &json!(1)), "{log}");
        assert_eq!(lines.iter().filter(|line| line.get("effect").is_some()).count(), 3, "{log}");
    }
    let said = folder.says(&["--shaping", "rules.toml", "broken"]);
    assert!(said.contains("\n  4 broken lines passed over: not log records\n"), "{said}");
}

#[test]
fn records_of_messages_that_carry_records_are_left_out() {
    let folder = Folder::new();
    let mut records = story();
    for record in &mut records {
        record["reception_protocol"] = json!("ESMTP");
    }
    folder.write("log", log(&records));
    let expected = folder.lines(&["log"]).pop().unwrap();
    for (at, text) in [(310, "bad list"), (320, "what?"), (330, "bad list")] {
        let mut carrier = record(at, "tsa.kumomta", 550, text);
        carrier["reception_protocol"] = json!("LogRecord");
        records.push(carrier);
    }
    records[0]["meta"] = json!({"x": "LogRecord"});
    folder.write("log", log(&records));
    let lines = folder.lines(&["log"]);
    let input = lines.iter().find_map(|line| line.get("input")).unwrap();
    assert_eq!(input["carriers"], 3, "{input}");
    let mut last = lines.last().unwrap().clone();
    assert_eq!(last["records"], 14);
    last["records"] = json!(11);
    assert_eq!(last, expected);
}

#[test]
fn records_up_to_ten_minutes_out_of_order_are_put_in_order() {
    let folder = Folder::new();
    // Enough that they come in many chunks.
    let mut records: Vec<Value> = (0..6000_i64)
        .map(|n| match n % 40 {
            0 => record(n, "a.example", 421, "busy"),
            7 if n > 4000 => record(n, "b.example", 550, "bad list"),
            _ => record(n, "a.example", 250, "ok"),
        })
        .collect();
    folder.write("straight", log(&records));
    // Each record is moved by less than 10 minutes.
    let mut random = fastrand::Rng::with_seed(7);
    records.sort_by_cached_key(|record| record["timestamp"].as_i64().unwrap() + random.i64(0..590));
    folder.write("shuffled", log(&records));
    let (straight, shuffled) = (folder.lines(&["straight"]), folder.lines(&["shuffled"]));
    assert_eq!(straight.last(), shuffled.last());
    let effects = |lines: &[Value]| lines.iter().filter_map(|line| line.get("effect").cloned()).collect::<Vec<_>>();
    assert_eq!(effects(&straight), effects(&shuffled));
    // A record from long ago.
    records.push(record(6001, "a.example", 250, "ok"));
    records.insert(5999, record(10, "a.example", 250, "late"));
    folder.write("late", log(&records));
    let lines = folder.lines(&["late"]);
    let input = lines.iter().find_map(|line| line.get("input")).unwrap();
    assert_eq!(input["late"], 1, "{input}");
}

#[test]
fn logs_of_several_hosts_are_read_side_by_side() {
    let folder = Folder::new();
    // Three hours on two hosts: each sees one of the two refusals of each hour.
    let host = |offset: i64| -> String {
        let at = |n: i64| n * 10 + offset;
        let say = |n: i64| if n % 360 == 100 { (421, "busy") } else { (250, "ok") };
        (0..1080).map(|n| log(&[record(at(n), "a.example", say(n).0, say(n).1)])).collect()
    };
    folder.write("logs/mx1/1", host(0));
    folder.write("logs/mx2/1", host(3));
    let lines = folder.lines(&["logs"]);
    let input = lines.iter().find_map(|line| line.get("input")).unwrap();
    assert_eq!(input["late"], 0, "{input}");
    let begins: Vec<_> =
        lines.iter().filter_map(|line| line.get("effect")).map(|effect| effect["begin"].as_str().unwrap()).collect();
    // From the second hour on the other host's refusal is less than an hour old.
    let times = ["2026-01-31T12:16:43Z", "2026-01-31T13:16:40Z", "2026-01-31T14:16:40Z"];
    assert_eq!(begins, [times[0], times[0], times[1], times[1], times[2], times[2]]);
}

#[test]
fn two_sets_of_rules_are_compared() {
    let folder = Folder::new();
    folder.write("log", log(&story()));
    folder.write("other.toml", RULES.replace("30 minutes", "10 minutes").replace("bad list", "good list"));
    let said = folder.says(&["--shaping", "rules.toml", "--against", "other.toml", "log"]);
    let part = said.split("\nCompared with --against\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let expected = "  --shaping: 4 records matched, 3 effects, 2 attempts held, 1 bounced
  --against: 3 records matched, 2 effects, 2 attempts held, 0 bounced
  Only --shaping would have done:
    2026-01-31T12:05:00Z for 1h       BounceTenant  shop@b.example  rules.toml:11, 1 attempt bounced
    2026-01-31T12:14:00Z for 20m      Suspend  ip1->mx.a.example@smtp_client  rules.toml:5
    2026-01-31T12:14:00Z for 20m      SetConfig connection_limit=3  ip1->mx.a.example@smtp_client for a.example  rules.toml:5
  Only --against would have done: nothing";
    assert_eq!(part, expected);
    let same = folder.says(&["--shaping", "rules.toml", "--against", "rules.toml", "log"]);
    assert!(same.contains("Both would have done the same."), "{same}");
    let lines = folder.lines(&["--against", "other.toml", "log"]);
    assert_eq!(lines.iter().filter(|line| line.get("only_shaping").is_some()).count(), 3);
    assert_eq!(lines.iter().filter(|line| line.get("only_against").is_some()).count(), 0);
    assert_eq!(lines.iter().filter(|line| line.get("against").is_some()).count(), 1);
}

#[test]
fn a_page_stands_alone() {
    let folder = Folder::new();
    let mut records = story();
    records.push(record(5401, "c.example", 550, "<script>alert('x')</script> & more"));
    folder.write("log", log(&records));
    folder.says(&["--shaping", "rules.toml", "--against", "rules.toml", "--html", "page.html", "log"]);
    let page = std::fs::read_to_string(folder.path("page.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert_eq!(page.matches(" rx=\"2\"><title>").count(), 2 * 3, "a bar for each effect of each set");
    assert!(page.contains("<svg ") && page.contains("</svg>"));
    assert!(!page.contains("<script"), "text stays text");
    assert!(!page.contains("src=") && !page.contains("href="), "nothing is fetched");
    for tag in ["table", "tr", "td", "svg", "title", "pre", "ul", "li"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn each_proposed_rule_loads_and_matches() {
    let folder = Folder::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/responses.tsv");
    let mut responses = std::fs::read_to_string(file).unwrap();
    let data = std::env::var("KUMO_TSA_DATA").unwrap_or_else(|_| "../shared/data".to_owned());
    match std::fs::read_to_string(Path::new(&data).join("smtp-responses.tsv")) {
        Ok(more) => responses.push_str(&more),
        Err(_) => eprintln!("skipped: {data}/smtp-responses.tsv is not there"),
    }
    let rows = responses.lines().filter(|line| !line.starts_with('#')).enumerate().filter_map(|(n, line)| {
        let mut cells = line.split('\t');
        let (domain, code) = (format!("{}.example", cells.next()?), cells.next()?.parse().ok()?);
        let text = cells.next().filter(|_| code >= 400)?;
        Some(record(i64::try_from(n).unwrap(), &domain, code, text))
    });
    let records: Vec<Value> = rows.collect();
    folder.write("log", log(&records));
    folder.write("rules.toml", "");
    let lines = folder.lines(&["log"]);
    let unmatched: Vec<_> = lines.iter().filter_map(|line| line.get("unmatched")).collect();
    let total: u64 = unmatched.iter().map(|one| one["count"].as_u64().unwrap()).sum();
    assert_eq!((total, total > 100), (records.len() as u64, true));
    let counts: Vec<_> = unmatched.iter().map(|one| one["count"].as_u64()).collect();
    assert!(counts.is_sorted_by(|a, b| a >= b), "the most frequent first");
    let rules: String = unmatched.iter().map(|one| one["rule"].as_str().unwrap()).collect();
    folder.write("rules.toml", rules);
    let lines = folder.lines(&["log"]);
    assert_eq!(lines.iter().filter(|line| line.get("unmatched").is_some()).count(), 0);
    let rules = lines.last().unwrap()["rules"].as_array().unwrap();
    assert!(rules.iter().all(|rule| rule["matches"].as_u64() > Some(0)));
}

#[test]
fn what_is_wrong_is_said() {
    let folder = Folder::new();
    folder.write("log", log(&story()));
    folder.write("notes.txt", "dear diary\n");
    folder.write("noise.bin", [0, 159, 146, 150]);
    folder.write("bad.toml", "[[default.automation]]\nregex = '('\naction = 'Suspend'\nduration = '1 h'\n");
    std::fs::create_dir(folder.path("empty")).unwrap();
    folder.write("texts/a.txt", "no log\n");
    for (arguments, said) in [
        (
            &["--shaping", "rules.toml"][..],
            "error: no logs are given. Type: tsa replay --shaping FILE LOGS... (`-` is standard input)\n",
        ),
        (&["log"], "--shaping <FILE>"),
        (&["--shaping", "rules.toml", "nothing"], "`nothing`: No such file or directory"),
        (
            &["--shaping", "no.toml", "--json", "log"],
            "error: local shaping source no.toml error: loading data from file no.toml",
        ),
        (&["--shaping", "http://127.0.0.1/x.toml", "--json", "log"], "error: `http://127.0.0.1/x.toml` is not read"),
        (&["--shaping", "bad.toml", "--json", "log"], "bad.toml:2:"),
        (
            &["--shaping", "rules.toml", "--json", "notes.txt"],
            "error: `notes.txt` is something else; expected JSON lines",
        ),
        (&["--shaping", "rules.toml", "--json", "noise.bin"], "error: `noise.bin` is binary; expected JSON lines"),
        (&["--shaping", "rules.toml", "empty"], "error: there is no file in the folder `empty`"),
        (&["--shaping", "rules.toml", "texts"], "error: no file there is a log of a mail host: `texts`"),
        (&["--shaping", "rules.toml", "log", "--zones", "no.zone"], "no.zone"),
        (&["--shaping", "rules.toml", "log", "--html", "no/page.html"], "error: cannot write `no/page.html`"),
        (&["--shaping", "rules.toml", "--json", "-", "-"], "`-` is given twice"),
    ] {
        let error = folder.fails(arguments);
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}

#[test]
fn logs_may_stand_behind_shaping_files() {
    let folder = Folder::new();
    folder.write("more.toml", "");
    folder.write("log", log(&story()));
    let expected = folder.says(&["--shaping", "rules.toml", "log"]);
    assert_eq!(folder.says(&["--shaping", "rules.toml", "more.toml", "log"]), expected);
    assert_eq!(folder.says(&["log", "--shaping", "rules.toml", "more.toml"]), expected);
    let help = folder.says(&["--help"]);
    assert!(
        help.contains("Examples:") && help.contains("tsa replay --shaping new.toml --against shaping.toml"),
        "{help}"
    );
}
