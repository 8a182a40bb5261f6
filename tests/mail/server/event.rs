//! What a policy can do to a session.

use kumo_tsa::mail::smtp::server::show_deferred;

use super::client::Client;
use super::rig::Rig;

#[tokio::test]
async fn each_event_can_refuse() {
    let handlers = "
        kumo.on('smtp_server_mail_from', function(address, meta)
            if tostring(address):find 'evil' then kumo.reject(550, '5.7.1 no evil') end
        end)
        kumo.on('smtp_server_rcpt_to', function(address, meta)
            if tostring(address):find 'nobody' then kumo.reject(450, '4.1.1 not now') end
        end)
        kumo.on('smtp_server_data', function(msg, meta)
            if meta:get_meta 'refuse' == 'data' then kumo.reject(554, '5.6.0 not this') end
        end)
        kumo.on('smtp_server_message_received', function(msg, meta)
            if meta:get_meta 'refuse' == 'received' then kumo.reject(451, '4.2.0 later') end
        end)
        kumo.on('smtp_server_ehlo', function(domain, meta, extensions)
            meta:set_meta('refuse', domain)
            if domain == 'none' then kumo.reject(501, '5.5.4 bad name') end
        end)";
    let rig = Rig::with("", handlers).await;
    let mut client = rig.client().await;
    client.expect("EHLO none", "501 5.5.4 bad name").await;
    client.expect("HELO none", "501 5.5.4 bad name").await;
    client.expect("EHLO data", "250").await;
    client.expect("MAIL FROM:<evil@example.com>", "550 5.7.1 no evil").await;
    client.expect("MAIL FROM:<good@example.com>", "250").await;
    client.expect("RCPT TO:<nobody@example.com>", "450 4.1.1 not now").await;
    client.expect("RCPT TO:<somebody@example.com>", "250").await;
    assert_eq!(client.data("x").await, "554 5.6.0 not this");
    client.expect("EHLO received", "250").await;
    assert_eq!(client.message("a@example.com").await, "451 4.2.0 later");
    client.expect("EHLO fine", "250").await;
    assert!(client.message("a@example.com").await.starts_with("250 OK"));
    assert_eq!(rig.kept.len(), 1);
}

#[tokio::test]
async fn reject_and_disconnect_end_connections_as_they_say() {
    let handlers = "kumo.on('smtp_server_mail_from', function(address)
        local kind = tostring(address)
        local caught, why = pcall(kumo.reject, 550, 'caught')
        assert(not caught and tostring(why):find '550 caught')
        if kind:find 'reject421' then kumo.reject(421, '4.7.0 go') end
        if kind:find 'force' then kumo.disconnect(550, '5.0.0 bye') end
        if kind:find 'follow' then kumo.disconnect(550, '5.0.0 bye', 'FollowWith421') end
        if kind:find 'stay' then kumo.disconnect(550, '5.0.0 stay', 'If421') end
        if kind:find 'mode' then kumo.disconnect(550, '5.0.0 stay', 'Perhaps') end
        if kind:find 'code' then kumo.reject(250, 'fine') end
        if kind:find 'error' then error 'oh' end
    end)";
    let rig = Rig::with("", handlers).await;
    let difficulties = ["421 4.3.0 mx.example technical difficulties"].as_slice();
    let cases: &[(&str, &[&str])] = &[
        ("reject421", &["421 4.7.0 go"]),
        ("force", &["550 5.0.0 bye"]),
        ("follow", &["550 5.0.0 bye", "421 4.3.0 mx.example closing the connection"]),
        ("mode", difficulties),
        ("code", difficulties),
        ("error", difficulties),
    ];
    for (kind, expected) in cases {
        let mut client = rig.client().await;
        client.send(format!("MAIL FROM:<{kind}@example.com>\r\nNOOP\r\n")).await;
        for reply in *expected {
            assert_eq!(client.reply().await, *reply, "{kind}");
        }
        assert!(client.is_closed().await, "{kind}");
    }
    let mut client = rig.client().await;
    client.expect("MAIL FROM:<stay@example.com>", "550 5.0.0 stay").await;
    client.expect("NOOP", "250").await;
}

