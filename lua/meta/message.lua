---@meta

---@class kumo.EnvelopeAddress
---@field user string
---@field domain string
---@field email string
local EnvelopeAddress = {}

---@class kumo.Message
local Message = {}

---@return string
function Message:id() end

---@param key string
---@return any
function Message:get_meta(key) end

---@param key string
---@param value any
function Message:set_meta(key, value) end

---@return string
function Message:get_data() end

---@param data string
function Message:set_data(data) end

---@return kumo.EnvelopeAddress
function Message:sender() end

---@return kumo.EnvelopeAddress | kumo.EnvelopeAddress[]
function Message:recipient() end

---@return kumo.EnvelopeAddress[]
function Message:recipient_list() end

function Message:increment_num_attempts() end

---@param address string | kumo.EnvelopeAddress
function Message:set_sender(address) end

---@param address string | kumo.EnvelopeAddress | (string | kumo.EnvelopeAddress)[]
function Message:set_recipient(address) end

---@param name string
---@return string?
function Message:get_first_named_header_value(name) end

---@param name string
---@return string[]
function Message:get_all_named_header_values(name) end

---@param name string
---@param value string
---@param encode? boolean
function Message:append_header(name, value, encode) end

---@param name string
---@param value string
---@param encode? boolean
function Message:prepend_header(name, value, encode) end

---@param name string
function Message:remove_all_named_headers(name) end

---@param names? string[]
function Message:import_x_headers(names) end

---@param name string
---@param remove? boolean
---@return table?
function Message:import_scheduling_header(name, remove) end

---@param schedule? table
function Message:set_scheduling(schedule) end

---@return string[][] names and values
function Message:get_all_headers() end

---@param name string
---@return kumo.HeaderAddress?
function Message:get_address_header(name) end

---@return kumo.HeaderAddress?
function Message:from_header() end

---@return kumo.HeaderAddress?
function Message:to_header() end

--- Without names: all that begin with `X-`.
---@param names? string[]
function Message:remove_x_headers(names) end

---@param names string[]
function Message:import_headers(names) end

---@param due? kumo.Time | string | number
function Message:set_due(due) end

---@param more string
function Message:append_text_plain(more) end

---@param more string
function Message:append_text_html(more) end

---@return boolean
function Message:shrink() end

---@return boolean
function Message:shrink_data() end

---@param force boolean
function Message:set_force_sync(force) end

---@param auto_shrink? boolean
function Message:save(auto_shrink) end

---@param check string
---@param fix string
---@return string?
function Message:check_fix_conformance(check, fix) end

---@return string
function Message:queue_name() end

---@return integer
function Message:num_attempts() end

---@deprecated not implemented in this version: raises
function Message:dkim_sign(...) end

---@deprecated not implemented in this version: raises
function Message:dkim_verify(...) end

---@deprecated not implemented in this version: raises
function Message:arc_verify(...) end

---@deprecated not implemented in this version: raises
function Message:arc_seal(...) end

---@deprecated not implemented in this version: raises
function Message:add_authentication_results(...) end

---@deprecated not implemented in this version: raises
function Message:parse_mime(...) end

---@deprecated not implemented in this version: raises
function Message:parse_rfc3464(...) end

---@deprecated not implemented in this version: raises
function Message:parse_rfc5965(...) end

--- The addresses of a header; the fields are those of the first.
---@class kumo.HeaderAddress
---@field user string
---@field domain string
---@field email string
---@field name? string
---@field list { name?: string, address: kumo.EnvelopeAddress }[]
local HeaderAddress = {}

---@class kumo.ConnectionMeta
local ConnectionMeta = {}

---@param key string
---@return any
function ConnectionMeta:get_meta(key) end

---@param key string
---@param value any
function ConnectionMeta:set_meta(key, value) end

---@return kumo.AuthInfo
function ConnectionMeta:auth_info() end
