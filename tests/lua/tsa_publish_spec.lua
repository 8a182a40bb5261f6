local kumo = require 'kumo'
local testing = require 'testing'

local describe, it, before_each, assert =
  testing.describe, testing.it, testing.before_each, testing.assert

local endpoint = require 'policy-extras.tsa_endpoint'
local publish = require 'policy-extras.tsa_publish'

local URL = 'http://daemon:8008'
local HOOK = URL .. '.tsa.kumomta'

-- As a kumod has it that takes no effects as they are made.
local function on_an_existing_kumod()
  kumo.shaping.set_overrides = nil
end

local function no_rules()
  return kumo.shaping.load {}
end

-- Rules for one.example alone.
local function rules()
  local data = {}
  function data.match_rules(_, record)
    assert.is_string(record.recipient)
    return record.recipient:find '@one%.example$' and { 'a rule' } or {}
  end
  return data
end

-- A message that carries a log record.
local function carrying(record)
  return testing.message { content = kumo.json_encode(record), meta = { log_record = record } }
end

local function refusal(domains)
  local recipients = {}
  for index, domain in ipairs(domains) do
    recipients[index] = 'user@' .. domain
  end
  local record =
    testing.record { domain = domains[1], response = '451 4.7.1 slow down', site = 'mx' }
  record.recipient = #recipients > 1 and recipients or recipients[1]
  return record
end

