local kumo = require 'kumo'
local testing = require 'testing'

local describe, it, before_each, assert =
  testing.describe, testing.it, testing.before_each, testing.assert

local endpoint = require 'policy-extras.tsa_endpoint'
local publish = require 'policy-extras.tsa_publish'

local URL = 'http://daemon:8008'

describe('a connection', function()
  -- What was sent, and who answers: status, text, headers. Raises when nobody does.
  ---@type table[], fun(request: table, count: integer): (integer, string?, table?)
  local sent, answer
  ---@type boolean, any
  local closed, options_given

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

  -- A daemon that refuses batches, and answers to each record as told.
  local function one_by_one(answer_to)
    answer = function(request)
      if request.headers['Content-Type'] ~= 'application/json' then
        return 400
      end
      return answer_to(request)
    end
  end

  local function in_trouble_over_the_second(request)
    return request.content:find '"n":2' and 500 or 200
  end

  -- What sending a record raises: a pattern, or plain text.
  local function refuses(expected, plain)
    assert.error_matches(function()
      connect():send(messages(1)[1])
    end, expected, 1, plain)
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
      refuses('554 5.6.0 ' .. URL .. ' answers ' .. status .. ': field `site`: missing', true)
    end
  end)

  it('keeps what a daemon in trouble does not take', function()
    for _, status in ipairs { 302, 401, 403, 404, 429, 500, 503 } do
      answer = function()
        return status, 'not now'
      end
      refuses('451 4.3.0 ' .. URL .. ' answers ' .. status .. ': not now', true)
    end
  end)

  it('keeps what nobody answers', function()
    answer = function()
      error('connection refused\nand more', 0)
    end
    refuses('451 4.4.1 ' .. URL .. ': connection refused$')
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
      refuses('451 4.3.0 ')
      assert.equal(1, #sent, after)
    end
  end)

  it('tells of each record of a batch what the daemon says of it', function()
    answer = function()
      return 200, '{"accepted":2,"refused":[{"index":1,"error":"no site"}]}'
    end
    local fates = connect():send_batch(messages(3))
    ---@cast fates table[]
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
    one_by_one(in_trouble_over_the_second)
    assert.same({ 'taken', 451, 451 }, codes(connect():send_batch(messages(3))))
    assert.equal(3, #sent)
  end)

  it('gives up on a slow daemon before the host gives up on it', function()
    one_by_one(function()
      kumo.sleep(15)
      return 200
    end)
    local fates = connect():send_batch(messages(4))
    ---@cast fates table[]
    assert.same({ 'taken', 'taken', 451, 451 }, codes(fates))
    assert.matches('is too slow', fates[3].message)
  end)

  describe('of an existing kumod', function()
    before_each(function()
      kumo.shaping.set_overrides = nil
    end)

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
      one_by_one(in_trouble_over_the_second)
      assert.error_matches(function()
        connect():send_batch(messages(2))
      end, '451 4.3.0 ')
    end)
  end)
end)
