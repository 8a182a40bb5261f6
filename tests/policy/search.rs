//! Where modules and files are found.

use kumo_tsa::host::{Clock, Host, Paths};
use kumo_tsa::policy::Policy;

use crate::support::Bench;

#[tokio::test(start_paused = true)]
async fn modules_are_found_in_the_documented_order() {
    let bench = Bench::new();
    let which = || bench.eval("return require 'which.one'");
    let places = [
        "which/one.lua",
        "/opt/kumomta/etc/policy/which/one/init.lua",
        "/opt/kumomta/etc/policy/which/one.lua",
        "/opt/kumomta/share/which/one.lua",
    ];
    for place in places {
        bench.write(place, &format!("return '{place}'"));
        assert_eq!(which().await, place);
    }
}

#[tokio::test(start_paused = true)]
async fn names_in_errors_are_the_documented_ones() {
    let bench = Bench::new();
    bench.write("/opt/kumomta/share/bad.lua", "local x = = 1");
    bench.write("/opt/kumomta/share/raises.lua", "\nerror 'here'");
    assert_eq!(
        bench.eval("local _, e = pcall(require, 'bad') return e").await,
        "error loading module 'bad' from file '/opt/kumomta/share/bad.lua':\n\
         \t/opt/kumomta/share/bad.lua:1: unexpected symbol near '='"
    );
    assert_eq!(bench.fails("require 'raises'").await, "event `run`: /opt/kumomta/share/raises.lua:2: here");
    assert_eq!(
        bench.fails("dofile '/opt/kumomta/share/raises.lua'").await,
        "event `run`: /opt/kumomta/share/raises.lua:2: here"
    );
    assert_eq!(
        bench.eval("local _, why = io.open '/opt/kumomta/share/no.txt' return why").await,
        "/opt/kumomta/share/no.txt: No such file or directory"
    );
    assert_eq!(
        bench.eval("local _, why = loadfile '/opt/kumomta/share/no.lua' return why").await,
        "cannot open /opt/kumomta/share/no.lua: No such file or directory"
    );
    assert_eq!(
        bench.fails("for _ in io.lines '/opt/kumomta/share/no.txt' do end").await,
        "event `run`: [dir]/policy.lua:1: /opt/kumomta/share/no.txt: No such file or directory"
    );
}

#[tokio::test(start_paused = true)]
async fn a_module_that_is_nowhere_says_where_it_was_looked_for() {
    let bench = Bench::new();
    let text = bench
        .eval("package.path = '/opt/kumomta/share/?.lua;./x/?.lua' local _, e = pcall(require, 'a.b') return e")
        .await;
    assert_eq!(
        text,
        "module 'a.b' not found:\n\tno field package.preload['a.b']\n\
         \tno file '/opt/kumomta/share/a/b.lua'\n\tno file './x/a/b.lua'\n\
         \tno 'a.b' in the share folder that travels with this program"
    );
}

#[tokio::test(start_paused = true)]
async fn a_policy_may_change_the_search_path() {
    let bench = Bench::new();
    let dir = bench.path("elsewhere").display().to_string();
    bench.write("elsewhere/mine.lua", "return { name = ... }");
    bench.write("elsewhere/?/odd%1.lua", "return 'odd'");
    let text = bench.eval(&format!("package.path = '{dir}/?.lua;' .. package.path return require('mine').name")).await;
    assert_eq!(text, "mine");
    assert_eq!(
        bench.eval(&format!("return package.searchpath('odd%1', '{dir}/x/?.lua;{dir}/?.lua') or 'none'")).await,
        "none"
    );
    assert_eq!(bench.eval("package.preload.pre = function(...) return (...) end return require 'pre'").await, "pre");
}

const README: &str = "/opt/kumomta/share/policy-extras/README.md";

