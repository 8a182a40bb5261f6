//! How long handlers may run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kumo_tsa::policy::{Overran, Policy};

use crate::support::{Bench, call};

fn impatient() -> Bench {
    let mut bench = Bench::new();
    bench.options.without_yielding = Duration::from_millis(20);
    bench
}

#[tokio::test(start_paused = true)]
async fn a_loop_without_end_fails_the_event_by_name() {
    let bench = impatient();
    let policy = bench
        .load("kumo.on('tsa_init', function()\nwhile true do end end) kumo.on('well', function() return 1 end)")
        .await;
    let error = call::<()>(&policy, "tsa_init", ()).await.unwrap_err();
    assert_eq!(
        bench.text(&error),
        "event `tsa_init`: ran 0.02 s of Lua without yielding\nstack traceback:\n\
         \t[dir]/policy.lua:2: in function <[dir]/policy.lua:1>"
    );
    assert!(error.downcast_ref::<Overran>().is_some());
    assert_eq!(call::<u8>(&policy, "well", ()).await.unwrap(), Some(1));
}

#[test]
fn the_limits_are_5_s_without_yielding_and_60_s_in_all() {
    let options = kumo_tsa::policy::Options::default();
    assert_eq!((options.without_yielding.as_secs(), options.overall.as_secs()), (5, 60));
    assert_eq!(Overran { limit: options.without_yielding }.to_string(), "ran 5 s of Lua without yielding");
}

#[tokio::test(start_paused = true)]
async fn no_loop_gets_around_the_limit() {
    let bench = impatient();
    for text in [
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(error, 'x') end",
        "coroutine.wrap(function() while true do end end)()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "local co = coroutine.create(function() while true do coroutine.yield() end end)
         while true do coroutine.resume(co) end",
        "xpcall(function() while true do end end, function() while true do end end) while true do end",
        "table.sort({ 3, 2, 1 }, function() while true do end end)",
        "local _ = setmetatable({}, { __index = function() while true do end end }).x",
        "kumo.sleep(0.1) while true do end",
        "pcall(function() while true do end end) return 1",
        "if debug.sethook then debug.sethook() end while true do end",
        "local f = load 'while true do end' f()",
        "string.gsub('aaa', 'a', function() while true do end end)",
        "local function f() return f() end f()",
        "::again:: goto again",
        "error(setmetatable({}, { __tostring = function() while true do end end }))",
        "kumo.memoize(function() while true do end end, { name = 'x', ttl = 1, capacity = 1 })()",
    ] {
        let error = bench.fails(text).await;
        assert!(error.ends_with("ran 0.02 s of Lua without yielding"), "{text}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_policy_file_is_limited_too() {
    let bench = impatient();
    let error = bench.try_load("while true do end").await.unwrap_err();
    assert_eq!(
        bench.first_line(&error),
        "Error evaluating policy file `[dir]/policy.lua`: ran 0.02 s of Lua without yielding"
    );
    let error = bench.try_load("kumo.sleep(100)").await.unwrap_err();
    assert_eq!(bench.text(&error), "Error evaluating policy file `[dir]/policy.lua`: did not finish within 60 s");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_returns_fails_after_60_s() {
    let bench = Bench::new();
    let policy = bench.load("kumo.on('wait', function() while true do kumo.sleep(1) end end)").await;
    let began = tokio::time::Instant::now();
    let error = call::<()>(&policy, "wait", ()).await.unwrap_err();
    assert_eq!(bench.text(&error), "event `wait`: did not finish within 60 s");
    assert_eq!(began.elapsed().as_secs(), 60);
    assert_eq!(policy.stats().live, 0, "the context of a cancelled handler is given up");
}

#[tokio::test(start_paused = true)]
async fn yielding_starts_the_time_anew() {
    let mut bench = Bench::new();
    bench.options.without_yielding = Duration::from_millis(400);
    let text = bench
        .eval(
            "for _ = 1, 10 do
               local from = os.clock()
               while os.clock() - from < 0.05 do end
               kumo.sleep(0.001)
             end
             return 'well'",
        )
        .await;
    assert_eq!(text, "well");
}

#[tokio::test(start_paused = true)]
async fn events_wait_for_a_context_when_all_are_in_use() {
    let mut bench = Bench::new();
    bench.options.max_live = 2;
    let policy = bench.load("kumo.on('slow', function(n) kumo.sleep(n) end)").await;
    let began = tokio::time::Instant::now();
    let slow = |n: u8| {
        let policy: Policy = policy.clone();
        tokio::spawn(async move { call::<()>(&policy, "slow", n).await })
    };
    let calls: Vec<_> = (0..6).map(|_| slow(10)).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(began.elapsed().as_secs(), 30);
    assert_eq!(policy.stats().live, 2);
    let calls = [slow(59), slow(59), slow(0), slow(5)];
    let mut outcomes = Vec::new();
    for call in calls {
        outcomes.push(call.await.unwrap().map_err(|error| bench.text(&error)));
    }
    assert_eq!(outcomes[2], Ok(None));
    assert_eq!(outcomes[3], Err("event `slow`: did not finish within 60 s".to_owned()), "waiting counts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_that_compute_keep_no_other_task_waiting() {
    let mut bench = Bench::new();
    bench.options.without_yielding = Duration::from_secs(2);
    let policy = bench.load("kumo.on('loop', function(f) f() while true do end end)").await;
    let (running, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let loops: Vec<_> = (0..4)
        .map(|_| {
            let (policy, running, ended) = (policy.clone(), running.clone(), ended.clone());
            tokio::spawn(async move {
                let began = mlua::Function::wrap(move || {
                    running.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, mlua::Error>(())
                });
                let outcome = call::<()>(&policy, "loop", began).await;
                ended.fetch_add(1, Ordering::SeqCst);
                outcome
            })
        })
        .collect();
    // The test's own thread is none of the two; only they serve spawned tasks and timers.
    while running.load(Ordering::SeqCst) < 4 {
        std::thread::yield_now();
    }
    let served = tokio::spawn(async move {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    served.await.unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 0, "the task was served while the loops ran");
    for one in loops {
        assert!(bench.first_line(&one.await.unwrap().unwrap_err()).ends_with("ran 2 s of Lua without yielding"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_local_set_runs_handlers_too() {
    let bench = Bench::new();
    let policy = bench.load("kumo.on('three', function() kumo.sleep(0) return 3 end)").await;
    let three = tokio::task::LocalSet::new().run_until(async { call::<u8>(&policy, "three", ()).await }).await;
    assert_eq!(three.unwrap(), Some(3));
}
