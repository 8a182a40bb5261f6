//! `tsa check`, as a person types it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs `tsa check` in a folder.
fn check_in(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tsa"))
        .arg("check")
        .args(arguments)
        .current_dir(folder)
        .env_remove("KUMO_PREFIX")
        .env_remove("KUMO_ZONES")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// A folder with files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

/// What `--json` says.
#[track_caller]
fn findings(output: &Output) -> Vec<Value> {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(err.is_empty(), "{err}");
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// `CODE FILE:LINE`
fn place(finding: &Value) -> String {
    let file = Path::new(finding["file"].as_str().unwrap()).file_name().unwrap().to_str().unwrap();
    format!("{} {file}:{}", finding["code"].as_str().unwrap(), finding["line"])
}

/// The text, without what only this machine has.
fn plain(output: &Output, folder: &Path) -> String {
    text(&output.stdout).replace(folder.to_str().unwrap(), "DIR")
}

/// The folder of real inputs; `None`, and a line that says so, where it is absent.
fn data() -> Option<PathBuf> {
    let folder =
        std::env::var_os("KUMO_TSA_DATA").map_or_else(|| Path::new(ROOT).join("../shared/data"), PathBuf::from);
    if !folder.is_dir() {
        println!("skipped: ../shared/data is not there");
        return None;
    }
    Some(folder)
}

/// A section of docs/check.md: its code and its fenced blocks by language.
struct Section {
    code: String,
    blocks: Vec<(String, String)>,
}

fn documented() -> Vec<Section> {
    let text = std::fs::read_to_string(Path::new(ROOT).join("docs/check.md")).unwrap();
    let mut sections: Vec<Section> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        if let Some(code) = line.strip_prefix("### `").and_then(|line| line.strip_suffix('`')) {
            sections.push(Section { code: code.to_owned(), blocks: Vec::new() });
        } else if let Some(language) = line.strip_prefix("```") {
            open = !open;
            if open {
                sections.last_mut().unwrap().blocks.push((language.to_owned(), String::new()));
            }
        } else if open {
            let (_, block) = sections.last_mut().unwrap().blocks.last_mut().unwrap();
            block.push_str(line);
            block.push('\n');
        }
    }
    sections
}

impl Section {
    /// Writes the blocks into files and checks them.
    fn run(&self) -> Output {
        let dir = tempfile::tempdir().unwrap();
        let mut arguments: Vec<String> = Vec::new();
        for (at, (language, block)) in self.blocks.iter().enumerate() {
            let (option, name) = match language.as_str() {
                "toml" | "json" => (None, format!("{}.{language}", at + 1)),
                "zone" => (Some("--zones"), "mx.zone".to_owned()),
                "lua" => (Some("--policy"), "init.lua".to_owned()),
                "tsv" => (Some("--responses"), "responses.tsv".to_owned()),
                "console" => {
                    arguments.extend(block.trim().strip_prefix("tsa check ").unwrap().split(' ').map(str::to_owned));
                    continue;
                }
                other => panic!("{}: a block of {other}", self.code),
            };
            std::fs::write(dir.path().join(&name), block).unwrap();
            arguments.extend(option.map(str::to_owned));
            arguments.push(name);
        }
        arguments.push("--json".to_owned());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        check_in(dir.path(), &arguments)
    }
}

#[test]
fn every_code_is_documented_with_an_example_that_is_found() {
    let source = std::fs::read_to_string(Path::new(ROOT).join("runtime/core/shaping/finding.rs")).unwrap();
    let pattern = regex::Regex::new(r#"pub const [A-Z_0-9]+: &str = "([a-z-]+)""#).unwrap();
    let defined: BTreeSet<&str> = pattern.captures_iter(&source).map(|found| found.extract::<1>().1[0]).collect();
    let sections = documented();
    let told: BTreeSet<&str> = sections.iter().map(|section| section.code.as_str()).collect();
    assert_eq!(told, defined);
    for section in &sections {
        let output = section.run();
        let found = findings(&output);
        let codes: Vec<&str> = found.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
        assert!(codes.contains(&section.code.as_str()), "{}: {found:?}", section.code);
        let error = found.iter().any(|finding| finding["level"] == "error");
        assert_eq!(code(&output), i32::from(error), "{}", section.code);
        for finding in &found {
            let keys: Vec<&String> = finding.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["level", "code", "file", "line", "column", "message", "help"]);
        }
        // An example shows one thing.
        let others: Vec<&str> = codes.iter().filter(|code| **code != section.code).copied().collect();
        assert_eq!(others, [""; 0], "{}: {found:?}", section.code);
    }
}

#[test]
fn each_dead_rule_of_the_community_file_is_found_and_nothing_that_is_sound() {
    let Some(data) = data() else { return };
    let [base, community] =
        ["kumomta-default.toml", "kumomta-community.toml"].map(|name| data.join("shaping").join(name));
    let output = check_in(Path::new(ROOT), &[base.to_str().unwrap(), community.to_str().unwrap(), "--json"]);
    assert_eq!(code(&output), 0);
    let found: Vec<String> = findings(&output).iter().map(place).collect();
    assert_eq!(
        found,
        [
            // 10,000 an hour where `default` says 100 a minute.
            "override-loosens kumomta-default.toml:166",
            "pattern-slow kumomta-default.toml:175",
            "provider-without-match kumomta-community.toml:33",
            // Suspends on a second [TSS04]; the default file suspends on the first, as long.
            "rule-shadowed kumomta-community.toml:67",
            "rule-contradicts kumomta-community.toml:171",
            "rule-same-pattern kumomta-community.toml:203",
            "pattern-escaped-twice kumomta-community.toml:251",
            "match-never-fits kumomta-community.toml:299",
            "match-never-fits kumomta-community.toml:309",
            "match-never-fits kumomta-community.toml:325",
        ]
    );
}

#[test]
fn clean_files_pass() {
    let clean = Path::new(ROOT).join("tests/fixtures/check/clean");
    let mut files: Vec<PathBuf> = std::fs::read_dir(clean).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 4);
    let own = Path::new(ROOT).join("policy-extras/shaping.toml");
    let quickstart = Path::new(ROOT).join("examples/quickstart/shaping.toml");
    let mut sets: Vec<Vec<&Path>> = vec![vec![&own], vec![&own, &quickstart]];
    sets.extend(files.iter().map(|file| vec![file.as_path()]));
    sets.extend(files.iter().map(|file| vec![own.as_path(), file.as_path()]));
    for set in sets {
        let arguments: Vec<&str> =
            set.iter().map(|file| file.to_str().unwrap()).chain(["--deny", "warnings", "--json"]).collect();
        let output = check_in(Path::new(ROOT), &arguments);
        assert_eq!((findings(&output), code(&output)), (Vec::new(), 0), "{set:?}");
    }
}