#[tokio::test]
async fn a_connection_can_be_refused_at_once() {
    let handlers = "kumo.on('smtp_server_connection_accepted', function(meta)
        assert(meta:get_meta('received_from'):match '^127')
        assert(meta:get_meta('absent') == nil)
        meta:set_meta('seen', { times = 1 })
        assert(meta:get_meta('seen').times == 1)
        assert(#meta:auth_info().identities == 0)
        kumo.reject(554, '5.7.1 not you')
    end)";
    let rig = Rig::with("", handlers).await;
    let mut client = Client::connect(rig.address).await;
    assert_eq!(client.reply().await, "554 5.7.1 not you");
}

#[tokio::test]
async fn extensions_can_be_others() {
    let handlers = "kumo.on('smtp_server_ehlo', function(domain, meta, extensions)
        if not extensions then return { 'IGNORED' } end
        assert(extensions[1] == 'PIPELINING')
        return { 'PIPELINING', 'X-MINE 1' }
    end)";
    let rig = Rig::with("", handlers).await;
    let mut client = rig.client().await;
    assert_eq!(client.say("EHLO a.b").await, "250-mx.example Hello a.b\n250-PIPELINING\n250 X-MINE 1");
    assert_eq!(client.say("HELO a.b").await, "250 mx.example Hello a.b");
}

#[tokio::test]
async fn replies_can_be_rewritten() {
    let handlers = "kumo.on('smtp_server_rewrite_response', function(status, response, command, meta)
        if command == 'NOOP one' then return 251, 'both' end
        if command == 'NOOP two' then return nil, 'text' end
        if command == 'NOOP three' then return 252, nil end
        if command == 'NOOP four' then return 99, nil end
        if command == 'NOOP five' then error 'oh' end
        if not command then assert(status == 220 and response == 'mx.example KumoMTA') end
    end)";
    let rig = Rig::with("", handlers).await;
    let mut client = rig.client().await;
    assert_eq!(client.say("NOOP one").await, "251 both");
    assert_eq!(client.say("NOOP two").await, "250 text");
    assert_eq!(client.say("NOOP three").await, "252 2.0.0 OK");
    assert_eq!(client.say("NOOP four").await, "250 2.0.0 OK");
    assert_eq!(client.say("NOOP").await, "250 2.0.0 OK");
    assert_eq!(client.say("NOOP five").await, "421 4.3.0 mx.example technical difficulties");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_policy_can_split_a_transaction() {
    let handlers = "kumo.on('smtp_server_split_transaction', function(msg, meta)
        return { { 'a@example.com', 'b@example.net' }, {}, { 'c@example.com' } }
    end)";
    let rig = Rig::with("", handlers).await;
    let mut client = rig.client().await;
    client.envelope(&["a@example.com", "b@example.net", "c@example.com"]).await;
    assert!(client.data("x").await.starts_with("250 OK"));
    let to: Vec<_> = rig.kept.all().iter().map(|message| format!("{:?}", message.recipients())).collect();
    assert_eq!(to, ["[<a@example.com>, <b@example.net>]", "[<c@example.com>]"]);
}

#[tokio::test]
async fn with_a_deferred_queue_the_policy_sees_messages_later() {
    let handlers = "
        for _, event in ipairs { 'data', 'split_transaction', 'message_received' } do
            kumo.on('smtp_server_' .. event, function() error 'too early' end)
        end
        kumo.on('smtp_server_message_deferred_inject', function(msg, meta)
            kumo.reject(550, meta:get_meta 'ehlo_domain')
        end)";
    let rig = Rig::with("deferred_queue = true", handlers).await;
    let mut client = rig.client().await;
    assert!(client.message("a@example.com").await.starts_with("250 OK"));
    let message = rig.kept.all().remove(0);
    assert_eq!(message.queue_name().unwrap(), "deferred_smtp_inject.kumomta.internal");
    let policy = rig.bench.load(handlers).await;
    assert_eq!(show_deferred(&policy, &message).await.unwrap_err().to_string(), "550 client.example");
    assert_eq!(message.queue_name().unwrap(), "deferred_smtp_inject.kumomta.internal");
    let policy = rig.bench.load("kumo.on('smtp_server_message_deferred_inject', function() end)").await;
    show_deferred(&policy, &message).await.unwrap();
    assert_eq!(message.queue_name().unwrap(), "example.com");
}
