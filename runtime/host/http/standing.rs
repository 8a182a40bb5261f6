//! The endpoints that every daemon has.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::routing::{get, post};

use super::{Access, Answer, Endpoint, Liveness, Need, json, listener, openapi, plain, read_body};
use crate::host::{Host, metrics};

/// What a request to administrate may send at most.
const SMALL_BODY_BYTES: usize = 64 * 1024;

/// Tokio tells of its tasks only when it is built with `--cfg tokio_unstable`.
const NO_TASK_DUMP: &str = "Error: this build cannot dump its tasks: that needs `--cfg tokio_unstable`";

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFilter {
    filter: String,
}

/// The endpoints of [`standing_routes`].
const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new("get", "/metrics", Need::Trusted, "Metrics as Prometheus reads them"),
    Endpoint::new("get", "/metrics.json", Need::Trusted, "Metrics as JSON"),
    Endpoint::new("get", "/api/machine-info", Need::Trusted, "The machine and the version"),
    Endpoint::new("post", "/api/admin/bump-config-epoch", Need::Trusted, "Has the configuration read anew"),
    Endpoint::new("get", "/api/admin/memory/stats", Need::Trusted, "How much memory the process has"),
    Endpoint::new("get", "/api/admin/task-dump", Need::Trusted, "Where all tasks are, if this build can tell"),
    Endpoint::new("post", "/api/admin/set_diagnostic_log_filter/v1", Need::Trusted, "Changes what is logged"),
    Endpoint::new("get", "/api/check-liveness/v1", Need::Nothing, "Says OK while the daemon can do its work"),
    Endpoint::new("get", "/rapidoc", Need::Nothing, "Lists the endpoints as a page"),
    Endpoint::new("get", "/api-docs/openapi.json", Need::Nothing, "Describes the endpoints for tools"),
];

/// Metrics, machine information, memory, the configuration epoch and the log filter, for trusted hosts alone; liveness, and
/// the description of these endpoints and of the daemon's `own`, for anyone.
pub fn standing_routes(host: &Host, access: &Arc<Access>, own: &[Endpoint]) -> Router {
    let described: Arc<[Endpoint]> = [own, ENDPOINTS].concat().into();
    let (page, liveness) = (described.clone(), Liveness::of(host));
    administration(host, access)
        .route("/api/check-liveness/v1", get(move || async move { live(&liveness) }))
        .route("/rapidoc", get(move || async move { openapi::page_answer(&page) }))
        .route("/api-docs/openapi.json", get(move || async move { openapi::document_answer(&described) }))
}

fn live(liveness: &Liveness) -> Answer {
    match liveness.check() {
        Ok(()) => plain(StatusCode::OK, "OK"),
        Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

fn administration(host: &Host, access: &Arc<Access>) -> Router {
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
        .route("/api/admin/memory/stats", guard(get(|| async { json(StatusCode::OK, &memory()) })))
        .route("/api/admin/task-dump", guard(get(|| async { plain(StatusCode::NOT_IMPLEMENTED, NO_TASK_DUMP) })))
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

/// What `/proc/self/status` says, in bytes; `null` where the system does not tell.
fn memory() -> serde_json::Value {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    serde_json::json!({
        "resident_bytes": bytes("VmRSS"),
        "resident_peak_bytes": bytes("VmHWM"),
        "virtual_bytes": bytes("VmSize"),
        "swapped_bytes": bytes("VmSwap"),
    })
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
