---@meta

-- What the mail host asks for: paths, queues, sources, pools, domains.

---@class kumo
local kumo = {}

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
---@field protocol? { smtp?: kumo.SmtpProtocol, custom_lua?: kumo.CustomLua, maildir_path?: string, dir_mode?: integer, file_mode?: integer } how messages leave. Default: SMTP.
---@field reap_interval? kumo.Duration
---@field refresh_interval? kumo.Duration
---@field refresh_strategy? kumo.Refresh
---@field timerwheel_tick_interval? kumo.Duration
---@field strategy? 'TimerWheel' | 'SkipList' | 'SingletonTimerWheel' | 'SingletonTimerWheelV2' without effect here
---@field provider_name? string
---@field shrink_policy? { interval: kumo.Duration, policy: 'ShrinkDataAndMeta' | 'ShrinkData' | 'NoShrink' }[] accepted and without effect yet

---@class kumo.SmtpProtocol
---@field mx_list? (string | { name: string, addr: string })[] whom to talk to instead of the hosts of the domain's MX
---@field treat_mx_list_as_secure? boolean

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
---@field ha_proxy_server? string accepted and without effect yet, as all that follows
---@field ha_proxy_source_address? string
---@field socks5_proxy_server? string
---@field socks5_proxy_source_address? string
---@field socks5_proxy_username? string
---@field socks5_proxy_password? string
---@field suspend_when_unplumbed? kumo.SourceHealth
---@field suspend_when_proxy_unhealthy? kumo.SourceHealth

---@class kumo.SourceHealth
---@field trigger 'Immediate' | { Threshold: string }
---@field duration kumo.Duration

---@param options kumo.EgressSource
---@return kumo.EgressSource
function kumo.make_egress_source(options) end

---@class kumo.EgressPool
---@field name string
---@field entries kumo.EgressPoolEntry[]
---@field ttl? kumo.Duration

---@class kumo.EgressPoolEntry
---@field name string
---@field weight? integer Default: `1`.

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
