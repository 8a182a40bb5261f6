//! How an egress path is used (interface D.7).

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use kumo_tsa_core::shaping::{Kind, OptionSpec, check_value, option, options};
use kumo_tsa_core::wire::{Limit, Throttle};
use serde_json::{Map, Value};

use super::value::{OptionValue, words};
use super::{BadConfig, Config, KeySource};
use crate::dns;

words! {
    /// `enable_tls`.
    TlsMode {
        /// TLS with a checked certificate where the peer offers it, else none.
        #[default]
        Opportunistic,
        /// TLS with whatever certificate where the peer offers it, else none.
        OpportunisticInsecure,
        /// TLS with a checked certificate.
        Required,
        /// TLS with whatever certificate.
        RequiredInsecure,
        /// No TLS.
        Disabled,
    }
}

words! {
    /// `refresh_strategy`.
    RefreshStrategy {
        /// Asked for again when `refresh_interval` is over.
        #[default]
        Ttl,
        /// Asked for again in a new configuration epoch.
        Epoch,
    }
}

words! {
    /// `dispatcher_wakeup_strategy` and `maintainer_wakeup_strategy`.
    WakeupStrategy {
        /// At each message.
        #[default]
        Aggressive,
        /// Now and then.
        Relaxed,
    }
}

words! {
    /// `reconnect_strategy`.
    ReconnectStrategy {
        /// The session goes on with the next host.
        #[default]
        ConnectNextHost,
        /// It ends.
        TerminateSession,
        /// It goes on with the same host.
        ReconnectSameHost,
    }
}

words! {
    /// `low_memory_reduction_policy` and `no_memory_reduction_policy`.
    MemoryPolicy {
        /// Content and meta are dropped from memory.
        #[default]
        ShrinkDataAndMeta,
        /// The content is.
        ShrinkData,
        /// Nothing is.
        NoShrink,
    }
}

