local kumo = require 'kumo'
local testing = require 'testing'
local utils = require 'policy-extras.policy_utils'

local describe, it, assert = testing.describe, testing.it, testing.assert

-- What a memoized function returns is a userdata that behaves like a table.
local function of_the_host(value)
  local remembered = kumo.memoize(function()
    return value
  end, { name = 'spec', ttl = '1 minute', capacity = 1 })
  local shown = remembered()
  assert.is_userdata(shown)
  return shown
end

-- A file that is gone with the test.
local function file(name, text)
  local path = os.tmpname() .. name
  local handle = assert(io.open(path, 'w'))
  handle:write(text)
  handle:close()
  testing.finally(function()
    os.remove(path)
  end)
  return path
end

describe('equals', function()
  local apart = setmetatable({}, {
    __eq = function()
      return false
    end,
  })

  it('compares what is in tables, all the way down', function()
    assert.is_true(utils.equals({ 1, { a = 'b' } }, { 1, { a = 'b' } }))
    assert.is_false(utils.equals({ 1, { a = 'b' } }, { 1, { a = 'c' } }))
    assert.is_false(utils.equals({ 1, 2 }, { 1 }))
    assert.is_false(utils.equals({ 1 }, { 1, 2 }))
  end)

  it('tells values of different kinds apart', function()
    assert.is_false(utils.equals({}, false))
    assert.is_false(utils.equals(nil, {}))
    assert.is_false(utils.equals('1', 1))
  end)

  it('leaves it to the metatable, unless told not to', function()
    assert.is_false(utils.equals(apart, {}))
    assert.is_true(utils.equals(apart, {}, true))
  end)

  it('compares values of the host by what is in them', function()
    local value = of_the_host { a = { 1, 2 }, b = 'x' }
    assert.is_true(utils.equals(value, { a = { 1, 2 }, b = 'x' }))
    assert.is_true(utils.equals({ a = { 1, 2 }, b = 'x' }, value))
    assert.is_false(utils.equals(value, { a = { 1, 3 }, b = 'x' }))
  end)
end)

describe('dumps', function()
  it('shows keys in order', function()
    local text = utils.dumps { b = { 1 }, a = 'x', ['not a name'] = true }
    assert.equal('{\n  a = "x",\n  b = {\n    [1] = 1,\n  },\n  ["not a name"] = true,\n}', text)
  end)

  it('shows an empty table in one line', function()
    assert.equal('{}', utils.dumps {})
  end)

  it('stops where a table contains itself', function()
    local circle = {}
    circle.again = circle
    assert.equal('{\n  again = { ... },\n}', utils.dumps(circle))
  end)
end)

describe('assertions of policies', function()
  it('raise with both values', function()
    utils.assert_eq({ 1 }, { 1 })
    local raised = assert.error_matches(function()
      utils.assert_eq({ 1 }, { a = 'x' })
    end, 'expected {.*a = "x".*but got {.*%[1%] = 1')
    assert.matches('policy_utils_spec.lua:', raised)
  end)

  it('raise where values are equal and should not be', function()
    utils.assert_ne({ 1 }, { 2 })
    assert.error_matches(function()
      utils.assert_ne(1, 1)
    end, 'expected something else than 1')
  end)

  it('match regular expressions', function()
    utils.assert_matches('450 4.2.1 too fast', [[^4\d\d]])
    assert.error_matches(function()
      utils.assert_matches('250 ok', '^4')
    end, 'expected a match of `^4` but got "250 ok"', 1, true)
    assert.has_error(function()
      ---@diagnostic disable-next-line: param-type-mismatch
      utils.assert_matches(450, '^4')
    end)
  end)
end)

describe('merge_into', function()
  it('puts fields over those that are there', function()
    local into = { a = { b = 1 }, d = 1 }
    local merged = utils.merge_into({ a = { c = 1 } }, into)
    assert.equal(into, merged)
    assert.same({ a = { c = 1 }, d = 1 }, merged)
  end)

  it('leaves all as it is without a source', function()
    assert.same({ a = 1 }, utils.merge_into(nil, { a = 1 }))
  end)
end)

describe('recursive_merge_into', function()
  it('merges tables that meet', function()
    assert.same(
      { a = { b = 1, c = 1 } },
      utils.recursive_merge_into({ a = { c = 1 } }, { a = { b = 1 } })
    )
  end)

  it('copies, so that a later merge does not reach back', function()
    local source = { a = { b = 1 } }
    local merged = utils.recursive_merge_into(source, {})
    merged.a.b = 2
    assert.equal(1, source.a.b)
  end)

  it('replaces what is no table by a table', function()
    assert.same({ a = { 1 } }, utils.recursive_merge_into({ a = { 1 } }, { a = 'x' }))
  end)

  it('takes values of the host', function()
    local value = of_the_host { a = { 1, 2 } }
    assert.same({ a = { 1, 2, 3 } }, utils.recursive_merge_into(value, { a = { [3] = 3 } }))
  end)
end)

describe('tables', function()
  it('are looked through for a value', function()
    assert.is_true(utils.table_contains({ 'a', x = 'b' }, 'b'))
    assert.is_false(utils.table_contains({}, 'b'))
  end)

  it('have keys', function()
    local keys = utils.table_keys { a = 1, b = 2 }
    table.sort(keys)
    assert.same({ 'a', 'b' }, keys)
  end)

  it('are empty or not', function()
    assert.is_true(utils.table_is_empty {})
    assert.is_false(utils.table_is_empty { false })
  end)
end)

describe('texts', function()
  it('start with a prefix', function()
    assert.is_true(utils.starts_with('abc', 'ab'))
    assert.is_true(utils.starts_with('abc', ''))
    assert.is_false(utils.starts_with('a', 'ab'))
  end)

  it('end with a suffix', function()
    assert.is_true(utils.ends_with('abc', 'bc'))
    assert.is_true(utils.ends_with('abc', ''))
    assert.is_false(utils.ends_with('c', 'bc'))
  end)
end)

describe('load_json_or_toml_file', function()
  it('reads both by their names', function()
    assert.same({ a = { 1 } }, utils.load_json_or_toml_file(file('.json', '{"a": [1]}')))
    assert.same({ a = { 1 } }, utils.load_json_or_toml_file(file('.toml', 'a = [1]')))
  end)

  it('refuses other names', function()
    assert.has_error(function()
      utils.load_json_or_toml_file 'a.yaml'
    end, '`a.yaml` is neither a `.json` nor a `.toml` file')
  end)
end)

describe('split_ip_port', function()
  it('takes addresses apart', function()
    assert.same({ '127.0.0.1', '25' }, { utils.split_ip_port '127.0.0.1:25' })
    assert.same({ '::1', '25' }, { utils.split_ip_port '[::1]:25' })
  end)

  it('returns nothing for other texts', function()
    for _, text in ipairs { 'localhost', '::1', '127.0.0.1:', '[::1]', '' } do
      assert.is_nil(utils.split_ip_port(text), text)
    end
  end)
end)

it('policy_utils passes its own checks', function()
  utils.test()
end)
