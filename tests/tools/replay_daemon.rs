//! What `tsa replay` says of a log is what a daemon says that was sent the same records.

use std::process::Command;
use std::time::Duration;

use kumo_tsa_core::wire::Time;
use serde_json::{Value, json};

use crate::daemon::rig::{RULES, Rig, record_at};

/// As the rig has it.
const ZONE: &str = "
$ORIGIN example.com.
$TTL 600
@ MX 10 mx
other MX 10 mx.example.com.
mx A 192.0.2.1
";

const MORE: &str = r#"
[["example.com".automation]]
regex = "of the site"
trigger = {Threshold = "3/30m"}
action = [{SetConfig = {name = "connection_limit", value = 2}}, "SuspendCampaign"]
duration = "2 hours"

[provider.known]
match = [{MXSuffix = ".example.com"}]

[[provider.known.automation]]
regex = "of the provider"
trigger = {Threshold = "5/hr"}
action = {SetDomainConfig = {name = "max_connection_rate", value = "3/min"}}
duration = "2 hours"

[["default".automation]]
regex = "bounce the (tenant|campaign)"
action = ["BounceTenant", "BounceCampaign"]
duration = "1 hour"
"#;

/// Random records of the six hours before `end`; none brings about what ends within a minute of it.
fn records(end: Time, seed: u64, count: u64) -> Vec<Value> {
    const TEXTS: &[&str] = &[
        "hold it",
        "hold tenant",
        "bounce it",
        "slow down",
        "three times",
        "of the site",
        "of the provider",
        "bounce the tenant",
        "of the provider, three times",
        "fine",
        "fine",
        "fine",
    ];
    let mut random = fastrand::Rng::with_seed(seed);
    let mut records: Vec<Value> = (0..count)
        .map(|number| {
            let mut age = random.i64(1..6 * 3600);
            if age % 3600 == 0 || age % 3600 > 3500 {
                age += 200;
            }
            let at = end.shifted(-age * 1_000_000 + i64::try_from(number).unwrap());
            let mut record = record_at(at, number, TEXTS[random.usize(..TEXTS.len())]);
            let domain = ["example.com", "other.example.com", "far.example"][random.usize(..3)];
            let queue = ["", "shop@", "spring:shop@", "bank@"][random.usize(..4)];
            let site = if domain == "far.example" { "mx.far.example" } else { "mx.example.com" };
            let source = ["ip1", "ip2"][random.usize(..2)];
            record["recipient"] = json!(format!("to@{domain}"));
            record["queue"] = json!(format!("{queue}{domain}"));
            record["site"] = json!(format!("{source}->{site}@smtp_client"));
            record["egress_source"] = json!(source);
            record["type"] = json!(["Delivery", "TransientFailure", "Bounce", "Expiration"][random.usize(..4)]);
            unusual(&mut record, random.usize(..20));
            record
        })
        .collect();
    records.sort_by_cached_key(time);
    // Some come twice.
    let again = records.iter().flat_map(|record| vec![record.clone(); 1 + random.usize(0..10) / 9]);
    let mut records: Vec<Value> = again.collect();
    records.push(record_at(end.shifted(-1_000_000), count, "fine"));
    records
}

fn time(record: &Value) -> Time {
    Time::parse(record["event_time"].as_str().unwrap()).unwrap()
}

/// The same records, some of which have been logged later than they should.
fn out_of_order(records: &[Value], seed: u64) -> Vec<Value> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut records = records.to_vec();
    records.sort_by_cached_key(|record| time(record).after(Duration::from_secs(random.u64(0..20) / 18 * 500)));
    records
}

/// What some records have.
fn unusual(record: &mut Value, lot: usize) {
    match lot {
        0 => record["recipient"] = json!(["to@example.com", "to@other.example.com", "too@example.com"]),
        1 => record["site"] = json!(""),
        2 => {
            let text = record["response"]["content"].as_str().unwrap();
            record["response"]["content"] = json!(format!("KumoMTA internal: {text}"));
        }
        3 => record["recipient"] = json!("Postmaster"),
        4 => record["queue"] = json!("spring:shop@example.com!smtp.relay.example"),
        _ => {}
    }
}

fn lines(records: &[Value]) -> String {
    records.iter().flat_map(|record| [record.to_string(), "\n".to_owned()]).collect()
}

