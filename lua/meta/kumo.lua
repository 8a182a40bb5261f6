---@meta kumo

-- What `require 'kumo'` returns, for editors: LuaLS shows it and checks calls against it. Nothing loads this file.

---@alias kumo.Duration string | number `5 minutes`, `1h 30m`, or a number of seconds
---@alias kumo.Throttle string `100/s`, `1,000/hour`, `5/10m`
---@alias kumo.Limit integer | string a number, or `local:10`
---@alias kumo.KeySource string | { key_data: string } | { event_name: string, event_args?: any[] }
---@alias kumo.Level 'Ignore' | 'Warn' | 'Error'
---@alias kumo.Refresh 'Ttl' | 'Epoch'
---@alias kumo.AuthInfo { identities?: table[], groups?: string[], peer_address?: string, identity?: string }

---@class kumo
---@field version string
local kumo = {}

--- Registers the handler of an event: one that the host knows, or one whose name the policy chose, as those of tasks,
--- of `custom_lua`, of filters, or `log_disposition_NAME`.
---@param event string
---@param handler function
---@overload fun(event: 'init', handler: fun())
---@overload fun(event: 'pre_init', handler: fun())
---@overload fun(event: 'validate_config', handler: fun())
---@overload fun(event: 'shutdown_logging', handler: fun())
---@overload fun(event: 'main', handler: fun(...: string))
---@overload fun(event: 'tsa_init', handler: fun())
---@overload fun(event: 'tsa_load_shaping_data', handler: fun(): kumo.Shaping)
---@overload fun(event: 'get_queue_config', handler: fun(domain: string, tenant?: string, campaign?: string, routing_domain?: string): kumo.QueueConfig?)
---@overload fun(event: 'get_egress_path_config', handler: fun(routing_domain: string, egress_source: string, site_name: string): kumo.EgressPath)
---@overload fun(event: 'get_egress_source', handler: fun(name: string): kumo.EgressSource)
---@overload fun(event: 'get_egress_pool', handler: fun(name: string): kumo.EgressPool)
---@overload fun(event: 'get_listener_domain', handler: fun(domain: string, listener: string, conn: kumo.ConnectionMeta): kumo.ListenerDomain?)
---@overload fun(event: 'should_enqueue_log_record', handler: fun(msg: kumo.Message, hook_name: string): boolean?)
---@overload fun(event: 'throttle_insert_ready_queue', handler: fun(msg: kumo.Message))
---@overload fun(event: 'requeue_message', handler: fun(msg: kumo.Message, response: string, reasons: string[], increment: boolean, delay?: kumo.TimeDelta))
---@overload fun(event: 'smtp_client_rewrite_delivery_status', handler: fun(response: string, domain: string, tenant?: string, campaign?: string, routing_domain?: string): integer?)
---@overload fun(event: 'smtp_server_get_dynamic_parameters', handler: fun(listener: string, conn: kumo.ConnectionMeta): table?)
---@overload fun(event: 'smtp_server_connection_accepted', handler: fun(conn: kumo.ConnectionMeta))
---@overload fun(event: 'smtp_server_ehlo', handler: fun(domain: string, conn: kumo.ConnectionMeta, extensions: string[]): string[]?)
---@overload fun(event: 'smtp_server_auth_plain', handler: fun(authz: string, authc: string, password: string, conn: kumo.ConnectionMeta): boolean | kumo.AuthInfo)
---@overload fun(event: 'smtp_server_mail_from', handler: fun(sender: kumo.EnvelopeAddress, conn: kumo.ConnectionMeta))
---@overload fun(event: 'smtp_server_rcpt_to', handler: fun(recipient: kumo.EnvelopeAddress, conn: kumo.ConnectionMeta))
---@overload fun(event: 'smtp_server_data', handler: fun(msg: kumo.Message, conn: kumo.ConnectionMeta))
---@overload fun(event: 'smtp_server_split_transaction', handler: fun(msg: kumo.Message, conn: kumo.ConnectionMeta): kumo.EnvelopeAddress[][]?)
---@overload fun(event: 'smtp_server_message_received', handler: fun(msg: kumo.Message, conn: kumo.ConnectionMeta))
---@overload fun(event: 'smtp_server_message_deferred_inject', handler: fun(msg: kumo.Message, conn: kumo.ConnectionMeta))
---@overload fun(event: 'smtp_server_rewrite_response', handler: fun(status: integer, response: string, command: string?, conn: kumo.ConnectionMeta): integer?, string?)
---@overload fun(event: 'http_message_generated', handler: fun(msg: kumo.Message, auth: kumo.AuthInfo))
---@overload fun(event: 'http_server_validate_auth_basic', handler: fun(user: string, password: string): boolean | kumo.AuthInfo)
---@overload fun(event: 'http_server_validate_auth_bearer', handler: fun(token: string): boolean | kumo.AuthInfo)
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
---@param task kumo.Task
function kumo.spawn_task(task) end

