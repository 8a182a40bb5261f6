//! Names of scheduled queues and egress paths (interface C.4, C.5; semantics S2).

/// The parts of an egress path name, `SOURCE->SITE@PROTOCOL`, as a log record's `site` carries it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PathName<'a> {
    /// The egress source, when the name has one.
    pub source: Option<&'a str>,
    /// The site name; the whole text when the name has neither source nor protocol.
    pub site: &'a str,
    /// The protocol, such as `smtp_client`, when the name has one.
    pub protocol: Option<&'a str>,
}

impl<'a> PathName<'a> {
    /// Splits a name: one prefix `SOURCE->`, one suffix `@PROTOCOL`.
    ///
    /// `egress_source` is the record's own word for the source; it matters only where the source itself contains `->`.
    pub fn parse(name: &'a str, egress_source: Option<&str>) -> Self {
        let known = egress_source.and_then(|s| {
            name.strip_prefix(s).and_then(|rest| rest.strip_prefix("->")).map(|rest| (name.get(..s.len()), rest))
        });
        let (source, rest) = match known {
            Some(split) => split,
            None => match name.split_once("->") {
                Some((source, rest)) => (Some(source), rest),
                None => (None, name),
            },
        };
        let (site, protocol) = match rest.split_once('@') {
            Some((site, protocol)) => (site, Some(protocol)),
            None => (rest, None),
        };
        Self { source, site, protocol }
    }
}

/// The parts of a scheduled queue name, `[campaign:][tenant]@domain[!routing_domain]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct QueueName<'a> {
    /// The campaign, when the name has one.
    pub campaign: Option<&'a str>,
    /// The tenant, when the name has one.
    pub tenant: Option<&'a str>,
    /// The destination domain.
    pub domain: &'a str,
    /// The domain that the mail is routed to instead, when the name has one.
    pub routing_domain: Option<&'a str>,
}

impl<'a> QueueName<'a> {
    /// Splits a name: at the first `@`, what precedes at the first `:`, what follows at the first `!`.
    pub fn parse(name: &'a str) -> Self {
        let (prefix, rest) = name.split_once('@').unwrap_or(("", name));
        let (campaign, tenant) = match prefix.split_once(':') {
            Some((campaign, tenant)) => (Some(campaign), tenant),
            None => (None, prefix),
        };
        let (domain, routing_domain) = match rest.split_once('!') {
            Some((domain, routing)) => (domain, Some(routing)),
            None => (rest, None),
        };
        let given = |text: Option<&'a str>| text.filter(|t| !t.is_empty());
        Self { campaign: given(campaign), tenant: given(Some(tenant)), domain, routing_domain: given(routing_domain) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_one_prefix_and_one_suffix() {
        let name = PathName::parse("ip1->(mx1|mx2).example.com@smtp_client", Some("ip1"));
        assert_eq!(
            name,
            PathName { source: Some("ip1"), site: "(mx1|mx2).example.com", protocol: Some("smtp_client") }
        );
        let name = PathName::parse("a->b->site@smtp_client", Some("a->b"));
        assert_eq!((name.source, name.site), (Some("a->b"), "site"));
        let name = PathName::parse("a->b->site@smtp_client", None);
        assert_eq!((name.source, name.site), (Some("a"), "b->site"));
        let name = PathName::parse("me@home->site@lua:make.x@y", Some("me@home"));
        assert_eq!((name.source, name.site, name.protocol), (Some("me@home"), "site", Some("lua:make.x@y")));
        let name = PathName::parse("localhost", Some("ip1"));
        assert_eq!(name, PathName { source: None, site: "localhost", protocol: None });
    }

    #[test]
    fn queue_names_split_into_their_parts() {
        let parts = |name| {
            let q = QueueName::parse(name);
            (q.campaign, q.tenant, q.domain, q.routing_domain)
        };
        assert_eq!(parts("d.com"), (None, None, "d.com", None));
        assert_eq!(parts("t@d.com"), (None, Some("t"), "d.com", None));
        assert_eq!(parts("c:t@d.com"), (Some("c"), Some("t"), "d.com", None));
        assert_eq!(parts("c:@d.com"), (Some("c"), None, "d.com", None));
        assert_eq!(parts("t@d.com!r.com"), (None, Some("t"), "d.com", Some("r.com")));
        assert_eq!(parts("a:b:c@d@e!f!g"), (Some("a"), Some("b:c"), "d@e", Some("f!g")));
        assert_eq!(parts(""), (None, None, "", None));
    }
}
