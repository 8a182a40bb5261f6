//! How a scheduled queue is used (interface A.5).

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use kumo_tsa_core::wire::Throttle;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use super::path::{MemoryPolicy, RefreshStrategy};
use super::value::{list, optional_span, span, words};
use super::{BadConfig, Config, read, written};

words! {
    /// `strategy`: how an existing program keeps time for a queue. Here one structure keeps it for all queues.
    Strategy {
        /// A wheel for each queue.
        TimerWheel,
        /// A sorted list.
        SkipList,
        /// One wheel for all.
        #[default]
        SingletonTimerWheel,
        /// Another one.
        SingletonTimerWheelV2,
    }
}

/// How a scheduled queue is used.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueConfig {
    /// How long after the first failure a message is tried again; doubles with each attempt. Default: 20 minutes.
    #[serde(with = "span")]
    pub retry_interval: Duration,
    /// What that grows to at most. Default: none.
    #[serde(with = "optional_span")]
    pub max_retry_interval: Option<Duration>,
    /// How old a message may become. Default: 7 days.
    #[serde(with = "span")]
    pub max_age: Duration,
    /// The pool of sources. Default: none, which is `unspecified`.
    pub egress_pool: Option<String>,
    /// How many messages may go on to ready queues in a period. Default: no limit.
    pub max_message_rate: Option<Throttle>,
    /// How messages leave. Default: SMTP to the hosts of the domain's MX.
    pub protocol: Protocol,
    /// How long an empty queue is kept. Default: 10 minutes.
    #[serde(with = "span")]
    pub reap_interval: Duration,
    /// How long this config holds before the policy is asked again. Default: 60 s.
    #[serde(with = "span")]
    pub refresh_interval: Duration,
    /// Whether it is asked again after that time or in a new epoch. Default: `Ttl`.
    pub refresh_strategy: RefreshStrategy,
    /// Of no use here. Default: none.
    #[serde(with = "optional_span")]
    pub timerwheel_tick_interval: Option<Duration>,
    /// Of no use here. Default: `SingletonTimerWheel`.
    pub strategy: Strategy,
    /// The provider that the queue's mail goes to, as metrics show it. Default: none.
    pub provider_name: Option<String>,
    /// What waiting messages drop from memory, and when. Default: nothing said.
    #[serde(deserialize_with = "list")]
    pub shrink_policy: Vec<Shrinking>,
    #[serde(skip)]
    pub(in crate::mail) given: BTreeSet<String>,
}

/// What a message that waits for longer than `interval` drops from memory.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shrinking {
    /// How long it has to wait.
    #[serde(with = "span")]
    pub interval: Duration,
    /// What it drops.
    pub policy: MemoryPolicy,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            retry_interval: Duration::from_mins(20),
            max_retry_interval: None,
            max_age: Duration::from_hours(7 * 24),
            egress_pool: None,
            max_message_rate: None,
            protocol: Protocol::default(),
            reap_interval: Duration::from_mins(10),
            refresh_interval: Duration::from_mins(1),
            refresh_strategy: RefreshStrategy::default(),
            timerwheel_tick_interval: None,
            strategy: Strategy::default(),
            provider_name: None,
            shrink_policy: Vec::new(),
            given: BTreeSet::new(),
        }
    }
}

impl Config for QueueConfig {
    const MAKER: &'static str = "kumo.make_queue_config";

    fn from_options(options: &Map<String, Value>) -> Result<Self, BadConfig> {
        let mut config: Self = read(options)?;
        config.given = options.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.clone()).collect();
        Ok(config)
    }

    fn to_json(&self) -> Map<String, Value> {
        written(self)
    }
}

impl QueueConfig {
    /// The names of the options that were given; the others have their defaults.
    pub fn given(&self) -> &BTreeSet<String> {
        &self.given
    }

    /// What was given, by name.
    pub fn given_options(&self) -> Map<String, Value> {
        let mut all = self.to_json();
        all.retain(|name, _| self.given.contains(name));
        all
    }

    /// The pool that sources are chosen from.
    pub fn pool(&self) -> &str {
        self.egress_pool.as_deref().unwrap_or(super::UNSPECIFIED)
    }
}

/// How messages leave a queue.
#[derive(Clone, PartialEq, Debug)]
pub enum Protocol {
    /// SMTP.
    Smtp {
        /// Whom to talk to instead of the hosts of the domain's MX; those when empty.
        mx_list: Vec<MxEntry>,
        /// Whether that list is trusted as DNSSEC would be.
        treat_mx_list_as_secure: bool,
    },
    /// Files in a maildir.
    Maildir {
        /// The folder, a template over the message's meta.
        maildir_path: PathBuf,
        /// The mode of folders that are made.
        dir_mode: Option<u32>,
        /// The mode of files that are made.
        file_mode: Option<u32>,
    },
    /// A Lua object that delivers (interface A.18).
    CustomLua {
        /// The event that makes it.
        constructor: String,
        /// How many messages it is given at once, at most.
        batch_size: usize,
        /// How many are waited for.
        min_batch_size: usize,
        /// For how long they are waited for.
        max_batch_latency: Duration,
    },
    /// HTTP to another mail host.
    Xfer {
        /// Its URL.
        target: String,
    },
    /// Into nothing; no policy can say it.
    Null,
    /// Into `smtp_server_message_deferred_inject`; no policy can say it.
    DeferredInjection,
    /// Into messages of an HTTP injection; no policy can say it.
    InjectionGenerator,
}

impl Default for Protocol {
    fn default() -> Self {
        Self::Smtp { mx_list: Vec::new(), treat_mx_list_as_secure: false }
    }
}

