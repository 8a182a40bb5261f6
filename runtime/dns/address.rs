//! Names and addresses as DNS spells them.

use std::fmt::Write as _;
use std::net::IpAddr;

use hickory_resolver::proto::rr::Name;
use serde::{Deserialize, Serialize};

use super::Error;

/// Which addresses of a host are looked up, and in which order (the values of `ip_lookup_strategy`).
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, Eq, PartialEq)]
pub enum Strategy {
    /// Both, IPv4 first.
    #[default]
    Ipv4AndIpv6,
    /// IPv4.
    Ipv4Only,
    /// IPv6.
    Ipv6Only,
    /// IPv6; when there is none, IPv4.
    Ipv6ThenIpv4,
    /// IPv4; when there is none, IPv6.
    Ipv4ThenIpv6,
}

/// The longest name in its text form, without the final dot (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 253;
/// The longest label (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;

/// Reads a domain name, with or without the final dot; the result is fully qualified.
///
/// Labels hold letters (any script), digits, `-` and `_`: a text such as `http://host/x`, which a queue of a log hook may
/// have for its domain, is none.
pub fn parse_name(text: &str) -> Result<Name, Error> {
    let bad = |why| Error::BadName { name: text.to_owned(), why };
    let bare = text.strip_suffix('.').unwrap_or(text);
    if bare.is_empty() {
        return Err(bad("it is empty"));
    }
    if bare.len() > MAX_NAME {
        return Err(bad("it is longer than 253 characters"));
    }
    for label in bare.split('.') {
        if label.is_empty() {
            return Err(bad("a label is empty"));
        }
        if label.len() > MAX_LABEL {
            return Err(bad("a label is longer than 63 characters"));
        }
        if !label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii()) {
            return Err(bad("a label holds other than letters, digits, `-` and `_`"));
        }
    }
    let mut name = Name::from_str_relaxed(bare).map_err(|_| bad("it is not an internationalised name either"))?;
    name.set_fqdn(true);
    Ok(name)
}

/// The name in lower case with its final dot.
pub(super) fn canonical(name: &Name) -> String {
    let mut text = name.to_ascii();
    text.make_ascii_lowercase();
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

/// The address with its octets (IPv4) or nibbles (IPv6) in reverse, as block lists are asked: `1.0.0.127`.
pub fn reverse_ip(ip: IpAddr) -> String {
    let mut text = String::new();
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            let _ = write!(text, "{d}.{c}.{b}.{a}");
        }
        IpAddr::V6(ip) => {
            for octet in ip.octets().iter().rev() {
                let _ = write!(text, "{:x}.{:x}.", octet & 0xf, octet >> 4);
            }
            text.pop();
        }
    }
    text
}

/// The name under which the PTR record of an address stands: `1.0.0.127.in-addr.arpa`.
pub fn ptr_host(ip: IpAddr) -> String {
    let zone = if ip.is_ipv4() { "in-addr.arpa" } else { "ip6.arpa" };
    format!("{}.{zone}", reverse_ip(ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_reversed() {
        assert_eq!(reverse_ip("10.1.2.3".parse().unwrap()), "3.2.1.10");
        assert_eq!(ptr_host("10.1.2.3".parse().unwrap()), "3.2.1.10.in-addr.arpa");
        let v6 = reverse_ip("2001:db8::1".parse().unwrap());
        assert_eq!(v6, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2");
        assert!(ptr_host("::1".parse().unwrap()).ends_with(".0.0.ip6.arpa"));
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(canonical(&parse_name("Example.COM").unwrap()), "example.com.");
        assert_eq!(canonical(&parse_name("_dmarc.example.com.").unwrap()), "_dmarc.example.com.");
        assert_eq!(canonical(&parse_name("bücher.example").unwrap()), "xn--bcher-kva.example.");
        let long = "a".repeat(64);
        let longer = format!("{}com", "abcdefgh.".repeat(30));
        for bad in ["", ".", "a..b", "http://host/x", "a b", "with space.com", "a\n.com", "[1.2.3.4]", &long, &longer] {
            assert!(matches!(parse_name(bad), Err(Error::BadName { .. })), "{bad:?}");
        }
    }
}