/// Makes the struct, its defaults, and access to its fields by name.
macro_rules! path_config {
    ($($name:ident: $type:ty = $default:expr,)*) => {
        /// How an egress path is used (interface D.7). Defaults, kinds and what each is for: [`options`].
        #[derive(Clone, PartialEq, Debug)]
        #[expect(missing_docs, reason = "the names are those of the options, which `core::shaping::options` documents")]
        pub struct PathConfig {
            $(pub $name: $type,)*
        }

        impl Default for PathConfig {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl PathConfig {
            /// Takes a value that was checked; false when it does not read.
            fn put(&mut self, name: &str, value: &Value) -> bool {
                match name {
                    $(stringify!($name) => {
                        self.$name = if value.is_null() { $default } else {
                            let Some(read) = OptionValue::read(value) else { return false };
                            read
                        };
                        true
                    })*
                    _ => false,
                }
            }

            fn all(&self) -> Map<String, Value> {
                let mut map = Map::new();
                $(map.insert(stringify!($name).to_owned(), self.$name.write());)*
                map
            }
        }
    };
}

path_config! {
    connection_limit: Limit = Limit { limit: nonzero(32), local: false },
    additional_connection_limits: BTreeMap<String, Limit> = BTreeMap::new(),
    enable_tls: TlsMode = TlsMode::default(),
    enable_mta_sts: bool = true,
    enable_dane: bool = false,
    enable_pipelining: bool = true,
    enable_rset: bool = true,
    tls_prefer_openssl: bool = false,
    tls_certificate: Option<KeySource> = None,
    tls_private_key: Option<KeySource> = None,
    openssl_cipher_list: Option<String> = None,
    openssl_cipher_suites: Option<String> = None,
    openssl_options: Option<String> = None,
    rustls_cipher_suites: Vec<String> = Vec::new(),
    connect_timeout: Duration = Duration::from_mins(1),
    banner_timeout: Duration = Duration::from_mins(1),
    ehlo_timeout: Duration = Duration::from_mins(5),
    mail_from_timeout: Duration = Duration::from_mins(5),
    rcpt_to_timeout: Duration = Duration::from_mins(5),
    data_timeout: Duration = Duration::from_mins(5),
    data_dot_timeout: Duration = Duration::from_mins(5),
    rset_timeout: Duration = Duration::from_secs(5),
    idle_timeout: Duration = Duration::from_secs(5),
    starttls_timeout: Duration = Duration::from_secs(5),
    auth_timeout: Duration = Duration::from_mins(1),
    system_shutdown_timeout: Option<Duration> = None,
    max_ready: usize = 1024,
    consecutive_connection_failures_before_delay: usize = 100,
    smtp_port: u16 = 25,
    smtp_auth_plain_username: Option<String> = None,
    smtp_auth_plain_password: Option<KeySource> = None,
    allow_smtp_auth_plain_without_tls: bool = false,
    allow_smtp_auth_plain_without_valid_certificate: bool = false,
    max_message_rate: Option<Throttle> = None,
    additional_message_rate_throttles: BTreeMap<String, Throttle> = BTreeMap::new(),
    source_selection_rate: Option<Throttle> = None,
    additional_source_selection_rates: BTreeMap<String, Throttle> = BTreeMap::new(),
    max_connection_rate: Option<Throttle> = None,
    max_deliveries_per_connection: usize = 1024,
    max_recipients_per_batch: usize = 100,
    prohibited_hosts: Vec<IpNet> = prohibited(),
    skip_hosts: Vec<IpNet> = Vec::new(),
    ip_lookup_strategy: dns::Strategy = dns::Strategy::default(),
    ehlo_domain: Option<String> = None,
    aggressive_connection_opening: bool = false,
    refresh_interval: Duration = Duration::from_mins(1),
    refresh_strategy: RefreshStrategy = RefreshStrategy::default(),
    dispatcher_wakeup_strategy: WakeupStrategy = WakeupStrategy::default(),
    maintainer_wakeup_strategy: WakeupStrategy = WakeupStrategy::default(),
    provider_name: Option<String> = None,
    remember_broken_tls: Option<Duration> = None,
    opportunistic_tls_reconnect_on_failed_handshake: bool = false,
    use_lmtp: bool = false,
    reconnect_strategy: ReconnectStrategy = ReconnectStrategy::default(),
    readyq_pool_name: Option<String> = None,
    low_memory_reduction_policy: MemoryPolicy = MemoryPolicy::default(),
    no_memory_reduction_policy: MemoryPolicy = MemoryPolicy::default(),
    try_next_host_on_transport_error: bool = false,
    ignore_8bit_checks: bool = false,
    dispatcher_progress_watchdog_timeout: Option<Duration> = None,
}

/// Options that are not written back (interface D.7).
const UNWRITTEN: &[&str] = &["openssl_options", "rustls_cipher_suites"];

impl Config for PathConfig {
    const MAKER: &'static str = "kumo.make_egress_path";

    fn from_options(options: &Map<String, Value>) -> Result<Self, BadConfig> {
        let mut config = Self::default();
        for (name, value) in options {
            config.set(name, value)?;
        }
        Ok(config)
    }

    fn to_json(&self) -> Map<String, Value> {
        let mut map = self.all();
        map.retain(|name, _| !UNWRITTEN.contains(&name.as_str()));
        map
    }
}

impl PathConfig {
    /// Sets one option; null sets its default.
    ///
    /// # Errors
    /// Names an option that does not exist, or says what the option takes; then nothing has changed.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<(), BadConfig> {
        let spec = option(name).ok_or_else(|| {
            let known: Vec<_> = options().iter().map(|spec| format!("`{}`", spec.name)).collect();
            BadConfig(format!("unknown field `{name}`, expected one of {}", known.join(", ")))
        })?;
        let empty;
        let value = match empty_table(spec.kind, value) {
            Some(made) => {
                empty = made;
                &empty
            }
            None => value,
        };
        if !value.is_null() {
            check_value(spec, value)
                .map_err(|why| BadConfig(format!("field `{name}`: {}{why}", blame(spec, value))))?;
        }
        if self.put(name, value) {
            Ok(())
        } else {
            Err(BadConfig(format!("field `{name}`: invalid value: {value} is too large")))
        }
    }

    /// One option's value as JSON; `None` when there is no such option.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.all().remove(name)
    }

    /// The same with some options set otherwise, as automation does it. What an option does not take is left out and
    /// told.
    pub fn with(&self, overrides: &Map<String, Value>) -> (Self, Vec<BadConfig>) {
        let mut config = self.clone();
        let bad = overrides.iter().filter_map(|(name, value)| config.set(name, value).err()).collect();
        (config, bad)
    }

    /// Whether a session that was opened with this may carry messages while `now` holds. What is asked for anew for each
    /// message may differ, and what an open session has behind it; anything else was settled when it was opened.
    pub fn suits_session(&self, now: &Self) -> bool {
        let opened = Self {
            connection_limit: now.connection_limit,
            additional_connection_limits: now.additional_connection_limits.clone(),
            connect_timeout: now.connect_timeout,
            banner_timeout: now.banner_timeout,
            ehlo_timeout: now.ehlo_timeout,
            starttls_timeout: now.starttls_timeout,
            auth_timeout: now.auth_timeout,
            idle_timeout: now.idle_timeout,
            system_shutdown_timeout: now.system_shutdown_timeout,
            dispatcher_progress_watchdog_timeout: now.dispatcher_progress_watchdog_timeout,
            max_ready: now.max_ready,
            consecutive_connection_failures_before_delay: now.consecutive_connection_failures_before_delay,
            max_message_rate: now.max_message_rate,
            additional_message_rate_throttles: now.additional_message_rate_throttles.clone(),
            source_selection_rate: now.source_selection_rate,
            additional_source_selection_rates: now.additional_source_selection_rates.clone(),
            max_connection_rate: now.max_connection_rate,
            max_deliveries_per_connection: now.max_deliveries_per_connection,
            max_recipients_per_batch: now.max_recipients_per_batch,
            aggressive_connection_opening: now.aggressive_connection_opening,
            refresh_interval: now.refresh_interval,
            refresh_strategy: now.refresh_strategy,
            dispatcher_wakeup_strategy: now.dispatcher_wakeup_strategy,
            maintainer_wakeup_strategy: now.maintainer_wakeup_strategy,
            provider_name: now.provider_name.clone(),
            reconnect_strategy: now.reconnect_strategy,
            try_next_host_on_transport_error: now.try_next_host_on_transport_error,
            low_memory_reduction_policy: now.low_memory_reduction_policy,
            no_memory_reduction_policy: now.no_memory_reduction_policy,
            ..self.clone()
        };
        opened == *now
    }
}