#[test]
fn real_responses_give_nothing_new_about_our_own_rules() {
    let Some(data) = data() else { return };
    let responses = data.join("smtp-responses.tsv");
    let arguments =
        ["policy-extras/shaping.toml", "--deny", "warnings", "--json", "--responses", responses.to_str().unwrap()];
    let output = check_in(Path::new(ROOT), &arguments);
    assert_eq!((findings(&output), code(&output)), (Vec::new(), 0));
}

#[test]
fn all_errors_of_all_files_are_shown_in_their_place() {
    let bad = "[\"example.com\"]\nconection_limit = 5\nenable_tls = \"Maybe\"\n\n[[\"example.com\".automation]]\nregex = '^421 (busy'\naction = \"Pause\"\nduration = \"1 hour\"\n";
    let dir = folder(&[("bad.toml", bad), ("worse.toml", "[default\n"), ("good.toml", "[provider.p]\n")]);
    let output = check_in(dir.path(), &["bad.toml", "good.toml", "worse.toml", "gone.toml"]);
    assert_eq!(code(&output), 1);
    insta::assert_snapshot!("errors", plain(&output, dir.path()));
}

#[test]
fn warnings_are_shown_in_their_place() {
    let shaping = "[provider.example]\nmatch = [{MXSuffix = \".Example.com\"}]\n\n[[provider.example.automation]]\nregex = 'Server busy'\naction = \"Suspend\"\ntrigger = {Threshold = \"5/hr\"}\nduration = \"30 minutes\"\n\n[[provider.example.automation]]\nregex = '\\\\[BUSY\\\\]'\naction = \"Suspend\"\nduration = \"30 minutes\"\n\n[[provider.example.automation]]\nregex = 'Server busy'\naction = {SetConfig = {name = \"connection_limit\", value = 1}}\nduration = \"15 minutes\"\n\n[\"example.com\"]\nconnection_limit = 2\n";
    let dir = folder(&[("shaping.toml", shaping)]);
    let output = check_in(dir.path(), &["shaping.toml"]);
    assert_eq!(code(&output), 0);
    let shown = plain(&output, dir.path());
    assert!(!shown.contains('\u{1b}'), "no colour off a terminal");
    insta::assert_snapshot!("warnings", shown);
    assert_eq!(code(&check_in(dir.path(), &["shaping.toml", "--deny", "warnings"])), 1);
    let output = check_in(dir.path(), &["shaping.toml", "--json"]);
    insta::assert_snapshot!("json", plain(&output, dir.path()));
}

