-- The policy of a daemon that a spec starts from rules alone.
local tsa = require 'tsa'
local kumo = require 'kumo'

kumo.on('tsa_init', function()
  tsa.start_http_listener { listen = '0.0.0.0:8008', trusted_hosts = { '127.0.0.1', '::1' } }
end)

kumo.on('tsa_load_shaping_data', function()
  return kumo.shaping.load { SHAPING_FILES }
end)
