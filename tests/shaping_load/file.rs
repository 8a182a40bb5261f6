//! Files: where they come from, how they are read, what is said about them.

use kumo_tsa::dns::Source;
use kumo_tsa_core::shaping::{Level, LoadOptions};

use super::{Fixture, GUIDE, ZONE, all, scopes, zones};

#[tokio::test]
async fn s7_a_missing_file_is_an_error_unless_said() {
    let fixture = Fixture::new(zones(ZONE));
    let paths = ["/opt/kumomta/etc/policy/missing.toml".to_owned()];
    let handle = fixture.load(&paths, LoadOptions::default()).await.unwrap();
    let expected = "local shaping source /opt/kumomta/etc/policy/missing.toml error: loading data from file";
    assert!(handle.current().errors()[0].starts_with(expected), "{:?}", handle.current().errors());
    assert!(handle.current().warnings().is_empty());
    let handle = fixture.load(&paths, all(Level::Warn)).await.unwrap();
    assert!(handle.current().warnings()[0].starts_with(expected) && handle.current().errors().is_empty());
    let handle = fixture.load(&paths, all(Level::Ignore)).await.unwrap();
    assert!(handle.current().warnings().is_empty() && handle.current().errors().is_empty());
}

#[tokio::test]
async fn s7_files_merge_in_the_order_of_their_paths() {
    let fixture = Fixture::new(zones(ZONE));
    let one = fixture.file("one.toml", "[default]\nmax_ready = 1\n[\"big.example\"]\nconnection_limit = 1\n");
    let two = fixture.file("two.json", r#"{"default": {"max_ready": 2}, "big.example": {"idle_timeout": "9s"}}"#);
    let ready = async |paths: [&String; 2]| {
        let handle = fixture.load(&paths.map(Clone::clone), LoadOptions::default()).await.unwrap();
        let path = handle.current().egress_path("big.example", "s", "(mx1|mx2).big.example", None);
        serde_json::Value::Object(path.to_json())
    };
    assert_eq!(ready([&one, &two]).await["max_ready"], 2);
    let merged = ready([&two, &one]).await;
    assert_eq!(merged, serde_json::json!({"max_ready": 1, "connection_limit": 1, "idle_timeout": "9s"}));
}

#[tokio::test]
async fn a7_all_that_is_wrong_is_named_with_file_line_and_column() {
    let fixture = Fixture::new(zones(ZONE));
    let one = fixture.file("one.toml", "[default]\nmax_redy = 1\nconnection_limit = \"x\"\n");
    let two = fixture.file("two.toml", "[default\n");
    let three = fixture.file("three.json", "{\"default\": {},}\n");
    let paths = [one.clone(), two.clone(), three.clone()];
    let error = fixture.load(&paths, all(Level::Ignore)).await.unwrap_err();
    assert!(error.contains(&format!("{one}:2:1: ")), "{error}");
    assert!(error.contains(&format!("{one}:3:")), "{error}");
    assert!(error.contains(&format!("parsing toml from file {two}: {two}:1:")), "{error}");
    assert!(error.contains(&format!("parsing json from file {three}: {three}:1:")), "{error}");
}

#[tokio::test]
async fn s7_other_suffixes_are_toml_or_json() {
    let fixture = Fixture::new(zones(ZONE));
    let toml = fixture.file("a.conf", "[default]\nmax_ready = 7\n");
    let json = fixture.file("b.conf", r#"{"default": {"connection_limit": 8}}"#);
    let bad = fixture.file("c.conf", "{what is this");
    let handle = fixture.load(&[toml, json, bad.clone()], all(Level::Warn)).await.unwrap();
    let path = handle.current().egress_path("x.example", "s", "mx.x.example", None);
    assert_eq!(serde_json::Value::Object(path.to_json()), serde_json::json!({"max_ready": 7, "connection_limit": 8}));
    assert_eq!(handle.current().warnings().len(), 1);
    let warning = handle.current().warnings()[0].clone();
    assert!(warning.starts_with(&format!("parsing {bad}: ")), "{warning}");
    assert!(warning.contains("as toml: ") && warning.contains("as json: "), "{warning}");
}

#[tokio::test]
async fn the_conditions_of_merging_count_as_their_levels_say() {
    let text = "[\"gone.example\"]\nmax_ready = 1\n[\"null.example\"]\nmax_ready = 1\n[\"big.example\"]\nmax_ready = 1\n\
        [provider.big]\nmatch = [{MXSuffix = \".big.example\"}]\nmax_ready = 2\n";
    let again = "[\"big.example\"]\nmax_ready = 3\n";
    let fixture = Fixture::new(zones(ZONE));
    let paths = [fixture.file("a.toml", text), fixture.file("b.toml", again)];
    let handle = fixture.load(&paths, all(Level::Warn)).await.unwrap();
    for expected in [
        "error resolving MX for gone.example: ",
        "NXDOMAIN",
        "domain null.example has a NULL MX",
        "multiple domain blocks alias to the same site: (mx1|mx2).big.example: big.example, big.example",
        "domain big.example is also matched by provider(s): big",
    ] {
        assert!(
            handle.current().warnings().iter().any(|text| text.contains(expected)),
            "{expected}: {:#?}",
            handle.current().warnings()
        );
    }
    assert!(handle.current().errors().is_empty());
    let quiet = fixture.load(&paths, all(Level::Ignore)).await.unwrap();
    assert!(quiet.current().warnings().len() == 2 && quiet.current().errors().is_empty());
    assert_eq!(
        fixture.load(&paths, all(Level::Error)).await.unwrap().current().errors().len(),
        handle.current().warnings().len()
    );
}

#[tokio::test]
async fn hosts_load_for_themselves() {
    let one = Fixture::new(zones(ZONE));
    let two = Fixture::new(Source::Failing("off".into()));
    let scopes_of = async |fixture: &Fixture| {
        let path = fixture.file("shaping.toml", GUIDE);
        scopes(&fixture.load(&[path], LoadOptions::default()).await.unwrap().current()).remove(0)
    };
    assert_eq!(scopes_of(&one).await, "site:mx.example.com");
    assert_eq!(scopes_of(&two).await, "domain:example.com");
}
