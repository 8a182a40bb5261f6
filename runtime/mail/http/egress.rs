//! What holds for mail to a domain, asked of the policy as the queues would (`resolve-egress-path` in interface C.14).

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use kumo_tsa_core::wire::QueueName;
use serde::Deserialize;
use serde_json::{Map, Value, json as object};

use super::App;
use super::constraint::Constraints;
use crate::dns::{Mx, Resolver};
use crate::host::http::{Answer, json, plain};
use crate::mail::automation::Automation;
use crate::mail::config::{Config, PathConfig, Protocol, QueueConfig, UNSPECIFIED, path_config, queue_config};
use crate::mail::queue::world::site_of_list;
use crate::policy::explain;

#[derive(Deserialize)]
pub(super) struct Asked {
    domain: String,
    source: Option<String>,
}

pub(super) async fn resolve(State(app): State<App>, Query(asked): Query<Asked>) -> Answer {
    match find(&app, &asked).await {
        Ok(found) => json(StatusCode::OK, &found),
        Err(why) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("Error: {why}")),
    }
}

async fn find(app: &App, asked: &Asked) -> Result<Value, String> {
    let source = asked.source.as_deref().unwrap_or(UNSPECIFIED);
    let name = QueueName::parse(&asked.domain);
    let domain = name.routing_domain.unwrap_or(name.domain);
    let queue = queue_config(&app.policy, &name).await.map_err(|error| explain(&error))?;
    let (mx, site, protocol) = site(app, domain, &queue).await?;
    let path = path_config(&app.policy, domain, source, &site).await.map_err(|error| explain(&error))?;
    let path = overridden(app, path, domain, source, &site);
    Ok(object!({
        "domain": asked.domain,
        "source": source,
        "mx": mx.map(|mx| describe(&mx)),
        "queue_name": format!("{source}->{site}@{protocol}"),
        "queue_config": queue.to_json(),
        "path_config": path.to_json(),
        "constraints": Constraints::new(&path, queue.max_message_rate),
    }))
}

/// The site of a domain, and the protocol as the names of ready queues have it (interface C.5).
async fn site(app: &App, domain: &str, queue: &QueueConfig) -> Result<(Option<Arc<Mx>>, String, String), String> {
    match &queue.protocol {
        Protocol::Smtp { mx_list, .. } if mx_list.is_empty() => {
            let mx = Resolver::of(&app.host).mx(domain).await.map_err(|error| explain(&error))?;
            let site = mx.site_name.clone();
            Ok((Some(mx), site, "smtp_client".to_owned()))
        }
        Protocol::Smtp { mx_list, .. } => Ok((None, site_of_list(mx_list), "smtp_client".to_owned())),
        other => Ok((None, domain.to_owned(), other.label())),
    }
}

/// With what automation overrides for this domain.
fn overridden(app: &App, path: Arc<PathConfig>, domain: &str, source: &str, site: &str) -> Arc<PathConfig> {
    let overrides = Automation::of(&app.host).overrides(domain, source, site);
    if overrides.is_empty() { path } else { Arc::new(path.with(&overrides).0) }
}

/// The exchangers as the admin API shows them.
pub(super) fn describe(mx: &Mx) -> Value {
    let by_preference: Map<_, _> =
        mx.by_preference.iter().map(|(preference, hosts)| (preference.to_string(), object!(hosts))).collect();
    object!({
        "site_name": mx.site_name,
        "by_preference": by_preference,
        "is_mx": mx.is_mx,
        "is_domain_literal": mx.is_domain_literal,
        "is_secure": mx.is_secure,
    })
}
