//! Shaping, measured where mail arrives (interface C.11, semantics A10).

use std::time::Duration;

use kumo_tsa::mail::automation::{Automation, Change};
use kumo_tsa_core::wire::{Throttle, Time};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::rig::{HELLO, Rig, beginning};
use crate::support::Bench;
use crate::support::smtp::{Answer, Manner, Sink, Step, Talk};

/// Domains of two sites, one of them shared.
const ZONE: &str = "
$ORIGIN example.com.
$TTL 600
one MX 10 mx.one
mx.one A 127.0.0.2
also MX 10 mx.one
two MX 10 mx.two
mx.two A 127.0.0.3
";

/// In any window no more than the burst and what the rate gives, and almost all of that was used.
#[track_caller]
fn obeys(times: &[Instant], rate: &str) {
    let rate: Throttle = rate.parse().unwrap();
    let per_sec = rate.limit.get() as f64 / rate.period.as_secs_f64();
    let secs: Vec<f64> = times.iter().map(|time| (*time - times[0]).as_secs_f64()).collect();
    for (first, start) in secs.iter().enumerate() {
        for (last, end) in secs.iter().enumerate().skip(first) {
            let (count, window) = ((last - first + 1) as f64, end - start);
            // Tokio's timers tell milliseconds apart.
            let allowed = rate.burst() as f64 + per_sec * (window + 0.002);
            assert!(count <= allowed, "{count} in {window} s from {start} s on, {allowed} are allowed");
        }
    }
    let needed = (times.len() as f64 - rate.burst() as f64) / per_sec;
    let took = secs.last().unwrap();
    assert!(needed >= 0.95 * took, "it took {took} s, and {needed} s would have been enough");
}

/// Two sinks for the two sites, on the same port.
async fn sinks(delay: Duration) -> (Sink, Sink) {
    let slow = move |step| if step == Step::Body { Answer::Usual.after(delay) } else { Answer::Usual };
    let two = Sink::with(Manner::default().at(([127, 0, 0, 3], 0)), move |turn| slow(turn.step)).await;
    let one = Manner::default().at(([127, 0, 0, 2], two.port()));
    (Sink::with(one, move |turn| slow(turn.step)).await, two)
}

/// A host whose paths have these options.
async fn shaped(port: u16, path: &str) -> Rig {
    let init = beginning("", "");
    let paths = format!(
        "kumo.on('get_egress_path_config', function()
           return kumo.make_egress_path {{ smtp_port = {port}, prohibited_hosts = {{}}, {path} }}
         end)"
    );
    Rig::running(Bench::new(), ZONE, &(init + &paths)).await
}

async fn all(sink: &Sink, count: usize) {
    let arrived = sink.within(Duration::from_hours(5), |sink| sink.count() >= count).await;
    assert!(arrived, "{} of {count} arrived", sink.count());
    assert_eq!(sink.count(), count);
}

