//! Whom to try for a domain: hosts, their addresses and ports, in order.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use futures_util::future::join_all;
use ipnet::IpNet;

use super::Endpoint;
use super::error::internal;
use crate::dns::{Error, Mx, Resolver};
use crate::host::Host;
use crate::mail::config::{MxEntry, PathConfig, Source};
use crate::mail::reply::Reply;

/// Why there is nobody to try.
#[derive(Debug, thiserror::Error)]
pub enum NoHost {
    /// The domain says that it takes no mail (RFC 7505).
    #[error("`{0}` takes no mail: its MX is null")]
    NullMx(String),
    /// A host is at an address that must not be connected to.
    #[error("{address} of `{name}` is in the list of prohibited_hosts [{}]", list(.hosts))]
    Prohibited {
        /// The host.
        name: String,
        /// The address.
        address: IpAddr,
        /// `prohibited_hosts`.
        hosts: Vec<IpNet>,
    },
    /// All are passed over.
    #[error("all hosts of `{name}` are in the list of skip_hosts [{}]", list(.hosts))]
    Skipped {
        /// The domain, or the first host of a list.
        name: String,
        /// `skip_hosts`.
        hosts: Vec<IpNet>,
    },
    /// No host has an address.
    #[error("no address for any host of `{name}`: {}", failures(.errors))]
    Unresolved {
        /// The domain, or the first host of a list.
        name: String,
        /// What was found of each.
        errors: Vec<Error>,
    },
    /// An entry of a list is no host.
    #[error("`{0}` in `mx_list` is no host: expected a host, `host:port`, `[ip]` or a table with `name` and `addr`")]
    BadEntry(String),
}

impl NoHost {
    /// What a record says, and whether what waits is bounced (5xx) or deferred (4xx).
    pub fn reply(&self) -> Reply {
        let (code, enhanced) = match self {
            Self::NullMx(_) => (556, "5.1.10"),
            Self::Prohibited { .. } | Self::Skipped { .. } => (550, "5.4.4"),
            Self::Unresolved { .. } => (451, "4.4.4"),
            Self::BadEntry(_) => (451, "4.3.5"),
        };
        let parsed = Reply::new(code, &format!("{enhanced} x"));
        Reply { enhanced_code: parsed.enhanced_code, ..internal(code, &self.to_string()) }
    }
}

fn list(hosts: &[IpNet]) -> String {
    let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    hosts.join(", ")
}

