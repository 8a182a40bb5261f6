//! What is in force, for reading.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::host::http::{Answer, json, plain};
use crate::tsa::engine::Engine;

/// Rendering may take a while, so it keeps out of the way of those who publish.
async fn apart(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "Error: the answer could not be put together"),
    }
}

/// `GET /get_config_v1/shaping.toml`
pub(super) async fn config(engine: Arc<Engine>, headers: HeaderMap) -> Answer {
    apart(move || {
        let overlay = engine.overlay();
        let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let known = known.split(',').map(|tag| tag.trim().trim_start_matches("W/"));
        let mut answer = if known.into_iter().any(|tag| tag == overlay.etag || tag == "*") {
            let mut answer = Answer::new(Body::empty());
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            answer
        } else {
            let mut answer = Answer::new(Body::from(overlay.text.clone()));
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            answer.headers_mut().insert(header::CONTENT_TYPE, plain);
            answer
        };
        if let Ok(etag) = HeaderValue::from_str(&overlay.etag) {
            answer.headers_mut().insert(header::ETAG, etag);
        }
        answer
    })
    .await
}

#[derive(Serialize)]
struct Suspended<R, S> {
    ready_q: R,
    sched_q: S,
}

/// `GET /get_suspension_v1/suspended.json`
pub(super) async fn suspended(engine: Arc<Engine>) -> Answer {
    apart(move || {
        let (ready_q, sched_q) = engine.read(|state, now| (state.ready_suspensions(now), state.sched_suspensions(now)));
        json(StatusCode::OK, &Suspended { ready_q, sched_q })
    })
    .await
}

/// `GET /get_bounce_v1/bounced.json`
pub(super) async fn bounced(engine: Arc<Engine>) -> Answer {
    apart(move || json(StatusCode::OK, &engine.read(kumo_tsa_core::decide::State::bounces))).await
}

/// `GET /tsa/effects.json`: all there is to know of what is in force.
pub(super) async fn effects(engine: Arc<Engine>) -> Answer {
    apart(move || {
        let rules = engine.rules();
        json(StatusCode::OK, &engine.read(|state, now| state.list(&*rules, now)))
    })
    .await
}

/// `DELETE /tsa/effects/{id}`: ends an effect early.
pub(super) async fn cancel(engine: Arc<Engine>, id: &str) -> Answer {
    let parsed = match id.parse() {
        Ok(parsed) => parsed,
        Err(bad) => return plain(StatusCode::BAD_REQUEST, format!("Error: {bad}")),
    };
    match engine.cancel(parsed).await {
        Ok(true) => plain(StatusCode::OK, format!("cancelled {id}")),
        Ok(false) => plain(StatusCode::NOT_FOUND, format!("Error: effect `{id}` is not in force")),
        Err(unavailable) => super::publish::turn_away(&unavailable),
    }
}
