//! What a policy says of queues and paths: the objects that `kumo.make_*` makes (interface A.5, D.7).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use kumo_tsa_core::wire::{Limit, Throttle};

/// How an egress path is used (interface D.7).
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the names are those of the options, which `core::shaping::options` documents")]
pub struct PathConfig {
    pub connection_limit: Limit,
    pub additional_connection_limits: BTreeMap<String, Limit>,
    pub enable_tls: TlsMode,
    pub enable_pipelining: bool,
    pub enable_rset: bool,
    pub connect_timeout: Duration,
    pub banner_timeout: Duration,
    pub ehlo_timeout: Duration,
    pub mail_from_timeout: Duration,
    pub rcpt_to_timeout: Duration,
    pub data_timeout: Duration,
    pub data_dot_timeout: Duration,
    pub rset_timeout: Duration,
    pub idle_timeout: Duration,
    pub starttls_timeout: Duration,
    pub auth_timeout: Duration,
    pub max_ready: usize,
    pub consecutive_connection_failures_before_delay: usize,
    pub smtp_port: u16,
    pub smtp_auth_plain_username: Option<String>,
    pub allow_smtp_auth_plain_without_tls: bool,
    pub allow_smtp_auth_plain_without_valid_certificate: bool,
    pub max_message_rate: Option<Throttle>,
    pub additional_message_rate_throttles: BTreeMap<String, Throttle>,
    pub source_selection_rate: Option<Throttle>,
    pub additional_source_selection_rates: BTreeMap<String, Throttle>,
    pub max_connection_rate: Option<Throttle>,
    pub max_deliveries_per_connection: usize,
    pub max_recipients_per_batch: usize,
    pub prohibited_hosts: Vec<IpNet>,
    pub skip_hosts: Vec<IpNet>,
    pub ehlo_domain: Option<String>,
    pub provider_name: Option<String>,
}

/// `enable_tls`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TlsMode {
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

/// An egress source (interface A.5).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Source {
    /// Its name; it stands in the names of ready queues.
    pub name: String,
    /// What to say in EHLO, where the path's `ehlo_domain` does not say it.
    pub ehlo_domain: Option<String>,
    /// The local address to connect from.
    pub source_address: Option<IpAddr>,
    /// The port to connect to, where not the path's `smtp_port`.
    pub remote_port: Option<u16>,
}
