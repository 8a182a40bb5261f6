-- The policy of a mail host that a spec starts without one: that of the user guide.
local kumo = require 'kumo'
local shaping = require 'policy-extras.shaping'

local shaper = shaping:setup_with_automation {
  publish = { DAEMONS },
  subscribe = { DAEMONS },
  extra_files = { SHAPING_FILES },
  no_default_files = true,
  pre_filter = PRE_FILTER,
}

kumo.on('init', function()
  kumo.define_spool { name = 'data', path = '/var/spool/kumomta/data', kind = 'Fjall', min_free_space = 0 }
  kumo.define_spool { name = 'meta', path = '/var/spool/kumomta/meta', kind = 'Fjall', min_free_space = 0 }
  kumo.start_esmtp_listener { listen = '0.0.0.0:25', hostname = 'mail.sender.example', relay_hosts = { '127.0.0.1' } }
  shaper.setup_publish()
end)

kumo.on('get_egress_path_config', shaper.get_egress_path_config)

kumo.on('get_egress_source', function(name)
  return kumo.make_egress_source { name = name }
end)

kumo.on('smtp_server_message_received', function(msg)
  msg:set_meta('tenant', msg:get_first_named_header_value 'X-Tenant')
  msg:set_meta('campaign', msg:get_first_named_header_value 'X-Campaign')
end)
