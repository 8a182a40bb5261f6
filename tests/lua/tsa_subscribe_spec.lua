local kumo = require 'kumo'
local testing = require 'testing'

local describe, it, before_each, assert =
  testing.describe, testing.it, testing.before_each, testing.assert

local endpoint = require 'policy-extras.tsa_endpoint'
local subscribe = require 'policy-extras.tsa_subscribe'

local URL = 'http://daemon:8008'
local GONE = 'the other end is gone'

-- Websockets by path: what comes in each read, or an error in the place of a connection.
---@type table<string, any>
local sockets
-- What was asked, applied, and said.
---@type table[], table[], string[]
local asked, applied, errors

local function stream(reads)
  local position = 0
  local function read()
    position = position + 1
    if reads[position] == nil then
      error(GONE, 0)
    end
    return reads[position]
  end
  return {
    recv = function()
      return read()
    end,
    recv_batch = function()
      return read()
    end,
  }
end

before_each(function()
  sockets, asked, applied, errors = {}, {}, {}, {}
  kumo.http.connect_websocket = function(url, options)
    asked[#asked + 1] = { url = url, headers = options and options.headers }
    local reads = sockets[url:match '^ws://daemon:8008(.*)$']
    if type(reads) == 'function' then
      reads = reads(#asked)
    end
    if reads == nil then
      error('HTTP error: 404 Not Found', 0)
    elseif type(reads) == 'string' then
      error(reads, 0)
    end
    return stream(reads)
  end
  kumo.log_error = function(message)
    errors[#errors + 1] = message
  end
end)

local function follow()
  assert.error_matches(function()
    subscribe.follow(URL)
  end, GONE)
end

describe('wait_before_retry', function()
  it('does not wait after one bad connection', function()
    assert.equal(0, subscribe.wait_before_retry(0))
    assert.equal(0, subscribe.wait_before_retry(1))
  end)

  it('waits longer and longer, and never in step with others', function()
    for failures, longest in pairs { [2] = 1, [3] = 2, [4] = 4, [6] = 16, [7] = 30, [5000] = 30 } do
      for _ = 1, 50 do
        local wait = subscribe.wait_before_retry(failures)
        assert.is_true(wait >= longest / 2 and wait <= longest, failures .. ': ' .. wait)
      end
    end
    assert.not_equal(subscribe.wait_before_retry(9), subscribe.wait_before_retry(9))
  end)
end)

describe('on our host', function()
  ---@type fun(changes: table[])
  local refuse

  before_each(function()
    refuse = function(_) end
    kumo.shaping.set_overrides = function(owner, changes)
      assert.equal(URL, owner)
      refuse(changes)
      for _, change in ipairs(changes) do
        applied[#applied + 1] = change
      end
    end
  end)

  -- What is applied of frames, each list a read.
  local function of(...)
    local reads = {}
    for index, frames in ipairs { ... } do
      reads[index] = {}
      for position, frame in ipairs(frames) do
        reads[index][position] = type(frame) == 'string' and frame or kumo.json_encode(frame)
      end
    end
    sockets['/subscribe_state_v1'] = reads
    follow()
    return applied
  end

  it('follows the state', function()
    local put = { Put = { kind = 'suspension', key = 'a' } }
    local delete = { Delete = { kind = 'suspension', key = 'a' } }
    assert.same({ put, delete }, of({ put }, { delete }))
    assert.same({ { url = 'ws://daemon:8008/subscribe_state_v1' } }, asked)
  end)

  it('says who asks', function()
    endpoint.authorize { token = 'abc' }
    of {}
    assert.same({ Authorization = 'Bearer abc' }, asked[1].headers)
  end)

  it('tells what the daemon has, once it has told all', function()
    local changes = of(
      { { Begin = true }, { Put = { key = 'a' } } },
      { { Put = { key = 'b' } }, { Ready = true } },
      { { Put = { key = 'c' } }, { Ready = true } }
    )
    assert.same({
      { Put = { key = 'a' } },
      { Put = { key = 'b' } },
      { Ready = { 'a', 'b' } },
      { Put = { key = 'c' } },
    }, changes)
  end)

  it('tells that the daemon has nothing', function()
    assert.same({ { Ready = {} } }, of { { Begin = true }, { Ready = true } })
  end)

  it('begins the list anew where the daemon does', function()
    local changes = of {
      { Begin = true },
      { Put = { key = 'a' } },
      { Begin = true },
      { Put = { key = 'b' } },
      { Ready = true },
    }
    assert.same({ Ready = { 'b' } }, changes[#changes])
  end)

  it('passes over a frame that is none', function()
    local changes = of { 'nonsense', '5', '[]', '{"Later":1}', { Put = { key = 'a' } } }
    assert.same({ { Put = { key = 'a' } } }, changes)
    assert.equal(2, #errors)
    assert.matches('is no JSON object: nonsense', errors[1])
  end)

  it('passes over a change that is none', function()
    local changes = of {
      { Begin = true },
      '{"Put":5}',
      '{"Put":"x"}',
      '{"Put":{}}',
      '{"Delete":null}',
      { Put = { key = 'a' } },
      { Ready = true },
    }
    assert.same({ Ready = { 'a' } }, changes[#changes])
  end)

  it('applies the others where one is refused', function()
    refuse = function(changes)
      for _, change in ipairs(changes) do
        if change.Put.key == 'b' then
          error('no such kind', 0)
        end
      end
    end
    local changes = of { { Put = { key = 'a' } }, { Put = { key = 'b' } }, { Put = { key = 'c' } } }
    assert.same({ { Put = { key = 'a' } }, { Put = { key = 'c' } } }, changes)
    assert.same({ 'cannot apply what ' .. URL .. ' says: no such kind' }, errors)
  end)

  it('takes what an existing daemon tells', function()
    sockets['/subscribe_event_v1'] = {}
    follow()
    assert.equal('ws://daemon:8008/subscribe_event_v1', asked[2].url)
  end)

  it('passes on why there is no connection', function()
    sockets['/subscribe_state_v1'] = 'connection refused'
    assert.error_matches(function()
      subscribe.follow(URL)
    end, 'connection refused')
    assert.equal(1, #asked)
  end)
end)

-- What the admin API of the host is told: the function, and its options.
local function pretend_admin()
  local admin = kumo.api.admin
  for name, call in pairs { suspend_ready_q = 'suspend', suspend = 'suspend', bounce = 'bounce' } do
    admin[name][call] = function(options)
      if options.reason:find 'impossible' then
        error('no such path', 0)
      end
      applied[#applied + 1] = { name, options }
    end
  end
end

local PATH = { site_name = 'ip-1->mx', reason = 'slow', rule_hash = 'r1', expires = '2030-01-01' }
local QUEUE =
  { domain = 'd', tenant = 't', campaign = 'c', reason = 'slow', rule_hash = 'r2', expires = 'x' }
local AS_PATH = { name = 'ip-1->mx', reason = 'slow (rule_hash=r1)', expires = '2030-01-01' }
local AS_QUEUE = {
  domain = 'd',
  tenant = 't',
  campaign = 'c',
  reason = 'slow (rule_hash=r2)',
  expires = 'x',
}

describe('on an existing kumod', function()
  before_each(function()
    kumo.shaping.set_overrides = nil
    pretend_admin()
  end)

  it('holds and bounces as the events say', function()
    sockets['/subscribe_event_v1'] = {
      kumo.json_encode { ReadyQSuspension = PATH },
      kumo.json_encode { SchedQSuspension = QUEUE },
      kumo.json_encode { SchedQBounce = QUEUE },
      'nonsense',
      '{"Later":{}}',
    }
    follow()
    assert.same(
      { { 'suspend_ready_q', AS_PATH }, { 'suspend', AS_QUEUE }, { 'bounce', AS_QUEUE } },
      applied
    )
    assert.equal(1, #errors)
  end)

  it('goes back to suspensions alone', function()
    sockets['/subscribe_suspension_v1'] =
      { kumo.json_encode { ReadyQ = PATH }, kumo.json_encode { SchedQ = QUEUE } }
    follow()
    assert.same({ { 'suspend_ready_q', AS_PATH }, { 'suspend', AS_QUEUE } }, applied)
  end)

  it('says so when there is nothing to subscribe to', function()
    assert.error_matches(function()
      subscribe.follow(URL)
    end, '^it has no endpoint to subscribe to$')
  end)

  it('applies the others where one cannot be', function()
    local impossible = { site_name = 'x', reason = 'impossible', rule_hash = 'r' }
    sockets['/subscribe_event_v1'] = {
      kumo.json_encode { ReadyQSuspension = impossible },
      '{"ReadyQSuspension":5}',
      kumo.json_encode { ReadyQSuspension = PATH },
    }
    follow()
    assert.same({ { 'suspend_ready_q', AS_PATH } }, applied)
    assert.equal(2, #errors)
    assert.equal('cannot apply a ReadyQSuspension of the daemon: no such path', errors[1])
  end)

  it('connects again when a read gives nothing', function()
    sockets['/subscribe_event_v1'] = { false }
    assert.error_matches(function()
      subscribe.follow(URL)
    end, '^websocket closed$')
  end)
end)

describe('on an existing kumod with an authorization', function()
  -- What the daemon answers each time it is asked.
  ---@type table[], integer
  local rounds, round

  before_each(function()
    kumo.shaping.set_overrides = nil
    pretend_admin()
    endpoint.authorize { token = 'abc' }
    round = 0
    endpoint.get = function(url)
      local path = url:match '^http://daemon:8008(.*)$'
      if path == '/get_suspension_v1/suspended.json' then
        round = round + 1
      end
      local answer = rounds[round]
      if answer == nil then
        error(GONE, 0)
      end
      return answer.status or 200, answer.body or kumo.json_encode(answer[path] or {})
    end
  end)

  it('asks for what holds, and applies what is new', function()
    local both = { ready_q = { PATH }, sched_q = { QUEUE } }
    rounds = {
      { ['/get_suspension_v1/suspended.json'] = both },
      {
        ['/get_suspension_v1/suspended.json'] = both,
        ['/get_bounce_v1/bounced.json'] = { QUEUE },
      },
      {},
      { ['/get_suspension_v1/suspended.json'] = { ready_q = { PATH } } },
    }
    local before = testing.now()
    follow()
    -- In a round there is no order.
    assert.equal(4, #applied)
    assert.same({ 'bounce', AS_QUEUE }, applied[3])
    assert.same({ 'suspend_ready_q', AS_PATH }, applied[4])
    assert.is_near(20, testing.now() - before, 0.5)
    assert.same({}, asked)
  end)

  it('takes what is not there for nothing', function()
    rounds = { { status = 404 } }
    follow()
    assert.same({}, applied)
  end)

  it('says what a daemon in trouble answers', function()
    rounds = { { status = 500, body = 'out of order' } }
    assert.error_matches(function()
      subscribe.follow(URL)
    end, '/get_suspension_v1/suspended.json answers 500: out of order', 1, true)
  end)
end)

describe('run', function()
  ---@type string[]
  local warnings

  -- Runs until it has been connected so often.
  local function run(times)
    warnings = {}
    kumo.log_warn = function(message)
      warnings[#warnings + 1] = message
      if #warnings == times then
        error('enough', 0)
      end
    end
    assert.has_error(function()
      subscribe.run(URL)
    end, 'enough')
  end

  it('connects again: at once, then later and later', function()
    sockets['/subscribe_state_v1'] = 'connection refused\nand more'
    local before = testing.now()
    run(4)
    assert.equal(
      'subscription to http://daemon:8008: connection refused; connecting again at once',
      warnings[1]
    )
    assert.matches('; connecting again in [01]%.%d s$', warnings[2])
    assert.matches('; connecting again in [12]%.%d s$', warnings[3])
    local passed = testing.now() - before
    assert.is_true(passed >= 1.5 and passed <= 3.5, tostring(passed))
  end)

  it('connects again at once after a connection that was good', function()
    local good = false
    sockets['/subscribe_state_v1'] = function(count)
      if count == 5 then
        good = true
        kumo.sleep(11)
      end
      return 'connection refused'
    end
    run(5)
    assert.is_true(good)
    assert.matches('at once$', warnings[5])
  end)
end)
