//! One small tree for what TOML and JSON files say, with the place of each key and value.

mod json;
mod toml;

pub(super) use toml::parse_toml;

use std::ops::Range;

use super::source::{Format, Source};

/// A value and where it stands.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Node {
    /// Bytes of the text.
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

/// A key, its place, and its value.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) span: Range<usize>,
    pub(super) node: Node,
}

/// What a node holds.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    /// TOML alone has these; no field takes one.
    Datetime(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// Why a text cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Problem {
    pub(super) span: Range<usize>,
    pub(super) message: String,
    /// One of the codes of findings.
    pub(super) code: &'static str,
}

impl Node {
    /// What it is, as findings say it.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(flag) => format!("`{flag}`"),
            Value::Number(number) => format!("the number `{number}`"),
            Value::Text(text) => format!("the text `{text}`"),
            Value::Datetime(text) => format!("the date `{text}`"),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        }
    }

    /// As JSON; a date becomes its text.
    pub(super) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(flag) => Json::Bool(*flag),
            Value::Number(number) => Json::Number(number.clone()),
            Value::Text(text) | Value::Datetime(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Table(entries) => {
                Json::Object(entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect())
            }
        }
    }
}

/// Reads a source; the answer is the entries of its top-level table.
pub(super) fn parse_source(source: &Source) -> Result<Vec<Entry>, Vec<Problem>> {
    match source.format {
        Format::Toml => parse_toml(&source.text),
        Format::Json => json::parse_json(&source.text),
        Format::Either => parse_toml(&source.text)
            .or_else(|as_toml| json::parse_json(&source.text).map_err(|as_json| vec![both(as_toml, &as_json)])),
    }
}

/// Both errors as one, at the place of the first.
fn both(as_toml: Vec<Problem>, as_json: &[Problem]) -> Problem {
    let said =
        |problems: &[Problem]| problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; ");
    let message = format!("as toml: {}, as json: {}", said(&as_toml), said(as_json));
    let span = as_toml.into_iter().next().map_or(0..0, |problem| problem.span);
    Problem { span, message, code: super::finding::code::SYNTAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, text: &str) -> Result<serde_json::Value, String> {
        let said = |problems: Vec<Problem>| {
            problems
                .iter()
                .map(|p| format!("{}..{} {} {}", p.span.start, p.span.end, p.code, p.message))
                .collect::<Vec<_>>()
                .join("\n")
        };
        parse_source(&Source::new(name, text))
            .map(|entries| Node { span: 0..0, value: Value::Table(entries) }.to_json())
            .map_err(said)
    }

    #[test]
    fn s7_toml_and_json_read_alike() {
        let toml = "a = 1\nb = [true, 'x', 1.5]\n[c.d]\ne = 18446744073709551615\nf = -0x10\n";
        let json = r#"{"a":1,"b":[true,"x",1.5],"c":{"d":{"e":18446744073709551615,"f":-16}}}"#;
        let toml = toml.replace("-0x10", "-16");
        assert_eq!(parse("x.toml", &toml), parse("x.json", json));
        assert_eq!(parse("x", &toml), parse("x.json", json));
        assert_eq!(parse("x", json), parse("x.json", json));
        assert_eq!(parse("x.json", r#"{"a":null}"#).unwrap(), serde_json::json!({"a": null}));
        assert_eq!(parse("x.toml", "a = 0x1F\nb = 1_000").unwrap(), serde_json::json!({"a": 31, "b": 1000}));
    }

    #[test]
    fn a7_texts_that_cannot_be_read() {
        let toml = parse("x.toml", "a = 1\na = 2\nb = \n").unwrap_err();
        assert_eq!(toml.lines().count(), 2, "all of them are said: {toml}");
        assert!(toml.contains("syntax"), "{toml}");
        assert!(parse("x.toml", "a = 99999999999999999999").unwrap_err().contains("4..24 wrong-type"));
        assert!(parse("x.toml", "a = inf").unwrap_err().contains("`inf`"));
        for bad in
            ["", "[]", "{} {}", "{\"a\":1,}", "// c\n{}", "{a:1}", "{'a':1}", "{\"a\":01}", "{\"a\":1e999}", "nul"]
        {
            assert!(parse("x.json", bad).is_err(), "{bad}");
        }
        assert_eq!(parse("x.json", "{\"a\":1,\"b\":2,\"a\":3}").unwrap_err(), "13..16 duplicate `a` is given twice");
        assert!(parse("x.json", "[1]").unwrap_err().ends_with("syntax expected a table at the top, found a list"));
        let either = parse("x", "a = ").unwrap_err();
        assert!(either.contains("as toml: ") && either.contains(", as json: "), "{either}");
        assert!(either.starts_with("4.."), "{either}");
    }

    #[test]
    fn a7_deep_nesting_is_refused() {
        let deep = format!("a = {}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert!(parse("x.toml", &deep).is_err());
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
        assert!(parse("x.json", &deep).is_err());
    }

    #[test]
    fn a7_places_of_keys_and_values() {
        for (name, text) in [("x.toml", "[\"a.b\"]\nkey = 'v'\n"), ("x.json", "{\"a.b\":{\"key\":\"v\"}}")] {
            let entries = parse_source(&Source::new(name, text)).unwrap();
            assert_eq!((entries[0].key.as_str(), &text[entries[0].span.clone()]), ("a.b", "\"a.b\""));
            let Value::Table(inner) = &entries[0].node.value else { panic!("{entries:?}") };
            assert_eq!(text[inner[0].span.clone()].trim_matches('"'), "key");
            assert_eq!(text[inner[0].node.span.clone()].trim_matches(['"', '\'']), "v");
        }
    }

    #[test]
    fn a7_what_a_value_is_called() {
        let text = "a = true\nb = 1\nc = 'x'\nd = 2020-01-01\ne = []\nf = {}";
        let entries = parse_source(&Source::new("x.toml", text)).unwrap();
        let shown: Vec<String> = entries.iter().map(|entry| entry.node.shown()).collect();
        assert_eq!(shown, ["`true`", "the number `1`", "the text `x`", "the date `2020-01-01`", "a list", "a table"]);
        let null = Node { span: 0..0, value: Value::Null };
        assert_eq!(null.shown(), "null");
    }
}
