//! `testing.provider`: answers of a provider out of a spec.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use mlua::{Function, Lua, LuaString, Table, UserData, UserDataMethods, Value, WeakLua};
use serde_json::json;

use super::value::{failure, list, span, to_lua};
use crate::tools::spec::world::provider::{Answer, Moment, Provider, Script, Step};
use crate::tools::spec::world::stage::Stage;

const FUNCTION: &str = "testing.provider";
/// The key for all that no other is for.
const ANY: &str = "*";

/// A provider as specs hold it.
pub(super) struct Handle(pub(super) Arc<Provider>);

pub(super) fn install(lua: &Lua, world: &Table, stage: &Arc<Stage>) -> mlua::Result<()> {
    let on = stage.clone();
    let provider = lua.create_async_function(move |lua, script: Value| {
        let stage = on.clone();
        async move {
            let parsed = parse(&script).map_err(|why| failure(format!("{FUNCTION}: {why}")))?;
            let mut entries = Vec::new();
            for (key, entry) in parsed {
                let mx = if key == ANY { None } else { stage.exchangers(&key).await };
                let hosts = mx.map(|mx| mx.hosts.iter().map(|host| host.trim_end_matches('.').to_owned()).collect());
                entries.push(Part { key, hosts: hosts.unwrap_or_default(), entry, asked: Mutex::default() });
            }
            Ok(Handle(Provider::new(&stage, LuaScript { lua: lua.weak(), parts: entries })))
        }
    })?;
    world.set("provider", provider)
}

impl UserData for Handle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("messages", |lua, this, ()| list(lua, &this.0.messages()));
        methods.add_method("sessions", |lua, this, ()| list(lua, &this.0.sessions()));
    }
}

/// What a domain or a mail exchanger answers.
enum Entry {
    Function(Function),
    Steps(HashMap<Moment, Reply>),
}

enum Reply {
    Fixed(Answer),
    Function(Function),
    /// One after the other; the last stays.
    List(Vec<Self>, AtomicUsize),
}

struct Part {
    key: String,
    /// The hosts of the domain, where the key is one.
    hosts: Vec<String>,
    entry: Entry,
    /// How often it was asked at each moment.
    asked: Mutex<HashMap<Moment, usize>>,
}

struct LuaScript {
    // What Lua holds must not hold Lua.
    lua: WeakLua,
    parts: Vec<Part>,
}

impl Script for LuaScript {
    fn answer(&self, step: Step) -> BoxFuture<'_, Result<Answer, String>> {
        Box::pin(async move {
            let Some(part) = self.part(&step) else { return Ok(Answer::default()) };
            let count = part.count(step.moment);
            let mut reply = match &part.entry {
                Entry::Function(function) => return self.call(function, &step, count).await,
                Entry::Steps(steps) => steps.get(&step.moment),
            };
            while let Some(Reply::List(all, next)) = reply {
                let at = next.fetch_add(1, Ordering::Relaxed).min(all.len().saturating_sub(1));
                reply = all.get(at);
            }
            match reply {
                Some(Reply::Function(function)) => self.call(function, &step, count).await,
                Some(Reply::Fixed(answer)) => Ok(answer.clone()),
                Some(Reply::List(..)) | None => Ok(Answer::default()),
            }
        })
    }
}

impl Part {
    fn count(&self, moment: Moment) -> usize {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let count = asked.entry(moment).or_default();
        *count += 1;
        *count
    }
}

impl LuaScript {
    /// Who answers: the mail exchanger, the recipient's domain, a domain of that exchanger, whoever.
    fn part(&self, step: &Step) -> Option<&Part> {
        let domain = step.domain();
        let find = |fits: &dyn Fn(&Part) -> bool| self.parts.iter().find(|part| fits(part));
        find(&|part| part.key == step.mx)
            .or_else(|| find(&|part| Some(&part.key) == domain.as_ref()))
            .or_else(|| find(&|part| domain.is_none() && part.hosts.contains(&step.mx)))
            .or_else(|| find(&|part| part.key == ANY))
    }

    async fn call(&self, function: &Function, step: &Step, count: usize) -> Result<Answer, String> {
        let lua = self.lua.try_upgrade().ok_or("the test is over")?;
        let asked = json!({
            "name": step.moment.name(), "line": step.line, "mx": step.mx, "ip": step.ip, "domain": step.domain(),
            "session": step.session, "carried": step.carried, "tls": step.tls, "count": count, "ehlo": step.ehlo, "from": step.from,
            "to": step.to, "recipient": step.to.last(), "at": step.at,
        });
        let table = to_lua(&lua, &asked).map_err(|error| error.to_string())?;
        let said = function.call_async::<Value>(table).await.map_err(|error| error.to_string())?;
        answer(&said)
    }
}

