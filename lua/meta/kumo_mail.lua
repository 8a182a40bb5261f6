---@meta

-- The mail host: listeners, spools, logs, messages, its admin API.

---@class kumo
local kumo = {}

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
---@field tls_required_client_ca? kumo.KeySource
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
---@field data_buffer_size? integer
---@field invalid_line_endings? 'Deny' | 'Allow' | 'Fix'
---@field line_length_hard_limit? integer
---@field allow_xclient? boolean | string[]
---@field require_proxy_protocol? boolean

---@param options kumo.EsmtpListener
function kumo.start_esmtp_listener(options) end

---@class kumo.Spool
---@field name 'data' | 'meta'
---@field path string
---@field kind? 'LocalDisk' | 'Fjall' | 'RocksDB'
---@field flush? boolean
---@field min_free_space? string | integer
---@field min_free_inodes? string | integer
---@field rocks_params? table

---@param options kumo.Spool
function kumo.define_spool(options) end

---@class kumo.LocalLogs
---@field log_dir string
---@field max_file_size? integer
---@field back_pressure? integer
---@field compression_level? integer
---@field max_segment_duration? kumo.Duration
---@field min_free_space? string | integer
---@field min_free_inodes? string | integer
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

---@class kumo.BounceClassifier
---@field files string[]
---@field back_pressure? integer
---@field pool_size? integer
---@field cache_size? integer
---@field uncategorized_cache_size? integer

---@param options kumo.BounceClassifier
function kumo.configure_bounce_classifier(options) end

---@class kumo.LogDispositionHook
---@field name string the event `log_disposition_NAME` is asked
---@field per_record? table<string, { enable?: boolean }>

---@param options kumo.LogDispositionHook
function kumo.configure_log_disposition_hook(options) end

---@class kumo.aaa
kumo.aaa = {}

---@class kumo.AccessLog
---@field log_dir string
---@field max_file_size? integer
---@field back_pressure? integer
---@field compression_level? integer
---@field max_segment_duration? kumo.Duration
---@field min_free_space? string | integer
---@field min_free_inodes? string | integer
---@field log_authz_allow? boolean
---@field log_authz_deny? boolean
---@field log_authn_ok? boolean
---@field log_authn_fail? boolean

---@param options kumo.AccessLog
function kumo.aaa.configure_acct_log(options) end

---@class kumo.UserThrottle
local UserThrottle = {}

---@return { throttled: boolean, limit: integer, remaining: integer, reset_after: number, retry_after: number? }
function UserThrottle:throttle() end

--- What it allows, for people.
---@return string
function UserThrottle:explain() end

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

---@param name string
---@return kumo.EgressPool
function kumo.invoke_get_egress_pool(name) end

---@param name string
---@return kumo.EgressSource
function kumo.invoke_get_egress_source(name) end

---@param domain string
---@param source string
---@param site string
---@return kumo.EgressPath
function kumo.invoke_get_egress_path_config(domain, source, site) end

---@param queue string
---@return kumo.QueueConfig
function kumo.invoke_get_queue_config(queue) end

---@class kumo.api
kumo.api = {}

---@class kumo.api.admin
kumo.api.admin = {}

---@class kumo.api.admin.suspend_ready_q
kumo.api.admin.suspend_ready_q = {}

---@class kumo.api.admin.suspend
kumo.api.admin.suspend = {}

---@class kumo.api.admin.bounce
kumo.api.admin.bounce = {}

---@class kumo.api.inject
kumo.api.inject = {}

---@class kumo.Suspension
---@field campaign? string
---@field tenant? string
---@field domain? string
---@field reason string
---@field duration? kumo.Duration
---@field expires? string | kumo.Time
---@field queue_names? string[]

---@class kumo.PathSuspension
---@field name string the egress path, as records name it
---@field reason string
---@field duration? kumo.Duration
---@field expires? string | kumo.Time

---@class kumo.Bounce
---@field campaign? string
---@field tenant? string
---@field domain? string
---@field routing_domain? string
---@field reason string
---@field duration? kumo.Duration
---@field expires? string | kumo.Time
---@field suppress_logging? boolean
---@field queue_names? string[]

---@param options kumo.PathSuspension
---@return string id
function kumo.api.admin.suspend_ready_q.suspend(options) end

---@return table[]
function kumo.api.admin.suspend_ready_q.list() end

---@param id string
---@return boolean there_was_one
function kumo.api.admin.suspend_ready_q.delete(id) end

---@param options kumo.Suspension
---@return string id
function kumo.api.admin.suspend.suspend(options) end

---@return table[]
function kumo.api.admin.suspend.list() end

---@param id string
---@return boolean there_was_one
function kumo.api.admin.suspend.delete(id) end

---@param options kumo.Bounce
---@return string id
function kumo.api.admin.bounce.bounce(options) end

---@return table[]
function kumo.api.admin.bounce.list() end

---@param id string
---@return boolean there_was_one
function kumo.api.admin.bounce.delete(id) end

---@class kumo.Injection
---@field envelope_sender string
---@field recipients table[]
---@field content string | table
---@field substitutions? table<string, any>
---@field deferred_spool? boolean
---@field deferred_generation? boolean
---@field trace_headers? table
---@field template_dialect? 'Jinja' | 'Handlebars' | 'Static'

--- The messages of a request like that of `/api/inject/v1`, not yet injected.
---@param request kumo.Injection
---@return kumo.Message[]
function kumo.api.inject.build_v1(request) end

---@param request kumo.Injection
---@return table
function kumo.api.inject.inject_v1(request) end
