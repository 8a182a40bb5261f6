//! The mail host's endpoints: injection, administration, metrics (interface C.1, C.14, C.17).

mod body;
mod constraint;
mod egress;
mod hold;
mod inspect;
mod metrics;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::{MethodRouter, get, post};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use tower::ServiceExt;

use super::hold::{BounceQueues, SuspendPath, SuspendQueues};
use super::inject;
use super::log::{Audit, Logger};
use super::queue::Queues;
use super::spool::Spools;
use crate::host::Host;
use crate::host::http::{
    Access, Answer, Credentials, Decision, Endpoint, Liveness, Need, Offered, Peer, serve, standing_routes,
};
use crate::host::listening::Serving;
use crate::modules::credential::PolicyCredentials;
use crate::policy::Policy;

/// What answers requests: one for all listeners of a host.
#[derive(Clone)]
struct App {
    host: Host,
    policy: Policy,
    queues: Arc<Queues>,
}

/// The endpoints of a mail host alone.
const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new("post", "/api/admin/suspend/v1", Need::Trusted, "Suspends scheduled queues"),
    Endpoint::new("get", "/api/admin/suspend/v1", Need::Trusted, "The suspensions of scheduled queues"),
    Endpoint::new("delete", "/api/admin/suspend/v1", Need::Trusted, "Ends a suspension of scheduled queues"),
    Endpoint::new("post", "/api/admin/suspend-ready-q/v1", Need::Trusted, "Suspends a ready queue"),
    Endpoint::new("get", "/api/admin/suspend-ready-q/v1", Need::Trusted, "The suspensions of ready queues"),
    Endpoint::new("delete", "/api/admin/suspend-ready-q/v1", Need::Trusted, "Ends a suspension of a ready queue"),
    Endpoint::new("post", "/api/admin/bounce/v1", Need::Trusted, "Bounces what is and comes in scheduled queues"),
    Endpoint::new("get", "/api/admin/bounce/v1", Need::Trusted, "The bounces, and how many messages they met"),
    Endpoint::new("delete", "/api/admin/bounce/v1", Need::Trusted, "Ends a bounce"),
    Endpoint::new("get", "/api/admin/inspect-ready-q/v1", Need::Trusted, "A ready queue and its sessions"),
    Endpoint::new("post", "/api/admin/abort-ready-q-conn/v1", Need::Trusted, "Ends a session of a ready queue"),
    Endpoint::new("get", "/api/admin/inspect-sched-q/v1", Need::Trusted, "A scheduled queue and its messages"),
    Endpoint::new("get", "/api/admin/inspect-message/v1", Need::Trusted, "A message"),
    Endpoint::new("get", "/api/admin/ready-q-states/v1", Need::Trusted, "What keeps ready queues from delivering"),
    Endpoint::new("get", "/api/admin/resolve-egress-path/v1", Need::Trusted, "What holds for mail to a domain"),
];

/// Serves the listeners that the policy has started, and those that it will, until the host shuts down. `None` when that
/// has been done before.
///
/// The spool must be open: what is asked of it decides whether the host says that it is alive.
pub fn start(policy: &Policy) -> Option<Serving> {
    let host = policy.host();
    metrics::register(host);
    watch_health(host);
    let app = App { host: host.clone(), policy: policy.clone(), queues: Queues::of(host) };
    let access = Arc::new(Access::new(Audited { policy: PolicyCredentials(policy.clone()), audit: Audit::of(host) }));
    let handle = handler(router(app, &access));
    let on = host.clone();
    Serving::start(host, move |bound| serve(bound, on.clone(), handle.clone()))
}

fn handler(
    router: Router,
) -> impl Fn(Peer, Request<Incoming>) -> BoxFuture<'static, Answer> + Clone + Send + Sync + 'static {
    move |peer, mut request| {
        let router = router.clone();
        async move {
            request.extensions_mut().insert(peer);
            match router.oneshot(request.map(Body::new)).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            }
        }
        .boxed()
    }
}

fn router(app: App, access: &Arc<Access>) -> Router {
    let trusted = |routes: MethodRouter<App>| access.guard(Need::Trusted, routes);
    let described = [ENDPOINTS, inject::ENDPOINTS].concat();
    let standing = standing_routes(&app.host, access, &described);
    let injection = inject::routes(&app.policy, access);
    let queues = hold::entries::<SuspendQueues>();
    let paths = hold::entries::<SuspendPath>();
    let bounces = hold::entries::<BounceQueues>();
    Router::new()
        .route("/api/admin/suspend/v1", trusted(queues))
        .route("/api/admin/suspend-ready-q/v1", trusted(paths))
        .route("/api/admin/bounce/v1", trusted(bounces))
        .route("/api/admin/inspect-ready-q/v1", trusted(get(inspect::ready)))
        .route("/api/admin/abort-ready-q-conn/v1", trusted(post(inspect::abort)))
        .route("/api/admin/inspect-sched-q/v1", trusted(get(inspect::scheduled)))
        .route("/api/admin/inspect-message/v1", trusted(get(inspect::message)))
        .route("/api/admin/ready-q-states/v1", trusted(get(inspect::states)))
        .route("/api/admin/resolve-egress-path/v1", trusted(get(egress::resolve)))
        .with_state(app)
        .merge(standing)
        .merge(injection)
}

/// Has the host say that it is alive while it can take mail.
fn watch_health(host: &Host) {
    let liveness = Liveness::of(host);
    let stopping = host.shutdown().watch();
    liveness.add(move || if *stopping.borrow() { Err("the host is shutting down".to_owned()) } else { Ok(()) });
    // What a check holds must not hold the host.
    let spools = host.slot(ArcSwapOption::<Spools>::empty);
    liveness.add(move || match spools.load_full() {
        Some(spools) => spools.health().map_err(|error| error.to_string()),
        None => Err("the spool is not open".to_owned()),
    });
    let logger = Arc::downgrade(&Logger::of(host));
    liveness.add(move || logger.upgrade().map_or(Ok(()), |logger| logger.health()));
}

/// The policy's credentials; what is decided of them and of requests goes to the audit log.
struct Audited {
    policy: PolicyCredentials,
    audit: Arc<Audit>,
}

impl Credentials for Audited {
    fn check<'a>(&'a self, offered: &'a Offered) -> BoxFuture<'a, Result<bool, String>> {
        self.policy.check(offered)
    }

    fn note(&self, decision: Decision) -> BoxFuture<'_, ()> {
        async move { self.audit.note(&decision).await }.boxed()
    }

    fn takes_note(&self) -> bool {
        self.audit.is_kept()
    }
}
