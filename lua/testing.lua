-- What a spec requires: tests in the words of busted, which `tsa test` runs.
--
--   local testing = require 'testing'
--   local describe, it, assert = testing.describe, testing.it, testing.assert
--
--   describe('the rate of a new address', function()
--     it('doubles every day', function()
--       assert.equal(200, rate_on_day(2))
--     end)
--   end)
--
-- Every test runs in a Lua context of its own: the spec is loaded anew, and only that test runs. What editors know of this
-- module stands in `meta/testing.lua`.
local native = ...

if type(native) ~= 'table' then
  error('`testing` is for specs: run them with `tsa test`', 0)
end

-- Taken now: a test may replace what it likes.
local debug, error, ipairs, pairs, pcall, select = debug, error, ipairs, pairs, pcall, select
local setmetatable, getmetatable, tostring, type = setmetatable, getmetatable, tostring, type
local xpcall, find = xpcall, string.find
local concat, sort, pack, unpack = table.concat, table.sort, table.pack, table.unpack

local testing = {}

-- Values as people read them -----------------------------------------------------------------------------------------

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

-- Numbers, then all else as text.
local function before(a, b)
  local numbers = (type(a) == 'number' and 1 or 0) + (type(b) == 'number' and 1 or 0)
  if numbers == 2 then
    return a < b
  end
  if numbers == 1 then
    return type(a) == 'number'
  end
  return tostring(a) < tostring(b)
end

local function write(value, indent, above)
  if type(value) == 'string' then
    return (string.format('%q', value):gsub('\\\n', '\\n'))
  end
  if not is_map(value) then
    return type(value) == 'userdata' and native.message(value) or tostring(value)
  end
  if above[value] then
    return '{ ... }'
  end
  above[value] = true
  local keys, lines, inner = {}, {}, indent .. '  '
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  sort(keys, before)
  for position, key in ipairs(keys) do
    local name = ''
    if type(key) == 'string' and key:match '^[%a_][%w_]*$' then
      name = key .. ' = '
    elseif key ~= position then
      name = '[' .. write(key, inner, above) .. '] = '
    end
    lines[position] = inner .. name .. write(value[key], inner, above) .. ',\n'
  end
  above[value] = nil
  return #lines == 0 and '{}' or '{\n' .. concat(lines) .. indent .. '}'
end

local function shown(value)
  return write(value, '', {})
end

local function same(a, b, within)
  if a == b then
    return true
  end
  if not is_map(a) or not is_map(b) then
    return false
  end
  -- What contains itself is taken as the same where both come back to where they are being compared.
  if within[a] == b then
    return true
  end
  within[a] = b
  for key, value in pairs(a) do
    if not same(value, b[key], within) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  within[a] = nil
  return true
end

local function indented(text)
  return '  ' .. text:gsub('\n', '\n  ')
end

-- Both on a line each, or as a difference of lines where one has several.
local function difference(expected, actual)
  local left, right = shown(expected), shown(actual)
  if left == right then
    return 'both are shown as\n' .. indented(left)
  end
  local texts = type(expected) == 'string' and type(actual) == 'string'
  if texts and find(expected, '\n', 1, true) and find(actual, '\n', 1, true) then
    left, right = expected, actual
  elseif not find(left, '\n', 1, true) and not find(right, '\n', 1, true) then
    return '  expected: ' .. left .. '\n    actual: ' .. right
  end
  return '- expected\n+ actual\n' .. native.difference(left, right)
end

-- Assertions ---------------------------------------------------------------------------------------------------------

-- What an assertion raises, and what `pending` does within a test.
local Failure = {
  __name = 'failed assertion',
  __tostring = function(failure)
    return failure.message
  end,
}
local Pending = {
  __name = 'pending',
  __tostring = function(pending)
    return 'pending: ' .. pending.reason
  end,
}

local function fail(message)
  error(setmetatable({ message = message }, Failure), 0)
end

---@class testing.Check
---@field arity integer how many arguments it takes, before a message of the test's own
---@field holds fun(...): boolean, any what it is about, and what it found, for `says`
---@field says fun(negated: boolean, found: any, ...): string

---@type table<string, testing.Check>
local checks = {}

local function define(names, arity, holds, says)
  for name in names:gmatch '%S+' do
    checks[name] = { arity = arity, holds = holds, says = says }
  end
end

