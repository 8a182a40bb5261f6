-- What the policies of this folder are meant to do, tried out: `tsa test examples/quickstart`. Hosts, daemon and
-- providers run for real, in one process; time is the test's, and nothing leaves this machine.
local testing = require 'testing'
local describe, it, assert = testing.describe, testing.it, testing.assert

local TSS04 =
  '421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume'
local UNAUTHENTICATED =
  '550 5.7.26 This mail has been blocked because the sender is unauthenticated'

-- Providers are known by their mail exchangers.
local ZONES = [[
  yahoo.com.                     MX 10 mta5.am0.yahoodns.net.
  gmail.com.                     MX 5  gmail-smtp-in.l.google.com.
  club.example.                  MX 10 mail.club.example.
  mta5.am0.yahoodns.net.         A 192.0.2.5
  gmail-smtp-in.l.google.com.    A 192.0.2.25
  mail.club.example.             A 192.0.2.49
]]

describe('the rules', function()
  it('stop at the third complaint of Yahoo, and go on slowly then', function()
    testing.zones(ZONES)
    local daemon = testing.daemon { policy = 'tsa_init.lua' }
    local complaint = { domain = 'yahoo.com', response = TSS04, source = 'ip-1' }

    daemon:publish(testing.record(complaint), testing.record(complaint))
    assert.equal(0, #daemon:suspensions())

    daemon:publish(testing.record(complaint))
    assert.equal('ip-1->mta5.am0.yahoodns.net@smtp_client', daemon:suspensions()[1].site_name)
    local config, why = daemon:config { domain = 'yahoo.com', source = 'ip-1' }
    assert.equal('72/hr,max_burst=6', config.max_message_rate)
    assert.is_truthy(why.max_message_rate.file:find 'quickstart/shaping.toml$')
    -- The other address has done nothing wrong.
    assert.not_equal(
      '72/hr,max_burst=6',
      daemon:config({ domain = 'yahoo.com', source = 'ip-2' }).max_message_rate
    )

    testing.advance '5 hours'
    assert.equal(0, #daemon:suspensions())
    assert.equal(0, #daemon:overrides())
  end)

  it('hold a tenant alone whose mail fails authentication', function()
    testing.zones(ZONES)
    local daemon = testing.daemon { policy = 'tsa_init.lua' }
    for _ = 1, 20 do
      daemon:publish(testing.record {
        domain = 'gmail.com',
        response = UNAUTHENTICATED,
        source = 'ip-1',
        tenant = 'shop',
      })
    end
    local held = daemon:suspensions()
    assert.equal(1, #held)
    assert.equal('shop', held[1].tenant)
    assert.equal('gmail.com', held[1].domain)
  end)
end)

describe('the mail host', function()
  it('sends what people wait for from an address of its own', function()
    local policy = testing.policy 'init.lua'
    assert.equal('receipts', policy:call('get_queue_config', 'a.example', 'receipts').egress_pool)
    assert.equal('marketing', policy:call('get_queue_config', 'a.example', 'shop').egress_pool)
    assert.equal('ip-3', policy:call('get_egress_pool', 'receipts').entries[1].name)
  end)

  it('leaves Yahoo alone for a while, and others get their mail', function()
    testing.zones(ZONES)
    local daemon = testing.daemon { policy = 'tsa_init.lua' }
    local provider = testing.provider {
      ['yahoo.com'] = { rcpt = { TSS04, TSS04, TSS04, '250 2.1.5 recipient ok' } },
    }
    local host = testing.host { policy = 'init.lua', daemons = { daemon }, provider = provider }
    local receipt = { ['X-Tenant'] = 'receipts' }

    host:inject { to = 'member@yahoo.com', headers = receipt, count = 3 }
    testing.advance '10 seconds'
    assert.equal(1, #daemon:suspensions())

    host:inject { to = 'other@yahoo.com', headers = receipt }
    host:inject { to = 'member@club.example', headers = receipt }
    testing.advance '10 minutes'
    assert.equal(1, #host:deliveries { domain = 'club.example' })
    assert.equal(0, #host:deliveries { domain = 'yahoo.com' })
    assert.equal(3, #host:attempts { domain = 'yahoo.com' })

    testing.advance '4 hours'
    assert.equal(0, #daemon:suspensions())
    assert.equal(4, #host:deliveries { domain = 'yahoo.com' })
  end)
end)
