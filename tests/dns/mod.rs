//! The resolver: zones, mail exchangers, what is remembered, and for how long.

mod lua;
mod server;

use std::time::Duration;

use kumo_tsa::dns::{Config, Error, Mx, Resolver, Source, Strategy, Zones};
use kumo_tsa::host::{Clock, Host, Paths};
use kumo_tsa_core::wire::Time;

const ZONE: &str = r#"
$ORIGIN gmail.com.
$TTL 600
@       IN SOA ns1 hostmaster (
            1      ; serial
            3600 600 86400 60 )
        IN MX 5  gmail-smtp-in.l.google.com.
        IN MX 40 Alt4.gmail-smtp-in.l.google.com.
        IN MX 10 alt1.gmail-smtp-in.l.google.com.
        IN MX 30 alt3.gmail-smtp-in.l.google.com.
        IN MX 20 alt2.gmail-smtp-in.l.google.com.
        IN TXT "v=spf1 " "-all" ; in parts
ns1 60  IN A 192.0.2.53
www     CNAME @
deep.down A 192.0.2.7
$ORIGIN null.example.
@ MX 0 .
$ORIGIN plain.example
@ 30 A 192.0.2.1
@ AAAA 2001:db8::1
four A 192.0.2.4
*.wild A 192.0.2.9
two MX 10 b
two MX 10 a
two MX 20 @
$ORIGIN 2.0.192.in-addr.arpa.
1 PTR Plain.Example.
"#;

fn host() -> Host {
    Host::new(Clock::controlled(Time::default()), Paths::documented())
}

fn zones(text: &str) -> Zones {
    let mut zones = Zones::default();
    zones.parse("test.zone", text, false).unwrap();
    zones
}

fn resolver(source: Source) -> (Host, Resolver) {
    let host = host();
    Resolver::replace(&host, source).unwrap();
    let resolver = Resolver::of(&host);
    (host, resolver)
}

/// The configuration that asks one name server.
fn servers(address: &str) -> Config {
    serde_json::from_value(
        serde_json::json!({ "name_servers": [address], "options": { "timeout": 0.5, "attempts": 1 } }),
    )
    .unwrap()
}

async fn mx(domain: &str) -> Result<Mx, Error> {
    let (_host, resolver) = resolver(Source::Zones(zones(ZONE)));
    resolver.mx(domain).await.map(|mx| Mx::clone(&mx))
}

#[track_caller]
fn zone_error(text: &str, expected: &str) {
    let error = Zones::default().parse("bad.zone", text, false).unwrap_err().to_string();
    assert!(error.starts_with(expected), "{error}");
}

#[tokio::test]
async fn exchangers_come_by_preference_with_their_site_name() {
    let mx = mx("GMail.com").await.unwrap();
    assert_eq!(mx.domain, "gmail.com.");
    assert_eq!(
        mx.hosts[..3],
        ["gmail-smtp-in.l.google.com.", "alt1.gmail-smtp-in.l.google.com.", "alt2.gmail-smtp-in.l.google.com."]
    );
    assert_eq!(mx.site_name, "(alt1|alt2|alt3|alt4)?.gmail-smtp-in.l.google.com");
    assert_eq!(mx.by_preference[&40], ["alt4.gmail-smtp-in.l.google.com."]);
    assert!(mx.is_mx && !mx.is_null() && !mx.is_domain_literal && !mx.is_secure);
}

#[tokio::test]
async fn exchangers_of_one_preference_are_sorted() {
    let mx = mx("two.plain.example.").await.unwrap();
    assert_eq!(mx.hosts, ["a.plain.example.", "b.plain.example.", "plain.example."]);
    assert_eq!(mx.site_name, "(a|b)?.plain.example");
}

#[tokio::test]
async fn a_domain_without_exchangers_is_its_own() {
    let plain = mx("plain.example").await.unwrap();
    assert_eq!((plain.hosts, plain.site_name), (vec!["plain.example.".into()], "plain.example".into()));
    assert!(!plain.is_mx);
    // It exists only because something stands below it.
    assert_eq!(mx("down.gmail.com").await.unwrap().hosts, ["down.gmail.com."]);
}

#[tokio::test]
async fn a_null_mx_has_no_hosts_and_no_site() {
    let null = mx("null.example").await.unwrap();
    assert!(null.is_null() && null.is_mx);
    assert_eq!((null.hosts.len(), null.site_name.as_str()), (0, ""));
}

