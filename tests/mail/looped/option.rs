//! How soon an option that a decision sets is obeyed, measured at the receiving end.

use std::time::Duration;

use tokio::time::Instant;

use super::rig::{SOON, Stage, pass, provider, until};
use crate::support::smtp::{Answer, Sink, Step};

/// For how long it is looked at, in seconds.
const LONG: f64 = 3.0;

/// A provider that takes its time.
async fn slow(delay: u64) -> Sink {
    Sink::start(move |turn| match (turn.step, provider(turn)) {
        (Step::Body, Answer::Usual) => Answer::Usual.after(Duration::from_millis(delay)),
        (_, answer) => answer,
    })
    .await
}

fn after(times: &[Instant], start: Instant) -> Vec<Instant> {
    times.iter().copied().filter(|at| *at > start).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_a_rate_is_obeyed_within_half_a_second() {
    let stage = Stage::new("").await;
    let _flows = [stage.mail.flow("", "a@one.example.com"), stage.mail.flow("", "b@two.example.com")];
    until("mail", || stage.mails("a@one.example.com").len() > 20).await;
    let answered = stage.provoke("", "451.slow.down@one.example.com").await;
    pass(0.5 + LONG).await;
    let times = after(&stage.mails("one.example.com"), answered + SOON);
    // Two a second with a burst of one.
    assert!((4..=8).contains(&times.len()), "{}", times.len());
    assert!(after(&stage.mails("b@two.example.com"), answered + SOON).len() > 30);
    let ended = Instant::now();
    stage.end_all().await;
    until("mail after the end", || after(&stage.mails("a@one.example.com"), ended).len() > 50).await;
    let times = after(&stage.mails("a@one.example.com"), ended + SOON);
    assert!(times.len() < 2 || times[1] - times[0] < Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a4_a_rate_for_one_domain_leaves_the_other_of_the_site_alone() {
    let stage = Stage::new("").await;
    let _flows = [stage.mail.flow("", "a@one.example.com"), stage.mail.flow("", "b@alias.example.com")];
    until("mail", || stage.mails("a@one.example.com").len() > 20).await;
    let answered = stage.provoke("", "451.this.domain.slowly@one.example.com").await;
    pass(0.5 + LONG).await;
    let times = after(&stage.mails("one.example.com"), answered + SOON);
    assert!((4..=8).contains(&times.len()), "{}", times.len());
    assert!(after(&stage.mails("b@alias.example.com"), answered + SOON).len() > 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_surplus_sessions_end_within_half_a_second() {
    let stage =
        Stage::with(slow(200).await, "connection_limit = 20\naggressive_connection_opening = true", "1 hour").await;
    stage.mail.send_many("", "a@one.example.com", 300).await;
    let _flow = stage.mail.flow("", "a@one.example.com");
    assert!(stage.sink.until(|sink| sink.open_now() == 20).await);
    let answered = stage.provoke("", "451.one.session@one.example.com").await;
    pass(0.5 + LONG).await;
    let mut busy: Vec<_> = stage
        .sink
        .sessions()
        .iter()
        .flat_map(|session| session.mails.clone())
        .filter(|mail| mail.began > answered + SOON)
        .map(|mail| (mail.began, mail.outcome.map_or_else(Instant::now, |(_, at)| at)))
        .collect();
    busy.sort();
    assert!(busy.len() > 10, "{}", busy.len());
    for pair in busy.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "two at a time");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_open_sessions_carry_no_more_than_they_may_from_half_a_second_on() {
    let stage = Stage::with(slow(20).await, "connection_limit = 5", "1 hour").await;
    let _flow = stage.mail.flow("", "a@one.example.com");
    until("mail", || stage.mails("a@one.example.com").len() > 20).await;
    let answered = stage.provoke("", "451.one.each@one.example.com").await;
    pass(0.5 + LONG).await;
    let sessions = stage.sink.sessions();
    let carried: Vec<_> = sessions
        .iter()
        .map(|session| session.mails.iter().filter(|mail| mail.began > answered + SOON).count())
        .filter(|count| *count > 0)
        .collect();
    assert!(carried.len() > 20 && carried.iter().all(|count| *count == 1), "{carried:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_open_sessions_end_where_they_were_opened_otherwise_than_is_said_now() {
    let stage = Stage::new("connection_limit = 5\nehlo_domain = \"us.example\"").await;
    let _flow = stage.mail.flow("", "a@one.example.com");
    until("mail", || stage.mails("a@one.example.com").len() > 20).await;
    let answered = stage.provoke("", "451.who.are.you@one.example.com").await;
    pass(LONG).await;
    let sessions = stage.sink.sessions();
    let hellos: Vec<_> = sessions
        .iter()
        .filter(|session| session.mails.iter().any(|mail| mail.began > answered + SOON))
        .map(|session| session.hello.as_str())
        .collect();
    assert!(!hellos.is_empty() && hellos.iter().all(|hello| *hello == "other.example"), "{hellos:?}");
}
