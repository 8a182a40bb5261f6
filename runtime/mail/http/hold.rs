//! Suspending and bouncing (interface C.13, C.14).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json as object;
use uuid::Uuid;

use super::{App, body};
use crate::host::http::{Answer, json, plain};
use crate::mail::hold::{BounceQueues, Holds, SuspendPath, SuspendQueues};

/// Which entry is to end.
#[derive(Deserialize)]
struct Which {
    id: Uuid,
}

pub(super) async fn suspend_queues(State(app): State<App>, request: Request) -> Answer {
    match body::read::<SuspendQueues>(request).await {
        Ok(asked) => json(StatusCode::OK, &object!({"id": asked.make(&Holds::of(&app.host))})),
        Err(answer) => answer,
    }
}

pub(super) async fn list_queues(State(app): State<App>) -> Answer {
    json(StatusCode::OK, &Holds::of(&app.host).list_queues())
}

pub(super) async fn resume_queues(State(app): State<App>, request: Request) -> Answer {
    end(request, "suspend", |id| Holds::of(&app.host).delete_queue(id)).await
}

pub(super) async fn suspend_path(State(app): State<App>, request: Request) -> Answer {
    match body::read::<SuspendPath>(request).await {
        Ok(asked) => json(StatusCode::OK, &object!({"id": asked.make(&Holds::of(&app.host))})),
        Err(answer) => answer,
    }
}

pub(super) async fn list_paths(State(app): State<App>) -> Answer {
    json(StatusCode::OK, &Holds::of(&app.host).list_paths())
}

pub(super) async fn resume_path(State(app): State<App>, request: Request) -> Answer {
    end(request, "suspend-ready-q", |id| Holds::of(&app.host).delete_path(id)).await
}

/// What waits is looked for by the queues when they hear of the new entry; the list says how many were met.
pub(super) async fn bounce(State(app): State<App>, request: Request) -> Answer {
    match body::read::<BounceQueues>(request).await {
        Ok(asked) => {
            let id = asked.make(&Holds::of(&app.host));
            json(StatusCode::OK, &object!({"id": id, "bounced": {}, "total_bounced": 0}))
        }
        Err(answer) => answer,
    }
}

pub(super) async fn list_bounces(State(app): State<App>) -> Answer {
    json(StatusCode::OK, &Holds::of(&app.host).list_bounces())
}

pub(super) async fn end_bounce(State(app): State<App>, request: Request) -> Answer {
    end(request, "bounce", |id| Holds::of(&app.host).delete_bounce(id)).await
}

async fn end(request: Request, what: &str, delete: impl FnOnce(Uuid) -> bool) -> Answer {
    let Which { id } = match body::read(request).await {
        Ok(which) => which,
        Err(answer) => return answer,
    };
    if delete(id) {
        plain(StatusCode::OK, format!("removed {id}"))
    } else {
        plain(StatusCode::NOT_FOUND, format!("{what} entry {id} not found"))
    }
}
