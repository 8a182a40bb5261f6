//! Reading what administrators send (interface C.1).

use axum::extract::Request;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::host::http::{Answer, JSON, Peer, plain, read_body, wanted_json};

/// What a request may send where its listener is not known.
const SMALL_BODY_BYTES: usize = 64 * 1024;

/// Reads a JSON body: 415 without its media type, 400 for what is no JSON, 422 for JSON of another shape.
pub(super) async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Answer> {
    let (head, body) = request.into_parts();
    let given = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !wanted_json(&media_type) {
        let text = format!("Expected request with `Content-Type: {JSON}`");
        return Err(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let limit = head.extensions.get::<Peer>().map_or(SMALL_BODY_BYTES, |peer| peer.listener.body_limit_bytes);
    let body = read_body(&head.headers, body, limit).await?;
    parse(&body)
}

#[expect(clippy::result_large_err, reason = "an answer is made at most once for a request")]
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Answer> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, cause) = (error.path().to_string(), error.into_inner());
        let place = if path == "." { String::new() } else { format!("{path}: ") };
        match cause.classify() {
            Category::Data => {
                let text = format!("Failed to deserialize the JSON body into the target type: {place}{cause}");
                plain(StatusCode::UNPROCESSABLE_ENTITY, text)
            }
            _ => no_json(&cause),
        }
    })?;
    reader.end().map_err(|cause| no_json(&cause))?;
    Ok(parsed)
}

fn no_json(cause: &serde_json::Error) -> Answer {
    plain(StatusCode::BAD_REQUEST, format!("Failed to parse the request body as JSON: {cause}"))
}
