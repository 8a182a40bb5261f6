//! The configuration of a resolver, as policies write it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ProtocolConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use kumo_tsa_core::wire::parse_duration;
use serde::Deserialize;

use super::Error;

/// The argument of `kumo.dns.configure_resolver`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Accepted and not used: every name is looked up as fully qualified, as mail demands.
    #[serde(default)]
    pub domain: Option<String>,
    /// Accepted and not used, as `domain`.
    #[serde(default)]
    pub search: Vec<String>,
    /// The servers, tried best first. At least one.
    #[serde(default)]
    pub name_servers: Vec<Server>,
    /// How they are asked.
    #[serde(default)]
    pub options: Options,
}

/// A name server: `"10.0.0.53"`, `"10.0.0.53:5353"`, or a table.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
pub enum Server {
    /// The address, with or without a port (default 53); over UDP, and TCP for long answers.
    Address(String),
    /// In detail.
    Detailed(Detailed),
}

/// A name server in detail.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Detailed {
    /// The address, with or without a port (default 53).
    pub socket_addr: String,
    /// `udp` or `tcp`; default: UDP, and TCP for long answers.
    #[serde(default)]
    pub protocol: Option<String>,
    /// Whether its NXDOMAIN is believed, or another server asked (default true).
    #[serde(default = "yes")]
    pub trust_negative_responses: bool,
    /// The local address to ask from, `ip:port`; port 0 is any.
    #[serde(default)]
    pub bind_addr: Option<SocketAddr>,
}

/// How name servers are asked. What is not said is hickory-resolver's default.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How long one server is waited for; default 5 s.
    pub timeout: Option<Seconds>,
    /// Retries after a failure; default 2.
    pub attempts: Option<usize>,
    /// Accepted and not used: every name is fully qualified.
    pub ndots: Option<usize>,
    /// Ask with EDNS, for long answers over UDP.
    pub edns0: Option<bool>,
    /// DNSSEC validation; only `false` is accepted, since this build does none.
    pub validate: Option<bool>,
    /// Accepted and not used: each lookup says its strategy.
    pub ip_strategy: Option<String>,
    /// Answers kept by the resolver.
    pub cache_size: Option<u64>,
    /// Whether `/etc/hosts` is looked at; default: as hickory-resolver has it.
    pub use_hosts_file: Option<bool>,
    /// The least time a found answer is kept.
    pub positive_min_ttl: Option<Seconds>,
    /// The longest time a found answer is kept.
    pub positive_max_ttl: Option<Seconds>,
    /// The least time that the absence of a name is kept.
    pub negative_min_ttl: Option<Seconds>,
    /// The longest time that the absence of a name is kept.
    pub negative_max_ttl: Option<Seconds>,
    /// How many servers are asked at once; default 2.
    pub num_concurrent_reqs: Option<usize>,
    /// Whether CNAMEs on the way are kept; no lookup here shows them.
    pub preserve_intermediates: Option<bool>,
    /// Try TCP when UDP failed.
    pub try_tcp_on_error: Option<bool>,
    /// Ask servers to recurse; default true.
    pub recursion_desired: Option<bool>,
    /// Random case in names, against spoofing.
    pub case_randomization: Option<bool>,
}

/// A duration: a number of seconds, or text such as `5s`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(try_from = "SecondsText")]
pub struct Seconds(pub Duration);

#[derive(Deserialize)]
#[serde(untagged)]
enum SecondsText {
    Number(f64),
    Text(String),
}

impl TryFrom<SecondsText> for Seconds {
    type Error = String;

    fn try_from(value: SecondsText) -> Result<Self, String> {
        match value {
            SecondsText::Number(seconds) => {
                Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| format!("invalid duration `{seconds}`"))
            }
            SecondsText::Text(text) => parse_duration(&text).map(Self).map_err(|error| error.to_string()),
        }
    }
}

fn yes() -> bool {
    true
}

