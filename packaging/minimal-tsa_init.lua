-- The policy of the daemon as it is installed. Yours to edit: an upgrade leaves it alone.
-- https://docs.kumomta.com/userguide/configuration/trafficshapingautomation/
local tsa = require 'tsa'
local kumo = require 'kumo'

kumo.on('tsa_init', function()
  tsa.start_http_listener {
    -- This machine alone. For other hosts listen on '0.0.0.0:8008' and trust their addresses.
    listen = '127.0.0.1:8008',
    trusted_hosts = { '127.0.0.1', '::1' },
  }
end)

local cached_load_shaping_data = kumo.memoize(kumo.shaping.load, {
  name = 'tsa_load_shaping_data',
  ttl = '5 minutes',
  capacity = 4,
})

kumo.on('tsa_load_shaping_data', function()
  return cached_load_shaping_data {
    '/opt/kumomta/share/policy-extras/shaping.toml',
    -- Your own rules go to this file; take the dashes away once it is there.
    -- '/opt/kumomta/etc/policy/shaping.toml',
  }
end)
