//! Templates of an injection's content.

use handlebars::Handlebars;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value as Template};
use serde_json::{Map, Value};

use super::request::Dialect;

/// A template that cannot be read, or not be filled in.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Its syntax is wrong.
    #[error("failed parsing field '{field}' as template: {why}")]
    Syntax {
        /// The field of the request, such as `content.text_body`.
        field: String,
        /// What is wrong, and where.
        why: String,
    },
    /// It could not be filled in.
    #[error("failed rendering field '{field}': {why}")]
    Render {
        /// The field of the request.
        field: String,
        /// What went wrong.
        why: String,
    },
}

/// The templates of one request, read once for all recipients.
#[derive(Debug)]
pub(super) enum Templates {
    Static,
    Jinja(Box<Environment<'static>>),
    /// Those that make HTML escape what they fill in; the others do not.
    Handlebars {
        html: Box<Handlebars<'static>>,
        plain: Box<Handlebars<'static>>,
    },
}

impl Templates {
    pub(super) fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Static => Self::Static,
            Dialect::Jinja => {
                let mut environment = Environment::new();
                // Without any it cannot fail.
                if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
                    environment.set_syntax(syntax);
                }
                Self::Jinja(Box::new(environment))
            }
            Dialect::Handlebars => {
                let mut plain = Handlebars::new();
                plain.register_escape_fn(handlebars::no_escape);
                Self::Handlebars { html: Box::new(Handlebars::new()), plain: Box::new(plain) }
            }
        }
    }

    /// Reads the template of a field; `name` is what errors call it, and makes HTML when it ends so.
    pub(super) fn add(&mut self, field: &str, name: &str, source: &str) -> Result<(), Error> {
        let syntax = |why| Error::Syntax { field: field.to_owned(), why };
        match self {
            Self::Static => Ok(()),
            Self::Jinja(environment) => environment
                .add_template_owned(name.to_owned(), source.to_owned())
                .map_err(|error| syntax(explain(&error, name, source))),
            Self::Handlebars { html, plain } => {
                let registry = if is_html(name) { html } else { plain };
                let added = registry.register_template_string(name, source);
                added.map_err(|error| {
                    let line = error.pos().map_or(1, |(line, _)| line);
                    syntax(format!("{} {}", error.reason(), place(name, line, source)))
                })
            }
        }
    }

    /// Fills in the template that was added as `name`; `source` is what stands as it is where there are no templates.
    pub(super) fn render(
        &self,
        field: &str,
        name: &str,
        source: &str,
        values: &Map<String, Value>,
    ) -> Result<String, Error> {
        let failed = |why| Error::Render { field: field.to_owned(), why };
        match self {
            Self::Static => Ok(source.to_owned()),
            Self::Jinja(environment) => {
                let rendered =
                    environment.get_template(name).and_then(|template| template.render(template_map(values)));
                rendered.map_err(|error| failed(explain(&error, name, source)))
            }
            Self::Handlebars { html, plain } => {
                let registry = if is_html(name) { html } else { plain };
                registry.render(name, values).map_err(|error| failed(error.to_string()))
            }
        }
    }
}

fn template_map(map: &Map<String, Value>) -> Template {
    Template::from_pairs(map.iter().map(|(key, value)| (Template::from(key.as_str()), template_value(value))))
}

fn template_value(value: &Value) -> Template {
    match value {
        Value::Null => Template::from(()),
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into(),
            (_, Some(number)) => number.into(),
            _ => number.as_f64().unwrap_or_default().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(template_value).collect::<Vec<_>>().into(),
        Value::Object(map) => template_map(map),
    }
}

fn is_html(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|extension| extension == "html")
}

fn explain(error: &minijinja::Error, name: &str, source: &str) -> String {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{}{detail} {}", error.kind(), place(name, error.line().unwrap_or(1), source))
}

fn place(name: &str, line: usize, source: &str) -> String {
    let text = source.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    format!("(in template '{name}' line {line}: '{text}')")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values() -> Map<String, Value> {
        json!({"name": "<A & B>"}).as_object().unwrap().clone()
    }

    #[track_caller]
    fn renders(dialect: Dialect, name: &str, source: &str, expected: &str) {
        let mut templates = Templates::new(dialect);
        templates.add("f", name, source).unwrap();
        assert_eq!(templates.render("f", name, source, &values()).unwrap(), expected);
    }

    #[test]
    fn html_is_escaped_and_text_is_not() {
        for dialect in [Dialect::Jinja, Dialect::Handlebars] {
            renders(dialect, "text_body.txt", "Hi {{name}}!\n", "Hi <A & B>!\n");
            renders(dialect, "html_body.html", "Hi {{name}}{{absent}}!", "Hi &lt;A &amp; B&gt;!");
        }
        renders(Dialect::Static, "html_body.html", "Hi {{name", "Hi {{name");
    }

    #[test]
    fn a_syntax_error_is_told_with_its_line() {
        let mut templates = Templates::new(Dialect::Jinja);
        let source = "Hello {{name}}, your code is {{code";
        let error = templates.add("content.text_body", "text_body.txt", source).unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed parsing field 'content.text_body' as template: syntax error: unexpected end of input, expected end of \
             variable block (in template 'text_body.txt' line 1: 'Hello {{name}}, your code is {{code')"
        );
        let mut templates = Templates::new(Dialect::Handlebars);
        let error = templates.add("content.subject", "subject.txt", "a\n{{#if x}}").unwrap_err().to_string();
        assert!(error.starts_with("failed parsing field 'content.subject' as template: "), "{error}");
        assert!(error.contains("(in template 'subject.txt' line "), "{error}");
    }
}
