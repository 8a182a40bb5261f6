-- The policy of the mail host, as in the user guide. `tsa up` runs this folder in the place of /opt/kumomta/etc/policy.
local kumo = require 'kumo'
local shaping = require 'policy-extras.shaping'

-- Where tsa_init.lua listens.
local daemon = 'http://' .. (os.getenv 'KUMO_TSA_LISTEN' or '127.0.0.1:8008')

local shaper = shaping:setup_with_automation {
  publish = { daemon },
  subscribe = { daemon },
  extra_files = { '/opt/kumomta/etc/policy/shaping.toml' },
}

kumo.on('init', function()
  kumo.define_spool { name = 'data', path = '/var/spool/kumomta/data', kind = 'Fjall' }
  kumo.define_spool { name = 'meta', path = '/var/spool/kumomta/meta', kind = 'Fjall' }
  kumo.configure_local_logs { log_dir = '/var/log/kumomta' }

  kumo.start_esmtp_listener {
    -- Another address: KUMO_SMTP_LISTEN=127.0.0.1:25
    listen = os.getenv 'KUMO_SMTP_LISTEN' or '127.0.0.1:2525',
    hostname = 'mail.sender.example',
    relay_hosts = { '127.0.0.1', '::1' },
  }
  kumo.start_http_listener {
    listen = os.getenv 'KUMO_HTTP_LISTEN' or '127.0.0.1:8000',
    trusted_hosts = { '127.0.0.1', '::1' },
  }

  -- Configure publishing of logs to automation daemon
  shaper.setup_publish()
end)

-- Attach various hooks to the shaper
kumo.on('get_egress_path_config', shaper.get_egress_path_config)

-- Whose mail it is, and what for: `X-Tenant: shop`, `X-Campaign: sale`.
kumo.on('smtp_server_message_received', function(msg)
  msg:set_meta('tenant', msg:get_first_named_header_value 'X-Tenant')
  msg:set_meta('campaign', msg:get_first_named_header_value 'X-Campaign')
end)

-- The addresses that mail leaves from. On a machine that has them, each gets its `source_address`.
local SOURCES = {
  ['ip-1'] = 'mta1.sender.example',
  ['ip-2'] = 'mta2.sender.example',
  ['ip-3'] = 'mta3.sender.example',
}

kumo.on('get_egress_source', function(name)
  return kumo.make_egress_source { name = name, ehlo_domain = SOURCES[name] }
end)

-- What people wait for leaves by itself, so that no campaign ever holds it back.
kumo.on('get_egress_pool', function(name)
  if name == 'receipts' then
    return kumo.make_egress_pool { name = name, entries = { { name = 'ip-3' } } }
  end
  return kumo.make_egress_pool {
    name = name,
    entries = { { name = 'ip-1', weight = 1 }, { name = 'ip-2', weight = 1 } },
  }
end)

kumo.on('get_queue_config', function(_, tenant)
  return kumo.make_queue_config {
    egress_pool = tenant == 'receipts' and 'receipts' or 'marketing',
    retry_interval = '20m',
    max_age = '3 days',
  }
end)
