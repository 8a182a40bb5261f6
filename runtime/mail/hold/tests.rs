use std::time::Duration;

use tokio::time::advance;

use super::*;
use crate::host::Paths;

const START: Time = Time::from_secs(1_769_860_800);

fn host() -> Host {
    Host::new(Clock::controlled(START), Paths::documented())
}

fn after(secs: u64) -> Time {
    START.after(Duration::from_secs(secs))
}

fn daemon(who: &str) -> Owner {
    Owner { who: who.into(), key: "k".into() }
}

fn held(holds: &Holds, name: &str) -> Option<String> {
    holds.queue(&QueueName::parse(name), name, START).map(|hold| hold.reason.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_path_is_suspended_until_its_end_or_its_deletion() {
    let holds = Holds::of(&host());
    let mut changed = holds.changed();
    let id = holds.suspend_path("s->a@smtp_client", "why", after(60), Owner::operator());
    assert!(changed.has_changed().unwrap());
    changed.mark_unchanged();
    let hold = holds.path("s->a@smtp_client", START).unwrap();
    assert_eq!((hold.id, &*hold.reason, hold.until), (id, "why", after(60)));
    assert_eq!(holds.path("s->b@smtp_client", START), None);
    let again = holds.suspend_path("s->a@smtp_client", "other", after(120), Owner::operator());
    assert!(again != id && !holds.delete_path(id), "it was replaced");
    advance(Duration::from_secs(119)).await;
    assert_eq!(holds.path("s->a@smtp_client", after(119)).unwrap().until, after(120));
    advance(Duration::from_secs(1)).await;
    assert_eq!(holds.path("s->a@smtp_client", after(120)), None);
    assert!(holds.list_paths().is_empty());
    let id = holds.suspend_path("s->a@smtp_client", "why", after(300), Owner::operator());
    assert_eq!(holds.list_paths()[0].expires, after(300));
    assert!(holds.delete_path(id) && !holds.delete_path(id));
    assert_eq!(holds.path("s->a@smtp_client", after(120)), None);
}

#[tokio::test(start_paused = true)]
async fn p6_of_several_owners_the_longest_suspension_holds() {
    let holds = Holds::of(&host());
    holds.suspend_path("p", "short", after(60), daemon("a"));
    holds.suspend_path("p", "long", after(600), daemon("b"));
    holds.suspend_path("p", "person", after(30), Owner::operator());
    assert_eq!(&*holds.path("p", START).unwrap().reason, "long");
    assert!(holds.end_path("p", &daemon("b")));
    assert_eq!(&*holds.path("p", START).unwrap().reason, "short");
    assert_eq!(holds.list_paths().len(), 2);
    holds.suspend_path("p", "shorter", after(10), daemon("a"));
    assert_eq!(&*holds.path("p", START).unwrap().reason, "person", "each owner has one entry");
    holds.suspend_queue(Selector::new(None, Some("t"), None), "tenant", after(60), daemon("a"));
    holds.suspend_queue(Selector::new(None, None, Some("D.com")), "domain", after(90), daemon("b"));
    assert_eq!(held(&holds, "t@d.com"), Some("domain".into()));
    assert_eq!(held(&holds, "t@e.com"), Some("tenant".into()));
}

#[tokio::test(start_paused = true)]
async fn a_selector_means_the_queues_that_have_all_its_parts() {
    let holds = Holds::of(&host());
    let suspend = |selector: Selector, reason: &str| {
        holds.suspend_queue(selector, reason, after(60), Owner { who: "".into(), key: reason.into() })
    };
    suspend(Selector::new(Some("c"), Some("t"), Some("d.com")), "all three");
    assert_eq!(held(&holds, "c:t@d.com"), Some("all three".into()));
    assert_eq!(held(&holds, "c:t@d.com!r.com"), Some("all three".into()));
    for other in ["t@d.com", "c:t@e.com", "c:u@d.com", "b:t@d.com", "d.com"] {
        assert_eq!(held(&holds, other), None, "{other}");
    }
    let routed = Selector { routing_domain: Some("r.com".into()), ..Selector::default() };
    suspend(routed, "routed");
    assert_eq!(held(&holds, "x.com!R.com"), Some("routed".into()));
    let named = Selector { queue_names: ["t@n.com".to_owned()].into(), ..Selector::default() };
    let id = suspend(named, "named");
    assert_eq!((held(&holds, "t@n.com"), held(&holds, "u@n.com")), (Some("named".into()), None));
    assert!(holds.delete_queue(id));
    assert_eq!(held(&holds, "t@n.com"), None);
    suspend(Selector::default(), "everything");
    assert_eq!(held(&holds, "u@n.com"), Some("everything".into()));
}

#[tokio::test(start_paused = true)]
async fn a_bounce_counts_what_it_bounced() {
    let holds = Holds::of(&host());
    let id = holds.bounce(Selector::new(None, None, Some("d.com")), "gone", after(60), true, Owner::operator());
    let bounce = holds.bounced(&QueueName::parse("t@d.com"), "t@d.com", START).unwrap();
    assert_eq!((bounce.id, &*bounce.reason, bounce.suppress_logging, bounce.until), (id, "gone", true, after(60)));
    holds.count_bounced(id, "t@d.com", 3);
    holds.count_bounced(id, "d.com", 1);
    holds.count_bounced(id, "d.com", 1);
    holds.count_bounced(Uuid::nil(), "d.com", 1);
    let listed = serde_json::to_value(holds.list_bounces()).unwrap();
    assert_eq!(
        listed,
        serde_json::json!([{ "id": id, "domain": "d.com", "reason": "gone", "duration": "1m",
            "bounced": {"t@d.com": 3, "d.com": 2}, "total_bounced": 5 }])
    );
    assert!(holds.delete_bounce(id));
    assert_eq!(holds.bounced(&QueueName::parse("t@d.com"), "t@d.com", START), None);
}

#[tokio::test(start_paused = true)]
async fn c2_a_wall_clock_that_jumps_neither_ends_nor_revives_a_suspension() {
    let host = host();
    let holds = Holds::of(&host);
    holds.suspend_path("p", "why", after(60), Owner::operator());
    host.clock().jump(3_600_000_000);
    assert!(holds.path("p", host.clock().now()).is_some());
    advance(Duration::from_secs(61)).await;
    host.clock().jump(-7_200_000_000);
    assert_eq!(holds.path("p", host.clock().now()), None);
}

#[tokio::test(start_paused = true)]
async fn entries_that_are_over_are_forgotten() {
    let holds = Holds::of(&host());
    for n in 0..1000 {
        holds.suspend_path(&format!("p{n}"), "why", after(1), Owner::operator());
        holds.suspend_queue(Selector::new(None, None, Some(&format!("d{n}"))), "why", after(1), Owner::operator());
    }
    advance(Duration::from_secs(2)).await;
    for n in 0..2000 {
        holds.suspend_path(&format!("q{n}"), "why", after(9), Owner::operator());
    }
    assert_eq!(holds.list_paths().len(), 2000);
    assert!(holds.lock().paths.live().count() == 2000 && !format!("{:?}", holds.lock().paths).contains("\"p0\""));
}

#[test]
fn requests_say_what_they_take() {
    let bad = serde_json::from_str::<BounceQueues>(r#"{"reason": "x", "domian": "d"}"#).unwrap_err().to_string();
    assert!(bad.contains("unknown field `domian`") && bad.contains("`domain`"), "{bad}");
    let null: SuspendQueues =
        serde_json::from_str(r#"{"reason": "x", "campaign": null, "duration": "1h", "queue_names": {}}"#).unwrap();
    assert_eq!((null.duration, null.selector()), (Some(Duration::from_hours(1)), Selector::default()));
}
