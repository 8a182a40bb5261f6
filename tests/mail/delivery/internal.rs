//! The host's own queues, and what records say of how a message came in.

use std::time::Duration;

use serde_json::{Value, json};

use super::rig::{HELLO, Rig, ZONE, beginning, until};
use crate::support::Bench;
use crate::support::smtp::{Sink, Talk};

fn paths(sink: &Sink) -> String {
    format!(
        "kumo.on('get_egress_path_config', function()
           return kumo.make_egress_path {{ smtp_port = {}, prohibited_hosts = {{}} }}
         end)
",
        sink.port()
    )
}

fn of_type<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["type"] == kind).collect()
}

#[tokio::test(start_paused = true)]
async fn a_deferred_message_is_shown_to_the_policy_later_and_goes_on() {
    let sink = Sink::willing().await;
    let handlers = "
local shown = 0
kumo.on('smtp_server_message_received', function() error 'not asked with deferred_queue' end)
kumo.on('smtp_server_message_deferred_inject', function(msg, conn)
  local address = msg:recipient()
  if address.user == 'refused' then kumo.reject(550, '5.7.1 not to them') end
  if address.user == 'later' and msg:num_attempts() == 0 then error 'a mishap' end
  msg:set_meta('tenant', 'acme')
  msg:set_meta('came_from', conn:get_meta('ehlo_domain'))
end)
";
    let policy = beginning("deferred_queue = true", "") + handlers + &paths(&sink);
    let rig = Rig::running(Bench::new(), ZONE, &policy).await;
    for user in ["to", "refused", "later"] {
        rig.send(&[&format!("{user}@one.example.com")], HELLO).await;
    }
    assert!(sink.within(Duration::from_hours(1), |sink| sink.count() == 2).await);
    until("the end of the session", || sink.open_now() == 0).await;
    let records = rig.stop_and_tell_all().await;
    let own = "deferred_smtp_inject.kumomta.internal";
    assert_eq!(of_type(&records, "Reception").len(), 3);
    assert!(of_type(&records, "Reception").iter().all(|record| record["queue"] == own));
    let rebound = of_type(&records, "DeferredInjectionRebind");
    assert_eq!(rebound.len(), 2);
    assert_eq!(rebound[0]["queue"], "acme@one.example.com");
    assert_eq!(rebound[0]["delivery_protocol"], "DeferredSmtpInjection");
    let bounces = of_type(&records, "Bounce");
    assert_eq!(bounces.len(), 1);
    assert_eq!((&bounces[0]["response"]["code"], &bounces[0]["queue"]), (&json!(550), &json!(own)));
    let deferred = of_type(&records, "TransientFailure");
    assert_eq!(deferred.len(), 1, "{deferred:#?}");
    assert_eq!((&deferred[0]["response"]["code"], &deferred[0]["queue"]), (&json!(421), &json!(own)));
    assert!(of_type(&records, "Delivery").iter().all(|record| record["queue"] == "acme@one.example.com"));
}

