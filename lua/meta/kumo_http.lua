---@meta

-- HTTP and websockets.

---@class kumo
local kumo = {}

---@class kumo.http
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

---@class kumo.WebSocketOptions
---@field headers? table<string, string>

--- Raises with `HTTP error: 404 Not Found` and the like when the other end refuses.
---@param url string
---@param options? kumo.WebSocketOptions
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

---@param url string
---@return kumo.HttpRequest
function Client:delete(url) end

---@param url string
---@return kumo.HttpRequest
function Client:patch(url) end

---@param url string
---@return kumo.HttpRequest
function Client:head(url) end

---@param method string
---@param url string
---@return kumo.HttpRequest
function Client:request(method, url) end

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

---@deprecated not implemented in this version: raises
function Request:aws_sign_v4(...) end

---@param fields table<string, string>
---@return kumo.HttpRequest
function Request:form_url_encoded(fields) end

---@param fields table<string, string | table>
---@return kumo.HttpRequest
function Request:form_multipart_data(fields) end

---@return kumo.HttpResponse
function Request:send() end

---@return integer
function Response:status_code() end

---@return string?
function Response:status_reason() end

---@return boolean
function Response:status_is_informational() end

---@return boolean
function Response:status_is_success() end

---@return boolean
function Response:status_is_redirection() end

---@return boolean
function Response:status_is_client_error() end

---@return boolean
function Response:status_is_server_error() end

---@return integer?
function Response:content_length() end

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

function WebSocket:close() end
