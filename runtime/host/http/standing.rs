//! The endpoints that every daemon has.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::routing::{get, post};

use super::{Access, Answer, Need, json, listener, plain, read_body};
use crate::host::{Host, metrics};

/// What a request to administrate may send at most.
const SMALL_BODY_BYTES: usize = 64 * 1024;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFilter {
    filter: String,
}

/// Metrics, machine information, the configuration epoch and the log filter; all for trusted hosts alone.
pub fn standing_routes(host: &Host, access: &Arc<Access>) -> Router {
    let guard = |routes| access.guard(Need::Trusted, routes);
    let metrics_text = {
        let host = host.clone();
        get(move |headers: HeaderMap| async move { metrics_text(&host, &headers) })
    };
    let metrics_json = {
        let host = host.clone();
        get(move || async move { json(StatusCode::OK, &host.metrics().json()) })
    };
    let bump = {
        let host = host.clone();
        post(move || async move {
            host.epoch().bump();
            plain(StatusCode::OK, "OK")
        })
    };
    let set_filter = {
        let host = host.clone();
        post(move |request: Request| async move {
            let (head, body) = request.into_parts();
            match read_body(&head.headers, body, SMALL_BODY_BYTES).await {
                Ok(body) => set_filter(&host, &body),
                Err(answer) => answer,
            }
        })
    };
    Router::new()
        .route("/metrics", guard(metrics_text))
        .route("/metrics.json", guard(metrics_json))
        .route("/api/machine-info", guard(get(|| async { json(StatusCode::OK, &machine_info()) })))
        .route("/api/admin/bump-config-epoch", guard(bump))
        .route("/api/admin/set_diagnostic_log_filter/v1", guard(set_filter))
}

fn metrics_text(host: &Host, headers: &HeaderMap) -> Answer {
    let asked = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let open =
        asked.flat_map(|value| value.split(',')).any(|one| one.trim().starts_with("application/openmetrics-text"));
    let (text, content_type) = if open {
        (host.metrics().open_metrics(), metrics::OPEN_METRICS)
    } else {
        (host.metrics().text(), metrics::CONTENT_TYPE)
    };
    let mut answer = plain(StatusCode::OK, text);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

fn machine_info() -> serde_json::Value {
    serde_json::json!({
        "hostname": listener::hostname(),
        "num_cores": std::thread::available_parallelism().map_or(1, usize::from),
        "version": env!("CARGO_PKG_VERSION"),
        "os": std::env::consts::OS,
        "cpu_arch": std::env::consts::ARCH,
    })
}

fn set_filter(host: &Host, body: &[u8]) -> Answer {
    let wanted: SetFilter = match serde_json::from_slice(body) {
        Ok(wanted) => wanted,
        Err(cause) => return plain(StatusCode::UNPROCESSABLE_ENTITY, format!("Error: {cause}")),
    };
    match host.log_filter().set(&wanted.filter) {
        Ok(()) => plain(StatusCode::OK, "OK"),
        Err(cause) => plain(StatusCode::BAD_REQUEST, format!("Error: {:#}", anyhow::Error::from(cause))),
    }
}
