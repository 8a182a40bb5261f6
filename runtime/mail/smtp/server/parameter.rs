//! What `kumo.start_esmtp_listener` takes (interface A.3), and what of it holds for one connection.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::mail::config::KeySource;
use crate::mail::trace::TraceHeaders;

/// The table as a policy writes it. The same keys, the first four apart, stand in `peer` and `via` entries and in what
/// `smtp_server_get_dynamic_parameters` returns.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the names are those of the options, which `Parameters` and `Settings` document")]
pub struct Table {
    pub listen: Option<String>,
    #[serde(deserialize_with = "count")]
    pub max_connections: Option<usize>,
    pub peer: Option<BTreeMap<String, Table>>,
    pub via: Option<BTreeMap<String, Table>>,
    pub hostname: Option<String>,
    pub relay_hosts: Option<Vec<String>>,
    pub banner: Option<String>,
    pub batch_handling: Option<BatchHandling>,
    pub tls_certificate: Option<KeySource>,
    pub tls_private_key: Option<KeySource>,
    pub tls_required_client_ca: Option<KeySource>,
    pub deferred_spool: Option<bool>,
    pub deferred_queue: Option<bool>,
    pub trace_headers: Option<TraceHeaders>,
    #[serde(deserialize_with = "crate::policy::optional_duration")]
    pub client_timeout: Option<Duration>,
    #[serde(deserialize_with = "crate::policy::optional_duration")]
    pub data_processing_timeout: Option<Duration>,
    pub meta: Option<Map<String, Value>>,
    #[serde(deserialize_with = "count")]
    pub max_messages_per_connection: Option<usize>,
    #[serde(deserialize_with = "count")]
    pub max_recipients_per_message: Option<usize>,
    #[serde(deserialize_with = "count")]
    pub max_message_size: Option<usize>,
    #[serde(deserialize_with = "count")]
    pub data_buffer_size: Option<usize>,
    pub invalid_line_endings: Option<LineEndings>,
    #[serde(deserialize_with = "count")]
    pub line_length_hard_limit: Option<usize>,
    pub allow_xclient: Option<bool>,
    pub require_proxy_protocol: Option<bool>,
}

/// A whole number; Lua may have it as a float, such as `1e6`.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    struct Whole;
    impl Visitor<'_> for Whole {
        type Value = Option<usize>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a whole number")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
            usize::try_from(number).map(Some).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
            usize::try_from(number).map(Some).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
            if number.fract() == 0.0 && (0.0..=9e15).contains(&number) {
                Ok(Some(number as usize))
            } else {
                Err(E::invalid_value(Unexpected::Float(number), &self))
            }
        }
    }
    deserializer.deserialize_any(Whole)
}

/// Into how many messages a transaction with several recipients is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
pub enum BatchHandling {
    /// One for each recipient.
    #[default]
    BifurcateAlways,
    /// One for each domain, in the order in which the domains first come.
    BatchByDomain,
}

/// What becomes of a message with carriage returns or line feeds that are not CRLF. The end of a message is never anything
/// but `CRLF . CRLF`, so that none of these lets a second message be smuggled in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
pub enum LineEndings {
    /// It is refused.
    #[default]
    Deny,
    /// It is taken as it is.
    Allow,
    /// They become CRLF.
    Fix,
}

/// Something in the table that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadParameter {
    /// No address and no network.
    #[error("field `{field}`: `{text}` is neither an address nor a network, such as `10.0.0.0/8`")]
    Network {
        /// The option.
        field: &'static str,
        /// What was given.
        text: String,
    },
    /// An option of the listener where those of a connection are expected.
    #[error("field `{field}` belongs to the listener: it cannot be set in `{within}`")]
    OfListener {
        /// The option.
        field: &'static str,
        /// Where it stands.
        within: &'static str,
    },
    /// A number that would let nothing through.
    #[error("field `{field}`: expected at least 1")]
    Zero {
        /// The option.
        field: &'static str,
    },
}

/// What a listener is asked to do.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// `ip:port`; port 0 takes a free one. Default: `127.0.0.1:2025`.
    pub listen: String,
    /// How many connections there may be at a time; more are told `421 4.3.2`. Default: 32768.
    pub max_connections: usize,
    /// What holds for every connection, unless one of the following says otherwise.
    pub settings: Arc<Settings>,
    /// By the address that a client comes to.
    via: Vec<(IpNet, Overrides)>,
    /// By the address that a client comes from.
    peer: Vec<(IpNet, Overrides)>,
}