/// Reads all that a spec may give: a function, steps, or either by domain or mail exchanger.
fn parse(script: &Value) -> Result<Vec<(String, Entry)>, String> {
    let table = match script {
        Value::Nil => return Ok(Vec::new()),
        Value::Function(function) => return Ok(vec![(ANY.to_owned(), Entry::Function(function.clone()))]),
        Value::Table(table) => table,
        other => {
            let got = other.type_name();
            return Err(format!(
                "expected a function, or a table of answers by domain, mail exchanger or step, got {got}"
            ));
        }
    };
    let mut keys = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        let Some(key) = key.as_string().map(LuaString::to_string_lossy) else {
            return Err(format!(
                "key `{}`: expected a domain, a mail exchanger, or `*`",
                key.to_string().unwrap_or_default()
            ));
        };
        keys.push((key, value));
    }
    if keys.iter().any(|(key, _)| Moment::ALL.iter().any(|moment| moment.name() == key)) {
        return Ok(vec![(ANY.to_owned(), steps(ANY, table)?)]);
    }
    let entry = |(key, value): (String, Value)| {
        let entry = match &value {
            Value::Function(function) => Entry::Function(function.clone()),
            Value::Table(table) => steps(&key, table)?,
            other => {
                return Err(format!(
                    "`{key}`: expected a function, or a table of answers by step, got {}",
                    other.type_name()
                ));
            }
        };
        Ok((key.trim_end_matches('.').to_lowercase(), entry))
    };
    keys.into_iter().map(entry).collect()
}

fn steps(of: &str, table: &Table) -> Result<Entry, String> {
    let mut steps = HashMap::new();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        let name = key.to_string().unwrap_or_default();
        let Some(moment) = Moment::ALL.into_iter().find(|moment| moment.name() == name) else {
            let known = Moment::ALL.map(|moment| format!("`{}`", moment.name())).join(", ");
            return Err(format!("`{of}`: unknown step `{name}`, expected one of {known}"));
        };
        steps.insert(moment, reply(&value).map_err(|why| format!("`{of}`: step `{name}`: {why}"))?);
    }
    Ok(Entry::Steps(steps))
}

fn reply(value: &Value) -> Result<Reply, String> {
    match value {
        Value::Function(function) => Ok(Reply::Function(function.clone())),
        Value::Table(table) if table.raw_len() > 0 => {
            let all = table.sequence_values::<Value>().map(|one| reply(&one.map_err(|error| error.to_string())?));
            Ok(Reply::List(all.collect::<Result<_, String>>()?, AtomicUsize::new(0)))
        }
        other => answer(other).map(Reply::Fixed),
    }
}

/// Reads one answer: nil for the usual one, text, or a table that says more.
fn answer(value: &Value) -> Result<Answer, String> {
    match value {
        Value::Nil => Ok(Answer::default()),
        Value::String(text) => Ok(Answer { say: Some(say(&text.to_string_lossy())?), ..Answer::default() }),
        Value::Table(table) => {
            let mut answer = Answer::default();
            for pair in table.pairs::<Value, Value>() {
                let (key, value) = pair.map_err(|error| error.to_string())?;
                let key = key.to_string().unwrap_or_default();
                match (key.as_str(), &value) {
                    ("say", Value::String(text)) => answer.say = Some(say(&text.to_string_lossy())?),
                    ("close", Value::Boolean(close)) => answer.close = *close,
                    ("silent", Value::Boolean(silent)) => answer.silent = *silent,
                    ("after", value) => answer.after = delay(value)?,
                    ("say" | "close" | "silent", other) => {
                        return Err(format!("field `{key}`: got {}, expected {ANSWER}", other.type_name()));
                    }
                    _ => return Err(format!("unknown field `{key}`, expected {ANSWER}")),
                }
            }
            Ok(answer)
        }
        other => {
            Err(format!("expected text such as `451 4.7.1 come back later`, or {ANSWER}, got {}", other.type_name()))
        }
    }
}

const ANSWER: &str = "a table of `say` (text), `after` (a duration), `close` and `silent` (true or false)";

fn delay(value: &Value) -> Result<Duration, String> {
    span(value).map_err(|why| format!("field `after`: {why}"))
}

fn say(text: &str) -> Result<String, String> {
    let good = |line: &str| {
        let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
        code.is_some_and(|code| (200..600).contains(&code))
            && matches!(line.as_bytes().get(3), None | Some(b' ' | b'-'))
    };
    if !text.is_empty() && text.lines().all(good) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}`: expected three digits and text, such as `451 4.7.1 come back later`"))
}
