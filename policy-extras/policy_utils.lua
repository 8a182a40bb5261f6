-- Small things that policies and the helpers beside this file share.
--
--   local utils = require 'policy-extras.policy_utils'
local kumo = require 'kumo'

local mod = {}

-- Whether `value` can be gone through with `pairs`: a table, or a userdata of the host that behaves like one.
local function is_map(value)
  if type(value) == 'table' then
    return true
  end
  if type(value) ~= 'userdata' then
    return false
  end
  local metatable = getmetatable(value)
  return type(metatable) == 'table' and metatable.__pairs ~= nil
end

local function has_eq(value)
  local metatable = getmetatable(value)
  return type(metatable) == 'table' and metatable.__eq ~= nil
end

--- Whether two values are the same all the way down. Tables, and userdata that behave like tables, are compared by what
--- is in them.
---@param o1 any
---@param o2 any
---@param ignore_mt? boolean compares what is in a table even where its metatable says what equal means
---@return boolean
function mod.equals(o1, o2, ignore_mt)
  if o1 == o2 then
    return true
  end
  if not is_map(o1) or not is_map(o2) then
    return false
  end
  if not ignore_mt and (has_eq(o1) or has_eq(o2)) then
    return false
  end
  for key, value in pairs(o1) do
    if not mod.equals(value, o2[key], ignore_mt) then
      return false
    end
  end
  for key in pairs(o2) do
    if o1[key] == nil then
      return false
    end
  end
  return true
end

-- Keys in an order that does not change from run to run: numbers, then all else as text.
local function sorted_keys(map)
  local keys = mod.table_keys(map)
  table.sort(keys, function(a, b)
    if type(a) == 'number' and type(b) == 'number' then
      return a < b
    end
    if type(a) == 'number' or type(b) == 'number' then
      return type(a) == 'number'
    end
    return tostring(a) < tostring(b)
  end)
  return keys
end