/// What holds for a connection.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Settings {
    /// What the server calls itself. Default: the system's name.
    pub hostname: String,
    /// Who may send to any domain. Default: the loopback addresses.
    pub relay_hosts: Vec<IpNet>,
    /// What stands after the name in the greeting. Default: `KumoMTA`.
    pub banner: String,
    /// Into how many messages a transaction is taken.
    pub batch_handling: BatchHandling,
    /// The certificate chain in PEM; without one a self-signed certificate is made.
    pub tls_certificate: Option<KeySource>,
    /// The key of the certificate in PEM.
    pub tls_private_key: Option<KeySource>,
    /// The authorities, in PEM, one of which must have signed the certificate that a client must show.
    pub tls_required_client_ca: Option<KeySource>,
    /// Whether messages are kept in memory alone until they could not be delivered at once. Default: false.
    pub deferred_spool: bool,
    /// Whether the policy sees messages after they were accepted instead of before. Default: false.
    pub deferred_queue: bool,
    /// What is put before a message.
    pub trace_headers: TraceHeaders,
    /// How long a client may be silent. Default: 60 s.
    pub client_timeout: Duration,
    /// How long the policy and the spool may take over a message. Default: 300 s.
    pub data_processing_timeout: Duration,
    /// Goes into the metadata of each connection.
    pub meta: Map<String, Value>,
    /// How many messages are taken over one connection. Default: 10000.
    pub max_messages_per_connection: usize,
    /// How many recipients a message may have. Default: 1024.
    pub max_recipients_per_message: usize,
    /// How large a message may be, in bytes, line ends included. Default: 20 MiB.
    pub max_message_size: usize,
    /// How many bytes of a message are read at a time. Default: 128 KiB.
    pub data_buffer_size: usize,
    /// What becomes of line ends that are no CRLF.
    pub invalid_line_endings: LineEndings,
    /// How long a line of a message may be, in bytes, without its CRLF. Default: 998 (RFC 5321 section 4.5.3.1.6).
    pub line_length_hard_limit: usize,
    /// Whether a client may say on whose behalf it speaks. Default: false.
    pub allow_xclient: bool,
    /// Accepted and not enforced. Default: false.
    pub require_proxy_protocol: bool,
}

impl Settings {
    fn new(hostname: String) -> Self {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        Self {
            hostname,
            relay_hosts: loopback.map(IpNet::from).to_vec(),
            banner: "KumoMTA".to_owned(),
            batch_handling: BatchHandling::default(),
            tls_certificate: None,
            tls_private_key: None,
            tls_required_client_ca: None,
            deferred_spool: false,
            deferred_queue: false,
            trace_headers: TraceHeaders::default(),
            client_timeout: Duration::from_mins(1),
            data_processing_timeout: Duration::from_mins(5),
            meta: Map::new(),
            max_messages_per_connection: 10_000,
            max_recipients_per_message: 1024,
            max_message_size: 20 * 1024 * 1024,
            data_buffer_size: 128 * 1024,
            invalid_line_endings: LineEndings::default(),
            line_length_hard_limit: 998,
            allow_xclient: false,
            require_proxy_protocol: false,
        }
    }

    /// Whether `address` lies in `relay_hosts`.
    pub fn relays_for(&self, address: IpAddr) -> bool {
        self.relay_hosts.iter().any(|net| net.contains(&address))
    }
}

/// Some settings that are to be others.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    table: Table,
    relay_hosts: Option<Vec<IpNet>>,
}

impl Overrides {
    /// Checks what stands in `within`.
    pub fn parse(table: Table, within: &'static str) -> Result<Self, BadParameter> {
        let of_listener = [
            ("listen", table.listen.is_some()),
            ("max_connections", table.max_connections.is_some()),
            ("peer", table.peer.is_some()),
            ("via", table.via.is_some()),
        ];
        if let Some((field, _)) = of_listener.into_iter().find(|(_, given)| *given) {
            return Err(BadParameter::OfListener { field, within });
        }
        let at_least_one = [
            ("max_messages_per_connection", table.max_messages_per_connection),
            ("max_recipients_per_message", table.max_recipients_per_message),
            ("max_message_size", table.max_message_size),
            ("line_length_hard_limit", table.line_length_hard_limit),
        ];
        if let Some((field, _)) = at_least_one.into_iter().find(|(_, given)| *given == Some(0)) {
            return Err(BadParameter::Zero { field });
        }
        let relay_hosts = table
            .relay_hosts
            .as_ref()
            .map(|texts| texts.iter().map(|text| parse_net("relay_hosts", text)).collect::<Result<Vec<_>, _>>());
        Ok(Self { relay_hosts: relay_hosts.transpose()?, table })
    }

