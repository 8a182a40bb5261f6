---@meta kumo

-- What `require 'kumo'` returns, for editors: LuaLS shows it and checks calls against it. Nothing loads this file.

---@alias kumo.Duration string | number `5 minutes`, `1h 30m`, or a number of seconds
---@alias kumo.Throttle string `100/s`, `1,000/hour`, `5/10m`
---@alias kumo.Limit integer | string a number, or `local:10`
---@alias kumo.KeySource string | { key_data: string } | { event_name: string, event_args?: any[] }
---@alias kumo.Level 'Ignore' | 'Warn' | 'Error'
---@alias kumo.Refresh 'Ttl' | 'Epoch'

---@class kumo
---@field version string
local kumo = {}

--- Registers a handler.
---@param event string
---@param handler function
function kumo.on(event, handler) end

---@class kumo.MemoizeOptions
---@field name string of the cache, which all contexts share
---@field ttl kumo.Duration
---@field capacity integer
---@field invalidate_with_epoch? boolean
---@field retry_on_populate_timeout? boolean
---@field populate_timeout? kumo.Duration
---@field allow_stale_reads? boolean

--- A function that remembers what `fn` returned for the same arguments.
---@generic F: function
---@param fn F
---@param options kumo.MemoizeOptions
---@return F
function kumo.memoize(fn, options) end

---@param seconds number
function kumo.sleep(seconds) end

--- Runs the handler of an event beside everything else; to be called in `init`.
---@param task { event_name: string, args?: any[] }
function kumo.spawn_task(task) end

--- Makes configuration be asked for anew.
function kumo.bump_config_epoch() end

---@param event string
---@return string[][]?
function kumo.get_event_registrars(event) end

---@return string[]
function kumo.eval_config_monitor_globs() end

---@param globs string[]
function kumo.set_config_monitor_globs(globs) end

---@param level integer
---@return table[]
function kumo.traceback(level) end

--- Makes `--validate` fail.
function kumo.validation_failed() end

function kumo.log_error(...) end
function kumo.log_warn(...) end
function kumo.log_info(...) end
function kumo.log_debug(...) end

---@return integer
function kumo.available_parallelism() end

---@param filter string
function kumo.set_diagnostic_log_filter(filter) end

---@return table
function kumo.prometheus_metrics() end

--- Ends the transaction with this answer.
---@param code integer 400 to 599
---@param message string
function kumo.reject(code, message) end

--- The same, and closes the connection.
---@param code integer
---@param message string
---@param mode? 'If421' | 'FollowWith421' | 'ForceDisconnect'
function kumo.disconnect(code, message, mode) end

---@class kumo.EgressPath
---@field connection_limit? kumo.Limit
---@field additional_connection_limits? table<string, kumo.Limit>
---@field enable_tls? 'Opportunistic' | 'OpportunisticInsecure' | 'Required' | 'RequiredInsecure' | 'Disabled'
---@field connect_timeout? kumo.Duration
---@field banner_timeout? kumo.Duration
---@field ehlo_timeout? kumo.Duration
---@field mail_from_timeout? kumo.Duration
---@field rcpt_to_timeout? kumo.Duration
---@field data_timeout? kumo.Duration
---@field data_dot_timeout? kumo.Duration
---@field rset_timeout? kumo.Duration
---@field idle_timeout? kumo.Duration
---@field starttls_timeout? kumo.Duration
---@field max_ready? integer
---@field consecutive_connection_failures_before_delay? integer
---@field smtp_port? integer
---@field smtp_auth_plain_username? string
---@field smtp_auth_plain_password? kumo.KeySource
---@field max_message_rate? kumo.Throttle
---@field additional_message_rate_throttles? table<string, kumo.Throttle>
---@field source_selection_rate? kumo.Throttle
---@field additional_source_selection_rates? table<string, kumo.Throttle>
---@field max_connection_rate? kumo.Throttle
---@field max_deliveries_per_connection? integer
---@field max_recipients_per_batch? integer
---@field prohibited_hosts? string[]
---@field skip_hosts? string[]
---@field ehlo_domain? string
---@field refresh_interval? kumo.Duration
---@field refresh_strategy? kumo.Refresh
---@field provider_name? string

