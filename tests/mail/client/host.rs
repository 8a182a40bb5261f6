//! Whom to try, in which order, and from where.

use std::collections::BTreeSet;

use kumo_tsa::dns::{Resolver, Source as Answers, Zones};
use kumo_tsa::mail::config::MxEntry;
use kumo_tsa::mail::smtp::client::{Endpoint, NoHost, list_hosts, plan_hosts};
use serde_json::{Value, json};

use super::{HELLO, Rig, fates};
use crate::support::smtp::Sink;

const ZONE: &str = "
$ORIGIN example.com.
$TTL 600
@ MX 20 backup
@ MX 10 mx1
@ MX 10 mx2
mx1 A 192.0.2.1
mx1 AAAA 2001:db8::1
mx2 A 192.0.2.2
backup A 192.0.2.3
null MX 0 .
plain A 192.0.2.4
loop MX 10 mx1
loop MX 20 home
home A 127.0.0.1
lost MX 10 nowhere
lost MX 20 nothing
nothing TXT x
same MX 10 mx2
same MX 20 alias
alias A 192.0.2.2
";

fn rig(options: &Value) -> Rig {
    let rig = Rig::new(options);
    let mut zones = Zones::default();
    zones.parse("zone", ZONE, false).unwrap();
    Resolver::replace(&rig.host, Answers::Zones(zones)).unwrap();
    rig
}

async fn plan(rig: &Rig, domain: &str) -> Result<Vec<String>, NoHost> {
    let mx = Resolver::of(&rig.host).mx(domain).await.unwrap();
    Ok(plan_hosts(&rig.host, &mx, &rig.config, &rig.source).await?.iter().map(shown).collect())
}

fn shown(endpoint: &Endpoint) -> String {
    format!("{} {}", endpoint.name, endpoint.address)
}

async fn refusal(rig: &Rig, domain: &str) -> String {
    plan(rig, domain).await.unwrap_err().reply().to_string()
}

#[tokio::test]
async fn hosts_of_equal_preference_take_turns() {
    let rig = rig(&json!({ "ip_lookup_strategy": "Ipv4Only" }));
    let mut firsts = BTreeSet::new();
    for _ in 0..100 {
        let mut hosts = plan(&rig, "example.com").await.unwrap();
        assert_eq!(hosts.pop().unwrap(), "backup.example.com. 192.0.2.3:25");
        firsts.insert(hosts.remove(0));
        assert_eq!(hosts.len(), 1);
    }
    let both = ["mx1.example.com. 192.0.2.1:25", "mx2.example.com. 192.0.2.2:25"];
    assert_eq!(firsts, both.map(ToOwned::to_owned).into());
}

#[tokio::test]
async fn addresses_are_those_that_the_path_wants() {
    let (v4, v6) = ("mx1.example.com. 192.0.2.1:25", "mx1.example.com. [2001:db8::1]:25");
    for (strategy, expected) in [
        ("Ipv4AndIpv6", vec![v4, v6]),
        ("Ipv4Only", vec![v4]),
        ("Ipv6Only", vec![v6]),
        ("Ipv6ThenIpv4", vec![v6]),
        ("Ipv4ThenIpv6", vec![v4]),
    ] {
        let rig = rig(&json!({ "ip_lookup_strategy": strategy }));
        assert_eq!(plan(&rig, "mx1.example.com").await.unwrap(), expected, "{strategy}");
    }
}

#[tokio::test]
async fn ports_come_from_the_nearest() {
    let mut rig = rig(&json!({ "smtp_port": 2525 }));
    assert_eq!(plan(&rig, "plain.example.com").await.unwrap(), ["plain.example.com. 192.0.2.4:2525"]);
    rig.source.remote_port = Some(587);
    assert_eq!(plan(&rig, "plain.example.com").await.unwrap(), ["plain.example.com. 192.0.2.4:587"]);
    assert_eq!(plan(&rig, "plain.example.com:26").await.unwrap(), ["plain.example.com. 192.0.2.4:26"]);
    assert_eq!(plan(&rig, "[192.0.2.9]").await.unwrap(), ["192.0.2.9 192.0.2.9:587"]);
    assert_eq!(plan(&rig, "[192.0.2.9]:26").await.unwrap(), ["192.0.2.9 192.0.2.9:26"]);
    assert_eq!(plan(&rig, "[IPv6:2001:db8::9]").await.unwrap(), ["2001:db8::9 [2001:db8::9]:587"]);
    assert_eq!(plan(&rig, "same.example.com").await.unwrap(), ["mx2.example.com. 192.0.2.2:587"], "once");
}

