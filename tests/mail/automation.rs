//! What daemons tell this host (semantics A8, A10, P5 to P7).

use std::sync::Arc;
use std::time::Duration;

use kumo_tsa::host::{Clock, Host, Paths};
use kumo_tsa::mail::automation::{Automation, Change, Changed, Changes};
use kumo_tsa::mail::config::PathConfig;
use kumo_tsa::mail::hold::Holds;
use kumo_tsa_core::wire::{QueueName, Time};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, advance, sleep, timeout};

use crate::support::Bench;

const START: Time = Time::from_secs(Bench::START);

fn at(secs: i64) -> String {
    START.shifted(secs * 1_000_000).to_string()
}

fn key(n: u32) -> String {
    format!("{n:032x}")
}

/// A frame as a daemon sends it.
fn put(n: u32, kind: &str, until: i64, more: &Value) -> Value {
    let mut facts = json!({
        "action": "SetConfig",
        "rule": {
            "id": "ab".repeat(32), "pattern": "slow down", "scope": {"site": "t"},
            "origin": {"file": "shaping.toml", "line": 3, "column": 1},
        },
        "path": "s->t@smtp_client", "site": "t", "source": "s", "domain": null, "tenant": null, "campaign": null,
        "option": null, "value": null, "rolled": true, "reason": "automation rule: slow down",
        "begin": at(0), "latest": at(0), "until": at(until),
        "record": {"id": "1", "response": "slow down", "time": at(0), "counted": 1}, "seq": 1,
    });
    for (name, value) in more.as_object().unwrap() {
        facts[name] = value.clone();
    }
    json!({ "Put": { "kind": kind, "key": key(n), "value": facts } })
}

fn over(n: u32, until: i64, option: &str, value: impl Into<Value>) -> Value {
    put(n, "override", until, &json!({ "domain": "d.com", "option": option, "value": value.into() }))
}

fn of_domain(n: u32, domain: &str, option: &str, value: impl Into<Value>) -> Value {
    put(n, "override", 600, &json!({ "domain": domain, "rolled": false, "option": option, "value": value.into() }))
}

fn later(mut frame: Value, latest: i64) -> Value {
    frame["Put"]["value"]["latest"] = at(latest).into();
    frame
}

struct Rig {
    host: Host,
    automation: Arc<Automation>,
}

impl Rig {
    fn new(folder: &TempDir, start: Time) -> Self {
        let host = Host::new(Clock::controlled(start), Paths::with_prefix(folder.path()));
        Self { automation: Automation::of(&host), host }
    }

    async fn tell(&self, owner: &str, frames: &[Value]) -> usize {
        let changes = frames.iter().map(|frame| Change::parse(frame).unwrap()).collect();
        self.automation.set_overrides(&self.host, owner, changes).await
    }

    fn options(&self) -> Value {
        self.automation.overrides("d.com", "s", "t").into()
    }
}

async fn paths(changes: &mut Changes) -> Vec<String> {
    match timeout(Duration::from_millis(60), changes.next()).await {
        Ok(Some(Changed::Paths(paths))) => paths
            .iter()
            .map(|one| format!("{} {} {}", one.source, one.site, one.domain.as_deref().unwrap_or("*")))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a8_the_stricter_rate_or_limit_wins_and_the_next_one_holds_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(&folder, START);
    rig.tell(
        "http://a",
        &[
            over(1, 600, "max_message_rate", "100/min"),
            over(2, 60, "max_message_rate", "1/s"),
            later(over(3, 600, "max_message_rate", "200/min"), 5),
            over(4, 600, "connection_limit", 5),
            later(over(5, 600, "connection_limit", 9), 5),
        ],
    )
    .await;
    assert_eq!(rig.options(), json!({"connection_limit": 5, "max_message_rate": "1/s"}));
    sleep(Duration::from_secs(61)).await;
    assert_eq!(rig.options(), json!({"connection_limit": 5, "max_message_rate": "100/min"}));
    let (config, bad) = PathConfig::default().with(&rig.automation.overrides("d.com", "s", "t"));
    assert!(bad.is_empty() && config.connection_limit.limit.get() == 5);
}

#[tokio::test(start_paused = true)]
async fn a8_of_other_options_the_latest_wins() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(&folder, START);
    rig.tell("a", &[later(over(1, 600, "enable_tls", "Disabled"), 9), over(2, 900, "enable_tls", "Required")]).await;
    assert_eq!(rig.options(), json!({"enable_tls": "Disabled"}));
    rig.tell("a", &[later(over(2, 900, "enable_tls", "Required"), 10)]).await;
    assert_eq!(rig.options(), json!({"enable_tls": "Required"}));
}

