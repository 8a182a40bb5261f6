//! Policy handlers that raise, wait for ever or loop: each has an outcome, nothing is lost, and the host goes on (interface
//! B.5).

use std::path::PathBuf;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::rig::{HELLO, Rig, ZONE, beginning, shown, until};
use crate::support::Bench;
use crate::support::smtp::{Answer, Sink, Step, Talk};

/// A handler for each event, which does as a file says: `EVENT raise`, `EVENT hang`, `EVENT loop`.
const HANDLERS: &str = "
local function trouble(event)
  local file = io.open(TROUBLE)
  local told = file and file:read 'a' or ''
  if file then file:close() end
  if told == event .. ' raise' then
    error('trouble in ' .. event)
  elseif told == event .. ' hang' then
    kumo.sleep(1000000)
  elseif told == event .. ' loop' then
    while true do end
  end
end
for _, event in ipairs { 'smtp_server_get_dynamic_parameters', 'smtp_server_connection_accepted', 'smtp_server_ehlo',
    'smtp_server_mail_from', 'smtp_server_rcpt_to', 'smtp_server_data', 'smtp_server_split_transaction',
    'smtp_server_message_received', 'get_listener_domain', 'requeue_message', 'throttle_insert_ready_queue',
    'http_message_generated', 'smtp_client_rewrite_delivery_status', 'log_disposition_hook',
    'shutdown_logging' } do
  kumo.on(event, function() trouble(event) end)
end
kumo.on('smtp_server_rewrite_response', function(code, text)
  trouble 'smtp_server_rewrite_response'
  return code, text
end)
kumo.on('smtp_server_auth_plain', function()
  trouble 'smtp_server_auth_plain'
  return true
end)
kumo.on('wanted', function()
  trouble 'wanted'
  return true
end)
kumo.on('should_enqueue_log_record', function(msg)
  trouble 'should_enqueue_log_record'
  msg:set_meta('queue', 'null')
  return true
end)
kumo.on('get_queue_config', function(domain)
  trouble 'get_queue_config'
  local batch_size = ({ ['lua.example.com'] = 1, ['batch.example.com'] = 10 })[domain]
  if batch_size then
    local lua = { constructor = 'make.lua', batch_size = batch_size }
    return kumo.make_queue_config { retry_interval = '5m', protocol = { custom_lua = lua } }
  end
  return kumo.make_queue_config { retry_interval = '5m', egress_pool = 'pool' }
end)
kumo.on('get_egress_pool', function(name)
  trouble 'get_egress_pool'
  return kumo.make_egress_pool { name = name, entries = { { name = 'source' } }, ttl = '1s' }
end)
kumo.on('get_egress_source', function(name)
  trouble 'get_egress_source'
  return kumo.make_egress_source { name = name, ttl = '1s' }
end)
kumo.on('get_egress_path_config', function()
  trouble 'get_egress_path_config'
  return kumo.make_egress_path { smtp_port = PORT, prohibited_hosts = {}, refresh_interval = '1s' }
end)
kumo.on('make.lua', function()
  trouble 'make.lua'
  return {
    send = function()
      trouble 'send'
      return 'taken'
    end,
    send_batch = function(_, messages)
      trouble 'send_batch'
      local fates = {}
      for i in ipairs(messages) do fates[i] = 'taken' end
      return fates
    end,
    close = function() trouble 'close' end,
  }
end)
";

const INIT: &str = "
  kumo.configure_local_logs {
    log_dir = '/var/log/kumomta/wanted', min_free_space = 0, filter_event = 'wanted',
  }
  kumo.configure_log_hook { name = 'hook' }
  kumo.configure_log_disposition_hook { name = 'hook' }
  kumo.start_http_listener { listen = '127.0.0.1:0' }
";

struct Troubled {
    rig: Rig,
    file: PathBuf,
}

impl Troubled {
    async fn new(sink: &Sink) -> Self {
        let bench = Bench::new();
        let file = bench.path("trouble");
        let handlers = HANDLERS.replace("TROUBLE", &format!("'{}'", file.display()));
        let handlers = handlers.replace("PORT", &sink.port().to_string());
        let rig = Rig::running(bench, ZONE, &(beginning("", INIT) + &handlers)).await;
        Self { rig, file }
    }

    fn make(&self, event: &str, how: &str) {
        std::fs::write(&self.file, format!("{event} {how}")).unwrap();
    }