---@class kumo.Task
---@field event_name string
---@field args? any[]

---@class kumo.ThreadPool
---@field name string
---@field num_threads integer

--- Accepted and without effect: all work is done by one set of threads.
---@param options kumo.ThreadPool
function kumo.spawn_thread_pool(options) end

---@param contexts integer
function kumo.set_max_spare_lua_contexts(contexts) end

---@param events integer
function kumo.set_max_lua_context_use_count(events) end

---@param seconds integer
function kumo.set_max_lua_context_age(seconds) end

---@param percent integer
function kumo.set_lua_gc_on_put(percent) end

--- How long a path takes, after it was suspended, from one connection to its limit.
---@param length kumo.Duration
function kumo.set_suspension_ramp(length) end

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
---@field connection_limit? kumo.Limit Sessions that may be open at once along one egress path. Default: `32`.
---@field additional_connection_limits? table<string, kumo.Limit> Further limits on open sessions, each shared by all paths that name it. Default: `{}`.
---@field enable_tls? 'Opportunistic' | 'OpportunisticInsecure' | 'Required' | 'RequiredInsecure' | 'Disabled' Whether sessions are encrypted, and whether the certificate has to be valid. Default: `Opportunistic`.
---@field enable_mta_sts? boolean Whether a published MTA-STS policy is obeyed (RFC 8461). Default: `true`.
---@field enable_dane? boolean Whether TLSA records are looked up and obeyed (RFC 7672). Default: `false`.
---@field enable_pipelining? boolean Whether commands are sent without waiting, where the server offers it (RFC 2920). Default: `true`.
---@field enable_rset? boolean Whether RSET is sent between two messages of a session. Default: `true`.
---@field tls_prefer_openssl? boolean Whether OpenSSL does the encryption rather than rustls. Default: `false`.
---@field tls_certificate? kumo.KeySource The client certificate that a session shows, in PEM form.
---@field tls_private_key? kumo.KeySource The private key of the client certificate, in PEM form.
---@field openssl_cipher_list? string Ciphers for TLS 1.2 and older, in OpenSSL's notation.
---@field openssl_cipher_suites? string Cipher suites for TLS 1.3, in OpenSSL's notation.
---@field openssl_options? string Names of OpenSSL's option flags, joined by `|`.
---@field rustls_cipher_suites? string[] Cipher suites that rustls may use; all of them when empty. Default: `[]`.
---@field connect_timeout? kumo.Duration How long a TCP connection may take to open. Default: `60s`.
---@field banner_timeout? kumo.Duration How long the server's greeting may take. Default: `60s`.
---@field ehlo_timeout? kumo.Duration How long the answer to EHLO may take. Default: `300s`.
---@field mail_from_timeout? kumo.Duration How long the answer to MAIL FROM may take. Default: `300s`.
---@field rcpt_to_timeout? kumo.Duration How long the answer to RCPT TO may take. Default: `300s`.
---@field data_timeout? kumo.Duration How long the answer to DATA may take. Default: `300s`.
---@field data_dot_timeout? kumo.Duration How long the answer to the end of the message may take. Default: `300s`.
---@field rset_timeout? kumo.Duration How long the answer to RSET may take. Default: `5s`.
---@field idle_timeout? kumo.Duration How long an open session waits for its next message. Default: `5s`.
---@field starttls_timeout? kumo.Duration How long STARTTLS and its handshake may take. Default: `5s`.
---@field auth_timeout? kumo.Duration How long the answer to AUTH may take. Default: `60s`.
---@field system_shutdown_timeout? kumo.Duration How long a session may finish its message when the host stops.
---@field max_ready? integer Messages that the ready queue of one path holds at most. Default: `1024`.
---@field consecutive_connection_failures_before_delay? integer Failed connections in a row after which the messages of a path are put off. Default: `100`.
---@field smtp_port? integer The TCP port that is connected to. Default: `25`.
---@field smtp_auth_plain_username? string The user name for AUTH PLAIN.
---@field smtp_auth_plain_password? kumo.KeySource The password for AUTH PLAIN.
---@field allow_smtp_auth_plain_without_tls? boolean Whether the password may be sent in clear. Default: `false`.
---@field allow_smtp_auth_plain_without_valid_certificate? boolean Whether the password may be sent to a server whose certificate is not valid. Default: `false`.
---@field max_message_rate? kumo.Throttle Messages that may be sent along one path in a period.
---@field additional_message_rate_throttles? table<string, kumo.Throttle> Further message rates, each shared by all paths that name it. Default: `{}`.
---@field source_selection_rate? kumo.Throttle How often this source may be chosen for the site in a period.
---@field additional_source_selection_rates? table<string, kumo.Throttle> Further rates of choosing a source, each shared by all paths that name it. Default: `{}`.
---@field max_connection_rate? kumo.Throttle Sessions that may be opened along one path in a period.
---@field max_deliveries_per_connection? integer Messages after which a session is closed. Default: `1024`.
---@field max_recipients_per_batch? integer Recipients that one transaction carries at most. Default: `100`.
---@field prohibited_hosts? string[] Addresses that are never connected to; mail for them bounces. Default: `["127.0.0.0/8", "::1", "0.0.0.0", "::"]`.
---@field skip_hosts? string[] Addresses that are passed over in favour of the next one. Default: `[]`.
---@field ip_lookup_strategy? 'Ipv4AndIpv6' | 'Ipv4Only' | 'Ipv6Only' | 'Ipv6ThenIpv4' | 'Ipv4ThenIpv6' Which addresses of a host are looked up, and which are tried first. Default: `Ipv4AndIpv6`.
---@field ehlo_domain? string The name that a session says in EHLO.
---@field aggressive_connection_opening? boolean Whether as many sessions as the limit allows are opened at once rather than as the queue grows. Default: `false`.
---@field refresh_interval? kumo.Duration How long a path's options are used before they are asked for again. Default: `60s`.
---@field refresh_strategy? 'Ttl' | 'Epoch' Whether options are asked for again after an interval or when the configuration changes. Default: `Ttl`.
---@field dispatcher_wakeup_strategy? 'Aggressive' | 'Relaxed' How eagerly idle sessions are woken for a new message. Default: `Aggressive`.
---@field maintainer_wakeup_strategy? 'Aggressive' | 'Relaxed' How eagerly the ready queue looks whether it needs more sessions. Default: `Aggressive`.
---@field provider_name? string The mailbox provider that the path belongs to, as metrics and records show it.
---@field remember_broken_tls? kumo.Duration How long a site whose TLS handshake failed is talked to without TLS.
---@field opportunistic_tls_reconnect_on_failed_handshake? boolean Whether a failed opportunistic handshake is followed by a session without TLS. Default: `false`.
---@field use_lmtp? boolean Whether LMTP is spoken instead of SMTP (RFC 2033). Default: `false`.
---@field reconnect_strategy? 'ConnectNextHost' | 'TerminateSession' | 'ReconnectSameHost' What a session does after the server has closed it. Default: `ConnectNextHost`.
---@field readyq_pool_name? string The thread pool that works on the ready queue of this path.
---@field low_memory_reduction_policy? 'ShrinkDataAndMeta' | 'ShrinkData' | 'NoShrink' What is dropped from memory for waiting messages when memory is low. Default: `ShrinkDataAndMeta`.
---@field no_memory_reduction_policy? 'ShrinkDataAndMeta' | 'ShrinkData' | 'NoShrink' What is dropped from memory for waiting messages when memory is used up. Default: `ShrinkDataAndMeta`.
---@field try_next_host_on_transport_error? boolean Whether a session that breaks goes on with the next host of the site. Default: `false`.
---@field ignore_8bit_checks? boolean Whether 8-bit messages go to servers that do not offer 8BITMIME. Default: `false`.
---@field dispatcher_progress_watchdog_timeout? kumo.Duration How long a session may stand still before it is given up; when unset, twice its longest timeout and at least 60 s.

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
---@field timerwheel_tick_interval? kumo.Duration
---@field strategy? string
---@field provider_name? string
---@field shrink_policy? string

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
---@field ttl? kumo.Duration

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

kumo.json_parse = kumo.serde.json_parse
kumo.json_load = kumo.serde.json_load
kumo.json_encode = kumo.serde.json_encode
kumo.json_encode_pretty = kumo.serde.json_encode_pretty
kumo.toml_parse = kumo.serde.toml_parse
kumo.toml_load = kumo.serde.toml_load
kumo.toml_encode = kumo.serde.toml_encode
kumo.toml_encode_pretty = kumo.serde.toml_encode_pretty
kumo.glob = kumo.fs.glob
kumo.uncached_glob = kumo.fs.uncached_glob
kumo.open = kumo.fs.open
kumo.read_dir = kumo.fs.read_dir

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

--- Whether a rule may act on a log record, by any of its recipients' domains.
---@param record string JSON
---@return boolean
function Shaping:may_match(record) end

---@return string[]
function Shaping:get_errors() end

---@return string[]
function Shaping:get_warnings() end

---@return table<string, string[]>
function Shaping:get_referenced_sources() end

---@return string
function Shaping:hash() end

kumo.api = { admin = { suspend_ready_q = {}, suspend = {}, bounce = {} }, inject = {} }

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

return kumo
