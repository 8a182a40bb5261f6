//! Loading a policy and asking it for events.

use std::path::Path;

use kumo_tsa::policy::{Event, Policy};

use crate::support::{Bench, call};

#[tokio::test(start_paused = true)]
async fn an_error_names_event_and_place_and_shows_the_call_stack() {
    let bench = Bench::new();
    let policy = bench
        .load("\nlocal function inner() error 'boom' end\nkumo.on('tsa_init', function() kumo.sleep(1) inner() end)")
        .await;
    let error = call::<()>(&policy, "tsa_init", ()).await.unwrap_err();
    assert_eq!(
        bench.text(&error),
        "event `tsa_init`: [dir]/policy.lua:2: boom\nstack traceback:\n\t[C]: in function 'error'\n\
         \t[dir]/policy.lua:2: in upvalue 'inner'\n\
         \t[dir]/policy.lua:3: in function <[dir]/policy.lua:3>"
    );
}

#[tokio::test(start_paused = true)]
async fn calling_what_is_not_there_names_it() {
    let bench = Bench::new().with(kumo_tsa::modules::absent::install_mail);
    assert_eq!(
        bench.fails("kumo.nope()").await,
        "event `run`: [dir]/policy.lua:1: attempt to call a nil value (field 'nope')"
    );
    assert_eq!(
        bench.fails("kumo.start_esmtp_listener {}").await,
        "event `run`: kumo.start_esmtp_listener is not available in tsa-daemon: it belongs to kumod"
    );
    assert_eq!(
        bench.fails("kumo.kafka.build_producer()").await,
        "event `run`: kumo.kafka.build_producer is not implemented yet"
    );
    assert_eq!(bench.eval("return type(kumo.nope)").await, "nil");
}

