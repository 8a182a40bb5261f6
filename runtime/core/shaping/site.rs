//! Site names: the mail hosts of a domain as one text, and back (interface C.5, semantics S3).

/// The name of the site that these mail hosts make up.
///
/// Hosts are aligned from the right, label by label. Labels that differ in a position become `(a|b)`, a position that some
/// host lacks ends in `?`: `(alt1|alt2)?.gmail-smtp-in.l.google.com`. No hosts make the empty name.
pub fn site_name(hosts: &[impl AsRef<str>]) -> String {
    let hosts: Vec<String> = hosts.iter().map(|host| plain_host(host.as_ref())).filter(|h| !h.is_empty()).collect();
    let labels: Vec<Vec<&str>> = hosts.iter().map(|host| host.rsplit('.').collect()).collect();
    let longest = labels.iter().map(Vec::len).max().unwrap_or(0);
    let positions: Vec<String> = (0..longest).rev().map(|position| position_text(&labels, position)).collect();
    positions.join(".")
}

fn position_text(labels: &[Vec<&str>], position: usize) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    let mut missing = false;
    for host in labels {
        match host.get(position) {
            Some(label) if distinct.contains(label) => {}
            Some(label) => distinct.push(label),
            None => missing = true,
        }
    }
    let text = match distinct.as_slice() {
        [one] => (*one).to_owned(),
        many => format!("({})", many.join("|")),
    };
    if missing { text + "?" } else { text }
}

/// A host name in lower case and without the dot that ends it.
pub(super) fn plain_host(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_lowercase()
}

/// What a site name says about the hosts it was made of.
pub(super) enum SiteName<'t> {
    /// The hosts stand in it one by one.
    Listed(Vec<String>),
    /// The hosts were aligned into it.
    Aligned {
        /// The whole name.
        text: &'t str,
        /// What all hosts end in: the labels after the last position that varies.
        tail: &'t str,
    },
}

impl<'t> SiteName<'t> {
    pub(super) fn parse(text: &'t str) -> Self {
        if text.is_empty() {
            return Self::Listed(Vec::new());
        }
        if let Some(list) = text.strip_prefix("mx_list:") {
            return Self::Listed(list.split(',').map(|host| plain_host(without_port(host.trim()))).collect());
        }
        let tail = text.rfind([')', '?']).map_or(text, |at| {
            let rest = text.get(at + 1..).unwrap_or("");
            rest.strip_prefix('.').unwrap_or(rest)
        });
        Self::Aligned { text, tail }
    }
}

fn without_port(host: &str) -> &str {
    if let Some(literal) = host.strip_prefix('[') {
        return literal.split(']').next().unwrap_or(literal);
    }
    match host.split_once(':') {
        // A second colon makes it an IPv6 address.
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    }
}

/// A longer site name is no real one, and taking it apart is not worth the time: it fits nothing.
const LONGEST_NAME: usize = 8_192;

/// Whether every host that an aligned site name spells out ends in one of `suffixes` or is one of `names`.
///
/// With one position that varies the hosts are told apart exactly. With more of them any combination may be a host, so
/// `names` count for nothing and each combination must end in a suffix.
pub(super) fn every_host_fits(site: &str, suffixes: &[String], names: &[String]) -> bool {
    if site.len() > LONGEST_NAME {
        return false;
    }
    let mut varying = site.split('.').map(Position::parse).filter(Position::varies);
    let fits =
        |host: &str| suffixes.iter().any(|suffix| host.ends_with(suffix.as_str())) || names.iter().any(|n| n == host);
    match (varying.next(), varying.next()) {
        (None, _) => fits(site),
        (Some(position), None) => position.hosts(site).all(|host| fits(&host)),
        (Some(_), Some(_)) => every_combination_fits(site, suffixes),
    }
}

/// One position of a site name.
struct Position<'t> {
    /// As it stands in the name.
    text: &'t str,
    /// Some host has no label here, nor further left.
    optional: bool,
    /// The labels, with a bar between them.
    labels: &'t str,
}

