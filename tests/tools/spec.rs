//! `tsa test`, as a person types it.

use std::path::Path;
use std::process::{Command, Output};

use regex::Regex;
use tempfile::TempDir;

use crate::support::Bench;

/// What every spec below begins with.
const HEAD: &str = "local testing = require 'testing'; local assert, describe, it = testing.assert, testing.describe, testing.it; \
                    local before_each, after_each, pending = testing.before_each, testing.after_each, testing.pending\n";

const MIXED: &str = "\
describe('a rule', function()
  it('matches', function()
    assert.equal('421', ('421 4.7.0 try again'):sub(1, 3))
  end)
  it('suspends', function()
    print('seen', 3)
    assert.same({ action = 'Suspend', scope = { 'ip-1', 'ip-2' } }, { action = 'Bounce', scope = { 'ip-1' } })
  end)
  describe('with a threshold', function()
    local function threshold(rule)
      return rule.trigger.threshold
    end
    it('counts # records', function()
      assert.equal(3, threshold {})
    end)
    it('waits', function()
      pending 'no clock'
    end)
  end)
  it('expires')
  pending('is <fast>', function()
    error 'never called'
  end)
end)
";

/// A folder with specs, in which `tsa test` is called.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With one spec.
    fn with(text: &str) -> Self {
        Self::new().spec("a_spec.lua", text)
    }

    /// With one file more.
    fn file(self, name: &str, text: &str) -> Self {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// With one spec more, after [`HEAD`].
    fn spec(self, name: &str, text: &str) -> Self {
        self.file(name, &format!("{HEAD}{text}"))
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(command(self.0.path()).args(arguments).output().unwrap())
    }

    /// As [`run`](Self::run), where all tests are to pass.
    #[track_caller]
    fn passes(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
        ran
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tsa"));
    command.arg("test").current_dir(folder).env_remove("KUMO_PREFIX").env_remove("KUMO_ZONES");
    command
}

struct Ran {
    status: i32,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What it wrote, without how long things took.
    fn timeless(&self) -> String {
        let mut text = self.out.clone();
        for (time, shown) in [
            (r"in \d+\.\d\d s", "in [time]"),
            (r"\(\d+ ms\)", "([time])"),
            (r#"time="[\d.]+""#, r#"time="[time]""#),
            (r#""seconds":[\de.-]+"#, r#""seconds":0"#),
        ] {
            text = Regex::new(time).unwrap().replace_all(&text, shown).into_owned();
        }
        text
    }

    #[track_caller]
    fn ends_with(&self, status: i32, said: &str) {
        assert_eq!(self.status, status, "{}{}", self.out, self.err);
        assert!(self.out.contains(said) || self.err.contains(said), "{said}\n{}{}", self.out, self.err);
    }
}

#[test]
fn dots_and_what_failed() {
    let ran = Folder::with(MIXED).run(&[]);
    assert_eq!(ran.status, 1);
    insta::assert_snapshot!(ran.timeless());
}

#[test]
fn a_line_for_each_test() {
    let ran = Folder::with(MIXED).run(&["--format", "lines"]);
    assert_eq!(ran.status, 1);
    insta::assert_snapshot!(ran.timeless());
}

#[test]
fn tap() {
    let ran = Folder::with(MIXED).run(&["--format", "tap"]);
    assert_eq!(ran.status, 1);
    insta::assert_snapshot!(ran.timeless());
}

#[test]
fn junit() {
    let ran = Folder::with(MIXED).run(&["--format", "junit"]);
    assert_eq!(ran.status, 1);
    insta::assert_snapshot!(ran.timeless());
}

#[test]
fn json() {
    let ran = Folder::with(MIXED).run(&["--format", "json"]);
    assert_eq!(ran.status, 1);
    let lines: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.last().unwrap()["failed"], 1);
    insta::assert_snapshot!(ran.timeless());
}

#[test]
fn what_does_not_load_is_shown_in_each_format_and_the_rest_runs() {
    let folder = Folder::with("it('runs', function() end)")
        .file("b_spec.lua", "local x = = 2")
        .file("deep/c_spec.lua", "local function f()\n  error 'no such thing'\nend\nf()\n")
        .spec("deep/d_spec.lua", "assert.equal(1, 2)");
    for format in ["dots", "lines", "tap", "junit", "json"] {
        let ran = folder.run(&["--format", format]);
        assert_eq!(ran.status, 2);
        insta::assert_snapshot!(format!("unloaded_{format}"), ran.timeless());
    }
    let listed = folder.run(&["--list"]);
    listed.ends_with(2, "error: `b_spec.lua` does not load: b_spec.lua:1: unexpected symbol near '='");
    assert_eq!(listed.out, "a_spec.lua:2  runs\n");
    folder.run(&["--fail-fast"]).ends_with(2, "1 test: 0 passed, 1 not run, 3 specs not loaded");
}

#[test]
fn all_that_pass_end_well() {
    let ran = Folder::with("it('adds', function() assert.equal(2, 1 + 1) end)").passes(&[]);
    assert_eq!(ran.timeless(), ".\n\n1 test: 1 passed, in [time]\n");
}

#[test]
fn specs_are_found_below_folders() {
    let folder = Folder::with("it('a', function() end)")
        .spec("sub/folder/b_spec.lua", "it('b', function() end)")
        .spec("sub/helper.lua", "it('no', function() end)")
        .spec(".hidden/c_spec.lua", "it('no', function() end)")
        .spec("target/d_spec.lua", "it('no', function() end)");
    let list = |paths: &[&str]| folder.passes(&[&["--list"], paths].concat()).out;
    let (a, b) = ("a_spec.lua:2  a\n", "sub/folder/b_spec.lua:2  b\n");
    assert_eq!(list(&[]), format!("{a}{b}"));
    assert_eq!(list(&["sub"]), b);
    assert_eq!(list(&["./a_spec.lua", ".", "a_spec.lua"]), format!("{a}{b}"));
    assert_eq!(list(&["sub/helper.lua"]), "sub/helper.lua:2  no\n");
}

#[test]
fn a_filter_lets_through_what_it_matches() {
    let folder = Folder::with(MIXED);
    let listed = folder.passes(&["--list", "--filter", "threshold|^a rule matches$"]);
    let expected = "a_spec.lua:3  a rule matches\n\
                    a_spec.lua:14  a rule with a threshold counts # records\n\
                    a_spec.lua:17  a rule with a threshold waits\n";
    assert_eq!(listed.out, expected);
    folder.passes(&["--filter", "^a rule matches$"]);
    let none = folder.run(&["--filter", "nothing like it"]);
    none.ends_with(1, "no test has a match of `nothing like it` in its name; `tsa test --list` shows the names");
}

#[test]
fn after_the_first_failure_no_more_begin() {
    let text =
        "it('a', function() end) it('b', function() error 'x' end) it('c', function() end) it('d', function() end)";
    let ran = Folder::with(text).run(&["--fail-fast", "--jobs", "1", "--format", "lines"]);
    ran.ends_with(1, "4 tests: 1 passed, 1 error, 2 not run, in ");
    assert!(!ran.out.contains("  c  "), "{}", ran.out);
}

#[test]
fn tests_run_side_by_side() {
    // Each waits until the other is there, as long as it is let.
    let text = "
        local kumo = require 'kumo'
        local function meet(mine, other)
          io.open(mine, 'w'):close()
          while not io.open(other) do
            kumo.sleep(1)
            assert(os.clock() < tonumber(os.getenv 'PATIENCE'), 'nobody came')
          end
        end
        it('one', function() meet('one', 'two') end)
        it('two', function() meet('two', 'one') end)";
    let run = |patience: &str, jobs: &str| {
        let folder = Folder::with(text);
        let output = command(folder.0.path()).env("PATIENCE", patience).args(["--jobs", jobs]).output();
        Ran::of(output.unwrap())
    };
    run("30", "2").ends_with(0, "2 passed");
    run("0.3", "1").ends_with(1, "nobody came");
}

#[test]
fn results_come_in_order_whatever_ends_first() {
    let slow = "it('slow', function() local x = 0 for i = 1, 2e6 do x = x + i end end)";
    let text = format!("{slow} {}", "it('quick', function() end) ".repeat(9));
    let ran = Folder::with(&text).passes(&["--jobs", "4", "--format", "json"]);
    let names: Vec<_> = ran.out.lines().filter(|line| line.contains(r#""type":"test""#)).collect();
    assert!(names.len() == 10 && names[0].contains(r#""name":"slow""#), "{}", ran.out);
}

#[test]
fn tests_cannot_touch_each_other() {
    let text = "
        local kumo = require 'kumo'
        local state = require 'state'
        local began = os.time()
        for _, name in ipairs { 'one', 'two' } do
          it(name, function()
            assert.is_nil(left_behind)
            assert.is_nil(state.by)
            assert.is_nil(kumo.added)
            left_behind, state.by, kumo.added = true, name, true
            string.upper = nil
            assert.is_function(string.lower)
            assert.equal(began, os.time())
            kumo.sleep(3600)
            assert.equal(began + 3600, os.time())
            assert.equal(1769860800, began)
          end)
        end";
    let folder = Folder::with(text).file("state.lua", "return {}");
    for jobs in ["1", "2"] {
        folder.passes(&["--jobs", jobs]);
    }
}

#[test]
fn what_surrounds_a_test_runs_from_the_outside_in_and_back() {
    let text = "
        local seen = {}
        local function note(what) return function() seen[#seen + 1] = what end end
        after_each(function() print(table.concat(seen, ' ')) end)
        before_each(note 'file')
        describe('outer', function()
          before_each(note 'outer 1')
          before_each(note 'outer 2')
          after_each(note '/outer')
          describe('inner', function()
            before_each(note 'inner')
            after_each(note '/inner')
            it('test', function()
              testing.finally(note 'finally')
              seen[#seen + 1] = 'test'
            end)
            it('failing', function()
              testing.finally(note 'finally')
              assert(false)
            end)
          end)
          describe('beside', function()
            before_each(note 'beside')
            it('test', note 'test')
          end)
          describe('broken', function()
            before_each(function() error 'broken' end)
            before_each(note 'not reached')
            after_each(note '/broken')
            it('test', note 'not reached')
          end)
        end)
        it('last', note 'test')";
    let ran = Folder::with(text).run(&["--format", "json"]);
    let printed = |name: &str| {
        let lines = ran.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let found = lines.into_iter().find(|line| line["name"] == name).unwrap();
        format!("{}: {}", found["status"].as_str().unwrap(), found["printed"].as_str().unwrap().trim_end())
    };
    assert_eq!(printed("outer inner test"), "passed: file outer 1 outer 2 inner test finally /inner /outer");
    assert_eq!(printed("outer inner failing"), "failed: file outer 1 outer 2 inner finally /inner /outer");
    assert_eq!(printed("outer beside test"), "passed: file outer 1 outer 2 beside test /outer");
    assert_eq!(printed("outer broken test"), "error: file outer 1 outer 2 /broken /outer");
    assert_eq!(printed("last"), "passed: file test");
}

#[test]
fn trouble_after_a_test_fails_it() {
    let folder = Folder::with(
        "after_each(function() error 'left open' end) it('a', function() end) it('b', function() pending 'x' end)",
    );
    folder.run(&[]).ends_with(1, "2 tests: 0 passed, 2 errors");
}

#[test]
fn assertions_that_hold() {
    let text = "it('all', function()
        assert(1)
        local a, b = assert('x', 'y')
        assert.equal('xy', a .. b)
        assert.equals(1, 1.0)
        assert.are.equal('a', 'a')
        assert.is_not.equal('a', 'b')
        assert.are_not.equal({}, {})
        assert.same({ 1, { a = 'b' } }, { 1, { a = 'b' } })
        assert.are.same({}, {})
        assert.is_not_same({ 1 }, { 1, 2 })
        assert.is_true(true) assert.is_not_true(1) assert.is_false(false) assert.True(true)
        assert.is_nil(nil) assert.is_not_nil(false) assert.not_nil(0)
        assert.truthy(0) assert.falsy(nil) assert.is_truthy('') assert.is_falsy(false)
        assert.is_string('') assert.is_number(1) assert.is_table({}) assert.is_function(print) assert.is_boolean(false)
        assert.is_not_table('')
        assert.is_near(1, 1.05, 0.1) assert.is_not_near(1, 1.2, 0.1) assert.near(5, 5, 0)
        assert.matches('^4%d%d ', '421 4.7.0') assert.is.match('b', 'abc') assert.does_not_match('^b', 'abc')
        assert.matches('.', 'a.b', 1, true)
        assert.unique({ 1, 2, { 3 }, { 4 } }) assert.is_not_unique({ { 1 }, { 1 } })
        assert.has_error(function() error 'x' end)
        assert.has_error(function() error 'x' end, 'x')
        assert.has.errors(function() error({ code = 7 }) end, { code = 7 })
        assert.has_no_error(function() end) assert.has_no.errors(function() end)
        assert.equal('gone', assert.has_error(function() error('gone', 0) end))
        assert.error_matches(function() error 'no such host' end, 'such h')
        assert.has_error(function() require('kumo').json_load '/no/such/file' end)
        local circle = {} circle.again = circle
        local other = {} other.again = other
        assert.same(circle, other)
    end)";
    Folder::with(text).passes(&[]);
}

#[test]
fn assertions_that_do_not_hold_say_why() {
    let lines = [
        "assert(nil)",
        "assert(false, 'in my own words')",
        "assert.equal(1, '1')",
        "assert.equal({ 1 }, { 1 })",
        "assert.equal('one\\ntwo\\nthree', 'one\\n2\\nthree')",
        "assert.is_not.equal(1, 1)",
        "assert.same({ domain = 'a.example', rules = { 'x', 'y' } }, { domain = 'b.example', rules = { 'x' } }, 'the block')",
        "assert.same({ 1 }, nil)",
        "assert.is_not_same({ 1 }, { 1 })",
        "assert.is_true(1)",
        "assert.is_not_nil(nil)",
        "assert.is_table('x')",
        "assert.is_near(1, 2, 0.5)",
        "assert.matches('^4', '250 ok')",
        "assert.does_not_match('^2', '250 ok')",
        "assert.is_unique({ 'a', { 'b' }, { 'b' } })",
        "assert.has_error(function() end)",
        "assert.has_error(function() end, 'no')",
        "assert.has_error(function() error('yes', 0) end, 'no')",
        "assert.has_no_error(function() error('yes', 0) end)",
        "assert.error_matches(function() error('yes', 0) end, 'no')",
        "assert.is_equall(1, 1)",
        "testing.fail('not like this')",
        "error({ code = 7 })",
        "error()",
    ];
    let tests = lines.map(|line| format!("it({line:?}, function()\n  {line}\nend)\n")).concat();
    let ran = Folder::with(&tests).run(&["--format", "dots"]);
    ran.ends_with(1, "25 tests: 0 passed, 22 failed, 3 errors");
    insta::assert_snapshot!(ran.timeless());
}

#[test]
fn lua_that_never_yields_ends_and_says_where() {
    let ran = Folder::with("it('spins', function()\n  pcall(function()\n    while true do end\n  end)\nend)").run(&[]);
    ran.ends_with(
        1,
        "ERROR  a_spec.lua:4  spins\n  ran 5 s of Lua without yielding\n  stack traceback:\n    a_spec.lua:4: ",
    );
}

#[test]
fn a_test_that_goes_on_for_ever_is_ended() {
    let text = "it('waits', function() while true do require('kumo').sleep(1) end end) it('other', function() end)";
    let ran = Folder::with(text).run(&["--timeout", "1s"]);
    ran.ends_with(1, "did not finish within 1 s of real time");
    ran.ends_with(1, "2 tests: 1 passed, 1 error");
}

#[test]
fn misuse_within_a_spec_is_told() {
    for (text, said) in [
        ("describe('x')", "a_spec.lua:2: bad argument #2 to `describe`: expected a function, got nil"),
        ("it(5)", "a_spec.lua:2: bad argument #1 to `it`: expected a string, got number"),
        ("testing.finally(print)", "a_spec.lua:2: `finally` is for use within a test"),
    ] {
        Folder::with(text).run(&[]).ends_with(2, said);
    }
    let text = "it('x', function() it('y', function() end) end)";
    Folder::with(text).run(&[]).ends_with(1, "`it` within a test: tests are declared before one runs");
}

#[test]
fn a_spec_that_forgets_to_require_is_told_what_to_write() {
    let hint = |name| format!("begin with\n    local testing = require 'testing'\n    local {name} = testing.{name}\n");
    let folder = Folder::new().file("a_spec.lua", "describe('x', function() end)");
    folder.run(&[]).ends_with(2, &hint("describe"));
    let folder = Folder::new().file("a_spec.lua", "require('testing').it('x', function() assert.equal(1, 1) end)");
    folder.run(&[]).ends_with(1, &hint("assert"));
    let folder = Folder::new().file("a_spec.lua", "require('testing').it('x', function() nothing() end)");
    assert!(!folder.run(&[]).out.contains("begin with"));
}

#[test]
fn modules_are_found_beside_the_spec_and_at_documented_paths() {
    let text = "
        it('beside', function() assert.equal('beside', require 'helper') end)
        it('below', function() assert.equal('below', require 'below.helper') end)
        it('documented', function() assert.equal('beside', dofile '/opt/kumomta/etc/policy/helper.lua') end)
        it('of the host', function() assert.is_table(require 'policy-extras.shaping') end)";
    let folder = Folder::new()
        .spec("policy/a_spec.lua", text)
        .file("policy/helper.lua", "return 'beside'")
        .file("policy/below/helper.lua", "return 'below'");
    folder.passes(&[]);
    folder.passes(&["policy/a_spec.lua"]);
}

#[test]
fn coverage_says_which_lines_of_a_policy_ran() {
    let policy = "\
local mod = {}
function mod.rate(day)
  if day > 30 then
    return 'no limit'
  end

  if day < 0 then
    -- not born
    error 'no'
  end
  return 100 * day
end
return mod
";
    let text = "it('a', function() assert.equal(200, require('policy').rate(2)) end) \
                it('b', function() assert.equal('no limit', require('policy').rate(31)) end)";
    let folder = Folder::with(text).file("policy.lua", policy);
    insta::assert_snapshot!(folder.passes(&["--coverage"]).timeless());
    let json = folder.passes(&["--coverage", "--format", "json"]).out;
    assert!(json.contains(r#"{"type":"lines","file":"policy.lua","code":9,"missed":[9]}"#), "{json}");
    let junit = folder.passes(&["--coverage", "--format", "junit"]);
    assert!(junit.err.contains("policy.lua") && !junit.out.contains("lines that ran"), "{}{}", junit.out, junit.err);
}

#[test]
fn coverage_says_which_rules_no_test_made_match() {
    let rules = "[[default.automation]]\nregex = \"hold it\"\naction = \"Suspend\"\nduration = \"1 hour\"\n\n\
                 [[default.automation]]\nregex = \"slow down\"\naction = \"Suspend\"\nduration = \"1 hour\"\n";
    let text = "it('a', function()
                  local daemon = testing.daemon { files = { 'shaping.toml' } }
                  daemon:publish { domain = 'a.example', response = '451 4.7.1 hold it' }
                  assert.equal(1, #daemon:suspensions())
                end)";
    let folder = Folder::with(text).file("shaping.toml", rules);
    let told = folder.passes(&["--coverage"]).out;
    let expected = "rules that matched: 1 of 2; no test made these match:\n  shaping.toml:6  slow down\n";
    assert!(told.contains(expected), "{told}");
    assert!(!told.contains("tsa_init.lua"), "{told}");
    let json = folder.passes(&["--coverage", "--format", "json"]).out;
    assert!(json.contains(r#"{"type":"rule","file":"shaping.toml","line":6,"name":"slow down","matched":false}"#));

    let more = text.replace(
        "assert.equal(1",
        "daemon:publish { domain = 'a.example', response = '451 slow down' } assert.equal(1",
    );
    let told = Folder::with(&more).file("shaping.toml", rules).passes(&["--coverage"]).out;
    assert!(told.contains("rules that matched: all 2\n"), "{told}");
}

#[test]
fn who_has_seen_enough_may_stop_reading() {
    use std::io::{BufRead, BufReader};
    let folder = Folder::with(&"it('a', function() end)\n".repeat(200));
    let mut child = command(folder.0.path())
        .args(["--format", "lines"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert!(ran.status == 0 && ran.err.is_empty(), "{}", ran.err);
}

#[test]
fn wrong_usage_says_what_to_type() {
    let folder = Folder::new().file("policy.lua", "").file("empty/a_spec.lua", "");
    for (arguments, said) in [
        (&["no/such"][..], "no `no/such`: PATHS are specs, or folders with files that end in _spec.lua"),
        (&["empty"], "no test in `empty/a_spec.lua`; `tsa test --help` shows one"),
        (&["--jobs", "0"], "0 is not in 1.."),
        (&["--filter", "("], "unclosed group"),
        (&["--format", "xml"], "[possible values: dots, lines, junit, tap, json]"),
        (&["--timeout", "soon"], "invalid duration `soon`"),
        (&["--coverag"], "a similar argument exists: '--coverage'"),
    ] {
        let ran = folder.run(arguments);
        assert!(ran.status > 0 && ran.err.contains(said), "{arguments:?}: {}{}", ran.out, ran.err);
    }
    Folder::new().run(&[]).ends_with(1, "no file below `./` ends in _spec.lua; `tsa test --help` shows one");
}

#[test]
fn the_example_of_the_help_runs() {
    let help = Folder::new().passes(&["--help"]).out;
    let lines = help.lines().skip_while(|line| !line.starts_with("    local testing"));
    let example: Vec<_> = lines.take_while(|line| line.is_empty() || line.starts_with("    ")).collect();
    let ran = Folder::new().file("help_spec.lua", &example.join("\n")).passes(&[]);
    assert!(ran.out.contains("1 test: 1 passed"), "{}", ran.out);
}

#[tokio::test(start_paused = true)]
async fn testing_is_for_specs() {
    let raised = Bench::new().fails("require 'testing'").await;
    assert!(raised.ends_with("`testing` is for specs: run them with `tsa test`"), "{raised}");
}

#[test]
fn the_helpers_for_policies_and_the_examples_do_what_their_specs_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ran = Ran::of(command(root).args(["tests/lua", "examples"]).output().unwrap());
    ran.ends_with(0, " passed, in ");
}

#[test]
fn what_is_logged_belongs_to_the_test_and_is_shown_where_it_fails() {
    let policy = "local kumo = require 'kumo'
                  kumo.on('noted', function(text) kumo.log_warn('policy: ' .. text) end)";
    let folder = Folder::with(
        "local kumo = require 'kumo'
         local function log(text) kumo.log_error('spec: ' .. text) testing.policy('init.lua'):call('noted', text) end
         it('passes', function() log 'all is well' end)
         it('fails', function() log 'something is wrong' assert.is_true(false) end)",
    );
    let ran = folder.file("init.lua", policy).run(&[]);
    let told = ran.out.split_once("FAILED").unwrap().1;
    assert!(told.contains("| ERROR") && told.contains("spec: something is wrong"), "{}", ran.out);
    assert!(told.contains("|  WARN") && told.contains("policy: something is wrong"), "{}", ran.out);
    assert!(!ran.out.contains("all is well") && ran.err.is_empty(), "{}{}", ran.out, ran.err);
}

#[test]
fn bytes_that_are_no_text_are_shown_all_the_same() {
    let folder = Folder::with(
        "it('a', function() assert.equal('a\\255', 'b') end)
         it('b', function() error('why \\255') end)
         it('c', function() assert.same({ 'a\\255' }, { 'b' }) end)",
    );
    let ran = folder.run(&[]);
    assert!(ran.out.contains("FAILED  a_spec.lua:2  a") && ran.out.contains("actual: \"b\""), "{}", ran.out);
    assert!(ran.out.contains("ERROR  a_spec.lua:3  b") && ran.out.contains("why \u{fffd}"), "{}", ran.out);
    assert!(ran.out.contains("FAILED  a_spec.lua:4  c") && ran.out.contains("+   \"b\""), "{}", ran.out);
}

#[test]
fn a_spec_cannot_end_the_program() {
    let folder = Folder::with("it('a', function() os.exit(0) end)\nit('b', function() error 'x' end)");
    let ran = folder.run(&[]);
    ran.ends_with(1, "2 tests: 0 passed, 2 errors, in ");
    assert!(ran.out.contains("os.exit ends the program that runs the tests"), "{}", ran.out);
}

#[test]
fn the_examples_of_the_manual_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manual = std::fs::read_to_string(root.join("docs/testing.md")).unwrap();
    let mut folder = Folder::new();
    for name in ["init.lua", "tsa_init.lua", "shaping.toml"] {
        folder = folder.file(name, &std::fs::read_to_string(root.join("examples/quickstart").join(name)).unwrap());
    }
    let examples = manual.split("```lua\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0));
    for (number, example) in examples.enumerate() {
        folder = folder.file(&format!("example_{number}_spec.lua"), example);
    }
    let ran = folder.run(&[]);
    ran.ends_with(0, "5 tests: 5 passed, in ");
}
