//! What acknowledged means (semantics D), within one process.

use serde_json::Value;

use super::rig::{RULES, Rig, record};

async fn told(rig: &Rig) -> Vec<Value> {
    let config = Value::String(rig.get("/get_config_v1/shaping.toml").await.1);
    let mut all = vec![config];
    for path in ["/get_suspension_v1/suspended.json", "/get_bounce_v1/bounced.json", "/tsa/effects.json"] {
        all.push(rig.json(path).await);
    }
    all
}

#[tokio::test]
async fn d1_a_restart_changes_no_answer() {
    let rig = Rig::new(RULES).start().await;
    for (number, content) in
        (1..).zip(["hold it", "hold tenant", "bounce it", "slow down", "three times", "three times"])
    {
        rig.publish(&record(number, content)).await;
    }
    let before = told(&rig).await;
    let rig = rig.restart().await;
    assert_eq!(told(&rig).await, before);
    rig.publish(&record(7, "three times")).await;
    let effects = rig.json("/tsa/effects.json").await;
    assert_eq!(effects.as_array().unwrap().len(), 5, "the two matches from before count");
}

#[tokio::test]
async fn d4_what_comes_before_the_state_is_loaded_waits() {
    let mut rig = Rig::new(RULES).policy(&super::rig::policy("", "").replace(
        "tsa.start_http_listener { listen = '127.0.0.1:0',  }",
        "tsa.start_http_listener { listen = '127.0.0.1:0' } kumo.sleep(0.3)",
    ));
    let (send, address) = std::sync::mpsc::channel();
    rig.host.announce_to(std::sync::Arc::new(move |line: &str| {
        if let Some((_, address)) = line.split_once("listener on ") {
            send.send(address.to_owned()).unwrap();
        }
    }));
    let client = rig.client.clone();
    let publishing = tokio::task::spawn(async move {
        let address = tokio::task::spawn_blocking(move || address.recv().unwrap()).await.unwrap();
        let url = format!("http://{address}/publish_log_v1");
        let body = record(1, "hold it").to_string();
        client.post(url).header("content-type", "application/json").body(body).send().await.unwrap().status().as_u16()
    });
    rig.try_start().await.unwrap();
    assert_eq!(publishing.await.unwrap(), 200);
    assert_eq!(rig.json("/tsa/effects.json").await.as_array().unwrap().len(), 1);
}
