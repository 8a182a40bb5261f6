---@meta testing

-- What a spec gets by `require 'testing'`, which `tsa test` runs.

---@class testing
local testing = {}

--- A block of tests.
---@param name string
---@param body fun()
function testing.describe(name, body) end

--- A block of tests; the same as `describe`.
---@param name string
---@param body fun()
function testing.context(name, body) end

--- A test. One without a body is pending.
---@param name string
---@param body? fun()
function testing.it(name, body) end

--- A test; the same as `it`.
---@param name string
---@param body? fun()
function testing.test(name, body) end

--- A test; the same as `it`.
---@param name string
---@param body? fun()
function testing.spec(name, body) end

--- A test that is not run yet; within a test: ends it, as one that cannot be run yet.
---@param name string or why
---@param body? fun() is not called
function testing.pending(name, body) end

--- Runs before each test of this block and of those within it; what outer blocks say runs first.
---@param body fun()
function testing.before_each(body) end

--- Runs after each test of this block and of those within it, whether it passed or not; what inner blocks say runs first.
---@param body fun()
function testing.after_each(body) end

--- The same as `before_each`: every test runs in a Lua context of its own.
---@param body fun()
function testing.setup(body) end

--- The same as `after_each`: every test runs in a Lua context of its own.
---@param body fun()
function testing.teardown(body) end

--- Within a test: runs at its end, whether it passes or not.
---@param body fun()
function testing.finally(body) end

--- Fails the test.
---@param message? string
function testing.fail(message) end

--- Assertions as `luassert` names them: `assert(value)`, `assert.equal(expected, actual)`, `assert.is_not_nil(value)`,
--- `assert.are.same(..)`. A text after the arguments is shown when it fails. Before each `is_`, `are_`, `was_`, `has_` and
--- the like may stand, which means nothing; `not_` and `no_` turn it around.
---@class testing.Assert
---@field equal fun(expected: any, actual: any, message?: string): any `==`
---@field equals fun(expected: any, actual: any, message?: string): any `==`
---@field are_equal fun(expected: any, actual: any, message?: string): any `==`
---@field not_equal fun(expected: any, actual: any, message?: string): any `~=`
---@field are_not_equal fun(expected: any, actual: any, message?: string): any `~=`
---@field same fun(expected: any, actual: any, message?: string): any all the way down
---@field are_same fun(expected: any, actual: any, message?: string): any all the way down
---@field not_same fun(expected: any, actual: any, message?: string): any all the way down
---@field are_not_same fun(expected: any, actual: any, message?: string): any all the way down
---@field is_true fun(value: any, message?: any): any `true` itself
---@field is_not_true fun(value: any, message?: any): any
---@field is_false fun(value: any, message?: any): any `false` itself
---@field is_not_false fun(value: any, message?: any): any
---@field is_nil fun(value: any, message?: any): any
---@field is_not_nil fun(value: any, message?: any): any
---@field not_nil fun(value: any, message?: any): any
---@field truthy fun(value: any, message?: any): any neither false nor nil
---@field is_truthy fun(value: any, message?: any): any neither false nor nil
---@field falsy fun(value: any, message?: any): any false or nil
---@field is_falsy fun(value: any, message?: any): any false or nil
---@field is_boolean fun(value: any, message?: any): any
---@field is_number fun(value: any, message?: any): any
---@field is_string fun(value: any, message?: any): any
---@field is_table fun(value: any, message?: any): any
---@field is_function fun(value: any, message?: any): any
---@field is_userdata fun(value: any, message?: any): any
---@field is_thread fun(value: any, message?: any): any
---@field near fun(expected: number, actual: number, tolerance: number, message?: string): any
---@field is_near fun(expected: number, actual: number, tolerance: number, message?: string): any
---@field is_not_near fun(expected: number, actual: number, tolerance: number, message?: string): any
---@field matches fun(pattern: string, text: any, init?: integer | string, plain?: boolean): any a Lua pattern
---@field match fun(pattern: string, text: any, init?: integer | string, plain?: boolean): any a Lua pattern
---@field not_matches fun(pattern: string, text: any, init?: integer | string, plain?: boolean): any a Lua pattern
---@field not_match fun(pattern: string, text: any, init?: integer | string, plain?: boolean): any a Lua pattern
---@field unique fun(list: table, message?: string): any each value is there once
---@field is_unique fun(list: table, message?: string): any each value is there once
---@field is_not_unique fun(list: table, message?: string): any
---@field error fun(fn: fun(), expected?: any, message?: string): any what it raised
---@field errors fun(fn: fun(), expected?: any, message?: string): any what it raised
---@field has_error fun(fn: fun(), expected?: any, message?: string): any what it raised
---@field has_errors fun(fn: fun(), expected?: any, message?: string): any what it raised
---@field no_error fun(fn: fun(), message?: string): any
---@field no_errors fun(fn: fun(), message?: string): any
---@field has_no_error fun(fn: fun(), message?: string): any
---@field has_no_errors fun(fn: fun(), message?: string): any
---@field error_matches fun(fn: fun(), pattern: string, init?: integer | string, plain?: boolean): any what it raised
---@field error_match fun(fn: fun(), pattern: string, init?: integer | string, plain?: boolean): any what it raised
---@field errors_match fun(fn: fun(), pattern: string, init?: integer | string, plain?: boolean): any what it raised
---@field no_error_matches fun(fn: fun(), pattern: string, init?: integer | string, plain?: boolean): any
---@field is testing.Assert
---@field are testing.Assert
---@field was testing.Assert
---@field were testing.Assert
---@field has testing.Assert
---@field have testing.Assert
---@field does testing.Assert
---@field is_not testing.Assert
---@field are_not testing.Assert
---@field was_not testing.Assert
---@field were_not testing.Assert
---@field has_no testing.Assert
---@field have_no testing.Assert
---@field does_not testing.Assert
---@overload fun(value: any, message?: any, ...): any
testing.assert = {}

return testing
