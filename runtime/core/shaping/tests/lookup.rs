//! Egress paths (interface D.5).

use super::*;
use serde_json::json;

/// The value of an option and where it stands, as `VALUE FILE:LINE`.
#[track_caller]
fn shown(path: &EgressPath, name: &str) -> String {
    let param = path.get(name).unwrap_or_else(|| panic!("{name} is not set"));
    format!("{} {}", param.value, param.origin)
}

const STEPS: &str = "[default]
connection_limit = 1
max_ready = 1
idle_timeout = '1s'
smtp_port = 1
max_recipients_per_batch = 1
max_deliveries_per_connection = 1
data_timeout = '1s'
[provider.p]
match = [{MXSuffix='.net'}]
max_ready = 2
idle_timeout = '2s'
smtp_port = 2
max_recipients_per_batch = 2
max_deliveries_per_connection = 2
data_timeout = '2s'
[provider.p.sources.ip1]
idle_timeout = '3s'
smtp_port = 3
max_recipients_per_batch = 3
max_deliveries_per_connection = 3
data_timeout = '3s'
['a.com']
smtp_port = 4
max_recipients_per_batch = 4
max_deliveries_per_connection = 4
data_timeout = '4s'
['a.com'.sources.ip1]
max_deliveries_per_connection = 6
data_timeout = '6s'
['c.com']
mx_rollup = false
max_recipients_per_batch = 5
max_deliveries_per_connection = 5
data_timeout = '5s'
['c.com'.sources.ip1]
data_timeout = '7s'
";

#[test]
fn s7_later_steps_win() {
    let shaping = merged(&[STEPS]);
    let site = "(mx1|mx2).shared.net";
    let path = shaping.egress_path("C.com", "ip1", site, None);
    assert_eq!(shown(&path, "connection_limit"), "1 1.toml:2");
    assert_eq!(shown(&path, "max_ready"), "2 1.toml:11");
    assert_eq!(shown(&path, "idle_timeout"), "\"3s\" 1.toml:18");
    assert_eq!(shown(&path, "smtp_port"), "4 1.toml:24");
    assert_eq!(shown(&path, "max_recipients_per_batch"), "5 1.toml:33");
    assert_eq!(shown(&path, "max_deliveries_per_connection"), "6 1.toml:29");
    assert_eq!(shown(&path, "data_timeout"), "\"7s\" 1.toml:37");
    let overrode: Vec<&serde_json::Value> =
        path.get("data_timeout").unwrap().overrode.iter().map(|p| &p.value).collect();
    assert_eq!(overrode, ["6s", "5s", "4s", "3s", "2s", "1s"]);
    let other = shaping.egress_path("c.com", "IP1", site, None);
    assert_eq!(shown(&other, "data_timeout"), "\"5s\" 1.toml:35", "names of sources keep their case");
    let other = shaping.egress_path("x.com", "ip1", "mx.x.com", None);
    assert_eq!(other.to_json().len(), 7);
    assert_eq!(shown(&other, "data_timeout"), "\"1s\" 1.toml:8");
}

#[test]
fn s7_what_a_provider_implies() {
    let shaping = merged(&["
[provider.p]
match = [{MXSuffix='.net'}]
provider_connection_limit = 5
provider_max_message_rate = '5/s'
additional_connection_limits = { mine = 1 }
[provider.p.sources.ip1]
provider_source_selection_rate = '1/s'
max_ready = 7
[provider.q]
match = [{DomainSuffix='.com'}]
provider_connection_limit = 6
[provider.none]
max_ready = 1
"]);
    let path = shaping.egress_path("x.com", "ip1", "mx.x.net", None);
    assert_eq!(
        serde_json::Value::Object(path.to_json()),
        json!({
            "additional_connection_limits": {
                "mine": 1,
                "shaping-provider-p-ip1-limit": 5,
                "shaping-provider-q-ip1-limit": 6,
            },
            "provider_name": "q",
            "additional_message_rate_throttles": {"shaping-provider-p-ip1-rate": "5/s"},
            "max_ready": 7,
            "additional_source_selection_rates": {"shaping-provider-p-ip1-selection-rate": "1/s"},
        })
    );
    assert_eq!(shown(&path, "provider_name"), "\"q\" 1.toml:10");
    assert_eq!(path.get("provider_name").unwrap().overrode.len(), 1);
    let limits = &path.get("additional_connection_limits").unwrap().entries;
    let places: Vec<(&str, u32)> = limits.iter().map(|(name, param)| (&**name, param.origin.line)).collect();
    assert_eq!(places, [("mine", 6), ("shaping-provider-p-ip1-limit", 4), ("shaping-provider-q-ip1-limit", 12)]);
    let path = shaping.egress_path("x.org", "ip2", "mx.x.net", None);
    assert_eq!(path.get("provider_name").unwrap().value, "p");
    assert!(path.get("max_ready").is_none() && path.get("additional_source_selection_rates").is_none());
}

#[test]
fn s3_hosts_that_are_known_decide_over_the_site_name() {
    let shaping = merged(&["[provider.p]\nmatch = [{HostName='mx.x.net'}]"]);
    let name = |hosts: Option<&[&str]>, domain: &str| {
        let hosts: Option<Vec<String>> = hosts.map(|hosts| hosts.iter().map(|host| (*host).to_owned()).collect());
        shaping.egress_path(domain, "ip1", "mx.x.net", hosts.as_deref()).get("provider_name").is_some()
    };
    assert!(name(None, "x.com"));
    assert!(name(Some(&["mx.x.net."]), "x.com"));
    assert!(!name(Some(&["mx.x.net", "my.x.net"]), "x.com"));
    assert!(!name(Some(&[]), "x.com"));
    assert!(!name(None, "http://127.0.0.1:8008.tsa.kumomta"));
}

#[test]
fn s7_replace_base_clears_what_precedes_the_block() {
    let shaping = merged(&["
[default]
max_ready = 1
[provider.p]
match = [{MXSuffix='.net'}]
replace_base = true
smtp_port = 2
['a.com']
replace_base = true
connection_limit = 3
['a.com'.sources.ip1]
max_recipients_per_batch = 4
['c.com']
mx_rollup = false
replace_base = true
idle_timeout = '5s'
"]);
    let names = |domain: &str, site: &str| -> Vec<&str> {
        shaping.egress_path(domain, "ip1", site, None).iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names("x.com", "mx.x.net"), ["smtp_port", "provider_name"]);
    assert_eq!(names("x.com", "(mx1|mx2).shared.net"), ["connection_limit", "max_recipients_per_batch"]);
    assert_eq!(names("c.com", "(mx1|mx2).shared.net"), ["idle_timeout", "max_recipients_per_batch"]);
    assert_eq!(names("x.com", "mx.x.com"), ["max_ready"]);
}