#[tokio::test(start_paused = true)]
async fn a_message_rate_is_obeyed_and_used() {
    for (rate, count) in [("300/min,max_burst=10", 300), ("20/s", 200), ("20/hour,max_burst=2", 40)] {
        let (one, _two) = sinks(Duration::ZERO).await;
        let rig = shaped(one.port(), &format!("max_message_rate = '{rate}', connection_limit = 10")).await;
        rig.pour(count, "one.example.com").await;
        all(&one, count).await;
        obeys(&one.mail_times(), rate);
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_rate_is_obeyed_and_used() {
    for rate in ["60/min,max_burst=1", "30/s,max_burst=5"] {
        let (one, _two) = sinks(Duration::ZERO).await;
        let options = format!("max_connection_rate = '{rate}', max_deliveries_per_connection = 1");
        let rig = shaped(one.port(), &options).await;
        rig.pour(120, "one.example.com").await;
        all(&one, 120).await;
        let mut times = one.open_times();
        times.sort_unstable();
        obeys(&times, rate);
        rig.stop().await;
    }
}

/// How many of the sink's transactions were under way at a time, at most.
fn most_under_way(sink: &Sink, domain: &str) -> usize {
    let mails: Vec<_> = sink.mails().into_iter().filter(|mail| mail.recipients[0].ends_with(domain)).collect();
    let under_way = |at: Instant| mails.iter().filter(|mail| mail.began <= at && mail.outcome.unwrap().1 > at).count();
    mails.iter().map(|mail| under_way(mail.began)).max().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_connection_limit_is_kept_and_used() {
    let (one, _two) = sinks(Duration::from_secs(2)).await;
    let rig = shaped(one.port(), "connection_limit = 4, max_deliveries_per_connection = 7").await;
    let began = Instant::now();
    rig.pour(120, "one.example.com").await;
    all(&one, 120).await;
    let took = began.elapsed();
    assert!(one.most_open() <= 4, "{}", one.most_open());
    assert!(took.as_secs_f64() * 0.95 <= 120.0 / 4.0 * 2.0, "{took:?}");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn deliveries_for_each_connection_are_limited() {
    let (one, _two) = sinks(Duration::ZERO).await;
    let rig = shaped(one.port(), "connection_limit = 2, max_deliveries_per_connection = 5").await;
    rig.pour(100, "one.example.com").await;
    all(&one, 100).await;
    let sessions = one.sessions();
    assert!(sessions.iter().all(|session| session.mails.len() <= 5));
    assert!(sessions.len() as f64 * 0.95 <= 100.0 / 5.0 + 1.0, "{}", sessions.len());
    rig.stop().await;
}

/// A host that is shaped by a file, with our helper.
async fn by_file(port: u16, file: &str) -> Rig {
    let bench = Bench::new();
    let head = format!("[default]\nsmtp_port = {port}\nprohibited_hosts = []\n");
    bench.write("/opt/kumomta/etc/policy/shaping.toml", &(head + file));
    let init = beginning("", "");
    let paths = "local shaping = require 'policy-extras.shaping'
local shaper = shaping:setup_with_automation {
  no_default_files = true, extra_files = { '/opt/kumomta/etc/policy/shaping.toml' },
}
kumo.on('get_egress_path_config', shaper.get_egress_path_config)";
    Rig::running(bench, ZONE, &(init + paths)).await
}

#[tokio::test(start_paused = true)]
async fn a_providers_rate_and_connections_hold_over_its_domains() {
    let provider = "[provider.p]\nmatch = [{ DomainSuffix = '.example.com' }]\n";
    let (one, two) = sinks(Duration::ZERO).await;
    let rate = "240/min,max_burst=4";
    let rig = by_file(one.port(), &format!("{provider}provider_max_message_rate = '{rate}'")).await;
    rig.pour(120, "one.example.com").await;
    rig.pour(120, "two.example.com").await;
    all(&one, 120).await;
    all(&two, 120).await;
    let mut times = [one.mail_times(), two.mail_times()].concat();
    times.sort_unstable();
    obeys(&times, rate);
    rig.stop().await;

    let (one, two) = sinks(Duration::from_secs(1)).await;
    let rig =
        by_file(one.port(), &format!("{provider}provider_connection_limit = 3\nmax_deliveries_per_connection = 10"))
            .await;
    let began = Instant::now();
    rig.pour(120, "one.example.com").await;
    rig.pour(120, "two.example.com").await;
    all(&one, 120).await;
    all(&two, 120).await;
    let took = began.elapsed();
    let opened = [one.open_times(), two.open_times()].concat();
    let most = opened.iter().map(|at| one.open_at(*at) + two.open_at(*at)).max().unwrap();
    assert_eq!(most, 3);
    assert!(took.as_secs_f64() * 0.95 <= 240.0 / 3.0, "{took:?}");
    rig.stop().await;
}

/// What a daemon says of one domain alone.
fn of_domain(domain: &str, option: &str, value: impl Into<Value>) -> Change {
    let at = |secs: i64| Time::from_secs(Bench::START).shifted(secs * 1_000_000).to_string();
    let site = "mx.one.example.com";
    let facts = json!({
        "action": "SetDomainConfig",
        "rule": {
            "id": "ab".repeat(32), "pattern": "slow down", "scope": {"site": site},
            "origin": {"file": "shaping.toml", "line": 3, "column": 1},
        },
        "path": format!("unspecified->{site}@smtp_client"), "site": site, "source": "unspecified", "domain": domain,
        "tenant": null, "campaign": null, "option": option, "value": value.into(), "rolled": false,
        "reason": "automation rule: slow down", "begin": at(0), "latest": at(0), "until": at(36000),
        "record": {"id": "1", "response": "slow down", "time": at(0), "counted": 1}, "seq": 1,
    });
    Change::parse(&json!({ "Put": { "kind": "override", "key": "0".repeat(32), "value": facts } })).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a10_a_rate_for_one_domain_is_obeyed_and_used_beside_the_others_of_its_site() {
    let rate = "60/min,max_burst=2";
    let (one, _two) = sinks(Duration::ZERO).await;
    let rig = shaped(one.port(), "connection_limit = 4").await;
    let change = of_domain("one.example.com", "max_message_rate", rate);
    Automation::of(rig.host()).set_overrides(rig.host(), "daemon", vec![change]).await;
    let began = Instant::now();
    rig.pour(60, "one.example.com").await;
    rig.pour(60, "also.example.com").await;
    all(&one, 120).await;
    let times = |domain: &str| {
        let mails = one.mails().into_iter().filter(|mail| mail.recipients[0].ends_with(domain));
        let mut times: Vec<_> = mails.map(|mail| mail.began).collect();
        times.sort_unstable();
        times
    };
    obeys(&times("@one.example.com"), rate);
    let others = *times("@also.example.com").last().unwrap() - began;
    assert!(others < Duration::from_secs(2), "{others:?}");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a10_a_connection_limit_for_one_domain_bounds_what_carries_it() {
    let (one, _two) = sinks(Duration::from_secs(1)).await;
    let rig = shaped(one.port(), "connection_limit = 5").await;
    let change = of_domain("one.example.com", "connection_limit", 2);
    Automation::of(rig.host()).set_overrides(rig.host(), "daemon", vec![change]).await;
    let began = Instant::now();
    rig.pour(60, "one.example.com").await;
    rig.pour(60, "also.example.com").await;
    all(&one, 120).await;
    let took = began.elapsed();
    assert_eq!(most_under_way(&one, "@one.example.com"), 2);
    assert!(one.most_open() <= 5 && most_under_way(&one, "@also.example.com") >= 2);
    // Its 60 messages over two sessions take longest.
    assert!(took.as_secs_f64() * 0.95 <= 30.0, "{took:?}");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a10_another_option_holds_where_a_session_is_opened_for_the_domain() {
    let (one, _two) = sinks(Duration::ZERO).await;
    let rig = shaped(one.port(), "connection_limit = 1").await;
    let change = of_domain("one.example.com", "max_deliveries_per_connection", 3);
    Automation::of(rig.host()).set_overrides(rig.host(), "daemon", vec![change]).await;
    let mut talk = Talk::greeted(rig.address()).await;
    for number in 0..30 {
        for domain in ["one", "also"] {
            let reply = talk.send("from@example.org", &[&format!("to{number}@{domain}.example.com")], HELLO).await;
            assert!(reply.starts_with("250"), "{reply}");
        }
    }
    all(&one, 60).await;
    for session in one.sessions() {
        let own = session.mails.iter().filter(|mail| mail.recipients[0].ends_with("@one.example.com")).count();
        assert!(own <= 3 && (own == 0 || own == session.mails.len()), "{own} of {}", session.mails.len());
    }
    rig.stop().await;
}
