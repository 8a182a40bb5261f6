-- The policy of the mail host as it is installed. Yours to edit: an upgrade leaves it alone.
-- https://docs.kumomta.com/userguide/configuration/
local kumo = require 'kumo'

kumo.on('init', function()
  kumo.define_spool {
    name = 'data',
    path = '/var/spool/kumomta/data',
    kind = 'Fjall',
  }
  kumo.define_spool {
    name = 'meta',
    path = '/var/spool/kumomta/meta',
    kind = 'Fjall',
  }

  kumo.configure_local_logs {
    log_dir = '/var/log/kumomta',
    max_segment_duration = '1 minute',
  }

  -- This machine alone, on a port that no other mail server has. For others listen on '0.0.0.0:25', and say in
  -- `relay_hosts` whose mail goes anywhere.
  kumo.start_esmtp_listener {
    listen = '127.0.0.1:2525',
    relay_hosts = { '127.0.0.1', '::1' },
  }

  kumo.start_http_listener {
    listen = '127.0.0.1:8000',
    trusted_hosts = { '127.0.0.1', '::1' },
  }
end)
