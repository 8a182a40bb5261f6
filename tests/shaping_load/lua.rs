//! `kumo.shaping`.

use std::path::Path;

use kumo_tsa::dns::{Resolver, Source, Zones};
use kumo_tsa::host::{Clock, Host, Paths};
use kumo_tsa::modules;
use kumo_tsa::policy::{self, Event, Install, Policy};
use kumo_tsa::shaping::{self, LuaShaping};
use kumo_tsa_core::wire::Time;
use mlua::{FromLuaMulti, Lua};

const ZONE: &str = "
$ORIGIN example.com.
@ MX 10 mx
$ORIGIN hosted.example.
@ MX 10 a.big.example.
@ MX 20 b.big.example.
";

const SHAPING: &str = r#"
[default]
max_ready = 7

[provider.big]
match = [{MXSuffix=".big.example"}]
provider_connection_limit = 10
connection_limit = 3

["example.com"]
max_message_rate = "100/min"

[["example.com".automation]]
regex = "busy"
action = ["Suspend", {SetConfig={name="max_message_rate", value="1/min"}}]
trigger = {Threshold="2/hr"}
duration = "2 hours"

["example.com".sources.s1]
max_ready = 8

["hook.example"]
mx_rollup = false
max_ready = 9
"#;

const RECORD: &str = r"
function record(content)
  return { type = 'TransientFailure', id = 'x', sender = '', recipient = 'user@example.com', queue = 'example.com',
    site = 's1->mx.example.com@smtp_client', size = 1, timestamp = 1, created = 1, num_attempts = 1,
    response = { code = 451, enhanced_code = { class = 4, subject = 7, detail = 1 }, content = content },
    bounce_classification = 'Uncategorized', egress_source = 's1', meta = {}, headers = {}, nodeid = 'n' }
end
";

fn installs() -> Vec<Install> {
    let mut installs = modules::standard().to_vec();
    installs.push(shaping::install);
    installs
}

struct Fixture {
    host: Host,
    folder: tempfile::TempDir,
    lua: Lua,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::new(Clock::controlled(Time::default()), Paths::with_prefix(folder.path()));
        let mut zones = Zones::default();
        zones.parse("test.zone", ZONE, false).unwrap();
        Resolver::replace(&host, Source::Zones(zones)).unwrap();
        std::fs::create_dir_all(folder.path().join("opt/kumomta")).unwrap();
        std::fs::write(folder.path().join("opt/kumomta/shaping.toml"), SHAPING).unwrap();
        let lua = policy::bare(&host, &installs()).unwrap();
        lua.load(RECORD).exec().unwrap();
        let load = "kumo = require 'kumo' shaping = kumo.shaping.load { '/opt/kumomta/shaping.toml' }";
        lua.load(load).exec_async().await.unwrap();
        Self { host, folder, lua }
    }

    async fn eval<R: FromLuaMulti>(&self, code: &str) -> R {
        self.lua.load(code).eval_async().await.unwrap_or_else(|error| panic!("{code}: {error}"))
    }

    async fn error(&self, code: &str) -> String {
        self.lua.load(code).eval_async::<mlua::Value>().await.unwrap_err().to_string()
    }

    async fn policy(&self, text: &str) -> Policy {
        let file = self.folder.path().join("policy.lua");
        std::fs::write(&file, format!("local kumo = require 'kumo'\n{text}")).unwrap();
        Policy::load(&self.host, Path::new(&file), &installs()).await.unwrap()
    }
}

#[tokio::test]
async fn s7_path_options_come_as_a_fresh_plain_table() {
    let lua = Fixture::new().await;
    lua.eval::<()>(
        r"
        local config = shaping:get_egress_path_config('example.com', 's1', 'mx.example.com')
        assert(type(config) == 'table' and getmetatable(config) == nil)
        assert(config.max_ready == 8 and config.max_message_rate == '100/min')
        assert(shaping:get_egress_path_config('example.com', 's2', 'mx.example.com').max_ready == 7)
        config.max_ready = 1
        assert(shaping:get_egress_path_config('example.com', 's1', 'mx.example.com').max_ready == 8)
        ",
    )
    .await;
}

