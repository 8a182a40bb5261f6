//! A spec in its Lua context.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Function, Lua, LuaString, Table, Value};
use similar::{ChangeTag, TextDiff};

use super::test::{Outcome, Status, Test, Trouble};
use crate::host::Host;
use crate::mail;
use crate::policy::{self, Options, Raised, Script};

/// Where `require 'testing'` finds it, on disk or inside the executable.
const TESTING: &str = "/opt/kumomta/share/lua/testing.lua";
/// Equal lines that are shown around those that differ.
const CONTEXT: usize = 3;

/// A context for one spec.
pub(super) struct Spec {
    script: Script,
    printed: Arc<Mutex<String>>,
}

impl Spec {
    /// A context with all that policies see; modules are also looked for in the folder of the spec.
    pub(super) fn new(host: &Host, folder: &Path) -> Result<Self, Raised> {
        let script = Script::new(host, &mail::installs(), &Options::default(), Some(folder))?;
        Ok(Self { script, printed: Arc::default() })
    }

    pub(super) fn lua(&self) -> &Lua {
        self.script.lua()
    }

    /// Runs the spec, so that it declares its tests.
    pub(super) async fn load(&self, file: &Path) -> Result<Table, Raised> {
        let lua = self.lua();
        let runner = self.testing()?;
        let text = std::fs::read(file).map_err(mlua::Error::external)?;
        let chunk = lua.load(policy::without_shebang(&text)).set_name(format!("@{}", file.display()));
        self.script.run(chunk.exec_async()).await?;
        Ok(runner)
    }

    /// Makes `require 'testing'` find it; returns what is for the runner alone.
    fn testing(&self) -> Result<Table, Raised> {
        let lua = self.lua();
        let text = policy::host(lua)?.paths().read(Path::new(TESTING)).map_err(mlua::Error::external)?;
        let chunk = lua.load(&*text).set_name(format!("@{TESTING}"));
        let (module, runner): (Table, Table) = chunk.call(self.natives()?)?;
        lua.globals().get::<Table>("package")?.get::<Table>("loaded")?.raw_set("testing", module)?;
        Ok(runner)
    }

    /// What `testing` cannot do by itself.
    fn natives(&self) -> mlua::Result<Table> {
        let lua = self.lua();
        let natives = lua.create_table()?;
        natives.set(
            "difference",
            lua.create_function(|_, (a, b): (LuaString, LuaString)| {
                Ok(difference(&a.to_string_lossy(), &b.to_string_lossy()))
            })?,
        )?;
        natives.set("message", lua.create_function(|_, value: Value| message(&value))?)?;
        let printed = self.printed.clone();
        let print = move |_: &Lua, line: LuaString| {
            let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
            printed.push_str(&line.to_string_lossy());
            printed.push('\n');
            Ok(())
        };
        natives.set("print", lua.create_function(print)?)?;
        Ok(natives)
    }

    /// The tests that it declared.
    pub(super) fn tests(runner: &Table, file: &Path) -> Result<Vec<Test>, Raised> {
        let plan: Vec<Table> = runner.get::<Function>("plan")?.call(())?;
        let test = |(index, test): (usize, &Table)| {
            let pending = test.get::<Option<String>>("pending")?.is_some();
            let (name, line) = (test.get("name")?, test.get("line")?);
            Ok(Test { file: file.to_owned(), index: index + 1, name, line, pending })
        };
        plan.iter().enumerate().map(test).collect::<mlua::Result<_>>().map_err(Raised::from)
    }

    /// Runs one of them.
    pub(super) async fn run(&self, runner: &Table, test: &Test) -> Result<Outcome, Raised> {
        let run: Function = runner.get("run")?;
        let ended = self.script.run(run.call_async::<Option<Table>>(test.index)).await?;
        let Some(ended) = ended else {
            return Ok(Outcome::error("the spec declared fewer tests when it was loaded again".to_owned()));
        };
        let status = match ended.get::<String>("status")?.as_str() {
            "passed" => Status::Passed,
            "failed" => Status::Failed,
            "pending" => Status::Pending,
            _ => Status::Error,
        };
        let traceback = ended.get::<Option<String>>("traceback")?.unwrap_or_default();
        let trouble = Trouble {
            message: with_hint(message(&ended.get("message")?)?),
            line: ended.get("line")?,
            traceback: frames(&traceback),
        };
        Ok(Outcome { status, trouble, ..Outcome::error(String::new()) })
    }

    /// What it has printed since this was asked before.
    pub(super) fn printed(&self) -> String {
        std::mem::take(&mut *self.printed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What was raised where `testing` could not look at it.
pub(super) fn trouble(raised: &Raised, file: &Path) -> Trouble {
    let traceback = raised.traceback().map(frames).unwrap_or_default();
    let file = format!("{}:", file.display());
    let message = with_hint(raised.message().to_owned());
    // What does not parse has no call stack, and says it in the message.
    let places = traceback.iter().chain([&message]);
    let line = places.into_iter().find_map(|place| place.strip_prefix(&file)?.split(':').next()?.parse().ok());
    Trouble { message, line, traceback }
}

/// Names that specs of busted have without asking for them.
const NAMES: [&str; 10] =
    ["assert", "describe", "context", "it", "spec", "pending", "before_each", "after_each", "setup", "teardown"];

/// Says where a name comes from that a spec has not asked for.
fn with_hint(message: String) -> String {
    let name = message.split_once("(global '").and_then(|(_, rest)| rest.split_once("')")).map(|(name, _)| name);
    match NAMES.iter().find(|known| Some(**known) == name) {
        Some(name) => format!(
            "{message}\n`{name}` is in the module `testing`: begin with\n  local testing = require 'testing'\n  local {name} = testing.{name}"
        ),
        None => message,
    }
}

fn message(value: &Value) -> mlua::Result<String> {
    match value {
        Value::Nil => Ok(String::new()),
        Value::String(text) => Ok(text.to_string_lossy()),
        Value::Error(error) => Ok(Raised::from((**error).clone()).message().to_owned()),
        other => other.to_string(),
    }
}

/// The call stack without what belongs to the runner.
fn frames(traceback: &str) -> Vec<String> {
    let own = |line: &&str| {
        line.contains("/lua/testing.lua:")
            || line.contains("/lua/testing.lua'")
            || line.starts_with("kumo:")
            || line.starts_with("__mlua_async_poll:")
            || line.starts_with("[C]: in ")
    };
    let lines = traceback.lines().skip_while(|line| *line != "stack traceback:").skip(1).map(str::trim);
    // An assertion is reached by a tail call.
    let lines = lines.filter(|line| !own(line)).skip_while(|line| *line == "(...tail calls...)");
    lines.map(ToOwned::to_owned).collect()
}

/// Both texts line by line: `-` before a line of the first alone, `+` before one of the second alone.
fn difference(expected: &str, actual: &str) -> String {
    let diff = TextDiff::from_lines(expected, actual);
    let mut lines = Vec::new();
    for (nth, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if nth > 0 {
            lines.push("  ...".to_owned());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            lines.push(format!("{sign} {}", change.value().trim_end_matches('\n')));
        }
    }
    lines.join("\n")
}
