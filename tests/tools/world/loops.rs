//! Mail hosts, daemons and providers together.

use super::{play, play_in, play_with};

const OPTIONS: &str = r#"
[default]
enable_tls = "Disabled"
connection_limit = 5
max_deliveries_per_connection = 20
"#;

const RULES: &str = r#"
[[default.automation]]
regex = "hold it"
action = "Suspend"
duration = "1 hour"

[[default.automation]]
regex = "hold tenant"
action = "SuspendTenant"
duration = "1 hour"

[[default.automation]]
regex = "one at a time"
action = {SetConfig={name="max_deliveries_per_connection", value=1}}
duration = "1 hour"
"#;

const ZONES: &str = "
$ORIGIN example.
one MX 10 mx1
two MX 10 mx2
mx1 A 192.0.2.1
mx2 A 192.0.2.2
";

/// A spec that knows the rules as `RULES` and has the zones.
fn spec(text: &str) -> String {
    format!("local RULES = [==[{OPTIONS}{RULES}]==]\ntesting.zones [[{ZONES}]]\n{text}")
}

#[test]
fn a_deferral_of_one_exchanger_suspends_its_path_and_others_flow_on() {
    play(&spec(
        "
        local daemon = testing.daemon { shaping = RULES }
        local provider = testing.provider {
          ['mx1.example'] = { body = { '451 4.7.1 hold it', '250 2.0.0 fine' } },
        }
        local host = testing.host { shaping = RULES, daemons = { daemon }, provider = provider }
        host:inject { to = 'a@one.example', subject = 'first', headers = { ['X-Tenant'] = 'shop' } }
        testing.advance '5 seconds'
        local held = daemon:suspensions()
        same(#held, 1)
        same(held[1].site_name, 'unspecified->mx1.example@smtp_client')
        same(host:suspensions()[1].name, 'unspecified->mx1.example@smtp_client')

        host:inject { to = { 'b@two.example' }, count = 5 }
        testing.advance '10 seconds'
        same(#provider:messages(), 5)
        same(#host:deliveries { domain = 'two.example' }, 5)
        same(provider:messages()[1].mx, 'mx2.example')
        same(#host:deliveries { domain = 'one.example' }, 0)
        local waiting = host:queues()
        local found
        for _, queue in ipairs(waiting) do
          if queue.domain == 'one.example' then found = queue end
        end
        same(found.messages, 1)
        same(found.tenant, 'shop')

        -- The hold ends, and what waited goes out; the first attempt after that may be a retry interval later.
        testing.advance '2 hours'
        same(#daemon:suspensions(), 0)
        same(#host:deliveries { domain = 'one.example', tenant = 'shop' }, 1)
        local last = provider:messages()[6]
        same(last.to[1], 'a@one.example')
        same(last.headers.Subject, 'first')
        same(#host:attempts { domain = 'one.example' }, 2)
        same(host:attempts({ domain = 'one.example' })[1].response.content, 'hold it')
        ",
    ));
}

#[test]
fn overrides_and_tenants_reach_the_host() {
    play(&spec(
        "
        local daemon = testing.daemon { shaping = RULES }
        local asked = 0
        local provider = testing.provider(function(step)
          if step.name == 'body' and step.recipient:find '^slow' then
            return '451 4.3.2 one at a time'
          elseif step.name == 'rcpt' and step.recipient:find '^tenant' then
            asked = asked + 1
            return '450 4.2.1 hold tenant'
          end
        end)
        local host = testing.host { shaping = RULES, daemons = { daemon }, provider = provider }
        host:inject { to = 'slow@one.example' }
        testing.advance '3 seconds'
        same(daemon:overrides()[1].option, 'max_deliveries_per_connection')
        same(daemon:config({ domain = 'one.example' }).max_deliveries_per_connection, 1)
        same(host:paths()[1].config.max_deliveries_per_connection, 1)

        host:inject { to = 'tenant@two.example', headers = { ['X-Tenant'] = 'shop' } }
        testing.advance '3 seconds'
        same(asked, 1)
        same(daemon:suspensions()[1].tenant, 'shop')
        host:inject { to = 'other@two.example', headers = { ['X-Tenant'] = 'shop' } }
        host:inject { to = 'other@two.example', headers = { ['X-Tenant'] = 'news' } }
        testing.advance '3 seconds'
        same(#host:deliveries { tenant = 'news' }, 1)
        same(#host:deliveries { tenant = 'shop' }, 0)
        for _, queue in ipairs(host:queues()) do
          same(queue.suspended ~= nil, queue.tenant == 'shop', queue.name)
        end
        ",
    ));
}

#[test]
fn what_one_host_is_told_holds_at_all_hosts_of_its_daemons() {
    play(&spec(
        "
        local near, far = testing.daemon { shaping = RULES }, testing.daemon { shaping = RULES }
        local provider = testing.provider { ['one.example'] = { body = '451 4.7.1 hold it' } }
        local first = testing.host { shaping = RULES, daemons = { near, far }, provider = provider }
        local second = testing.host { shaping = RULES, daemons = { far }, provider = provider }
        local alone = testing.host { shaping = RULES, provider = provider }
        first:inject { to = 'a@one.example' }
        testing.advance '2 seconds'
        same(#near:suspensions(), 1)
        same(#far:suspensions(), 1)
        same(#second:suspensions(), 1)
        same(#alone:suspensions(), 0)
        second:inject { to = 'b@one.example' }
        testing.advance '2 seconds'
        same(#second:attempts(), 0)
        ",
    ));
}

const INIT: &str = "
local kumo = require 'kumo'
local shaping = require 'policy-extras.shaping'
local daemons = { 'http://tsa1.example:8008', 'http://tsa2.example:8008' }
local shaper = shaping:setup_with_automation {
  publish = daemons, subscribe = daemons, no_default_files = true,
  extra_files = { '/opt/kumomta/etc/policy/shaping.toml' },
}
kumo.on('init', function()
  kumo.define_spool { name = 'data', path = '/var/spool/kumomta/data', kind = 'Fjall', min_free_space = 0 }
  kumo.define_spool { name = 'meta', path = '/var/spool/kumomta/meta', kind = 'Fjall', min_free_space = 0 }
  kumo.start_esmtp_listener { listen = '0.0.0.0:25', relay_hosts = { '127.0.0.1' } }
  shaper.setup_publish()
end)
kumo.on('get_egress_path_config', shaper.get_egress_path_config)
kumo.on('smtp_server_message_received', function(msg)
  if msg:recipient().user == 'nobody' then
    kumo.reject(550, '5.1.1 nobody here')
  end
end)
";

#[test]
fn what_a_daemon_has_decided_holds_at_once() {
    play(&spec(
        "
        local daemon = testing.daemon { shaping = RULES }
        local function hold(tenant)
          daemon:publish { domain = 'one.example', response = '451 4.7.1 hold tenant', tenant = tenant }
        end
        hold 'shop'
        local host = testing.host { shaping = RULES, daemons = { daemon } }
        same(host:suspensions()[1].tenant, 'shop', 'what was decided before')
        testing.freeze()
        hold 'bank'
        same(#host:suspensions(), 1, 'while time stands still')
        testing.thaw()
        hold 'gym'
        for _, tenant in ipairs { 'shop', 'bank', 'gym', 'club' } do
          host:inject { to = 'a@one.example', headers = { ['X-Tenant'] = tenant } }
        end
        testing.advance '10 minutes'
        same(#host:deliveries(), 1)
        same(#host:deliveries { tenant = 'club' }, 1)",
    ));
}

#[test]
fn who_follows_no_daemon_is_not_waited_for_for_ever() {
    let policy = "local kumo = require 'kumo'
        kumo.on('init', function()
          kumo.define_spool { name = 'data', path = '/var/spool/kumomta/data' }
          kumo.define_spool { name = 'meta', path = '/var/spool/kumomta/meta' }
        end)";
    let began = std::time::Instant::now();
    play_with(
        &[("init.lua", policy)],
        &spec(
            "
        local daemon = testing.daemon { shaping = RULES }
        local record = { domain = 'one.example', response = '451 4.7.1 hold it' }
        daemon:publish(record)
        local host = testing.host { policy = 'init.lua', daemons = { ['http://tsa.example'] = daemon } }
        for _ = 1, 50 do
          testing.advance '1 minute'
          daemon:publish(record)
        end
        same(#host:suspensions(), 0)",
        ),
    );
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn how_full_the_machine_is_is_no_matter() {
    let policy = "local kumo = require 'kumo'
        kumo.on('init', function()
          for _, name in ipairs { 'data', 'meta' } do
            kumo.define_spool { name = name, path = '/var/spool/kumomta/' .. name, min_free_space = '100%' }
          end
          kumo.configure_local_logs { log_dir = '/var/log/kumomta', min_free_space = '100%' }
          kumo.start_esmtp_listener { listen = '127.0.0.1:2525' }
        end)";
    let spec = "local host = testing.host { policy = 'init.lua' }
        host:inject { to = 'a@one.example' }
        testing.advance '1 minute'
        same(#host:deliveries(), 1)";
    play_with(&[("init.lua", policy)], spec);
}

#[test]
fn a_real_policy_finds_its_daemons_by_their_names_and_nothing_else() {
    let shaping = format!("{OPTIONS}{RULES}");
    play_with(
        &[("init.lua", INIT), ("shaping.toml", &shaping)],
        &spec(
            "
            local one, two = testing.daemon { files = { 'shaping.toml' } }, testing.daemon { files = { 'shaping.toml' } }
            local ok, why = pcall(testing.host, { policy = 'init.lua', daemons = { one, two } })
            has(why, 'testing.host: two of its daemons listen on port 8008; say which is which')
            local ok, why = pcall(testing.host, { policy = 'init.lua', shaping = '' })
            has(why, 'testing.host: either `policy`, or `shaping`')
            local host = testing.host {
              policy = 'init.lua',
              daemons = { ['http://tsa1.example:8008'] = one, ['http://tsa2.example:8008'] = two },
              provider = testing.provider { ['mx1.example'] = { mail = '451 4.7.1 hold it' } },
            }
            host:inject { to = 'a@one.example' }
            testing.advance '2 seconds'
            same(#one:suspensions(), 1)
            same(#two:suspensions(), 1)
            local ok, why = pcall(host.inject, host, { to = 'nobody@one.example' })
            has(why, 'host:inject: the host did not take it: 550 5.1.1 nobody here')
            local refused = host:try_inject { to = 'nobody@one.example' }
            same(refused.code, 550)
            same(refused.accepted, 0)
            same(#host:records { type = 'Rejection' }, 2)
            ",
        ),
    );
}

#[test]
fn a_provider_may_refuse_close_wait_and_be_a_host() {
    play(&spec(
        "
        local provider = testing.provider {
          ['mx1.example'] = {
            connect = { '421 4.3.2 too many connections', { close = true, silent = true }, '220 well' },
            rcpt = function(step)
              if step.recipient == 'gone@one.example' then return '550 5.1.1 gone' end
              return { after = '10 seconds', say = '250 2.1.5 fine' }
            end,
          },
        }
        local host = testing.host { shaping = RULES, provider = provider }
        host:inject { to = 'a@one.example', meta = { tenant = 't', campaign = 'c' } }
        testing.advance '4 hours'
        local attempts = host:attempts()
        same(#host:deliveries { tenant = 't', campaign = 'c' }, 1)
        same(#provider:sessions() >= 3, true)
        same(provider:sessions()[1].mx, 'mx1.example')
        host:inject { to = 'gone@one.example' }
        testing.advance '30 seconds'
        same(#host:records { type = 'Bounce', recipient = 'gone@one.example' }, 1)

        local outer = testing.host { shaping = RULES, provider = host }
        outer:inject { to = 'b@two.example', subject = 'through both' }
        testing.advance '10 seconds'
        same(#outer:deliveries(), 1)
        same(#host:deliveries { domain = 'two.example' }, 1)
        same(provider:messages()[2].headers.Subject, 'through both')
        ",
    ));
}

#[test]
fn providers_speak_tls_unless_they_are_told_not_to() {
    play(
        "
        local RULES = '[default]\\nenable_tls = \"Required\"'
        local provider = testing.provider {
          ['old.example'] = { ehlo = '250-old.example\\n250 PIPELINING' },
          ['busy.example'] = { starttls = '454 4.7.0 TLS not available' },
        }
        local host = testing.host { shaping = RULES, provider = provider }
        for _, domain in ipairs { 'safe.example', 'old.example', 'busy.example' } do
          host:inject { to = 'a@' .. domain }
        end
        testing.advance '1 minute'
        same(#provider:messages(), 1)
        same(provider:messages()[1].tls, true)
        local delivered = host:deliveries()[1]
        same(delivered.recipient, 'a@safe.example')
        has(delivered.tls_protocol_version, 'TLSv1.3')
        same(#host:records { type = 'TransientFailure', domain = 'old.example' }, 1)
        same(#host:records { type = 'TransientFailure', domain = 'busy.example' }, 1)

        local plain = testing.host { shaping = '[default]\\nenable_tls = \"Disabled\"', provider = provider }
        plain:inject { to = 'a@old.example' }
        testing.advance '1 minute'
        same(provider:messages()[2].tls, false)
        ",
    );
}

#[test]
fn what_fails_in_a_script_is_told_to_the_spec() {
    let folder = tempfile::tempdir().unwrap();
    let why = play_in(
        folder.path(),
        &spec(
            "
            local provider = testing.provider { ['*'] = { rcpt = function(step) return step.nothing.there end } }
            local host = testing.host { shaping = RULES, provider = provider }
            host:inject { to = 'a@one.example' }
            testing.advance '5 seconds'
            ",
        ),
    )
    .unwrap_err();
    assert!(why.contains("testing.provider: answer for `rcpt`: ") && why.contains("nothing"), "{why}");
}

#[test]
fn frozen_time_stops_what_needs_it() {
    play(&spec(
        "
        local provider = testing.provider()
        local host = testing.host { shaping = RULES, provider = provider }
        testing.freeze()
        local began = testing.now()
        host:inject { to = 'a@one.example' }
        same(testing.now(), began)
        testing.advance '5 seconds'
        same(#provider:messages(), 1)
        ",
    ));
}

#[test]
fn a_host_that_is_given_nothing_shares_the_rules_of_its_daemons() {
    const LOOP: &str = "
        local provider = testing.provider { ['mx1.example'] = { body = { '451 4.7.1 hold it', '250 2.0.0 fine' } } }
        local host = testing.host { daemons = { daemon }, provider = provider }
        host:inject { to = 'a@one.example' }
        testing.advance '10 seconds'
        same(#daemon:suspensions(), 1)
        same(#host:suspensions(), 1)
    ";
    play(&spec(&format!(
        "
        local daemon = testing.daemon {{ shaping = RULES }}
        {LOOP}
        same(host:paths()[1].config.connection_limit, 5)
        "
    )));
    let policy = "
        local kumo = require 'kumo'
        local tsa = require 'tsa'
        kumo.on('tsa_init', function()
          tsa.start_http_listener { listen = '0.0.0.0:8008', trusted_hosts = { '127.0.0.1' } }
        end)
        kumo.on('tsa_load_shaping_data', function()
          return kumo.shaping.load { '/opt/kumomta/etc/policy/shaping.toml' }
        end)
    ";
    let files = [("tsa_init.lua", policy), ("shaping.toml", &*format!("{OPTIONS}{RULES}"))];
    play_with(&files, &spec(&format!("local daemon = testing.daemon {{ policy = 'tsa_init.lua' }}\n{LOOP}")));
}

#[test]
fn a_host_takes_the_mail_of_another_whatever_certificate_it_shows() {
    play(
        "
        local big = testing.host {}
        local small = testing.host { provider = big, shaping = '[default]\\nenable_tls = \"Required\"' }
        small:inject { to = 'a@one.example' }
        testing.advance '1 minute'
        same(#small:deliveries(), 1)
        same(#big:deliveries(), 1)
        ",
    );
}

#[test]
fn what_a_provider_takes_as_it_hangs_up_is_taken() {
    play(
        "
        local provider = testing.provider { body = { close = true } }
        local host = testing.host { provider = provider }
        host:inject { to = 'a@one.example' }
        testing.advance '1 minute'
        same(#host:deliveries(), 1)
        same(#provider:messages(), 1)
        same(provider:sessions()[1].messages, 1)
        ",
    );
}
