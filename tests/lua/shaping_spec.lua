local testing = require 'testing'
local describe, it, before_each, assert =
  testing.describe, testing.it, testing.before_each, testing.assert

local RULES = [==[
[[default.automation]]
regex = "hold it"
action = "Suspend"
duration = "1 hour"

[[default.automation]]
regex = "hold tenant"
action = "SuspendTenant"
duration = "1 hour"

[[default.automation]]
regex = "slow down"
action = {SetConfig={name="max_message_rate", value="6/min,max_burst=1"}}
duration = "1 hour"
]==]

-- Answers what the local part of a recipient says: `451.hold.it@..`; when it is tried again, it takes it.
local function provider()
  local told = {}
  return testing.provider(function(step)
    if step.name == 'body' then
      local code, words = step.recipient:match '^(%d%d%d)%.([^@]*)@'
      if code and not told[step.recipient] then
        told[step.recipient] = true
        return code .. ' ' .. code:sub(1, 1) .. '.7.1 ' .. words:gsub('%.', ' ')
      end
    end
  end)
end

describe('setup_with_automation', function()
  ---@type testing.Daemon, testing.Host
  local daemon, host

  before_each(function()
    daemon = testing.daemon { shaping = RULES }
    host = testing.host { shaping = RULES, daemons = { daemon }, provider = provider() }
  end)

  it('ships what a rule may match, and obeys the suspension', function()
    host:inject { to = 'a@one.example' }
    host:inject { to = '451.hold.it@one.example' }
    testing.advance '5 seconds'
    assert.equal(1, #daemon:suspensions())
    host:inject { to = 'b@one.example' }
    host:inject { to = 'b@two.example' }
    testing.advance '10 minutes'
    assert.equal(1, #host:deliveries { domain = 'one.example' })
    assert.equal(1, #host:deliveries { domain = 'two.example' })
    testing.advance '2 hours'
    assert.equal(0, #daemon:suspensions())
    assert.equal(3, #host:deliveries { domain = 'one.example' })
  end)

  it('holds a tenant and nobody else', function()
    host:inject { to = '451.hold.tenant@one.example', headers = { ['X-Tenant'] = 'shop' } }
    testing.advance '5 seconds'
    assert.equal('shop', daemon:suspensions()[1].tenant)
    host:inject { to = 'a@one.example', headers = { ['X-Tenant'] = 'shop' } }
    host:inject { to = 'b@one.example', headers = { ['X-Tenant'] = 'bank' } }
    testing.advance '10 minutes'
    local sent = host:deliveries { domain = 'one.example' }
    assert.equal(1, #sent)
    assert.equal('b@one.example', sent[1].recipient)
  end)

  it('has an override in force for the next message', function()
    host:inject { to = '451.slow.down@one.example' }
    testing.advance '5 seconds'
    assert.equal(1, #daemon:overrides())
    host:inject { to = 'a@one.example', count = 30 }
    testing.advance '60 seconds'
    local sent = #host:deliveries { domain = 'one.example' }
    assert.is_true(sent >= 5 and sent <= 8, sent .. ' in a minute')
  end)
end)
