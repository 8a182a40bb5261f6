//! Which of the limits that hold for a path is the tightest, and where it comes from (interface C.14).

use kumo_tsa_core::wire::{Limit, Throttle};
use serde::Serialize;

use crate::mail::config::PathConfig;

/// The tightest limits.
#[derive(Serialize, Debug)]
#[expect(clippy::struct_field_names, reason = "the names are those of interface C.14")]
pub(super) struct Constraints {
    max_concurrent_dispatchers: Ceiling<u64>,
    max_message_rate: Option<Ceiling<f64>>,
    max_message_rate_declared: Option<String>,
    max_connection_rate: Option<Ceiling<f64>>,
    max_source_selection_rate: Option<Ceiling<f64>>,
}

/// A limit; rates are per second.
#[derive(Serialize, Debug)]
struct Ceiling<T> {
    value: T,
    source: Origin,
    display: String,
}

/// What sets a limit.
#[derive(Serialize, Debug)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Origin {
    /// The option itself.
    Primary,
    /// One of the map of additional ones.
    Additional { name: String },
    /// How often connections may be opened, and what each may carry.
    ReconnectCycling,
    /// Something outside of the path.
    Other { name: String },
}

impl Constraints {
    /// Of a path, and of the scheduled queue that feeds it, where it has a rate.
    pub(super) fn new(path: &PathConfig, queue_rate: Option<Throttle>) -> Self {
        let additional = path.additional_connection_limits.iter();
        let dispatchers = additional.map(|(name, limit)| of_limit(*limit, additional_named(name)));
        let dispatchers = std::iter::once(of_limit(path.connection_limit, Origin::Primary)).chain(dispatchers);
        let dispatchers = dispatchers.min_by_key(|ceiling| ceiling.value);
        let max_connection_rate = path.max_connection_rate.map(|rate| of_rate(rate, Origin::Primary));
        let mut rates = rates(path.max_message_rate, &path.additional_message_rate_throttles);
        rates.extend(
            queue_rate.map(|rate| of_rate(rate, Origin::Other { name: "scheduled queue max_message_rate".to_owned() })),
        );
        rates.extend(max_connection_rate.as_ref().map(|connections| Ceiling {
            value: connections.value * path.max_deliveries_per_connection as f64,
            source: Origin::ReconnectCycling,
            display: format!(
                "{} connections, {} messages each",
                connections.display, path.max_deliveries_per_connection
            ),
        }));
        let selections = rates_of_selection(path);
        Self {
            max_concurrent_dispatchers: dispatchers.unwrap_or_else(|| of_limit(path.connection_limit, Origin::Primary)),
            max_message_rate: lowest(rates),
            max_message_rate_declared: path.max_message_rate.map(|rate| rate.to_string()),
            max_connection_rate,
            max_source_selection_rate: lowest(selections),
        }
    }
}

fn rates_of_selection(path: &PathConfig) -> Vec<Ceiling<f64>> {
    rates(path.source_selection_rate, &path.additional_source_selection_rates)
}

fn rates<'a>(
    primary: Option<Throttle>,
    additional: impl IntoIterator<Item = (&'a String, &'a Throttle)>,
) -> Vec<Ceiling<f64>> {
    let additional = additional.into_iter().map(|(name, rate)| of_rate(*rate, additional_named(name)));
    primary.map(|rate| of_rate(rate, Origin::Primary)).into_iter().chain(additional).collect()
}

fn additional_named(name: &str) -> Origin {
    Origin::Additional { name: name.to_owned() }
}

fn of_limit(limit: Limit, source: Origin) -> Ceiling<u64> {
    Ceiling { value: limit.limit.get(), source, display: limit.to_string() }
}

fn of_rate(rate: Throttle, source: Origin) -> Ceiling<f64> {
    let per_second = rate.limit.get() as f64 / rate.period.as_secs_f64();
    Ceiling { value: per_second, source, display: rate.to_string() }
}

fn lowest(rates: Vec<Ceiling<f64>>) -> Option<Ceiling<f64>> {
    rates.into_iter().min_by(|a, b| a.value.total_cmp(&b.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::config::Config;
    use serde_json::{Value, json};

    fn of(options: &Value, queue_rate: Option<&str>) -> Value {
        let path = PathConfig::from_options(options.as_object().unwrap()).unwrap();
        serde_json::to_value(Constraints::new(&path, queue_rate.map(|text| text.parse().unwrap()))).unwrap()
    }

    #[test]
    fn the_lowest_of_all_that_hold_is_named() {
        let found = of(&json!({}), None);
        assert_eq!(
            found,
            json!({
                "max_concurrent_dispatchers": {"value": 32, "source": {"kind": "primary"}, "display": "32"},
                "max_message_rate": null, "max_message_rate_declared": null, "max_connection_rate": null,
                "max_source_selection_rate": null,
            })
        );
        let options = json!({
            "connection_limit": 10, "additional_connection_limits": {"all": 4}, "max_message_rate": "1000/s",
            "additional_source_selection_rates": {"day": "86400/d"},
        });
        let found = of(&options, Some("60/m"));
        assert_eq!(
            found["max_concurrent_dispatchers"],
            json!({"value": 4, "source": {"kind": "additional", "name": "all"}, "display": "4"})
        );
        let other = json!({"kind": "other", "name": "scheduled queue max_message_rate"});
        assert_eq!(found["max_message_rate"], json!({"value": 1.0, "source": other, "display": "60/m"}));
        assert_eq!(found["max_message_rate_declared"], "1000/s");
        assert_eq!(found["max_source_selection_rate"]["source"]["name"], "day");
    }

    #[test]
    fn opening_connections_limits_messages_too() {
        let found = of(&json!({"max_connection_rate": "2/s", "max_deliveries_per_connection": 5}), None);
        assert_eq!(found["max_message_rate"]["value"], 10.0);
        assert_eq!(found["max_message_rate"]["source"], json!({"kind": "reconnect_cycling"}));
    }
}
