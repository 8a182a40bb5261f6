//! What a host counts of its Lua contexts (interface B.6).

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use crate::host::Host;

type Label = [(&'static str, String); 1];

/// Shared by all policies of a host.
pub(super) struct Metrics {
    /// A gauge, as [`Self::started`] is one: the documented names of both have no `_total`, which counters get.
    pub(super) loads: Gauge,
    live: Gauge,
    spare: Gauge,
    started: Family<Label, Gauge>,
    latency: Latency,
}

type Latency = Family<Label, Histogram, fn() -> Histogram>;

impl Metrics {
    pub(super) fn of(host: &Host) -> Arc<Self> {
        let registry = host.metrics();
        host.slot(|| {
            let metrics = Self {
                loads: Gauge::default(),
                live: Gauge::default(),
                spare: Gauge::default(),
                started: Family::default(),
                // From 0.1 ms to 26 s.
                latency: Family::new_with_constructor(|| Histogram::new(exponential_buckets(1e-4, 4.0, 10))),
            };
            registry.register("lua_load_count", "How often a policy file was evaluated", metrics.loads.clone());
            registry.register("lua_count", "Lua contexts that exist", metrics.live.clone());
            registry.register("lua_spare_count", "Lua contexts that wait for an event", metrics.spare.clone());
            registry.register("lua_event_started", "How often an event was called", metrics.started.clone());
            registry.register("lua_event_latency", "How long an event took, in seconds", metrics.latency.clone());
            metrics
        })
    }

    pub(super) fn started(&self, event: &str) {
        self.started.get_or_create(&[("event", event.to_owned())]).inc();
    }

    pub(super) fn finished(&self, event: &str, took: Duration) {
        self.latency.get_or_create(&[("event", event.to_owned())]).observe(took.as_secs_f64());
    }

    /// Counts a context as long as the result lives.
    pub(super) fn live(&self) -> Counted {
        Counted::new(&self.live)
    }

    /// Counts a spare context as long as the result lives.
    pub(super) fn spare(&self) -> Counted {
        Counted::new(&self.spare)
    }
}

/// One more in a gauge while it lives.
pub(super) struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
