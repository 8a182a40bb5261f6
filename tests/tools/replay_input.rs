//! What `tsa replay` reads: logs of any kind, whole or not, in order or not.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::replay::{Folder, log, record, story, text};

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
fn segments_that_were_put_together_are_read_behind_one_that_is_cut_short() {
    let folder = Folder::new();
    let story = story();
    let (first, second) = story.split_at(4);
    let filler: Vec<Value> =
        (0..500).map(|n| record(200, "d.example", 250, &format!("ok {}", n * 7919 % 10_007))).collect();
    for pack in [gzip, zstd] {
        let whole = pack(&log(&[first, &filler].concat()));
        folder.write("log", [&whole[..whole.len() - 10], &pack(&log(second))].concat());
        let lines = folder.lines(&["log"]);
        assert_eq!(input(&lines)["truncated"], 1);
        let rules = lines.last().unwrap()["rules"].as_array().unwrap();
        let matches: u64 = rules.iter().map(|rule| rule["matches"].as_u64().unwrap()).sum();
        assert_eq!(matches, 4, "before and behind");
    }
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
    assert_eq!(input(&straight)["out_of_order"], 0);
    assert!(input(&shuffled)["out_of_order"].as_u64() > Some(1000), "{}", input(&shuffled));
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
fn t2_what_comes_too_late_counts_as_with_a_daemon_however_small_the_log() {
    let folder = Folder::new();
    let busy = |at| record(at, "a.example", 421, "busy");
    // In order the first and the last would be two within an hour; the last comes when the hour is long over.
    folder.write("late", log(&[busy(0), busy(9000), busy(20)]));
    let lines = folder.lines(&["late"]);
    let input = lines.iter().find_map(|line| line.get("input")).unwrap();
    assert_eq!((&input["late"], &input["out_of_order"]), (&json!(1), &json!(0)), "{input}");
    assert!(lines.iter().all(|line| line.get("effect").is_none()), "{lines:?}");
}

#[test]
fn a_page_takes_the_place_of_pages_alone() {
    let folder = Folder::new();
    folder.write("one.log", log(&story()));
    let arguments = |page| ["--shaping", "rules.toml", "--html", page, "one.log"];
    for page in ["one.log", "rules.toml"] {
        let err = folder.fails(&arguments(page));
        assert!(err.contains(&format!("`{page}` is there already and is no page")), "{err}");
    }
    assert_eq!(std::fs::read_to_string(folder.path("one.log")).unwrap(), log(&story()));
    folder.says(&arguments("page.html"));
    folder.says(&arguments("page.html"));
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

/// What there is to say of the logs, as `--json` has it.
#[track_caller]
fn input(lines: &[Value]) -> &Value {
    lines.iter().find_map(|line| line.get("input")).unwrap()
}

#[test]
fn r3_a_record_that_is_ahead_of_its_time_ends_nothing() {
    let folder = Folder::new();
    let mut records = story();
    records.truncate(7);
    // Enough for many chunks, so that it is not only those next to it that it could harm.
    records.extend((500..1400).map(|at| record(at, "d.example", 250, "ok")));
    folder.write("log", log(&records));
    let expected = folder.lines(&["log"]);
    let mut ahead = record(10, "a.example", 421, "busy");
    for (at, when) in [(5, "2099-01-01T00:00:00Z"), (0, "9999-12-31T23:59:59Z"), (907, "2099-01-01T00:00:00Z")] {
        ahead["event_time"] = json!(when);
        let mut records = records.clone();
        records.insert(at, ahead.clone());
        folder.write("log", log(&records));
        let lines = folder.lines(&["log"]);
        let (input, last) = (input(&lines), lines.last().unwrap());
        assert_eq!((&input["ahead"], &input["late"]), (&json!(1), &json!(0)), "{input}");
        assert_eq!(input["last"], "2026-01-31T12:23:19Z", "{input}");
        for list in ["sched_q", "bounces"] {
            assert_eq!(last[list], expected.last().unwrap()[list], "{list} with one ahead at {at}");
        }
        assert_eq!(last["ready_q"].as_array().unwrap().len(), 1, "{last}");
    }
    let said = folder.says(&["--shaping", "rules.toml", "log"]);
    assert!(
        said.contains("\n  1 record dated ahead of those around them: taken in as of when they were logged\n"),
        "{said}"
    );
}

#[test]
fn damage_in_the_middle_costs_what_is_damaged() {
    let folder = Folder::new();
    let story = log(&story());
    let expected = folder_says(&folder, &story);
    let (first, second) = story.split_at(story.match_indices('\n').nth(3).unwrap().0 + 1);
    let noise: Vec<u8> =
        (0..30_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).filter(|byte| *byte != b'\n').collect();
    let damaged: [&[u8]; 3] = [&[0; 4096], &noise, b"{\"type\":\"Delivery\""];
    for damage in damaged {
        folder.write("logs/log", [first.as_bytes(), damage, b"\n", second.as_bytes()].concat());
        let lines = folder.lines(&["logs"]);
        assert_eq!((&input(&lines)["broken"], input(&lines)["passed_over"].as_array().unwrap().len()), (&json!(1), 0));
        assert_eq!(lines.last().unwrap(), &expected);
    }
    // As some editors and some systems write files.
    assert_eq!(folder_says(&folder, &format!("\u{feff}{story}")), expected);
    assert_eq!(folder_says(&folder, &story.replace('\n', "\r\n")), expected);
    assert_eq!(folder_says(&folder, &format!("\n\n{story}\n\n")), expected);
    assert_eq!(folder_says(&folder, "")["records"], 0);
}

/// The last line of a log that all of is sound.
#[track_caller]
fn folder_says(folder: &Folder, text: &str) -> Value {
    folder.write("log", text);
    let mut lines = folder.lines(&["log"]);
    let input = input(&lines);
    assert_eq!((&input["broken"], &input["truncated"]), (&json!(0), &json!(0)), "{input}");
    lines.pop().unwrap()
}

#[test]
fn what_can_be_read_once_alone_is_read_once() {
    let folder = Folder::new();
    folder.write("log", log(&story()));
    let expected = folder.lines(&["log"]).pop().unwrap();
    for arguments in
        [&["--json", "--shaping", "rules.toml", "/dev/stdin"][..], &["/dev/stdin", "--json", "--shaping", "rules.toml"]]
    {
        let mut child = folder.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&gzip(&log(&story()))).unwrap();
        let said = text(&child.wait_with_output().unwrap().stdout);
        assert_eq!(serde_json::from_str::<Value>(said.lines().last().unwrap()).unwrap(), expected);
    }
}

#[test]
fn what_is_given_twice_is_read_once() {
    let folder = Folder::new();
    folder.write("logs/mx1/a", log(&story()[..4]));
    folder.write("logs/mx2/b", log(&story()[4..]));
    std::os::unix::fs::symlink("..", folder.path("logs/mx2/up")).unwrap();
    let expected = folder.lines(&["logs/mx1/a", "logs/mx2/b"]);
    assert_eq!(expected.last().unwrap()["records"], story().len());
    for arguments in [&["logs"][..], &["logs", "logs/mx1"], &["logs/mx1/a", "logs"], &["logs/mx2", "logs/mx1/../mx1/a"]]
    {
        assert_eq!(folder.lines(arguments), expected, "{arguments:?}");
    }
}

#[test]
fn shaping_files_and_logs_are_told_apart() {
    let folder = Folder::new();
    folder.write("log", log(&story()));
    folder.write("more.json", "{\n  \"default\": {\"connection_limit\": 3}\n}\n");
    folder.write("log.json", log(&story()));
    folder.write("notes", "dear diary\n");
    let expected = folder.says(&["--shaping", "rules.toml", "log"]);
    for arguments in
        [&["rules.toml", "more.json", "log"][..], &["rules.toml", "more.json", "log.json"], &["rules.toml", "log.json"]]
    {
        assert_eq!(folder.says(&[&["--shaping"], arguments].concat()), expected, "{arguments:?}");
    }
    for (arguments, said) in [
        (
            &["--shaping", "log", "rules.toml"][..],
            "error: no logs are given: `rules.toml` taken for shaping files. Type: tsa replay",
        ),
        (&["--shaping", "log", "log"], "error: `log` is no shaping file but logs. Type: tsa replay"),
        (
            &["--shaping", "rules.toml", "--against", "log", "log"],
            "error: `log` is no shaping file but logs. Type: tsa replay",
        ),
        (
            &["--shaping", "rules.toml", "notes"],
            "error: no logs are given: `notes` taken for shaping files. Type: tsa replay",
        ),
    ] {
        let error = folder.fails(arguments);
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
    let help = folder.fails(&[]);
    assert!(help.contains("Usage: tsa replay") && help.contains("Examples:"), "nothing at all gets the help: {help}");
}