#[test]
fn what_can_be_read_is_looked_at_beside_errors() {
    let one = "[provider.p]\nmatch = [{MXSuffix = \".P.net\"}]\nconection_limit = 5\n[provider.q]\nmax_ready = 1\n";
    let two =
        "[[default.automation]]\nregex = '('\naction = \"Suspend\"\nduration = \"1h\"\n[\"a.b\"]\nenable_dane = true\n";
    let dir = folder(&[("one.toml", one), ("two.toml", two), ("broken.toml", "[default\n")]);
    let look = |arguments: &[&str]| {
        let output = check_in(dir.path(), &[arguments, &["--json"]].concat());
        (findings(&output).iter().map(place).collect::<Vec<_>>(), code(&output))
    };
    let mut expected = vec![
        "match-never-fits one.toml:2",
        "unknown-option one.toml:3",
        "provider-without-match one.toml:4",
        "bad-pattern two.toml:2",
        "option-without-effect two.toml:6",
    ];
    let owned = |expected: &[&str]| expected.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(look(&["one.toml", "two.toml"]), (owned(&expected), 1));
    // The broken file may have what the provider lacks.
    expected.remove(2);
    expected.insert(0, "syntax broken.toml:1");
    assert_eq!(look(&["broken.toml", "one.toml", "two.toml"]), (owned(&expected), 1));
    let said = plain(&check_in(dir.path(), &["broken.toml", "one.toml"]), dir.path());
    assert!(said.contains("looked at without broken.toml: warnings may change with what is in there\n"), "{said}");
}

