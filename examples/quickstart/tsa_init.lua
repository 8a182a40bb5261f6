-- The policy of the daemon, as in the user guide. `tsa up` runs this folder in the place of /opt/kumomta/etc/policy.
local tsa = require 'tsa'
local kumo = require 'kumo'

kumo.on('tsa_init', function()
  tsa.start_http_listener {
    -- Another address: KUMO_TSA_LISTEN=127.0.0.1:9008
    listen = os.getenv 'KUMO_TSA_LISTEN' or '127.0.0.1:8008',
    trusted_hosts = { '127.0.0.1', '::1' },
  }
end)

local cached_load_shaping_data = kumo.memoize(kumo.shaping.load, {
  name = 'tsa_load_shaping_data',
  ttl = '5 minutes',
  capacity = 4,
})

-- Asked again and again: an edit of a file shows within the `ttl` above.
kumo.on('tsa_load_shaping_data', function()
  return cached_load_shaping_data {
    -- The default rules, which come with the program
    '/opt/kumomta/share/policy-extras/shaping.toml',

    -- Your own rules: shaping.toml next to this file
    '/opt/kumomta/etc/policy/shaping.toml',
  }
end)
