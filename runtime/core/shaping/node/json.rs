//! Strict JSON into nodes.

use std::collections::HashSet;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::{Entry, Node, Problem, Value};
use crate::shaping::finding::code;

/// None of the liberties that the parser would allow.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(super) fn parse_json(text: &str) -> Result<Vec<Entry>, Vec<Problem>> {
    let syntax = |span, message: String| vec![Problem { span, message, code: code::SYNTAX }];
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT).map_err(|error| {
        let range = error.range();
        syntax(range.start..range.end, error.kind().to_string())
    })?;
    let value = parsed.value.ok_or_else(|| syntax(0..0, "expected a table at the top, found nothing".to_owned()))?;
    let mut problems = Vec::new();
    let node = node(&value, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    match node.value {
        Value::Table(entries) => Ok(entries),
        _ => Err(syntax(node.span.clone(), format!("expected a table at the top, found {}", node.shown()))),
    }
}

fn node(value: &ast::Value<'_>, problems: &mut Vec<Problem>) -> Node {
    let range = value.range();
    let span = range.start..range.end;
    let value = match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(flag) => Value::Bool(flag.value),
        ast::Value::StringLit(text) => Value::Text(text.value.to_string()),
        ast::Value::NumberLit(number) => number.value.parse().map_or_else(
            |_| {
                let message = format!("`{}` is not a number that can be used", number.value);
                problems.push(Problem { span: span.clone(), message, code: code::WRONG_TYPE });
                Value::Null
            },
            Value::Number,
        ),
        ast::Value::Array(array) => Value::List(array.elements.iter().map(|item| node(item, problems)).collect()),
        ast::Value::Object(object) => Value::Table(entries(object, problems)),
    };
    Node { span, value }
}

fn entries(object: &ast::Object<'_>, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let mut seen = HashSet::new();
    let mut entries = Vec::with_capacity(object.properties.len());
    for property in &object.properties {
        let range = property.name.range();
        let (key, span) = (property.name.as_str(), range.start..range.end);
        if !seen.insert(key) {
            let message = format!("`{key}` is given twice");
            problems.push(Problem { span: span.clone(), message, code: code::DUPLICATE });
        }
        entries.push(Entry { key: key.to_owned(), span, node: node(&property.value, problems) });
    }
    entries
}