#[test]
fn files_of_any_kind_are_told_where_they_are_wrong() {
    let dir = folder(&[
        ("empty.toml", ""),
        ("bom.toml", "\u{feff}[\"a.b\"]\r\nmx_rollup = false\r\nconection_limit = 5\r\n"),
        ("zero.toml", "[\"a.b\"]\nconnection_limit = \0 5\n"),
        ("page.toml", "<html>404</html>\n"),
        ("cut.json", "{\"a.b\": {\"connection_limit\": 5"),
        ("list.json", "[1]"),
    ]);
    std::fs::write(dir.path().join("latin.toml"), b"# Gr\xfc\xdfe\n").unwrap();
    std::fs::write(dir.path().join("wide.toml"), b"\xff\xfe[\0d\0]\0").unwrap();
    std::fs::write(dir.path().join("deep.json"), "[".repeat(100_000)).unwrap();
    for (name, expected) in [
        ("empty.toml", &[][..]),
        ("bom.toml", &["unknown-option:3:1"]),
        ("zero.toml", &["unreadable:2:20"]),
        ("latin.toml", &["unreadable:1:5"]),
        ("wide.toml", &["unreadable:1:1"]),
        ("cut.json", &["syntax:1:9"]),
        ("list.json", &["syntax:1:1"]),
        ("deep.json", &["syntax:1:513"]),
    ] {
        let output = check_in(dir.path(), &[name, "--json"]);
        let at = |one: &Value| format!("{}:{}:{}", one["code"].as_str().unwrap(), one["line"], one["column"]);
        assert_eq!(findings(&output).iter().map(at).collect::<Vec<_>>(), expected, "{name}");
        assert_eq!(code(&check_in(dir.path(), &[name])), i32::from(!expected.is_empty()), "{name}");
    }
    let output = check_in(dir.path(), &["page.toml", "--json"]);
    let columns: Vec<u64> = findings(&output).iter().map(|one| one["column"].as_u64().unwrap()).collect();
    assert!(columns.len() > 1 && columns.is_sorted(), "in the order of the text: {columns:?}");
}

#[test]
fn a_line_that_is_too_long_to_be_drawn_is_shown_in_part() {
    let blocks: Vec<String> = (0..400).map(|n| format!("\"d{n}.example\":{{\"mx_rollup\":false}}")).collect();
    let json = format!("{{{},\"a.b\":{{\"conection_limit\":5}}}}", blocks.join(","));
    let dir = folder(&[("min.json", &json), ("long.toml", &"a".repeat(2_000_000))]);
    let output = check_in(dir.path(), &["min.json", "long.toml"]);
    assert_eq!((code(&output), text(&output.stderr).as_str()), (1, ""));
    insta::assert_snapshot!("long", plain(&output, dir.path()));
}

#[test]
fn what_is_in_order_is_said_in_a_line() {
    let dir = folder(&[("shaping.toml", "[\"example.com\"]\nmx_rollup = false\nconnection_limit = 2\n")]);
    let output = check_in(dir.path(), &["shaping.toml", "--deny", "warnings"]);
    assert_eq!((plain(&output, dir.path()).as_str(), code(&output)), ("no errors, no warnings in 1 file\n", 0));
}

#[test]
fn zones_tell_what_domains_roll_up_into() {
    let shaping = "[provider.p]\nmatch = [{MXSuffix = \".p.net\"}]\n[\"a.com\"]\n[\"b.com\"]\n[\"c.com\"]\n[\"null.com\"]\n[\"gone.com\"]\n[\"gone.org\"]\nmx_rollup = false\n";
    let zone = "a.com. 60 IN MX 10 mx1.p.net.\na.com. 60 IN MX 10 mx2.p.net.\nb.com. 60 IN MX 10 mx2.p.net.\nb.com. 60 IN MX 10 mx1.p.net.\nc.com. 60 IN MX 10 mx.c.com.\nnull.com. 60 IN MX 0 .\n";
    let dir = folder(&[("s.toml", shaping), ("z.zone", zone)]);
    let output = check_in(dir.path(), &["s.toml", "--zones", "z.zone", "--json"]);
    let found: Vec<String> = findings(&output).iter().map(place).collect();
    assert_eq!(
        found,
        [
            "rollup-covered s.toml:3",
            "rollup-alias s.toml:4",
            "rollup-covered s.toml:4",
            "rollup-null-mx s.toml:6",
            "rollup-unresolved s.toml:7",
        ]
    );
    let output = check_in(dir.path(), &["s.toml"]);
    let said = "DNS was not asked: `--zones FILE` also checks what domains roll up into\n";
    assert_eq!((plain(&output, dir.path()), code(&output)), (format!("{said}no errors, no warnings in 1 file\n"), 0));
}

