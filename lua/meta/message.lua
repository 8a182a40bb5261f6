---@meta

---@class kumo.EnvelopeAddress
---@field user string
---@field domain string
---@field email string

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

---@param check string
---@param fix string
---@return string?
function Message:check_fix_conformance(check, fix) end

---@return string
function Message:queue_name() end

---@return integer
function Message:num_attempts() end

---@class kumo.ConnectionMeta
local ConnectionMeta = {}

---@param key string
---@return any
function ConnectionMeta:get_meta(key) end

---@param key string
---@param value any
function ConnectionMeta:set_meta(key, value) end
