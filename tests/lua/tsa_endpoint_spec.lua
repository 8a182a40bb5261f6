local kumo = require 'kumo'
local testing = require 'testing'

local describe, it, before_each, assert =
  testing.describe, testing.it, testing.before_each, testing.assert

local endpoint = require 'policy-extras.tsa_endpoint'

-- Stands in for the network: answers each GET as `answer` says, and keeps what was asked.
---@type table[], fun(url: string): integer, string?
local asked, answer

local function pretend_network()
  asked = {}
  answer = function(_)
    error 'the test says no answer'
  end
  ---@diagnostic disable-next-line: assign-type-mismatch
  kumo.http.build_client = function(options)
    local client = {}
    function client.get(_, url)
      local request = { url = url, timeout = options and options.timeout, headers = {} }
      asked[#asked + 1] = request
      function request.header(_, name, value)
        request.headers[name] = value
      end
      function request.send()
        local status, body = answer(url)
        return {
          status_code = function()
            return status
          end,
          text = function()
            return body or ''
          end,
        }
      end
      return request
    end
    function client.close()
      asked[#asked].closed = true
    end
    return client
  end
end

describe('address', function()
  it('puts a path after the url', function()
    assert.equal('http://daemon:8008/x', endpoint.address('http://daemon:8008', '/x'))
  end)

  it('takes a url that ends in slashes', function()
    assert.equal('http://daemon:8008/x', endpoint.address('http://daemon:8008//', '/x'))
  end)

  it('returns one value', function()
    assert.equal(1, select('#', endpoint.address('http://daemon/', '/x')))
  end)
end)

describe('websocket_address', function()
  it('speaks plainly where http does', function()
    assert.equal('ws://daemon:8008/x', endpoint.websocket_address('http://daemon:8008/', '/x'))
  end)

  it('is encrypted where http is', function()
    assert.equal('wss://daemon/x', endpoint.websocket_address('https://daemon', '/x'))
  end)
end)

describe('authorize', function()
  it('sends nothing at first, nor when given nothing', function()
    endpoint.authorize(nil)
    assert.is_nil(endpoint.authorization())
  end)

  it('takes the value of the header', function()
    endpoint.authorize 'Bearer abc'
    assert.equal('Bearer abc', endpoint.authorization())
  end)

  it('takes a token', function()
    endpoint.authorize { token = 'abc' }
    assert.equal('Bearer abc', endpoint.authorization())
  end)

  it('takes a user and password', function()
    endpoint.authorize { user = 'tsa', password = 'secret' }
    assert.equal('Basic ' .. kumo.encode.base64_encode 'tsa:secret', endpoint.authorization())
  end)

  it('refuses all else, and says what it takes', function()
    for _, given in ipairs { 5, {}, { user = 'tsa' }, { token = true } } do
      assert.error_matches(function()
        ---@diagnostic disable-next-line: param-type-mismatch
        endpoint.authorize(given)
      end, '^option `authorization`: expected the value of the header')
    end
  end)

  it('keeps what it had when it refuses', function()
    endpoint.authorize 'Bearer abc'
    assert.has_error(function()
      ---@diagnostic disable-next-line: param-type-mismatch
      endpoint.authorize {}
    end)
    assert.equal('Bearer abc', endpoint.authorization())
  end)
end)

it('host_takes_effects tells an existing kumod by what is missing there', function()
  assert.is_true(endpoint.host_takes_effects())
  kumo.shaping.set_overrides = nil
  assert.is_false(endpoint.host_takes_effects())
end)

describe('get', function()
  before_each(pretend_network)

  it('returns status and body, and closes the client', function()
    answer = function()
      return 200, 'TSA Daemon OK'
    end
    local status, body = endpoint.get('http://daemon/tsa/status', '5 seconds')
    assert.equal(200, status)
    assert.equal('TSA Daemon OK', body)
    assert.equal('5 seconds', asked[1].timeout)
    assert.is_true(asked[1].closed)
  end)

  it('says who asks, once told', function()
    answer = function()
      return 200
    end
    endpoint.get('http://daemon/', '5 seconds')
    endpoint.authorize { token = 'abc' }
    endpoint.get('http://daemon/', '5 seconds')
    assert.same({}, asked[1].headers)
    assert.same({ Authorization = 'Bearer abc' }, asked[2].headers)
  end)

  it('closes the client also when nothing answers', function()
    answer = function()
      error('nobody there', 0)
    end
    assert.has_error(function()
      endpoint.get('http://daemon/', '5 seconds')
    end, 'nobody there')
    assert.is_true(asked[1].closed)
  end)
end)

describe('kind', function()
  before_each(pretend_network)

  local function answers(status)
    answer = function()
      return status
    end
  end

  it('is `state` where the endpoint for it is there', function()
    answers(400)
    assert.equal('state', endpoint.kind 'http://daemon:8008/')
    assert.equal('http://daemon:8008/subscribe_state_v1', asked[1].url)
  end)

  it('is `existing` where it is not', function()
    answers(404)
    assert.equal('existing', endpoint.kind 'http://daemon')
  end)

  it('is `unknown` while the daemon has trouble', function()
    answers(503)
    assert.equal('unknown', endpoint.kind 'http://daemon')
  end)

  it('is `unknown` while nothing answers', function()
    answer = function()
      error('nobody there', 0)
    end
    assert.equal('unknown', endpoint.kind 'http://daemon')
  end)

  it('is asked once in five minutes for each daemon', function()
    answers(404)
    endpoint.kind 'http://a'
    endpoint.kind 'http://a'
    endpoint.kind 'http://b'
    assert.equal(2, #asked)
    kumo.sleep(301)
    answers(400)
    assert.equal('state', endpoint.kind 'http://a')
    assert.equal(3, #asked)
  end)

  it('is asked again after a minute without an answer', function()
    answers(503)
    endpoint.kind 'http://a'
    answers(404)
    assert.equal('unknown', endpoint.kind 'http://a')
    kumo.sleep(61)
    assert.equal('existing', endpoint.kind 'http://a')
  end)
end)
