//! `kumo.string`: what Lua's own `string` table lacks (interface A.12).

use mlua::{ExternalError, Lua, Result, Value};

use super::data::{Data, Key};
use super::function::Functions;
use crate::host::Host;
use crate::policy;

/// Where `wrap` breaks lines unless told otherwise, in columns.
const WRAP_COLUMNS: usize = 75;
/// Where `wrap` breaks a word that has no place to break, in columns.
const WRAP_HARD_COLUMNS: usize = 900;

/// Puts `kumo.string` in place.
pub fn install(lua: &Lua, _host: &Host) -> Result<()> {
    let functions = Functions::of(lua, policy::table(lua, "kumo.string")?, "kumo.string");
    split(&functions)?;
    functions
        .add("replace", |_, (s, from, to): (String, String, String)| Ok(s.replace(&from, &to)))?
        .add("replacen", |_, (s, from, to, n): (String, String, String, usize)| Ok(s.replacen(&from, &to, n)))?
        .add("starts_with", |_, (s, start): (String, String)| Ok(s.starts_with(&start)))?
        .add("ends_with", |_, (s, end): (String, String)| Ok(s.ends_with(&end)))?
        .add("trim", |_, s: String| Ok(s.trim().to_owned()))?
        .add("trim_start", |_, s: String| Ok(s.trim_start().to_owned()))?
        .add("trim_end", |_, s: String| Ok(s.trim_end().to_owned()))?
        .add("psl_domain", |_, name: String| Ok(tail(&name, psl::domain_str)))?
        .add("psl_suffix", |_, name: String| Ok(tail(&name, psl::suffix_str)))?
        .add("eval_template", |lua, (name, template, context): (String, String, Value)| {
            eval_template(&name, &template, &Data::from_lua(lua, &context)?)
        })?
        .add("wrap", |_, (text, columns, hard): (String, Option<usize>, Option<usize>)| {
            Ok(wrap(&text, columns.unwrap_or(WRAP_COLUMNS), hard.unwrap_or(WRAP_HARD_COLUMNS)))
        })?;
    Ok(())
}

/// The functions that return lists of strings; a limit stands before the separator, as in `splitn('a,b,c', 2, ',')`.
fn split(functions: &Functions<'_>) -> Result<()> {
    functions
        .add("split", |_, (s, sep): (String, String)| Ok(owned(s.split(&sep))))?
        .add("rsplit", |_, (s, sep): (String, String)| Ok(owned(s.rsplit(&sep))))?
        .add("splitn", |_, (s, n, sep): (String, usize, String)| Ok(owned(s.splitn(n, &sep))))?
        .add("rsplitn", |_, (s, n, sep): (String, usize, String)| Ok(owned(s.rsplitn(n, &sep))))?
        .add("split_whitespace", |_, s: String| Ok(owned(s.split_whitespace())))?
        .add("split_ascii_whitespace", |_, s: String| Ok(owned(s.split_ascii_whitespace())))?;
    Ok(())
}

fn owned<'s>(parts: impl Iterator<Item = &'s str>) -> Vec<String> {
    parts.map(str::to_owned).collect()
}

/// The end of `name` that the public suffix list finds, in the case that it was written in.
fn tail(name: &str, find: impl Fn(&str) -> Option<&str>) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let found = find(&lower)?.len();
    name.get(name.len() - found..).map(str::to_owned)
}

/// A template whose name ends in `.html` escapes what it inserts.
fn eval_template(name: &str, template: &str, context: &Data) -> Result<String> {
    let mut env = minijinja::Environment::new();
    env.add_template(name, template).map_err(ExternalError::into_lua_err)?;
    env.get_template(name).and_then(|t| t.render(template_value(context))).map_err(ExternalError::into_lua_err)
}

fn template_value(data: &Data) -> minijinja::Value {
    match data {
        Data::Nil => minijinja::Value::from(()),
        Data::Bool(b) => (*b).into(),
        Data::Integer(i) => (*i).into(),
        Data::Float(n) => (*n).into(),
        Data::Text(text) => text.as_str().into(),
        Data::List(items) => items.iter().map(template_value).collect::<Vec<_>>().into(),
        Data::Map(pairs) => minijinja::Value::from_pairs(pairs.iter().map(|(key, value)| {
            let key: minijinja::Value = match key {
                Key::Integer(i) => (*i).into(),
                Key::Text(key) => key.as_str().into(),
            };
            (key, template_value(value))
        })),
    }
}

/// Breaks lines at spaces after at most `columns`, and within a word only where it is longer than `hard`.
fn wrap(text: &str, columns: usize, hard: usize) -> String {
    let soft = textwrap::Options::new(columns.max(1)).break_words(false);
    let lines = textwrap::wrap(text, soft);
    let hard = textwrap::Options::new(hard.max(1));
    lines.iter().flat_map(|line| textwrap::wrap(line, &hard)).collect::<Vec<_>>().join("\n")
}