impl Config {
    /// The name servers of a file in the format of `resolv.conf(5)`.
    pub fn parse_resolv_conf(text: &str) -> Result<Self, Error> {
        let servers = text.lines().filter_map(|line| {
            let mut words = line.split(['#', ';']).next()?.split_whitespace();
            (words.next()? == "nameserver").then(|| words.next())?
        });
        let name_servers: Vec<_> = servers.map(|ip| Server::Address(ip.to_owned())).collect();
        let config = Self { name_servers, ..Self::default() };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<Vec<NameServerConfig>, Error> {
        if self.name_servers.is_empty() {
            return Err(Error::Config("`name_servers` names no server".into()));
        }
        if self.options.validate == Some(true) {
            return Err(Error::Config("`validate`: DNSSEC validation is not supported".into()));
        }
        self.name_servers.iter().map(Server::build).collect()
    }

    pub(super) fn build(&self) -> Result<TokioResolver, Error> {
        let config = ResolverConfig::from_parts(None, Vec::new(), self.check()?);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        self.options.apply(builder.options_mut());
        builder.build().map_err(|error| Error::Config(error.to_string()))
    }
}

impl Server {
    fn build(&self) -> Result<NameServerConfig, Error> {
        let (address, protocol, trust, bind) = match self {
            Self::Address(address) => (address, None, true, None),
            Self::Detailed(d) => (&d.socket_addr, d.protocol.as_deref(), d.trust_negative_responses, d.bind_addr),
        };
        let address = parse_server(address)?;
        let protocols = match protocol.map(str::to_ascii_lowercase).as_deref() {
            None => vec![ProtocolConfig::Udp, ProtocolConfig::Tcp],
            Some("udp") => vec![ProtocolConfig::Udp],
            Some("tcp") => vec![ProtocolConfig::Tcp],
            Some(other) => return Err(Error::Config(format!("protocol `{other}`: expected `udp` or `tcp`"))),
        };
        let connections = protocols.into_iter().map(|protocol| {
            let mut connection = ConnectionConfig::new(protocol);
            connection.port = address.port();
            connection.bind_addr = bind;
            connection
        });
        Ok(NameServerConfig::new(address.ip(), trust, connections.collect()))
    }
}

fn parse_server(text: &str) -> Result<SocketAddr, Error> {
    let ip = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
    ip.or_else(|_| text.parse()).map_err(|_| Error::Config(format!("name server `{text}`: expected `IP` or `IP:PORT`")))
}

impl Options {
    fn apply(&self, options: &mut ResolverOpts) {
        fn set<T>(target: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *target = value;
            }
        }
        let seconds = |value: Option<Seconds>| value.map(|seconds| seconds.0);
        set(&mut options.timeout, seconds(self.timeout));
        set(&mut options.attempts, self.attempts);
        set(&mut options.edns0, self.edns0);
        set(&mut options.cache_size, self.cache_size);
        set(&mut options.num_concurrent_reqs, self.num_concurrent_reqs);
        set(&mut options.preserve_intermediates, self.preserve_intermediates);
        set(&mut options.try_tcp_on_error, self.try_tcp_on_error);
        set(&mut options.recursion_desired, self.recursion_desired);
        set(&mut options.case_randomization, self.case_randomization);
        set(&mut options.use_hosts_file, self.use_hosts_file.map(hosts));
        options.positive_min_ttl = seconds(self.positive_min_ttl);
        options.positive_max_ttl = seconds(self.positive_max_ttl);
        options.negative_min_ttl = seconds(self.negative_min_ttl);
        options.negative_max_ttl = seconds(self.negative_max_ttl);
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    }
}

fn hosts(used: bool) -> ResolveHosts {
    if used { ResolveHosts::Always } else { ResolveHosts::Never }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> Result<NameServerConfig, String> {
        let config: Config = serde_json::from_str(json).map_err(|e| e.to_string())?;
        Ok(config.check().map_err(|e| e.to_string())?.remove(0))
    }

    #[test]
    fn servers_are_addresses_with_or_without_a_port() {
        let plain = config(r#"{"name_servers": ["10.0.0.53"]}"#).unwrap();
        assert_eq!((plain.ip.to_string(), plain.connections[0].port), ("10.0.0.53".into(), 53));
        assert_eq!(plain.connections.len(), 2);
        let port = config(r#"{"name_servers": ["[::1]:5353"], "options": {"timeout": 1.5}}"#).unwrap();
        assert_eq!(port.connections[0].port, 5353);
        let tcp = config(r#"{"name_servers": [{"socket_addr": "10.0.0.53:53", "protocol": "tcp"}]}"#).unwrap();
        assert_eq!(tcp.connections.len(), 1);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(config(r#"{"name_servers": ["ns.example.com"]}"#).unwrap_err().contains("expected `IP` or `IP:PORT`"));
        assert!(config("{}").unwrap_err().contains("names no server"));
        assert!(config(r#"{"name_server": []}"#).unwrap_err().contains("unknown field `name_server`"));
        assert!(config(r#"{"name_servers": ["::1"], "options": {"validate": true}}"#).unwrap_err().contains("DNSSEC"));
    }

    #[test]
    fn resolv_conf_gives_its_servers() {
        let config = Config::parse_resolv_conf("# x\nsearch a\nnameserver 10.0.0.1 # one\nnameserver ::1\n").unwrap();
        assert_eq!(config.name_servers.len(), 2);
        assert!(Config::parse_resolv_conf("search a\n").is_err());
        assert!(Config::parse_resolv_conf("nameserver a.b\n").is_err());
    }
}
