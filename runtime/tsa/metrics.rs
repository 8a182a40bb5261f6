//! What the daemon counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kumo_tsa_core::decide::RuleFacts;
use kumo_tsa_core::shaping::{Origin, Rule, RuleId, Unresolved};
use kumo_tsa_core::wire::Kind;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use crate::host::Host;

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// No rule matched it.
    Unmatched,
    /// Rules matched it; it counts.
    Counted,
    /// Rules matched it, and it had come before or was too old to count.
    Unchanged,
    /// Nothing was attempted: it has no site (semantics R4).
    NoSite,
    /// It could not be stored.
    Unavailable,
    /// It is not JSON.
    Syntax,
    /// It is not a log record.
    Shape,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unmatched => "unmatched",
            Self::Counted => "counted",
            Self::Unchanged => "unchanged",
            Self::NoSite => "no_site",
            Self::Unavailable => "unavailable",
            Self::Syntax => "refused_syntax",
            Self::Shape => "refused_shape",
        }
    }
}

/// The labels of the counter of records.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RecordLabels {
    r#type: &'static str,
    outcome: &'static str,
}

/// The labels of what is counted for each rule. Rules are as many as the files hold; a rule that moved is another one.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RuleLabels {
    rule: String,
    origin: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct EndpointLabels {
    endpoint: &'static str,
}

/// A domain of the rules and where they name it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct DomainLabels {
    domain: String,
    origin: String,
}

/// As many domains that DNS does not tell of are named; all are counted.
const NAMED_AT_MOST: usize = 1_000;

/// Handles to what the daemon counts; clones count together.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    records: Family<RecordLabels, Counter>,
    matches: Family<RuleLabels, Counter>,
    effects: Family<RuleLabels, Counter>,
    bound_hits: Family<RuleLabels, Counter>,
    of_rules: Arc<OfRules>,
    subscribers: Family<EndpointLabels, Gauge>,
    /// Seconds that appending to the store takes.
    pub(super) store_append: Histogram,
    /// Appends that failed.
    pub(super) store_failures: Counter,
    /// Reloads of the rules that failed, or whose rules were not good.
    pub(super) reload_failures: Counter,
    /// Reloads that brought other rules.
    pub(super) reloads: Counter,
    unresolved: Gauge,
    unresolved_domains: Family<DomainLabels, Gauge>,
    /// Effects in force, of each kind.
    pub(super) effects_live: Gauge,
    /// Windows that count something.
    pub(super) windows: Gauge,
}

impl Metrics {
    /// Registers what the daemon counts with its host.
    pub(super) fn register(host: &Host) -> Self {
        let metrics = Self {
            records: Family::default(),
            matches: Family::default(),
            effects: Family::default(),
            bound_hits: Family::default(),
            of_rules: Arc::default(),
            subscribers: Family::default(),
            // 10 µs to 2.6 s.
            store_append: Histogram::new(exponential_buckets(0.000_01, 4.0, 10)),
            store_failures: Counter::default(),
            reload_failures: Counter::default(),
            reloads: Counter::default(),
            unresolved: Gauge::default(),
            unresolved_domains: Family::default(),
            effects_live: Gauge::default(),
            windows: Gauge::default(),
        };
        let to = host.metrics();
        to.register("tsa_records", "Records by type and by what became of them", metrics.records.clone());
        to.register("tsa_rule_matches", "Records that matched, per rule", metrics.matches.clone());
        to.register("tsa_rule_effects", "Effects begun or prolonged, per rule", metrics.effects.clone());
        to.register(
            "tsa_rule_bound_hits",
            "Responses on which a pattern with look-around or back-references was given up, per rule",
            metrics.bound_hits.clone(),
        );
        to.register("tsa_subscribers", "Connected subscribers, per endpoint", metrics.subscribers.clone());
        to.register("tsa_store_append_seconds", "How long appending to the store takes", metrics.store_append.clone());
        to.register("tsa_store_failures", "Appends to the store that failed", metrics.store_failures.clone());
        to.register("tsa_shaping_reload_failures", "Reloads of the rules that failed", metrics.reload_failures.clone());
        to.register("tsa_shaping_reloads", "Reloads that brought other rules", metrics.reloads.clone());
        to.register(
            "tsa_unresolved_domains",
            "Domains of the rules that DNS did not tell of",
            metrics.unresolved.clone(),
        );
        to.register(
            "tsa_unresolved_domain",
            "1 for a domain of the rules that DNS did not tell of",
            metrics.unresolved_domains.clone(),
        );
        to.register("tsa_effects_live", "Effects in force", metrics.effects_live.clone());
        to.register("tsa_windows", "Windows of rules with a threshold that count something", metrics.windows.clone());
        metrics
    }