#[tokio::test(start_paused = true)]
async fn a8_p6_overrides_of_several_daemons_are_weighed_against_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(&folder, START);
    rig.tell("http://a", &[over(1, 600, "max_connection_rate", "10/min")]).await;
    rig.tell(
        "http://b",
        &[over(1, 600, "max_connection_rate", "10/min"), over(2, 600, "max_connection_rate", "5/min")],
    )
    .await;
    assert_eq!(rig.options(), json!({"max_connection_rate": "5/min"}));
    rig.tell("http://b", &[json!({"Delete": {"kind": "override", "key": key(2)}})]).await;
    assert_eq!(rig.options(), json!({"max_connection_rate": "10/min"}));
    rig.tell("http://b", &[json!({"Ready": {}})]).await;
    assert_eq!(rig.options(), json!({"max_connection_rate": "10/min"}), "the other daemon's entry stays");
    rig.tell("http://a", &[json!({"Ready": [key(7)]})]).await;
    assert_eq!(rig.options(), json!({}));
}

#[tokio::test(start_paused = true)]
async fn p6_of_several_daemons_the_longest_suspension_holds() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(&folder, START);
    let holds = Holds::of(&rig.host);
    let path = "s->t@smtp_client";
    let suspend = |until| put(1, "suspension", until, &json!({}));
    rig.tell("http://a", &[suspend(60)]).await;
    rig.tell("http://b", &[suspend(600)]).await;
    assert_eq!(holds.path(path, START).unwrap().until, START.after(Duration::from_mins(10)));
    rig.tell("http://b", &[json!({"Delete": {"kind": "suspension", "key": key(1)}})]).await;
    assert_eq!(holds.path(path, START).unwrap().until, START.after(Duration::from_mins(1)));
    rig.tell("http://a", &[suspend(30)]).await;
    assert_eq!(holds.path(path, START).unwrap().until, START.after(Duration::from_secs(30)));
    rig.tell("http://a", &[suspend(0)]).await;
    assert_eq!(holds.path(path, START), None, "an end that is now");
    assert!(rig.automation.entries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p5_every_kind_of_entry_acts() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(&folder, START);
    let holds = Holds::of(&rig.host);
    let made = rig
        .tell(
            "a",
            &[
                put(1, "suspension", 60, &json!({"domain": "d.com", "tenant": "t1"})),
                put(2, "suspension", 60, &json!({"domain": "d.com", "tenant": "t2", "campaign": "c"})),
                put(3, "bounce", 60, &json!({"domain": "e.com"})),
                put(4, "bounce", 60, &json!({"domain": "f.com", "tenant": "t1"})),
                put(5, "suspension", 60, &json!({"domain": "d.com"})),
            ],
        )
        .await;
    assert_eq!(made, 5);
    assert_eq!(rig.automation.entries().len(), 4, "one of a tenant without a tenant is not understood");
    let held = |name: &str| holds.queue(&QueueName::parse(name), name, START).is_some();
    let bounced = |name: &str| holds.bounced(&QueueName::parse(name), name, START).is_some();
    assert_eq!(["t1@d.com", "c:t2@d.com", "t2@d.com", "d.com"].map(held), [true, true, false, false]);
    assert_eq!(["e.com", "t9@e.com", "t1@f.com", "f.com"].map(bounced), [true, true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a10_what_concerns_a_domain_alone_is_told_apart_from_the_site() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(&folder, START);
    let of = |domain: &str| Value::from(rig.automation.domain_only(domain, "s", "t"));
    assert!(!rig.automation.has_domain_only("s"));
    rig.tell(
        "a",
        &[
            over(1, 600, "max_message_rate", "10/min"),
            over(2, 600, "connection_limit", 8),
            of_domain(3, "D.com", "max_message_rate", "20/min"),
            of_domain(4, "d.com", "connection_limit", 2),
            of_domain(5, "e.com", "max_message_rate", "5/min"),
        ],
    )
    .await;
    assert!(rig.automation.has_domain_only("s") && !rig.automation.has_domain_only("other"));
    let site = Value::from(rig.automation.site_wide("s", "t"));
    assert_eq!(site, json!({"connection_limit": 8, "max_message_rate": "10/min"}));
    assert_eq!(of("d.com"), json!({"connection_limit": 2}), "the site's rate is the stricter one");
    assert_eq!((of("e.com"), of("f.com")), (json!({"max_message_rate": "5/min"}), json!({})));
    assert_eq!(rig.options(), json!({"connection_limit": 2, "max_message_rate": "10/min"}));
}

#[tokio::test(start_paused = true)]
async fn p5_a_change_is_told_for_its_path_alone_and_bursts_within_50_ms_together() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(&folder, START);
    rig.automation.open(&rig.host).await;
    let mut changes = rig.automation.changed();
    let epoch = rig.host.epoch().current();
    rig.tell("a", &[over(1, 600, "connection_limit", 5)]).await;
    let began = Instant::now();
    assert_eq!(paths(&mut changes).await, ["s t *"]);
    assert!(began.elapsed() <= Duration::from_millis(1), "the first is told at once");
    let other = |n, site: &str| {
        put(n, "override", 600, &json!({ "domain": "d.com", "site": site, "option": "max_ready", "value": 5 }))
    };
    for n in 0..20 {
        rig.tell("a", &[other(n + 10, &format!("site{}", n % 3)), of_domain(n + 50, "e.com", "use_lmtp", true)]).await;
        advance(Duration::from_millis(1)).await;
    }
    assert_eq!(paths(&mut changes).await, ["s site0 *", "s site1 *", "s site2 *", "s t e.com"]);
    assert!(began.elapsed() <= Duration::from_millis(60), "{:?}", began.elapsed());
    assert_eq!(rig.host.epoch().current(), epoch, "no Lua context is thrown away");
}

#[tokio::test(start_paused = true)]
async fn p5_what_changes_no_value_is_not_told_and_an_end_is() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(&folder, START);
    rig.tell("a", &[over(1, 60, "connection_limit", 5)]).await;
    let mut changes = rig.automation.changed();
    assert_eq!(paths(&mut changes).await, ["s t *"]);
    rig.tell("a", &[over(1, 120, "connection_limit", 5)]).await;
    rig.tell("b", &[over(1, 30, "connection_limit", 5), over(2, 30, "connection_limit", 7)]).await;
    assert!(timeout(Duration::from_secs(119), changes.next()).await.is_err());
    assert_eq!(rig.options(), json!({"connection_limit": 5}));
    assert!(timeout(Duration::from_millis(1100), changes.next()).await.is_ok());
    assert_eq!(rig.options(), json!({}));
    assert!(rig.automation.entries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p7_entries_outlive_a_restart_until_their_own_end() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(&folder, START);
    rig.tell(
        "http://a",
        &[
            over(1, 600, "connection_limit", 5),
            over(2, 60, "max_ready", 7),
            put(3, "suspension", 600, &json!({})),
            over(4, 600, "max_message_rate", "1/s"),
        ],
    )
    .await;
    rig.tell("http://b", &[over(1, 600, "connection_limit", 4)]).await;
    rig.tell("http://a", &[json!({"Delete": {"kind": "override", "key": key(4)}})]).await;
    // As after `kill -9`: nobody says goodbye.
    let copy = tempfile::tempdir().unwrap();
    copy_tree(folder.path(), copy.path());

    let rig = Rig::new(&copy, START.after(Duration::from_secs(100)));
    rig.automation.open(&rig.host).await;
    assert_eq!(rig.options(), json!({"connection_limit": 4}));
    let holds = Holds::of(&rig.host);
    let hold = holds.path("s->t@smtp_client", rig.host.clock().now()).unwrap();
    let reason = format!("automation rule: slow down (rule_hash={})", "ab".repeat(32));
    assert_eq!((hold.until, &*hold.reason), (START.after(Duration::from_mins(10)), &*reason));
    // Its daemon is back, and knows of one entry alone.
    rig.tell("http://a", &[json!({"Begin": {"instance": "x"}}), over(9, 600, "max_ready", 3), json!({"Ready": {}})])
        .await;
    assert_eq!(rig.options(), json!({"connection_limit": 4, "max_ready": 3}));
    assert_eq!(holds.path("s->t@smtp_client", rig.host.clock().now()), None);
    sleep(Duration::from_secs(501)).await;
    assert_eq!(rig.options(), json!({}));
    rig.host.shutdown().request();
}

#[tokio::test(start_paused = true)]
async fn p7_a_host_that_stopped_takes_up_what_it_knew() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(&folder, START);
    rig.tell("a", &[over(1, 600, "connection_limit", 5), over(2, 10, "max_ready", 5)]).await;
    sleep(Duration::from_secs(11)).await;
    rig.host.shutdown().request();
    sleep(Duration::from_secs(1)).await;
    let next = Rig::new(&folder, START.after(Duration::from_secs(11)));
    next.automation.open(&next.host).await;
    assert_eq!(next.automation.entries().len(), 1);
    assert_eq!(next.options(), json!({"connection_limit": 5}));
}

