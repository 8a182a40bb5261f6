//! Keys, values and comments as TOML has them.

use std::borrow::Cow;

use serde_json::Value;

/// A key, bare where it can be.
pub(super) fn key(text: &str) -> Cow<'_, str> {
    let bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !text.is_empty() && text.bytes().all(bare) {
        text.into()
    } else {
        toml_edit::Key::new(text).display_repr().into_owned().into()
    }
}

/// A domain as a key, which is always quoted.
pub(super) fn quoted(domain: &str) -> String {
    if plain(domain) { format!("\"{domain}\"") } else { toml_edit::Key::new(domain).display_repr().into_owned() }
}

/// Text that can stand between double quotes as it is.
fn plain(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\'))
}

/// One comment line; nothing in the text can end it (O2).
pub(super) fn comment(out: &mut String, name: &str, text: &str) {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    for part in ["# ", name, ": "] {
        out.push_str(part);
    }
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        out.push_str(text);
    } else {
        for c in text.chars() {
            if breaks(c) { out.extend(c.escape_default()) } else { out.push(c) }
        }
    }
    out.push('\n');
}

/// A value; none for `null`, which TOML has not.
pub(super) fn value(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if plain(text) => Some(format!("\"{text}\"")),
        _ => Some(toml_value(value)?.to_string()),
    }
}

fn toml_value(value: &Value) -> Option<toml_edit::Value> {
    match value {
        Value::Null => None,
        Value::Bool(bool) => Some((*bool).into()),
        Value::Number(number) => number.as_i64().map(Into::into).or_else(|| number.as_f64().map(Into::into)),
        Value::String(text) => Some(text.as_str().into()),
        Value::Array(items) => Some(items.iter().filter_map(toml_value).collect::<toml_edit::Array>().into()),
        Value::Object(members) => {
            let members = members.iter().filter_map(|(name, value)| Some((name.as_str(), toml_value(value)?)));
            Some(members.collect::<toml_edit::InlineTable>().into())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn o1_keys_are_quoted_where_they_must_be() {
        for (text, bare, always) in [
            ("a.b", "\"a.b\"", "\"a.b\""),
            ("localhost", "localhost", "\"localhost\""),
            ("Az_-09", "Az_-09", "\"Az_-09\""),
            ("a\"b", "'a\"b'", "'a\"b'"),
            ("a\\b", "'a\\b'", "'a\\b'"),
            ("", "\"\"", "\"\""),
        ] {
            assert_eq!((&*key(text), &*quoted(text)), (bare, always));
        }
        for text in ["a b", "~", "é", "a\nb", "\u{7f}", "\u{1f}", "'\"", "\u{80}"] {
            for key in [key(text).into_owned(), quoted(text)] {
                let table: toml::Table = format!("{key} = 1").parse().unwrap();
                assert_eq!(table.keys().collect::<Vec<_>>(), [text]);
            }
        }
    }

    #[test]
    fn o1_values_come_back_as_they_were() {
        for one in [
            json!("3/m"),
            json!("a \"b\" \\ c"),
            json!("é\n\u{7f}"),
            json!(true),
            json!(-5),
            json!(1.5),
            json!([1, "x", ["y"]]),
            json!({"a b": {"c": false}}),
        ] {
            let table: toml::Table = format!("x = {}", value(&one).unwrap()).parse().unwrap();
            assert_eq!(serde_json::to_value(&table["x"]).unwrap(), one);
        }
        assert_eq!(value(&json!(null)), None);
        assert_eq!(value(&json!([1, null])).unwrap(), "[1]");
    }

    #[test]
    fn o2_a_comment_is_one_line() {
        let commented = |text: &str| {
            let mut out = String::new();
            comment(&mut out, "x", text);
            out
        };
        assert_eq!(commented("a ~ b"), "# x: a ~ b\n");
        assert_eq!(
            commented("é\t\r\n\u{7f}\u{85}\u{2028}\u{2029}"),
            "# x: é\\t\\r\\n\\u{7f}\\u{85}\\u{2028}\\u{2029}\n"
        );
    }
}
