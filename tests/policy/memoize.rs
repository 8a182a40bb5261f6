//! `kumo.memoize`.

use std::time::Duration;

use kumo_tsa::policy::{self, Policy, memo};
use mlua::UserData;
use tokio::time::advance;

use crate::support::{Bench, call};

/// A policy with a memoized function `get` that counts how often it is really called, for all contexts.
async fn counting(bench: &Bench, body: &str, params: &str) -> Policy {
    let file = bench.path("calls").display().to_string();
    bench
        .load(&format!(
            "local function count()
               local f = io.open('{file}', 'a') f:write 'x' f:close()
               return #io.open('{file}'):read 'a'
             end
             local get = kumo.memoize(function(a, b) local n = count() {body} end,
               {{ name = 'test', ttl = '10 minutes', capacity = 16, {params} }})
             kumo.on('get', function(a, b) return get(a, b) end)
             kumo.on('get1', function(a) return get(a) end)
             kumo.on('bump', function() kumo.bump_config_epoch() end)"
        ))
        .await
}

async fn get(policy: &Policy, key: &str) -> i64 {
    call::<i64>(policy, "get1", key).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_value_is_made_once_within_its_ttl_for_all_contexts() {
    let bench = Bench::new();
    let policy = counting(&bench, "return n", "").await;
    assert_eq!((get(&policy, "a").await, get(&policy, "a").await, get(&policy, "b").await), (1, 1, 2));
    bench.host.epoch().bump();
    assert_eq!(get(&policy, "a").await, 1, "in a new context, and over an epoch");
    advance(Duration::from_secs(599)).await;
    assert_eq!(get(&policy, "a").await, 1);
    advance(Duration::from_secs(2)).await;
    assert_eq!(get(&policy, "a").await, 3);
    // A jump of the wall clock ends nothing.
    bench.host.clock().jump(3_600_000_000);
    assert_eq!(get(&policy, "a").await, 3);
}

#[tokio::test(start_paused = true)]
async fn hosts_do_not_share() {
    let (one, two) = (Bench::new(), Bench::new());
    let (first, second) = (counting(&one, "return n", "").await, counting(&two, "return n", "").await);
    assert_eq!((get(&first, "a").await, get(&first, "b").await, get(&second, "a").await), (1, 2, 1));
    // Two policies of one host do.
    let third = counting(&one, "return n", "").await;
    assert_eq!(get(&third, "b").await, 2);
}

#[tokio::test(start_paused = true)]
async fn other_parameters_replace_the_cache() {
    let bench = Bench::new();
    let policy = counting(&bench, "return n", "").await;
    assert_eq!(get(&policy, "a").await, 1);
    let other = counting(&bench, "return n", "invalidate_with_epoch = true").await;
    assert_eq!(get(&other, "a").await, 2);
    assert_eq!(bench.host.epoch().current(), 0);
    bench.host.epoch().bump();
    assert_eq!(get(&other, "a").await, 3);
}

#[tokio::test(start_paused = true)]
async fn one_caller_populates_and_the_others_wait() {
    let bench = Bench::new();
    let policy = counting(&bench, "kumo.sleep(5) return n", "").await;
    let began = tokio::time::Instant::now();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let policy = policy.clone();
            tokio::spawn(async move { get(&policy, "a").await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 1);
    }
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn another_caller_takes_over_from_one_that_was_cancelled() {
    let bench = Bench::new();
    let policy = counting(&bench, "kumo.sleep(n == 1 and 3600 or 1) return n", "").await;
    let first = tokio::spawn({
        let policy = policy.clone();
        async move { call::<i64>(&policy, "get1", "a").await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let second = tokio::spawn({
        let policy = policy.clone();
        async move { get(&policy, "a").await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.abort();
    assert_eq!(second.await.unwrap(), 2);
    assert_eq!(get(&policy, "a").await, 2);
}

#[tokio::test(start_paused = true)]
async fn errors_are_remembered_for_60_s() {
    let bench = Bench::new();
    let policy = counting(&bench, "if n < 3 then error('no ' .. n) end return n", "").await;
    let fails = async || bench.first_line(&call::<i64>(&policy, "get1", "a").await.unwrap_err());
    let first = fails().await;
    assert!(first.starts_with("event `get1`: [dir]/policy.lua:") && first.ends_with(": no 1"), "{first}");
    assert_eq!(fails().await, first);
    advance(Duration::from_secs(59)).await;
    assert_eq!(fails().await, first);
    advance(Duration::from_secs(2)).await;
    assert!(fails().await.ends_with(": no 2"));
    advance(Duration::from_secs(61)).await;
    assert_eq!(get(&policy, "a").await, 3);
    advance(Duration::from_secs(61)).await;
    assert_eq!(get(&policy, "a").await, 3, "a value lives for its ttl");
}

#[tokio::test(start_paused = true)]
async fn waiting_callers_give_up() {
    let bench = Bench::new();
    let policy = counting(&bench, "kumo.sleep(50) return n", "populate_timeout = '3s'").await;
    let first = tokio::spawn({
        let policy = policy.clone();
        async move { get(&policy, "a").await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let error = call::<i64>(&policy, "get1", "a").await.unwrap_err();
    assert_eq!(
        bench.first_line(&error),
        "event `get1`: test lookup for \"a\" timed out after 3s on semaphore acquire while waiting for cache to populate"
    );
    // The population has overrun its deadline: the next caller does it again, and the late one is not remembered.
    assert_eq!(get(&policy, "a").await, 2);
    assert_eq!(first.await.unwrap(), 1);
    assert_eq!(get(&policy, "a").await, 2);
}

#[tokio::test(start_paused = true)]
async fn waiting_callers_try_again_if_they_should() {
    let bench = Bench::new();
    let params = "populate_timeout = '3s', retry_on_populate_timeout = true";
    let policy = counting(&bench, "kumo.sleep(n == 1 and 50 or 1) return n", params).await;
    let first = tokio::spawn({
        let policy = policy.clone();
        async move { get(&policy, "a").await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(get(&policy, "a").await, 2);
    assert_eq!(first.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_old_value_is_given_while_a_new_one_takes_long() {
    let bench = Bench::new();
    let params = "allow_stale_reads = true, invalidate_with_epoch = true, populate_timeout = '2s'";
    let policy = counting(&bench, "if n > 1 then kumo.sleep(30) end return n", params).await;
    assert_eq!(get(&policy, "a").await, 1);
    for _ in 0..2 {
        bench.host.epoch().bump();
        let refresh = tokio::spawn({
            let policy = policy.clone();
            async move { get(&policy, "a").await }
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        let began = tokio::time::Instant::now();
        let stale = get(&policy, "a").await;
        assert_eq!(began.elapsed().as_secs(), 2);
        assert_eq!(refresh.await.unwrap(), stale + 1);
        assert_eq!(get(&policy, "a").await, stale + 1);
    }
    advance(Duration::from_hours(1)).await;
    assert_eq!(get(&policy, "a").await, 4, "without another caller there is nobody to wait for");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_asked_for_longest_goes_first() {
    let bench = Bench::new();
    let policy = counting(&bench, "return n", "capacity = 3").await;
    for key in ["a", "b", "c", "a", "d"] {
        get(&policy, key).await;
    }
    assert_eq!(get(&policy, "a").await, 1);
    assert_eq!(get(&policy, "c").await, 3);
    assert_eq!(get(&policy, "b").await, 5, "it made room for d");
}

#[test]
fn arguments_make_the_key() {
    let bench = Bench::new();
    let key = |args: &str| {
        let lua = policy::bare(&bench.host, &[]).unwrap();
        let values = lua.load(format!("return {args}")).eval::<mlua::MultiValue>().unwrap();
        memo::key(&lua, &values).unwrap()
    };
    assert_eq!(key("'a'"), "\"a\"");
    assert_eq!(key("'a', nil"), "[\"a\",null]");
    assert_eq!(key("'a', nil, nil"), "[\"a\",null,null]");
    assert_eq!(key("nil"), "null");
    assert_eq!(key(""), "[]");
    assert_eq!(key("{ 'x', 'y' }"), "[\"x\",\"y\"]");
    assert_eq!(key("{ b = 1, a = { c = true, d = 1.0 } }"), "{\"a\":{\"c\":true,\"d\":1.0},\"b\":1}");
    assert_eq!(key("'\\xff\\n\"'"), "\"\\xFF\\u000a\\\"\"");
    assert_eq!(key("{ [1] = 'a', [3] = 'b' }"), "{1:\"a\",3:\"b\"}");
}

#[tokio::test(start_paused = true)]
async fn nil_and_several_values_are_remembered() {
    let bench = Bench::new();
    let policy =
        counting(&bench, "if a == 'nil' then return nil elseif a == 'none' then return end return n, 'b', nil", "")
            .await;
    for key in ["nil", "none"] {
        for _ in 0..2 {
            assert_eq!(call::<Option<i64>>(&policy, "get1", key).await.unwrap(), Some(None));
        }
    }
    let text = bench
        .eval(
            "local list = kumo.memoize(function() return 'a', nil, 'c' end, { name = 'list', ttl = 1, capacity = 1 })()
             return list[1] .. tostring(list[2]) .. list[3] .. type(list)",
        )
        .await;
    assert_eq!(text, "anilcuserdata");
    assert_eq!(std::fs::read_to_string(bench.path("calls")).unwrap(), "xx");
}

#[tokio::test(start_paused = true)]
async fn a_table_is_a_userdata_that_behaves_like_one() {
    let bench = Bench::new();
    let table = "local get = kumo.memoize(function()
          return { 'one', 'two', { deep = { 1, 2, 3 } }, name = 'x', [10] = true, none = nil }
        end, { name = 'table', ttl = 100, capacity = 10 })
        local t = get() ";
    let eval = async |text: &str| bench.eval(&format!("{table} {text}")).await;
    assert_eq!(
        eval("return type(t) .. #t .. t[1] .. t.name .. tostring(t[10]) .. tostring(t.none)").await,
        "userdata3onextruenil"
    );
    assert_eq!(
        eval("local s = '' for i, v in ipairs(t) do s = s .. i .. type(v) end return s").await,
        "1string2string3userdata"
    );
    assert_eq!(
        eval("local s = '' for k, v in pairs(t) do s = s .. tostring(k) .. '=' .. type(v) .. ' ' end return s").await,
        "1=string 2=string 3=userdata 10=boolean name=string "
    );
    assert_eq!(
        eval("t.name = 'mine' t[3].deep[4] = 4 return t.name .. #t[3].deep .. get().name .. #get()[3].deep").await,
        "mine4x3"
    );
    assert_eq!(
        eval("t[3] = nil t[2] = nil t.f = print return #t .. type(t.f) .. tostring(get().f)").await,
        "1functionnil"
    );
    assert_eq!(eval("return tostring(t[3] == t[3]) .. tostring(rawequal(t, get()))").await, "truefalse");
    assert_eq!(
        eval("local mt = getmetatable(t) return type(mt.__pairs) .. type(mt.__index) .. type(mt.__len) .. type(mt.__call)").await,
        "functionfunctionfunctionnil"
    );
    assert_eq!(eval("return tostring(select(2, pcall(next, t))):match 'table expected'").await, "table expected");
    let again = "local outer = kumo.memoize(function() t.name = 'changed' return t end, { name = 'outer', ttl = 1, capacity = 1 })
        return outer().name .. outer()[3].deep[2] .. get().name";
    assert_eq!(eval(again).await, "changed2x");
}

#[derive(Clone)]
struct Shared(std::sync::Arc<str>);

impl UserData for Shared {
    fn add_fields<F: mlua::UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("name", |_, this| Ok(this.0.to_string()));
    }
}

#[derive(Clone)]
struct Private;

impl UserData for Private {}

#[tokio::test(start_paused = true)]
async fn userdata_are_remembered_when_their_type_says_so() {
    let bench = Bench::new().with(|lua, _| {
        memo::register::<Shared>(lua)?;
        let kumo = policy::table(lua, "kumo")?;
        kumo.set("shared", lua.create_function(|_, name: String| Ok(Shared(name.into())))?)?;
        kumo.set("private", lua.create_function(|_, ()| Ok(Private))?)
    });
    let memoize = |text: &str| {
        format!("local get = kumo.memoize(function() return {text} end, {{ name = 'u', ttl = 100, capacity = 9 }}) ")
    };
    let text = format!("{} get() return get().name", memoize("kumo.shared 'x'"));
    assert_eq!(bench.eval(&text).await, "x");
    let text = memoize("{ list = { kumo.shared 'y' } }").replace("'u'", "'v'");
    assert_eq!(bench.eval(&format!("{text} return get().list[1].name")).await, "y");
    for (what, said) in [
        ("kumo.private()", "a userdata `Private`"),
        ("print", "a function"),
        ("{ coroutine.create(print) }", "a thread"),
        ("{ [true] = 1 }", "a table with a boolean as key"),
    ] {
        let text = memoize(what).replace("'u'", &format!("[[{what}]]"));
        assert_eq!(
            bench.fails(&format!("{text} get()")).await,
            format!("event `run`: kumo.memoize cannot remember {said}")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn parameters_are_checked() {
    let bench = Bench::new();
    assert_eq!(
        bench.fails("kumo.memoize(print, { name = 'a', ttl = '1h' })").await,
        "event `run`: kumo.memoize: deserialize error: missing field `capacity`, while processing {\"name\":\"a\",\"ttl\":\"1h\"}"
    );
    let error = bench.fails("kumo.memoize(print, { name = 'a', ttl = '1h', capacity = 1, tll = 2 })").await;
    assert!(
        error.starts_with("event `run`: kumo.memoize: deserialize error: unknown field `tll`, expected one of `name`,")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_populate_once() {
    let bench = Bench::new();
    let policy = counting(&bench, "kumo.sleep(0.01) return n", "capacity = 8").await;
    for round in 0..20_i64 {
        let calls: Vec<_> = (0..50)
            .map(|_| {
                let policy = policy.clone();
                tokio::spawn(async move { get(&policy, &format!("key {round}")).await })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), round + 1);
        }
    }
    let stats = policy.stats();
    assert_eq!((stats.events["get1"].finished, stats.events["get1"].failed), (1000, 0));
    assert!(stats.loads <= 50, "{} contexts for 50 calls at a time", stats.loads);
}