#[tokio::test(start_paused = true)]
async fn what_travels_with_the_program_is_found_last() {
    let bench = Bench::new();
    let first = format!("local f = io.open '{README}' local line = f:read 'l' f:close() return line");
    assert_eq!(bench.eval(&first).await, "# policy-extras");
    assert_eq!(bench.eval(&format!("for line in io.lines '{README}' do return line end")).await, "# policy-extras");
    assert_eq!(
        bench.eval(&format!("local f, why = io.open('{README}', 'r+') return why")).await,
        format!("{README}: No such file or directory")
    );
    assert!(
        bench
            .fails(&format!("dofile '{README}'"))
            .await
            .starts_with("event `run`: /opt/kumomta/share/policy-extras/README.md:")
    );
    bench.write(README, "mine");
    assert_eq!(bench.eval(&first).await, "mine");
}

#[tokio::test(start_paused = true)]
async fn files_lead_into_the_prefix() {
    let bench = Bench::new();
    bench.write("/opt/kumomta/etc/policy/data.txt", "one\ntwo\n");
    let text = "local lines = {}
        for line in io.lines '/opt/kumomta/etc/policy/data.txt' do lines[#lines + 1] = line end
        local out = assert(io.open('/opt/kumomta/etc/policy/out.txt', 'w'))
        out:write(table.concat(lines, '+'))
        out:close()
        assert(os.rename('/opt/kumomta/etc/policy/out.txt', '/opt/kumomta/etc/policy/renamed.txt'))
        local text = assert(io.open '/opt/kumomta/etc/policy/renamed.txt'):read 'a'
        assert(os.remove '/opt/kumomta/etc/policy/renamed.txt')
        local gone, why = os.remove '/opt/kumomta/etc/policy/renamed.txt'
        return text .. ' ' .. why";
    assert_eq!(bench.eval(text).await, "one+two /opt/kumomta/etc/policy/renamed.txt: No such file or directory");
    bench.write("/opt/kumomta/etc/policy/value.lua", "#!/bin/sh\nreturn x, ...");
    let text = "local chunk = assert(loadfile('/opt/kumomta/etc/policy/value.lua', 't', { x = 'own' }))
        return chunk() .. tostring(dofile '/opt/kumomta/etc/policy/value.lua')";
    assert_eq!(bench.eval(text).await, "ownnil");
}

#[tokio::test(start_paused = true)]
async fn a_policy_in_a_documented_folder_keeps_its_documented_name() {
    let bench = Bench::new();
    bench.write("/opt/kumomta/etc/policy/init.lua", "\nrequire 'helper'");
    bench.write("/opt/kumomta/etc/policy/helper.lua", "error(package.path:match '^[^;]*;[^;]*;[^;]*;[^;]*;[^;]*', 0)");
    let error = Policy::load(&bench.host, "/opt/kumomta/etc/policy/init.lua".as_ref(), &[]).await.unwrap_err();
    assert_eq!(
        bench.first_line(&error),
        "Error evaluating policy file `/opt/kumomta/etc/policy/init.lua`: /opt/kumomta/share/?.lua;\
         /opt/kumomta/share/?/init.lua;/opt/kumomta/etc/policy/?.lua;/opt/kumomta/etc/policy/?/init.lua;\
         /usr/local/share/lua/5.4/?.lua"
    );
}

#[tokio::test(start_paused = true)]
async fn a_module_may_wait_while_it_loads() {
    let bench = Bench::new();
    bench.write("waits.lua", "local kumo = require 'kumo' kumo.sleep(3) return os.time()");
    assert_eq!(bench.eval("return tostring(require 'waits' - os.time())").await, "0");
}

#[tokio::test(start_paused = true)]
async fn without_an_installation_the_program_has_all_it_needs() {
    let bench = Bench::new();
    let host = Host::new(Clock::system(), Paths::documented());
    let file = bench.write("p.lua", "local f = assert(io.open '/opt/kumomta/share/policy-extras/README.md') f:close()");
    Policy::load(&host, &file, kumo_tsa::modules::standard()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_default_shaping_rules_are_there_without_an_installation() {
    let bench = Bench::new();
    let text = "return io.open('/opt/kumomta/share/policy-extras/shaping.toml'):read 'a'";
    assert_eq!(bench.eval(text).await, include_str!("../../policy-extras/shaping.toml"));
}