define('equal equals', 2, function(expected, actual)
  return expected == actual
end, function(negated, _, expected, actual)
  if negated then
    return 'expected another value than\n' .. indented(shown(expected))
  end
  if is_map(expected) and is_map(actual) then
    local hint = same(expected, actual, {}) and ', which `assert.same` compares' or ''
    return 'expected the same object, not one with the same content'
      .. hint
      .. '\n'
      .. difference(expected, actual)
  end
  return 'expected an equal value\n' .. difference(expected, actual)
end)

define('same', 2, function(expected, actual)
  return same(expected, actual, {})
end, function(negated, _, expected, actual)
  if negated then
    return 'expected something else than\n' .. indented(shown(expected))
  end
  return 'expected the same content\n' .. difference(expected, actual)
end)

local function define_value(names, what, holds)
  define(names, 1, holds, function(negated, _, actual)
    return 'expected '
      .. (negated and 'anything but ' or '')
      .. what
      .. '\n    actual: '
      .. shown(actual)
  end)
end

define_value('true', 'true', function(value)
  return value == true
end)
define_value('false', 'false', function(value)
  return value == false
end)
define_value('nil', 'nil', function(value)
  return value == nil
end)
define_value('truthy', 'a value that is true', function(value)
  return value and true or false
end)
define_value('falsy', 'false or nil', function(value)
  return not value
end)
for _, kind in ipairs { 'boolean', 'number', 'string', 'table', 'function', 'userdata', 'thread' } do
  define_value(kind, 'a ' .. kind, function(value)
    return type(value) == kind
  end)
end

define('near', 3, function(expected, actual, tolerance)
  local number = type(actual) == 'number'
  return number and actual >= expected - tolerance and actual <= expected + tolerance
end, function(negated, _, expected, actual, tolerance)
  local how = negated and 'further than ' or 'no further than '
  local from = tostring(tolerance) .. ' from ' .. shown(expected)
  return 'expected a number ' .. how .. from .. '\n    actual: ' .. shown(actual)
end)

-- What follows the pattern may be a message instead of where to begin.
local function found_in(text, pattern, init, plain)
  return find(text, pattern, type(init) == 'number' and init or 1, plain == true) ~= nil
end

define('matches match', 2, function(pattern, text, init, plain)
  if type(text) ~= 'string' and type(text) ~= 'number' then
    return false
  end
  return found_in(tostring(text), pattern, init, plain)
end, function(negated, _, pattern, text)
  local what = negated and 'a text without a match of ' or 'a match of '
  return 'expected ' .. what .. shown(pattern) .. '\n    actual: ' .. shown(text)
end)