/// What the replay says is in force at the end, as the daemon would say it.
fn replayed(rig: &Rig, log: &str) -> Value {
    std::fs::write(rig.folder.path().join("log"), log).unwrap();
    std::fs::write(rig.folder.path().join("test.zone"), ZONE).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tsa"))
        .args(["replay", "--json", "--zones", "test.zone", "--shaping", "/opt/kumomta/etc/policy/shaping.toml", "log"])
        .current_dir(rig.folder.path())
        .env("KUMO_PREFIX", rig.folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let overrides = comparable(&last["overrides"]);
    json!({"ready_q": last["ready_q"], "sched_q": last["sched_q"], "bounces": last["bounces"], "overrides": overrides})
}

/// What the daemon says is in force now.
async fn told(rig: &Rig) -> Value {
    let suspended = rig.json("/get_suspension_v1/suspended.json").await;
    let bounces = rig.json("/get_bounce_v1/bounced.json").await;
    let effects = rig.json("/tsa/effects.json").await;
    let overrides: Vec<_> = effects.as_array().unwrap().iter().filter(|one| one["kind"] == "override").collect();
    let overrides = comparable(&json!(overrides));
    json!({"ready_q": suspended["ready_q"], "sched_q": suspended["sched_q"], "bounces": bounces, "overrides": overrides})
}

/// Without what depends on when a record arrived, and on what the rules say now.
fn comparable(overrides: &Value) -> Value {
    let strip = |one: &Value| {
        let mut one = one.clone();
        let all = one.as_object_mut().unwrap();
        all.remove("rule_gone");
        all.remove("holds");
        let value = all["value"].as_object_mut().unwrap();
        value.remove("begin");
        value.remove("seq");
        one
    };
    overrides.as_array().unwrap().iter().map(strip).collect()
}

/// Says what differs, and not all that there is.
#[track_caller]
fn same(said: &Value, told: &Value, about: &str) {
    for (list, said) in said.as_object().unwrap() {
        let (said, told) = (said.as_array().unwrap(), told[list].as_array().unwrap());
        let only =
            |these: &[Value], those: &[Value]| these.iter().filter(|one| !those.contains(one)).cloned().collect();
        let (only_said, only_told): (Vec<Value>, Vec<Value>) = (only(said, told), only(told, said));
        assert_eq!(only_said, only_told, "{about}: {list}");
        assert_eq!(said, told, "{about}: the order of {list}");
    }
}

fn rules() -> String {
    format!("{RULES}{MORE}")
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_sent_a_log_says_what_its_replay_says() {
    for seed in 1..=4 {
        let rig = Rig::controlled(&rules()).start().await;
        let end = rig.host.clock().now();
        let records = records(end, seed, 400);
        let said = replayed(&rig, &lines(&out_of_order(&records, seed)));
        for batch in records.chunks(100) {
            let (status, text) = rig.post(&[("content-type", "application/x-ndjson")], lines(batch)).await;
            assert_eq!((status, text), (200, format!("{{\"accepted\":{},\"refused\":[]}}", batch.len())));
        }
        let told = told(&rig).await;
        same(&said, &told, &format!("seed {seed}"));
        for list in ["ready_q", "sched_q", "bounces", "overrides"] {
            assert_ne!(told[list], json!([]), "{list} is tested");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_lives_through_a_log_says_what_its_replay_says() {
    let rig = Rig::controlled(&rules()).start().await;
    let clock = rig.host.clock().clone();
    let end = clock.now().after(Duration::from_hours(6));
    let mut records = records(end, 9, 150);
    // One that is ahead of its time by years: it counts when it comes (R3), and what is behind it counts as ever.
    let mut ahead = records[100].clone();
    ahead["event_time"] = json!("2040-01-01T00:00:00Z");
    ahead["response"]["content"] = json!("hold it, bounce it, slow down, three times");
    records.insert(101, ahead);
    for record in &records {
        if time(record) < end {
            clock.sleep(time(record).since(clock.now())).await;
        }
        rig.publish(record).await;
    }
    clock.sleep(end.since(clock.now())).await;
    same(&replayed(&rig, &lines(&records)), &told(&rig).await, "lived through");
}
