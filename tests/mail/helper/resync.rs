//! After a lost connection.

use std::time::{Duration, Instant};

use serde_json::json;

use super::rig::{Stage, ours};
use crate::daemon::rig::{RULES, Rig, policy, record};

#[tokio::test]
async fn p7_again_at_once_then_with_backoff_and_jitter() {
    let stage = Stage::new(ours, "", "").await;
    let text = "local waits = {}
        local subscribe = require 'policy-extras.tsa_subscribe'
        for failures = 1, 20 do
          local least, most = math.huge, 0
          for _ = 1, 1000 do
            local wait = subscribe.wait_before_retry(failures)
            least, most = math.min(least, wait), math.max(most, wait)
          end
          waits[failures] = { least, most }
        end
        return kumo.json_encode(waits)";
    let waits: Vec<(f64, f64)> = serde_json::from_str(&stage.bench.eval(text).await).unwrap();
    assert_eq!(waits[0], (0.0, 0.0));
    let mut longest = 1.0;
    for (least, most) in &waits[1..] {
        let cap = f64::min(longest, 30.0);
        assert!(*least >= cap / 2.0 && *most <= cap, "{least} to {most}, not {cap}");
        assert!(most - least > cap / 4.0, "no jitter: {least} to {most}");
        longest *= 2.0;
    }
}

#[tokio::test]
async fn p7_the_state_is_told_again_after_the_daemon_was_away() {
    let rig = Rig::new(RULES).start().await;
    let address = rig.address();
    let rig = rig.policy(&policy("", "").replace("127.0.0.1:0", &address.to_string()));
    rig.publish(&record(1, "hold it")).await;
    rig.publish(&record(2, "slow down")).await;
    let url = rig.url("");
    let stage = Stage::started(ours, "", &format!("subscribe = {{ '{url}' }}")).await;
    let ready = |count: usize| {
        move |notes: &super::rig::Notes| {
            notes.changes().iter().filter(|(_, change)| !change["Ready"].is_null()).count() == count
        }
    };
    stage.notes.until("the state", ready(1)).await;
    let effects = rig.json("/tsa/effects.json").await;
    let gone = effects[0]["key"].as_str().unwrap().to_owned();
    let kept = effects[1]["key"].as_str().unwrap().to_owned();

    let started = Instant::now();
    let rig = rig.restart().await;
    stage.notes.until("the state again", ready(2)).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let last = |stage: &Stage| {
        let changes = stage.notes.changes();
        let mut listed = changes.into_iter().rev().find_map(|(_, change)| change.get("Ready").cloned()).unwrap();
        listed.as_array_mut().unwrap().sort_by_key(ToString::to_string);
        listed
    };
    let mut both = vec![gone.clone(), kept.clone()];
    both.sort();
    assert_eq!(last(&stage), json!(both));

    // What ends while nobody listens is not listed any more.
    rig.client.delete(rig.url(&format!("/tsa/effects/{gone}"))).send().await.unwrap().error_for_status().unwrap();
    let rig = rig.restart().await;
    stage.notes.until("the state once more", ready(3)).await;
    assert_eq!(last(&stage), json!([kept]));
    drop(rig);
}

#[tokio::test]
async fn p7_a_daemon_that_is_not_there_yet_is_found() {
    let rig = Rig::new(RULES).start().await;
    let address = rig.address();
    let mut rig = rig.policy(&policy("", "").replace("127.0.0.1:0", &address.to_string()));
    rig.daemon.take().unwrap().stop().await;
    let stage = Stage::started(ours, "", &format!("subscribe = {{ 'http://{address}' }}")).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(stage.notes.changes(), []);
    let mut again = Rig::new(RULES).policy(&policy("", "").replace("127.0.0.1:0", &address.to_string()));
    again.try_start().await.unwrap();
    stage.notes.until("the state", |notes| notes.changes().len() == 1).await;
    assert_eq!(stage.notes.changes()[0].0, format!("http://{address}"));
}
