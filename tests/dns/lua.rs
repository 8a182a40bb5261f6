//! `kumo.dns`.

use kumo_tsa::dns::Resolver;
use kumo_tsa::host::{Clock, Host, Paths};
use kumo_tsa::{modules, policy};
use kumo_tsa_core::wire::Time;
use mlua::{FromLuaMulti, Lua};

const SETUP: &str = r#"
kumo = require 'kumo'
kumo.dns.configure_test_resolver {
  [[
$ORIGIN example.com.
@ MX 10 mx2
@ MX 10 mx1
@ MX 20 far.example.net.
mx1 A 192.0.2.1
mx1 AAAA 2001:db8::1
@ TXT "hello"
]],
  { zone = '$ORIGIN 2.0.192.in-addr.arpa.\n1 PTR mx1.example.com.\n', secure = true },
}
"#;

struct Fixture {
    host: Host,
    lua: Lua,
}

impl Fixture {
    fn new() -> Self {
        let host = Host::new(Clock::controlled(Time::default()), Paths::documented());
        let lua = policy::bare(&host, &[modules::dns::install]).unwrap();
        lua.load(SETUP).exec().unwrap();
        Self { host, lua }
    }

    async fn eval<R: FromLuaMulti>(&self, code: &str) -> R {
        self.lua.load(code).eval_async().await.unwrap_or_else(|error| panic!("{code}: {error}"))
    }

    async fn error(&self, code: &str) -> String {
        self.lua.load(code).eval_async::<mlua::Value>().await.unwrap_err().to_string()
    }
}

