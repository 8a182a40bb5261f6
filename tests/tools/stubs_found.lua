-- Writes down what a spec gets: `stubs_testing.rs` holds the descriptions for editors against it.
local kumo = require 'kumo'
local testing = require 'testing'

local RULES = [==[
[default]
connection_limit = 5

[[default.automation]]
regex = "hold it"
action = ["Suspend", {SetConfig={name="max_message_rate", value="6/min"}}]
duration = "1 hour"

[[default.automation]]
regex = "hold campaign"
action = ["SuspendCampaign", "BounceCampaign"]
duration = "1 hour"
]==]

-- The names in all of these tables.
local function keys(...)
  local seen, list = {}, {}
  for _, value in ipairs { ... } do
    for key in pairs(value) do
      if not seen[key] then
        seen[key] = true
        list[#list + 1] = key
      end
    end
  end
  return list
end

local function keys_of_all(...)
  local all = {}
  for _, values in ipairs { ... } do
    for _, value in ipairs(values) do
      all[#all + 1] = value
    end
  end
  return keys(table.unpack(all))
end

-- What is said to options with a field that is none.
local function said(fn)
  local _, why = pcall(fn, { nonsense = 1 })
  return (tostring(why):gsub('\n.*', ''))
end

local function functions()
  local names = {}
  for name, value in pairs(testing) do
    if type(value) == 'function' then
      names[#names + 1] = name
    end
  end
  return names
end

local function assertions()
  local _, why = pcall(function()
    return testing.assert.nonsense
  end)
  return tostring(why):match 'there are (.*)$'
end

testing.it('writes it down', function()
  testing.zones [[
    a.example.     MX 10 mx.a.example.
    mx.a.example.  A  192.0.2.1
  ]]
  local steps = {}
  local provider = testing.provider(function(step)
    steps[#steps + 1] = step
  end)
  local daemon = testing.daemon { shaping = RULES }
  local host = testing.host { shaping = RULES, daemons = { daemon }, provider = provider }
  local outcome = host:inject { to = 'user@a.example' }
  testing.advance '1 minute'
  local path = { domain = 'a.example', source = 'unspecified', tenant = 'shop', campaign = 'sale' }
  for _, response in ipairs { '451 4.7.1 hold it', '451 4.7.1 hold campaign' } do
    path.response = response
    daemon:publish(testing.record(path))
  end
  testing.advance '1 minute'
  local meta = { tenant = 'shop', campaign = 'sale' }
  host:inject { to = 'user@a.example', meta = meta }
  host:inject { to = 'user@a.example' }
  local config, why = daemon:config { domain = 'a.example', source = 'unspecified' }
  assert(config.connection_limit == 5)
  testing.advance '1 second'

  local found = {
    functions = functions(),
    assertions = assertions(),
    record = keys(testing.record { domain = 'a.example', session = 'x' }, host:deliveries()[1]),
    options = {
      RecordOptions = said(testing.record),
      DaemonOptions = said(testing.daemon),
      HostOptions = said(testing.host),
      MessageOptions = said(testing.message),
      Letter = said(function(options)
        host:inject(options)
      end),
      Selection = said(function(options)
        host:records(options)
      end),
      PathQuestion = said(function(options)
        daemon:config(options)
      end),
      PolicyOptions = said(function(options)
        testing.policy('init.lua', options)
      end),
      Answer = said(function(options)
        testing.provider { rcpt = options }
      end),
      Steps = said(function(options)
        testing.provider { ['*'] = options }
      end),
    },
    shapes = {
      DaemonSuspension = keys_of_all(daemon:suspensions(), daemon:bounces()),
      Effect = keys_of_all(daemon:effects(), daemon:overrides()),
      Reason = keys(why.connection_limit),
      Outcome = keys(outcome),
      Queue = keys_of_all(host:queues()),
      Path = keys_of_all(host:paths()),
      HostSuspension = keys_of_all(host:suspensions()),
      Step = keys_of_all(steps),
      TakenMessage = keys_of_all(provider:messages()),
      Session = keys_of_all(provider:sessions()),
    },
  }
  local file = assert(io.open('found.json', 'w'))
  file:write(kumo.json_encode(found))
  file:close()
end)
