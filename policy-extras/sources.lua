-- Egress sources and pools out of data files.
--
--   local sources = require 'policy-extras.sources'
--   sources:setup { '/opt/kumomta/etc/policy/sources.toml' }
--
-- A file, TOML or JSON, or a table in its place:
--
--   [source."ip-1"]
--   source_address = "192.0.2.1"
--   ehlo_domain = "mta1.example.com"
--
--   [pool."marketing"]
--   [pool."marketing"."ip-1"]
--   weight = 2
--
-- What stands below a source are the options of `kumo.make_egress_source`. A table below a pool is a source in it, with its
-- `weight`, 1 unless said; anything else below a pool is an option of `kumo.make_egress_pool`. Later files add to earlier
-- ones and go before them.
local kumo = require 'kumo'
local utils = require 'policy-extras.policy_utils'

local mod = {}

---@class sources.Data
---@field source? table<string, table> options by name
---@field pool? table<string, table> members and options by name

---@alias sources.File string | sources.Data

-- What `setup` was given, in this Lua context.
---@type sources.File[]?
local configured

local SECTIONS = { source = true, pool = true }

local function name_of(file, index)
  return type(file) == 'string' and '`' .. file .. '`' or 'table ' .. index .. ' of `sources:setup`'
end

---@param files sources.File[]
---@return { source: table<string, table>, pool: table<string, table> }
local function load_files(files)
  local merged = { source = {}, pool = {} }
  for index, file in ipairs(files) do
    local data = type(file) == 'string' and utils.load_json_or_toml_file(file) or file
    ---@cast data table
    for section, entries in pairs(data) do
      local place = name_of(file, index)
      if not SECTIONS[section] then
        error(
          place .. ': unknown field `' .. tostring(section) .. '`, expected `source` or `pool`',
          0
        )
      end
      if type(entries) == 'string' or type(entries) == 'number' or type(entries) == 'boolean' then
        error(
          place .. ': `' .. section .. '` is no table, expected `[' .. section .. '."NAME"]`',
          0
        )
      end
      for name, entry in pairs(entries) do
        if type(entry) ~= 'table' and type(entry) ~= 'userdata' then
          error(place .. ': `' .. section .. '.' .. name .. '` is no table', 0)
        end
      end
    end
    utils.recursive_merge_into(data, merged)
  end
  return merged
end

local cached_load = kumo.memoize(load_files, {
  name = 'sources_data',
  ttl = '5 minutes',
  capacity = 10,
  invalidate_with_epoch = true,
})

-- The arguments of `kumo.make_egress_source`.
local function source_options(name, entry)
  return utils.recursive_merge_into(entry, { name = name })
end

-- The arguments of `kumo.make_egress_pool`. Members are in order of their names: the same file makes the same pool.
local function pool_options(name, entry)
  local options = { name = name, entries = {} }
  local keys = utils.table_keys(entry)
  table.sort(keys)
  for _, key in ipairs(keys) do
    local value = entry[key]
    if type(value) == 'table' or type(value) == 'userdata' then
      options.entries[#options.entries + 1] = utils.merge_into(value, { name = key })
    else
      options[key] = value
    end
  end
  return options
end

local function look_up(section, name)
  ---@cast configured -?
  local entry = cached_load(configured)[section][name]
  if entry == nil then
    error(
      'egress '
        .. section
        .. ' `'
        .. tostring(name)
        .. '` is in none of the files of `sources:setup`',
      0
    )
  end
  return entry
end

-- What the host says of a table of options, without what is said around it (the text between is what the host's
-- constructors of objects have in common).
local function complaint(err)
  local text = tostring(err):gsub('\n', ' ')
  return text:match 'deserialize error: (.*), while processing' or text
end

-- Each option is tried alone, so that all that is wrong is found.
local function check_options(what, options, make, needed, findings)
  local name = options.name
  for _, key in ipairs(utils.table_keys(options)) do
    if needed[key] == nil then
      local ok, err =
        pcall(make, utils.merge_into({ [key] = options[key] }, utils.merge_into(needed, {})))
      local why = not ok and complaint(err)
      if why and why:find('invalid', 1, true) then
        findings[#findings + 1] = what .. ' `' .. name .. '`: option `' .. key .. '`: ' .. why
      elseif why then
        findings[#findings + 1] = what
          .. ' `'
          .. name
          .. '`: `'
          .. key
          .. '` is no option of it: '
          .. why
      end
    end
  end
end

local function check_pool(data, name, entry, findings)
  local options = pool_options(name, entry)
  for _, member in ipairs(options.entries) do
    if data.source[member.name] == nil and member.name ~= 'unspecified' then
      findings[#findings + 1] = 'pool `'
        .. name
        .. '`: source `'
        .. member.name
        .. '` is not defined'
    end
    local ok, err = pcall(kumo.make_egress_pool, { name = name, entries = { member } })
    if not ok then
      findings[#findings + 1] = 'pool `'
        .. name
        .. '`: member `'
        .. member.name
        .. '`: '
        .. complaint(err)
    end
  end
  if #options.entries == 0 then
    findings[#findings + 1] = 'pool `' .. name .. '`: it has no sources'
  end
  local needed = { name = name, entries = { { name = 'unspecified' } } }
  check_options('pool', options, kumo.make_egress_pool, needed, findings)
end

--- All that is wrong in files of sources and pools, a sentence for each, in order.
---@param files sources.File[]
---@return string[]
function mod:check(files)
  local ok, data = pcall(load_files, files)
  if not ok then
    return { tostring(data) }
  end
  local findings = {}
  for name, entry in pairs(data.source) do
    check_options(
      'source',
      source_options(name, entry),
      kumo.make_egress_source,
      { name = name },
      findings
    )
  end
  for name, entry in pairs(data.pool) do
    check_pool(data, name, entry, findings)
  end
  table.sort(findings)
  return findings
end

--- Whether a source is defined; nil when `setup` was not called.
---@param name string
---@return boolean?
function mod:defines_source(name)
  if configured == nil then
    return nil
  end
  return name == 'unspecified' or cached_load(configured).source[name] ~= nil
end

---@param name string
function mod.get_egress_source(name)
  return kumo.make_egress_source(source_options(name, look_up('source', name)))
end

---@param name string
function mod.get_egress_pool(name)
  return kumo.make_egress_pool(pool_options(name, look_up('pool', name)))
end

--- Answers `get_egress_source` and `get_egress_pool` out of files, or tables in their place.
---@param files sources.File | sources.File[] read again every 5 minutes, and when the epoch is bumped
function mod:setup(files)
  if configured ~= nil then
    error('sources:setup has been called before; give it all files at once', 2)
  end
  ---@cast files any
  if type(files) == 'string' or (type(files) == 'table' and (files.source or files.pool)) then
    files = { files }
  end
  ---@cast files sources.File[]
  if type(files) ~= 'table' then
    error('sources:setup: expected a list of files, got ' .. type(files), 2)
  end
  for index, file in ipairs(files) do
    if type(file) ~= 'string' and type(file) ~= 'table' then
      error('sources:setup: entry ' .. index .. ' is neither a file name nor a table', 2)
    end
  end
  configured = files
  kumo.on('get_egress_source', mod.get_egress_source)
  kumo.on('get_egress_pool', mod.get_egress_pool)
  return mod
end

kumo.on('validate_config', function()
  if configured == nil then
    return
  end
  for _, finding in ipairs(mod:check(configured)) do
    print('sources: ' .. finding)
    kumo.validation_failed()
  end
end)

return mod
