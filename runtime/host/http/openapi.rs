//! What a daemon's endpoints are, for people and for tools (OpenAPI 3).

use std::fmt::Write as _;

use axum::http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::{Answer, Need, json as json_answer, plain};

/// One endpoint, as the document describes it.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// `get`, `post` or `delete`.
    pub method: &'static str,
    /// Its path; `{name}` stands for a part that varies.
    pub path: &'static str,
    /// Who may ask.
    pub need: Need,
    /// What it does, in one line.
    pub summary: &'static str,
}

impl Endpoint {
    /// An endpoint.
    pub const fn new(method: &'static str, path: &'static str, need: Need, summary: &'static str) -> Self {
        Self { method, path, need, summary }
    }

    fn who(&self) -> &'static str {
        match self.need {
            Need::Nothing => "anyone",
            Need::Known => "trusted hosts, or with credentials",
            Need::Trusted => "trusted hosts",
        }
    }

    fn operation(&self) -> Value {
        let mut answers = json!({"200": {"description": "done"}});
        if self.need != Need::Nothing {
            answers["401"] = json!({"description": "not permitted"});
        }
        let names = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let parameters: Vec<_> = names
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        let mut operation = json!({
            "summary": self.summary, "description": format!("For {}.", self.who()), "responses": answers,
        });
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if self.need == Need::Known {
            operation["security"] = json!([{}, {"basic": []}, {"bearer": []}]);
        }
        operation
    }
}

/// The document of these endpoints.
pub(super) fn document(endpoints: &[Endpoint]) -> Value {
    let mut paths = Map::new();
    for one in endpoints {
        paths.entry(one.path).or_insert_with(|| json!({}))[one.method] = one.operation();
    }
    json!({
        "openapi": "3.0.3",
        "info": {"title": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {"securitySchemes": {
            "basic": {"type": "http", "scheme": "basic"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }},
    })
}

pub(super) fn document_answer(endpoints: &[Endpoint]) -> Answer {
    json_answer(StatusCode::OK, &document(endpoints))
}

/// A page that lists the endpoints, and loads nothing from elsewhere.
pub(super) fn page_answer(endpoints: &[Endpoint]) -> Answer {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Endpoints</title>\n<h1>Endpoints</h1>\n\
         <p>The same for tools: <a href=\"/api-docs/openapi.json\">openapi.json</a></p>\n<table>\n\
         <tr><th>Method<th>Path<th>What it does<th>For\n",
    );
    for one in endpoints {
        let (method, who) = (one.method.to_uppercase(), one.who());
        // Writing into a string cannot fail.
        let _ = writeln!(page, "<tr><td>{method}<td><code>{}</code><td>{}<td>{who}", one.path, one.summary);
    }
    page.push_str("</table>\n</html>\n");
    let mut answer = plain(StatusCode::OK, page);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    answer
}
