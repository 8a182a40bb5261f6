-- Log records on their way to the daemons: which ones, and how they are sent.
--
-- Each URL has a log hook and a queue, both named `<url>.tsa.kumomta`. Whatever waits in the queue when a connection comes
-- to it is sent at once, one record a line; a record that waits alone goes alone, as every daemon takes it.
local kumo = require 'kumo'
local endpoint = require 'policy-extras.tsa_endpoint'
local utils = require 'policy-extras.policy_utils'

local mod = {}

-- How many records a connection takes out of the queue at a time.
local BATCH_SIZE = 512
-- The longest body. Daemons take 2 MiB.
local MAX_BODY_BYTES = 1024 * 1024
-- How long records are sent one by one, in seconds, before the rest has to wait: a host gives a batch a minute at most.
local MAX_SINGLY = 20
-- How long a connection waits, in seconds, before it sends again what a busy daemon did not take.
local MAX_PAUSE = 5
local SUFFIX = '.tsa.kumomta'

-- What a daemon says to a record that it will never take.
local REFUSALS = { [400] = true, [413] = true, [415] = true, [422] = true }
-- What a daemon says that does not know batches.
local NO_BATCHES = { [400] = true, [415] = true, [422] = true }

---@class tsa.Publisher
---@field options table as given to `shaping:setup_with_automation`
---@field urls table<string, string> by the name of hook and queue
---@field load fun(): any the shaping data in force
---@field skip table<string, boolean> types of records that are not sent
local Publisher = {}
Publisher.__index = Publisher

local SKIPPED = {
  'AdminRebind',
  'DeferredInjectionRebind',
  'Delayed',
  'Reception',
  'Rejection',
  'XferIn',
  'XferOut',
}

local function skipped_types(options)
  local skip = {}
  for _, list in ipairs {
    options.skip_log_record_types or SKIPPED,
    options.additional_skip_log_record_types or {},
  } do
    for _, kind in ipairs(list) do
      skip[kind] = true
    end
  end
  return skip
end

--- Registers what is needed to publish; `configure` starts it.
---@param options table
---@param load fun(): any
---@return tsa.Publisher
function mod.new(options, load)
  local self = setmetatable(
    { options = options, urls = {}, load = load, skip = skipped_types(options) },
    Publisher
  )
  for _, url in ipairs(options.publish or {}) do
    self.urls[url .. SUFFIX] = url
  end
  for name, url in pairs(self.urls) do
    kumo.on('make.' .. name, function()
      return mod.connect(url, options)
    end)
    kumo.on('shaping.' .. name, load)
  end
  kumo.on('should_enqueue_log_record', function(msg, hook)
    if self.urls[hook] then
      return self:enqueue(msg, hook)
    end
  end)
  -- A host that knows the queue from the hook asks its other handlers for the rest; here ours would be the first to answer.
  if not endpoint.host_takes_effects() then
    kumo.on('get_queue_config', function(domain)
      if self.urls[domain] then
        return kumo.make_queue_config(self:queue_config(domain))
      end
    end)
  end
  return self
end

--- Whether a queue is one of those for records.
---@param domain string
---@return boolean
function Publisher:owns(domain)
  return self.urls[domain] ~= nil
end

--- The options of the egress path of a queue for records. No shaping file has a say in it: a cap meant for mail would keep
--- what is known of mail away from the daemon.
---@return table
function Publisher.path_config()
  return {
    connection_limit = 8,
    max_ready = 65536,
    max_deliveries_per_connection = 100000,
    idle_timeout = '1 minute',
    refresh_strategy = 'Epoch',
  }
end

--- The options of the queue for records.
---@param name string
---@return table
function Publisher:queue_config(name)
  local lua = { constructor = 'make.' .. name }
  -- Without a result for each record, a batch is only right where sending a record again does no harm.
  if endpoint.host_takes_effects() or endpoint.kind(self.urls[name]) == 'state' then
    lua.batch_size = BATCH_SIZE
  end
  local config = { retry_interval = '1m', max_retry_interval = '20m' }
  utils.merge_into(self.options.tsa_queue_config, config)
  config.protocol = { custom_lua = lua }
  return config
end

