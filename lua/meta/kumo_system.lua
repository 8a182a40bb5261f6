---@meta

-- Files, checksums, ids, time.

---@class kumo
local kumo = {}

---@class kumo.fs
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

---@class kumo.digest
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

---@class kumo.uuid
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

---@class kumo.time
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