#[tokio::test]
async fn outside_of_the_zones_nothing_exists() {
    for name in ["elsewhere.example", "nope.gmail.com", "com", "example"] {
        let error = mx(name).await.unwrap_err();
        assert!(error.to_string().contains("NXDOMAIN"), "{error}");
    }
}

#[tokio::test]
async fn a_port_goes_to_every_host() {
    let two = mx("two.plain.example:2525").await.unwrap();
    assert_eq!(two.hosts, ["a.plain.example.:2525", "b.plain.example.:2525", "plain.example.:2525"]);
    assert_eq!(two.site_name, "(a|b)?.plain.example:2525");
    assert_eq!(mx("two.plain.example").await.unwrap().site_name, "(a|b)?.plain.example");
    assert!(matches!(mx("two.plain.example:x").await, Err(Error::BadName { .. })));
}

#[tokio::test]
async fn literals_and_localhost_need_no_dns() {
    let (_host, resolver) = resolver(Source::Failing("off".into()));
    let literal = resolver.mx("[192.0.2.1]").await.unwrap();
    assert_eq!((literal.site_name.as_str(), literal.is_domain_literal), ("192.0.2.1", true));
    assert_eq!(resolver.mx("[IPv6:::1]").await.unwrap().site_name, "::1");
    assert_eq!(resolver.mx("[192.0.2.1]:2525").await.unwrap().hosts, ["192.0.2.1:2525"]);
    for bad in ["[192.0.2.1", "[x]", "[192.0.2.1]25"] {
        assert!(matches!(resolver.mx(bad).await, Err(Error::BadName { .. })), "{bad}");
    }
    let localhost = resolver.mx("localhost").await.unwrap();
    assert_eq!((localhost.site_name.as_str(), localhost.is_mx), ("localhost", false));
    let addresses = resolver.addr("localhost", Strategy::Ipv4AndIpv6).await.unwrap();
    assert_eq!(addresses, ["127.0.0.1".parse::<std::net::IpAddr>().unwrap(), "::1".parse().unwrap()]);
    assert_eq!(resolver.addr("192.0.2.1", Strategy::Ipv6Only).await.unwrap().len(), 1);
}

