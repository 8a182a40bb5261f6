//! Who may send to whom, and what holds for whom.

use kumo_tsa::policy::explain;

use super::client::Client;
use super::rig::Rig;
use crate::support::Bench;

const DOMAINS: &str = "
    kumo.on('get_listener_domain', function(domain, listener, conn_meta)
        assert(listener:match('^127.0.0.1:%d+$') and conn_meta:get_meta('received_from'))
        if domain == 'mine.example' then return kumo.make_listener_domain { relay_to = true } end
        if domain == 'sender.example' then
            return kumo.make_listener_domain { relay_from = { '127.0.0.0/8' } }
        end
        if domain == 'bounces.example' then return kumo.make_listener_domain { log_oob = true } end
        if domain == 'broken.example' then error 'no' end
        if domain == 'refused.example' then kumo.reject(550, '5.1.2 not this one') end
    end)";

#[tokio::test]
async fn who_is_no_relay_host_may_send_to_domains_that_say_so() {
    let rig = Rig::with("relay_hosts = { '10.0.0.0/8' }", DOMAINS).await;
    let mut client = rig.client().await;
    client.expect("MAIL FROM:<a@example.com>", "250").await;
    client.expect("RCPT TO:<a@mine.example>", "250").await;
    client.expect("RCPT TO:<a@MINE.example>", "250").await;
    client.expect("RCPT TO:<a@sender.example>", "550 5.7.1").await;
    client.expect("RCPT TO:<a@other.example>", "550 5.7.1").await;
    client.expect("RCPT TO:<a@refused.example>", "550 5.1.2 not this one").await;
    client.expect("RSET", "250").await;
    client.expect("MAIL FROM:<a@sender.example>", "250").await;
    client.expect("RCPT TO:<a@other.example>", "250").await;
    client.expect("RCPT TO:<a@broken.example>", "421 4.3.0 mx.example technical difficulties").await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_domain_for_reports_takes_nothing_else() {
    let rig = Rig::with("relay_hosts = {}", DOMAINS).await;
    let mut client = rig.client().await;
    client.expect("MAIL FROM:<>", "250").await;
    client.expect("RCPT TO:<a@bounces.example>", "250").await;
    assert!(client.data("Subject: spam\r\n\r\nbuy").await.starts_with("550 5.7.1"));
    assert_eq!(rig.kept.len(), 0);
}

#[tokio::test]
async fn addresses_decide_what_holds_and_then_the_policy() {
    let rig = Rig::with(
        "banner = 'base', max_message_size = 1000,
         via = { ['127.0.0.1'] = { banner = 'via', max_message_size = 2000 } },
         peer = { ['127.0.0.0/8'] = { max_message_size = 3000, meta = { from = 'peer' } } }",
        "kumo.on('smtp_server_get_dynamic_parameters', function(listener, conn_meta)
            return { hostname = 'dynamic.example', banner = conn_meta:get_meta 'from' }
         end)",
    )
    .await;
    let mut client = Client::connect(rig.address).await;
    assert_eq!(client.reply().await, "220 dynamic.example peer");
    let extensions = client.say("EHLO x.example").await;
    assert!(extensions.contains("SIZE 3000"), "{extensions}");
}

#[tokio::test]
async fn dynamic_parameters_that_cannot_be_end_the_connection() {
    for wrong in ["{ listen = '127.0.0.1:25' }", "{ colour = 'red' }", "{ max_message_size = 0 }", "7"] {
        let handler = format!("kumo.on('smtp_server_get_dynamic_parameters', function() return {wrong} end)");
        let rig = Rig::with("", &handler).await;
        let mut client = Client::connect(rig.address).await;
        assert_eq!(client.reply().await, "421 4.3.0 mx.example technical difficulties", "{wrong}");
    }
}

