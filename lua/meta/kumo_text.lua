---@meta

-- Texts: formats, alphabets, patterns.

---@class kumo
local kumo = {}

---@class kumo.serde
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

---@class kumo.encode
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

---@class kumo.regex
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

---@class kumo.string
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