/// An empty table of Lua is neither a list nor a map; here it is what the option wants.
fn empty_table(kind: Kind, value: &Value) -> Option<Value> {
    let is_empty = value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
    match kind {
        Kind::Texts | Kind::Cidrs if is_empty => Some(Value::Array(Vec::new())),
        Kind::Limits | Kind::Throttles if is_empty => Some(Value::Object(Map::new())),
        _ => None,
    }
}

/// The words that helpers look for (interface B.9).
fn blame(spec: &OptionSpec, value: &Value) -> &'static str {
    let fits = match spec.kind {
        Kind::Bool => value.is_boolean(),
        Kind::Count | Kind::Port => value.is_number(),
        Kind::Text | Kind::Throttle | Kind::Word(_) => value.is_string(),
        Kind::Texts | Kind::Cidrs => value.is_array(),
        Kind::Duration | Kind::Limit => value.is_string() || value.is_number(),
        Kind::Limits | Kind::Throttles => value.is_object(),
        Kind::Key => value.is_string() || value.is_object(),
    };
    if fits { "invalid value: " } else { "invalid type: " }
}

fn prohibited() -> Vec<IpNet> {
    use std::net::{Ipv4Addr, Ipv6Addr};
    let loopback = Ipv4Net::new(Ipv4Addr::new(127, 0, 0, 0), 8).ok().map(IpNet::V4);
    let single = [
        IpNet::V6(Ipv6Net::from(Ipv6Addr::LOCALHOST)),
        IpNet::V4(Ipv4Net::from(Ipv4Addr::UNSPECIFIED)),
        IpNet::V6(Ipv6Net::from(Ipv6Addr::UNSPECIFIED)),
    ];
    loopback.into_iter().chain(single).collect()
}

const fn nonzero(number: u64) -> std::num::NonZeroU64 {
    match std::num::NonZeroU64::new(number) {
        Some(number) => number,
        None => std::num::NonZeroU64::MIN,
    }
}
