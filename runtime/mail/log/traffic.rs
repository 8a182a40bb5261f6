//! How many messages came in and what became of them, by service (interface C.17).

use kumo_tsa_core::wire::{Kind, PathName};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::record::Record;
use crate::host::metrics::Metrics;

/// By `service`: for what left, the protocol and the ready queue; for what came in, how it came.
///
/// These only ever grow. They are not called counters because the text format would then add `_total` to names that
/// existing programs read.
type ByService = Family<Vec<(&'static str, String)>, Gauge>;

/// What is counted of records.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    received: ByService,
    delivered: ByService,
    transient: ByService,
    failed: ByService,
}

impl Traffic {
    pub(super) fn register(&self, metrics: &Metrics) {
        for (name, help, family) in [
            ("total_messages_received", "Messages that came in, by service", &self.received),
            ("total_messages_delivered", "Messages that were delivered, by service", &self.delivered),
            ("total_messages_transfail", "Attempts that failed for now, by service", &self.transient),
            ("total_messages_fail", "Messages that were refused for good, by service", &self.failed),
        ] {
            metrics.register(name, help, family.clone());
        }
    }

    pub(super) fn count(&self, record: &Record) {
        let family = match record.kind {
            Kind::Reception => {
                let service = match record.reception_protocol() {
                    Some("HTTP") => "http_listener",
                    _ => "esmtp_listener",
                };
                self.received.get_or_create(&vec![("service", service.to_owned())]).inc();
                return;
            }
            Kind::Delivery => &self.delivered,
            Kind::TransientFailure => &self.transient,
            Kind::Bounce => &self.failed,
            _ => return,
        };
        let site = &record.site;
        if let Some(protocol) = PathName::parse(site, None).protocol {
            // `lua:make.x` is of the kind `lua`.
            let kind = protocol.split(':').next().unwrap_or(protocol);
            family.get_or_create(&vec![("service", format!("{kind}:{site}"))]).inc();
        }
    }
}