#[tokio::test]
async fn xclient_speaks_for_another_where_that_is_allowed() {
    let handlers = "kumo.on('smtp_server_mail_from', function(_, meta)
        kumo.reject(550, table.concat({ meta:get_meta 'received_from', meta:get_meta 'received_via',
            meta:get_meta 'orig_received_from' and 'orig' or '-', meta:get_meta 'ehlo_domain' }, ' '))
    end)";
    let rig = Rig::with("peer = { ['127.0.0.1'] = { allow_xclient = true } }", handlers).await;
    let mut client = rig.client().await;
    assert!(client.say("EHLO c.example").await.contains("XCLIENT NAME ADDR"));
    client.expect("XCLIENT ADDR=nonsense", "501").await;
    client.expect("XCLIENT COLOUR=red", "501").await;
    client
        .expect("XCLIENT ADDR=10.0.0.1 PORT=77 DESTADDR=IPV6:2001:db8::1 DESTPORT=25 HELO=other+2Eexample", "220")
        .await;
    let reply = client.say("MAIL FROM:<a@b.c>").await;
    assert_eq!(reply, "550 10.0.0.1:77 [2001:db8::1]:25 orig other.example");
    // The other may not.
    client.expect("XCLIENT ADDR=10.0.0.2", "550").await;
    let rig = Rig::new("").await;
    let mut client = rig.client().await;
    client.expect("XCLIENT ADDR=10.0.0.1", "550").await;
}

async fn fails(body: &str) -> String {
    let mut bench = Bench::new();
    for install in kumo_tsa::mail::lua::installs() {
        bench = bench.with(*install);
    }
    bench.fails(body).await
}

#[tokio::test]
async fn options_that_are_not_known_raise() {
    let error = fails("kumo.start_esmtp_listener { colour = 'red' }").await;
    assert!(error.contains("unknown field `colour`, expected one of `listen`"), "{error}");
    let error = fails("kumo.start_esmtp_listener { client_timeout = 'soon' }").await;
    assert!(error.contains("field `client_timeout`: invalid value"), "{error}");
    let error = fails("kumo.start_esmtp_listener { peer = { ['10.0.0.0/8'] = { listen = 'x' } } }").await;
    assert!(error.contains("field `listen` belongs to the listener: it cannot be set in `peer`"), "{error}");
    let error = fails("kumo.start_esmtp_listener { listen = 'nowhere' }").await;
    assert!(error.contains("cannot listen on `nowhere`: expected an address and a port"), "{error}");
    let error = fails("kumo.make_listener_domain { relay_too = true }").await;
    assert!(error.contains("deserialize error: unknown field `relay_too`"), "{error}");
    let error = fails("kumo.make_listener_domain { relay_from = { 'x' } }").await;
    assert!(error.contains("invalid value"), "{error}");
}

#[tokio::test]
async fn a_listener_domain_can_be_read() {
    let mut bench = Bench::new();
    for install in kumo_tsa::mail::lua::installs() {
        bench = bench.with(*install);
    }
    let text = bench
        .eval(
            "local domain = kumo.make_listener_domain { log_arf = 'LogThenDrop', log_oob = true, relay_from = {'::1'} }
             local seen = {}
             for key, value in pairs(domain) do table.insert(seen, key) end
             table.sort(seen)
             return table.concat(seen, ' ') .. ' ' .. domain.log_arf .. ' ' .. domain.log_oob .. ' ' .. #domain",
        )
        .await;
    assert_eq!(text, "log_arf log_oob relay_from relay_to LogThenDrop LogThenRelay 4");
}

#[tokio::test]
async fn nothing_is_bound_while_a_policy_is_validated() {
    let mut bench = Bench::new();
    for install in kumo_tsa::mail::lua::installs() {
        bench = bench.with(*install);
    }
    bench.options.validating = true;
    bench.host.announce_to(std::sync::Arc::new(|line| panic!("{line}")));
    let policy =
        bench.load("kumo.on('init', function() kumo.start_esmtp_listener { listen = '127.0.0.1:0' } end)").await;
    crate::support::call::<()>(&policy, "init", ()).await.unwrap_or_else(|error| panic!("{}", explain(&error)));
}
