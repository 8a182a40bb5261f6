//! TOML into nodes.

use ::toml::Spanned;
use ::toml::de::{DeInteger, DeTable, DeValue};

use super::{Entry, Node, Problem, Value};
use crate::shaping::finding::code;

/// More errors than this in one file tell a person nothing new.
const SHOWN_ERRORS: usize = 20;

pub(in crate::shaping) fn parse_toml(text: &str) -> Result<Vec<Entry>, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problem = |error: &::toml::de::Error| Problem {
            span: error.span().unwrap_or(0..0),
            message: error.message().trim_end().to_owned(),
            code: code::SYNTAX,
        };
        return Err(errors.iter().take(SHOWN_ERRORS).map(problem).collect());
    }
    let mut problems = Vec::new();
    let entries = entries(table.get_ref(), &mut problems);
    if problems.is_empty() { Ok(entries) } else { Err(problems) }
}

fn entries(table: &DeTable<'_>, problems: &mut Vec<Problem>) -> Vec<Entry> {
    table
        .iter()
        .map(|(key, value)| Entry { key: key.get_ref().to_string(), span: key.span(), node: node(value, problems) })
        .collect()
}

fn node(value: &Spanned<DeValue<'_>>, problems: &mut Vec<Problem>) -> Node {
    let span = value.span();
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => number(integer)
            .map_or_else(|| refuse(problems, &span, &format!("the number `{integer}` is out of range")), Value::Number),
        DeValue::Float(float) => {
            let number = float.as_str().parse::<f64>().ok().and_then(serde_json::Number::from_f64);
            number.map_or_else(
                || refuse(problems, &span, &format!("`{float}` is not a number that can be used")),
                Value::Number,
            )
        }
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(date) => Value::Datetime(date.to_string()),
        DeValue::Array(items) => Value::List(items.iter().map(|item| node(item, problems)).collect()),
        DeValue::Table(table) => Value::Table(entries(table, problems)),
    };
    Node { span, value }
}

fn number(integer: &DeInteger<'_>) -> Option<serde_json::Number> {
    let (text, radix) = (integer.as_str(), integer.radix());
    let signed = i64::from_str_radix(text, radix).map(serde_json::Number::from);
    signed.or_else(|_| u64::from_str_radix(text, radix).map(serde_json::Number::from)).ok()
}

fn refuse(problems: &mut Vec<Problem>, span: &std::ops::Range<usize>, message: &str) -> Value {
    problems.push(Problem { span: span.clone(), message: message.to_owned(), code: code::WRONG_TYPE });
    Value::Null
}