---@param options kumo.EgressPath
---@return kumo.EgressPath
function kumo.make_egress_path(options) end

---@class kumo.QueueConfig
---@field retry_interval? kumo.Duration 20 minutes unless said
---@field max_retry_interval? kumo.Duration
---@field max_age? kumo.Duration 7 days unless said
---@field egress_pool? string
---@field max_message_rate? kumo.Throttle
---@field protocol? { smtp?: table, custom_lua?: kumo.CustomLua, maildir_path?: string }
---@field reap_interval? kumo.Duration
---@field refresh_interval? kumo.Duration
---@field refresh_strategy? kumo.Refresh
---@field provider_name? string

---@class kumo.CustomLua
---@field constructor string the event that makes the connection
---@field batch_size? integer above 1 `send_batch` is called in the place of `send`
---@field min_batch_size? integer
---@field max_batch_latency? kumo.Duration

---@param options kumo.QueueConfig
---@return kumo.QueueConfig
function kumo.make_queue_config(options) end

---@class kumo.EgressSource
---@field name string
---@field ehlo_domain? string
---@field source_address? string
---@field remote_port? integer
---@field ttl? kumo.Duration

---@param options kumo.EgressSource
---@return kumo.EgressSource
function kumo.make_egress_source(options) end

---@class kumo.EgressPool
---@field name string
---@field entries { name: string, weight?: integer }[]
---@field ttl? kumo.Duration

---@param options kumo.EgressPool
---@return kumo.EgressPool
function kumo.make_egress_pool(options) end

---@class kumo.ListenerDomain
---@field relay_to? boolean
---@field relay_from? string[]
---@field log_oob? boolean | 'Ignore' | 'LogThenDrop' | 'LogThenRelay'
---@field log_arf? boolean | 'Ignore' | 'LogThenDrop' | 'LogThenRelay'

---@param options kumo.ListenerDomain
---@return kumo.ListenerDomain
function kumo.make_listener_domain(options) end

---@class kumo.HttpListener
---@field hostname? string
---@field listen? string
---@field use_tls? boolean
---@field tls_certificate? kumo.KeySource
---@field tls_private_key? kumo.KeySource
---@field request_body_limit? integer
---@field trusted_hosts? string[]

---@param options kumo.HttpListener
function kumo.start_http_listener(options) end

---@class kumo.EsmtpListener
---@field listen? string
---@field max_connections? integer
---@field hostname? string
---@field relay_hosts? string[]
---@field banner? string
---@field batch_handling? 'BifurcateAlways' | 'BatchByDomain'
---@field tls_certificate? kumo.KeySource
---@field tls_private_key? kumo.KeySource
---@field deferred_spool? boolean
---@field deferred_queue? boolean
---@field trace_headers? table
---@field client_timeout? kumo.Duration
---@field data_processing_timeout? kumo.Duration
---@field peer? table<string, table>
---@field via? table<string, table>
---@field meta? table
---@field max_messages_per_connection? integer
---@field max_recipients_per_message? integer
---@field max_message_size? integer
---@field invalid_line_endings? 'Deny' | 'Allow' | 'Fix'
---@field line_length_hard_limit? integer

---@param options kumo.EsmtpListener
function kumo.start_esmtp_listener(options) end

---@class kumo.Spool
---@field name 'data' | 'meta'
---@field path string
---@field kind? 'LocalDisk' | 'Fjall' | 'RocksDB'
---@field flush? boolean
---@field min_free_space? string | integer
---@field min_free_inodes? string | integer

---@param options kumo.Spool
function kumo.define_spool(options) end

---@class kumo.LocalLogs
---@field log_dir string
---@field max_file_size? integer
---@field back_pressure? integer
---@field compression_level? integer
---@field max_segment_duration? kumo.Duration
---@field meta? string[]
---@field headers? string[]
---@field per_record? table<string, table>
---@field filter_event? string

---@param options kumo.LocalLogs
function kumo.configure_local_logs(options) end

