//! `kumo.serde`: JSON, TOML and YAML, to and from Lua values (interface A.12).

use std::path::Path;

use mlua::{ErrorContext, ExternalError, Lua, Result, Value};

use super::data::Data;
use super::file;
use super::function::Functions;
use crate::host::Host;
use crate::policy;

/// How much of an input that does not parse an error shows, in bytes.
const SHOWN_INPUT_BYTES: usize = 200;

#[derive(Clone, Copy)]
enum Format {
    Json,
    Toml,
    Yaml,
}

impl Format {
    const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Toml => "toml",
            Self::Yaml => "yaml",
        }
    }

    fn parse(self, text: &str) -> Result<Data> {
        match self {
            Self::Json => serde_json::from_str(&without_comments(text)).map_err(ExternalError::into_lua_err),
            Self::Toml => toml::from_str(text).map_err(ExternalError::into_lua_err),
            Self::Yaml => serde_norway::from_str(text).map_err(ExternalError::into_lua_err),
        }
    }
}

/// Puts `kumo.serde` in place, and the `kumo.json_*` and `kumo.toml_*` names that older policies use.
pub fn install(lua: &Lua, host: &Host) -> Result<()> {
    let functions = Functions::of(lua, policy::table(lua, "kumo.serde")?, "kumo.serde");
    for format in [Format::Json, Format::Toml, Format::Yaml] {
        let name = format.name();
        functions.add(&format!("{name}_parse"), move |lua, text: String| parse(lua, format, &text, &shown(&text)))?;
        let host = host.clone();
        functions.add(&format!("{name}_load"), move |lua, path: String| {
            let text = file::read_text(&host, Path::new(&path))?;
            parse(lua, format, &text, &path)
        })?;
    }
    functions
        .add("json_encode", |lua, value: Value| {
            serde_json::to_string(&Data::from_lua(lua, &value)?).map_err(ExternalError::into_lua_err)
        })?
        .add("json_encode_pretty", |lua, value: Value| {
            serde_json::to_string_pretty(&Data::from_lua(lua, &value)?.sorted()).map_err(ExternalError::into_lua_err)
        })?
        .add("toml_encode", |lua, value: Value| {
            toml::to_string(&Data::from_lua(lua, &value)?.without_nil()).map_err(ExternalError::into_lua_err)
        })?
        .add("toml_encode_pretty", |lua, value: Value| {
            let data = Data::from_lua(lua, &value)?.without_nil().sorted();
            toml::to_string_pretty(&data).map_err(ExternalError::into_lua_err)
        })?
        .add("toml_encode_pretty_compact", |lua, value: Value| {
            let data = Data::from_lua(lua, &value)?.without_nil().sorted();
            toml::to_string(&data).map_err(ExternalError::into_lua_err)
        })?
        .add("yaml_encode", |lua, value: Value| {
            serde_norway::to_string(&Data::from_lua(lua, &value)?).map_err(ExternalError::into_lua_err)
        })?;
    let older = [
        "json_parse",
        "json_load",
        "json_encode",
        "json_encode_pretty",
        "toml_parse",
        "toml_load",
        "toml_encode",
        "toml_encode_pretty",
    ];
    functions.alias(&policy::table(lua, "kumo")?, &older.map(|name| (name, name)))?;
    Ok(())
}

fn parse(lua: &Lua, format: Format, text: &str, what: &str) -> Result<Value> {
    format.parse(text).with_context(|_| format!("parsing {what} as {}", format.name()))?.to_lua(lua)
}

/// The input as an error shows it: whole if it is short.
fn shown(text: &str) -> String {
    if text.len() <= SHOWN_INPUT_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(SHOWN_INPUT_BYTES)])
}

/// JSON text with its `//` and `/* */` comments blanked, so that lines and columns in errors stay right.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/']) {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let len = if tail.starts_with('"') {
            string_len(tail)
        } else if tail.starts_with("//") {
            tail.find('\n').unwrap_or(tail.len())
        } else if let Some(comment) = tail.strip_prefix("/*") {
            comment.find("*/").map_or(tail.len(), |end| end + 4)
        } else {
            1
        };
        let (token, tail) = tail.split_at(len);
        if token.starts_with('/') && token.len() > 1 {
            out.extend(token.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            out.push_str(token);
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// How many bytes the JSON string at the start of `text` takes; all of them if it does not end.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (i, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return i + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_blanked_and_text_is_left_alone() {
        assert_eq!(without_comments("{// no\n\"a\": \"x//y\\\"/*\"}"), "{     \n\"a\": \"x//y\\\"/*\"}");
        assert_eq!(without_comments("[1,/* a\nb */2]"), "[1,    \n    2]");
        assert_eq!(without_comments("[1]/* open"), "[1]       ");
        assert_eq!(without_comments("1/2 \"open"), "1/2 \"open");
    }
}
