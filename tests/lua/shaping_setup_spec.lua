local kumo = require 'kumo'
local testing = require 'testing'

local describe, it, before_each, assert =
  testing.describe, testing.it, testing.before_each, testing.assert

local endpoint = require 'policy-extras.tsa_endpoint'
local subscribe = require 'policy-extras.tsa_subscribe'

local DEFAULT = '/opt/kumomta/share/policy-extras/shaping.toml'
local URL = 'http://daemon:8008'

-- What is registered, as no event asks for it here.
---@type table<string, function>
local handlers = {}
kumo.on = function(event, handler)
  handlers[event] = handler
end

local shaping = require 'policy-extras.shaping'

-- The files of each load, with its options, and what loading gives.
---@type table[], fun(files: string[]): table
local loads, load

before_each(function()
  loads = {}
  load = function(files)
    return { files = files }
  end
  kumo.shaping.load = function(files, options)
    loads[#loads + 1] = { files = files, options = options }
    return load(files)
  end
end)

local function on_an_existing_kumod(kind)
  kumo.shaping.set_overrides = nil
  endpoint.kind = function()
    return kind or 'existing'
  end
end

describe('options', function()
  local function refused(options, said)
    assert.error_matches(function()
      shaping:setup_with_automation(options)
    end, said, 1, true)
  end

  it('that are unknown are refused, with those that there are', function()
    refused({ publsh = { URL } }, 'unknown option `publsh`, expected one of `additional_skip_log')
  end)

  it('have to be a table', function()
    refused(nil, 'expected a table of options, got nil')
  end)

  it('of another kind are refused', function()
    for name, case in pairs {
      publish = { URL, 'a list of text, got "http://daemon:8008"' },
      subscribe = { { 5 }, 'a list of text' },
      extra_files = { { file = 'x' }, 'a list of text' },
      no_default_files = { 'yes', 'a boolean, got "yes"' },
      cache_ttl = { true, 'a duration, got true' },
      back_pressure = { 1.5, 'an integer, got 1.5' },
      tsa_queue_config = { 'x', 'a table, got "x"' },
    } do
      refused({ [name] = case[1] }, 'option `' .. name .. '`: expected ' .. case[2])
    end
  end)

  it('with URLs that are none are refused', function()
    refused({ publish = { 'daemon:8008' } }, '`daemon:8008` is no URL of a daemon')
    refused({ subscribe = { 'http://' } }, '`http://` is no URL of a daemon')
    refused({ subscribe = { 'http://me:secret@daemon' } }, 'go to the option `authorization`')
  end)

  it('may not say how records are sent', function()
    refused({ tsa_queue_config = { protocol = {} } }, '`protocol` is not yours to set')
  end)

  it('are refused where they are given', function()
    local _, why = pcall(function()
      shaping:setup_with_automation { nonsense = 1 }
    end)
    assert.matches('^[^\n]*shaping_setup_spec.lua:%d+: shaping:setup_with_automation: ', why)
  end)

  it('are checked by `setup` too', function()
    assert.error_matches(function()
      ---@diagnostic disable-next-line: param-type-mismatch
      shaping:setup 'one.toml'
    end, 'shaping:setup: option `extra_files`: expected a list of text')
  end)

  it('are given once', function()
    shaping:setup()
    assert.error_matches(function()
      shaping:setup_with_automation {}
    end, 'has already been configured')
  end)
end)

-- Loads anew each time: what is pretended here cannot be kept.
local function remember_nothing()
  kumo.memoize = function(fn)
    return fn
  end
end

describe('files', function()
  local function loaded_by(shaper)
    shaper.load_shaping_data()
    return loads[#loads].files
  end

  it('go after the default one', function()
    local shaper = shaping:setup_with_automation { extra_files = { 'a.toml', 'b.toml' } }
    assert.same({ DEFAULT, 'a.toml', 'b.toml' }, loaded_by(shaper))
  end)

  it('stand alone where the default one is not wanted', function()
    local options = { no_default_files = true, extra_files = { 'a.toml' } }
    assert.same({ 'a.toml' }, loaded_by(shaping:setup_with_automation(options)))
  end)

  it('are loaded once in a while, with the options for it', function()
    local options = { load_validation_options = { dns_fail = 'Ignore' }, cache_ttl = '10s' }
    local shaper = shaping:setup_with_automation(options)
    loaded_by(shaper)
    loaded_by(shaper)
    assert.equal(1, #loads)
    assert.same({ dns_fail = 'Ignore' }, loads[1].options)
    kumo.sleep(11)
    loaded_by(shaper)
    assert.equal(2, #loads)
  end)

  it('do not include what is pushed', function()
    endpoint.kind = function()
      return 'state'
    end
    local shaper = shaping:setup_with_automation { subscribe = { URL } }
    assert.same({ DEFAULT }, loaded_by(shaper))
    assert.same({ DEFAULT, URL .. '/get_config_v1/shaping.toml' }, shaper._file_names)
  end)

  it('include the overrides of a daemon that does not push them', function()
    endpoint.kind = function(url)
      return url == URL and 'existing' or 'state'
    end
    local shaper = shaping:setup_with_automation { subscribe = { URL, 'http://other' } }
    assert.same({ DEFAULT, URL .. '/get_config_v1/shaping.toml' }, loaded_by(shaper))
  end)

  it('include the overrides of all daemons on an existing kumod', function()
    on_an_existing_kumod 'state'
    local shaper = shaping:setup_with_automation { subscribe = { URL, 'http://other/' } }
    assert.same({
      DEFAULT,
      URL .. '/get_config_v1/shaping.toml',
      'http://other/get_config_v1/shaping.toml',
    }, loaded_by(shaper))
  end)

  describe('behind an authorization', function()
    ---@type integer, string
    local status, text
    local errors = {}

    before_each(function()
      on_an_existing_kumod()
      status, text = 200, '# Generated by tsa-daemon'
      endpoint.get = function(url)
        assert.equal(URL .. '/get_config_v1/shaping.toml', url)
        return status, text
      end
      kumo.log_error = function(message)
        errors[#errors + 1] = message
      end
    end)

    local function shaper()
      local authorization = { token = 'abc' }
      return shaping:setup_with_automation { subscribe = { URL }, authorization = authorization }
    end

    it('are fetched into a file that is gone afterwards', function()
      local found
      load = function(files)
        found = assert(io.open(files[2])):read 'a'
        return {}
      end
      local fetched = loaded_by(shaper())[2]
      assert.equal(text, found)
      assert.is_nil((io.open(fetched)))
    end)

    it('leave no file when they do not load', function()
      local fetched = ''
      load = function(files)
        fetched = files[2]
        error('line 1: nonsense', 0)
      end
      assert.error_matches(function()
        shaper().load_shaping_data()
      end, 'line 1: nonsense')
      assert.is_nil((io.open(fetched)))
    end)

    it('are left out when the daemon is in trouble', function()
      status, text = 500, 'out of order'
      assert.same({ DEFAULT }, loaded_by(shaper()))
      assert.same({ 'overrides of ' .. URL .. '/get_config_v1/shaping.toml: out of order' }, errors)
    end)

    it('are left out when nobody answers', function()
      endpoint.get = function()
        error('connection refused', 0)
      end
      assert.same({ DEFAULT }, loaded_by(shaper()))
      assert.matches(': connection refused$', errors[1])
    end)
  end)
end)

describe('a path', function()
  before_each(remember_nothing)

  it('has the options of the files, asked for with the epoch', function()
    load = function()
      return {
        get_egress_path_config = function(_, domain, source, site)
          assert.same({ 'd', 's', 'mx' }, { domain, source, site })
          return { connection_limit = 3 }
        end,
      }
    end
    local config = shaping:setup { 'a.toml' }('d', 's', 'mx')
    assert.equal(3, config.connection_limit)
    assert.equal('Epoch', config.refresh_strategy)
  end)

  it('of records has those of the publisher', function()
    local shaper = shaping:setup_with_automation { publish = { URL } }
    assert.equal(8, shaper.get_egress_path_config(URL .. '.tsa.kumomta', 's', '').connection_limit)
    assert.equal(0, #loads)
  end)
end)

describe('tasks', function()
  it('begin with `setup_publish`, one for each daemon', function()
    local tasks = {}
    kumo.spawn_task = function(task)
      tasks[#tasks + 1] = { task.event_name, (task.args or {})[1] }
    end
    kumo.configure_log_hook = function() end
    local options = { publish = { URL }, subscribe = { URL, 'http://other', URL } }
    shaping:setup_with_automation(options).setup_publish()
    assert.same({
      { 'kumo.tsa.suspension.subscriber', URL },
      { 'kumo.tsa.suspension.subscriber', 'http://other' },
      { 'kumo.tsa.config.monitor' },
    }, tasks)
  end)

  it('follow the daemon that they are for', function()
    local followed
    subscribe.run = function(url)
      followed = url
    end
    handlers['kumo.tsa.suspension.subscriber'] { URL }
    assert.equal(URL, followed)
  end)

  it('bump the epoch when the data has changed, and survive what does not load', function()
    remember_nothing()
    local hashes = { 'a', 'a', false, 'b' }
    local bumped, errors, round = {}, {}, 0
    load = function()
      round = round + 1
      if hashes[round] == nil then
        -- Past all errors that are caught.
        kumo.log_error = function()
          error('enough', 0)
        end
      end
      if not hashes[round] then
        error('line 1: nonsense', 0)
      end
      return {
        hash = function()
          return hashes[round]
        end,
      }
    end
    kumo.bump_config_epoch = function()
      bumped[#bumped + 1] = round
    end
    kumo.log_error = function(message)
      errors[#errors + 1] = message
    end
    shaping:setup_with_automation {}
    assert.has_error(handlers['kumo.tsa.config.monitor'], 'enough')
    assert.same({ 1, 4 }, bumped)
    assert.same({ 'shaping data: line 1: nonsense' }, errors)
  end)
end)

describe('validation', function()
  ---@type string[], integer, table
  local printed, failed, data

  before_each(function()
    printed, failed = {}, 0
    print = function(line)
      printed[#printed + 1] = line
    end
    kumo.validation_failed = function()
      failed = failed + 1
    end
    data = { errors = {}, warnings = {}, referenced_sources = {} }
    load = function()
      local answers = {}
      for _, what in ipairs { 'errors', 'warnings', 'referenced_sources' } do
        answers['get_' .. what] = function()
          return data[what]
        end
      end
      return answers
    end
    kumo.get_event_registrars = function()
      return { {} }
    end
  end)

  local function validate()
    handlers.validate_config()
    return printed
  end

  it('has nothing to say of what was not set up', function()
    assert.same({}, validate())
    assert.equal(0, #loads)
  end)

  it('finds good files good', function()
    shaping:setup { 'a.toml' }
    assert.same({}, validate())
    assert.equal(0, failed)
    assert.equal('Error', loads[1].options.local_load)
  end)

  it('fails for errors, not for warnings', function()
    data.errors, data.warnings = { 'no such file' }, { 'a doubtful domain' }
    shaping:setup { 'a.toml' }
    assert.same({ 'shaping: no such file', 'shaping: warning: a doubtful domain' }, validate())
    assert.equal(1, failed)
  end)

  it('fails for files that do not load, without the call stack', function()
    load = function()
      error('a.toml:1: nonsense\nstack traceback:\n\tx', 0)
    end
    shaping:setup { 'a.toml' }
    assert.same({ 'shaping: a.toml:1: nonsense' }, validate())
    assert.equal(1, failed)
  end)

  it('takes the options for it', function()
    shaping:setup_with_automation { validation_options = { local_load = 'Ignore' } }
    validate()
    assert.same({ local_load = 'Ignore' }, loads[1].options)
  end)

  it('fails where nothing asks the shaper', function()
    kumo.get_event_registrars = function() end
    shaping:setup_with_automation {}
    assert.matches('`get_egress_path_config` has no handler', validate()[1])
    assert.equal(1, failed)
  end)

  it('fails for a queue of records that hosts do not take', function()
    shaping:setup_with_automation { publish = { URL }, tsa_queue_config = { retry_intervall = 5 } }
    assert.matches('^shaping: option `tsa_queue_config`: .*retry_intervall', validate()[1])
    assert.equal(1, failed)
  end)

  it('fails for sources that no file of sources defines', function()
    data.referenced_sources = { ['ip-9'] = { 'a.toml:3', 'b.toml:4' }, ['ip-1'] = { 'a.toml:5' } }
    package.loaded['policy-extras.sources'] = {
      defines_source = function(_, name)
        return name == 'ip-1'
      end,
    }
    shaping:setup { 'a.toml' }
    assert.same(
      { 'shaping: source `ip-9` is not defined, but a.toml:3, b.toml:4 names it' },
      validate()
    )
  end)
end)
