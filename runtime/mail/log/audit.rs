//! The audit log: who asked for what over HTTP, and whether it was permitted (interface C.8).

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Value, json};

use super::writer::Writer;
use crate::host::http::Decision;
use crate::host::{Clock, Host};

/// What an audit log takes, and where it goes; one call of `kumo.aaa.configure_acct_log`.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(in crate::mail) struct AuditLog {
    pub(in crate::mail) writer: Writer,
    pub(in crate::mail) authz_allow: bool,
    pub(in crate::mail) authz_deny: bool,
    pub(in crate::mail) authn_ok: bool,
    pub(in crate::mail) authn_fail: bool,
}

/// The audit logs of a host.
#[derive(Debug)]
pub struct Audit {
    clock: Clock,
    logs: ArcSwap<Vec<Arc<AuditLog>>>,
}

impl Audit {
    /// The host's.
    pub fn of(host: &Host) -> Arc<Self> {
        host.slot(|| Self { clock: host.clock().clone(), logs: ArcSwap::default() })
    }

    pub(in crate::mail) fn add(&self, log: AuditLog) {
        let log = Arc::new(log);
        self.logs.rcu(|logs| {
            let mut logs = Vec::clone(logs);
            logs.push(log.clone());
            logs
        });
    }

    /// Whether anything is written.
    pub fn is_kept(&self) -> bool {
        !self.logs.load().is_empty()
    }

    /// Writes what was decided of a request.
    pub async fn note(&self, decision: &Decision) {
        let logs = self.logs.load_full();
        if logs.is_empty() {
            return;
        }
        let timestamp = self.clock.now().micros().div_euclid(1_000_000);
        let (row, wants): (Value, fn(&AuditLog) -> bool) = match decision {
            Decision::Authentication { who, ip, good } => (
                json!({
                    "type": "Authentication", "timestamp": timestamp,
                    "attempted_identity": {"identity": who, "context": "Http"}, "success": good,
                    "auth_info": auth_info(&ip.to_string(), good.then_some(who), false),
                }),
                if *good { |log| log.authn_ok } else { |log| log.authn_fail },
            ),
            Decision::Authorization { who, ip, trusted, method, resource, permitted } => (
                json!({
                    "type": "Authorization", "timestamp": timestamp, "target_resource": resource, "privilege": method,
                    "access": if *permitted { "Allow" } else { "Deny" }, "matching_resource": null, "rule": null,
                    "auth_info": auth_info(&ip.to_string(), who.as_ref(), *trusted), "considered_resources": [resource],
                }),
                if *permitted { |log| log.authz_allow } else { |log| log.authz_deny },
            ),
        };
        let line = format!("{row}\n");
        for log in logs.iter().filter(|log| wants(log)) {
            log.writer.write(0, line.clone().into_bytes()).await;
        }
    }

    /// Writes what waits, and closes the files.
    pub async fn stop(&self) {
        for log in self.logs.load().iter() {
            log.writer.stop().await;
        }
    }
}

fn auth_info(ip: &str, who: Option<&String>, trusted: bool) -> Value {
    let identities: Vec<_> = who.into_iter().map(|who| json!({"identity": who, "context": "Http"})).collect();
    let groups: &[&str] = if trusted { &["kumomta:http-listener-trusted-ip"] } else { &[] };
    json!({"peer_address": ip, "identities": identities, "groups": groups})
}
