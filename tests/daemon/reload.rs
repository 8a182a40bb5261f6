//! Rules that change while the daemon runs (semantics A7, A11).

use std::time::Duration;

use super::rig::{RULES, Rig, record_at};

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
