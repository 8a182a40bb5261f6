---@meta

-- The tables below `kumo` that every daemon has.

---@class kumo
local kumo = {}

kumo.http = {}

---@class kumo.HttpClient
local Client = {}

---@class kumo.HttpRequest
local Request = {}

---@class kumo.HttpResponse
local Response = {}

---@class kumo.WebSocket
local WebSocket = {}

---@class kumo.HttpClientOptions
---@field user_agent? string
---@field connection_verbose? boolean
---@field pool_idle_timeout? kumo.Duration
---@field timeout? kumo.Duration
---@field accept_invalid_certs? boolean

---@param options? kumo.HttpClientOptions
---@return kumo.HttpClient
function kumo.http.build_client(options) end

--- Raises with `HTTP error: 404 Not Found` and the like when the other end refuses.
---@param url string
---@param options? { headers?: table<string, string> }
---@return kumo.WebSocket
---@return kumo.HttpResponse
function kumo.http.connect_websocket(url, options) end

---@param url string
---@return kumo.HttpRequest
function Client:get(url) end

---@param url string
---@return kumo.HttpRequest
function Client:post(url) end

---@param url string
---@return kumo.HttpRequest
function Client:put(url) end

function Client:close() end

---@param name string
---@param value string
---@return kumo.HttpRequest
function Request:header(name, value) end

---@param headers table<string, string>
---@return kumo.HttpRequest
function Request:headers(headers) end

---@param timeout kumo.Duration
---@return kumo.HttpRequest
function Request:timeout(timeout) end

---@param user string
---@param password? string
---@return kumo.HttpRequest
function Request:basic_auth(user, password) end

---@param token string
---@return kumo.HttpRequest
function Request:bearer_auth(token) end

---@param body string
---@return kumo.HttpRequest
function Request:body(body) end

---@return kumo.HttpResponse
function Request:send() end

---@return integer
function Response:status_code() end

---@return string?
function Response:status_reason() end

---@return boolean
function Response:status_is_success() end

---@return table<string, string>
function Response:headers() end

---@return string
function Response:text() end

---@return string
function Response:bytes() end

--- The next frame; nil when the other end is gone.
---@return string?
function WebSocket:recv() end

--- The frames that are there, or come within the time. Raises when the other end is gone.
---@param wait kumo.Duration
---@return string[]
function WebSocket:recv_batch(wait) end

---@param text string
function WebSocket:send(text) end

kumo.serde = {}

---@param text string
---@return any
function kumo.serde.json_parse(text) end

---@param path string
---@return any
function kumo.serde.json_load(path) end

---@param value any
---@return string
function kumo.serde.json_encode(value) end

---@param value any
---@return string
function kumo.serde.json_encode_pretty(value) end

---@param text string
---@return table
function kumo.serde.toml_parse(text) end

---@param path string
---@return table
function kumo.serde.toml_load(path) end

---@param value table
---@return string
function kumo.serde.toml_encode(value) end

---@param value table
---@return string
function kumo.serde.toml_encode_pretty(value) end

kumo.encode = {}

---@param bytes string
---@return string
function kumo.encode.base64_encode(bytes) end

---@param text string
---@return string
function kumo.encode.base64_decode(text) end

kumo.regex = {}

---@class kumo.Regex
local Regex = {}

---@param pattern string
---@return kumo.Regex
function kumo.regex.compile(pattern) end

---@param text string
---@return string
function kumo.regex.escape(text) end

---@param text string
---@return boolean
function Regex:is_match(text) end

---@param text string
---@return table<integer | string, string>?
function Regex:captures(text) end

---@param text string
---@return string?
function Regex:find(text) end

kumo.string = {}

---@param text string
---@param separator string
---@return string[]
function kumo.string.split(text, separator) end

kumo.dns = {}

---@param domain string
---@return { domain_name: string, hosts: string[], site_name: string, by_pref: table, is_mx: boolean }
function kumo.dns.lookup_mx(domain) end

---@param zones any[]
function kumo.dns.configure_test_resolver(zones) end

kumo.domain_map = {}

--- A map by domain; `*.example.com` stands for what has no entry of its own.
---@param entries? table<string, any>
---@return table<string, any>
function kumo.domain_map.new(entries) end
