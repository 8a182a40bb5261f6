//! Spare contexts.

use std::time::Duration;

use crate::support::{Bench, call};

const COUNTING: &str = "n = 0
    kumo.on('count', function() n = n + 1 return n end)
    kumo.on('metrics', function()
      local sample = kumo.prometheus_metrics().lua_count.samples[1]
      return sample.name .. ' ' .. sample.value
    end)
    kumo.on('fail', function() error 'no' end)
    kumo.on('sleep', function(s) kumo.sleep(s) end)";

#[tokio::test(start_paused = true)]
async fn a_context_is_used_again_after_success_only() {
    let bench = Bench::new();
    let policy = bench.load(COUNTING).await;
    let count = async || call::<u32>(&policy, "count", ()).await.unwrap().unwrap();
    assert_eq!((count().await, count().await), (1, 2));
    call::<()>(&policy, "fail", ()).await.unwrap_err();
    assert_eq!(count().await, 1);
    let cancelled = tokio::time::timeout(Duration::from_secs(1), call::<()>(&policy, "sleep", 5)).await;
    assert!(cancelled.is_err());
    assert_eq!(count().await, 1);
    let stats = policy.stats();
    assert_eq!((stats.loads, stats.live, stats.spare), (3, 1, 1));
    let metrics = bench.host.metrics().text();
    for line in [
        "lua_load_count 3",
        "lua_count 1",
        "lua_spare_count 1",
        "lua_event_started{event=\"count\"} 4",
        "lua_event_latency_count{event=\"fail\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "no `{line}` in\n{metrics}");
    }
    assert_eq!(call::<String>(&policy, "metrics", ()).await.unwrap().unwrap(), "lua_count 1.0");
    assert_eq!((stats.events["count"].finished, stats.events["fail"].failed), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_new_epoch_reads_the_policy_from_disk_again() {
    let bench = Bench::new();
    let policy = bench.load("kumo.on('which', function() return 'old' end)").await;
    bench.write("policy.lua", "local kumo = require 'kumo' kumo.on('which', function() return 'new' end)");
    let which = async || call::<String>(&policy, "which", ()).await.unwrap().unwrap();
    assert_eq!(which().await, "old");
    bench.host.epoch().bump();
    assert_eq!(which().await, "new");
    bench.write("policy.lua", "local kumo = require 'kumo' kumo.on('which' function() end)");
    bench.host.epoch().bump();
    let error = call::<String>(&policy, "which", ()).await.unwrap_err();
    assert_eq!(
        bench.first_line(&error),
        "Error evaluating policy file `[dir]/policy.lua`: [dir]/policy.lua:1: ')' expected near 'function'"
    );
}

#[tokio::test(start_paused = true)]
async fn an_epoch_bumped_from_lua_retires_the_context_that_did_it() {
    let bench = Bench::new();
    let policy = bench.load(&format!("{COUNTING} kumo.on('bump', function() kumo.bump_config_epoch() end)")).await;
    call::<()>(&policy, "bump", ()).await.unwrap();
    assert_eq!(bench.host.epoch().current(), 1);
    assert_eq!(policy.stats().spare, 0);
    assert_eq!(call::<u32>(&policy, "count", ()).await.unwrap(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn contexts_age() {
    let bench = Bench::new();
    let policy = bench.load(COUNTING).await;
    let count = async || call::<u32>(&policy, "count", ()).await.unwrap().unwrap();
    count().await;
    tokio::time::advance(Duration::from_secs(299)).await;
    assert_eq!(count().await, 2);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(count().await, 1);
    assert_eq!(policy.stats().live, 1);
}

#[tokio::test(start_paused = true)]
async fn a_policy_sets_how_contexts_are_kept() {
    let bench = Bench::new();
    let policy = bench
        .load(&format!(
            "{COUNTING}
             kumo.set_max_lua_context_use_count(3)
             kumo.set_max_lua_context_age(10)
             kumo.set_lua_gc_on_put(100)
             kumo.spawn_thread_pool {{ name = 'x', num_threads = 2 }}
             kumo.on('no_spare', function() kumo.set_max_spare_lua_contexts(0) end)"
        ))
        .await;
    let count = async || call::<u32>(&policy, "count", ()).await.unwrap().unwrap();
    assert_eq!((count().await, count().await, count().await), (1, 2, 1));
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(count().await, 1);
    call::<()>(&policy, "no_spare", ()).await.unwrap();
    assert_eq!(policy.stats().spare, 0);
}
