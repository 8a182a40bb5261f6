-- Traffic shaping, and its automation.
--
--   local shaping = require 'policy-extras.shaping'
--   local shaper = shaping:setup_with_automation {
--     publish = { 'http://127.0.0.1:8008' },
--     subscribe = { 'http://127.0.0.1:8008' },
--     extra_files = { '/opt/kumomta/etc/policy/shaping.toml' },
--   }
--   kumo.on('init', function()
--     shaper.setup_publish()
--   end)
--   kumo.on('get_egress_path_config', shaper.get_egress_path_config)
--
-- It runs on this project's mail host and on an existing kumod, and takes what each of them has.
local kumo = require 'kumo'
local endpoint = require 'policy-extras.tsa_endpoint'
local publish = require 'policy-extras.tsa_publish'
local subscribe = require 'policy-extras.tsa_subscribe'
local utils = require 'policy-extras.policy_utils'

local mod = {}

local DEFAULT_FILE = '/opt/kumomta/share/policy-extras/shaping.toml'
local OVERLAY = '/get_config_v1/shaping.toml'
-- How often the shaping data is looked at for changes, in seconds.
local MONITOR_SECONDS = 30

---@class shaping.Options
---@field publish? string[] daemons that log records go to; none unless said
---@field subscribe? string[] daemons whose decisions hold here; none unless said
---@field authorization? tsa.Authorization for everything that is asked of the daemons
---@field extra_files? string[] shaping files, paths or URLs, after the default one
---@field no_default_files? boolean leaves out the shaping file that comes with the program
---@field pre_filter? boolean sends only records that a rule may act on; true unless said
---@field skip_log_record_types? string[] types of records that are not sent, in the place of the usual ones
---@field additional_skip_log_record_types? string[] more types of records that are not sent
---@field cache_ttl? string how long loaded files are used; 1 minute unless said
---@field retry_shaping_data_fetch_on_populate_timeout? boolean see `retry_on_populate_timeout` of `kumo.memoize`
---@field shaping_data_populate_timeout? string see `populate_timeout` of `kumo.memoize`
---@field allow_stale_shaping_data? boolean see `allow_stale_reads` of `kumo.memoize`
---@field tsa_queue_config? table options of the queues that records wait in
---@field back_pressure? integer records on the way to the queue before logging waits
---@field load_validation_options? table second argument of `kumo.shaping.load`
---@field validation_options? table the same while the configuration is validated
---@field publish_timeout? string for one request; 1 minute unless said
---@field publish_pool_idle_timeout? string how long unused connections are kept; 90 seconds unless said
---@field publish_connection_verbose? boolean logs what goes over the connections

-- What each option is, for `check_options`.
local OPTIONS = {
  publish = 'list',
  subscribe = 'list',
  authorization = 'any',
  extra_files = 'list',
  no_default_files = 'boolean',
  pre_filter = 'boolean',
  skip_log_record_types = 'list',
  additional_skip_log_record_types = 'list',
  cache_ttl = 'duration',
  retry_shaping_data_fetch_on_populate_timeout = 'boolean',
  shaping_data_populate_timeout = 'duration',
  allow_stale_shaping_data = 'boolean',
  tsa_queue_config = 'table',
  back_pressure = 'integer',
  load_validation_options = 'table',
  validation_options = 'table',
  publish_timeout = 'duration',
  publish_pool_idle_timeout = 'duration',
  publish_connection_verbose = 'boolean',
}

local VALIDATION_OPTIONS = {
  provider_overlap = 'Warn',
  dns_fail = 'Warn',
  null_mx = 'Warn',
  aliased_site = 'Warn',
  remote_load = 'Error',
  local_load = 'Error',
}

-- What was set up in this Lua context.
---@type { files: string[], options: shaping.Options, load: (fun(): any), publisher: tsa.Publisher? }?
local configured

local function is_list_of_text(value)
  if type(value) ~= 'table' then
    return false
  end
  for key, entry in pairs(value) do
    if math.type(key) ~= 'integer' or type(entry) ~= 'string' then
      return false
    end
  end
  return true
end

local IS = {
  any = function()
    return true
  end,
  list = is_list_of_text,
  duration = function(value)
    return type(value) == 'string' or type(value) == 'number'
  end,
  integer = function(value)
    return math.type(value) == 'integer'
  end,
  boolean = function(value)
    return type(value) == 'boolean'
  end,
  table = function(value)
    return type(value) == 'table'
  end,
}

local ARTICLE = { list = 'a list of text', integer = 'an integer' }

