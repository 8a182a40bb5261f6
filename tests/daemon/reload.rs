//! Rules that change while the daemon runs (semantics A7, A11).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::rig::{RULES, Rig, policy, record_at};

const FILE: &str = "/opt/kumomta/etc/policy/shaping.toml";

async fn publish(rig: &Rig, number: u64, content: &str) {
    rig.publish(&record_at(rig.host.clock().now(), number, content)).await;
}

async fn effects(rig: &Rig) -> usize {
    rig.json("/tsa/effects.json").await.as_array().unwrap().len()
}

async fn half_a_minute() {
    tokio::time::sleep(Duration::from_secs(31)).await;
}

#[tokio::test(start_paused = true)]
async fn a7_a_bad_file_never_replaces_a_good_one() {
    let rig = Rig::controlled(RULES).start().await;
    for bad in ["[[default.automation]]\nregex = \"(\"\naction = \"Suspend\"\nduration = \"1h\"\n", "not toml"] {
        rig.write(FILE, bad);
        half_a_minute().await;
    }
    std::fs::remove_file(rig.path(FILE)).unwrap();
    half_a_minute().await;
    assert_eq!(rig.metric("tsa_shaping_reload_failures_total").await, Some(3.0));
    publish(&rig, 1, "hold it").await;
    assert_eq!(effects(&rig).await, 1, "the rules from before are in force");
    rig.write(FILE, &RULES.replace("hold it", "hold them"));
    half_a_minute().await;
    publish(&rig, 2, "hold them").await;
    assert_eq!(effects(&rig).await, 2);
    assert_eq!(rig.metric("tsa_shaping_reload_failures_total").await, Some(3.0));
    assert_eq!(rig.metric("tsa_shaping_reloads_total").await, Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a11_an_effect_outlives_its_rule_and_says_so() {
    let rig = Rig::controlled(RULES).start().await;
    publish(&rig, 1, "hold it").await;
    rig.write(FILE, &RULES.replace("hold it", "hold them"));
    half_a_minute().await;
    let listed = rig.json("/tsa/effects.json").await;
    assert_eq!(listed[0]["rule_gone"], true);
    assert_eq!(rig.json("/get_suspension_v1/suspended.json").await["ready_q"].as_array().unwrap().len(), 1);
    publish(&rig, 2, "hold it").await;
    assert_eq!(effects(&rig).await, 1, "the rule is gone");
}

const POLICY: &str = "/opt/kumomta/etc/policy/tsa_init.lua";

/// A policy whose handler does this first when it is asked for the rules.
fn loading(first: &str) -> String {
    policy("", "").replace("  return kumo.shaping.load", &format!("  {first} return kumo.shaping.load"))
}

#[tokio::test(start_paused = true)]
async fn a7_a_reload_that_does_not_end_is_given_up_and_the_next_one_counts() {
    let rig = Rig::controlled(RULES).start().await;
    rig.write(POLICY, &loading("kumo.sleep(1000000)"));
    rig.host.epoch().bump();
    tokio::time::sleep(Duration::from_secs(95)).await;
    assert!(rig.metric("tsa_shaping_reload_failures_total").await >= Some(1.0));
    publish(&rig, 1, "hold it").await;
    assert_eq!(effects(&rig).await, 1, "the rules from before are in force");
    rig.write(POLICY, &loading(""));
    rig.write(FILE, &RULES.replace("hold it", "hold them"));
    rig.host.epoch().bump();
    // The clock goes on while a socket is waited for: another reload may already hang in the old policy.
    tokio::time::sleep(Duration::from_mins(3)).await;
    publish(&rig, 2, "hold them").await;
    assert_eq!(effects(&rig).await, 2, "the rules of the reload after it");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_does_not_end_is_given_up_and_says_where() {
    let sleeping = "kumo.sleep(1000000) tsa.start_http_listener";
    let error =
        Rig::controlled(RULES).policy(&policy("", "").replace("tsa.start_http_listener", sleeping)).fails().await;
    assert_eq!(error, "event `tsa_init`: did not finish within 60 s");
    let error = Rig::controlled(RULES).policy(&loading("kumo.sleep(1000000)")).fails().await;
    assert_eq!(error, "event `tsa_load_shaping_data`: did not finish within 60 s");
    let error = Rig::controlled(RULES).policy(&policy("", "kumo.sleep(1000000)")).fails().await;
    assert!(error.ends_with("/policy/tsa_init.lua`: did not finish within 60 s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a7_a_url_that_goes_away_leaves_its_rules_in_force() {
    use axum::http::StatusCode;
    let answer = Arc::new(Mutex::new((StatusCode::OK, RULES.to_owned())));
    let shown = answer.clone();
    let app = axum::Router::new().fallback(move || std::future::ready(shown.lock().unwrap().clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/shaping.toml", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let rig = Rig::controlled("").policy(&policy("", "").replace(FILE, &url)).start().await;
    *answer.lock().unwrap() = (StatusCode::NOT_FOUND, String::new());
    tokio::time::sleep(Duration::from_secs(65)).await;
    publish(&rig, 1, "hold it").await;
    assert_eq!(effects(&rig).await, 1);
}
