//! `tsa replay`, as a person types it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tsa"));
        command.arg("replay").args(arguments).current_dir(self.0.path());
        command.env_remove("KUMO_PREFIX").env_remove("KUMO_ZONES");
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What it says when all is well.
    #[track_caller]
    pub(super) fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// What it says when it is not.
    #[track_caller]
    pub(super) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{}", text(&output.stdout));
        text(&output.stderr)
    }

    /// The lines of `--json`.
    #[track_caller]
    pub(super) fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.says(&[&["--json", "--shaping", "rules.toml"], arguments].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A record of a delivery to `domain` that was tried so many seconds after noon.
pub(super) fn record(at: i64, domain: &str, code: u16, content: &str) -> Value {
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

pub(super) fn log(records: &[Value]) -> String {
    records.iter().flat_map(|record| [record.to_string(), "\n".to_owned()]).collect()
}

/// An hour and a half in which the rules have something to do.
pub(super) fn story() -> Vec<Value> {
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
    insta::assert_snapshot!(page);
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
fn all_effects_are_compared_and_the_weightiest_shown() {
    let folder = Folder::new();
    // More suspensions than are remembered, each of a path of its own; the last holds mail.
    let mut records: Vec<Value> =
        (0..21_000).map(|n| record(n, &format!("d{n}.example"), 421, "never said before")).collect();
    records.push(record(21_000, "d20999.example", 250, "ok"));
    folder.write("log", log(&records));
    folder.write("shorter.toml", RULES.replace("1 hour", "59 minutes"));
    folder.write("rules.toml", RULES);
    let lines = folder.lines(&["--against", "shorter.toml", "log"]);
    let alone: Vec<_> = lines.iter().filter_map(|line| line.get("only_shaping")).collect();
    assert_eq!(alone.len(), 21_000);
    for one in alone {
        let [begin, until] = ["begin", "until"].map(|key| Time::parse(one[key].as_str().unwrap()).unwrap());
        assert_eq!(until.since(begin).as_secs(), 60, "{one}");
        assert_eq!(one["held"], 0, "what both held is not alone: {one}");
    }
    assert!(!lines.iter().any(|line| line.get("only_against").is_some()));
    let said = folder.says(&["--shaping", "rules.toml", "--against", "shorter.toml", "log"]);
    assert!(said.contains("\nTimeline: 21,000 effects, 1 attempt held, 0 bounced\n"), "{said}");
    assert!(
        said.contains("ip1->mx.d20999.example@smtp_client  rules.toml:16, 1 attempt held; after 1 match"),
        "{said}"
    );
    assert!(said.contains("\n  and 20,960 that held less: --json shows them all\n"), "{said}");
    assert!(said.contains("\n    and 20,960 that held less: --json shows them\n"), "{said}");
}

/// What an effect does, and from when to when.
fn deed(effect: &Value) -> (String, Time, Time) {
    let [begin, until] = ["begin", "until"].map(|key| Time::parse(effect[key].as_str().unwrap()).unwrap());
    (format!("{} {} {}", effect["action"], effect["target"], effect["domain"]), begin, until)
}

/// The times of `effects` that none of `others` covers, found the slow way.
fn uncovered(effects: &[Value], others: &[Value]) -> Vec<(String, Time, Time)> {
    let mut left: Vec<_> = effects.iter().map(deed).collect();
    for (name, from, to) in others.iter().map(deed) {
        left = left
            .into_iter()
            .flat_map(|(deed, begin, until)| {
                let apart = deed != name || until <= from || to <= begin;
                let parts = if apart { [(begin, until), (until, until)] } else { [(begin, from), (to, until)] };
                parts.map(|(begin, until)| (deed.clone(), begin, until))
            })
            .filter(|(_, begin, until)| begin < until)
            .collect();
    }
    left.sort();
    left
}

#[test]
fn the_comparison_is_what_the_effects_of_both_leave_of_each_other() {
    let rule = |regex: &str, count: u32, actions: &str, minutes: u32| {
        format!(
            "[[default.automation]]\nregex = '{regex}'\ntrigger = {{Threshold = '{count}/10m'}}\naction = {actions}\n\
             duration = '{minutes} minutes'\n"
        )
    };
    let folder = Folder::new();
    let both = "['Suspend', {SetConfig = {name = 'connection_limit', value = 1}}, 'SuspendTenant']";
    folder.write("rules.toml", rule("busy", 2, both, 7) + &rule("bad", 1, "'Suspend'", 20));
    folder.write("other.toml", rule("busy|bad", 3, both, 5) + &rule("odd", 1, "['SuspendTenant', 'Bounce']", 3));
    let mut random = fastrand::Rng::with_seed(5);
    let records: Vec<Value> = (0..1500)
        .map(|n| {
            let text = ["busy", "busy", "bad", "odd", "ok", "ok"][random.usize(..6)];
            record(n * 113, ["a.example", "b.example"][random.usize(..2)], 421, text)
        })
        .collect();
    folder.write("log", log(&records));
    let effects = |rules: &str| -> Vec<Value> {
        let said = folder.says(&["--json", "--shaping", rules, "log"]);
        let lines = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter_map(|line| line.get("effect").cloned()).collect()
    };
    let (here, there) = (effects("rules.toml"), effects("other.toml"));
    let lines = folder.lines(&["--against", "other.toml", "log"]);
    for (key, own, others) in [("only_shaping", &here, &there), ("only_against", &there, &here)] {
        let mut told: Vec<_> = lines.iter().filter_map(|line| line.get(key)).map(deed).collect();
        told.sort();
        assert!(told.len() > 50, "{key}: {}", told.len());
        assert_eq!(told, uncovered(own, others), "{key}");
    }
}

#[test]
fn what_one_set_of_rules_would_have_held_alone_is_told() {
    let folder = Folder::new();
    let at = |at, code, text| record(at, "a.example", code, text);
    let records = [
        at(0, 421, "busy"),
        at(60, 250, "held by --shaping alone"),
        at(600, 421, "busy, try never said"),
        at(660, 250, "held by both"),
        at(720, 250, "held by both"),
        // --against has ended, and begins again.
        at(1300, 250, "held by --shaping alone"),
        at(1400, 421, "busy"),
        at(1500, 250, "held by --shaping alone"),
        at(9000, 250, "held by none"),
    ];
    folder.write("log", log(&records));
    let rule = |regex: &str, duration: &str| {
        format!("[[default.automation]]\nregex = '{regex}'\naction = 'Suspend'\nduration = '{duration}'\n")
    };
    folder.write("rules.toml", rule("busy", "30 minutes"));
    folder.write("other.toml", rule("never said", "10 minutes"));
    let lines = folder.lines(&["--against", "other.toml", "log"]);
    let alone: Vec<(String, i64)> = lines
        .iter()
        .filter_map(|line| line.get("only_shaping"))
        .map(|one| {
            (
                format!("{} {}", &one["begin"].as_str().unwrap()[11..], &one["until"].as_str().unwrap()[11..]),
                one["held"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(alone, [("12:00:00Z 12:10:00Z".to_owned(), 2), ("12:20:00Z 12:53:20Z".to_owned(), 3)]);
    assert!(!lines.iter().any(|line| line.get("only_against").is_some()));
}

#[test]
fn what_providers_say_gives_terminals_no_orders() {
    let folder = Folder::new();
    folder.write(
        "log",
        log(&[
            record(0, "b.example", 550, "bad list \u{1b}[2J \u{202e}x"),
            record(1, "b.example", 550, "other \u{1b}]0;x\u{7}"),
        ]),
    );
    let said = folder.says(&["--shaping", "rules.toml", "log"]);
    assert!(
        said.contains("550 bad list \u{fffd}[2J \u{fffd}x\n") && said.contains("550 other \u{fffd}]#;x\u{fffd}"),
        "{said}"
    );
    assert!(!said.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{said}");
}
