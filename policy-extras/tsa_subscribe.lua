-- What daemons decide, on its way into this host.
--
-- From our daemon to our host all of it is pushed, by `/subscribe_state_v1`. Otherwise suspensions and bounces come by the
-- older endpoints, and overrides by the shaping file that the daemon generates, which is loaded like any other.
local kumo = require 'kumo'
local endpoint = require 'policy-extras.tsa_endpoint'

local mod = {}

-- A connection that has lasted so long, in seconds, was a good one.
local GOOD_SECONDS = 10
-- The longest wait before connecting again, in seconds.
local MAX_WAIT = 30
-- How long one read waits for news.
local READ_WAIT = '1 minute'
-- How often the daemon is asked where websockets are of no use, in seconds.
local POLL_SECONDS = 5

--- How long to wait after so many bad connections in a row: not at all after the first, then longer and longer, and
--- never as long as the neighbours do.
---@param failures integer
---@return number seconds
function mod.wait_before_retry(failures)
  if failures <= 1 then
    return 0
  end
  local longest = math.min(MAX_WAIT, 2 ^ (failures - 2))
  return longest * (0.5 + 0.5 * math.random())
end

-- nil when the daemon has no such endpoint.
local function connect(url, path)
  local authorization = endpoint.authorization()
  local options = authorization and { headers = { Authorization = authorization } } or nil
  local ok, stream =
    pcall(kumo.http.connect_websocket, endpoint.websocket_address(url, path), options)
  if ok then
    return stream
  end
  if tostring(stream):find('HTTP error: 404 Not Found', 1, true) then
    return nil
  end
  error(stream, 0)
end

-- Something in a frame that is not as expected must not keep the rest away.
local function decode(text)
  local ok, frame = pcall(kumo.json_parse, text)
  if ok and type(frame) == 'table' then
    return frame
  end
  kumo.log_error('a frame of the daemon is no JSON object: ' .. tostring(text):sub(1, 200))
  return {}
end

-- What a batch of frames changes, in order. `listed` are the keys since `Begin`, until `Ready`.
local function changes_of(frames, listed)
  local changes = {}
  for _, text in ipairs(frames) do
    local frame = decode(text)
    if frame.Begin then
      listed = {}
    elseif type(frame.Put) == 'table' then
      changes[#changes + 1] = { Put = frame.Put }
      if listed then
        listed[#listed + 1] = frame.Put.key
      end
    elseif type(frame.Delete) == 'table' then
      changes[#changes + 1] = { Delete = frame.Delete }
    elseif frame.Ready and listed then
      -- What is not among them has ended while nobody listened.
      changes[#changes + 1] = { Ready = listed }
      listed = nil
    end
  end
  return changes, listed
end

-- One change that this host does not understand must not keep the others away.
local function apply(url, changes)
  if #changes == 0 or pcall(kumo.shaping.set_overrides, url, changes) then
    return
  end
  for _, change in ipairs(changes) do
    local ok, err = pcall(kumo.shaping.set_overrides, url, { change })
    if not ok then
      kumo.log_error('cannot apply what ' .. url .. ' says: ' .. tostring(err))
    end
  end
end

local function follow_state(stream, url)
  local listed, changes
  while true do
    changes, listed = changes_of(stream:recv_batch(READ_WAIT), listed)
    apply(url, changes)
  end
end

local function reason_of(hold)
  return hold.reason .. ' (rule_hash=' .. hold.rule_hash .. ')'
end

local function hold_path(hold)
  kumo.api.admin.suspend_ready_q.suspend {
    name = hold.site_name,
    reason = reason_of(hold),
    expires = hold.expires,
  }
end

local function selection(hold)
  return {
    domain = hold.domain,
    tenant = hold.tenant,
    campaign = hold.campaign,
    reason = reason_of(hold),
    expires = hold.expires,
  }
end

local function hold_queues(hold)
  kumo.api.admin.suspend.suspend(selection(hold))
end

local function bounce_queues(hold)
  kumo.api.admin.bounce.bounce(selection(hold))
end

-- By the names in `/subscribe_event_v1`, then by those in `/subscribe_suspension_v1`.
local HOLDS = {
  ReadyQSuspension = hold_path,
  SchedQSuspension = hold_queues,
  SchedQBounce = bounce_queues,
  ReadyQ = hold_path,
  SchedQ = hold_queues,
}

local function hold(kind, value)
  local ok, err = pcall(HOLDS[kind], value)
  if not ok then
    kumo.log_error('cannot apply a ' .. kind .. ' of the daemon: ' .. tostring(err))
  end
end

-- An existing kumod reads batches for as long as it was told to, and single frames as they come.
local function follow_holds(stream)
  while true do
    local text = stream:recv()
    if type(text) ~= 'string' then
      error('websocket closed', 0)
    end
    for kind, value in pairs(decode(text)) do
      if HOLDS[kind] then
        hold(kind, value)
      end
    end
  end
end

local function get_json(url, path)
  local status, body = endpoint.get(endpoint.address(url, path), '30 seconds')
  if status == 404 then
    return {}
  end
  if status ~= 200 then
    error(endpoint.address(url, path) .. ' answers ' .. status .. ': ' .. body:sub(1, 200), 0)
  end
  return kumo.json_parse(body)
end

-- An existing kumod sends no headers with a websocket: with an `authorization`, what holds is asked for instead.
local function poll_holds(url)
  local known = {}
  while true do
    local suspended = get_json(url, '/get_suspension_v1/suspended.json')
    local lists = {
      ReadyQSuspension = suspended.ready_q or {},
      SchedQSuspension = suspended.sched_q or {},
      SchedQBounce = get_json(url, '/get_bounce_v1/bounced.json'),
    }
    local seen = {}
    for kind, list in pairs(lists) do
      for _, value in ipairs(list) do
        local text = kind .. kumo.json_encode(value)
        seen[text] = true
        if not known[text] then
          hold(kind, value)
        end
      end
    end
    known = seen
    kumo.sleep(POLL_SECONDS)
  end
end

--- Follows a daemon until the connection is lost, which is an error.
---@param url string
function mod.follow(url)
  if endpoint.host_takes_effects() then
    local stream = connect(url, '/subscribe_state_v1')
    if stream then
      return follow_state(stream, url)
    end
  elseif endpoint.authorization() then
    return poll_holds(url)
  end
  local stream = connect(url, '/subscribe_event_v1') or connect(url, '/subscribe_suspension_v1')
  if not stream then
    error('it has no endpoint to subscribe to', 0)
  end
  follow_holds(stream)
end

--- Follows a daemon for ever.
---@param url string
function mod.run(url)
  local failures = 0
  while true do
    local began = os.time()
    local _, err = pcall(mod.follow, url)
    if os.time() - began >= GOOD_SECONDS then
      failures = 0
    end
    failures = failures + 1
    local wait = mod.wait_before_retry(failures)
    local when = wait == 0 and 'at once' or string.format('in %.1f s', wait)
    local why = tostring(err):gsub('\n.*', '')
    kumo.log_warn('subscription to ' .. url .. ': ' .. why .. '; connecting again ' .. when)
    if wait > 0 then
      kumo.sleep(wait)
    end
  end
end

return mod
