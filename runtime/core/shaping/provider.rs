//! Which providers a domain and its mail hosts belong to (semantics S3).

use super::site::{SiteName, every_host_fits, plain_host};

/// What a provider block matches, as written.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Criteria {
    /// Plain ends of the domain; one that fits is enough.
    pub(super) domain_suffixes: Vec<String>,
    /// Plain ends of mail hosts.
    pub(super) mx_suffixes: Vec<String>,
    /// Whole mail hosts.
    pub(super) host_names: Vec<String>,
}

/// One match of a provider block, as written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Criterion<'s> {
    /// The domain ends in this.
    DomainSuffix(&'s str),
    /// A mail host ends in this.
    MxSuffix(&'s str),
    /// A mail host is this.
    HostName(&'s str),
}

/// How a provider fits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fit {
    No,
    /// Only by the domain, so it says nothing about the rest of the site (semantics A3).
    Domain,
    /// Every mail host fits.
    Hosts,
}

/// What is known about the mail hosts.
pub(super) enum Hosts<'h> {
    /// As resolved.
    Known(&'h [String]),
    /// As the site name spells them out.
    Named(SiteName<'h>),
}

impl<'h> Hosts<'h> {
    pub(super) fn new(site: &'h str, known: Option<&'h [String]>) -> Self {
        known.map_or_else(|| Self::Named(SiteName::parse(site)), Self::Known)
    }
}

impl Hosts<'_> {
    /// The mail hosts, where they are told one by one.
    fn listed(&self) -> Option<&[String]> {
        match self {
            Self::Known(hosts) => Some(hosts),
            Self::Named(SiteName::Listed(hosts)) => Some(hosts),
            Self::Named(SiteName::Aligned { .. }) => None,
        }
    }

    /// Whether some host is as `fits` wants it; of a site name that spells no hosts, whether `wanted` reaches its tail.
    fn some(&self, wanted: &str, fits: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Named(SiteName::Aligned { text, tail }) => {
                fits(text) || fits(tail) || (!tail.is_empty() && wanted.ends_with(tail))
            }
            _ => self.listed().unwrap_or_default().iter().any(|host| fits(&plain_host(host))),
        }
    }
}

impl Criteria {
    pub(super) fn fit(&self, domain: &str, hosts: &Hosts<'_>) -> Fit {
        if self.fits_hosts(hosts) {
            Fit::Hosts
        } else if self.domain_suffixes.iter().any(|suffix| domain.ends_with(suffix.as_str())) {
            Fit::Domain
        } else {
            Fit::No
        }
    }

    /// What fits the domain or some of its mail hosts, for people to read.
    pub(super) fn fitting<'s>(&'s self, domain: &str, hosts: &Hosts<'_>) -> Vec<Criterion<'s>> {
        let suffix = |suffix: &&String| hosts.some(suffix, |host| host.ends_with(suffix.as_str()));
        let name = |name: &&String| hosts.some(name, |host| host == name.as_str());
        let domains = self.domain_suffixes.iter().filter(|suffix| domain.ends_with(suffix.as_str()));
        let mut fitting: Vec<_> = domains.map(|text| Criterion::DomainSuffix(text)).collect();
        fitting.extend(self.mx_suffixes.iter().filter(suffix).map(|text| Criterion::MxSuffix(text)));
        fitting.extend(self.host_names.iter().filter(name).map(|text| Criterion::HostName(text)));
        fitting
    }

    /// The mail hosts that do not fit, where all are told one by one.
    pub(super) fn strangers(&self, hosts: &Hosts<'_>) -> Vec<String> {
        let known = hosts.listed().unwrap_or_default();
        known.iter().map(|host| plain_host(host)).filter(|host| !self.fits_host(host)).collect()
    }

    /// Adds what a later block of the same provider matches.
    pub(super) fn extend(&mut self, newer: &Self) {
        self.domain_suffixes.extend(newer.domain_suffixes.iter().cloned());
        self.mx_suffixes.extend(newer.mx_suffixes.iter().cloned());
        self.host_names.extend(newer.host_names.iter().cloned());
    }

    fn fits_hosts(&self, hosts: &Hosts<'_>) -> bool {
        let all = |hosts: &[String]| !hosts.is_empty() && hosts.iter().all(|host| self.fits_host(&plain_host(host)));
        match hosts {
            Hosts::Known(hosts) => all(hosts),
            Hosts::Named(SiteName::Listed(hosts)) => all(hosts),
            Hosts::Named(SiteName::Aligned { text, tail }) => self.fits_site(text, tail),
        }
    }

    fn fits_host(&self, host: &str) -> bool {
        self.mx_suffixes.iter().any(|suffix| host.ends_with(suffix.as_str()))
            || self.host_names.iter().any(|name| name == host)
    }

