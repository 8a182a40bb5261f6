//! `tsa test`: tests of the whole loop, and what running tests takes by itself.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{Row, median};

const TESTS: usize = 100;
const ROUNDS: usize = 3;
/// Seconds.
const TARGET: f64 = 20.0;

/// A daemon, a mail host, a provider, 50 messages, three hours.
const LOOP: &str = r#"
local BUSY = '421 4.7.0 too many messages from 192.0.2.1, try again later'
local RULES = [==[
  ["busy.example"]
  connection_limit = 4
  mx_rollup = false
  [["busy.example".automation]]
  regex = 'too many messages'
  action = "Suspend"
  trigger = {Threshold = "3/hr"}
  duration = "1 hour"
]==]

for number = 1, TESTS do
  it('loop ' .. number, function()
    local daemon = testing.daemon { shaping = RULES }
    local provider = testing.provider { ['busy.example'] = { rcpt = { BUSY, BUSY, BUSY, '250 2.1.5 ok' } } }
    local host = testing.host { daemons = { daemon }, provider = provider }
    host:inject { to = 'member@busy.example', count = 3 }
    testing.advance '1 minute'
    assert.equal(1, #daemon:suspensions())
    host:inject { to = 'member@busy.example', count = 47 }
    testing.advance '30 minutes'
    assert.equal(0, #host:deliveries())
    testing.advance '2 hours 30 minutes'
    assert.equal(0, #daemon:suspensions())
    assert.equal(50, #host:deliveries())
  end)
end
"#;

/// Tests that do nothing.
const NOTHING: &str = "for number = 1, TESTS do it('test ' .. number, function() end) end";

/// How long the tests of a spec take, in seconds.
fn run_spec(folder: &Path, spec: &str) -> f64 {
    let head = "local testing = require 'testing'\nlocal it, assert = testing.it, testing.assert\n";
    let spec = format!("{head}{}", spec.replace("TESTS", &TESTS.to_string()));
    std::fs::write(folder.join("bench_spec.lua"), spec).expect("spec");
    let began = Instant::now();
    let ended =
        Command::new(env!("CARGO_BIN_EXE_tsa")).arg("test").arg(folder).stdout(Stdio::null()).status().expect("tsa");
    assert!(ended.success(), "{ended}");
    began.elapsed().as_secs_f64()
}

pub fn run(rows: &mut Vec<Row>) {
    let dir = tempfile::tempdir().expect("dir");
    let (mut loops, mut nothing) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        loops.push(run_spec(dir.path(), LOOP));
        nothing.push(run_spec(dir.path(), NOTHING));
    }
    let (loops, nothing) = (median(loops), median(nothing));
    rows.push(Row {
        name: "100 loop tests of a host, a daemon, a provider, 50 messages and three hours each",
        measured: format!("{loops:.1} s"),
        against: format!("100 tests that do nothing: {nothing:.2} s"),
        result: format!("{loops:.1} s"),
        target: "under 20 s",
        met: loops < TARGET,
    });
}
