//! Daemons alone, single handlers, DNS and the clock.

use super::{play, play_with};

const RULES: &str = r#"
[default]
connection_limit = 10

[[default.automation]]
regex = "TSS04"
action = "Suspend"
duration = "1 hour"

[[default.automation]]
regex = "slow down"
action = {SetConfig={name="max_message_rate", value="10/s"}}
duration = "1 hour"

[[default.automation]]
regex = "tenant"
action = "SuspendTenant"
duration = "1 hour"

[[default.automation]]
regex = "closed for good"
action = "Bounce"
trigger = {Threshold="2/hr"}
duration = "2 hours"
"#;

#[test]
fn publishing_makes_a_suspension_with_rule_and_line() {
    let seen = play_with(
        &[("shaping.toml", RULES)],
        "
        local daemon = testing.daemon { files = { 'shaping.toml' } }
        testing.zones [[ a.example. MX 10 mx.a.example. ]]
        daemon:publish(testing.record { domain = 'a.example', response = '421 4.7.0 [TSS04] later', source = 'ip1' })
        local held = daemon:suspensions()
        same(#held, 1)
        same(held[1].site_name, 'ip1->mx.a.example@smtp_client')
        same(held[1].source, 'ip1')
        has(held[1].reason, 'TSS04')
        local effect = daemon:effects()[1]
        same(effect.kind, 'suspension')
        same(effect.line, 5, 'line')
        has(effect.file, '/shaping.toml')
        same(effect.rule.pattern, 'TSS04')
        same(effect.response, '421 4.7.0 [TSS04] later')
        same(effect.holds, true)
        testing.advance '59 minutes'
        same(#daemon:suspensions(), 1)
        testing.advance '2 minutes'
        same(#daemon:suspensions(), 0)
        ",
    );
    let matched: Vec<_> = seen.rules.iter().map(|rule| (rule.line, rule.name.as_str(), rule.matched)).collect();
    assert_eq!(matched[0], (5, "TSS04", true));
    assert_eq!(matched.len(), 4);
    assert!(matched[1..].iter().all(|(.., matched)| !matched), "{matched:?}");
    assert!(seen.rules[0].file.ends_with("shaping.toml"), "{:?}", seen.rules[0].file);
}

#[test]
fn overrides_and_bounces_and_tenants_are_seen() {
    play_with(
        &[("shaping.toml", RULES)],
        "
        local daemon = testing.daemon { files = { 'shaping.toml' } }
        daemon:publish { domain = 'a.example', response = '451 4.3.2 slow down', source = 'ip1' }
        local override = daemon:overrides()[1]
        same(override.option, 'max_message_rate')
        same(override.value, '10/s')
        local config, why = daemon:config { domain = 'a.example', source = 'ip1' }
        same(config.max_message_rate, '10/s')
        same(config.connection_limit, 10)
        same(why.connection_limit.line, 3)
        same(why.max_message_rate.rule.pattern, 'slow down')
        has(why.max_message_rate.response, 'slow down')
        same(daemon:config({ domain = 'a.example', source = 'ip2' }).max_message_rate, nil)

        daemon:publish { domain = 'a.example', response = '451 4.7.1 tenant', tenant = 'shop', source = 'ip1' }
        local held = daemon:suspensions()[1]
        same(held.tenant, 'shop')
        same(held.domain, 'a.example')

        local closed = { domain = 'b.example', response = '550 5.1.1 closed for good', at = '-10 minutes' }
        daemon:publish { testing.record(closed) }
        same(#daemon:bounces(), 0)
        closed.at = nil
        daemon:publish(closed)
        same(daemon:bounces()[1].domain, 'b.example')
        ",
    );
}

#[test]
fn a_daemon_runs_a_real_policy() {
    play_with(
        &[
            ("shaping.toml", RULES),
            (
                "tsa_init.lua",
                "
local tsa, kumo = require 'tsa', require 'kumo'
kumo.on('tsa_init', function()
  tsa.start_http_listener { listen = '0.0.0.0:8008', trusted_hosts = { '127.0.0.1' } }
end)
kumo.on('tsa_load_shaping_data', function()
  return kumo.shaping.load { os.getenv 'RULES' or '/nowhere.toml' }
end)
",
            ),
        ],
        "
        local one = testing.daemon { policy = 'tsa_init.lua', env = { RULES = '/opt/kumomta/etc/policy/shaping.toml' } }
        -- The same fixed port twice in one process.
        local two = testing.daemon { policy = 'tsa_init.lua', env = { RULES = '/opt/kumomta/etc/policy/shaping.toml' } }
        assert(one:url() ~= two:url())
        one:publish { domain = 'a.example', response = '421 4.7.0 [TSS04]' }
        same(#one:suspensions(), 1)
        same(#two:suspensions(), 0)
        one:stop()
        local ok, why = pcall(one.publish, one, { domain = 'a.example' })
        same(ok, false)
        has(why, 'has been stopped')
        ",
    );
}

const POLICY: &str = "
local kumo = require 'kumo'
kumo.on('init', function() kumo.start_esmtp_listener { listen = '0.0.0.0:25' } end)
kumo.on('get_queue_config', function(domain, tenant, campaign)
  return kumo.make_queue_config { egress_pool = tenant, max_age = domain == 'slow.example' and '1 day' or '3 days' }
end)
kumo.on('get_egress_path_config', function(domain, source, site)
  return kumo.make_egress_path { connection_limit = #site, ehlo_domain = domain .. '.' .. source }
end)
kumo.on('smtp_server_message_received', function(msg)
  if msg:sender().domain == 'bad.example' then
    kumo.reject(550, '5.7.1 not from here')
  end
  msg:set_meta('tenant', msg:get_first_named_header_value 'X-Tenant')
end)
kumo.on('smtp_server_ehlo', function(domain, conn)
  conn:set_meta('greeted', domain)
  return 'one', { list = { 1, 2 } }
end)
kumo.on('broken', function() error 'it broke' end)
";

#[test]
fn a_handler_is_called_with_arguments() {
    play_with(
        &[("init.lua", POLICY)],
        "
        local policy = testing.policy 'init.lua'
        local queue = policy:call('get_queue_config', 'slow.example', 'shop', nil)
        same(queue.egress_pool, 'shop')
        same(queue.max_age, '1day')
        local path = policy:call('get_egress_path_config', 'a.example', 'ip1', 'mx.a')
        same(path.connection_limit, 4)
        same(path.ehlo_domain, 'a.example.ip1')

        local msg = testing.message { from = 'x@good.example', content = 'X-Tenant: shop\\n\\nhello' }
        same(policy:call('smtp_server_message_received', msg), nil)
        same(msg:get_meta 'tenant', 'shop')
        local refused = policy:rejection('smtp_server_message_received', testing.message { from = 'x@bad.example' })
        same(refused.code, 550)
        same(refused.message, '5.7.1 not from here')
        same(policy:rejection('smtp_server_message_received', msg), nil)

        local conn = testing.connection { received_from = '10.0.0.1:25' }
        local one, more = policy:call('smtp_server_ehlo', 'client.example', conn)
        same(one, 'one')
        same(more.list[2], 2)
        same(conn:get_meta 'greeted', 'client.example')

        same(policy:has 'get_queue_config', true)
        local ok, why = pcall(policy.call, policy, 'broken')
        same(ok, false)
        has(why, 'init.lua:')
        has(why, 'it broke')
        local ok, why = pcall(policy.call, policy, 'get_queue_confg')
        has(why, 'policy:call: `init.lua` has no handler of `get_queue_confg`; it has those of')
        has(why, '`get_queue_config`')
        ",
    );
}

#[test]
fn a_handler_of_a_daemon_is_called() {
    play_with(
        &[(
            "tsa_init.lua",
            "local tsa = require 'tsa'
             local kumo = require 'kumo'
             kumo.on('tsa_load_shaping_data', function() return { answer = 42 } end)",
        )],
        "same(testing.policy('tsa_init.lua'):call('tsa_load_shaping_data').answer, 42)",
    );
}

#[test]
fn zones_say_which_site_a_domain_is() {
    play(
        "
        same(testing.record({ domain = 'a.example' }).site, 'unspecified->a.example@smtp_client')
        testing.zones [[
          $ORIGIN example.
          one MX 10 mx1
          one MX 20 mx2
        ]]
        testing.zones 'two.example. MX 10 mx3.example.'
        same(testing.record({ domain = 'one.example' }).site, 'unspecified->(mx1|mx2).example@smtp_client')
        same(testing.record({ domain = 'two.example', source = 'ip' }).site, 'ip->mx3.example@smtp_client')
        same(testing.record({ domain = 'x.example', mx = { 'a.x', 'b.x' } }).site, 'unspecified->(a|b).x@smtp_client')
        local record = testing.record { recipient = 'me@two.example', response = '550 5.1.1 who', at = '+5 minutes' }
        same(record.type, 'Bounce')
        same(record.response.enhanced_code.detail, 1)
        same(record.event_time, '2026-01-31T12:05:00Z')
        ",
    );
}

#[test]
fn time_is_read_advanced_frozen_and_set() {
    let began = std::time::Instant::now();
    play(
        "
        local began, text = testing.now()
        same(began, 1769860800)
        same(text, '2026-01-31T12:00:00Z')
        local after = testing.advance '2 hours'
        assert(after - began - 7200 < 0.01, after)
        testing.advance(30)
        testing.freeze()
        local frozen = testing.now()
        local daemon = testing.daemon { shaping = '' }
        daemon:publish { domain = 'a.example', response = '421 4.7.0 x' }
        same(testing.now(), frozen)
        assert(testing.advance '1 minute' - frozen - 60 < 0.01)
        local later = testing.now()
        same(testing.now(), later)
        testing.thaw()
        local now = testing.now()
        testing.jump '-1 hour'
        same(testing.now(), now - 3600)
        ",
    );
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
}