#[tokio::test]
async fn lookup_mx_gives_a_table() {
    let lua = Fixture::new();
    lua.eval::<()>(
        r"
        local mx = kumo.dns.lookup_mx 'Example.com'
        assert(mx.domain_name == 'example.com.')
        assert(table.concat(mx.hosts, ' ') == 'mx1.example.com. mx2.example.com. far.example.net.')
        assert(mx.site_name == '(mx1|mx2|far).example.(com|net)', mx.site_name)
        assert(#mx.by_pref[10] == 2 and mx.by_pref[20][1] == 'far.example.net.')
        assert(mx.is_mx == true and mx.is_domain_literal == false and mx.is_secure == false)
        assert(mx.mta_sts == nil)
        assert(kumo.dns.lookup_mx('[192.0.2.1]').is_domain_literal)
        ",
    )
    .await;
    assert!(lua.error("return kumo.dns.lookup_mx 'nowhere.example'").await.contains("NXDOMAIN"));
    assert!(lua.error("return kumo.dns.lookup_mx 'http://x/'").await.contains("is not a"));
}

#[tokio::test]
async fn other_lookups_give_lists() {
    let lua = Fixture::new();
    let joined = async |call: &str| lua.eval::<String>(&format!("return table.concat(kumo.dns.{call}, ' ')")).await;
    assert_eq!(joined("lookup_addr 'mx1.example.com'").await, "192.0.2.1 2001:db8::1");
    assert_eq!(joined("lookup_addr('mx1.example.com', nil, 'Ipv6Only')").await, "2001:db8::1");
    assert_eq!(joined("lookup_ptr '192.0.2.1'").await, "mx1.example.com.");
    assert_eq!(joined("lookup_txt 'example.com'").await, "hello");
    assert_eq!(lua.eval::<String>("return kumo.dns.ptr_host '192.0.2.1'").await, "1.2.0.192.in-addr.arpa");
    assert_eq!(lua.eval::<String>("return kumo.dns.reverse_ip '192.0.2.1'").await, "1.2.0.192");
    assert!(lua.error("return kumo.dns.lookup_ptr 'mx1'").await.contains("`mx1` is not an ip address"));
    assert!(lua.error("return kumo.dns.lookup_addr('a.b', nil, 'Ipv5')").await.contains("Ipv4AndIpv6"));
}

#[tokio::test]
async fn resolvers_have_names() {
    let lua = Fixture::new();
    lua.eval::<()>(
        r"
        kumo.dns.define_resolver('a', { Test = { '$ORIGIN a.example.\n@ MX 1 mx\n' } })
        kumo.dns.define_resolver('b', { Test = { zones = { '$ORIGIN b.example.\n@ MX 1 mx\n' }, servfail = { 'bad.example' } } })
        kumo.dns.define_resolver('both', { Aggregate = {
          { Test = { '$ORIGIN a.example.\n@ MX 1 mx\n' } },
          { Test = { '$ORIGIN b.example.\n@ MX 1 mx\n' } },
        } })
        kumo.dns.define_resolver('real', { Hickory = { name_servers = { '192.0.2.53:53' } } })
        kumo.dns.define_resolver('system', 'HickorySystemConfig')
        assert(kumo.dns.lookup_mx('a.example', 'a').site_name == 'mx.a.example')
        assert(kumo.dns.lookup_mx('b.example', 'both').site_name == 'mx.b.example')
        ",
    )
    .await;
    assert!(lua.error("return kumo.dns.lookup_mx('b.example', 'a')").await.contains("NXDOMAIN"));
    assert!(lua.error("return kumo.dns.lookup_mx('bad.example', 'b')").await.contains("SERVFAIL"));
    assert!(lua.error("return kumo.dns.lookup_mx('a', 'c')").await.contains("there is no dns resolver `c`"));
    assert!(lua.error("kumo.dns.define_resolver('x', { Other = {} })").await.contains("a resolver is"));
    assert!(lua.error("kumo.dns.define_resolver('x', 'Other')").await.contains("a resolver is"));
}

#[tokio::test]
async fn resolvers_are_configured() {
    let lua = Fixture::new();
    lua.eval::<()>(
        r"
        kumo.dns.configure_resolver { name_servers = { '192.0.2.53:53' }, options = { timeout = 1, attempts = 1 } }
        kumo.dns.configure_unbound_resolver { name_servers = { '192.0.2.53' } }
        kumo.dns.configure_test_resolver { zones = { '$ORIGIN c.example.\n@ MX 1 mx\n' }, servfail = { 'bad.example' } }
        assert(kumo.dns.lookup_mx('c.example').site_name == 'mx.c.example')
        ",
    )
    .await;
    assert!(lua.error("return kumo.dns.lookup_mx 'bad.example'").await.contains("SERVFAIL"));
    assert!(lua.error("kumo.dns.configure_resolver { name_server = {} }").await.contains("name_server"));
    assert!(lua.error("kumo.dns.configure_test_resolver { 'x. A 1.2\\n' }").await.contains("zone 1:1: "));
    assert!(lua.error("kumo.dns.configure_test_resolver { zone = {} , servfail = {} }").await.contains("`zone`"));
    assert!(lua.error("kumo.dns.configure_test_resolver { { zone = '', safe = true } }").await.contains("`safe`"));
}

#[tokio::test]
async fn settings_are_kept() {
    let lua = Fixture::new();
    lua.eval::<()>(
        r"
        kumo.dns.set_mx_concurrency_limit(7)
        kumo.dns.set_mx_timeout(1.5)
        kumo.dns.set_mx_negative_cache_ttl '2 minutes'
        kumo.dns.set_mta_sts_enabled(false)
        ",
    )
    .await;
    let settings = Resolver::settings(&lua.host);
    assert_eq!((settings.mx_concurrency, settings.mta_sts), (7, false));
    assert_eq!((settings.timeout.as_millis(), settings.mx_negative_ttl.as_secs()), (1500, 120));
    assert!(lua.error("kumo.dns.set_mx_timeout 'soon'").await.contains("invalid duration `soon`"));
    assert!(lua.error("kumo.dns.configure_test_mta_sts {}").await.contains("kumo.dns.configure_test_mta_sts"));
}