local function check_option(name, value)
  local kind = OPTIONS[name]
  if kind == nil then
    local known = utils.table_keys(OPTIONS)
    table.sort(known)
    error(
      'unknown option `'
        .. tostring(name)
        .. '`, expected one of `'
        .. table.concat(known, '`, `')
        .. '`',
      0
    )
  end
  if not IS[kind](value) then
    local expected = ARTICLE[kind] or 'a ' .. kind
    error('option `' .. name .. '`: expected ' .. expected .. ', got ' .. utils.dumps(value), 0)
  end
end

local function check_url(name, url)
  if not url:find '^https?://[^/]' then
    error(
      'option `'
        .. name
        .. '`: `'
        .. url
        .. '` is no URL of a daemon, such as `http://127.0.0.1:8008`',
      0
    )
  end
  if url:find('@', 1, true) then
    error('option `' .. name .. '`: user and password go to the option `authorization`', 0)
  end
end

local function once_each(list)
  local once, seen = {}, {}
  for _, value in ipairs(list) do
    if not seen[value] then
      seen[value] = true
      once[#once + 1] = value
    end
  end
  return once
end

local function check_options(options)
  if type(options) ~= 'table' then
    error('expected a table of options, got ' .. type(options), 0)
  end
  for name, value in pairs(options) do
    check_option(name, value)
  end
  for _, name in ipairs { 'publish', 'subscribe' } do
    for _, url in ipairs(options[name] or {}) do
      check_url(name, url)
    end
  end
  if options.tsa_queue_config and options.tsa_queue_config.protocol ~= nil then
    error(
      'option `tsa_queue_config`: `protocol` is not yours to set, it is how records are sent',
      0
    )
  end
  endpoint.authorize(options.authorization)
end

-- Raises as if the caller had.
local function checked(name, check, ...)
  local ok, err = pcall(check, ...)
  if not ok then
    error('shaping:' .. name .. ': ' .. tostring(err), 3)
  end
end

local function base_files(options)
  local files = {}
  if not options.no_default_files then
    files[1] = DEFAULT_FILE
  end
  table.move(options.extra_files or {}, 1, #(options.extra_files or {}), #files + 1, files)
  return files
end

-- A loader of URLs sends no headers, so what is behind an `authorization` goes through a file.
local function with_fetched(url, load)
  local ok, status, text = pcall(endpoint.get, url, '5 seconds')
  if not ok or status ~= 200 then
    kumo.log_error('overrides of ' .. url .. ': ' .. tostring(ok and text or status))
    return load(nil)
  end
  local path = os.tmpname()
  local file = assert(io.open(path, 'w'))
  file:write(text)
  file:close()
  local loaded, data = pcall(load, path)
  os.remove(path)
  if not loaded then
    error(data, 0)
  end
  return data
end

-- The overrides of each daemon that does not push them, after the files.
local function load_with_overlays(files, urls, load_options, index)
  local url = urls[index or 1]
  if url == nil then
    return kumo.shaping.load(files, load_options)
  end
  local function with(path)
    local more = table.move(files, 1, #files, 1, {})
    more[#more + 1] = path
    return load_with_overlays(more, urls, load_options, (index or 1) + 1)
  end
  if endpoint.host_takes_effects() and endpoint.kind(url) == 'state' then
    return with(nil)
  end
  local overlay = endpoint.address(url, OVERLAY)
  if endpoint.authorization() then
    return with_fetched(overlay, with)
  end
  return with(overlay)
end

local function set_up(name, options)
  if configured ~= nil then
    error('shaping:' .. name .. ': the shaping module has already been configured', 3)
  end
  local files, urls = base_files(options), options.subscribe or {}
  local cached = kumo.memoize(function()
    return load_with_overlays(files, urls, options.load_validation_options)
  end, {
    name = 'shaping_data',
    ttl = options.cache_ttl or '1 minute',
    capacity = 10,
    invalidate_with_epoch = true,
    retry_on_populate_timeout = options.retry_shaping_data_fetch_on_populate_timeout,
    populate_timeout = options.shaping_data_populate_timeout,
    allow_stale_reads = options.allow_stale_shaping_data,
  })
  local function load()
    return cached()
  end
  configured = { files = files, options = options, load = load }
  return configured
end

-- The options of an egress path. A queue for records has its own.
local function get_egress_path_config(domain, egress_source, site_name)
  ---@cast configured -?
  if configured.publisher and configured.publisher:owns(domain) then
    return kumo.make_egress_path(configured.publisher.path_config())
  end
  local params = configured.load():get_egress_path_config(domain, egress_source, site_name)
  if params.refresh_strategy == nil then
    params.refresh_strategy = 'Epoch'
  end
  return kumo.make_egress_path(params)
end

--- Shaping out of files.
---@param extra_files? string[] after the file that comes with the program
---@return fun(domain: string, egress_source: string, site_name: string): any # the handler of `get_egress_path_config`
function mod:setup(extra_files)
  checked('setup', check_options, { extra_files = extra_files })
  set_up('setup', { extra_files = extra_files })
  return get_egress_path_config
end

---@class shaping.Shaper
---@field _file_names string[]
---@field _options shaping.Options
---@field load_shaping_data fun(): any the data in force, as `kumo.shaping.load` gives it
---@field get_egress_path_config fun(domain: string, egress_source: string, site_name: string): any a handler
---@field setup_publish fun() to be called in `init`

--- Shaping out of files, and automation: log records go to the daemons, and what they decide holds here.
---@param options shaping.Options
---@return shaping.Shaper
function mod:setup_with_automation(options)
  checked('setup_with_automation', check_options, options)
  options = utils.merge_into(options, {
    cache_ttl = '1 minute',
    pre_filter = true,
    publish_timeout = '1 minute',
    publish_pool_idle_timeout = '90 seconds',
  })
  local state = set_up('setup_with_automation', options)
  state.publisher = publish.new(options, state.load)
  local file_names = table.move(state.files, 1, #state.files, 1, {})
  for _, url in ipairs(options.subscribe or {}) do
    file_names[#file_names + 1] = endpoint.address(url, OVERLAY)
  end

  local function setup_publish()
    state.publisher:configure()
    for _, url in ipairs(once_each(options.subscribe or {})) do
      kumo.spawn_task { event_name = 'kumo.tsa.suspension.subscriber', args = { url } }
    end
    kumo.spawn_task { event_name = 'kumo.tsa.config.monitor', args = {} }
  end

  return {
    _file_names = file_names,
    _options = options,
    load_shaping_data = state.load,
    get_egress_path_config = get_egress_path_config,
    setup_publish = setup_publish,
  }
end

kumo.on('kumo.tsa.suspension.subscriber', function(args)
  subscribe.run(args[1])
end)

-- Configurations of egress paths are made anew when the epoch is bumped. What is pushed takes a quicker way.
kumo.on('kumo.tsa.config.monitor', function()
  local known
  while true do
    local ok, hash = pcall(function()
      ---@cast configured -?
      return configured.load():hash()
    end)
    if not ok then
      kumo.log_error('shaping data: ' .. tostring(hash))
    elseif hash ~= known then
      known = hash
      kumo.bump_config_epoch()
    end
    kumo.sleep(MONITOR_SECONDS)
  end
end)

-- Sources that shaping files speak of and no file of sources defines; only where the helper for sources is in use.
local function unknown_sources(data)
  local unknown = {}
  local sources = package.loaded['policy-extras.sources']
  if type(sources) ~= 'table' or type(sources.defines_source) ~= 'function' then
    return unknown
  end
  for source, places in pairs(data:get_referenced_sources()) do
    if sources:defines_source(source) == false then
      local list = table.move(places, 1, #places, 1, {})
      unknown[#unknown + 1] = 'source `'
        .. source
        .. '` is not defined, but '
        .. table.concat(list, ', ')
        .. ' names it'
    end
  end
  table.sort(unknown)
  return unknown
end

local function fail(why)
  local text = tostring(why):gsub('\nstack traceback:.*', '')
  print('shaping: ' .. text)
  kumo.validation_failed()
end

local function validate_automation(publisher)
  for name in pairs(publisher.urls) do
    local ok, err = pcall(kumo.make_queue_config, publisher:queue_config(name))
    if not ok then
      fail('option `tsa_queue_config`: ' .. tostring(err))
    end
  end
  if kumo.get_event_registrars and not kumo.get_event_registrars 'get_egress_path_config' then
    fail '`get_egress_path_config` has no handler, so no shaping file has any effect; register the one of the shaper'
  end
end

kumo.on('validate_config', function()
  if configured == nil then
    return
  end
  local options = configured.options.validation_options or VALIDATION_OPTIONS
  local ok, data = pcall(kumo.shaping.load, configured.files, options)
  if not ok then
    fail(data)
  else
    for _, text in ipairs(data:get_errors()) do
      fail(text)
    end
    for _, text in ipairs(data:get_warnings()) do
      print('shaping: warning: ' .. text)
    end
    for _, text in ipairs(unknown_sources(data)) do
      fail(text)
    end
  end
  if configured.publisher then
    validate_automation(configured.publisher)
  end
end)

return mod
