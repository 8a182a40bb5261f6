//! `tsa up`, as a person types it.

use std::process::{Command, Output};

fn tsa(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tsa"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("KUMO_TSA_LISTEN", "127.0.0.1:0")
        .env_remove("KUMO_PREFIX")
        .env_remove("KUMO_ZONES")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn traffic_shows_effects_with_their_rules_a_count_and_a_summary() {
    let output = tsa(&["up", "--traffic", "--for", "6s", "--rate", "800"]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let effect = out
        .lines()
        .find(|line| line.contains("  until ") && line.contains("  rule "))
        .unwrap_or_else(|| panic!("{out}"));
    assert!(effect.contains("/shaping.toml:") && effect.contains("->") && effect.contains(" match"), "{effect}");
    assert!(out.lines().any(|line| line.contains(" records, ") && line.contains(" a second, ")), "{out}");
    let summary = out.split("\n\n").last().unwrap();
    assert!(summary.contains("0 not accepted by the daemon"), "{summary}");
    assert!(summary.contains(" in force now:") && summary.contains(" begun, "), "{summary}");
    assert!(!out.contains('\u{1b}'), "plain lines where there is no terminal");
}

#[test]
fn the_field_responses_are_all_accepted() {
    let data = std::env::var("KUMO_TSA_DATA").map_or_else(
        |_| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        std::path::PathBuf::from,
    );
    let responses = data.join("smtp-responses.tsv");
    if !responses.exists() {
        eprintln!("skipped: no {}", responses.display());
        return;
    }
    let output = tsa(&["up", "--traffic", "--for", "2s", "--rate", "500", "--responses", responses.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("437 responses"), "{}", text(&output.stdout));
}

#[test]
fn who_has_seen_enough_may_stop_reading() {
    use std::io::{BufRead, BufReader};
    let mut child = Command::new(env!("CARGO_BIN_EXE_tsa"))
        .args(["up", "--traffic", "--for", "60s"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("KUMO_TSA_LISTEN", "127.0.0.1:0")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("running "), "{line}");
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success() && !text(&ended.stderr).contains("panicked"), "{}", text(&ended.stderr));
}

#[test]
fn a_folder_without_responses_gets_those_of_the_quickstart() {
    let dir = tempfile::tempdir().unwrap();
    let quickstart = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
    for file in ["tsa_init.lua", "shaping.toml"] {
        std::fs::copy(quickstart.join(file), dir.path().join(file)).unwrap();
    }
    let output = tsa(&["up", dir.path().to_str().unwrap(), "--traffic", "--for", "1s"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains(" responses of "), "{}", text(&output.stdout));
}

#[test]
fn wrong_usage_says_what_to_type() {
    for (arguments, said) in [
        (
            &["up", "no/such/folder"][..],
            "no `no/such/folder/tsa_init.lua`: DIR must be a folder with a tsa_init.lua, such as examples/quickstart",
        ),
        (&["up", "examples/quickstart/tsa_init.lua"], "is a file: DIR is the folder that holds tsa_init.lua"),
        (&["up", "--rate", "5"], "--traffic"),
        (&["up", "--for", "20 seks"], "invalid duration `20 seks`: unknown unit"),
        (
            &["up", "--traffic", "--responses", "Cargo.toml"],
            "line 1: expected provider, code and text with tabs between",
        ),
        (&["upp"], "unrecognized subcommand 'upp'"),
        (&[], "Usage: tsa <COMMAND>"),
    ] {
        let output = tsa(arguments);
        let err = text(&output.stderr);
        assert!(!output.status.success() && err.contains(said), "{arguments:?}: {err}");
    }
}