    /// Puts them in place of what `settings` has. `meta` is added to what is there.
    pub fn apply(&self, settings: &mut Settings) {
        let Table {
            listen: _,
            max_connections: _,
            peer: _,
            via: _,
            hostname,
            relay_hosts: _,
            banner,
            batch_handling,
            tls_certificate,
            tls_private_key,
            tls_required_client_ca,
            deferred_spool,
            deferred_queue,
            trace_headers,
            client_timeout,
            data_processing_timeout,
            meta,
            max_messages_per_connection,
            max_recipients_per_message,
            max_message_size,
            data_buffer_size,
            invalid_line_endings,
            line_length_hard_limit,
            allow_xclient,
            require_proxy_protocol,
        } = &self.table;
        set(&mut settings.hostname, hostname.as_ref());
        set(&mut settings.relay_hosts, self.relay_hosts.as_ref());
        set(&mut settings.banner, banner.as_ref());
        set(&mut settings.batch_handling, batch_handling.as_ref());
        if tls_certificate.is_some() || tls_private_key.is_some() {
            // They go together: the key of one certificate is of no use with another.
            settings.tls_certificate.clone_from(tls_certificate);
            settings.tls_private_key.clone_from(tls_private_key);
        }
        if tls_required_client_ca.is_some() {
            settings.tls_required_client_ca.clone_from(tls_required_client_ca);
        }
        set(&mut settings.deferred_spool, deferred_spool.as_ref());
        set(&mut settings.deferred_queue, deferred_queue.as_ref());
        set(&mut settings.trace_headers, trace_headers.as_ref());
        set(&mut settings.client_timeout, client_timeout.as_ref());
        set(&mut settings.data_processing_timeout, data_processing_timeout.as_ref());
        settings.meta.extend(meta.iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        set(&mut settings.max_messages_per_connection, max_messages_per_connection.as_ref());
        set(&mut settings.max_recipients_per_message, max_recipients_per_message.as_ref());
        set(&mut settings.max_message_size, max_message_size.as_ref());
        set(&mut settings.data_buffer_size, data_buffer_size.as_ref());
        set(&mut settings.invalid_line_endings, invalid_line_endings.as_ref());
        set(&mut settings.line_length_hard_limit, line_length_hard_limit.as_ref());
        set(&mut settings.allow_xclient, allow_xclient.as_ref());
        set(&mut settings.require_proxy_protocol, require_proxy_protocol.as_ref());
    }
}

fn set<T: Clone>(field: &mut T, given: Option<&T>) {
    if let Some(given) = given {
        field.clone_from(given);
    }
}

impl Parameters {
    /// Checks a table; `hostname` is the system's name.
    pub fn parse(mut table: Table, hostname: String) -> Result<Self, BadParameter> {
        if table.max_connections == Some(0) {
            return Err(BadParameter::Zero { field: "max_connections" });
        }
        let listen = table.listen.take().unwrap_or_else(|| "127.0.0.1:2025".to_owned());
        let max_connections = table.max_connections.take().unwrap_or(32_768);
        let peer = parse_map("peer", table.peer.take())?;
        let via = parse_map("via", table.via.take())?;
        let mut settings = Settings::new(hostname);
        Overrides::parse(table, "kumo.start_esmtp_listener")?.apply(&mut settings);
        Ok(Self { listen, max_connections, settings: Arc::new(settings), via, peer })
    }

    /// What holds for a connection from `peer` to `local`: first `via`, then `peer`, of each the most specific entry.
    pub fn settings(&self, local: SocketAddr, peer: SocketAddr) -> Arc<Settings> {
        let via = most_specific(&self.via, local.ip());
        let peer = most_specific(&self.peer, peer.ip());
        if via.is_none() && peer.is_none() {
            return self.settings.clone();
        }
        let mut settings = Settings::clone(&self.settings);
        via.into_iter().chain(peer).for_each(|overrides| overrides.apply(&mut settings));
        Arc::new(settings)
    }