--- Configures the log hooks; to be called in `init`.
function Publisher:configure()
  for name in pairs(self.urls) do
    local hook = { name = name, back_pressure = self.options.back_pressure, per_record = {} }
    for kind in pairs(self.skip) do
      hook.per_record[kind] = { enable = false }
    end
    if endpoint.host_takes_effects() then
      hook.queue = self:queue_config(name)
      if self.options.pre_filter ~= false then
        hook.shaping_event = 'shaping.' .. name
      end
    end
    kumo.configure_log_hook(hook)
  end
end

-- The domains of a record's recipients, each once. Rules are looked up by the first recipient of a record.
local function with_each_domain(record)
  if type(record.recipient) == 'string' or #record.recipient < 2 then
    return { record }
  end
  local records, seen = {}, {}
  for _, recipient in ipairs(record.recipient) do
    local domain = recipient:match '@([^@]*)$'
    if domain and not seen[domain] then
      seen[domain] = true
      records[#records + 1] =
        utils.merge_into({ recipient = recipient }, utils.merge_into(record, {}))
    end
  end
  return records
end

-- Whether any rule may act on a record. Where that cannot be told, the daemon decides.
local function may_match(shaping, record)
  for _, one in ipairs(with_each_domain(record)) do
    local ok, rules = pcall(shaping.match_rules, shaping, one)
    if not ok or #rules > 0 then
      return true
    end
  end
  return false
end

--- Puts a record into the queue of a hook, if it is to be sent.
---@param msg any
---@param hook string
---@return boolean
function Publisher:enqueue(msg, hook)
  if self:wants(msg) then
    msg:set_meta('queue', hook)
    return true
  end
  return false
end

---@param msg any
---@return boolean
function Publisher:wants(msg)
  -- Our host asks about nothing else: not about records of its own messages, nor types that are switched off, nor records
  -- that no rule may match.
  if endpoint.host_takes_effects() then
    return true
  end
  local record = msg:get_meta 'log_record'
  -- What happens to records on their way is no news of mail.
  if record == nil or self.skip[record.type] or record.reception_protocol == 'LogRecord' then
    return false
  end
  if self.options.pre_filter == false then
    return true
  end
  local loaded, shaping = pcall(self.load)
  return not loaded or may_match(shaping, record)
end

---@alias tsa.Fate string | { code: integer, message: string }

---@class tsa.Connection
---@field url string
---@field client any
---@field singly boolean whether the daemon has turned a batch away
---@field until_time integer until when records are sent one by one
local Connection = {}
Connection.__index = Connection

--- A connection that sends records to a daemon.
---@param url string
---@param options table
---@return tsa.Connection
function mod.connect(url, options)
  local client = kumo.http.build_client {
    user_agent = 'kumo-tsa',
    timeout = options.publish_timeout,
    pool_idle_timeout = options.publish_pool_idle_timeout,
    connection_verbose = options.publish_connection_verbose,
  }
  return setmetatable({ url = url, client = client, singly = false, until_time = 0 }, Connection)
end

function Connection:close()
  self.client:close()
end

-- One request: the status and what came with it, or 0 and why there was no answer. And for how long a daemon that is busy
-- asks not to be bothered.
function Connection:request(body, content_type)
  local request = self.client:post(endpoint.address(self.url, '/publish_log_v1'))
  request:header('Content-Type', content_type)
  local authorization = endpoint.authorization()
  if authorization then
    request:header('Authorization', authorization)
  end
  request:body(body)
  local ok, response, text = pcall(function()
    local answer = request:send()
    return answer, answer:text()
  end)
  if not ok then
    return 0, (tostring(response):gsub('\n.*', ''))
  end
  local _, after = pcall(function()
    return tonumber(response:headers()['retry-after'])
  end)
  return response:status_code(), text, type(after) == 'number' and after >= 0 and after or nil
end

function Connection:post(body, content_type)
  local status, text, after = self:request(body, content_type)
  if (status == 429 or status == 503) and after and after <= MAX_PAUSE then
    kumo.sleep(after)
    status, text = self:request(body, content_type)
  end
  return status, text
end

---@return tsa.Fate
function Connection:fate(status, text)
  if status >= 200 and status < 300 then
    return 'taken by ' .. self.url
  end
  if status == 0 then
    return { code = 451, message = '4.4.1 ' .. self.url .. ': ' .. text }
  end
  local message = self.url .. ' answers ' .. status .. ': ' .. text:gsub('%s+', ' '):sub(1, 500)
  if REFUSALS[status] then
    kumo.log_error('a log record is refused for good: ' .. message)
    return { code = 554, message = '5.6.0 ' .. message }
  end
  return { code = 451, message = '4.3.0 ' .. message }
end

local function is_deferred(fate)
  return type(fate) == 'table' and fate.code < 500
end

-- Records one after the other. Where one has to wait, so have those behind it.
function Connection:post_singly(bodies, first, last, fates)
  for index = first, last do
    local fate
    if os.time() <= self.until_time then
      fate = self:fate(self:post(bodies[index], 'application/json'))
    else
      fate = { code = 451, message = '4.3.2 ' .. self.url .. ' is too slow for so many records' }
    end
    fates[index] = fate
    if is_deferred(fate) then
      for behind = index + 1, last do
        fates[behind] = fate
      end
      return
    end
  end
end

-- What the daemon says of each record of a batch that it has taken.
function Connection:tally(text, first, last, fates)
  for index = first, last do
    fates[index] = self:fate(200)
  end
  local ok, answer = pcall(kumo.json_parse, text)
  if not ok or type(answer) ~= 'table' or type(answer.refused) ~= 'table' then
    return
  end
  for _, refused in ipairs(answer.refused) do
    local index = type(refused) == 'table' and math.tointeger(refused.index)
    if index and index >= 0 and first + index <= last then
      fates[first + index] = self:fate(422, tostring(refused.error))
    end
  end
end

function Connection:post_batch(bodies, first, last, fates)
  if self.singly or first == last then
    return self:post_singly(bodies, first, last, fates)
  end
  local status, text = self:post(table.concat(bodies, '\n', first, last), 'application/x-ndjson')
  if status >= 200 and status < 300 then
    return self:tally(text, first, last, fates)
  end
  if NO_BATCHES[status] then
    self.singly = true
    return self:post_singly(bodies, first, last, fates)
  end
  if status == 413 then
    local middle = (first + last) // 2
    self:post_batch(bodies, first, middle, fates)
    return self:post_batch(bodies, middle + 1, last, fates)
  end
  local fate = self:fate(status, text)
  for index = first, last do
    fates[index] = fate
  end
end

-- Sends all, in bodies of a sane length. Gives the fate of each.
---@return tsa.Fate[]
function Connection:post_all(messages)
  local bodies, fates = {}, {}
  self.until_time = os.time() + MAX_SINGLY
  for index, msg in ipairs(messages) do
    -- A record is a line: no other line may come of it, nor none at all.
    local body = msg:get_data():gsub('[\r\n]+', ' ')
    bodies[index] = body:find '%S' and body or '{}'
  end
  local first, bytes = 1, 0
  for index, body in ipairs(bodies) do
    if index > first and bytes + #body > MAX_BODY_BYTES then
      self:post_batch(bodies, first, index - 1, fates)
      first, bytes = index, 0
    end
    bytes = bytes + #body + 1
  end
  self:post_batch(bodies, first, #bodies, fates)
  return fates
end

---@param fate tsa.Fate
---@return string
local function settle(fate)
  if type(fate) == 'table' then
    kumo.reject(fate.code, fate.message)
  end
  return fate --[[@as string]]
end

--- Sends one record.
function Connection:send(msg)
  return settle(self:post_all({ msg })[1])
end

--- Sends many. On a host that can tell messages of a batch apart, what became of each; elsewhere a record that is refused
--- for good counts as sent, and one that has to wait keeps all of them.
---@return tsa.Fate[] | string
function Connection:send_batch(messages)
  local fates = self:post_all(messages)
  if endpoint.host_takes_effects() then
    return fates
  end
  local worst = fates[1]
  for _, fate in ipairs(fates) do
    if is_deferred(fate) then
      return settle(fate)
    end
    if type(fate) == 'string' then
      worst = fate
    end
  end
  return settle(worst)
end

return mod