    /// Nearly always what all hosts end in decides, and nothing has to be taken apart.
    fn fits_site(&self, site: &str, tail: &str) -> bool {
        if self.mx_suffixes.iter().any(|suffix| tail.ends_with(suffix.as_str())) {
            return true;
        }
        let reaches_beyond = |wanted: &String| wanted.ends_with(tail);
        let open = self.mx_suffixes.iter().any(reaches_beyond) || self.host_names.iter().any(reaches_beyond);
        open && every_host_fits(site, &self.mx_suffixes, &self.host_names)
    }
}

/// Whether a domain can have mail hosts at all. The names of hook queues, such as `http://host.log_hook`, cannot, and no
/// provider is looked for (interface D.5).
pub(super) fn is_dns_name(domain: &str) -> bool {
    let plain = domain.strip_suffix('.').unwrap_or(domain);
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    };
    plain.len() <= 253 && plain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn criteria(domain: &[&str], mx: &[&str], host: &[&str]) -> Criteria {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Criteria { domain_suffixes: owned(domain), mx_suffixes: owned(mx), host_names: owned(host) }
    }

    fn named(criteria: &Criteria, domain: &str, site: &str) -> Fit {
        criteria.fit(domain, &Hosts::new(site, None))
    }

    #[test]
    fn s3_a_provider_fits_by_domain_or_by_every_host() {
        let google = criteria(&["gmail.com"], &[".google.com", ".googlemail.com"], &["mx.other.net"]);
        assert_eq!(named(&google, "x.org", "(alt1|alt2)?.gmail-smtp-in.l.google.com"), Fit::Hosts);
        assert_eq!(named(&google, "gmail.com", "(alt1|alt2)?.gmail-smtp-in.l.google.com"), Fit::Hosts);
        assert_eq!(named(&google, "gmail.com", "mx.x.org"), Fit::Domain);
        assert_eq!(named(&google, "notgmail.com", "mx.x.org"), Fit::Domain, "a suffix is plain text");
        assert_eq!(named(&google, "x.org", "mx.x.org"), Fit::No);
        assert_eq!(named(&google, "x.org", "google.com"), Fit::No);
        assert_eq!(named(&google, "x.org", "mx.other.net"), Fit::Hosts);
        assert_eq!(named(&google, "x.org", "(mx|my).other.net"), Fit::No);
        assert_eq!(named(&google, "x.org", "a.(google|googlemail).com"), Fit::Hosts);
        assert_eq!(named(&google, "x.org", ""), Fit::No, "no hosts fit nothing");
        assert_eq!(named(&criteria(&[], &[], &[]), "x.org", "mx.x.org"), Fit::No);
        assert_eq!(named(&criteria(&[], &[""], &[]), "x.org", ""), Fit::No);
        assert_eq!(named(&criteria(&[], &[".google.com."], &[]), "x.org", "mx.google.com"), Fit::No, "used as written");
    }

    #[test]
    fn s3_hosts_that_are_known_or_listed() {
        let both = criteria(&[], &[".a.com"], &["b.com"]);
        let fit = |hosts: &[&str]| {
            let hosts: Vec<String> = hosts.iter().map(|h| (*h).to_owned()).collect();
            both.fit("x.org", &Hosts::new("mx.a.com", Some(&hosts)))
        };
        assert_eq!(fit(&["MX.A.com.", "b.com."]), Fit::Hosts);
        assert_eq!(fit(&["mx.a.com", "c.com"]), Fit::No);
        assert_eq!(fit(&[]), Fit::No, "what is known wins over the site name");
        assert_eq!(named(&both, "x.org", "mx_list:b.com:25,x.a.com"), Fit::Hosts);
        assert_eq!(named(&both, "x.org", "mx_list:b.com,c.com"), Fit::No);
    }

    #[test]
    fn s3_names_that_are_no_dns_names() {
        for name in ["example.com", "example.com.", "_dmarc.a-b.c", "localhost", "bücher.de"] {
            assert!(is_dns_name(name), "{name}");
        }
        let long_label = "a".repeat(64);
        let long = ["a".repeat(62).as_str(); 5].join(".");
        let longest_label = "a".repeat(63);
        assert!(is_dns_name(&longest_label));
        let names = ["", ".", "a..b", "http://127.0.0.1:8008.tsa.kumomta", "[10.0.0.1]", "a b.c", &long_label, &long];
        for name in names {
            assert!(!is_dns_name(name), "{name}");
        }
        let most = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "a".repeat(61));
        assert!(is_dns_name(&most) && is_dns_name(&format!("{most}.")) && !is_dns_name(&format!("{most}a")));
    }
}