#[tokio::test(start_paused = true)]
async fn a_deferred_injection_is_worked_off_and_logged() {
    let sink = Sink::willing().await;
    let listen = "kumo.start_http_listener { listen = '127.0.0.1:0' }";
    let policy = beginning("", listen) + &paths(&sink);
    let rig = Rig::running(Bench::new(), ZONE, &policy).await;
    let request = json!({
        "envelope_sender": "from@example.org", "content": "Subject: hi {{ name }}\r\n\r\nhello\r\n",
        "recipients": [{"email": "a@one.example.com", "name": "A"}, {"email": "b@one.example.com", "name": "B"}],
        "deferred_generation": true,
    });
    assert_eq!(rig.post("/api/inject/v1", &request).await.0, 200);
    sink.received(2).await;
    until("the end of the session", || sink.open_now() == 0).await;
    let records = rig.stop_and_tell_all().await;
    let done: Vec<_> = of_type(&records, "Delivery")
        .into_iter()
        .filter(|record| record["delivery_protocol"] == "HttpInjectionGenerator")
        .collect();
    assert_eq!(done.len(), 1, "{records:#?}");
    assert_eq!(done[0]["queue"], "generator.kumomta.internal");
    assert_eq!(of_type(&records, "Delivery").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_reception_record_tells_of_the_connection() {
    let sink = Sink::willing().await;
    let rig = Rig::running(Bench::new(), ZONE, &(beginning("", "") + &paths(&sink))).await;
    let mut talk = Talk::greeted(rig.address()).await;
    talk.start_tls().await;
    talk.say("EHLO client.example").await;
    let reply = talk.send("from@example.org", &["to@one.example.com"], HELLO).await;
    assert!(reply.starts_with("250"), "{reply}");
    sink.received(1).await;
    let records = rig.stop_and_tell_all().await;
    let record = of_type(&records, "Reception")[0];
    assert_eq!(record["peer_address"], json!({"name": "client.example", "addr": "127.0.0.1"}));
    assert_eq!((&record["reception_protocol"], &record["delivery_protocol"]), (&json!("ESMTP"), &Value::Null));
    assert_eq!(record["tls_protocol_version"], "TLSv1.3");
    assert!(record["tls_cipher"].as_str().unwrap().starts_with("TLS13_"), "{record:#}");
}

const REPORT: &[u8] = b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\
    Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: x\r\nVersion: 1\r\n\r\n--b--\r\n";

const RETURNED: &[u8] = b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\
    Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
    Final-Recipient: rfc822; gone@one.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\
    Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b--\r\n";

#[tokio::test(start_paused = true)]
async fn reports_are_logged_and_dropped_or_relayed() {
    let sink = Sink::willing().await;
    let domains = "kumo.on('get_listener_domain', function(domain)
  if domain == 'drop.example.com' then
    return kumo.make_listener_domain { log_arf = 'LogThenDrop', log_oob = 'LogThenDrop' }
  end
  return kumo.make_listener_domain { relay_to = true, log_arf = true, log_oob = true }
end)
";
    let policy = beginning("relay_hosts = {}", "") + domains + &paths(&sink);
    let rig = Rig::running(Bench::new(), ZONE, &policy).await;
    for to in ["fbl@drop.example.com", "fbl@one.example.com"] {
        rig.send(&[to], REPORT).await;
        rig.send(&[to], RETURNED).await;
    }
    let mut talk = Talk::greeted(rig.address()).await;
    let reply = talk.send("from@example.org", &["fbl@drop.example.com"], HELLO).await;
    assert!(reply.starts_with("550 5.7.1 "), "{reply}");
    rig.send(&["fbl@one.example.com"], HELLO).await;
    sink.received(3).await;
    until("the end of the session", || sink.open_now() == 0).await;
    let records = rig.stop_and_tell_all().await;
    let feedback = of_type(&records, "Feedback");
    assert_eq!(feedback.len(), 2);
    assert_eq!(feedback[0]["feedback_report"]["feedback_type"], "abuse");
    assert_eq!((&feedback[0]["recipient"], &feedback[0]["site"]), (&json!("fbl@drop.example.com"), &json!("")));
    let returned = of_type(&records, "OOB");
    assert_eq!(returned.len(), 2);
    assert_eq!(
        (&returned[0]["recipient"], &returned[0]["response"]["code"]),
        (&json!("gone@one.example"), &json!(550))
    );
    assert_eq!(returned[0]["response"]["enhanced_code"], json!({"class": 5, "subject": 1, "detail": 1}));
    // The feedback report that was relayed has its own record in the place of this one.
    assert_eq!(of_type(&records, "Reception").len(), 2);
    assert_eq!(of_type(&records, "Delivery").len(), 3);
    assert_eq!(of_type(&records, "Rejection").len(), 1);
}