    fn end(&self) {
        std::fs::remove_file(&self.file).unwrap();
    }

    /// The first answer to a session that is no good one; `None` when the message was accepted.
    async fn refusal(&self, to: &str, authenticates: bool) -> Option<String> {
        let is_bad = |reply: &String| !reply.starts_with(['2', '3']);
        let mut talk = Talk::connect(self.rig.address()).await;
        let mut replies = vec![talk.reply().await];
        if replies.last().is_some_and(is_bad) {
            return replies.pop();
        }
        let ehlo = talk.say("EHLO client.example").await;
        if is_bad(&ehlo) {
            return Some(ehlo);
        }
        if authenticates {
            talk.start_tls().await;
            talk.say("EHLO client.example").await;
            let reply = talk.say(&format!("AUTH PLAIN {}", BASE64.encode(b"\0user\0password"))).await;
            if is_bad(&reply) {
                return Some(reply);
            }
        }
        let reply = talk.send("from@example.org", &[to], HELLO).await;
        let bad = is_bad(&reply);
        if !bad {
            talk.say("QUIT").await;
        }
        bad.then_some(reply)
    }
}

#[tokio::test(start_paused = true)]
async fn in_reception_the_client_is_told_to_come_back() {
    let sink = Sink::willing().await;
    let troubled = Troubled::new(&sink).await;
    let events = [
        "smtp_server_get_dynamic_parameters",
        "smtp_server_connection_accepted",
        "smtp_server_ehlo",
        "smtp_server_mail_from",
        "smtp_server_rcpt_to",
        "get_listener_domain",
        "smtp_server_data",
        "smtp_server_split_transaction",
        "smtp_server_message_received",
        "smtp_server_rewrite_response",
        "smtp_server_auth_plain",
    ];
    let mut accepted = 0;
    for event in events {
        let authenticates = event == "smtp_server_auth_plain";
        for how in ["raise", "hang"] {
            troubled.make(event, how);
            let refusal = troubled.refusal("to@one.example.com", authenticates).await;
            let refusal = refusal.unwrap_or_else(|| panic!("{event} {how}: it was accepted"));
            assert!(refusal.starts_with("421 4.3.0 us.example technical difficulties"), "{event} {how}: {refusal}");
            troubled.end();
            assert_eq!(troubled.refusal("to@one.example.com", authenticates).await, None, "{event} {how}");
            accepted += 1;
        }
    }
    assert!(sink.until(|sink| sink.count() == accepted).await, "{} of {accepted}", sink.count());
    troubled.make("smtp_server_message_received", "loop");
    let refusal = troubled.refusal("to@one.example.com", false).await.unwrap();
    assert!(refusal.starts_with("421 4.3.0 "), "{refusal}");
    troubled.end();
    assert_eq!(troubled.refusal("to@one.example.com", false).await, None);
    sink.received(accepted + 1).await;
    until("the end of the session", || sink.open_now() == 0).await;
    let records = troubled.rig.stop().await;
    let delivered = shown(&records).iter().filter(|text| text.starts_with("Delivery ")).count();
    assert_eq!(delivered, accepted + 1);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_the_policy_cannot_tell_of_takes_no_mail() {
    let (queue, pool) = ("get_queue_config", "get_egress_pool");
    for (event, how) in [(queue, "raise"), (queue, "hang"), (queue, "loop"), (pool, "raise"), (pool, "hang")] {
        let sink = Sink::willing().await;
        let troubled = Troubled::new(&sink).await;
        troubled.make(event, how);
        let refusal = troubled.refusal("to@one.example.com", false).await.unwrap();
        assert!(refusal.starts_with("451 4.3.0 "), "{event} {how}: {refusal}");
        troubled.end();
        assert_eq!(troubled.refusal("to@one.example.com", false).await, None, "{event} {how}");
        sink.received(1).await;
        until("the end of the session", || sink.open_now() == 0).await;
        let texts = shown(&troubled.rig.stop().await);
        let bounced = "Bounce 500 KumoMTA internal: QueueManager::insert failed during reception: ";
        assert!(texts.iter().any(|text| text.starts_with(bounced)), "{event} {how}: {texts:#?}");
        assert_eq!((texts.iter().filter(|text| text.starts_with("Delivery ")).count(), sink.count()), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn on_the_way_out_messages_wait_and_are_delivered() {
    let unresolved = "TransientFailure 451 4.4.4 failed to resolve queue ";
    let events = [
        ("get_egress_source", "one", unresolved),
        ("get_egress_path_config", "one", unresolved),
        ("make.lua", "lua", "TransientFailure 400 KumoMTA internal: failed to connect: "),
        ("send", "lua", "TransientFailure 400 KumoMTA internal: error in deliver_message: "),
        ("send_batch", "batch", "TransientFailure 400 KumoMTA internal: error in deliver_message: "),
    ];
    for (event, domain, expected) in events {
        for how in ["raise", "hang", "loop"] {
            if how == "loop" && event != "send" {
                // It takes real time, and is the same.
                continue;
            }
            let sink = Sink::willing().await;
            let troubled = Troubled::new(&sink).await;
            troubled.make(event, how);
            assert_eq!(troubled.refusal(&format!("to@{domain}.example.com"), false).await, None, "{event} {how}");
            tokio::time::sleep(Duration::from_mins(4)).await;
            tokio::time::sleep(Duration::from_mins(if domain == "one" { 0 } else { 7 })).await;
            troubled.end();
            tokio::time::sleep(Duration::from_mins(30)).await;
            let texts = shown(&troubled.rig.stop().await);
            assert!(texts[0].starts_with(expected), "{event} {how}: {texts:#?}");
            let delivered = texts.iter().filter(|text| text.starts_with("Delivery ")).count();
            assert_eq!(delivered, 1, "{event} {how}: {texts:#?}");
            assert_eq!(sink.count(), usize::from(domain == "one"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_messages_does_not_stop_them() {
    let events = [
        "requeue_message",
        "throttle_insert_ready_queue",
        "should_enqueue_log_record",
        "smtp_client_rewrite_delivery_status",
        "log_disposition_hook",
        "wanted",
    ];
    for event in events {
        for how in ["raise", "hang"] {
            let sink = Sink::start(|turn| match turn.step {
                Step::Mail if turn.session == 0 => Answer::say("451 4.7.1 come back"),
                _ => Answer::Usual,
            })
            .await;
            let troubled = Troubled::new(&sink).await;
            troubled.make(event, how);
            assert_eq!(troubled.refusal("to@one.example.com", false).await, None, "{event} {how}");
            assert!(sink.within(Duration::from_hours(1), |sink| sink.count() == 1).await, "{event} {how}");
            troubled.end();
            assert_eq!(troubled.refusal("to@one.example.com", false).await, None, "{event} {how}");
            assert!(sink.within(Duration::from_hours(1), |sink| sink.count() == 2).await, "{event} {how}");
            until("the end of the session", || sink.open_now() == 0).await;
            let texts = shown(&troubled.rig.stop().await);
            assert_eq!(texts[0], "TransientFailure 451 4.7.1 come back", "{event} {how}");
            let delivered = texts.iter().filter(|text| text.starts_with("Delivery ")).count();
            assert_eq!((texts.len(), delivered), (3, 2), "{event} {how}: {texts:#?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_host_waits_for_no_handler() {
    for how in ["raise", "hang"] {
        let sink = Sink::willing().await;
        let troubled = Troubled::new(&sink).await;
        assert_eq!(troubled.refusal("to@one.example.com", false).await, None, "{how}");
        sink.received(1).await;
        troubled.make("shutdown_logging", how);
        let began = tokio::time::Instant::now();
        let texts = shown(&troubled.rig.stop().await);
        assert!(began.elapsed() < Duration::from_secs(30), "{how}: {:?}", began.elapsed());
        assert!(texts.iter().any(|text| text.starts_with("Delivery ")), "{how}: {texts:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_injection_says_which_recipients_failed() {
    let sink = Sink::willing().await;
    let troubled = Troubled::new(&sink).await;
    let request = json!({
        "envelope_sender": "from@example.org", "content": "Subject: hi\r\n\r\nhello\r\n",
        "recipients": [{"email": "a@one.example.com"}],
    });
    for how in ["raise", "hang", "loop"] {
        troubled.make("http_message_generated", how);
        let (status, answer) = troubled.rig.post("/api/inject/v1", &request).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, &answer["fail_count"], &answer["success_count"]), (200, &json!(1), &json!(0)), "{answer}");
        assert!(answer["errors"][0].as_str().unwrap().starts_with("a@one.example.com: "), "{answer}");
        troubled.end();
    }
    assert_eq!(troubled.rig.post("/api/inject/v1", &request).await.0, 200);
    sink.received(1).await;
    troubled.rig.stop().await;
}