#[tokio::test]
async fn addresses_follow_the_strategy() {
    let (_host, resolver) = resolver(Source::Zones(zones(ZONE)));
    let text = async |name: &str, strategy| {
        let found = resolver.addr(name, strategy).await;
        found.map_or_else(|e| e.to_string(), |ips| ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(text("plain.example", Strategy::Ipv4AndIpv6).await, "192.0.2.1 2001:db8::1");
    assert_eq!(text("plain.example", Strategy::Ipv6ThenIpv4).await, "2001:db8::1");
    assert_eq!(text("plain.example", Strategy::Ipv4ThenIpv6).await, "192.0.2.1");
    assert_eq!(text("four.plain.example", Strategy::Ipv6ThenIpv4).await, "192.0.2.4");
    assert_eq!(text("four.plain.example", Strategy::Ipv4AndIpv6).await, "192.0.2.4");
    assert_eq!(text("x.wild.plain.example", Strategy::Ipv4Only).await, "192.0.2.9");
    assert_eq!(
        text("four.plain.example", Strategy::Ipv6Only).await,
        "AAAA lookup of `four.plain.example.`: no AAAA records"
    );
}

#[tokio::test]
async fn names_texts_and_aliases_are_found() {
    let (_host, resolver) = resolver(Source::Zones(zones(ZONE)));
    assert_eq!(resolver.ptr("192.0.2.1".parse().unwrap()).await.unwrap(), ["plain.example."]);
    assert_eq!(resolver.txt("gmail.com").await.unwrap(), ["v=spf1 -all"]);
    assert_eq!(resolver.txt("www.gmail.com").await.unwrap(), ["v=spf1 -all"]);
    assert_eq!(resolver.mx("www.gmail.com").await.unwrap().hosts.len(), 5);
}

#[tokio::test]
async fn a_block_list_is_asked_in_reverse() {
    let list = "$ORIGIN rbl.example.\n5.2.0.192 A 127.0.0.2\n5.2.0.192 TXT \"listed\"\n6.2.0.192 A 127.0.0.3\n";
    let (_host, resolver) = resolver(Source::Zones(zones(list)));
    let ask = async |ip: &str| resolver.rbl(ip.parse().unwrap(), "rbl.example").await.unwrap();
    assert_eq!(ask("192.0.2.5").await, Some(("127.0.0.2".parse().unwrap(), Some("listed".into()))));
    assert_eq!(ask("192.0.2.6").await, Some(("127.0.0.3".parse().unwrap(), None)));
    assert_eq!(ask("192.0.2.7").await, None);
}

#[tokio::test]
async fn a_failing_name_in_a_zone_fails() {
    let mut zones = zones(ZONE);
    zones.fail("Broken.example").unwrap();
    let (_host, resolver) = resolver(Source::Zones(zones));
    assert_eq!(
        resolver.mx("broken.example").await.unwrap_err().to_string(),
        "MX lookup of `broken.example.`: SERVFAIL"
    );
}

#[tokio::test]
async fn secure_zones_vouch_for_their_answers() {
    let mut zones = zones("");
    zones.parse("s", "$ORIGIN s.example.\n@ MX 1 a\n", true).unwrap();
    let (_host, resolver) = resolver(Source::Zones(zones));
    assert!(resolver.mx("s.example").await.unwrap().is_secure);
}

#[tokio::test]
async fn an_aggregate_takes_the_first_that_has_records() {
    let one = Source::Zones(zones("$ORIGIN one.example.\n@ MX 1 a\n"));
    let two = Source::Zones(zones("$ORIGIN two.example.\n@ MX 1 b\n"));
    let (_host, resolver) = resolver(Source::Aggregate(vec![Source::Failing("off".into()), one, two]));
    assert_eq!(resolver.mx("two.example").await.unwrap().hosts, ["b.two.example."]);
    // That there is no such name is worth more than that one resolver could not tell.
    assert!(matches!(resolver.mx("three.example").await, Err(Error::NxDomain { .. })));
}

#[test]
fn zone_errors_name_file_and_line() {
    zone_error("$ORIGIN a.example.\n@ A 192.0.2.1\n@ A 192.0.2\n", "bad.zone:3: ");
    zone_error("$ORIGIN a.example.\n@ NOPE 192.0.2.1\n", "bad.zone:2: ");
    zone_error("\n MX 10 a\n", "bad.zone:2: a record without a name before it");
    zone_error("$INCLUDE other\n", "bad.zone:1: `$INCLUDE` is not supported");
    zone_error("$TTL soon\n", "bad.zone:1: `soon` is not a TTL");
    zone_error("$ORIGIN\n", "bad.zone:1: `$ORIGIN` without a value");
    zone_error("a.example. SOA a b (\n 1 2 3\n", "bad.zone:1: `(` without a `)`");
    zone_error("a.example. TXT \"open\n", "bad.zone:1: `\"` without a closing one");
    zone_error("a.example. )\n", "bad.zone:1: `)` without a `(`");
    zone_error("a.example. MX 10 192.0.2.1\n", "bad.zone:1: the exchange of an MX record is a host name");
}

#[test]
fn any_text_is_a_zone_or_an_error() {
    proptest::proptest!(|(text in "[ -~\n\t\"();@$\\\\]{0,200}")| {
        let _ = Zones::default().parse("any", &text, false);
    });
}

#[tokio::test]
async fn zone_files_are_read_through_the_hosts_paths() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("opt/kumomta")).unwrap();
    std::fs::write(folder.path().join("opt/kumomta/a.zone"), "$ORIGIN a.example.\n@ MX 1 mx\n").unwrap();
    let host = Host::new(Clock::system(), Paths::with_prefix(folder.path()));
    Resolver::use_zones(&host, &["/opt/kumomta/a.zone"]).unwrap();
    assert_eq!(Resolver::of(&host).mx("a.example").await.unwrap().hosts, ["mx.a.example."]);

    let missing = Resolver::use_zones(&host, &["/opt/kumomta/b.zone"]).unwrap_err();
    assert_eq!(missing.to_string(), "reading zone file `/opt/kumomta/b.zone`");
    std::fs::write(folder.path().join("opt/kumomta/b.zone"), "$ORIGIN a.example.\n\n@ MX one mx\n").unwrap();
    let bad = Resolver::use_zones(&host, &["/opt/kumomta/b.zone"]).unwrap_err();
    assert!(bad.to_string().starts_with("/opt/kumomta/b.zone:3: "), "{bad}");
}