/// One of `mx_list`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a host such as `mx.example.com`, `mx.example.com:2525` or `[10.0.0.1]`, or a table with `name` and `addr`"
)]
pub enum MxEntry {
    /// A host, `host:port`, or an address in brackets.
    Name(String),
    /// A host whose address is known.
    Resolved {
        /// The name that its certificate is checked against.
        name: String,
        /// `ip` or `ip:port`.
        addr: String,
    },
}

impl MxEntry {
    /// How it stands in the name of a path (interface C.5).
    pub fn label(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Resolved { addr, .. } => addr,
        }
    }

    /// The address of one that is resolved, and its port where it has one.
    pub fn address(&self) -> Option<(IpAddr, Option<u16>)> {
        let Self::Resolved { addr, .. } = self else { return None };
        match addr.parse::<SocketAddr>() {
            Ok(both) => Some((both.ip(), Some(both.port()))),
            Err(_) => addr.trim_matches(['[', ']']).parse().ok().map(|ip| (ip, None)),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Smtp {
    #[serde(default, deserialize_with = "list")]
    mx_list: Vec<MxEntry>,
    #[serde(default)]
    treat_mx_list_as_secure: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Maildir {
    #[serde(rename = "maildir_path")]
    path: PathBuf,
    #[serde(default)]
    dir_mode: Option<u32>,
    #[serde(default)]
    file_mode: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CustomLua {
    constructor: String,
    #[serde(default = "one")]
    batch_size: usize,
    #[serde(default = "one")]
    min_batch_size: usize,
    #[serde(default, with = "span")]
    max_batch_latency: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Xfer {
    target: String,
}

const fn one() -> usize {
    1
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = Map::<String, Value>::deserialize(deserializer)?;
        parse_protocol(&table).map_err(|why| D::Error::custom(format!("invalid value: {why}")))
    }
}

fn parse_protocol(table: &Map<String, Value>) -> Result<Protocol, String> {
    fn part<T: serde::de::DeserializeOwned>(table: &Map<String, Value>) -> Result<T, String> {
        read(table).map_err(|error| error.0)
    }
    let inner = |name: &str| match (table.get(name), table.len()) {
        (Some(Value::Object(inner)), 1) => Some(inner),
        _ => None,
    };
    // An empty table of Lua may come as a list.
    let bare = |name: &str| table.len() == 1 && table.get(name).and_then(Value::as_array).is_some_and(Vec::is_empty);
    if bare("smtp") {
        Ok(Protocol::default())
    } else if let Some(inner) = inner("smtp") {
        let Smtp { mx_list, treat_mx_list_as_secure } = part(inner)?;
        Ok(Protocol::Smtp { mx_list, treat_mx_list_as_secure })
    } else if let Some(inner) = inner("custom_lua") {
        let CustomLua { constructor, batch_size, min_batch_size, max_batch_latency } = part(inner)?;
        if batch_size == 0 || min_batch_size == 0 || min_batch_size > batch_size {
            return Err(format!(
                "`batch_size` is {batch_size} and `min_batch_size` {min_batch_size}: expected at least 1 each, and \
                 `min_batch_size` no greater than `batch_size`"
            ));
        }
        Ok(Protocol::CustomLua { constructor, batch_size, min_batch_size, max_batch_latency })
    } else if let Some(inner) = inner("xfer") {
        let Xfer { target } = part(inner)?;
        Ok(Protocol::Xfer { target })
    } else if table.contains_key("maildir_path") {
        let Maildir { path, dir_mode, file_mode } = part(table)?;
        Ok(Protocol::Maildir { maildir_path: path, dir_mode, file_mode })
    } else {
        let found = Value::Object(table.clone());
        Err(format!(
            "{found}, expected one of `{{smtp={{..}}}}`, `{{maildir_path=..}}`, `{{custom_lua={{..}}}}`, \
             `{{xfer={{..}}}}`"
        ))
    }
}

impl Serialize for Protocol {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = match self {
            Self::Smtp { mx_list, treat_mx_list_as_secure } => {
                json!({ "smtp": { "mx_list": mx_list, "treat_mx_list_as_secure": treat_mx_list_as_secure } })
            }
            Self::Maildir { maildir_path, dir_mode, file_mode } => {
                json!({ "maildir_path": maildir_path, "dir_mode": dir_mode, "file_mode": file_mode })
            }
            Self::CustomLua { constructor, batch_size, min_batch_size, max_batch_latency } => {
                let latency = kumo_tsa_core::wire::format_duration(*max_batch_latency);
                json!({ "custom_lua": {
                    "constructor": constructor,
                    "batch_size": batch_size,
                    "min_batch_size": min_batch_size,
                    "max_batch_latency": latency,
                } })
            }
            Self::Xfer { target } => json!({ "xfer": { "target": target } }),
            Self::Null => json!("null"),
            Self::DeferredInjection => json!("defersmtpinject"),
            Self::InjectionGenerator => json!("httpinject:generator"),
        };
        value.serialize(serializer)
    }
}

impl Protocol {
    /// How it stands in the name of a path (interface C.5).
    pub fn label(&self) -> String {
        match self {
            Self::Smtp { .. } => "smtp_client".to_owned(),
            Self::Maildir { maildir_path, .. } => format!("maildir:{}", maildir_path.display()),
            Self::CustomLua { constructor, .. } => format!("lua:{constructor}"),
            Self::Xfer { .. } => "xfer".to_owned(),
            Self::Null => "null".to_owned(),
            Self::DeferredInjection => "defersmtpinject".to_owned(),
            Self::InjectionGenerator => "httpinject:generator".to_owned(),
        }
    }
}
