---@meta

-- The mail host: listeners, spools, logs, messages, its admin API.

---@class kumo
local kumo = {}

---@class kumo.HttpListener
---@field listen? string `ip:port`. Default: `127.0.0.1:8000`.
---@field hostname? string for a certificate that is made up. Default: the machine's.
---@field use_tls? boolean Default: `false`; without a certificate one is made up.
---@field tls_certificate? kumo.KeySource in PEM form
---@field tls_private_key? kumo.KeySource in PEM form
---@field request_body_limit? integer bytes, after decompression. Default: 2 MiB.
---@field trusted_hosts? string[] addresses and networks that need no password. Default: `{ '127.0.0.1', '::1' }`.

---@param options kumo.HttpListener
function kumo.start_http_listener(options) end

---@class kumo.EsmtpListener
---@field listen? string `ip:port`. Default: `127.0.0.1:2025`.
---@field max_connections? integer Default: `32768`.
---@field hostname? string as it calls itself. Default: the machine's.
---@field relay_hosts? string[] addresses and networks that may send to anywhere. Default: `{ '127.0.0.1', '::1' }`.
---@field banner? string Default: `KumoMTA`.
---@field batch_handling? 'BifurcateAlways' | 'BatchByDomain' whether each recipient has a message of its own, or each domain. Default: `BifurcateAlways`.
---@field tls_certificate? kumo.KeySource in PEM form; one is made up unless said
---@field tls_private_key? kumo.KeySource in PEM form
---@field tls_required_client_ca? kumo.KeySource whose certificates clients have to show
---@field deferred_spool? boolean whether messages are written down only when they cannot be sent at once. Default: `false`.
---@field deferred_queue? boolean whether `smtp_server_message_received` runs after the client was answered. Default: `false`.
---@field trace_headers? kumo.TraceHeaders
---@field client_timeout? kumo.Duration how long a client may be silent. Default: 1 minute.
---@field data_processing_timeout? kumo.Duration how long handlers may take after DATA. Default: 5 minutes.
---@field peer? table<string, kumo.EsmtpListener> options by address or network of the client; the narrowest counts
---@field via? table<string, kumo.EsmtpListener> options by local address or network
---@field meta? table noted of each connection
---@field max_messages_per_connection? integer Default: `10000`.
---@field max_recipients_per_message? integer Default: `1024`.
---@field max_message_size? integer bytes. Default: 20 MiB.
---@field data_buffer_size? integer bytes. Default: 128 KiB.
---@field invalid_line_endings? 'Deny' | 'Allow' | 'Fix' Default: `Deny`.
---@field line_length_hard_limit? integer Default: `998`.
---@field allow_xclient? boolean Default: `false`.
---@field require_proxy_protocol? boolean Default: `false`.

---@class kumo.TraceHeaders
---@field received_header? boolean whether there is a `Received`. Default: `true`.
---@field supplemental_header? boolean whether there is a reference for feedback reports. Default: `true`.
---@field header_name? string of the reference. Default: `X-KumoRef`.
---@field include_meta_names? string[] meta values that the reference carries

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
---@field per_record? table<kumo.RecordType | 'Any', kumo.LogForm>
---@field filter_event? string an event that is asked about each record

---@class kumo.LogForm
---@field enable? boolean Default: `true`.
---@field suffix? string of the names of its files
---@field log_dir? string a folder of its own
---@field template? string what is written in the place of JSON
---@field segment_header? string the first line of each file

---@param options kumo.LocalLogs
function kumo.configure_local_logs(options) end

---@class kumo.LogHook
---@field name string
---@field back_pressure? integer
---@field meta? string[]
---@field headers? string[]
---@field per_record? table<kumo.RecordType | 'Any', kumo.HookForm>
---@field deferred_spool? boolean
---@field queue? kumo.QueueConfig of the queue that is named like the hook
---@field shaping_event? string an event that gives shaping data: the policy is asked only about records that a rule of it may match

---@class kumo.HookForm
---@field enable? boolean Default: `true`.
---@field template? string what is sent in the place of JSON

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
---@field per_record? table<kumo.RecordType | 'Any', kumo.HookForm>

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
---@field recipients kumo.InjectionRecipient[]
---@field content string | kumo.InjectionParts a whole message, or what it is made of
---@field substitutions? table<string, any>
---@field deferred_spool? boolean
---@field deferred_generation? boolean
---@field trace_headers? kumo.TraceHeaders
---@field template_dialect? 'Jinja' | 'Handlebars' | 'Static'

---@class kumo.InjectionRecipient
---@field email string
---@field name? string
---@field substitutions? table<string, any> what templates may name; goes before what is given for all
---@field metadata? table<string, any> noted as meta `extra`

---@class kumo.InjectionParts
---@field text_body? string
---@field html_body? string
---@field amp_html_body? string
---@field attachments? { data: string, content_type: string, content_id?: string, file_name?: string, base64?: boolean }[]
---@field headers? table<string, string>
---@field from? { email: string, name?: string }
---@field subject? string
---@field reply_to? { email: string, name?: string }

--- The messages of a request like that of `/api/inject/v1`, not yet injected.
---@param request kumo.Injection
---@return kumo.Message[]
function kumo.api.inject.build_v1(request) end

---@param request kumo.Injection
---@return table
function kumo.api.inject.inject_v1(request) end
