//! Tasks that a policy starts.

use std::time::Duration;

use crate::support::{Bench, call};

#[tokio::test(start_paused = true)]
async fn a_task_runs_in_a_context_of_its_own_with_the_arguments_as_one_table() {
    let bench = Bench::new();
    let done = bench.path("done").display().to_string();
    let policy = bench
        .load(&format!(
            "x = 'fresh'
             kumo.on('job', function(args, more)
               kumo.sleep(600)
               local f = io.open('{done}', 'w')
               f:write(x, ' ', args[1], ' ', args[2].deep, ' ', math.type(args[3]), ' ', tostring(more), ' ',
                 tostring(_KUMO_CURRENT_EVENT))
               f:close()
             end)
             kumo.on('init', function()
               x = 'used'
               kumo.spawn_task {{ event_name = 'job', args = {{ 'a', {{ deep = 'b' }}, 3 }} }}
             end)"
        ))
        .await;
    call::<()>(&policy, "init", ()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(599)).await;
    assert!(!bench.path("done").exists());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(std::fs::read_to_string(bench.path("done")).unwrap(), "fresh a b integer nil nil");
}

#[tokio::test(start_paused = true)]
async fn a_task_ends_with_the_host() {
    let bench = Bench::new();
    let policy = bench
        .load(
            "kumo.on('job', function() while true do kumo.sleep(1) end end)
             kumo.on('init', function() kumo.spawn_task { event_name = 'job', args = {} } end)",
        )
        .await;
    call::<()>(&policy, "init", ()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(policy.stats().live, 2);
    bench.host.shutdown().request();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(policy.stats().live, 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_is_checked_before_it_starts() {
    let bench = Bench::new();
    assert_eq!(
        bench.fails("kumo.spawn_task { event = 'x' }").await,
        "event `run`: kumo.spawn_task: deserialize error: unknown field `event`, expected `event_name` or `args`, \
         while processing {\"event\":\"x\"}"
    );
    let error = bench.try_load("kumo.spawn_task { event_name = 'x' }").await.unwrap_err();
    assert_eq!(
        bench.first_line(&error),
        "Error evaluating policy file `[dir]/policy.lua`: kumo.spawn_task: call it from an event, such as `init`: the \
         policy file itself is run by every task, so the task would start itself over and over"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_started_while_validating() {
    let mut bench = Bench::new();
    bench.options.validating = true;
    let policy = bench
        .load(
            "kumo.on('job', function() while true do kumo.sleep(1) end end)
             kumo.on('init', function() kumo.spawn_task { event_name = 'job' } return _VALIDATING_CONFIG end)",
        )
        .await;
    assert_eq!(call::<bool>(&policy, "init", ()).await.unwrap(), Some(true));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(policy.stats().live, 1);
}

#[tokio::test(start_paused = true)]
async fn errors_of_tasks_are_logged() {
    let bench = Bench::new();
    let policy = bench
        .load(
            "kumo.on('job', function() error 'lost' end)
             kumo.on('init', function()
               kumo.spawn_task { event_name = 'job' }
               kumo.spawn_task { event_name = 'absent' }
             end)",
        )
        .await;
    let log = crate::support::Log::capture();
    call::<()>(&policy, "init", ()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let text = log.text();
    assert!(text.contains("ERROR kumo_tsa::policy::task: spawned task: event `job`: "), "{text}");
    assert!(text.contains("policy.lua:1: lost\nstack traceback:"), "{text}");
    assert!(text.contains("spawned task: event `absent` has not been registered"), "{text}");
}