local function write(value, indent, above)
  if type(value) == 'string' then
    return string.format('%q', value)
  end
  if not is_map(value) then
    return tostring(value)
  end
  if above[value] then
    return '{ ... }'
  end
  above[value] = true
  local lines = {}
  local inner = indent .. '  '
  for _, key in ipairs(sorted_keys(value)) do
    local name = type(key) == 'string' and key:match '^[%a_][%w_]*$'
      or '[' .. write(key, inner, above) .. ']'
    lines[#lines + 1] = inner .. name .. ' = ' .. write(value[key], inner, above) .. ',\n'
  end
  above[value] = nil
  if #lines == 0 then
    return '{}'
  end
  return '{\n' .. table.concat(lines) .. indent .. '}'
end

--- A value as a person reads it, with the keys of tables in order.
---@param value any
---@return string
function mod.dumps(value)
  return write(value, '', {})
end

--- Raises unless both are equal in the sense of `equals`.
---@param actual any
---@param expected any
function mod.assert_eq(actual, expected)
  if not mod.equals(actual, expected) then
    error('expected ' .. mod.dumps(expected) .. '\nbut got ' .. mod.dumps(actual), 2)
  end
end

--- Raises if both are equal in the sense of `equals`.
---@param actual any
---@param unexpected any
function mod.assert_ne(actual, unexpected)
  if mod.equals(actual, unexpected) then
    error('expected something else than ' .. mod.dumps(unexpected), 2)
  end
end

--- Raises unless the text has a match of the regular expression.
---@param actual string
---@param regex string
function mod.assert_matches(actual, regex)
  if type(actual) ~= 'string' or not kumo.regex.compile(regex):is_match(actual) then
    error('expected a match of `' .. regex .. '` but got ' .. mod.dumps(actual), 2)
  end
end

--- Puts every field of `src` into `dest`, over what is there.
---@generic T: table
---@param src? table nothing happens when it is nil
---@param dest T
---@return T dest
function mod.merge_into(src, dest)
  if src ~= nil then
    for key, value in pairs(src) do
      dest[key] = value
    end
  end
  return dest
end

--- As `merge_into`, but a table that meets a table is merged into it. What comes from `src` is copied, so that a later
--- merge does not reach back into it.
---@generic T: table
---@param src? table nothing happens when it is nil
---@param dest T
---@return T dest
function mod.recursive_merge_into(src, dest)
  if src ~= nil then
    for key, value in pairs(src) do
      if is_map(value) then
        local below = dest[key]
        dest[key] = mod.recursive_merge_into(value, type(below) == 'table' and below or {})
      else
        dest[key] = value
      end
    end
  end
  return dest
end

--- Whether a value is among those of a table.
---@param map table
---@param wanted any
---@return boolean
function mod.table_contains(map, wanted)
  for _, value in pairs(map) do
    if value == wanted then
      return true
    end
  end
  return false
end

--- The keys of a table, in no particular order.
---@param map table
---@return any[]
function mod.table_keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  return keys
end

---@param map table
---@return boolean
function mod.table_is_empty(map)
  for _ in pairs(map) do
    return false
  end
  return true
end

---@param text string
---@param prefix string
---@return boolean
function mod.starts_with(text, prefix)
  return text:sub(1, #prefix) == prefix
end

---@param text string
---@param suffix string
---@return boolean
function mod.ends_with(text, suffix)
  return suffix == '' or text:sub(-#suffix) == suffix
end

--- Reads a data file; its name tells whether it is JSON or TOML.
---@param filename string
---@return table
function mod.load_json_or_toml_file(filename)
  if mod.ends_with(filename, '.json') then
    return kumo.json_load(filename)
  end
  if mod.ends_with(filename, '.toml') then
    return kumo.toml_load(filename)
  end
  error('`' .. tostring(filename) .. '` is neither a `.json` nor a `.toml` file', 2)
end

--- Takes an address and port apart: `127.0.0.1:25`, `[::1]:25`.
---@param ip_port string
---@return string? ip nil, and no port either, when the text is something else
---@return string? port
function mod.split_ip_port(ip_port)
  local ip, port = ip_port:match '^%[([^%]]+)%]:(%d+)$'
  if not ip then
    ip, port = ip_port:match '^([^:%[%]]+):(%d+)$'
  end
  return ip, port
end

--- Checks the functions above; raises when one of them does not do what it says.
function mod.test()
  mod.assert_eq({ 1, { a = 'b' } }, { 1, { a = 'b' } })
  mod.assert_ne({ 1, 2 }, { 1 })
  mod.assert_ne({ 1 }, { 1, 2 })
  mod.assert_ne({}, false)
  local apart = setmetatable({}, {
    __eq = function()
      return false
    end,
  })
  mod.assert_ne(apart, {})
  assert(mod.equals(apart, {}, true))
  mod.assert_matches('450 4.2.1 too fast', '^450')
  assert(not pcall(mod.assert_matches, '250 ok', '^450'))
  assert(not pcall(mod.assert_eq, 1, 2))
  assert(not pcall(mod.assert_ne, 1, 1))
  mod.assert_eq(mod.merge_into(nil, { a = 1 }), { a = 1 })
  mod.assert_eq(
    mod.merge_into({ a = { c = 1 } }, { a = { b = 1 }, d = 1 }),
    { a = { c = 1 }, d = 1 }
  )
  mod.assert_eq(
    mod.recursive_merge_into({ a = { c = 1 } }, { a = { b = 1 } }),
    { a = { b = 1, c = 1 } }
  )
  assert(mod.table_contains({ 'a', 'b' }, 'b') and not mod.table_contains({}, 'b'))
  mod.assert_eq(mod.table_keys { a = 1 }, { 'a' })
  assert(mod.table_is_empty {} and not mod.table_is_empty { false })
  assert(
    mod.starts_with('abc', 'ab') and mod.starts_with('abc', '') and not mod.starts_with('a', 'ab')
  )
  assert(mod.ends_with('abc', 'bc') and mod.ends_with('abc', '') and not mod.ends_with('c', 'bc'))
  mod.assert_eq({ mod.split_ip_port '127.0.0.1:25' }, { '127.0.0.1', '25' })
  mod.assert_eq({ mod.split_ip_port '[::1]:25' }, { '::1', '25' })
  assert(mod.split_ip_port 'localhost' == nil)
  mod.assert_eq(mod.dumps { b = { 1 }, a = 'x' }, '{\n  a = "x",\n  b = {\n    [1] = 1,\n  },\n}')
end

return mod