impl<'t> Position<'t> {
    fn parse(text: &'t str) -> Self {
        let (inner, optional) = match text.strip_suffix('?') {
            Some(inner) => (inner, true),
            None => (text, false),
        };
        let group = inner.strip_prefix('(').and_then(|inner| inner.strip_suffix(')'));
        Self { text, optional, labels: group.unwrap_or(inner) }
    }

    fn labels(&self) -> std::str::Split<'t, char> {
        self.labels.split('|')
    }

    fn varies(&self) -> bool {
        self.optional || self.labels.contains('|')
    }

    /// The hosts of a site name in which this position alone varies.
    fn hosts(&self, site: &'t str) -> impl Iterator<Item = String> + use<'t> {
        let (left, right) = site.split_once(self.text).unwrap_or(("", ""));
        let ended = self.optional.then(|| right.strip_prefix('.').unwrap_or(right).to_owned());
        self.labels().map(move |label| format!("{left}{label}{right}")).chain(ended)
    }
}

/// From the right: the ends of hosts that are still the end of a suffix, rather than end in one. There are never more of them
/// than suffixes, however many combinations the name has.
fn every_combination_fits(site: &str, suffixes: &[String]) -> bool {
    let mut open = vec![String::new()];
    for position in site.rsplit('.').map(Position::parse) {
        if position.optional && !open.is_empty() {
            return false;
        }
        let mut next: Vec<String> = Vec::new();
        for end in open.iter().flat_map(|right| position.labels().map(|label| prepend(label, right))) {
            if suffixes.iter().any(|suffix| end.ends_with(suffix.as_str())) || next.contains(&end) {
                continue;
            }
            if !suffixes.iter().any(|suffix| suffix.ends_with(&end)) {
                return false;
            }
            next.push(end);
        }
        open = next;
    }
    open.is_empty()
}

