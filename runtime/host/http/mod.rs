//! HTTP as every daemon serves it: listeners, who may ask, bodies, and the endpoints that all have (interface C.1).

mod access;
mod body;
mod listener;
mod liveness;
mod openapi;
mod serve;
mod standing;
mod tls;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};

pub use access::{Access, Caller, Credentials, Decision, Need, Offered};
pub use body::{JSON, read_body, wanted_json};
pub use listener::{Bound, Listener, Parameters, hostname};
pub use liveness::Liveness;
pub use openapi::Endpoint;
pub use serve::{Peer, serve};
pub use standing::standing_routes;

/// A response of any daemon.
pub type Answer = axum::http::Response<Body>;

/// An answer of plain text.
pub fn plain(status: StatusCode, text: impl Into<String>) -> Answer {
    let mut answer = Answer::new(Body::from(text.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// An answer of JSON.
pub fn json(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(text) => {
            let mut answer = Answer::new(Body::from(text));
            *answer.status_mut() = status;
            answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
            answer
        }
        Err(cause) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("Error: {cause}")),
    }
}