#[test]
fn a_policy_is_validated_and_asked_for_its_sources() {
    let dir = folder(&[
        ("bad.lua", "local kumo = require 'kumo'\n\n  kumo.no_such_function()\n"),
        ("syntax.lua", "local kumo = = 1\n"),
        (
            "declared.lua",
            "local kumo = require 'kumo'\nkumo.on('validate_config', function()\n  print('the pool is empty')\n  kumo.validation_failed()\nend)\n",
        ),
        (
            "good.lua",
            "local kumo = require 'kumo'\nkumo.on('get_egress_source', function(name)\n  if name == 'ip-1' then\n    return kumo.make_egress_source { name = name }\n  end\n  error('none')\nend)\n",
        ),
        ("none.lua", "local kumo = require 'kumo'\n"),
        (
            "shaping.toml",
            "[\"example.com\"]\nmx_rollup = false\n[\"example.com\".sources.\"ip-1\"]\nconnection_limit = 1\n[\"example.com\".sources.\"ip-2\"]\nconnection_limit = 1\n",
        ),
    ]);
    let look = |arguments: &[&str]| {
        let output = check_in(dir.path(), arguments);
        let found: Vec<String> = findings(&output).iter().map(place).collect();
        (found.join(", "), code(&output))
    };
    assert_eq!(look(&["--policy", "bad.lua", "--json"]), ("policy-invalid bad.lua:3".to_owned(), 1));
    assert_eq!(look(&["--policy", "syntax.lua", "--json"]), ("policy-invalid syntax.lua:1".to_owned(), 1));
    assert_eq!(look(&["--policy", "gone.lua", "--json"]), ("unreadable gone.lua:1".to_owned(), 1));
    assert_eq!(look(&["--policy", "declared.lua", "--json"]), ("policy-invalid declared.lua:1".to_owned(), 1));
    assert_eq!(
        look(&["shaping.toml", "--policy", "good.lua", "--json"]),
        ("unknown-source shaping.toml:5".to_owned(), 0)
    );
    let both = "unknown-source shaping.toml:3, unknown-source shaping.toml:5".to_owned();
    assert_eq!(look(&["shaping.toml", "--policy", "none.lua", "--json"]), (both, 0));
    let output = check_in(dir.path(), &["--policy", "declared.lua"]);
    insta::assert_snapshot!("declared", plain(&output, dir.path()));
    let output = check_in(dir.path(), &["--policy", "bad.lua"]);
    insta::assert_snapshot!("policy", plain(&output, dir.path()));
}

#[test]
fn the_policies_of_the_quickstart_pass() {
    for policy in ["init.lua", "tsa_init.lua"] {
        let prefix = tempfile::tempdir().unwrap();
        let etc = prefix.path().join("opt/kumomta/etc/policy");
        std::fs::create_dir_all(&etc).unwrap();
        let quickstart = Path::new(ROOT).join("examples/quickstart");
        std::fs::copy(quickstart.join("shaping.toml"), etc.join("shaping.toml")).unwrap();
        let file = quickstart.join(policy);
        let arguments = ["--policy", file.to_str().unwrap(), "--prefix", prefix.path().to_str().unwrap(), "--json"];
        let output = check_in(Path::new(ROOT), &arguments);
        assert_eq!((findings(&output), code(&output)), (Vec::new(), 0), "{policy}");
    }
}