    /// Names of options that are set and that this server does not enforce.
    pub fn unenforced(&self) -> Vec<&'static str> {
        let everywhere = self.via.iter().chain(&self.peer).filter_map(|(_, over)| over.table.require_proxy_protocol);
        let wanted = self.settings.require_proxy_protocol || everywhere.into_iter().any(|wanted| wanted);
        wanted.then_some("require_proxy_protocol").into_iter().collect()
    }
}

fn most_specific(entries: &[(IpNet, Overrides)], address: IpAddr) -> Option<&Overrides> {
    let matching = entries.iter().filter(|(net, _)| net.contains(&address));
    matching.max_by_key(|(net, _)| net.prefix_len()).map(|(_, overrides)| overrides)
}

fn parse_map(
    field: &'static str,
    entries: Option<BTreeMap<String, Table>>,
) -> Result<Vec<(IpNet, Overrides)>, BadParameter> {
    let parse = |(net, table): (String, Table)| Ok((parse_net(field, &net)?, Overrides::parse(table, field)?));
    entries.into_iter().flatten().map(parse).collect()
}

/// Reads an address or a network.
fn parse_net(field: &'static str, text: &str) -> Result<IpNet, BadParameter> {
    let net = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    net.ok_or_else(|| BadParameter::Network { field, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: Value) -> Result<Parameters, BadParameter> {
        Parameters::parse(serde_json::from_value(value).unwrap(), "mx.example".to_owned())
    }

    fn banner(parameters: &Parameters, local: &str, peer: &str) -> String {
        parameters.settings(local.parse().unwrap(), peer.parse().unwrap()).banner.clone()
    }

    #[test]
    fn the_defaults_are_those_documented() {
        let parameters = parse(json!({})).unwrap();
        assert_eq!((parameters.listen.as_str(), parameters.max_connections), ("127.0.0.1:2025", 32_768));
        let settings = &parameters.settings;
        assert_eq!((settings.hostname.as_str(), settings.banner.as_str()), ("mx.example", "KumoMTA"));
        assert!(settings.relays_for([127, 0, 0, 1].into()) && !settings.relays_for([10, 0, 0, 1].into()));
        assert_eq!((settings.client_timeout, settings.data_processing_timeout), (secs(60), secs(300)));
        assert_eq!(settings.max_message_size, 20_971_520);
        assert_eq!(settings.line_length_hard_limit, 998);
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_most_specific_entry_of_each_map_holds_and_peer_goes_last() {
        let parameters = parse(json!({
            "banner": "base",
            "via": {"10.0.0.1": {"banner": "via"}},
            "peer": {"192.168.0.0/16": {"banner": "wide"}, "192.168.1.0/24": {"banner": "narrow"}},
        }))
        .unwrap();
        assert_eq!(banner(&parameters, "10.0.0.2:25", "1.1.1.1:9"), "base");
        assert_eq!(banner(&parameters, "10.0.0.1:25", "1.1.1.1:9"), "via");
        assert_eq!(banner(&parameters, "10.0.0.1:25", "192.168.2.1:9"), "wide");
        assert_eq!(banner(&parameters, "10.0.0.2:25", "192.168.1.1:9"), "narrow");
    }

    #[test]
    fn what_cannot_be_is_named() {
        let fails = |value| parse(value).unwrap_err().to_string();
        assert_eq!(
            fails(json!({"relay_hosts": ["10.0.0.0/33"]})),
            "field `relay_hosts`: `10.0.0.0/33` is neither an address nor a network, such as `10.0.0.0/8`"
        );
        assert_eq!(
            fails(json!({"peer": {"::/0": {"max_connections": 3}}})),
            "field `max_connections` belongs to the listener: it cannot be set in `peer`"
        );
        assert_eq!(
            fails(json!({"max_recipients_per_message": 0})),
            "field `max_recipients_per_message`: expected at least 1"
        );
    }

    #[test]
    fn what_is_not_enforced_is_known() {
        assert!(parse(json!({})).unwrap().unenforced().is_empty());
        let parameters = parse(json!({"peer": {"10.0.0.0/8": {"require_proxy_protocol": true}}})).unwrap();
        assert_eq!(parameters.unenforced(), ["require_proxy_protocol"]);
    }
}
