//! What a suspension does to the mail that it concerns (semantics H).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::rig::{Stage, pass, provider, until};
use crate::support::smtp::{Answer, Sink, Step};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h1_fifty_sessions_say_no_mail_from_half_a_second_after_the_provider_has_had_enough() {
    let enough = Arc::new(AtomicBool::new(false));
    let is_enough = enough.clone();
    let sink = Sink::start(move |turn| match turn.step {
        Step::Body if is_enough.swap(false, Ordering::SeqCst) => Answer::say("421 4.7.0 hold it"),
        Step::Body => Answer::Usual.after(Duration::from_millis(300)),
        _ => Answer::Usual,
    })
    .await;
    let stage = Stage::with(sink, "connection_limit = 50\naggressive_connection_opening = true", "1 hour").await;
    stage.mail.send_many("", "a@one.example.com", 1000).await;
    let _flow = stage.mail.flow("", "a@one.example.com");
    assert!(stage.sink.until(|sink| sink.open_now() == 50).await, "{}", stage.sink.open_now());
    enough.store(true, Ordering::SeqCst);
    let refused = |sink: &Sink| {
        let sessions = sink.sessions();
        sessions
            .iter()
            .flat_map(|session| &session.mails)
            .filter_map(|mail| mail.outcome)
            .find(|(code, _)| *code == 421)
    };
    assert!(stage.sink.until(|sink| refused(sink).is_some()).await);
    let (_, answered) = refused(&stage.sink).unwrap();
    pass(1.5).await;
    assert_eq!(stage.late("a@one.example.com", answered), 0);
    assert_eq!(stage.sink.open_now(), 0);
    assert!(stage.mail.waiting("one.example.com") > 0);
}

#[tokio::test(start_paused = true)]
async fn h2_the_path_opens_with_one_session_rises_over_a_minute_and_closes_again_at_the_next_match() {
    let sink = Sink::start(|turn| match (turn.step, provider(turn)) {
        (Step::Body, Answer::Usual) => Answer::Usual.after(Duration::from_secs(5)),
        (_, answer) => answer,
    })
    .await;
    let stage = Stage::with(sink, "connection_limit = 31\nmax_connection_rate = \"1000/s\"", "10 minutes").await;
    let held = stage.provoke("", "550.hold.it@one.example.com").await;
    pass(1.0).await;
    stage.mail.send_many("", "a@one.example.com", 450).await;
    pass(550.0).await;
    assert_eq!(stage.mails("a@one.example.com").len(), 0);
    assert!(stage.sink.within(Duration::from_mins(3), |_| !stage.mails("a@one.example.com").is_empty()).await);
    let opened = stage.mails("a@one.example.com")[0];
    assert!(opened - held < Duration::from_secs(605), "{:?}", opened - held);
    pass(75.0).await;
    for second in 0..60 {
        let open = stage.sink.open_at(opened + Duration::from_millis(1000 * second + 500));
        // One at once, and one more every two seconds.
        let allowed = 1 + usize::try_from(second).unwrap() / 2 + 1;
        assert!(open <= allowed && open + 3 >= allowed, "{open} of {allowed} after {second} s");
    }
    assert_eq!(stage.sink.open_at(opened + Duration::from_secs(64)), 31);
    until("the end of the mail", || stage.mails("a@one.example.com").len() == 450 && stage.sink.open_now() == 0).await;
    let held = stage.provoke("", "550.hold.it@one.example.com").await;
    pass(1.0).await;
    stage.mail.send("b@one.example.com").await;
    pass(500.0).await;
    assert_eq!(stage.late("b@one.example.com", held), 0);
    assert!(stage.sink.within(Duration::from_mins(5), |_| stage.mails("b@one.example.com").len() == 1).await);
}

#[tokio::test(start_paused = true)]
async fn h3_a_421_that_suspends_its_own_path_leaves_no_message_stuck() {
    for (step, said) in [(Step::Mail, 0), (Step::Rcpt, 2), (Step::Data, 2), (Step::Body, 2), (Step::Rset, 1)] {
        let sink = Sink::start(move |turn| {
            let enough = turn.session == 0 && turn.step == step && turn.nth == said;
            if enough { Answer::say("421 4.7.0 hold it") } else { Answer::Usual }
        })
        .await;
        let stage = Stage::with(sink, "connection_limit = 1", "10 minutes").await;
        for number in 0..10 {
            stage.mail.send(&format!("to{number}@one.example.com")).await;
        }
        let reached = stage.sink.within(Duration::from_hours(3), |sink| sink.count() == 10).await;
        assert!(reached, "{step:?}: {} arrived, {} wait", stage.sink.count(), stage.mail.waiting("example.com"));
        let mut recipients: Vec<_> = stage.sink.mails().iter().flat_map(|mail| mail.recipients.clone()).collect();
        recipients.sort();
        recipients.dedup();
        assert_eq!((recipients.len(), stage.mail.waiting("example.com")), (10, 0), "each once");
    }
}

#[tokio::test(start_paused = true)]
async fn h1_each_hold_is_logged_once_and_no_attempt_is_lost() {
    let stage = Stage::with(Sink::start(provider).await, "", "3 hours").await;
    stage.provoke("", "550.hold.it@one.example.com").await;
    pass(1.0).await;
    let sent = Instant::now();
    stage.mail.send("a@one.example.com").await;
    assert!(stage.sink.within(Duration::from_hours(6), |_| stage.mails("a@one.example.com").len() == 1).await);
    let waited = stage.mails("a@one.example.com")[0] - sent;
    assert!(waited > Duration::from_mins(179) && waited < Duration::from_mins(181), "{waited:?}");
    until("its end", || stage.mail.waiting("a@one.example.com") == 0 && stage.sink.open_now() == 0).await;
    let records = stage.mail.stop().await;
    let of_it: Vec<_> = records.iter().filter(|record| record["recipient"] == "a@one.example.com").collect();
    let kinds: Vec<_> =
        of_it.iter().map(|record| (record["type"].as_str().unwrap(), &record["num_attempts"])).collect();
    let zero = serde_json::json!(0);
    assert_eq!(kinds, [("Reception", &zero), ("TransientFailure", &zero), ("Delivery", &zero)]);
    let text = of_it[1]["response"]["content"].as_str().unwrap();
    assert!(text.starts_with("KumoMTA internal: "), "{text}");
}
