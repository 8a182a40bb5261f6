---@meta tsa

-- What `require 'tsa'` returns in the policy of tsa-daemon.

---@class tsa
local tsa = {}

--- To be called in `tsa_init`.
---@param options kumo.HttpListener
function tsa.start_http_listener(options) end

---@class tsa.StoreOptions
---@field sync? boolean records are acknowledged only when they are on disk

--- Where the state is kept; its folder is named after this path.
---@param path string
---@param options? tsa.StoreOptions
function tsa.configure_tsa_db_path(path, options) end

return tsa
