//! How a record is written where a policy wants it in another form than JSON (`template` in interface A.4).

use std::fmt;

use minijinja::{Environment, Value};
use serde_json::Value as Json;

use super::record::Row;

/// The name under which an environment holds its one template.
const NAME: &str = "record";

/// A text with `{{ field }}` in it, where the fields are those of a record.
#[derive(Clone)]
pub(in crate::mail) struct Template(Environment<'static>);

impl Template {
    /// Reads it; the error says what is wrong, and in which line.
    pub(in crate::mail) fn parse(text: &str) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.add_template_owned(NAME, text.to_owned()).map_err(|cause| format!("{cause:#}"))?;
        Ok(Self(environment))
    }

    /// Writes a record.
    pub(super) fn render(&self, row: &Row<'_>) -> Result<String, String> {
        let fields = serde_json::to_value(row).map_err(|cause| cause.to_string())?;
        let rendered = self.0.get_template(NAME).and_then(|template| template.render(value(&fields)));
        rendered.map_err(|cause| format!("{cause:#}"))
    }
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => (*value).into(),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => Value::from(()),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => items.iter().map(value).collect::<Vec<_>>().into(),
        Json::Object(map) => Value::from_pairs(map.iter().map(|(key, member)| (key.as_str(), value(member)))),
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template")
    }
}