describe('new', function()
  ---@type table<string, function>
  local handlers

  before_each(function()
    handlers = {}
    kumo.on = function(event, handler)
      handlers[event] = handler
    end
  end)

  local function events()
    local names = {}
    for name in pairs(handlers) do
      names[#names + 1] = name
    end
    table.sort(names)
    return names
  end

  it('handles what our host asks', function()
    publish.new({ publish = { URL } }, no_rules)
    assert.same({ 'make.' .. HOOK, 'shaping.' .. HOOK, 'should_enqueue_log_record' }, events())
    assert.equal(no_rules, handlers['shaping.' .. HOOK])
  end)

  it('handles what an existing kumod asks: also about the queue', function()
    on_an_existing_kumod()
    endpoint.kind = function()
      return 'existing'
    end
    local publisher = publish.new({ publish = { URL } }, no_rules)
    assert.equal('1m', tostring(publisher:queue_config(HOOK).retry_interval))
    assert.is_nil(handlers.get_queue_config 'one.example')
    assert.is_not_nil(handlers.get_queue_config(HOOK))
  end)

  it('connects to the daemon of the queue', function()
    publish.new({ publish = { URL, 'http://other' } }, no_rules)
    assert.equal(URL, handlers['make.' .. HOOK]().url)
    assert.equal('http://other', handlers['make.http://other.tsa.kumomta']().url)
  end)

  it('answers for its own hooks alone', function()
    publish.new({ publish = { URL } }, no_rules)
    local msg = testing.message()
    assert.is_nil(handlers.should_enqueue_log_record(msg, 'webhook'))
    assert.is_nil(msg:get_meta 'queue')
    assert.is_true(handlers.should_enqueue_log_record(msg, HOOK))
    assert.equal(HOOK, msg:get_meta 'queue')
  end)

  it('does nothing without daemons', function()
    publish.new({}, no_rules)
    assert.same({ 'should_enqueue_log_record' }, events())
  end)
end)

describe('a publisher', function()
  it('knows its queues', function()
    local publisher = publish.new({ publish = { URL } }, no_rules)
    assert.is_true(publisher:owns(HOOK))
    assert.is_false(publisher:owns 'one.example')
  end)

  it('has a path that hosts take', function()
    kumo.make_egress_path(publish.new({ publish = { URL } }, no_rules).path_config())
  end)

  it('has a queue that hosts take, with options of the policy', function()
    local options = { publish = { URL }, tsa_queue_config = { retry_interval = '5s' } }
    local config = publish.new(options, no_rules):queue_config(HOOK)
    assert.equal('5s', config.retry_interval)
    assert.equal('20m', config.max_retry_interval)
    assert.equal('make.' .. HOOK, config.protocol.custom_lua.constructor)
    kumo.make_queue_config(config)
  end)

  -- Which daemon it is counts where the host is an existing kumod.
  for kind, batches in pairs { state = true, existing = false, unknown = false } do
    it('sends batches from an existing kumod: ' .. kind, function()
      on_an_existing_kumod()
      endpoint.kind = function()
        return kind
      end
      local config = publish.new({ publish = { URL } }, no_rules):queue_config(HOOK)
      assert.equal(batches, config.protocol.custom_lua.batch_size ~= nil)
    end)
  end
end)

describe('configure', function()
  ---@type table[]
  local hooks

  before_each(function()
    hooks = {}
    kumo.configure_log_hook = function(hook)
      hooks[#hooks + 1] = hook
    end
  end)

  it('asks for what matters, with queue and rules', function()
    publish.new({ publish = { URL }, back_pressure = 7 }, no_rules):configure()
    assert.equal(1, #hooks)
    local hook = hooks[1]
    assert.equal(HOOK, hook.name)
    assert.equal(7, hook.back_pressure)
    assert.equal('shaping.' .. HOOK, hook.shaping_event)
    assert.is_table(hook.queue.protocol.custom_lua)
    assert.same({ enable = false }, hook.per_record.Reception)
    assert.is_nil(hook.per_record.TransientFailure)
  end)

  it('asks for all records when told not to filter', function()
    publish.new({ publish = { URL }, pre_filter = false }, no_rules):configure()
    assert.is_nil(hooks[1].shaping_event)
  end)

  it('leaves out the types that it is told', function()
    local options = { publish = { URL }, additional_skip_log_record_types = { 'Delivery' } }
    publish.new(options, no_rules):configure()
    assert.same({ enable = false }, hooks[1].per_record.Delivery)
    assert.same({ enable = false }, hooks[1].per_record.Reception)
  end)

  it('leaves out other types than the usual ones', function()
    publish.new({ publish = { URL }, skip_log_record_types = { 'OOB' } }, no_rules):configure()
    assert.same({ OOB = { enable = false } }, hooks[1].per_record)
  end)

  it('gives an existing kumod a hook that it takes', function()
    on_an_existing_kumod()
    publish.new({ publish = { URL } }, no_rules):configure()
    assert.is_nil(hooks[1].queue)
    assert.is_nil(hooks[1].shaping_event)
  end)
end)

describe('wants', function()
  before_each(on_an_existing_kumod)

  local function wants(record, options, load)
    options = options or {}
    options.publish = { URL }
    return publish.new(options, load or rules):wants(carrying(record))
  end

  before_each(function()
    -- Nothing is asked here.
    kumo.on = function() end
  end)

  it('sends what a rule may match', function()
    assert.is_true(wants(refusal { 'one.example' }))
    assert.is_false(wants(refusal { 'two.example' }))
  end)

  it('sends what a rule of any recipient may match', function()
    assert.is_true(wants(refusal { 'two.example', 'one.example' }))
    assert.is_false(wants(refusal { 'two.example', 'three.example' }))
  end)

  it('sends nothing of types that are switched off', function()
    local record = refusal { 'one.example' }
    record.type = 'Reception'
    assert.is_false(wants(record))
    assert.is_true(wants(record, { skip_log_record_types = {} }))
  end)

  it('sends no news of records on their way', function()
    local record = refusal { 'one.example' }
    record.reception_protocol = 'LogRecord'
    assert.is_false(wants(record))
  end)

  it('sends no message that carries none', function()
    assert.is_false(publish.new({ publish = { URL } }, rules):wants(testing.message()))
  end)

  it('leaves a message where it is that is not sent', function()
    local msg = carrying(refusal { 'two.example' })
    assert.is_false(publish.new({ publish = { URL } }, rules):enqueue(msg, HOOK))
    assert.is_nil(msg:get_meta 'queue')
  end)

  it('sends all when told not to filter', function()
    assert.is_true(wants(refusal { 'two.example' }, { pre_filter = false }))
  end)

  it('lets the daemon decide when the rules do not load', function()
    assert.is_true(wants(refusal { 'two.example' }, {}, function()
      error 'no file'
    end))
  end)

  it('lets the daemon decide when the record cannot be read', function()
    assert.is_true(wants(refusal { 'two.example' }, {}, function()
      return {
        match_rules = function()
          error 'missing field `response`'
        end,
      }
    end))
  end)
end)
