-- How the helpers beside this file reach a daemon.
local kumo = require 'kumo'

local mod = {}

---@alias tsa.Authorization string | { token: string } | { user: string, password: string }

--- How long the question which daemon it is may take.
local PROBE_TIMEOUT = '3 seconds'

---@type string?
local authorization

local function checked_header(given)
  if type(given) == 'string' then
    return given
  end
  if type(given) == 'table' and type(given.token) == 'string' then
    return 'Bearer ' .. given.token
  end
  if
    type(given) == 'table'
    and type(given.user) == 'string'
    and type(given.password) == 'string'
  then
    return 'Basic ' .. kumo.encode.base64_encode(given.user .. ':' .. given.password)
  end
  error(
    'option `authorization`: expected the value of the header, such as `Bearer TOKEN`, or a table '
      .. 'with `token`, or with `user` and `password`',
    0
  )
end

--- Sets what every request says of who sends it.
---@param given? tsa.Authorization
function mod.authorize(given)
  if given ~= nil then
    authorization = checked_header(given)
  end
end

--- The value of the header `Authorization`, if one is sent.
---@return string?
function mod.authorization()
  return authorization
end

--- Whether this host takes suspensions, bounces and overrides as they are made. An existing kumod does not.
---@return boolean
function mod.host_takes_effects()
  return kumo.shaping.set_overrides ~= nil
end

--- The address of an endpoint of the daemon.
---@param url string of the daemon
---@param path string begins with a slash
---@return string
function mod.address(url, path)
  return (url:gsub('/+$', '')) .. path
end

--- The same for a websocket.
---@param url string of the daemon
---@param path string begins with a slash
---@return string
function mod.websocket_address(url, path)
  return (mod.address(url, path):gsub('^http', 'ws'))
end

--- A GET. Raises when nothing answers within the time.
---@param url string
---@param timeout string
---@return integer status
---@return string body
function mod.get(url, timeout)
  local client = kumo.http.build_client { timeout = timeout }
  local request = client:get(url)
  if authorization then
    request:header('Authorization', authorization)
  end
  local ok, response, body = pcall(function()
    local answer = request:send()
    return answer, answer:text()
  end)
  client:close()
  if not ok then
    error(response, 0)
  end
  return response:status_code(), body
end

local cached_kind = kumo.memoize(function(url)
  local status = mod.get(mod.address(url, '/subscribe_state_v1'), PROBE_TIMEOUT)
  if status >= 500 then
    error('`' .. url .. '` answers ' .. status, 0)
  end
  return status == 404 and 'existing' or 'state'
end, { name = 'tsa_daemon_kind', ttl = '5 minutes', capacity = 64 })

--- Which daemon it is: `state` tells of all that changes and takes many records at once, `existing` does neither. Asked
--- again after five minutes, and after one when there was no answer.
---@param url string of the daemon
---@return 'state' | 'existing' | 'unknown'
function mod.kind(url)
  local ok, kind = pcall(cached_kind, url)
  return ok and kind --[[@as 'state' | 'existing']] or 'unknown'
end

return mod
