//! How much waits in queues, counted when it is asked for (interface C.17).

use std::fmt;
use std::sync::Weak;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use crate::host::Host;
use crate::mail::queue::Queues;

/// Counts what is in the queues of a host.
struct Census(Weak<Queues>);

/// Adds the queues to the metrics of a host.
pub(super) fn register(host: &Host) {
    host.metrics().collect(Census(std::sync::Arc::downgrade(&Queues::of(host))));
}

impl fmt::Debug for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Census")
    }
}

/// The value of each label.
type Family = Vec<(String, u64)>;

impl Collector for Census {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let Some(queues) = self.0.upgrade() else { return Ok(()) };
        let scheduled: Family =
            queues.scheduled_names().into_iter().map(|(name, count)| (name, count as u64)).collect();
        let [mut ready, mut connections, mut opened] = [Family::new(), Family::new(), Family::new()];
        for found in queues.all_ready() {
            let service = format!("{}:{}", found.protocol, found.queue_name);
            connections.push((service.clone(), found.connection_count as u64));
            opened.push((service.clone(), found.totals.connections));
            ready.push((service, found.ready_count as u64));
        }
        for (name, help, label, family) in [
            ("scheduled_count", "Messages in scheduled queues, by queue", "queue", scheduled),
            ("ready_count", "Messages in ready queues, by service", "service", ready),
            ("connection_count", "Connections that are open, by service", "service", connections),
            ("total_connection_count", "Connections that were tried, by service", "service", opened),
        ] {
            write(&mut encoder, name, help, label, &family)?;
        }
        Ok(())
    }
}

fn write(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    family: &Family,
) -> fmt::Result {
    if family.is_empty() {
        return Ok(());
    }
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (value, count) in family {
        metric.encode_family(&[(label, value.as_str())])?.encode_gauge(count)?;
    }
    Ok(())
}
