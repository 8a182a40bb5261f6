//! What becomes of messages that are not taken at once.

use std::time::Duration;

use super::rig::{HELLO, Rig, shown, until};
use crate::support::smtp::{Answer, Sink, Step};

#[tokio::test(start_paused = true)]
async fn what_is_deferred_is_tried_again() {
    let sink = Sink::start(|turn| match turn.step {
        Step::Mail if turn.session == 0 => Answer::say("451-4.7.1 greylisted\n451 4.7.1 come back"),
        _ => Answer::Usual,
    })
    .await;
    let rig = Rig::new(&sink, "").await;
    let began = tokio::time::Instant::now();
    rig.send(&["to@one.example.com"], HELLO).await;
    assert!(sink.within(Duration::from_hours(1), |sink| sink.count() == 1).await, "{:#?}", sink.sessions());
    let waited = sink.mail_times()[0] - began;
    assert!(waited >= Duration::from_mins(4) && waited < Duration::from_mins(7), "{waited:?}");
    until("the end of the session", || sink.open_now() == 0).await;
    let records = rig.stop().await;
    let expected = ["TransientFailure 451 4.7.1 greylisted\ncome back", "Delivery 250 2.0.0 OK ids=1-0"];
    assert_eq!(shown(&records), expected);
    assert_eq!((&records[0]["num_attempts"], &records[1]["num_attempts"]), (&0.into(), &1.into()));
    let command = records[0]["response"]["command"].as_str().unwrap();
    assert!(command.starts_with("MAIL FROM:<from@example.org>"), "{command}");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_bounces_and_is_not_tried_again() {
    let sink = Sink::answering(Step::Body, Answer::say("554 5.7.1 no, thanks")).await;
    let rig = Rig::new(&sink, "").await;
    rig.send(&["to@one.example.com"], HELLO).await;
    assert!(sink.until(|sink| sink.sessions().iter().any(|session| session.lines().contains(&"DATA"))).await);
    tokio::time::sleep(Duration::from_hours(3)).await;
    let bodies = sink.mail_times().len();
    let records = rig.stop().await;
    assert_eq!((shown(&records), bodies), (vec!["Bounce 554 5.7.1 no, thanks".to_owned()], 1));
}

#[tokio::test(start_paused = true)]
async fn recipients_of_one_transaction_part_ways() {
    let sink = Sink::start(|turn| match turn.step {
        Step::Rcpt if turn.line.contains("nobody") => Answer::say("550 5.1.1 no such user"),
        Step::Rcpt if turn.line.contains("later") && turn.session == 0 => Answer::say("452 4.2.2 mailbox full"),
        _ => Answer::Usual,
    })
    .await;
    let rig = Rig::new(&sink, "").await;
    rig.send(&["a@one.example.com", "nobody@one.example.com", "later@one.example.com", "b@one.example.com"], HELLO)
        .await;
    assert!(sink.within(Duration::from_hours(1), |sink| sink.count() == 2).await, "{:#?}", sink.sessions());
    let mails = sink.mails();
    assert_eq!(mails[0].recipients, ["a@one.example.com", "b@one.example.com"]);
    assert_eq!(mails[1].recipients, ["later@one.example.com"]);
    until("the end of the session", || sink.open_now() == 0).await;
    let records = rig.stop().await;
    let mut texts: Vec<_> =
        shown(&records).iter().zip(&records).map(|(text, record)| format!("{} {text}", record["recipient"])).collect();
    texts.sort();
    let deferred = r#""later@one.example.com" TransientFailure 452 4.2.2 mailbox full"#;
    let refused = r#""nobody@one.example.com" Bounce 550 5.1.1 no such user"#;
    let delivered = r#""later@one.example.com" Delivery 250 2.0.0 OK ids=1-0"#;
    for expected in [deferred, refused, delivered] {
        assert!(texts.iter().any(|text| text == expected), "{texts:#?}");
    }
    let taken: String = texts.iter().filter(|text| text.contains("ids=0-0")).cloned().collect();
    assert!(taken.contains("a@one.example.com") && taken.contains("b@one.example.com"), "{texts:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_421_amid_a_session_loses_nothing() {
    for step in [Step::Rset, Step::Mail, Step::Rcpt, Step::Data, Step::Body] {
        let sink = Sink::start(move |turn| {
            // The second message of the first sessions.
            let unlucky = turn.session < 2 && turn.step == step && turn.nth == usize::from(step != Step::Rset);
            if unlucky { Answer::say("421 4.7.0 enough for now") } else { Answer::Usual }
        })
        .await;
        let rig = Rig::new(&sink, "connection_limit = 1").await;
        for number in 0..6 {
            rig.send(&[&format!("to{number}@one.example.com")], HELLO).await;
        }
        assert!(
            sink.within(Duration::from_hours(2), |sink| sink.count() == 6).await,
            "{step:?} {:#?}",
            sink.sessions()
        );
        until("the end of the session", || sink.open_now() == 0).await;
        let mut recipients: Vec<_> = sink.mails().iter().flat_map(|mail| mail.recipients.clone()).collect();
        recipients.sort();
        recipients.dedup();
        assert_eq!((recipients.len(), sink.count()), (6, 6), "each once");
        let records = rig.stop().await;
        let delivered = shown(&records).iter().filter(|text| text.starts_with("Delivery ")).count();
        assert_eq!(delivered, 6);
        let deferred =
            shown(&records).iter().filter(|text| *text == "TransientFailure 421 4.7.0 enough for now").count();
        assert!(deferred > 0 && deferred + delivered == records.len(), "{step:?} {:#?}", shown(&records));
    }
}

#[tokio::test(start_paused = true)]
async fn silence_in_any_state_is_outlived() {
    let timeouts = "banner_timeout = '7s', ehlo_timeout = '7s', mail_from_timeout = '7s', rcpt_to_timeout = '7s',
                    data_timeout = '7s', data_dot_timeout = '7s'";
    for step in [Step::Banner, Step::Ehlo, Step::Mail, Step::Rcpt, Step::Data, Step::Body] {
        let sink = Sink::start(
            move |turn| {
                if turn.step == step && turn.session == 0 { Answer::Silence } else { Answer::Usual }
            },
        )
        .await;
        let rig = Rig::new(&sink, timeouts).await;
        rig.send(&["to@one.example.com"], HELLO).await;
        assert!(
            sink.within(Duration::from_hours(1), |sink| sink.count() == 1).await,
            "{step:?} {:#?}",
            sink.sessions()
        );
        until("the end of the session", || sink.open_now() == 0).await;
        let texts = shown(&rig.stop().await);
        assert_eq!(texts.len(), 2, "{texts:#?}");
        assert!(texts[0].starts_with("TransientFailure 400 KumoMTA internal: failed to "), "{texts:#?}");
        assert!(texts[0].contains("no answer within 7s"), "{texts:#?}");
        assert!(texts[1].starts_with("Delivery 250 "), "{texts:#?}");
    }
}
