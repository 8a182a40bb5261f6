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

describe('a connection', function()
  -- What was sent, and who answers: status, text, headers. Raises when nobody does.
  local sent, answer, closed, options_given

  before_each(function()
    sent, closed = {}, false
    kumo.http.build_client = function(options)
      options_given = options
      local client = {}
      function client.post(_, url)
        local request = { url = url, headers = {} }
        function request.header(_, name, value)
          request.headers[name] = value
        end
        function request.body(_, body)
          request.content = body
        end
        function request.send()
          sent[#sent + 1] = request
          local status, text, headers = answer(request, #sent)
          return {
            status_code = function()
              return status
            end,
            text = function()
              return text or ''
            end,
            headers = function()
              return headers or {}
            end,
          }
        end
        return request
      end
      function client.close()
        closed = true
      end
      return client
    end
    answer = function()
      return 200, '{}'
    end
  end)

  local function connect()
    return publish.connect(URL, { publish_timeout = '7s' })
  end

  -- Records that can be told apart.
  local function messages(count)
    local list = {}
    for index = 1, count do
      list[index] = testing.message { content = '{"n":' .. index .. '}' }
    end
    return list
  end

  local function contents()
    local list = {}
    for index, request in ipairs(sent) do
      list[index] = request.content
    end
    return list
  end

  -- What a fate comes to: `taken`, or its code.
  local function codes(fates)
    local list = {}
    for index, fate in ipairs(fates) do
      list[index] = type(fate) == 'table' and fate.code or 'taken'
    end
    return list
  end

  it('sends a record that is alone as every daemon takes it', function()
    assert.equal('taken by ' .. URL, connect():send(messages(1)[1]))
    assert.equal(URL .. '/publish_log_v1', sent[1].url)
    assert.same({ ['Content-Type'] = 'application/json' }, sent[1].headers)
    assert.equal('{"n":1}', sent[1].content)
    assert.equal('7s', options_given.timeout)
  end)

  it('says who sends it', function()
    endpoint.authorize { token = 'abc' }
    connect():send(messages(1)[1])
    assert.equal('Bearer abc', sent[1].headers.Authorization)
  end)

  it('closes', function()
    connect():close()
    assert.is_true(closed)
  end)

  it('sends many as lines', function()
    assert.same({ 'taken', 'taken', 'taken' }, codes(connect():send_batch(messages(3))))
    assert.equal('application/x-ndjson', sent[1].headers['Content-Type'])
    assert.same({ '{"n":1}\n{"n":2}\n{"n":3}' }, contents())
  end)

  it('makes one line of each record', function()
    local list = messages(3)
    list[1]:set_data '{\r\n"n":1}'
    list[2]:set_data '\r\n'
    connect():send_batch(list)
    assert.same({ '{ "n":1}\n{}\n{"n":3}' }, contents())
  end)

  it('begins another body before one gets too long', function()
    local list = messages(3)
    for _, msg in ipairs(list) do
      msg:set_data('{"pad":"' .. ('x'):rep(400000) .. '"}')
    end
    assert.same({ 'taken', 'taken', 'taken' }, codes(connect():send_batch(list)))
    assert.equal(2, #sent)
  end)

  it('rejects for good what the daemon refuses', function()
    for _, status in ipairs { 400, 413, 415, 422 } do
      answer = function()
        return status, 'field `site`:\n  missing'
      end
      assert.error_matches(function()
        connect():send(messages(1)[1])
      end, '554 5.6.0 ' .. URL .. ' answers ' .. status .. ': field `site`: missing', 1, true)
    end
  end)

  it('keeps what a daemon in trouble does not take', function()
    for _, status in ipairs { 302, 401, 403, 404, 429, 500, 503 } do
      answer = function()
        return status, 'not now'
      end
      assert.error_matches(function()
        connect():send(messages(1)[1])
      end, '451 4.3.0 ' .. URL .. ' answers ' .. status .. ': not now', 1, true)
    end
  end)

  it('keeps what nobody answers', function()
    answer = function()
      error('connection refused\nand more', 0)
    end
    assert.error_matches(function()
      connect():send(messages(1)[1])
    end, '451 4.4.1 ' .. URL .. ': connection refused$')
  end)

  it('waits for a daemon that is busy for a moment', function()
    answer = function(_, count)
      if count == 1 then
        return 503, 'busy', { ['retry-after'] = '2' }
      end
      return 200
    end
    local before = testing.now()
    connect():send(messages(1)[1])
    assert.equal(2, #sent)
    assert.is_near(2, testing.now() - before, 0.5)
  end)

  it('does not wait for long, nor for what is no length of time', function()
    for _, after in ipairs { '600', '-1', 'soon', 'nan' } do
      sent = {}
      answer = function()
        return 503, 'busy', { ['retry-after'] = after }
      end
      assert.error_matches(function()
        connect():send(messages(1)[1])
      end, '451 4.3.0 ')
      assert.equal(1, #sent, after)
    end
  end)

  it('tells of each record of a batch what the daemon says of it', function()
    answer = function()
      return 200, '{"accepted":2,"refused":[{"index":1,"error":"no site"}]}'
    end
    local fates = connect():send_batch(messages(3))
    assert.same({ 'taken', 554, 'taken' }, codes(fates))
    assert.matches('no site', fates[2].message)
  end)

  it('takes an answer that it does not know for one that all is well', function()
    for _, text in ipairs { 'OK', '[]', '5', '{"refused":3}', '{"refused":[{"error":"x"}]}' } do
      answer = function()
        return 200, text
      end
      assert.same({ 'taken', 'taken' }, codes(connect():send_batch(messages(2))), text)
    end
  end)

  it('halves a batch that is too large, down to the record that is', function()
    answer = function(request)
      return request.content:find '"n":3' and 413 or 200, '{}'
    end
    assert.same({ 'taken', 'taken', 554, 'taken' }, codes(connect():send_batch(messages(4))))
  end)

  it('goes record by record where batches are not known, and remembers it', function()
    answer = function(request)
      return request.headers['Content-Type'] == 'application/json' and 200 or 415
    end
    local connection = connect()
    assert.same({ 'taken', 'taken' }, codes(connection:send_batch(messages(2))))
    assert.equal(3, #sent)
    connection:send_batch(messages(2))
    assert.equal(5, #sent)
  end)

  it('keeps a batch that a daemon in trouble does not take', function()
    answer = function()
      return 500
    end
    assert.same({ 451, 451, 451 }, codes(connect():send_batch(messages(3))))
    assert.equal(1, #sent)
  end)

  it('keeps those behind one that has to wait', function()
    answer = function(request)
      if request.headers['Content-Type'] ~= 'application/json' then
        return 400
      end
      return request.content:find '"n":2' and 500 or 200
    end
    assert.same({ 'taken', 451, 451 }, codes(connect():send_batch(messages(3))))
    assert.equal(3, #sent)
  end)

  it('gives up on a slow daemon before the host gives up on it', function()
    answer = function(request)
      if request.headers['Content-Type'] ~= 'application/json' then
        return 400
      end
      kumo.sleep(15)
      return 200
    end
    local fates = connect():send_batch(messages(4))
    assert.same({ 'taken', 'taken', 451, 451 }, codes(fates))
    assert.matches('is too slow', fates[3].message)
  end)

  describe('of an existing kumod', function()
    before_each(on_an_existing_kumod)

    it('tells one fate for all', function()
      assert.equal('taken by ' .. URL, connect():send_batch(messages(2)))
    end)

    it('counts what is refused for good as sent, beside others', function()
      answer = function()
        return 200, '{"refused":[{"index":0,"error":"no site"}]}'
      end
      assert.equal('taken by ' .. URL, connect():send_batch(messages(2)))
    end)

    it('rejects a batch of which all is refused', function()
      answer = function()
        return 422, 'no'
      end
      assert.error_matches(function()
        connect():send_batch(messages(2))
      end, '554 5.6.0 ')
    end)

    it('keeps all where one has to wait', function()
      answer = function(request)
        if request.headers['Content-Type'] ~= 'application/json' then
          return 400
        end
        return request.content:find '"n":2' and 500 or 200
      end
      assert.error_matches(function()
        connect():send_batch(messages(2))
      end, '451 4.3.0 ')
    end)
  end)
end)