#[tokio::test(start_paused = true)]
async fn p7_without_a_folder_to_write_entries_are_kept_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("var/spool/kumomta")).unwrap();
    std::fs::write(folder.path().join("var/spool/kumomta/automation"), "a file").unwrap();
    let rig = Rig::new(&folder, START);
    rig.tell("a", &[over(1, 600, "connection_limit", 5)]).await;
    assert_eq!(rig.options(), json!({"connection_limit": 5}));
}

#[tokio::test(start_paused = true)]
async fn c2_a_wall_clock_that_jumps_ends_no_override() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(&folder, START);
    rig.tell("a", &[over(1, 60, "connection_limit", 5)]).await;
    rig.host.clock().jump(3_600_000_000);
    assert_eq!(rig.options(), json!({"connection_limit": 5}));
    sleep(Duration::from_secs(61)).await;
    rig.host.clock().jump(-7_200_000_000);
    assert_eq!(rig.options(), json!({}));
}

#[test]
fn frames_that_are_not_understood_say_what_is_wrong() {
    let mut no_time = over(1, 60, "connection_limit", 5);
    no_time["Put"]["value"]["until"] = "soon".into();
    let mut no_key = over(1, 60, "connection_limit", 5);
    no_key["Put"]["key"] = "x".into();
    for (frame, said) in [
        (json!({"Puff": {}}), "unknown change `Puff`, expected one of `Begin`, `Put`, `Delete`, `Ready`"),
        (json!("Put"), "expected a table such as `{Put={..}}`, found `\"Put\"`"),
        (no_time, "`Put`: field `value.until`: invalid time `soon`"),
        (no_key, "`Put`: invalid effect id `x`"),
        (json!({"Delete": {}}), "`Delete`: missing field `key`"),
        (json!({"Ready": [1]}), "`Ready`: expected a list of keys, found `[1]`"),
    ] {
        let error = Change::parse(&frame).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn p5_a_policy_hands_the_frames_over() {
    let bench = Bench::of_mail();
    let frames = [
        json!({"Begin": {"instance": "x"}}),
        over(1, 600, "connection_limit", 5),
        put(2, "suspension", 60, &json!({})),
        json!({"Tomorrow": 1}),
        json!({"Ready": {}}),
    ];
    bench.write("frames.json", &Value::from(frames.to_vec()).to_string());
    let text = format!(
        "local frames = kumo.json_load '{}'
         local none = kumo.shaping.set_overrides('http://b', {{}})
         return none .. ' ' .. kumo.shaping.set_overrides('http://a', frames)",
        bench.path("frames.json").display()
    );
    assert_eq!(bench.eval(&text).await, "0 2");
    let automation = Automation::of(&bench.host);
    assert_eq!(Value::from(automation.overrides("d.com", "s", "t")), json!({"connection_limit": 5}));
    assert!(Holds::of(&bench.host).path("s->t@smtp_client", bench.host.clock().now()).is_some());
    let said = bench.fails("kumo.shaping.set_overrides('http://a', { Put = {} })").await;
    assert!(
        said.contains("kumo.shaping.set_overrides: expected a list of changes, found a table with names"),
        "{said}"
    );
}

fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn many_entries_for_one_site_are_taken_in_without_delay() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(&folder, START);
    let frames: Vec<_> = (0..20_000).map(|n| over(n, 600, "connection_limit", 5 + n)).collect();
    let began = std::time::Instant::now();
    assert_eq!(rig.tell("a", &frames).await, 20_000);
    assert_eq!(rig.options(), json!({"connection_limit": 5}));
    // Quadratic work would take minutes.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}
