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

---@param value table
---@return string
function kumo.serde.toml_encode_pretty_compact(value) end

---@param text string
---@return any
function kumo.serde.yaml_parse(text) end

---@param path string
---@return any
function kumo.serde.yaml_load(path) end

---@param value any
---@return string
function kumo.serde.yaml_encode(value) end

kumo.encode = {}

---@param bytes string
---@return string
function kumo.encode.base32_encode(bytes) end

---@param text string
---@return string
function kumo.encode.base32_decode(text) end

---@param bytes string
---@return string
function kumo.encode.base32_nopad_encode(bytes) end

---@param text string
---@return string
function kumo.encode.base32_nopad_decode(text) end

---@param bytes string
---@return string
function kumo.encode.base64_encode(bytes) end

---@param text string
---@return string
function kumo.encode.base64_decode(text) end

---@param bytes string
---@return string
function kumo.encode.base64_nopad_encode(bytes) end

---@param text string
---@return string
function kumo.encode.base64_nopad_decode(text) end

---@param bytes string
---@return string
function kumo.encode.base64url_encode(bytes) end

---@param text string
---@return string
function kumo.encode.base64url_decode(text) end

---@param bytes string
---@return string
function kumo.encode.base64url_nopad_encode(bytes) end

---@param text string
---@return string
function kumo.encode.base64url_nopad_decode(text) end

---@param bytes string
---@return string
function kumo.encode.hex_encode(bytes) end

---@param text string
---@return string
function kumo.encode.hex_decode(text) end

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

---@param text string
---@return string[]
function Regex:find_all(text) end

---@param text string
---@param with string
---@return string
function Regex:replace(text, with) end

---@param text string
---@param with string
---@return string
function Regex:replace_all(text, with) end

---@param text string
---@param n integer
---@param with string
---@return string
function Regex:replacen(text, n, with) end

---@param text string
---@return string[]
function Regex:split(text) end

kumo.string = {}

---@param text string
---@param separator string
---@return string[]
function kumo.string.split(text, separator) end

---@param text string
---@param separator string
---@return string[]
function kumo.string.rsplit(text, separator) end

---@param text string
---@param limit integer
---@param separator string
---@return string[]
function kumo.string.splitn(text, limit, separator) end

---@param text string
---@param limit integer
---@param separator string
---@return string[]
function kumo.string.rsplitn(text, limit, separator) end

---@param text string
---@return string[]
function kumo.string.split_whitespace(text) end

---@param text string
---@return string[]
function kumo.string.split_ascii_whitespace(text) end

---@param text string
---@param from string
---@param to string
---@return string
function kumo.string.replace(text, from, to) end

---@param text string
---@param from string
---@param to string
---@param limit integer
---@return string
function kumo.string.replacen(text, from, to, limit) end

---@param text string
---@param start string
---@return boolean
function kumo.string.starts_with(text, start) end

---@param text string
---@param ending string
---@return boolean
function kumo.string.ends_with(text, ending) end

---@param text string
---@return string
function kumo.string.trim(text) end

---@param text string
---@return string
function kumo.string.trim_start(text) end

---@param text string
---@return string
function kumo.string.trim_end(text) end

--- The registrable domain by the public suffix list.
---@param name string
---@return string?
function kumo.string.psl_domain(name) end

--- The public suffix of a name.
---@param name string
---@return string?
function kumo.string.psl_suffix(name) end

--- Renders a Jinja template; a name that ends in `.html` escapes what it inserts.
---@param name string
---@param template string
---@param context table
---@return string
function kumo.string.eval_template(name, template, context) end

---@param text string
---@param columns? integer
---@param hard? integer
---@return string
function kumo.string.wrap(text, columns, hard) end

kumo.dns = {}

---@class kumo.Mx
---@field domain_name string
---@field hosts string[]
---@field site_name string
---@field by_pref table<integer, string[]>
---@field is_domain_literal boolean
---@field is_secure boolean
---@field is_mx boolean

---@param domain string
---@param resolver? string the name of one that `define_resolver` made
---@return kumo.Mx
function kumo.dns.lookup_mx(domain, resolver) end

---@param name string
---@param strategy? string
---@param resolver? string
---@return string[]
function kumo.dns.lookup_addr(name, strategy, resolver) end

---@param ip string
---@param resolver? string
---@return string[]
function kumo.dns.lookup_ptr(ip, resolver) end

---@param name string
---@param resolver? string
---@return string[]
function kumo.dns.lookup_txt(name, resolver) end

---@param ip string
---@param list string
---@param resolver? string
---@return string?, string?
function kumo.dns.rbl_lookup(ip, list, resolver) end

---@param ip string
---@return string
function kumo.dns.ptr_host(ip) end

---@param ip string
---@return string
function kumo.dns.reverse_ip(ip) end

---@class kumo.ResolverConfig
---@field domain? string
---@field search? string[]
---@field name_servers? (string | table)[]
---@field options? table

---@param config kumo.ResolverConfig
function kumo.dns.configure_resolver(config) end

---@param config kumo.ResolverConfig
function kumo.dns.configure_unbound_resolver(config) end

---@param zones any[]
function kumo.dns.configure_test_resolver(zones) end

---@param path? string
---@return kumo.ResolverConfig
function kumo.dns.load_resolv_conf(path) end

---@param name string
---@param source 'HickorySystemConfig' | { Hickory?: kumo.ResolverConfig, Unbound?: kumo.ResolverConfig, Test?: any[], Aggregate?: any[] }
function kumo.dns.define_resolver(name, source) end

