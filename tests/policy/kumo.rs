//! The core functions of `kumo`.

use kumo_tsa::modules;

use crate::support::{Bench, Log, call};

#[tokio::test(start_paused = true)]
async fn c1_time_in_lua_is_the_hosts() {
    let bench = Bench::new();
    let text = "local before = os.time()
        kumo.sleep(30.5)
        return table.concat({ before, os.time(), os.date('!%Y-%m-%dT%H:%M:%S'), os.date('!%H', 3600),
          os.time { year = 2001, month = 2, day = 3, hour = 12 } - os.time { year = 2001, month = 2, day = 2, hour = 12 },
          math.type(os.clock()) }, ' ')";
    assert_eq!(bench.eval(text).await, "1769860800 1769860830 2026-01-31T12:00:30 01 86400 float");
    bench.host.clock().jump(-3_600_000_000);
    assert_eq!(bench.eval("return os.date '!%H:%M:%S'").await, "11:00:30");
}

#[tokio::test(start_paused = true)]
async fn c1_sleep_waits_by_the_hosts_clock() {
    let bench = Bench::new();
    let began = tokio::time::Instant::now();
    bench.run::<()>("kumo.sleep(2) kumo.sleep(0.5)").await.unwrap();
    assert_eq!(began.elapsed().as_millis(), 2500);
    assert_eq!(
        bench.fails("kumo.sleep(-1)").await,
        "event `run`: kumo.sleep: expected a number of seconds, 0 or more, not -1"
    );
    assert!(bench.fails("kumo.sleep(0/0)").await.contains("0 or more, not NaN"));
}

#[tokio::test(start_paused = true)]
async fn log_lines_say_where_they_come_from() {
    let bench = Bench::new();
    let log = Log::capture();
    bench
        .run::<()>(
            "kumo.log_error('a', 1, 1.0, nil, true)
             kumo.log_warn('bad \\xff byte')
             kumo.log_info(setmetatable({}, { __tostring = function() return 'thing' end }))
             kumo.log_debug()",
        )
        .await
        .unwrap();
    let dir = bench.path("policy.lua").display().to_string();
    let lines: Vec<String> =
        log.text().lines().map(|line| line.replace(&dir, "P")).filter(|l| l.contains(" lua: ")).collect();
    assert_eq!(
        lines,
        [
            "ERROR lua: P:1: a 1 1.0 nil true",
            " WARN lua: P:2: bad \\xFF byte",
            " INFO lua: P:3: thing",
            "DEBUG lua: P:4: "
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn registrars_are_listed_in_order() {
    let bench = Bench::new();
    bench.write("helper.lua", "local kumo = require 'kumo'\nreturn function() kumo.on('pre_init', print) end");
    let policy = bench
        .load(
            "\nkumo.on('pre_init', print)\nrequire 'helper'()\nkumo.on('list', function()
               local all = {}
               for _, stack in ipairs(kumo.get_event_registrars 'pre_init') do all[#all + 1] = table.concat(stack, ' ') end
               return table.concat(all, ';') .. ' ' .. tostring(kumo.get_event_registrars 'absent')
             end)",
        )
        .await;
    let text: String = call(&policy, "list", ()).await.unwrap().unwrap();
    let dir = bench.path("").display().to_string();
    assert_eq!(text.replace(&dir, ""), "policy.lua:2;helper.lua:2 policy.lua:3 nil");
}

#[tokio::test(start_paused = true)]
async fn the_call_stack_is_told() {
    let bench = Bench::new();
    let text = "
        local function inner() return kumo.traceback(1) end
        local frames = inner()
        local f = frames[1]
        return table.concat({ #frames, f.curr_line, f.what, f.name_what or '-', f.line_defined, f.last_line_defined,
          tostring(f.is_tail_call), tostring(f.event), f.source:match '[^/]*$', f.short_src:match '[^/]*$' }, ' ')";
    let text =
        bench.eval(&text.replace("return kumo.traceback(1) end", "local t = kumo.traceback(1) return t end")).await;
    assert_eq!(text, "2 2 Lua local 2 2 false nil policy.lua policy.lua");
}

#[tokio::test(start_paused = true)]
async fn the_debug_library_shows_the_stack_and_no_more() {
    let bench = Bench::new();
    assert_eq!(
        bench.eval("local i = debug.getinfo(1, 'Sl') return i.currentline .. i.what .. i.source:sub(1, 1)").await,
        "1Lua@"
    );
    assert_eq!(bench.eval("return debug.getinfo(print).what .. tostring(debug.getinfo(50))").await, "Cnil");
    let text = bench.eval("local ok, e = xpcall(function() error 'x' end, debug.traceback) return e").await;
    assert!(text.contains("policy.lua:1: x\nstack traceback:\n\t[C]: in function 'error'"), "{text}");
    assert_eq!(bench.eval("return tostring(debug.sethook) .. type(require 'debug'.traceback)").await, "nilfunction");
}

#[tokio::test(start_paused = true)]
async fn small_things() {
    let bench = Bench::new();
    assert_eq!(bench.eval("return kumo.version").await, env!("CARGO_PKG_VERSION"));
    assert_eq!(bench.eval("return math.type(kumo.available_parallelism())").await, "integer");
    assert!(!modules::kumo::declared_invalid(&bench.host));
    bench.run::<()>("kumo.validation_failed()").await.unwrap();
    assert!(modules::kumo::declared_invalid(&bench.host));
    bench.run::<()>("kumo.set_diagnostic_log_filter 'lua=debug,info'").await.unwrap();
    assert!(
        bench
            .fails("kumo.set_diagnostic_log_filter 'a=b=c'")
            .await
            .starts_with("event `run`: kumo.set_diagnostic_log_filter: invalid log filter `a=b=c`: ")
    );
    bench.write("/opt/kumomta/etc/policy/a.lua", "");
    assert_eq!(
        bench.eval("return table.concat(kumo.eval_config_monitor_globs(), ',')").await,
        "/opt/kumomta/etc/policy/a.lua"
    );
    assert_eq!(
        bench
            .eval("kumo.set_config_monitor_globs { '/opt/kumomta/etc/*.x' } return #kumo.eval_config_monitor_globs() .. ''")
            .await,
        "0"
    );
    assert_eq!(
        bench.eval("return type(io.write) .. type(os.getenv) .. type(coroutine.wrap) .. type(utf8.char)").await,
        "function".repeat(4)
    );
}

#[tokio::test(start_paused = true)]
async fn the_standard_functions_that_are_wrapped_behave_as_before() {
    let bench = Bench::new();
    let text = "
        local ok, e = pcall(kumo.kafka.build_producer)
        local out = { type(e), tostring(getmetatable(e)), getmetatable('').__index == string and 'string' }
        out[#out + 1] = select(2, xpcall(function(a) kumo.sleep(1) error(a, 0) end, function(m) return m .. '!' end, 'x'))
        out[#out + 1] = select(3, xpcall(function(...) kumo.sleep(1) return ... end, print, 1, 'two'))
        out[#out + 1] = select(2, pcall(xpcall, print)):match 'function expected'
        out[#out + 1] = select(2, pcall(require)):match 'string expected, got nil'
        out[#out + 1] = tostring(loadfile 'no/such/file')
        out[#out + 1] = select(2, pcall(io.open, nil)):match 'string expected, got nil'
        return table.concat(out, ' ')";
    assert_eq!(
        bench.eval(text).await,
        "userdata false string x! two function expected string expected, got nil nil string expected, got nil"
    );
}