fn failures(errors: &[Error]) -> String {
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// The addresses of a domain's hosts in the order to try them: by preference, hosts of equal preference shuffled anew each
/// time (RFC 5321 section 5.1), each with its addresses as `ip_lookup_strategy` has them. Their port is the domain's where
/// it names one, else the source's `remote_port`, else the path's `smtp_port`.
pub async fn plan_hosts(host: &Host, mx: &Mx, config: &PathConfig, source: &Source) -> Result<Vec<Endpoint>, NoHost> {
    if mx.is_null() {
        return Err(NoHost::NullMx(mx.domain.trim_end_matches('.').to_owned()));
    }
    let mut hosts = Vec::new();
    for equal in mx.by_preference.values() {
        let mut equal = equal.clone();
        fastrand::shuffle(&mut equal);
        hosts.extend(equal.iter().map(|text| Candidate::parse(text)));
    }
    choose(host, &mx.domain, hosts, config, source).await
}

/// The same for the hosts of an `mx_list`, in its order.
pub async fn list_hosts(
    host: &Host,
    list: &[MxEntry],
    config: &PathConfig,
    source: &Source,
) -> Result<Vec<Endpoint>, NoHost> {
    let candidate = |entry: &MxEntry| match entry {
        MxEntry::Name(text) => Ok(Candidate::parse(text)),
        MxEntry::Resolved { name, addr } => {
            let (ip, port) = entry.address().ok_or_else(|| NoHost::BadEntry(addr.clone()))?;
            Ok(Candidate { name: name.clone(), ip: Some(ip), port })
        }
    };
    let hosts = list.iter().map(candidate).collect::<Result<Vec<_>, _>>()?;
    let name = list.first().map(MxEntry::label).unwrap_or_default();
    choose(host, name, hosts, config, source).await
}

async fn choose(
    host: &Host,
    domain: &str,
    candidates: Vec<Candidate>,
    config: &PathConfig,
    source: &Source,
) -> Result<Vec<Endpoint>, NoHost> {
    let resolver = Resolver::of(host);
    let default_port = source.remote_port.unwrap_or(config.smtp_port);
    let look_up = |candidate: &Candidate| {
        let (resolver, strategy) = (resolver.clone(), config.ip_lookup_strategy);
        let (name, ip) = (candidate.name.clone(), candidate.ip);
        async move { if let Some(ip) = ip { Ok(vec![ip]) } else { resolver.addr(&name, strategy).await } }
    };
    let found = join_all(candidates.iter().map(look_up)).await;
    let (mut endpoints, mut errors, mut skipped, mut seen) = (Vec::new(), Vec::new(), false, HashSet::new());
    for (candidate, addresses) in candidates.into_iter().zip(found) {
        for ip in addresses.unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        }) {
            if contains(&config.skip_hosts, ip) {
                skipped = true;
                continue;
            }
            if contains(&config.prohibited_hosts, ip) {
                let (name, hosts) = (candidate.name, config.prohibited_hosts.clone());
                return Err(NoHost::Prohibited { name, address: ip, hosts });
            }
            let address = SocketAddr::new(ip, candidate.port.unwrap_or(default_port));
            if seen.insert(address) {
                endpoints.push(Endpoint { name: candidate.name.clone(), address });
            }
        }
    }
    let name = domain.trim_end_matches('.').to_owned();
    match (endpoints.is_empty(), skipped) {
        (false, _) => Ok(endpoints),
        (true, true) => Err(NoHost::Skipped { name, hosts: config.skip_hosts.clone() }),
        (true, false) => Err(NoHost::Unresolved { name, errors }),
    }
}

/// Whether an address is in a list; an IPv4 address also where it is written within IPv6.
fn contains(hosts: &[IpNet], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    hosts.iter().any(|net| net.contains(&ip))
}

/// A host that has still to be looked up, unless its address is known.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Candidate {
    name: String,
    ip: Option<IpAddr>,
    port: Option<u16>,
}

impl Candidate {
    /// Reads `host`, `host:port`, `ip`, `ip:port`, `[ip]` or `[ip]:port`.
    fn parse(text: &str) -> Self {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Self::at(address.ip(), Some(address.port()));
        }
        let (host, port) = split_port(text);
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        match bare.strip_prefix("IPv6:").unwrap_or(bare).parse() {
            Ok(ip) => Self::at(ip, port),
            Err(_) => Self { name: host.to_owned(), ip: None, port },
        }
    }

    fn at(ip: IpAddr, port: Option<u16>) -> Self {
        Self { name: ip.to_string(), ip: Some(ip), port }
    }
}

/// The port behind the last colon, where what stands before it is no IPv6 address.
fn split_port(text: &str) -> (&str, Option<u16>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            port.parse().map_or((text, None), |port| (host, Some(port)))
        }
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_they_are_written() {
        for (text, name, ip, port) in [
            ("mx.example.com.", "mx.example.com.", None, None),
            ("mx.example.com.:2525", "mx.example.com.", None, Some(2525)),
            ("10.0.0.1", "10.0.0.1", Some("10.0.0.1"), None),
            ("10.0.0.1:26", "10.0.0.1", Some("10.0.0.1"), Some(26)),
            ("[10.0.0.1]", "10.0.0.1", Some("10.0.0.1"), None),
            ("[10.0.0.1]:26", "10.0.0.1", Some("10.0.0.1"), Some(26)),
            ("[::1]", "::1", Some("::1"), None),
            ("[IPv6:::1]", "::1", Some("::1"), None),
            ("[::1]:26", "::1", Some("::1"), Some(26)),
            ("::1", "::1", Some("::1"), None),
            ("host:port", "host:port", None, None),
        ] {
            let ip = ip.map(|ip| ip.parse().unwrap());
            assert_eq!(Candidate::parse(text), Candidate { name: name.to_owned(), ip, port }, "{text}");
        }
    }
}
