//! `POST /publish_log_v1`: records come in. The daemon's hot path, which does not go through the router.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use kumo_tsa_core::wire::{BadRecord, Record};
use serde::Serialize;

use super::App;
use super::batch::{self, NDJSON};
use crate::host::http::{Answer, JSON, Need, Peer, json, plain, read_body, wanted_json};
use crate::tsa::engine::Unavailable;
use crate::tsa::metrics::Outcome;

/// The path of the endpoint.
pub(super) const PATH: &str = "/publish_log_v1";

/// How a publisher that is turned away for now is told to come again, in seconds.
const RETRY_AFTER_SECS: HeaderValue = HeaderValue::from_static("1");

/// What became of the records of a batch (semantics D4).
#[derive(Serialize)]
struct Tally {
    accepted: usize,
    refused: Vec<Refused>,
}

#[derive(Serialize)]
struct Refused {
    /// Counted from 0, empty lines not.
    index: usize,
    error: String,
}

enum Form {
    Json,
    Lines,
}

impl App {
    pub(super) async fn publish(&self, peer: Peer, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        if let Err(answer) = self.access.admit(&peer, Need::Known, &head.method, PATH, &head.headers).await {
            return answer;
        }
        let Some(form) = form(&head.headers) else {
            let text = "Expected request with `Content-Type: application/json` or `application/x-ndjson`";
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text);
        };
        let body = match read_body(&head.headers, body, peer.listener.body_limit_bytes).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        match form {
            Form::Lines => self.publish_batch(&batch::lines(&body)).await,
            Form::Json if batch::is_array(&body) => match batch::elements(&body) {
                Ok(elements) => self.publish_batch(&elements).await,
                Err(why) => plain(StatusCode::BAD_REQUEST, format!("Failed to parse the request body as JSON: {why}")),
            },
            Form::Json => self.publish_one(&body).await,
        }
    }

    async fn publish_one(&self, body: &Bytes) -> Answer {
        let record = match Record::parse(body) {
            Ok(record) => record,
            Err(bad) => {
                self.count_refused(&bad);
                return refuse(&bad);
            }
        };
        match self.engine.publish(std::slice::from_ref(&record)).await {
            Ok(()) => Answer::new(Body::empty()),
            Err(unavailable) => turn_away(&unavailable),
        }
    }

    async fn publish_batch(&self, parts: &[&[u8]]) -> Answer {
        let mut records = Vec::with_capacity(parts.len());
        let mut refused = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            match Record::parse(part) {
                Ok(record) => records.push(record),
                Err(bad) => {
                    self.count_refused(&bad);
                    refused.push(Refused { index, error: bad.to_string() });
                }
            }
        }
        match self.engine.publish(&records).await {
            Ok(()) => json(StatusCode::OK, &Tally { accepted: records.len(), refused }),
            Err(unavailable) => turn_away(&unavailable),
        }
    }

    fn count_refused(&self, bad: &BadRecord) {
        let outcome = match bad {
            BadRecord::Syntax { .. } => Outcome::Syntax,
            BadRecord::Shape { .. } => Outcome::Shape,
        };
        self.metrics.record(None, outcome);
    }
}

fn form(headers: &HeaderMap) -> Option<Form> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type == JSON {
        return Some(Form::Json);
    }
    let media_type = media_type.to_ascii_lowercase();
    match media_type.as_str() {
        NDJSON => Some(Form::Lines),
        other if wanted_json(other) => Some(Form::Json),
        _ => None,
    }
}

fn refuse(bad: &BadRecord) -> Answer {
    match bad {
        BadRecord::Syntax { why } => {
            plain(StatusCode::BAD_REQUEST, format!("Failed to parse the request body as JSON: {why}"))
        }
        BadRecord::Shape { why } => {
            let text = format!("Failed to deserialize the JSON body into the target type: {why}");
            plain(StatusCode::UNPROCESSABLE_ENTITY, text)
        }
    }
}

pub(super) fn turn_away(unavailable: &Unavailable) -> Answer {
    let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, format!("Error: {unavailable}"));
    answer.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECS);
    answer
}