define('unique', 1, function(list)
  local seen = {}
  for _, value in pairs(list) do
    for _, other in ipairs(seen) do
      if same(value, other, {}) then
        return false, value
      end
    end
    seen[#seen + 1] = value
  end
  return true
end, function(negated, twice, list)
  if negated then
    return 'expected a value that is there twice in\n' .. indented(shown(list))
  end
  return 'expected each value once; this is there twice\n' .. indented(shown(twice))
end)

-- Without the place that `error` puts before a text.
local function without_place(message)
  return type(message) == 'string' and message:gsub('^[^\n]-:%d+: ', '', 1) or message
end

local function raised_by(fn)
  if type(fn) ~= 'function' and not (getmetatable(fn) or {}).__call then
    error('bad argument #1: expected a function, got ' .. type(fn), 0)
  end
  local ok, raised = pcall(fn)
  if not ok and type(raised) == 'userdata' then
    raised = native.message(raised)
  elseif not ok and getmetatable(raised) == Failure then
    raised = raised.message
  end
  return not ok, raised
end

define('error errors', 2, function(fn, expected)
  local did, raised = raised_by(fn)
  if not did or expected == nil then
    return did, { did = did, raised = raised }
  end
  local met = same(expected, raised, {}) or same(expected, without_place(raised), {})
  return met, { did = did, raised = raised }
end, function(negated, found, _, expected)
  if negated then
    return 'expected no error\n    raised: ' .. shown(found.raised)
  end
  if not found.did then
    return 'expected an error'
      .. (expected ~= nil and ': ' .. shown(expected) or '')
      .. '\n    nothing was raised'
  end
  return 'expected another error\n' .. difference(expected, found.raised)
end)

define('error_matches error_match errors_match', 2, function(fn, pattern, init, plain)
  local did, raised = raised_by(fn)
  local text = tostring(raised)
  return did and found_in(text, pattern, init, plain), { did = did, raised = text }
end, function(negated, found, _, pattern)
  local what = negated and 'no error' or 'an error'
  local got = found.did and 'raised: ' .. shown(found.raised) or 'nothing was raised'
  return 'expected ' .. what .. ' with a match of ' .. shown(pattern) .. '\n    ' .. got
end)

-- Words that make an assertion read well and mean nothing.
local FILLERS =
  { is = true, are = true, was = true, were = true, has = true, have = true, does = true }

local chain

local function run_check(check, negated, ...)
  local holds, found = check.holds(...)
  if holds ~= negated then
    if type(found) == 'table' and found.did then
      return found.raised
    end
    return ...
  end
  local own = select('#', ...) > check.arity and select(check.arity + 1, ...) or nil
  local text = check.says(negated, found, ...)
  fail(type(own) == 'string' and own .. '\n' .. text or text)
end

-- What `assert.is_not_nil`, or `assert.is_not.equal` word by word, stands for.
local function named(key, negated)
  local words = {}
  for word in tostring(key):gmatch '[^_]+' do
    word = word:lower()
    if word == 'not' or word == 'no' then
      negated = not negated
    elseif not FILLERS[word] then
      words[#words + 1] = word
    end
  end
  if #words == 0 then
    return chain(negated)
  end
  local check = checks[concat(words, '_')]
  if not check then
    local names = {}
    for name in pairs(checks) do
      names[#names + 1] = name
    end
    sort(names)
    error('no assertion `' .. tostring(key) .. '`; there are ' .. concat(names, ', '), 3)
  end
  return function(...)
    return run_check(check, negated, ...)
  end
end

function chain(negated)
  return setmetatable({}, {
    __index = function(_, key)
      return named(key, negated)
    end,
  })
end

-- Assertions as `luassert` names them: `assert(value)`, `assert.equal(expected, actual)`, `assert.is_not_nil(value)`,
-- `assert.are.same(..)`. A text after the arguments is shown when it fails.
testing.assert = setmetatable({}, {
  __index = function(_, key)
    return named(key, false)
  end,
  __call = function(_, ...)
    local value, message = ...
    if value then
      return ...
    end
    if select('#', ...) == 0 then
      error("bad argument #1 to 'assert' (value expected)", 2)
    end
    if message ~= nil and type(message) ~= 'string' then
      error(message, 0)
    end
    fail(message or 'expected a value that is true\n    actual: ' .. shown(value))
  end,
})

--- Fails the test.
---@param message? string
function testing.fail(message)
  fail(message or 'failed')
end

-- Tests and blocks of tests ------------------------------------------------------------------------------------------

local root = { name = '', before = {}, after = {} }
local block = root
local tests = {}
-- The test that runs, and what it wants done at its end.
local running, finalizers

-- Where the function was called that called this one.
local function caller()
  local info = debug.getinfo(3, 'Sl')
  if not info or not info.source then
    return '?', 0
  end
  return info.source:gsub('^@', '', 1), info.currentline
end

local function while_loading(what)
  if running then
    error('`' .. what .. '` within a test: tests are declared before one runs', 3)
  end
end

local function expect(what, position, value, kind)
  if type(value) ~= kind then
    error(
      ('bad argument #%d to `%s`: expected a %s, got %s'):format(position, what, kind, type(value)),
      3
    )
  end
end

--- A block of tests.
---@param name string
---@param body fun()
function testing.describe(name, body)
  while_loading 'describe'
  expect('describe', 1, name, 'string')
  expect('describe', 2, body, 'function')
  local outer = block
  block = { name = name, outer = outer, before = {}, after = {} }
  body()
  block = outer
end
testing.context = testing.describe

local function declare(name, body, pending, file, line)
  tests[#tests + 1] =
    { name = name, block = block, body = body, pending = pending, file = file, line = line }
end

--- A test. One without a body is pending.
---@param name string
---@param body? fun()
function testing.it(name, body)
  while_loading 'it'
  expect('it', 1, name, 'string')
  if body ~= nil then
    expect('it', 2, body, 'function')
  end
  local file, line = caller()
  declare(name, body, body == nil and 'not written yet' or nil, file, line)
end
testing.test = testing.it
testing.spec = testing.it

--- A test that is not run yet; within a test: ends it, as one that cannot be run yet.
---@param name string or why
---@param body? fun() is not called
function testing.pending(name, body)
  if running then
    error(setmetatable({ reason = tostring(name or 'pending') }, Pending), 0)
  end
  expect('pending', 1, name, 'string')
  local file, line = caller()
  declare(name, body, '', file, line)
end

--- Runs before each test of this block and of those within it; what outer blocks say runs first.
---@param body fun()
function testing.before_each(body)
  while_loading 'before_each'
  expect('before_each', 1, body, 'function')
  block.before[#block.before + 1] = body
end

--- Runs after each test of this block and of those within it, whether it passed or not; what inner blocks say runs first.
---@param body fun()
function testing.after_each(body)
  while_loading 'after_each'
  expect('after_each', 1, body, 'function')
  block.after[#block.after + 1] = body
end

-- As every test runs in a context of its own, what is said once for a block is said for each of its tests.
testing.setup = testing.before_each
testing.teardown = testing.after_each

--- Within a test: runs at its end, whether it passes or not.
---@param body fun()
function testing.finally(body)
  if not running then
    error('`finally` is for use within a test', 2)
  end
  expect('finally', 1, body, 'function')
  finalizers[#finalizers + 1] = body
end

-- What the runner does -----------------------------------------------------------------------------------------------

local function full_name(test)
  local name, outer = test.name, test.block
  while outer.outer do
    name, outer = outer.name .. ' ' .. name, outer.outer
  end
  return name
end

-- The innermost line of the spec on the stack: what a person looks at first.
local function place_in(file)
  local level = 2
  while true do
    local info = debug.getinfo(level, 'Sl')
    if not info then
      return nil
    end
    if info.source == '@' .. file and (info.currentline or 0) > 0 then
      return info.currentline
    end
    level = level + 1
  end
end

-- Runs a function of a test; tells how it ended, nil when it went well.
local function attempt(test, body)
  local ok, trouble = xpcall(body, function(raised)
    return { raised = raised, line = place_in(test.file), traceback = debug.traceback(nil, 2) }
  end)
  if ok then
    return nil
  end
  if type(trouble) ~= 'table' or trouble.traceback == nil then
    -- The limit on how long Lua runs: nothing more runs here.
    error(trouble, 0)
  end
  local raised = trouble.raised
  local metatable = type(raised) == 'table' and getmetatable(raised)
  if metatable == Pending then
    return { status = 'pending', message = raised.reason, line = trouble.line }
  end
  local message = raised
  if type(raised) ~= 'userdata' then
    message = type(raised) == 'string' and raised
      or type(metatable) == 'table' and metatable.__tostring and tostring(raised)
      or shown(raised)
  end
  local status = metatable == Failure and 'failed' or 'error'
  return { status = status, message = message, line = trouble.line, traceback = trouble.traceback }
end

local runner = {}

--- The tests of the spec, in the order in which they were declared.
function runner.plan()
  local plan = {}
  for index, test in ipairs(tests) do
    plan[index] =
      { name = full_name(test), file = test.file, line = test.line, pending = test.pending }
  end
  return plan
end

--- Runs one of them; nil when it is not there.
function runner.run(index)
  local test = tests[index]
  if not test then
    return nil
  end
  if test.pending then
    return { status = 'pending', message = test.pending }
  end
  running, finalizers = test, {}
  local blocks, outcome = {}, nil
  local inner = test.block
  while inner do
    blocks[#blocks + 1] = inner
    inner = inner.outer
  end
  local function go(body)
    local trouble = attempt(test, body)
    if not outcome or (trouble and outcome.status == 'pending') then
      outcome = trouble
    end
    return not trouble
  end
  local function prepared()
    for position = #blocks, 1, -1 do
      for _, body in ipairs(blocks[position].before) do
        if not go(body) then
          return false
        end
      end
    end
    return true
  end
  if prepared() then
    go(test.body)
  end
  for position = #finalizers, 1, -1 do
    go(finalizers[position])
  end
  for _, each in ipairs(blocks) do
    for _, body in ipairs(each.after) do
      go(body)
    end
  end
  return outcome or { status = 'passed' }
end

-- It would end all tests, those that have not run as well.
os.exit = function()
  error('os.exit ends the program that runs the tests; a test ends when it returns', 2)
end

-- What a spec prints belongs to its test.
function print(...)
  local parts = pack(...)
  for position = 1, parts.n do
    parts[position] = tostring(parts[position])
  end
  native.print(concat({ unpack(parts, 1, parts.n) }, '\t'))
end

-- Daemons, mail hosts, providers and time under control.
if package.preload['testing.world'] then
  for name, value in pairs(require 'testing.world') do
    testing[name] = value
  end
end

return testing, runner