---@class kumo.LogHook
---@field name string
---@field back_pressure? integer
---@field meta? string[]
---@field headers? string[]
---@field per_record? table<string, { enable?: boolean, template?: string }>
---@field deferred_spool? boolean
---@field queue? kumo.QueueConfig of the queue that is named like the hook
---@field shaping_event? string an event that gives shaping data: the policy is asked only about records that a rule of it may match

---@param options kumo.LogHook
function kumo.configure_log_hook(options) end

---@param path string
function kumo.configure_accounting_db_path(path) end

---@param options { files: string[] }
function kumo.configure_bounce_classifier(options) end

---@class kumo.UserThrottle
local UserThrottle = {}

---@return { throttled: boolean, limit: integer, remaining: integer, reset_after: number, retry_after: number? }
function UserThrottle:throttle() end

function UserThrottle:sleep_if_throttled() end

---@param msg kumo.Message
---@return boolean
function UserThrottle:delay_message_if_throttled(msg) end

---@param name string
---@param rate kumo.Throttle
---@return kumo.UserThrottle
function kumo.make_throttle(name, rate) end

---@param sender string
---@param recipient string | string[]
---@param body string
---@return kumo.Message
function kumo.make_message(sender, recipient, body) end

---@param msg kumo.Message
---@param deferred_spool? boolean
function kumo.inject_message(msg, deferred_spool) end

---@param domain string
---@param source string
---@param site string
---@return kumo.EgressPath
function kumo.invoke_get_egress_path_config(domain, source, site) end

---@param queue string
---@return kumo.QueueConfig
function kumo.invoke_get_queue_config(queue) end

kumo.json_parse = kumo.serde.json_parse
kumo.json_load = kumo.serde.json_load
kumo.json_encode = kumo.serde.json_encode
kumo.json_encode_pretty = kumo.serde.json_encode_pretty
kumo.toml_parse = kumo.serde.toml_parse
kumo.toml_load = kumo.serde.toml_load
kumo.toml_encode = kumo.serde.toml_encode
kumo.toml_encode_pretty = kumo.serde.toml_encode_pretty

kumo.shaping = {}

---@class kumo.ShapingLoadOptions
---@field provider_overlap? kumo.Level
---@field dns_fail? kumo.Level
---@field null_mx? kumo.Level
---@field aliased_site? kumo.Level
---@field remote_load? kumo.Level
---@field local_load? kumo.Level
---@field skip_remote? boolean
---@field http_timeout? kumo.Duration

---@param paths string[] files and URLs
---@param options? kumo.ShapingLoadOptions
---@return kumo.Shaping
function kumo.shaping.load(paths, options) end

--- Takes over what a daemon says, as its frames of `/subscribe_state_v1` decode; `Ready` lists all keys that it knows.
---@param owner string the daemon
---@param changes ({ Put: table } | { Delete: { kind: string, key: string } } | { Ready: string[] })[]
function kumo.shaping.set_overrides(owner, changes) end

---@class kumo.Shaping
local Shaping = {}

---@param domain string
---@param source string
---@param site string
---@return kumo.EgressPath
function Shaping:get_egress_path_config(domain, source, site) end

--- The rules that match a log record, by the domain of its first recipient.
---@param record table
---@return table[]
function Shaping:match_rules(record) end

---@return string[]
function Shaping:get_errors() end

---@return string[]
function Shaping:get_warnings() end

---@return table<string, string[]>
function Shaping:get_referenced_sources() end

---@return string
function Shaping:hash() end

kumo.api = { admin = { suspend_ready_q = {}, suspend = {}, bounce = {} }, inject = {} }

---@class kumo.Selection
---@field campaign? string
---@field tenant? string
---@field domain? string
---@field reason string
---@field duration? kumo.Duration
---@field expires? string
---@field queue_names? string[]

---@param options { name: string, reason: string, duration?: kumo.Duration, expires?: string }
---@return string id
function kumo.api.admin.suspend_ready_q.suspend(options) end

---@param options kumo.Selection
---@return string id
function kumo.api.admin.suspend.suspend(options) end

---@param options kumo.Selection
---@return string id
function kumo.api.admin.bounce.bounce(options) end

return kumo