/// The executables read their arguments before they start a runtime.
#[test]
fn zones_and_the_systems_resolver_need_no_runtime() {
    let host = host();
    let _ = Resolver::of(&host);
    Resolver::use_zones::<&str>(&host, &[]).unwrap();
    Resolver::replace(&host, Source::Configured(Box::new(servers("127.0.0.1:53")))).unwrap();
}

#[tokio::test]
async fn zone_files_hold_whatever_the_policy_configures() {
    let host = host();
    Resolver::use_zones::<&str>(&host, &[]).unwrap();
    Resolver::configure(&host, Source::Zones(zones(ZONE))).unwrap();
    assert!(matches!(Resolver::of(&host).mx("gmail.com").await, Err(Error::NxDomain { .. })));
}

#[tokio::test]
async fn the_same_configuration_again_keeps_what_is_remembered() {
    let host = host();
    Resolver::configure(&host, Source::Zones(zones(ZONE))).unwrap();
    Resolver::of(&host).mx("gmail.com").await.unwrap();
    Resolver::configure(&host, Source::Zones(zones(ZONE))).unwrap();
    assert!(Resolver::of(&host).mx_known("gmail.com").await.is_some());
    Resolver::configure(&host, Source::Zones(zones(""))).unwrap();
    assert!(Resolver::of(&host).mx_known("gmail.com").await.is_none());
}

#[tokio::test(start_paused = true)]
async fn dns_that_never_answers_times_out_and_is_remembered() {
    let (host, resolver) = resolver(Source::Silent);
    let start = tokio::time::Instant::now();
    let error = resolver.mx("a.example").await.unwrap_err();
    assert_eq!(error.to_string(), "MX lookup of `a.example.`: no answer within 5s");
    assert_eq!(start.elapsed().as_secs(), 5);
    resolver.mx("a.example").await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 5, "the failure is remembered");
    resolver.mx_again("a.example").await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 10, "unless one insists");
    Resolver::tune(&host, |settings| settings.timeout = Duration::from_secs(1));
    tokio::time::advance(Duration::from_mins(5)).await;
    resolver.mx("a.example").await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 311, "for five minutes");
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_exchangers_can_be_bounded() {
    let (_host, resolver) = resolver(Source::Silent);
    let start = tokio::time::Instant::now();
    assert!(resolver.mx_within("a.example", Duration::from_millis(100)).await.is_none());
    assert_eq!(start.elapsed().as_millis(), 100);
    assert!(resolver.mx_known("a.example").await.is_none());
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(resolver.mx_known("a.example").await.is_some_and(|known| known.is_err()), "the lookup went on");
}

#[tokio::test(start_paused = true)]
async fn callers_share_a_lookup_and_lookups_are_limited() {
    let (host, resolver) = resolver(Source::Silent);
    Resolver::tune(&host, |settings| settings.mx_concurrency = 1);
    let start = tokio::time::Instant::now();
    let same = futures_util::future::join_all((0..10).map(|_| resolver.mx("a.example"))).await;
    assert!(same.iter().all(Result::is_err));
    assert_eq!(start.elapsed().as_secs(), 5);
    tokio::join!(resolver.mx("b.example"), resolver.mx("c.example")).0.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn exchangers_are_remembered_as_their_ttl_says() {
    let text = "$ORIGIN a.example.\n@ 60 MX 1 mx\n";
    let (_host, resolver) = resolver(Source::Zones(zones(text)));
    resolver.mx("a.example").await.unwrap();
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(resolver.mx_known("a.example").await.is_some());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(resolver.mx_known("a.example").await.is_none());
}

#[tokio::test]
async fn hosts_and_names_have_resolvers_of_their_own() {
    let (one, _) = resolver(Source::Zones(zones(ZONE)));
    let (two, _) = resolver(Source::Failing("off".into()));
    assert!(Resolver::of(&one).mx("gmail.com").await.is_ok());
    assert!(Resolver::of(&two).mx("gmail.com").await.is_err());
    Resolver::define(&two, "mine", Source::Zones(zones(ZONE))).unwrap();
    assert!(Resolver::named(&two, "mine").unwrap().mx("gmail.com").await.is_ok());
    assert!(matches!(Resolver::named(&one, "mine"), Err(Error::UnknownResolver(_))));
}
