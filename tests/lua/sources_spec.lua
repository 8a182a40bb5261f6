local testing = require 'testing'
local describe, it, assert = testing.describe, testing.it, testing.assert

local written = {}

-- A policy that has its sources in `files`, a list as Lua writes it.
local function policy_of(files)
  local file = os.tmpname()
  written[#written + 1] = file
  local out = assert(io.open(file, 'w'))
  out:write("require('policy-extras.sources'):setup " .. files)
  out:close()
  return testing.policy(file)
end

testing.after_each(function()
  for _, file in ipairs(written) do
    os.remove(file)
  end
end)

local BOTH = [[{
  source = {
    ['ip-1'] = { source_address = '192.0.2.1', ehlo_domain = 'mta1.sender.example' },
    ['ip-2'] = { source_address = '192.0.2.2' },
  },
  pool = { news = { ['ip-2'] = {}, ['ip-1'] = { weight = 3 }, ttl = '1 minute' } },
}]]

describe('sources', function()
  it('are made of what stands below their names', function()
    local source = policy_of(BOTH):call('get_egress_source', 'ip-1')
    assert.equal('ip-1', source.name)
    assert.equal('192.0.2.1', source.source_address)
    assert.equal('mta1.sender.example', source.ehlo_domain)
  end)

  it('that no file names are refused by name', function()
    local policy = policy_of(BOTH)
    assert.error_matches(function()
      policy:call('get_egress_source', 'ip-9')
    end, 'egress source `ip%-9` is in none of the files')
    assert.error_matches(function()
      policy:call('get_egress_pool', 'receipts')
    end, 'egress pool `receipts` is in none of the files')
  end)

  it('of a later file go before those of an earlier one', function()
    local policy = policy_of(
      '{ '
        .. BOTH
        .. ", { source = { ['ip-1'] = { ehlo_domain = 'other.example' }, ['ip-3'] = {} } } }"
    )
    local first = policy:call('get_egress_source', 'ip-1')
    assert.equal('other.example', first.ehlo_domain)
    assert.equal('192.0.2.1', first.source_address)
    assert.equal('ip-3', policy:call('get_egress_source', 'ip-3').name)
  end)
end)

describe('pools', function()
  it('have their members in order of name, with weight 1 unless said', function()
    local pool = policy_of(BOTH):call('get_egress_pool', 'news')
    assert.equal('news', pool.name)
    assert.equal(2, #pool.entries)
    assert.equal('ip-1', pool.entries[1].name)
    assert.equal(3, pool.entries[1].weight)
    assert.equal('ip-2', pool.entries[2].name)
    assert.equal(1, pool.entries[2].weight)
  end)
end)

describe('setup', function()
  it('says what it does not take', function()
    for files, expected in pairs {
      ['(7)'] = 'expected a list of files, got number',
      ['{ 7 }'] = 'entry 1 is neither a file name nor a table',
    } do
      assert.error_matches(function()
        policy_of(files)
      end, expected)
    end
  end)

  it('is called once', function()
    assert.error_matches(function()
      policy_of(BOTH .. "\nrequire('policy-extras.sources'):setup " .. BOTH)
    end, 'sources:setup has been called before')
  end)
end)

describe('check', function()
  local sources = require 'policy-extras.sources'

  it('finds nothing in what is sound', function()
    assert.same(
      {},
      sources:check { { source = { a = {} }, pool = { p = { a = { weight = 2 } } } } }
    )
  end)

  it('names each thing that is wrong', function()
    local findings = sources:check {
      {
        source = { a = { sorce_address = '192.0.2.1' }, b = { source_address = 'here' } },
        pool = { empty = {}, p = { nobody = {} } },
      },
    }
    local all = table.concat(findings, '\n')
    for _, expected in ipairs {
      'source `a`: `sorce_address` is no option of it',
      'source `b`: option `source_address`',
      'pool `empty`: it has no sources',
      'pool `p`: source `nobody` is not defined',
    } do
      assert.is_truthy(all:find(expected, 1, true), expected .. ' in ' .. all)
    end
    assert.equal(4, #findings)
  end)

  it('says where something is no table', function()
    for data, expected in pairs {
      [{ source = 'x' }] = '`source` is no table, expected `[source."NAME"]`',
      [{ pool = { p = 5 } }] = '`pool.p` is no table',
      ['/no/such.toml'] = '/no/such.toml',
    } do
      local findings = sources:check { data }
      assert.equal(1, #findings)
      assert.is_truthy(findings[1]:find(expected, 1, true), findings[1])
    end
  end)

  it('names the member of a pool whose weight is none', function()
    local findings =
      sources:check { { source = { a = {} }, pool = { p = { a = { weight = 'x' } } } } }
    assert.equal(1, #findings)
    assert.matches('^pool `p`: member `a`: ', findings[1])
  end)

  it('says which file has a section that there is none of', function()
    assert.same(
      { 'table 1 of `sources:setup`: unknown field `sources`, expected `source` or `pool`' },
      sources:check { { sources = {} } }
    )
  end)
end)

describe('for others', function()
  local sources = require 'policy-extras.sources'
  local data = { source = { a = {} }, pool = { p = { b = {} } } }

  it('a source is defined or not, once there are files', function()
    assert.is_nil(sources:defines_source 'a')
    sources:setup(data)
    assert.is_true(sources:defines_source 'a')
    assert.is_true(sources:defines_source 'unspecified')
    assert.is_false(sources:defines_source 'b')
  end)

  it('validation fails for each finding', function()
    local policy = policy_of [[{ source = { a = {} }, pool = { p = { b = {} } } }
      local kumo = require 'kumo'
      local found = {}
      print = function(line) found[#found + 1] = line end
      kumo.validation_failed = function() found[#found + 1] = 'failed' end
      kumo.on('found', function() return found end)]]
    policy:call 'validate_config'
    assert.same({ 'sources: pool `p`: source `b` is not defined', 'failed' }, policy:call 'found')
  end)

  it('validation has nothing to say without files', function()
    local file = os.tmpname()
    written[#written + 1] = file
    local out = assert(io.open(file, 'w'))
    out:write "require 'policy-extras.sources'"
    out:close()
    testing.policy(file):call 'validate_config'
  end)
end)