    /// The domains that DNS does not tell of now (semantics S4).
    pub(super) fn unresolved(&self, domains: &[Unresolved]) {
        self.unresolved.set(i64::try_from(domains.len()).unwrap_or(i64::MAX));
        self.unresolved_domains.clear();
        for Unresolved { domain, origin, .. } in domains.iter().take(NAMED_AT_MOST) {
            let labels = DomainLabels { domain: domain.to_string(), origin: origin.to_string() };
            self.unresolved_domains.get_or_create(&labels).set(1);
        }
    }

    pub(super) fn record(&self, kind: Option<Kind>, outcome: Outcome) {
        let r#type = kind.map_or("unknown", kind_name);
        self.records.get_or_create(&RecordLabels { r#type, outcome: outcome.as_str() }).inc();
    }

    pub(super) fn matched(&self, rule: &Rule) {
        let find = || self.matches.get_or_create_owned(&RuleLabels::of(rule));
        self.of_rules.matches.count(rule.id, &rule.origin, find);
    }

    /// The rules that have matched so far.
    pub(super) fn matched_rules(&self) -> Vec<RuleId> {
        self.of_rules.matches.known()
    }

    pub(super) fn acted(&self, rule: &RuleFacts) {
        let labels = || RuleLabels { rule: rule.pattern.to_string(), origin: rule.origin.to_string() };
        self.of_rules.effects.count(rule.id, &rule.origin, || self.effects.get_or_create_owned(&labels()));
    }

    pub(super) fn bound_hit(&self, rule: &Arc<Rule>) {
        self.bound_hits.get_or_create(&RuleLabels::of(rule)).inc();
    }

    pub(super) fn subscribers(&self, endpoint: &'static str) -> Gauge {
        self.subscribers.get_or_create(&EndpointLabels { endpoint }).clone()
    }
}

/// The counters of rules at hand: making the labels for each record would cost more than matching it.
#[derive(Default, Debug)]
struct OfRules {
    matches: AtHand,
    effects: AtHand,
}

#[derive(Default, Debug)]
struct AtHand(Mutex<HashMap<RuleId, (Origin, Counter)>>);

impl AtHand {
    fn known(&self) -> Vec<RuleId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Counts one more for the rule; `find` finds the counter of a rule that is new here, or stands elsewhere now.
    fn count(&self, id: RuleId, origin: &Origin, find: impl FnOnce() -> Counter) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(&id).is_none_or(|(place, _)| place != origin) {
            known.insert(id, (origin.clone(), find()));
        }
        if let Some((_, counter)) = known.get(&id) {
            counter.inc();
        }
    }
}

impl RuleLabels {
    fn of(rule: &Rule) -> Self {
        Self { rule: rule.pattern(), origin: rule.origin.to_string() }
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Reception => "Reception",
        Kind::Delivery => "Delivery",
        Kind::Bounce => "Bounce",
        Kind::TransientFailure => "TransientFailure",
        Kind::Expiration => "Expiration",
        Kind::AdminBounce => "AdminBounce",
        Kind::Oob => "OOB",
        Kind::Feedback => "Feedback",
        Kind::Rejection => "Rejection",
        Kind::AdminRebind => "AdminRebind",
        Kind::DeferredInjectionRebind => "DeferredInjectionRebind",
        Kind::Delayed => "Delayed",
        Kind::XferOut => "XferOut",
        Kind::XferIn => "XferIn",
    }
}
