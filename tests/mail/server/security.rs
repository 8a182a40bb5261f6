//! TLS and authentication.

use data_encoding::BASE64;

use super::rig::Rig;

const AUTH: &str = "
    kumo.on('smtp_server_auth_plain', function(authz, authc, password, meta)
        if password == 'info' then
            return { identities = { { identity = 'me', context = 'test' } }, groups = { 'staff' } }
        end
        if password == 'wrong type' then return 'no' end
        if password == 'locked' then kumo.reject(454, '4.7.0 locked') end
        return authc == 'user' and password == 'good' and authz == 'other'
    end)
    kumo.on('smtp_server_mail_from', function(_, meta)
        local info = meta:auth_info()
        kumo.reject(550, meta:get_meta 'authz_id' .. ' ' .. meta:get_meta 'authn_id' .. ' '
            .. info.identities[1].identity .. ' ' .. (info.groups[1] or '-'))
    end)";

fn plain(text: &str) -> String {
    format!("AUTH PLAIN {}", BASE64.encode(text.as_bytes()))
}

#[tokio::test]
async fn a_session_goes_on_within_tls() {
    let rig = Rig::new("").await;
    let mut client = rig.client().await;
    client.envelope(&["a@example.com"]).await;
    client.start_tls("").await;
    // All is forgotten that was said before.
    client.expect("RCPT TO:<a@example.com>", "503").await;
    client.expect("MAIL FROM:<a@example.com>", "503").await;
    let extensions = client.say("EHLO client.example").await;
    assert!(extensions.contains("AUTH PLAIN") && !extensions.contains("STARTTLS"), "{extensions}");
    client.expect("STARTTLS", "503").await;
    assert!(client.message("a@example.com").await.starts_with("250 OK"));
    let message = rig.kept.all().remove(0);
    assert_eq!(message.meta("tls_protocol_version"), Some("TLSv1.3".into()));
    let cipher = message.meta("tls_cipher").unwrap();
    assert!(cipher.as_str().unwrap().starts_with("TLS13_"), "{cipher}");
}

#[tokio::test]
async fn what_is_said_along_with_starttls_is_dropped() {
    let rig = Rig::new("").await;
    let mut client = rig.client().await;
    client.start_tls("MAIL FROM:<injected@example.com>\r\n").await;
    assert_eq!(client.say("NOOP").await, "250 2.0.0 OK");
}

#[tokio::test]
async fn credentials_are_checked_by_the_policy_and_only_within_tls() {
    let rig = Rig::with("relay_hosts = {}", AUTH).await;
    let mut client = rig.client().await;
    client.expect(&plain("other\0user\0good"), "538 5.7.11").await;
    client.start_tls("").await;
    client.expect(&plain("other\0user\0good"), "503").await;
    client.expect("EHLO client.example", "250").await;
    client.expect("AUTH LOGIN", "504 5.5.4").await;
    client.expect("AUTH PLAIN nonsense", "501 5.5.2").await;
    client.expect(&plain("\0user\0bad"), "535 5.7.8").await;
    client.expect(&plain("\0user\0locked"), "454 4.7.0 locked").await;
    client.expect("AUTH PLAIN", "334 ").await;
    client.expect("*", "501").await;
    client.expect("AUTH PLAIN", "334 ").await;
    client.expect(&BASE64.encode(b"other\0user\0good"), "235 2.7.0").await;
    client.expect(&plain("other\0user\0good"), "503").await;
    client.expect("MAIL FROM:<a@b.c>", "550 other user other -").await;
}

#[tokio::test]
async fn the_policy_may_say_who_it_is() {
    let rig = Rig::with("", AUTH).await;
    let mut client = rig.client().await;
    client.start_tls("").await;
    client.expect("EHLO client.example", "250").await;
    client.expect(&plain("\0user\0info"), "235").await;
    client.expect("MAIL FROM:<a@b.c>", "550 user user me staff").await;
    let mut client = rig.client().await;
    client.start_tls("").await;
    client.expect("EHLO client.example", "250").await;
    client.expect(&plain("\0user\0wrong type"), "421 4.3.0").await;
}

#[tokio::test]
async fn who_has_proven_who_it_is_may_relay() {
    let rig = Rig::with("relay_hosts = {}", "kumo.on('smtp_server_auth_plain', function() return true end)").await;
    let mut client = rig.client().await;
    client.start_tls("").await;
    client.expect("EHLO client.example", "250").await;
    client.expect(&plain("\0user\0good"), "235").await;
    assert!(client.message("a@example.com").await.starts_with("250 OK"));
    assert_eq!(rig.kept.all()[0].meta("authn_id"), Some("user".into()));
}

#[tokio::test]
async fn without_a_handler_no_credentials_are_good() {
    let rig = Rig::new("").await;
    let mut client = rig.client().await;
    client.start_tls("").await;
    client.expect("EHLO client.example", "250").await;
    client.expect(&plain("\0user\0good"), "535").await;
}

#[tokio::test]
async fn a_certificate_that_is_of_no_use_leaves_the_session_in_the_open() {
    let rig = Rig::new("tls_certificate = '/nowhere/cert.pem', tls_private_key = { key_data = 'x' }").await;
    let mut client = rig.client().await;
    client.expect("STARTTLS", "454 4.7.0").await;
    assert!(client.message("a@example.com").await.starts_with("250 OK"));
}

#[tokio::test]
async fn a_given_certificate_is_used() {
    let made = rcgen::generate_simple_self_signed(vec!["mx.example".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let rig = Rig::with(
        &format!("tls_certificate = {{ key_data = [[{certificate}]] }}, tls_private_key = {{ event_name = 'key', event_args = {{ 'a' }} }}"),
        &format!("kumo.on('key', function(which) assert(which == 'a') return [[{key}]] end)"),
    )
    .await;
    let mut client = rig.client().await;
    client.start_tls("").await;
    client.expect("EHLO client.example", "250").await;
}
