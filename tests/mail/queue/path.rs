use std::time::Duration;

use kumo_tsa::host::memory::Memory;
use kumo_tsa::mail::hold::{Holds, Owner};
use tokio::time::Instant;

use super::rig::{Rig, pass};
use crate::support::smtp::{Answer, Mail, Sink, Step};

const PATH: &str = "unspecified->mx.example.com@smtp_client";

fn smtp(port: u16, path: &str) -> String {
    format!(
        "kumo.on('get_egress_path_config', function()
  return kumo.make_egress_path {{ smtp_port = {port}, prohibited_hosts = {{}}, enable_tls = 'Disabled', {path} }}
end)
"
    )
}

#[tokio::test]
async fn h1_fifty_open_sessions_say_no_mail_from_half_a_second_later() {
    let slow = Answer::Usual.after(Duration::from_secs(2));
    let sink = Sink::answering(Step::Body, slow).await;
    let rig = Rig::new(&smtp(sink.port(), "connection_limit = 50")).await;
    rig.send(400, "a@example.com").await;
    assert!(sink.until(|sink| sink.open_now() == 50).await, "{}", sink.open_now());
    let holds = Holds::of(rig.host());
    let until = rig.host().clock().now().after(Duration::from_mins(10));
    let suspended = Instant::now();
    holds.suspend_path(PATH, "test", until, Owner::operator());
    assert!(sink.until(|sink| sink.open_now() == 0).await, "{}", sink.open_now());
    pass(1.0).await;
    let late = sink.mail_times().into_iter().filter(|at| *at > suspended + Duration::from_millis(500)).count();
    assert_eq!((late, sink.open_now()), (0, 0));
    assert!(sink.count() < 400);
    assert_eq!(rig.queues().scheduled_names(), [("example.com".to_owned(), 400 - sink.count())]);
}

#[tokio::test]
async fn a_message_rate_is_measured_at_the_receiving_end() {
    let sink = Sink::willing().await;
    let rig = Rig::new(&smtp(sink.port(), "max_message_rate = '40/s,max_burst=4'")).await;
    rig.send(300, "a@example.com").await;
    assert!(sink.until(|sink| sink.count() >= 160).await);
    let times = sink.mail_times();
    let took = (times[159] - times[40]).as_secs_f64();
    let rate = 119.0 / took;
    // In real time, which a busy machine stretches; `delivery::rate` measures exactly, with time under control.
    assert!((25.0..=44.0).contains(&rate), "{rate}");
    drop(rig);
}

#[tokio::test]
async fn connections_are_used_again_and_their_number_is_limited() {
    let sink = Sink::willing().await;
    let rig =
        Rig::new(&smtp(sink.port(), "connection_limit = 3, max_deliveries_per_connection = 20, idle_timeout = '1s'"))
            .await;
    rig.send(100, "a@example.com").await;
    sink.received(100).await;
    assert!(sink.most_open() <= 3, "{}", sink.most_open());
    let sessions = sink.sessions();
    assert!(sessions.iter().all(|session| session.mails.len() <= 20));
    assert!(sessions.len() < 30, "{}", sessions.len());
    assert!(sink.until(|sink| sink.open_now() == 0).await, "idle sessions end");
    drop(rig);
}

#[tokio::test]
async fn where_memory_is_used_up_content_waits_in_the_spool_unless_the_path_says_otherwise() {
    let stays = async |policy: &str| {
        // Long enough to look at what waits behind the first.
        let sink = Sink::answering(Step::Body, Answer::Usual.after(Duration::from_secs(6))).await;
        let options = format!("connection_limit = 1, no_memory_reduction_policy = '{policy}'");
        let rig = Rig::new(&smtp(sink.port(), &options)).await;
        Memory::of(rig.host()).set_limit(1);
        rig.send(1, "a@example.com").await;
        assert!(sink.until(|sink| sink.open_now() == 1).await);
        let message = rig.message(&["a@example.com"]);
        rig.accept(message.clone()).await;
        let waits = || rig.queues().engine().unwrap().find_ready(PATH).is_some_and(|ready| ready.len() == 1);
        assert!(sink.until(|_| waits()).await);
        let stays = message.is_data_loaded();
        sink.received(2).await;
        let ends = |mail: &Mail| String::from_utf8_lossy(&mail.data).ends_with("hello\r\n");
        assert!(sink.mails().iter().all(ends));
        stays
    };
    assert_eq!(tokio::join!(stays("ShrinkData"), stays("NoShrink")), (false, true));
}
