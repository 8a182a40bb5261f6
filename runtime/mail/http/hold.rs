//! Suspending and bouncing (interface C.13, C.14).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::{MethodRouter, post};
use serde::Deserialize;
use uuid::Uuid;

use super::{App, body};
use crate::host::http::{Answer, json, plain};
use crate::mail::hold::{Holds, Order};

/// Which entry is to end.
#[derive(Deserialize)]
struct Which {
    id: Uuid,
}

/// One more of a kind with POST, all with GET, the end of one with DELETE.
pub(super) fn entries<T: Order>() -> MethodRouter<App> {
    post(make::<T>).get(list::<T>).delete(end::<T>)
}

async fn make<T: Order>(State(app): State<App>, request: Request) -> Answer {
    match body::read::<T>(request).await {
        Ok(order) => json(StatusCode::OK, &T::made(order.make(&Holds::of(&app.host)))),
        Err(answer) => answer,
    }
}

async fn list<T: Order>(State(app): State<App>) -> Answer {
    json(StatusCode::OK, &T::list(&Holds::of(&app.host)))
}

async fn end<T: Order>(State(app): State<App>, request: Request) -> Answer {
    let Which { id } = match body::read(request).await {
        Ok(which) => which,
        Err(answer) => return answer,
    };
    if T::delete(&Holds::of(&app.host), id) {
        plain(StatusCode::OK, format!("removed {id}"))
    } else {
        plain(StatusCode::NOT_FOUND, format!("{} entry {id} not found", T::ENTRY))
    }
}
