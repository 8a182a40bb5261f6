//! `POST /api/inject/v1`.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request as HttpRequest;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::routing::post;
use serde_json::error::Category;

use super::{Origin, Refused, Request, inject};
use crate::host::http::{
    Access, Answer, Caller, Endpoint, Need, Parameters, Peer, json, plain, read_body, wanted_json,
};
use crate::policy::Policy;

/// The endpoints of [`routes`], for those who describe them.
pub const ENDPOINTS: &[Endpoint] =
    &[Endpoint::new("post", "/api/inject/v1", Need::Known, "Makes messages and queues them")];

/// Injection, for trusted hosts and those with good credentials.
pub fn routes(policy: &Policy, access: &Arc<Access>) -> Router {
    let policy = policy.clone();
    // The same for all requests.
    let hostname: Arc<str> = Parameters::default().hostname.into();
    let handle = post(move |request: HttpRequest| {
        let (policy, hostname) = (policy.clone(), hostname.clone());
        async move { answer(&policy, &hostname, request).await.unwrap_or_else(|refusal| refusal) }
    });
    Router::new().route("/api/inject/v1", access.guard(Need::Known, handle))
}

async fn answer(policy: &Policy, hostname: &str, request: HttpRequest) -> Result<Answer, Answer> {
    let (head, body) = request.into_parts();
    let (Some(peer), Some(caller)) = (head.extensions.get::<Peer>(), head.extensions.get::<Caller>()) else {
        return Err(plain(StatusCode::INTERNAL_SERVER_ERROR, "Error: a request without a peer"));
    };
    check_type(&head.headers)?;
    let body = read_body(&head.headers, body, peer.listener.body_limit_bytes).await?;
    let request: Request = parse(&body)?;
    if let Err(why) = super::health(policy.host()) {
        return Err(later(&why));
    }
    let origin = Origin {
        http_auth: Some(caller.identity.clone().unwrap_or_else(|| caller.ip.to_string())),
        received_from: Some(peer.address.to_string()),
        received_via: Some(peer.listener.address.to_string()),
        hostname: Some(hostname.to_owned()),
    };
    match inject(policy, &request, &origin).await {
        Ok(response) => Ok(json(StatusCode::OK, &response)),
        Err(Refused::NotTaken(why)) => Err(later(&why.to_string())),
        Err(refused) => Err(plain(StatusCode::UNPROCESSABLE_ENTITY, format!("Error: {refused}"))),
    }
}

#[expect(clippy::result_large_err, reason = "an answer is made at most once for a request")]
fn check_type(headers: &HeaderMap) -> Result<(), Answer> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if wanted_json(&media_type) {
        return Ok(());
    }
    let text = "Expected request with `Content-Type: application/json`";
    Err(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
}

#[expect(clippy::result_large_err, reason = "an answer is made at most once for a request")]
fn parse(body: &[u8]) -> Result<Request, Answer> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut reader);
    let request = parsed.map_err(|error| {
        let (path, cause) = (error.path().to_string(), error.inner());
        let place = if path == "." { String::new() } else { format!("{path}: ") };
        match cause.classify() {
            Category::Data => (StatusCode::UNPROCESSABLE_ENTITY, format!("{place}{cause}"), "deserialize"),
            _ => (StatusCode::BAD_REQUEST, cause.to_string(), "parse"),
        }
    });
    let ended = request.and_then(|request| {
        let end = reader.end().map(|()| request);
        end.map_err(|cause| (StatusCode::BAD_REQUEST, cause.to_string(), "parse"))
    });
    ended.map_err(|(status, why, what)| match what {
        "parse" => plain(status, format!("Failed to parse the request body as JSON: {why}")),
        _ => plain(status, format!("Failed to deserialize the JSON body into the target type: {why}")),
    })
}

fn later(why: &str) -> Answer {
    let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, format!("Error: {why}"));
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    answer
}