#[test]
fn a_policy_alone_is_checked_with_the_files_that_it_loads() {
    let shaping =
        "[\"a.b\"]\nmx_rollup = false\n[\"a.b\".sources.\"ip-1\"]\nmax_ready = 1\n[provider.p]\nmax_ready = 1\n";
    let load =
        "kumo.shaping.load { '/opt/kumomta/share/policy-extras/shaping.toml', '/opt/kumomta/etc/policy/shaping.toml' }";
    let daemon =
        format!("local kumo = require 'kumo'\nkumo.on('tsa_load_shaping_data', function()\n  return {load}\nend)\n");
    let host = "local kumo = require 'kumo'\nlocal shaping = require 'policy-extras.shaping'\nlocal shaper = shaping:setup_with_automation {\n  extra_files = { '/opt/kumomta/etc/policy/shaping.toml' },\n}\nkumo.on('get_egress_path_config', shaper.get_egress_path_config)\n";
    let dir = folder(&[("shaping.toml", shaping), ("tsa_init.lua", &daemon), ("init.lua", host)]);
    let look = |policy: &str| {
        let output = check_in(dir.path(), &["--policy", policy, "--json"]);
        for finding in findings(&output).iter().filter(|finding| finding["code"] != "unreadable") {
            let file = dir.path().join(finding["file"].as_str().unwrap());
            assert!(file.is_file(), "an editor can open it: {finding}");
        }
        (findings(&output).iter().map(place).collect::<Vec<_>>(), code(&output))
    };
    let provider = "provider-without-match shaping.toml:5".to_owned();
    assert_eq!(look("tsa_init.lua"), (vec![provider.clone()], 0));
    assert_eq!(look("init.lua"), (vec!["unknown-source shaping.toml:3".to_owned(), provider], 0));
    // What rolls up is asked for nowhere, and nobody is told that it did not resolve.
    std::fs::write(dir.path().join("shaping.toml"), "[\"a.b\"]\nmax_ready = 1\n").unwrap();
    let said = plain(&check_in(dir.path(), &["--policy", "init.lua"]), dir.path());
    let note = "DNS was not asked: `--zones FILE` also checks what domains roll up into\n";
    assert_eq!(said, format!("{note}no errors, no warnings in 3 files\n"));
    std::fs::remove_file(dir.path().join("shaping.toml")).unwrap();
    assert_eq!(look("tsa_init.lua"), (vec!["unreadable shaping.toml:1".to_owned()], 1));
    let (found, status) = look("init.lua");
    assert_eq!(
        (found, status),
        (vec!["unreadable shaping.toml:1".to_owned(), "policy-invalid init.lua:1".to_owned()], 1)
    );
}

#[test]
fn wrong_usage_says_what_to_type() {
    let dir = folder(&[("a.toml", "")]);
    let said = |arguments: &[&str]| {
        let output = check_in(dir.path(), arguments);
        (code(&output), text(&output.stderr))
    };
    let (status, nothing) = said(&[]);
    assert_eq!(status, 2);
    assert!(nothing.contains("Usage: tsa check") && nothing.contains("FILES"), "{nothing}");
    let (status, folder) = said(&["."]);
    assert_eq!(
        (status, folder.as_str()),
        (1, "error: `.` is a folder: name its files, as in `tsa check ./shaping.toml`\n")
    );
    let (status, policy) = said(&["init.lua"]);
    let expected = "error: `init.lua` is a policy, not a shaping file: type `tsa check --policy init.lua`\n";
    assert_eq!((status, policy.as_str()), (1, expected));
    let (status, deny) = said(&["a.toml", "--deny", "errors"]);
    assert!(status == 2 && deny.contains("[possible values: warnings]"), "{deny}");
    let (status, responses) = said(&["a.toml", "--responses", "a.toml"]);
    assert!(status == 1 && responses.contains("expected lines of provider, code and text"), "{responses}");
    let (status, zones) = said(&["a.toml", "--zones", "gone.zone"]);
    assert!(status == 1 && zones.contains("gone.zone"), "{zones}");
    let output = check_in(dir.path(), &["--help"]);
    let help = text(&output.stdout);
    assert!(help.contains("Examples:") && help.contains("tsa check shaping.toml --deny warnings"), "{help}");
}
