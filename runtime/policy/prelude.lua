-- Runs in every new Lua context before anything else: files and modules are found through the host's paths, the time of
-- day is the host's, and so are variables that it has of its own. `host` has resolve, readable, embedded, read
-- (documented path in), now, getenv, metatable and overran.
local host = ...

local error, load, select, tostring, type = error, load, select, tostring, type
local find, gmatch, gsub, sub = string.find, string.gmatch, string.gsub, string.sub
local format, concat = string.format, table.concat
local io_open, io_lines, io_tmpfile, io_input, io_output = io.open, io.lines, io.tmpfile, io.input, io.output
local os_date, os_getenv, os_remove = os.date, os.getenv, os.remove
local os_rename, os_time = os.rename, os.time
local std_dofile, std_loadfile = dofile, loadfile
local std_getmetatable, std_xpcall = getmetatable, xpcall
local traceback = debug.traceback
local package = package
local loaded = package.loaded

-- What travels with the program, as the last place to look.
local SHARE = '/opt/kumomta/share/?.lua;/opt/kumomta/share/?/init.lua;/opt/kumomta/share/lua/?.lua'

-- Helpers look into the metatable of a value for `__pairs` and the like; that of a userdata of the host is shown as a copy.
function getmetatable(value)
  local metatable = std_getmetatable(value)
  if metatable == false and type(value) == 'userdata' then
    return host.metatable(value) or metatable
  end
  return metatable
end

-- A message handler runs where the error is raised. When that is the limit on how long Lua runs, nothing watches there.
function xpcall(f, handler, ...)
  if handler == traceback or type(handler) ~= 'function' then
    return std_xpcall(f, handler, ...)
  end
  local function handle(message)
    if host.overran() then
      return message
    end
    return handler(message)
  end
  return std_xpcall(f, handle, ...)
end

local function is_path(value)
  return type(value) == 'string' or type(value) == 'number'
end

local function plain_gsub(text, from, to)
  return (gsub(text, gsub(from, '%W', '%%%0'), (gsub(to, '%%', '%%%%'))))
end

local function load_text(text, path, ...)
  if sub(text, 1, 3) == '\xEF\xBB\xBF' then
    text = sub(text, 4)
  end
  if sub(text, 1, 1) == '#' then
    text = gsub(text, '^[^\n]*', '', 1)
  end
  -- An environment that is nil is another thing than none.
  if select('#', ...) > 1 then
    local mode, env = ...
    return load(text, '@' .. path, mode, env)
  end
  return load(text, '@' .. path, (...))
end

function loadfile(path, ...)
  if not is_path(path) then
    return std_loadfile(path, ...)
  end
  local text, why = host.read(path)
  if not text then
    return nil, format('cannot open %s: %s', path, why)
  end
  return load_text(text, path, ...)
end
local loadfile = loadfile

function dofile(path)
  if not is_path(path) then
    return std_dofile(path)
  end
  local chunk, why = loadfile(path)
  if not chunk then
    error(why, 0)
  end
  return chunk()
end

function package.searchpath(name, path, sep, rep)
  sep = sep or '.'
  if sep ~= '' then
    name = plain_gsub(name, sep, rep or '/')
  end
  local tried = {}
  for template in gmatch(path, '[^;]+') do
    local file = plain_gsub(template, '?', name)
    if host.readable(file) then
      return file
    end
    tried[#tried + 1] = format("no file '%s'", file)
  end
  return nil, concat(tried, '\n\t')
end
local searchpath = package.searchpath

local function loader(name, file, chunk, why)
  if not chunk then
    error(format("error loading module '%s' from file '%s':\n\t%s", name, file, why), 0)
  end
  return chunk, file
end

package.searchers[2] = function(name)
  if type(package.path) ~= 'string' then
    error("'package.path' must be a string", 0)
  end
  local file, tried = searchpath(name, package.path)
  if not file then
    return tried
  end
  return loader(name, file, loadfile(file))
end

-- Modules in C cannot be loaded, so the last searcher is the one of the share folder.
package.searchers[3] = function(name)
  local path = plain_gsub(name, '.', '/')
  for template in gmatch(SHARE, '[^;]+') do
    local file = plain_gsub(template, '?', path)
    local text = host.read(file)
    if text then
      return loader(name, file, load_text(text, file))
    end
  end
  return format("no '%s' in the share folder that travels with this program", name)
end

-- As the standard one, but a module may wait while it loads.
function require(name)
  if not is_path(name) then
    error(format("bad argument #1 to 'require' (string expected, got %s)", type(name)), 2)
  end
  name = tostring(name)
  if loaded[name] then
    return loaded[name]
  end
  local tried = {}
  local searchers = package.searchers
  if type(searchers) ~= 'table' then
    error("'package.searchers' must be a table", 2)
  end
  for i = 1, #searchers do
    local found, data = searchers[i](name)
    if type(found) == 'function' then
      local value = found(name, data)
      if value ~= nil then
        loaded[name] = value
      elseif loaded[name] == nil then
        loaded[name] = true
      end
      return loaded[name], data
    elseif type(found) == 'string' then
      tried[#tried + 1] = '\n\t' .. gsub(found, '^%s+', '')
    end
  end
  error(format("module '%s' not found:%s", name, concat(tried)), 2)
end

local function says(message, real, path)
  if type(message) ~= 'string' then
    return message
  end
  return plain_gsub(message, real, tostring(path))
end

local function handle_of(text)
  local handle, why, code = io_tmpfile()
  if not handle then
    return nil, why, code
  end
  handle:write(text)
  handle:seek 'set'
  return handle
end

local function reads_only(mode)
  return mode == nil or (type(mode) == 'string' and find(mode, '^rb?$') ~= nil)
end

function io.open(path, mode)
  if not is_path(path) then
    return io_open(path, mode)
  end
  local real = host.resolve(path)
  local handle, why, code = io_open(real, mode)
  if handle then
    return handle
  end
  local text = reads_only(mode) and host.embedded(path)
  if text then
    return handle_of(text)
  end
  return nil, says(why, real, path), code
end
local open = io.open

function io.lines(path, ...)
  if not is_path(path) then
    return io_lines(path, ...)
  end
  local real = host.resolve(path)
  if host.readable(path) then
    return io_lines(real, ...)
  end
  local handle, why = open(path)
  if not handle then
    error(why, 2)
  end
  return handle:lines(...)
end

function io.input(path)
  return io_input(is_path(path) and host.resolve(path) or path)
end

function io.output(path)
  return io_output(is_path(path) and host.resolve(path) or path)
end

function os.remove(path)
  local real = host.resolve(path)
  local done, why, code = os_remove(real)
  return done, says(why, real, path), code
end

function os.rename(from, to)
  local real = host.resolve(from)
  local done, why, code = os_rename(real, host.resolve(to))
  return done, says(why, real, from), code
end

function os.getenv(name)
  return is_path(name) and host.getenv(name) or os_getenv(name)
end

function os.time(when)
  if when == nil then
    return host.now()
  end
  return os_time(when)
end

function os.date(how, when)
  if when == nil then
    when = host.now()
  end
  return os_date(how or '%c', when)
end
