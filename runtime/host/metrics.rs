//! What a host counts, in the form that Prometheus reads.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::registry::{Metric, Registry};

use super::Host;

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The content type of [`Metrics::open_metrics`].
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of one host. Each part of the host registers what it counts and keeps a handle to it.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<Registry>);

impl Metrics {
    /// Registers a metric. The text encoding adds `_total` to the name of a counter and a full stop to `help`.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).register(name, help, metric);
    }

    /// Registers what is looked up when metrics are asked for.
    pub fn collect(&self, collector: impl Collector) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).register_collector(Box::new(collector));
    }

    /// All metrics in the text format of Prometheus, version 0.0.4.
    pub fn text(&self) -> String {
        to_prometheus(&self.open_metrics())
    }

    /// All metrics in the OpenMetrics text format.
    pub fn open_metrics(&self) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let _ = text::encode(&mut out, &self.0.lock().unwrap_or_else(PoisonError::into_inner));
        out
    }

    /// All metrics as JSON: per name its help, type and values; values with labels carry these.
    pub fn json(&self) -> serde_json::Value {
        parse_text(&self.open_metrics())
    }
}

impl Host {
    /// The metrics of this host.
    pub fn metrics(&self) -> std::sync::Arc<Metrics> {
        self.slot(Metrics::default)
    }
}

/// In the older format a counter's family is named as its samples are, with `_total`; units and the end are not marked.
fn to_prometheus(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut help = None;
    // Writing into a string cannot fail.
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), rest) => help = Some((name, rest.unwrap_or_default())),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let suffix = if kind == "counter" { "_total" } else { "" };
                if let Some((_, help)) = help.take().filter(|(of, _)| *of == name) {
                    let _ = writeln!(out, "# HELP {name}{suffix} {help}");
                }
                let _ = writeln!(out, "# TYPE {name}{suffix} {kind}");
            }
            (Some("#"), ..) => {}
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

fn parse_text(text: &str) -> serde_json::Value {
    let mut all = serde_json::Map::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            if let (Some(what @ ("HELP" | "TYPE")), Some(name), rest) = (words.next(), words.next(), words.next()) {
                name.clone_into(&mut family);
                let entry = all.entry(name).or_insert_with(|| serde_json::json!({"samples": []}));
                entry[what.to_ascii_lowercase()] = rest.unwrap_or_default().into();
            }
        } else if let Some((series, value)) = line.rsplit_once(' ')
            && let Some(samples) = all.get_mut(&family).and_then(|entry| entry["samples"].as_array_mut())
        {
            let (name, labels) = parse_series(series);
            let value = value.parse().map_or(serde_json::Value::Null, |number: f64| number.into());
            samples.push(serde_json::json!({"name": name, "labels": labels, "value": value}));
        }
    }
    all.into()
}

/// `name{label="value",...}`; values may hold escaped quotes, backslashes and line feeds.
fn parse_series(series: &str) -> (&str, serde_json::Map<String, serde_json::Value>) {
    let mut labels = serde_json::Map::new();
    let Some((name, mut rest)) = series.split_once('{') else { return (series, labels) };
    while let Some((label, quoted)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        let mut end = quoted.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, other)) => value.push(other),
                    None => {}
                },
                '"' => {
                    end = at + 1;
                    break;
                }
                other => value.push(other),
            }
        }
        labels.insert(label.trim_start_matches(',').to_owned(), value.into());
        rest = quoted.get(end..).unwrap_or_default();
    }
    (name, labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;

    #[test]
    fn both_text_formats_name_counters_as_they_ask() {
        let metrics = Metrics::default();
        let counter = Counter::<u64>::default();
        counter.inc();
        metrics.register("tsa_reloads", "Reloads # TYPE", counter);
        assert_eq!(
            metrics.text(),
            "# HELP tsa_reloads_total Reloads # TYPE.\n# TYPE tsa_reloads_total counter\ntsa_reloads_total 1\n"
        );
        assert_eq!(
            metrics.open_metrics(),
            "# HELP tsa_reloads Reloads # TYPE.\n# TYPE tsa_reloads counter\ntsa_reloads_total 1\n# EOF\n"
        );
    }

    #[test]
    fn text_and_json_tell_the_same() {
        let metrics = Metrics::default();
        let family = Family::<Vec<(String, String)>, Counter>::default();
        metrics.register("tsa_matches", "Matches per rule", family.clone());
        family.get_or_create(&vec![("rule".to_owned(), "a \"b\" \\d, c=".to_owned())]).inc_by(3);
        let text = metrics.text();
        assert!(text.contains(r#"tsa_matches_total{rule="a \"b\" \\d, c="} 3"#), "{text}");
        assert_eq!(
            metrics.json()["tsa_matches"],
            serde_json::json!({
                "help": "Matches per rule.",
                "type": "counter",
                "samples": [{"name": "tsa_matches_total", "labels": {"rule": "a \"b\" \\d, c="}, "value": 3.0}],
            })
        );
    }
}
