//! DNS that answers at once, late, or never.

use std::time::Duration;

use kumo_tsa::dns::{Resolver, Source};
use kumo_tsa_core::shaping::{Level, LoadOptions, Scope};

use super::{Fixture, GUIDE, Log, ZONE, all, scopes, zones};

fn alive_tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn s4_offline_at_start_it_acts_for_the_domain_and_joins_the_site_later() {
    let log = Log::new();
    let fixture = Fixture::new(Source::Failing("network unreachable".into()));
    let path = fixture.file("shaping.toml", GUIDE);
    let handle = fixture.load(std::slice::from_ref(&path), LoadOptions::default()).await.unwrap();

    let before = handle.current();
    assert_eq!(scopes(&before), ["domain:example.com", "domain:example.com"]);
    assert_eq!(handle.current().unresolved().len(), 1);
    assert_eq!(handle.current().unresolved()[0].domain.to_string(), "example.com");
    assert!(log.text().contains(&format!("{path}:2: domain `example.com` does not resolve")), "{}", log.text());
    assert!(log.text().contains("network unreachable"));

    Resolver::replace(&fixture.host, zones(ZONE)).unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let after = handle.current();
    assert_eq!(scopes(&after), ["site:mx.example.com", "site:mx.example.com"]);
    assert!(handle.current().unresolved().is_empty());
    assert_ne!(before.hash(), after.hash());
    assert_eq!(scopes(&before), ["domain:example.com", "domain:example.com"], "who works with it keeps it");
    assert!(log.text().contains(&format!("{path}:2: domain `example.com` now resolves")), "{}", log.text());
    assert_eq!(alive_tasks(), 0, "there is nothing left to ask for");
}

#[tokio::test(start_paused = true)]
async fn s4_dns_that_never_answers_holds_up_loading_for_a_second_at_most() {
    let log = Log::new();
    let fixture = Fixture::new(Source::Silent);
    let blocks: Vec<_> = (0..500).map(|n| format!("[\"d{n}.example\"]\nmax_ready = {}\n", n + 1)).collect();
    let path = fixture.file("shaping.toml", &blocks.concat());
    let start = tokio::time::Instant::now();
    let handle = fixture.load(std::slice::from_ref(&path), LoadOptions::default()).await.unwrap();
    assert_eq!(start.elapsed().as_millis(), 1000);
    assert_eq!(handle.current().unresolved().len(), 500);
    assert!(log.text().contains(&format!("{path}:999: domain `d499.example`")));
    let path_config = handle.current().egress_path("d7.example", "s", "mx.d7.example", None);
    assert_eq!(path_config.get("max_ready").unwrap().value, 8);
}

#[tokio::test(start_paused = true)]
async fn s4_retries_back_off_up_to_five_minutes() {
    let fixture = Fixture::new(Source::Failing("off".into()));
    let path = fixture.file("shaping.toml", GUIDE);
    let handle = fixture.load(&[path], LoadOptions::default()).await.unwrap();
    // 5 + 10 + 20 + 40 + 80 + 160 + 300 s of waiting lie behind it then.
    tokio::time::sleep(Duration::from_secs(616)).await;
    Resolver::replace(&fixture.host, zones(ZONE)).unwrap();
    tokio::time::sleep(Duration::from_secs(298)).await;
    assert_eq!(handle.current().unresolved().len(), 1);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(handle.current().unresolved().is_empty());
}

#[tokio::test(start_paused = true)]
async fn s4_asking_again_ends_with_the_data_or_the_host() {
    let fixture = Fixture::new(Source::Failing("off".into()));
    let path = fixture.file("shaping.toml", GUIDE);
    let one = fixture.load(std::slice::from_ref(&path), LoadOptions::default()).await.unwrap();
    let two = fixture.load(&[path], LoadOptions::default()).await.unwrap();
    assert_eq!(alive_tasks(), 2);
    let clone = one.clone();
    drop(one);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(alive_tasks(), 2);
    drop(clone);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(alive_tasks(), 1);
    fixture.host.shutdown().request();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(alive_tasks(), 0);
    drop(two);
}

#[tokio::test(start_paused = true)]
async fn s4_the_warning_is_given_when_it_begins() {
    let log = Log::new();
    let fixture = Fixture::new(Source::Failing("off".into()));
    let path = fixture.file("shaping.toml", GUIDE);
    let warnings = async || {
        fixture.load(std::slice::from_ref(&path), LoadOptions::default()).await.unwrap();
        log.text().matches("does not resolve to a site").count()
    };
    assert_eq!((warnings().await, warnings().await), (1, 1));
    Resolver::replace(&fixture.host, zones(ZONE)).unwrap();
    assert_eq!(warnings().await, 1);
    Resolver::replace(&fixture.host, Source::Failing("off again".into())).unwrap();
    assert_eq!(warnings().await, 2);
}

#[tokio::test(start_paused = true)]
async fn s4_what_dns_said_before_is_not_waited_for() {
    let fixture = Fixture::new(zones(ZONE));
    let path = fixture.file("shaping.toml", "[\"big.example\"]\nmax_ready = 1\n[\"gone.example\"]\nmax_ready = 2\n");
    let start = tokio::time::Instant::now();
    for _ in 0..2 {
        let handle = fixture.load(std::slice::from_ref(&path), LoadOptions::default()).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(handle.current().unresolved().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn s4_the_guides_rules_work_where_the_domain_takes_no_mail() {
    let log = Log::new();
    let fixture = Fixture::new(zones("$ORIGIN example.com.\n@ 60 MX 0 .\n"));
    let path = fixture.file("shaping.toml", GUIDE);
    let handle = fixture.load(std::slice::from_ref(&path), all(Level::Warn)).await.unwrap();
    assert!(log.text().contains(&format!("{path}:2: ")), "{}", log.text());
    assert!(handle.current().warnings().iter().any(|text| text.contains("domain example.com has a NULL MX")));
    let shaping = handle.current();
    let found = shaping.matches("example.com", "mx.example.com", "250 2.0.0 Ok ids=1", false);
    assert_eq!(found.matched.len(), 1);
    assert_eq!(found.matched[0].rule.scope, Scope::Domain("example.com".into()));

    // It is asked for again, by the TTL of the answer.
    Resolver::replace(&fixture.host, zones(ZONE)).unwrap();
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert_eq!(scopes(&handle.current()), ["site:mx.example.com", "site:mx.example.com"]);
}

#[tokio::test(start_paused = true)]
async fn o4_a_generated_overlay_needs_no_dns() {
    let fixture = Fixture::new(Source::Silent);
    let overlay = "# Generated by tsa-daemon\n# Number of entries: 1\n\n[\"example.com\"]\n# site: mx.example.com\nmx_rollup = true\n\n\
        [\"example.com\".sources.\"s\"]\nmax_ready = 9\n# Generated by tsa-daemon\n# Number of entries: 1\n";
    let path = fixture.file("overlay.toml", overlay);
    let start = tokio::time::Instant::now();
    let handle = fixture.load(&[path], LoadOptions::default()).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(handle.current().unresolved().is_empty());
    let path = handle.current().egress_path("other.example.com", "s", "mx.example.com", None);
    assert_eq!(path.get("max_ready").unwrap().value, 9);
}
