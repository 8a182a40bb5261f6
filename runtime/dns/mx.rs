//! Mail exchangers of a domain, and the site that they are.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::proto::rr::{Name, RData};
use kumo_tsa_core::shaping::site_name;

use super::address::canonical;
use super::backend::Answer;
use super::{Error, parse_name};

/// Where mail of a domain goes (interface C.5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mx {
    /// The domain, fully qualified in lower case with the final dot; for a literal as it was asked for.
    pub domain: String,
    /// The hosts in the order to try them: by preference, and by name within one. Fully qualified, in lower case, with the
    /// final dot, and `:port` where the domain had one. Empty for a null MX (RFC 7505).
    pub hosts: Vec<String>,
    /// The same by preference, lower is better.
    pub by_preference: BTreeMap<u16, Vec<String>>,
    /// The name that stands for all hosts (`(alt1|alt2)?.gmail-smtp-in.l.google.com`); empty for a null MX.
    pub site_name: String,
    /// Whether there are MX records; without them the domain itself is the one host (RFC 5321 section 5.1).
    pub is_mx: bool,
    /// Whether the domain is an address in brackets.
    pub is_domain_literal: bool,
    /// Whether DNSSEC vouches for the answer.
    pub is_secure: bool,
}

/// The preference of a host that no MX record names.
const IMPLICIT: u16 = 1;

impl Mx {
    /// Whether the domain says that it takes no mail.
    pub fn is_null(&self) -> bool {
        self.hosts.is_empty()
    }

    fn single(domain: String, host: String, site_name: String) -> Self {
        Self {
            domain,
            hosts: vec![host.clone()],
            by_preference: BTreeMap::from([(IMPLICIT, vec![host])]),
            site_name,
            is_mx: false,
            is_domain_literal: false,
            is_secure: false,
        }
    }

    /// The domain as its own host.
    pub(super) fn implicit(asked: &Asked) -> Self {
        let domain = canonical(&asked.name);
        Self::single(domain.clone(), asked.with_port(&domain), asked.site_name(&[domain]))
    }

    pub(super) fn literal(text: &str, ip: IpAddr, port: Option<u16>) -> Self {
        let host = match (ip, port) {
            (ip, None) => ip.to_string(),
            (IpAddr::V4(ip), Some(port)) => format!("{ip}:{port}"),
            (IpAddr::V6(ip), Some(port)) => format!("[{ip}]:{port}"),
        };
        Self { is_domain_literal: true, ..Self::single(text.to_owned(), host.clone(), host) }
    }

    pub(super) fn from_answer(asked: &Asked, answer: &Answer) -> Self {
        let mut by_preference: BTreeMap<u16, Vec<String>> = BTreeMap::new();
        for data in &answer.records {
            if let RData::MX(mx) = data
                && !mx.exchange.is_root()
            {
                by_preference.entry(mx.preference).or_default().push(canonical(&mx.exchange));
            }
        }
        for hosts in by_preference.values_mut() {
            hosts.sort_unstable();
            hosts.dedup();
        }
        let bare: Vec<String> = by_preference.values().flatten().cloned().collect();
        for host in by_preference.values_mut().flatten() {
            *host = asked.with_port(host);
        }
        Self {
            domain: canonical(&asked.name),
            hosts: by_preference.values().flatten().cloned().collect(),
            site_name: asked.site_name(&bare),
            by_preference,
            is_mx: true,
            is_domain_literal: false,
            is_secure: answer.secure,
        }
    }
}

/// How long MX records are kept at most, whatever their TTL.
const MAX_TTL: Duration = Duration::from_hours(24);

/// How long an answer may be kept.
pub(super) fn lifetime(answer: &Answer) -> Duration {
    answer.ttl.min(MAX_TTL)
}

/// What a text asks the exchangers of.
#[derive(Debug)]
pub(super) enum Target {
    Literal(IpAddr, Option<u16>),
    Domain(Asked),
}

/// A domain, and the port that all of its hosts get.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) name: Name,
    port: Option<u16>,
}

impl Asked {
    /// What the answer is remembered under.
    pub(super) fn key(&self) -> String {
        self.with_port(&canonical(&self.name))
    }

    /// RFC 6761 section 6.3: known without asking anybody.
    pub(super) fn is_localhost(&self) -> bool {
        canonical(&self.name) == "localhost."
    }

    fn with_port(&self, host: &str) -> String {
        self.port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    fn site_name(&self, hosts: &[String]) -> String {
        let site = site_name(hosts);
        if site.is_empty() { site } else { self.with_port(&site) }
    }
}

/// Reads `domain`, `domain:port`, `[ip]` or `[ip]:port`.
pub(super) fn parse_target(text: &str) -> Result<Target, Error> {
    let bad = |why| Error::BadName { name: text.to_owned(), why };
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, after) = rest.split_once(']').ok_or_else(|| bad("`[` without a `]`"))?;
        let ip = ip.strip_prefix("IPv6:").unwrap_or(ip).parse().map_err(|_| bad("no ip address in the brackets"))?;
        let port = match after {
            "" => None,
            _ => Some(after.strip_prefix(':').and_then(|p| p.parse().ok()).ok_or_else(|| bad("a bad port"))?),
        };
        return Ok(Target::Literal(ip, port));
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port.parse().map_err(|_| bad("what follows the colon is not a port"))?)),
        None => (text, None),
    };
    Ok(Target::Domain(Asked { name: parse_name(name)?, port }))
}