#[tokio::test(start_paused = true)]
async fn a_policy_file_that_fails_says_where() {
    let bench = Bench::new();
    let fails = async |text| bench.first_line(&bench.try_load(text).await.unwrap_err());
    assert_eq!(
        fails("\nlocal x = = 2").await,
        "Error evaluating policy file `[dir]/policy.lua`: [dir]/policy.lua:2: unexpected symbol near '='"
    );
    assert_eq!(
        fails("\n\nerror 'not today'").await,
        "Error evaluating policy file `[dir]/policy.lua`: [dir]/policy.lua:3: not today"
    );
    assert_eq!(
        fails("error(setmetatable({}, { __tostring = function() return 'an object' end }))").await,
        "Error evaluating policy file `[dir]/policy.lua`: an object"
    );
    let absent = Policy::load(&bench.host, Path::new("/opt/kumomta/etc/policy/no.lua"), &[]).await.unwrap_err();
    assert_eq!(
        bench.text(&absent),
        "Error evaluating policy file `/opt/kumomta/etc/policy/no.lua`: \
         cannot open /opt/kumomta/etc/policy/no.lua: No such file or directory (os error 2)"
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_line_for_the_shell_is_skipped() {
    let bench = Bench::new();
    let file = bench.write("x.lua", "#!/usr/bin/env kumod\nerror 'line two'");
    let error = Policy::load(&bench.host, &file, &[]).await.unwrap_err();
    assert_eq!(bench.first_line(&error), "Error evaluating policy file `[dir]/x.lua`: [dir]/x.lua:2: line two");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_from_nil() {
    let bench = Bench::new();
    let policy = bench
        .load(
            "kumo.on('nothing', function() end)
             kumo.on('null', function() return nil end)
             kumo.on('three', function() return 3 end)",
        )
        .await;
    assert_eq!(call::<Option<u8>>(&policy, "absent", ()).await.unwrap(), None);
    assert_eq!(call::<Option<u8>>(&policy, "nothing", ()).await.unwrap(), None);
    assert_eq!(call::<Option<u8>>(&policy, "null", ()).await.unwrap(), Some(None));
    assert_eq!(call::<Option<u8>>(&policy, "three", ()).await.unwrap(), Some(Some(3)));
    assert_eq!(call::<u8>(&policy, "nothing", ()).await.unwrap(), None);
    assert_eq!(call::<()>(&policy, "three", ()).await.unwrap(), Some(()));
    let error = call::<u8>(&policy, "null", ()).await.unwrap_err();
    assert_eq!(bench.text(&error), "event `null`: returned nil, expected number or string coercible to number");
    assert!(policy.defines("nothing") && !policy.defines("absent"));
    let error = policy.ask(&Event::<(), u8>::single("absent"), ()).await.unwrap_err();
    assert_eq!(bench.text(&error), "event `absent` has not been registered");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_result_names_the_event_and_what_was_expected() {
    let bench = Bench::new();
    let policy = bench.load("kumo.on('limit', function() return {}, 2 end)").await;
    let error = call::<(u8, Option<String>)>(&policy, "limit", ()).await.unwrap_err();
    assert_eq!(
        bench.text(&error),
        "event `limit`: returned table, integer, expected number or string coercible to number"
    );
}

#[tokio::test(start_paused = true)]
async fn several_handlers_are_asked_in_order_until_one_answers() {
    let bench = Bench::new();
    let policy = bench
        .load(
            "asked = {}
             kumo.on('get_queue_config', function(domain) asked[#asked + 1] = 'a' end)
             kumo.on('get_queue_config', function(domain)
               asked[#asked + 1] = 'b'
               if domain == 'null' then return nil end
               if domain == 'error' then error 'no' end
             end)
             kumo.on('get_queue_config', function(domain) asked[#asked + 1] = 'c' return domain end)
             kumo.on('asked', function() return table.concat(asked) end)",
        )
        .await;
    let ask = async |domain: &str| call::<Option<String>>(&policy, "get_queue_config", domain).await;
    assert_eq!(ask("example.com").await.unwrap(), Some(Some("example.com".to_owned())));
    assert_eq!(ask("null").await.unwrap(), Some(None));
    assert_eq!(call::<String>(&policy, "asked", ()).await.unwrap().unwrap(), "abcab");
    assert_eq!(bench.first_line(&ask("error").await.unwrap_err()), "event `get_queue_config`: [dir]/policy.lua:6: no");
}

#[tokio::test(start_paused = true)]
async fn handlers_are_registered_once_and_at_the_top_level() {
    let bench = Bench::new();
    let error = bench.try_load("\nkumo.on('init', print)\nkumo.on('init', print)").await.unwrap_err();
    assert_eq!(
        bench.first_line(&error),
        "Error evaluating policy file `[dir]/policy.lua`: init event already has a handler defined at [dir]/policy.lua:2"
    );
    assert_eq!(
        bench.fails("kumo.on('y', print)").await,
        "event `run`: Attempting to register an event handler via `kumo.on('y', ...)` from within the event handler \
         'run'. Handlers must be registered at the top level of the policy, so that every Lua context has them; a \
         module that registers handlers when it is required must be required there"
    );
    let policy = bench.load("kumo.on('main', function() kumo.on('y', print) return _KUMO_CURRENT_EVENT end)").await;
    assert_eq!(call::<String>(&policy, "main", ()).await.unwrap().unwrap(), "main");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_function_of_the_host_ends_the_event_alone() {
    let bench = Bench::new().with(|lua, _| {
        let panics = lua.create_function(|_, ()| -> mlua::Result<()> { panic!("oh no") })?;
        kumo_tsa::policy::table(lua, "kumo")?.set("panics", panics)?;
        let later = lua.create_async_function(|_, ()| async {
            tokio::task::yield_now().await;
            assert!(std::hint::black_box(false), "oh {}", "later");
            Ok(())
        })?;
        kumo_tsa::policy::table(lua, "kumo")?.set("panics_later", later)
    });
    let policy = bench
        .load(
            "kumo.on('now', function() kumo.panics() end)
             kumo.on('later', function() kumo.panics_later() end)
             kumo.on('well', function() return 1 end)",
        )
        .await;
    for (event, message) in [("now", "oh no"), ("later", "oh later")] {
        let error = call::<()>(&policy, event, ()).await.unwrap_err();
        assert_eq!(bench.text(&error), format!("event `{event}`: a function of the host panicked: {message}"));
        assert_eq!(call::<u8>(&policy, "well", ()).await.unwrap(), Some(1));
    }
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_host_keep_their_type() {
    #[derive(Debug, thiserror::Error)]
    #[error("{0} {1}")]
    struct Reject(u16, String);
    let bench = Bench::new().with(|lua, _| {
        let reject = lua.create_function(|_, (code, text): (u16, String)| -> mlua::Result<()> {
            Err(mlua::Error::external(Reject(code, text)))
        })?;
        kumo_tsa::policy::table(lua, "kumo")?.set("reject", reject)
    });
    let error = bench.run::<()>("kumo.reject(550, 'no such user')").await.unwrap_err();
    assert_eq!(error.downcast_ref::<Reject>().unwrap().0, 550);
    assert_eq!(bench.first_line(&error), "event `run`: 550 no such user");
    assert_eq!(
        bench.eval("local _, e = pcall(kumo.reject, 550, 'no such user') return tostring(e):match '^[^\\n]*'").await,
        "550 no such user"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_can_run_on_any_thread() {
    let bench = Bench::new();
    let policy = bench.load("kumo.on('slow', function(n) kumo.sleep(n) return n end)").await;
    let calls: Vec<_> = (0..8_u8)
        .map(|n| {
            let policy = policy.clone();
            tokio::spawn(async move { call::<u8>(&policy, "slow", n).await.unwrap() })
        })
        .collect();
    for (n, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap(), Some(n));
    }
    assert_eq!(policy.stats().events["slow"].started, 8);
    assert_eq!(policy.stats().events["slow"].longest.as_secs(), 7);
}
