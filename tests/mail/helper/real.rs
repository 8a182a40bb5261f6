//! The helpers on our host as it is.

use std::time::Duration;

use kumo_tsa::mail::automation::Automation;
use kumo_tsa::mail::hold::Holds;
use kumo_tsa::mail::{Address, Message};
use kumo_tsa::policy::Event;
use kumo_tsa_core::wire::QueueName;
use mlua::Table;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::rig::{Stage, Standin, real};
use crate::daemon::rig::{RULES, Rig, SITE, policy, record};

/// How soon a change is in force (P4).
const SOON: Duration = Duration::from_millis(500);

const QUEUE: &str = "campaign:tenant@example.com";

async fn following(urls: &[String]) -> Stage {
    let list = urls.join("', '");
    let stage = Stage::started(real, "", &format!("subscribe = {{ '{list}' }}")).await;
    // The subscriptions, and the first look at the shaping data.
    stage.until("the first epoch", || stage.bench.host.epoch().current() == 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage
}

impl Stage {
    fn path_is_held(&self) -> bool {
        Holds::of(&self.bench.host).path(SITE, self.bench.host.clock().now()).is_some()
    }

    fn queue_is_held(&self) -> bool {
        let now = self.bench.host.clock().now();
        Holds::of(&self.bench.host).queue(&QueueName::parse(QUEUE), QUEUE, now).is_some()
    }

    fn queue_is_bounced(&self) -> bool {
        let now = self.bench.host.clock().now();
        Holds::of(&self.bench.host).bounced(&QueueName::parse(QUEUE), QUEUE, now).is_some()
    }

    fn rate(&self) -> Option<String> {
        let overrides = Automation::of(&self.bench.host).overrides("example.com", "unspecified", "mx.example.com");
        overrides.get("max_message_rate").map(|rate| rate.as_str().unwrap().to_owned())
    }

    async fn until(&self, what: &str, ready: impl Fn() -> bool) -> Duration {
        let started = Instant::now();
        while !ready() {
            assert!(started.elapsed() < Duration::from_secs(10), "waited in vain for: {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        started.elapsed()
    }
}

async fn cancel_all(rig: &Rig) {
    for effect in rig.json("/tsa/effects.json").await.as_array().unwrap() {
        let key = effect["key"].as_str().unwrap();
        rig.client.delete(rig.url(&format!("/tsa/effects/{key}"))).send().await.unwrap().error_for_status().unwrap();
    }
}

#[tokio::test]
async fn p4_every_action_is_in_force_soon_and_p5_without_a_new_epoch() {
    let rig = Rig::new(RULES).start().await;
    let stage = following(&[rig.url("")]).await;
    rig.publish(&record(1, "hold it")).await;
    assert!(stage.until("the suspended path", || stage.path_is_held()).await < SOON);
    rig.publish(&record(2, "hold tenant")).await;
    assert!(stage.until("the suspended queue", || stage.queue_is_held()).await < SOON);
    rig.publish(&record(3, "bounce it")).await;
    assert!(stage.until("the bounced queue", || stage.queue_is_bounced()).await < SOON);
    rig.publish(&record(4, "slow down")).await;
    assert!(stage.until("the override", || stage.rate().is_some()).await < SOON);
    assert_eq!(stage.rate().unwrap(), "10/s");
    cancel_all(&rig).await;
    let free =
        || !stage.path_is_held() && !stage.queue_is_held() && !stage.queue_is_bounced() && stage.rate().is_none();
    assert!(stage.until("the ends", free).await < SOON);
    assert_eq!(stage.bench.host.epoch().current(), 1);
}

#[tokio::test]
async fn p6_what_one_daemon_ends_the_other_may_hold() {
    let rigs = [Rig::new(RULES).start().await, Rig::new(RULES).start().await];
    let stage = following(&[rigs[0].url(""), rigs[1].url("")]).await;
    for rig in &rigs {
        rig.publish(&record(1, "hold it")).await;
    }
    stage.until("both", || Automation::of(&stage.bench.host).entries().len() == 2).await;
    cancel_all(&rigs[0]).await;
    stage.until("the end of one", || Automation::of(&stage.bench.host).entries().len() == 1).await;
    assert!(stage.path_is_held());
    cancel_all(&rigs[1]).await;
    stage.until("the end of the other", || !stage.path_is_held()).await;
}

#[tokio::test]
async fn p7_what_is_known_of_a_daemon_holds_while_it_is_away() {
    let rig = Rig::new(RULES).start().await;
    let address = rig.address();
    let mut rig = rig.policy(&policy("", "").replace("127.0.0.1:0", &address.to_string()));
    let stage = following(&[rig.url("")]).await;
    rig.publish(&record(1, "hold it")).await;
    stage.until("the suspension", || stage.path_is_held()).await;
    rig.daemon.take().unwrap().stop().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(stage.path_is_held());
    // One that knows nothing of it takes its place: what it does not list has ended.
    let mut other = Rig::new(RULES).policy(&policy("", "").replace("127.0.0.1:0", &address.to_string()));
    other.try_start().await.unwrap();
    stage.until("the end", || !stage.path_is_held()).await;
}

#[tokio::test]
async fn an_existing_daemon_holds_mail_here() {
    let daemon = Standin::start().await;
    let end = "2036-01-01T00:00:00Z";
    let told = json!({"rule_hash": "abc", "domain": "example.com", "reason": "automation rule: x", "expires": end,
                      "tenant": "tenant", "campaign": null, "site_name": SITE, "source": "unspecified"});
    daemon.hold(&json!({"ReadyQSuspension": told}));
    daemon.hold(&json!({"SchedQSuspension": told}));
    daemon.hold(&json!({"SchedQBounce": told}));
    let stage = following(std::slice::from_ref(&daemon.url)).await;
    let held = || stage.path_is_held() && stage.queue_is_held() && stage.queue_is_bounced();
    stage.until("what holds", held).await;
    let paths = Holds::of(&stage.bench.host).list_paths();
    assert_eq!(serde_json::to_value(&paths[0]).unwrap()["reason"], json!("automation rule: x (rule_hash=abc)"));
}

#[tokio::test]
async fn h4_the_host_takes_what_the_helper_says_of_the_queue_of_records() {
    let url = "http://127.0.0.1:9";
    let domain = format!("{url}.tsa.kumomta");
    let stage =
        Stage::started(real, "[default]\nmax_message_rate = \"1/min\"", &format!("publish = {{ '{url}' }}")).await;
    let path = stage.path(&domain, "unspecified", &domain).await;
    assert_eq!((&path["connection_limit"], &path["max_ready"]), (&json!(8), &json!(65536)));
    assert!(path["max_message_rate"].is_null(), "{path}");
    let path = stage.path("example.com", "unspecified", "mx.example.com").await;
    assert_eq!(path["max_message_rate"], json!("1/m"));
    assert_eq!(path["refresh_strategy"], json!("Epoch"));
    let hook = &stage.notes.calls("kumo.configure_log_hook")[0][0];
    let text = format!("kumo.make_queue_config(kumo.json_parse([[{}]])) return 'good'", hook["queue"]);
    assert_eq!(stage.bench.eval(&text).await, "good");
}

#[tokio::test]
async fn a_configuration_that_the_host_refuses_is_invalid() {
    for (queue, good) in [("max_age = '1 day'", true), ("max_aeg = '1 day'", false)] {
        let mut bench = super::rig::bench(real);
        bench.options.validating = true;
        let policy = bench
            .load(&format!(
                "local shaper = require('policy-extras.shaping'):setup_with_automation {{
                   publish = {{ 'http://127.0.0.1:9' }}, no_default_files = true, tsa_queue_config = {{ {queue} }},
                 }}
                 kumo.on('get_egress_path_config', shaper.get_egress_path_config)"
            ))
            .await;
        crate::support::call::<()>(&policy, "validate_config", ()).await.unwrap();
        assert_eq!(!kumo_tsa::modules::kumo::declared_invalid(&bench.host), good, "{queue}");
    }
}

#[tokio::test]
async fn options_of_sources_are_those_of_the_host() {
    let bench = super::rig::bench(real);
    let text = "local sources = require 'policy-extras.sources'
        local data = { source = { a = { source_address = 'here', colour = 'red' }, b = { source_address = '192.0.2.1' } },
                       pool = { p = { ttl = 'soon', b = { weight = 'much' } }, q = { b = { weight = 2 }, ttl = '5m' } } }
        sources:setup { data }
        kumo.on('check', function()
          local pool, source = sources.get_egress_pool 'q', sources.get_egress_source 'b'
          return kumo.json_encode(sources:check { data })
        end)";
    let policy = bench.load(text).await;
    let found = crate::support::call::<String>(&policy, "check", ()).await.unwrap().unwrap();
    let found: Vec<String> = serde_json::from_str(&found).unwrap();
    let begins = [
        "pool `p`: member `b`: ",
        "pool `p`: option `ttl`: ",
        "source `a`: `colour` is no option of it: unknown field `colour`",
        "source `a`: option `source_address`: ",
    ];
    assert_eq!(found.len(), begins.len(), "{found:#?}");
    for (finding, begin) in found.iter().zip(begins) {
        assert!(finding.starts_with(begin), "{found:#?}");
    }
}

/// A message as log hooks make it.
fn hooked(stage: &Stage, record: &Value) -> Message {
    let address = |text: &str| Address::parse(text).unwrap();
    let recipients = vec![address("to@example.com")];
    let text = format!("{record}\n").into_bytes();
    let message = Message::new(address("from@sender.example"), recipients, text, stage.bench.host.clock().now());
    message.set_meta("log_record", record.clone());
    message.set_meta("reception_protocol", "LogRecord".into());
    message
}

#[tokio::test]
async fn records_go_from_the_hook_to_the_daemon_as_messages() {
    let rig = Rig::new(RULES).start().await;
    let hook = format!("{}.tsa.kumomta", rig.url(""));
    let stage = Stage::started(real, RULES, &format!("publish = {{ '{}' }}", rig.url(""))).await;
    let should_enqueue: Event<(Message, String), bool> = Event::multiple("should_enqueue_log_record");
    let mut messages = Vec::new();
    for (number, content) in [(1, "three times"), (2, "three times"), (3, "three times")] {
        let message = hooked(&stage, &record(number, content));
        assert!(stage.policy.ask(&should_enqueue, (message.clone(), hook.clone())).await.unwrap());
        assert_eq!(message.meta("queue"), Some(json!(hook)));
        messages.push(message);
    }
    // What the host does to deliver them.
    let mut pinned = stage.policy.pin().await.unwrap();
    let make: Event<(String, Option<String>, Option<String>), Table> = Event::named(format!("make.{hook}"));
    let connection = pinned.call(&make, (hook, None, None)).await.unwrap().unwrap();
    let fates: Vec<String> = pinned.call_method("send_batch", &connection, "send_batch", messages).await.unwrap();
    assert_eq!(fates, vec![format!("taken by {}", rig.url("")); 3]);
    let () = pinned.call_method("close", &connection, "close", ()).await.unwrap();
    assert_eq!(rig.json("/tsa/effects.json").await.as_array().map_or(0, Vec::len), 1);
}