#[tokio::test]
async fn some_hosts_are_not_for_us() {
    let prohibited = "KumoMTA internal: 127.0.0.1 of `home.example.com.` is in the list of prohibited_hosts \
                      [127.0.0.0/8, ::1/128, 0.0.0.0/32, ::/128]";
    assert_eq!(refusal(&rig(&json!({})), "loop.example.com").await, format!("550 5.4.4 {prohibited}"));
    assert_eq!(refusal(&rig(&json!({})), "localhost").await[..9], *"550 5.4.4");
    assert_eq!(refusal(&rig(&json!({})), "[::ffff:127.0.0.1]").await[..9], *"550 5.4.4", "however it is written");
    let open = rig(&json!({ "prohibited_hosts": [], "ip_lookup_strategy": "Ipv4Only" }));
    assert_eq!(plan(&open, "localhost").await.unwrap(), ["localhost. 127.0.0.1:25"]);

    let skipping = rig(&json!({ "skip_hosts": ["192.0.2.0/31", "127.0.0.1", "2001:db8::/32"] }));
    let left = ["mx2.example.com. 192.0.2.2:25", "backup.example.com. 192.0.2.3:25"];
    assert_eq!(plan(&skipping, "example.com").await.unwrap(), left);
    let text =
        "all hosts of `loop.example.com` are in the list of skip_hosts [192.0.2.0/31, 127.0.0.1/32, 2001:db8::/32]";
    assert_eq!(refusal(&skipping, "loop.example.com").await, format!("550 5.4.4 KumoMTA internal: {text}"));
}

#[tokio::test]
async fn some_domains_have_no_host() {
    let rig = rig(&json!({ "ip_lookup_strategy": "Ipv4Only" }));
    let text = "KumoMTA internal: `null.example.com` takes no mail: its MX is null";
    assert_eq!(refusal(&rig, "null.example.com").await, format!("556 5.1.10 {text}"));
    let text = "no address for any host of `lost.example.com`: A lookup of `nowhere.example.com.`: NXDOMAIN, no such domain; \
                A lookup of `nothing.example.com.`: no A records";
    assert_eq!(refusal(&rig, "lost.example.com").await, format!("451 4.4.4 KumoMTA internal: {text}"));
}

#[tokio::test]
async fn a_list_is_taken_in_its_order() {
    let rig = rig(&json!({ "ip_lookup_strategy": "Ipv4Only" }));
    let hosts = async |list: Value| {
        let list: Vec<MxEntry> = serde_json::from_value(list).unwrap();
        list_hosts(&rig.host, &list, &rig.config, &rig.source).await
    };
    let list = json!(["backup.example.com", "mx2.example.com:26", "[192.0.2.8]", "[192.0.2.8]:26",
                      { "name": "named.example.com", "addr": "192.0.2.9:27" }, { "name": "x", "addr": "2001:db8::7" }]);
    let expected = [
        "backup.example.com 192.0.2.3:25",
        "mx2.example.com 192.0.2.2:26",
        "192.0.2.8 192.0.2.8:25",
        "192.0.2.8 192.0.2.8:26",
        "named.example.com 192.0.2.9:27",
        "x [2001:db8::7]:25",
    ];
    assert_eq!(hosts(list).await.unwrap().iter().map(shown).collect::<Vec<_>>(), expected);
    let error = hosts(json!([{ "name": "x", "addr": "nonsense" }])).await.unwrap_err();
    assert!(error.reply().to_string().starts_with("451 4.3.5 KumoMTA internal: `nonsense` in `mx_list` is no host"));
    assert_eq!(hosts(json!(["localhost:25"])).await.unwrap_err().reply().code, 550);
}

#[tokio::test]
async fn a_source_has_its_address() {
    let sink = Sink::willing().await;
    let mut rig = Rig::plain();
    rig.source.source_address = Some("127.0.0.9".parse().unwrap());
    rig.source.ehlo_domain = Some("source.example".to_owned());
    let delivered = rig.deliver(&sink, &["to@example.com"], HELLO).await;
    assert_eq!(fates(&delivered), ["250 2.0.0 OK ids=0-0"]);
    let rig = rig.with("ehlo_domain", "path.example");
    assert!(rig.deliver(&sink, &["to@example.com"], HELLO).await.fates[0].1.is_positive());
    let sessions = sink.sessions();
    assert_eq!(sessions[0].peer.ip().to_string(), "127.0.0.9");
    assert_eq!((sessions[0].hello.as_str(), sessions[1].hello.as_str()), ("source.example", "path.example"));

    for (address, text) in [
        ("192.0.2.77", "connect: source address 192.0.2.77: Cannot assign requested address"),
        ("2001:db8::1", "connect: source address 2001:db8::1 and peer address 127.0.0.1 are of different families"),
    ] {
        let mut rig = Rig::plain();
        rig.source.source_address = Some(address.parse().unwrap());
        let error = rig.open(&sink).await.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}