#[tokio::test]
async fn s3_providers_fit_by_the_hosts_that_dns_knows() {
    let lua = Fixture::new().await;
    lua.eval::<()>(
        r"
        local config = shaping:get_egress_path_config('hosted.example', 's1', '(a|b).big.example')
        assert(config.connection_limit == 3 and config.provider_name == 'big')
        assert(config.additional_connection_limits['shaping-provider-big-s1-limit'] == 10)
        assert(shaping:get_egress_path_config('gone.example', 's1', 'gone.example').provider_name == nil)
        ",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn s3_a_domain_that_is_no_dns_name_or_does_not_resolve_holds_nothing_up() {
    let lua = Fixture::new().await;
    Resolver::replace(&lua.host, Source::Silent).unwrap();
    let start = tokio::time::Instant::now();
    lua.eval::<()>("shaping:get_egress_path_config('http://127.0.0.1/x', 's1', 'http://127.0.0.1/x')").await;
    assert_eq!(start.elapsed().as_millis(), 0);
    lua.eval::<()>("shaping:get_egress_path_config('hook.example', 's1', 'hook.example')").await;
    assert!(start.elapsed().as_millis() <= 1000);
}

#[tokio::test]
async fn s6_match_rules_lists_the_rules_that_match() {
    let lua = Fixture::new().await;
    lua.eval::<()>(
        r"
        assert(#shaping:match_rules(record 'fine') == 0)
        local rules = shaping:match_rules(record 'too\nbusy now')
        assert(#rules == 1)
        local rule = rules[1]
        assert(rule.regex[1] == 'busy' and rule.action[1] == 'Suspend')
        assert(rule.action[2].SetConfig.name == 'max_message_rate' and rule.action[2].SetConfig.value == '1/min')
        assert(rule.trigger.Threshold == '2/h', rule.trigger.Threshold)
        assert(rule.was_rollup == true and rule.match_internal == false)
        assert(rule.origin:match('shaping.toml:13$'), rule.origin)
        ",
    )
    .await;
    assert!(lua.error("return shaping:match_rules { type = 'Delivery' }").await.contains("missing field"));
    assert!(lua.error("return shaping:match_rules(1)").await.contains("match_rules"));
}

#[tokio::test]
async fn s7_the_data_describes_itself() {
    let lua = Fixture::new().await;
    lua.eval::<()>(
        r"
        assert(#shaping:get_errors() == 0 and #shaping:get_warnings() == 0)
        assert(shaping:get_referenced_sources().s1[1] == 'site:mx.example.com')
        assert(#shaping:hash() == 64)
        assert(kumo.serde.json_encode(shaping):find(shaping:hash(), 1, true))
        assert(tostring(shaping):find('1 rules', 1, true), tostring(shaping))
        local missing = kumo.shaping.load { '/opt/kumomta/none.toml' }
        assert(#missing:get_errors() == 1)
        local warned = kumo.shaping.load({ '/opt/kumomta/none.toml' }, { local_load = 'Warn', http_timeout = '2s' })
        assert(#warned:get_errors() == 0 and #warned:get_warnings() == 1)
        -- Without a word on it, a missing file is an error also where other options are given (S7).
        assert(#kumo.shaping.load({ '/opt/kumomta/none.toml' }, { dns_fail = 'Warn' }):get_errors() == 1)
        assert(#kumo.shaping.load({ '/opt/kumomta/none.toml' }, {}):get_errors() == 1)
        ",
    )
    .await;
}

#[tokio::test]
async fn a7_bad_options_and_files_raise() {
    let lua = Fixture::new().await;
    let error = lua.error("return kumo.shaping.load({}, { dns_fails = 'Warn' })").await;
    assert!(error.contains("unknown field `dns_fails`"), "{error}");
    assert!(lua.error("return kumo.shaping.load({}, { dns_fail = 'warn' })").await.contains("Warn"));
    std::fs::write(lua.folder.path().join("opt/kumomta/shaping.toml"), "[default]\nmax_redy = 1\n").unwrap();
    let error = lua.error("return kumo.shaping.load { '/opt/kumomta/shaping.toml' }").await;
    assert!(error.contains("/opt/kumomta/shaping.toml:2:1: "), "{error}");
}

const LOAD: Event<(), LuaShaping> = Event::single("tsa_load_shaping_data");

#[tokio::test]
async fn the_event_gives_the_data_memoized_or_not() {
    let fixture = Fixture::new().await;
    let policy = fixture
        .policy(
            "local load = kumo.memoize(kumo.shaping.load, { name = 'load', ttl = '5 minutes', capacity = 4 })
             kumo.on('tsa_load_shaping_data', function() return load { '/opt/kumomta/shaping.toml' } end)",
        )
        .await;
    let LuaShaping(one) = policy.ask(&LOAD, ()).await.unwrap();
    let LuaShaping(two) = policy.ask(&LOAD, ()).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&one.current(), &two.current()), "it is the same data");
    assert_eq!(one.current().rules().count(), 1);
}

#[tokio::test]
async fn the_event_must_give_shaping_data() {
    let fixture = Fixture::new().await;
    let policy = fixture.policy("kumo.on('tsa_load_shaping_data', function() return {} end)").await;
    let error = policy.ask(&LOAD, ()).await.unwrap_err().to_string();
    assert!(error.contains("`tsa_load_shaping_data`"), "{error}");
    assert!(error.contains("expected the value of `kumo.shaping.load`"), "{error}");
}