fn prepend(label: &str, right: &str) -> String {
    if right.is_empty() { label.to_owned() } else { format!("{label}.{right}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(site: &str, suffixes: &[&str], names: &[&str]) -> bool {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        every_host_fits(site, &owned(suffixes), &owned(names))
    }

    #[test]
    fn s3_site_names_from_hosts() {
        let name = |hosts: &[&str]| site_name(hosts);
        assert_eq!(
            name(&[
                "gmail-smtp-in.l.google.com.",
                "alt1.gmail-smtp-in.l.google.com.",
                "alt2.gmail-smtp-in.l.google.com."
            ]),
            "(alt1|alt2)?.gmail-smtp-in.l.google.com"
        );
        assert_eq!(name(&["MX.Example.COM."]), "mx.example.com");
        assert_eq!(name(&["mx1.a.net", "mx2.b.net", "mx1.b.net"]), "(mx1|mx2).(a|b).net");
        assert_eq!(name(&["b.net", "a.net"]), "(b|a).net", "in the order of appearance");
        assert_eq!(name(&["x.y.net", "net"]), "x?.y?.net");
        assert_eq!(name(&["localhost"]), "localhost");
        assert_eq!(name(&[]), "");
        assert_eq!(name(&["", "."]), "");
        assert_eq!(name(&["a-b_c.d", "a-b_c.d"]), "a-b_c.d");
    }

    #[test]
    fn s3_a_name_says_its_hosts() {
        let listed = |text| match SiteName::parse(text) {
            SiteName::Listed(hosts) => hosts.join(" "),
            SiteName::Aligned { .. } => panic!("{text} is aligned"),
        };
        assert_eq!(listed(""), "");
        assert_eq!(
            listed("mx_list:MX1.a.com.,mx2.a.com:25, [10.0.0.1]:26,::1,[::2]"),
            "mx1.a.com mx2.a.com 10.0.0.1 ::1 ::2"
        );
        let tail = |text| match SiteName::parse(text) {
            SiteName::Aligned { text: whole, tail } => {
                assert_eq!(whole, text);
                tail
            }
            SiteName::Listed(_) => panic!("{text} is listed"),
        };
        assert_eq!(tail("mx.a.com"), "mx.a.com");
        assert_eq!(tail("(alt1|alt2)?.gmail.com"), "gmail.com");
        assert_eq!(tail("(alt1|alt2).gmail.com"), "gmail.com");
        assert_eq!(tail("x?.(a|b).c?.com"), "com");
        assert_eq!(tail("mx.(a|b)"), "");
        assert_eq!(tail("mx?"), "");
    }

    #[test]
    fn s3_one_varying_position_spells_the_hosts_exactly() {
        let hosts = |site: &'static str| -> Vec<String> {
            site.split('.').map(Position::parse).find(Position::varies).unwrap().hosts(site).collect()
        };
        assert_eq!(hosts("(alt1|alt2)?.g.com"), ["alt1.g.com", "alt2.g.com", "g.com"]);
        assert_eq!(hosts("mx.(a|b).com"), ["mx.a.com", "mx.b.com"]);
        assert_eq!(hosts("mx?.com"), ["mx.com", "com"]);
        assert_eq!(hosts("m.(a|b)?"), ["m.a", "m.b", ""]);
        assert!(every("mx.(a|b).com", &[], &["mx.a.com", "mx.b.com"]));
        assert!(every("mx.(a|b).com", &[".a.com"], &["mx.b.com"]));
        assert!(!every("mx.(a|b).com", &[".a.com"], &["mx.c.com"]));
        assert!(every("mx.a.com", &["a.com"], &[]));
        assert!(every("mx.a.com", &[], &["mx.a.com"]));
        assert!(!every("mx.a.com", &[], &["a.com"]));
        assert!(!every("mx?.a.com", &[".a.com"], &[]), "a.com itself does not end in .a.com");
        assert!(every("mx?.a.com", &[".a.com"], &["a.com"]));
    }

    #[test]
    fn s3_two_varying_positions_need_suffixes_for_all_combinations() {
        assert!(!every("(m|n).(a|b).com", &[], &["m.a.com", "n.a.com", "m.b.com", "n.b.com"]));
        assert!(every("(m|n).(a|b).com", &[".a.com", ".b.com"], &[]));
        assert!(!every("(m|n).(a|b).com", &[".a.com"], &[]));
        assert!(every("(m|n).(a|b).com", &["m.a.com", "n.a.com", ".b.com"], &[]));
        assert!(!every("(m|n).(a|b).com", &["m.a.com", "x.a.com", ".b.com"], &[]));
        assert!(every("(m|n).(a|b).com", &["com"], &[]), "a suffix is plain text, not labels");
        assert!(every("(m|n).(xa|ya).com", &["a.com"], &[]));
        assert!(!every("(m|n)?.(a|b).com", &[".a.com", ".b.com"], &[]), "a.com has nothing before the dot");
        assert!(every("(m|n)?.(a|b).com", &["a.com", "b.com"], &[]));
        assert!(!every("x?.y?.com", &["y.com"], &[]), "com alone may be a host");
        assert!(every("x?.y?.com", &["com"], &[]));
        assert!(!every("(m|n).(a|b)?", &["a", "b"], &[]));
        assert!(!every("(m|n).(a|b)", &["q.m.a", "q.n.a", "b"], &[]), "the hosts end before the suffixes");
        assert!(!every("(m|n).(a|b)", &[], &[]));
    }

    #[test]
    fn s3_no_site_name_can_stall_the_matching() {
        let position = format!("({})", ["a"; 50].join("|"));
        let site = [position.as_str(); 40].join(".");
        let suffix = ["a"; 41].join(".");
        assert!(!every(&site, &[&suffix], &[]));
        let long = |n: usize| format!("{}.(a|b).com", "x".repeat(n - ".(a|b).com".len()));
        assert!(every(&long(LONGEST_NAME), &["a.com", "b.com"], &[]));
        assert!(!every(&long(LONGEST_NAME + 1), &["a.com", "b.com"], &[]));
    }
}
