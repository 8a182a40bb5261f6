//! The daemon's endpoints (interface C.2).

mod batch;
mod channel;
mod listing;
mod publish;
mod subscribe;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::routing::{MethodRouter, delete, get, post};
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::engine::Engine;
use super::metrics::Metrics;
use crate::host::Host;
use crate::host::http::{Access, Answer, Endpoint, Need, Peer, plain, standing_routes};

/// What answers requests: one for all listeners of a daemon.
#[derive(Clone)]
pub(super) struct App {
    pub(super) host: Host,
    pub(super) engine: Arc<Engine>,
    pub(super) access: Arc<Access>,
    pub(super) metrics: Metrics,
    /// Dropped with the last request or subscription.
    pub(super) open: mpsc::Sender<()>,
}

/// Answers all requests of a daemon.
pub(super) fn handler(
    app: App,
) -> impl Fn(Peer, Request<Incoming>) -> futures_util::future::BoxFuture<'static, Answer> + Clone + Send + Sync + 'static
{
    let router = router(&app);
    let app = Arc::new(app);
    move |peer, mut request| {
        let (app, router) = (app.clone(), router.clone());
        Box::pin(async move {
            if request.method() == Method::POST && request.uri().path() == publish::PATH {
                return app.publish(peer, request).await;
            }
            request.extensions_mut().insert(peer);
            match router.oneshot(request.map(Body::new)).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            }
        })
    }
}

/// The endpoints of this daemon alone.
const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new("post", publish::PATH, Need::Known, "Takes log records in: one, a JSON array, or one a line"),
    Endpoint::new("get", "/tsa/status", Need::Nothing, "Says that the daemon runs"),
    Endpoint::new("get", "/get_config_v1/shaping.toml", Need::Known, "The overrides in force, as a shaping file"),
    Endpoint::new("get", "/get_suspension_v1/suspended.json", Need::Known, "The suspensions in force"),
    Endpoint::new("get", "/get_bounce_v1/bounced.json", Need::Known, "The bounces in force"),
    Endpoint::new("get", "/tsa/effects.json", Need::Known, "All that is in force, and what led to it"),
    Endpoint::new("delete", "/tsa/effects/{id}", Need::Known, "Ends an effect"),
    Endpoint::new("get", "/subscribe_event_v1", Need::Known, "A websocket: suspensions and bounces as they come"),
    Endpoint::new("get", "/subscribe_suspension_v1", Need::Known, "A websocket: suspensions as they come"),
    Endpoint::new("get", "/subscribe_state_v1", Need::Known, "A websocket: all that is in force, and how it changes"),
];

fn router(app: &App) -> Router {
    let guard = |need, routes: MethodRouter<App>| app.access.guard(need, routes);
    let known = |routes| guard(Need::Known, routes);
    // Posts to it do not come here; other methods are told so.
    let publish = post(|| async { plain(StatusCode::NOT_FOUND, "") });
    Router::new()
        .route(publish::PATH, publish)
        .route("/tsa/status", get(|| async { plain(StatusCode::OK, "TSA Daemon OK") }))
        .route("/get_config_v1/shaping.toml", known(get(config)))
        .route("/get_suspension_v1/suspended.json", known(get(suspended)))
        .route("/get_bounce_v1/bounced.json", known(get(bounced)))
        .route("/tsa/effects.json", known(get(effects)))
        .route("/tsa/effects/{id}", known(delete(cancel)))
        .route("/subscribe_event_v1", known(get(subscribe_event)))
        .route("/subscribe_suspension_v1", known(get(subscribe_suspension)))
        .route("/subscribe_state_v1", known(get(subscribe_state)))
        .with_state(app.clone())
        .merge(standing_routes(&app.host, &app.access, ENDPOINTS))
}

async fn config(State(app): State<App>, headers: HeaderMap) -> Answer {
    listing::config(app.engine, headers).await
}

async fn suspended(State(app): State<App>) -> Answer {
    listing::suspended(app.engine).await
}

async fn bounced(State(app): State<App>) -> Answer {
    listing::bounced(app.engine).await
}

async fn effects(State(app): State<App>) -> Answer {
    listing::effects(app.engine).await
}

async fn cancel(State(app): State<App>, Path(id): Path<String>) -> Answer {
    listing::cancel(app.engine, &id).await
}

async fn subscribe_event(State(app): State<App>, upgrade: WebSocketUpgrade) -> Answer {
    let gauge = app.metrics.subscribers("subscribe_event_v1");
    subscribe::subscribe(upgrade, &app, app.engine.holds(), channel::Events, gauge)
}

async fn subscribe_suspension(State(app): State<App>, upgrade: WebSocketUpgrade) -> Answer {
    let gauge = app.metrics.subscribers("subscribe_suspension_v1");
    subscribe::subscribe(upgrade, &app, app.engine.holds(), channel::Suspensions, gauge)
}

async fn subscribe_state(State(app): State<App>, upgrade: WebSocketUpgrade) -> Answer {
    let gauge = app.metrics.subscribers("subscribe_state_v1");
    let view = channel::Everything { begin: app.engine.begin() };
    subscribe::subscribe(upgrade, &app, app.engine.effects(), view, gauge)
}
