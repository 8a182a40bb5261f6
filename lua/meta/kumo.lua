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
---@overload fun(event: 'smtp_server_get_dynamic_parameters', handler: fun(listener: string, conn: kumo.ConnectionMeta): kumo.EsmtpListener?)
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

---@class kumo.shaping
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
---@param record kumo.LogRecord
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

return kumo