---@param limit integer
function kumo.dns.set_mx_concurrency_limit(limit) end

---@param timeout kumo.Duration
function kumo.dns.set_mx_timeout(timeout) end

---@param ttl kumo.Duration
function kumo.dns.set_mx_negative_cache_ttl(ttl) end

---@param enabled boolean
function kumo.dns.set_mta_sts_enabled(enabled) end

kumo.domain_map = {}

--- A map by domain; `*.example.com` stands for what has no entry of its own.
---@param entries? table<string, any>
---@return table<string, any>
function kumo.domain_map.new(entries) end

kumo.cidr_map = {}

--- A map by network; an address finds the smallest network that holds it.
---@param entries? table<string, any>
---@return table<string, any>
function kumo.cidr_map.new(entries) end

kumo.fs = {}

---@class kumo.File
local File = {}

---@param n? integer all that is left unless said
---@return string
function File:read(n) end

---@return string?
function File:read_line() end

---@param bytes string
function File:write(bytes) end

---@param whence? 'set' | 'cur' | 'end'
---@param offset? integer
---@return integer
function File:seek(whence, offset) end

function File:flush() end

function File:close() end

---@class kumo.FileMetadata
---@field is_dir boolean
---@field is_file boolean
---@field is_symlink boolean
---@field len integer
---@field readonly boolean

---@param path string
---@param mode? string as of C's `fopen`
---@return kumo.File
function kumo.fs.open(path, mode) end

---@param path string
---@return string[]
function kumo.fs.read_dir(path) end

---@param pattern string
---@param root? string
---@return string[]
function kumo.fs.glob(pattern, root) end

---@param pattern string
---@param root? string
---@return string[]
function kumo.fs.uncached_glob(pattern, root) end

---@param path string
---@return kumo.FileMetadata
function kumo.fs.metadata_for_path(path) end

---@param path string
---@return kumo.FileMetadata
function kumo.fs.symlink_metadata_for_path(path) end

kumo.digest = {}

---@class kumo.Digest
---@field bytes string
---@field base32 string
---@field base32_nopad string
---@field base64 string
---@field base64_nopad string
---@field base64url string
---@field base64url_nopad string
---@field hex string
local Digest = {}

---@param ... string
---@return kumo.Digest
function kumo.digest.md5(...) end

---@param ... string
---@return kumo.Digest
function kumo.digest.sha1(...) end

---@param ... string
---@return kumo.Digest
function kumo.digest.sha224(...) end

---@param ... string
---@return kumo.Digest
function kumo.digest.sha256(...) end

---@param ... string
---@return kumo.Digest
function kumo.digest.sha384(...) end

---@param ... string
---@return kumo.Digest
function kumo.digest.sha512(...) end

---@param ... string
---@return kumo.Digest
function kumo.digest.sha512_256(...) end

---@param ... string
---@return kumo.Digest
function kumo.digest.sha3_224(...) end

---@param ... string
---@return kumo.Digest
function kumo.digest.sha3_256(...) end

---@param ... string
---@return kumo.Digest
function kumo.digest.sha3_384(...) end

---@param ... string
---@return kumo.Digest
function kumo.digest.sha3_512(...) end

kumo.uuid = {}

---@class kumo.Uuid
---@field bytes string
---@field hyphenated string
---@field simple string
---@field braced string
---@field urn string
local Uuid = {}

---@return string
function kumo.uuid.make_v4() end

---@return kumo.Uuid
function kumo.uuid.new_v4() end

--- Sorts by time.
---@return string
function kumo.uuid.make_v7() end

---@return kumo.Uuid
function kumo.uuid.new_v7() end

---@param text string
---@return kumo.Uuid
function kumo.uuid.parse(text) end

kumo.time = {}

---@class kumo.Time
---@field year integer
---@field month integer
---@field day integer
---@field hour integer
---@field minute integer
---@field second integer
---@field unix_timestamp integer
---@field unix_timestamp_millis integer
---@field rfc3339 string
---@field rfc2822 string
---@field elapsed kumo.TimeDelta
---@operator add(kumo.TimeDelta): kumo.Time
---@operator sub(kumo.TimeDelta): kumo.Time
local Time = {}

--- As `strftime` has it.
---@param format string
---@return string
function Time:format(format) end

---@class kumo.TimeDelta
---@field seconds number
---@field milliseconds integer
---@field microseconds integer
---@field nanoseconds integer
---@field human string
---@operator add(kumo.TimeDelta): kumo.TimeDelta
---@operator sub(kumo.TimeDelta): kumo.TimeDelta
---@operator unm: kumo.TimeDelta
local TimeDelta = {}

---@class kumo.Timer
local Timer = {}

--- Ends it.
---@return number seconds
function Timer:done() end

---@return kumo.Time
function kumo.time.now() end

---@param span kumo.Duration | kumo.TimeDelta
function kumo.time.sleep(span) end

---@param label string
---@return kumo.Timer
function kumo.time.start_timer(label) end

---@param seconds number
---@param nanoseconds? integer
---@return kumo.Time
function kumo.time.from_unix_timestamp(seconds, nanoseconds) end

---@param text string
---@return kumo.Time
function kumo.time.parse_rfc3339(text) end

---@param text string
---@return kumo.Time
function kumo.time.parse_rfc2822(text) end

---@param span kumo.Duration | kumo.TimeDelta
---@return kumo.TimeDelta
function kumo.time.parse_duration(span) end
