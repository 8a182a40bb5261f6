//! The files and responses that people really have, where they are at hand.

use std::path::PathBuf;

use super::*;

/// The folder of real inputs; `None`, and a line that says so, where it is absent.
fn data() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let folder = std::env::var_os("KUMO_TSA_DATA").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

fn real_files() -> Option<Vec<Arc<File>>> {
    let folder = data()?.join("shaping");
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        Arc::new(parse(&Source::new(name, text)).unwrap_or_else(|findings| panic!("{findings}")))
    };
    Some(["kumomta-default.toml", "kumomta-community.toml"].map(read).to_vec())
}

#[test]
fn s7_real_files_load_and_merge() {
    let Some(files) = real_files() else { return };
    let shaping = Shaping::merge(&files, &mx, &LoadOptions::default()).unwrap();
    assert_eq!(shaping.errors(), [""; 0]);
    assert_eq!(shaping.warnings(), [""; 0]);
    assert_eq!(shaping.rules().len(), 51);
    let path = shaping.egress_path("example.com", "my source name", "mx.example.com", None);
    assert_eq!(path.get("connection_limit").unwrap().value, 5);
    assert_eq!(path.get("max_deliveries_per_connection").unwrap().value, 100);
    let site = "(alt1|alt2)?.gmail-smtp-in.l.google.com";
    let path = shaping.egress_path("gmail.com", "ip-1", site, None);
    assert_eq!(path.get("provider_name").unwrap().value, "google");
    let limits = &path.get("additional_connection_limits").unwrap().value;
    assert_eq!(*limits, serde_json::json!({"shaping-provider-google-ip-1-limit": 5}));
}

#[test]
fn s6_real_responses_find_their_rules() {
    let Some(files) = real_files() else { return };
    let shaping = Shaping::merge(&files, &mx, &LoadOptions::default()).unwrap();
    let found = |domain: &str, site: &str, text: &str| -> Vec<(String, bool)> {
        let matches = shaping.matches(domain, site, text, false);
        matches.matched.iter().map(|m| (m.rule.origin.to_string(), m.rolled)).collect()
    };
    let yahoo = "(mta5|mta6|mta7).am0.yahoodns.net";
    let text = "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume";
    let said = found("yahoo.com", yahoo, text);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said.iter().all(|(_, rolled)| *rolled));
    assert_eq!(found("yahoo.com", yahoo, "250 ok dirdel"), []);
}
