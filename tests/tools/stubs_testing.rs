//! The descriptions for editors of what specs get, `lua/meta/testing*.lua`, against what is there in a spec.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::stubs::{Names, Stubs, names, same};

/// A spec that writes down what there is.
const SPEC: &str = include_str!("stubs_found.lua");

/// Classes of option tables.
const OPTIONS: &[&str] = &[
    "RecordOptions",
    "DaemonOptions",
    "HostOptions",
    "Letter",
    "Selection",
    "PathQuestion",
    "PolicyOptions",
    "MessageOptions",
    "Answer",
    "Steps",
];
/// Classes of what comes back.
const SHAPES: &[&str] = &[
    "DaemonSuspension",
    "Effect",
    "Reason",
    "Outcome",
    "Queue",
    "Path",
    "HostSuspension",
    "Step",
    "TakenMessage",
    "Session",
];

/// What the spec found, by kind and name.
fn found() -> Value {
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("found.json");
    std::fs::write(folder.path().join("stubs_spec.lua"), SPEC).unwrap();
    std::fs::write(folder.path().join("init.lua"), "require('kumo').on('init', function() end)").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tsa"));
    let output = command.args(["test", "stubs_spec.lua"]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_str(&std::fs::read_to_string(written).unwrap()).unwrap()
}

#[track_caller]
fn list(value: &Value) -> Names {
    names(value.as_array().unwrap_or_else(|| panic!("{value} is no list")).iter().map(|name| name.as_str().unwrap()))
}

/// The names between backticks.
fn quoted(text: &str) -> Names {
    names(text.split('`').skip(1).step_by(2))
}

#[test]
fn what_specs_get_is_described() {
    let (stubs, found) = (Stubs::load(), found());
    let described = stubs.functions.iter().filter_map(|name| name.strip_prefix("testing."));
    same("testing", &names(described), &list(&found["functions"]));
    for class in OPTIONS {
        let said = found["options"][class].as_str().unwrap();
        let there = quoted(said.split_once("expected ").unwrap_or_else(|| panic!("{class}: {said}")).1);
        let mut described = stubs.class(&format!("testing.{class}")).clone();
        if *class == "HostOptions" {
            described.extend(stubs.class("testing.DaemonOptions").iter().cloned());
        }
        same(class, &described, &there);
    }
    for class in SHAPES {
        same(class, stubs.class(&format!("testing.{class}")), &list(&found["shapes"][class]));
    }
}

#[test]
fn every_field_of_a_record_is_described() {
    let stubs = Stubs::load();
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("runtime/mail/log/record.rs")).unwrap();
    let row = text.split_once("struct Row<'a> {").unwrap().1.split_once("\n}").unwrap().0;
    let fields = row.lines().filter_map(|line| line.trim().split_once(": ")).map(|(name, _)| name);
    let written = names(fields.map(|name| if name == "kind" { "type" } else { name }));
    same("kumo.LogRecord", stubs.class("kumo.LogRecord"), &written);
    same("testing.record", &written, &list(&found()["record"]).union(&missing()).cloned().collect());
}

/// What a log has and records that specs make have not.
fn missing() -> Names {
    let optional = ["feedback_report", "source_address", "provider_name"];
    names(optional.into_iter().chain(["tls_cipher", "tls_protocol_version", "tls_peer_subject_name"]))
}

#[test]
fn assertions_that_are_described_are_there() {
    let (stubs, found) = (Stubs::load(), found());
    let described = stubs.class("testing.Assert");
    let there = quoted(&format!("`{}`", found["assertions"].as_str().unwrap().replace(", ", "` `")));
    for name in &there {
        let with = |word: &str| described.contains(&format!("{word}{name}"));
        assert!(["", "is_", "has_"].into_iter().any(with), "assertion {name} is not described");
    }
    for name in described {
        let words = name.split('_').filter(|word| !FILLERS.contains(word)).collect::<Vec<_>>().join("_");
        assert!(words.is_empty() || there.contains(&words), "no assertion {name}");
    }
}

/// Words of an assertion that are not its name.
const FILLERS: &[&str] = &["is", "are", "was", "were", "has", "have", "does", "not", "no"];
