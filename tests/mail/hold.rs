//! `kumo.api.admin.*`.

use kumo_tsa::mail::hold::Holds;
use kumo_tsa_core::wire::{QueueName, Time};

use crate::support::Bench;

#[tokio::test(start_paused = true)]
async fn a_policy_suspends_bounces_lists_and_deletes() {
    let bench = Bench::of_mail();
    let text = "local admin = kumo.api.admin
        local path = admin.suspend_ready_q.suspend { name = 's->t@smtp_client', reason = 'r1', duration = '1 hour',
          expires = '2026-01-31T12:10:00Z' }
        local queue = admin.suspend.suspend { tenant = 't', domain = 'D.com', reason = 'r2' }
        local bounce = admin.bounce.bounce { domain = 'b.com', reason = 'r3', duration = 90, suppress_logging = true }
        local later = admin.suspend_ready_q.suspend { name = 'x', reason = 'r4', expires = kumo.time.now() + 30 }
        local list = admin.suspend_ready_q.list()
        local lines = { #list, list[1].name, list[1].duration, list[1].expires, list[2].duration,
          admin.suspend.list()[1].duration, admin.suspend.list()[1].domain, admin.bounce.list()[1].total_bounced,
          tostring(list[1].id == path), tostring(admin.suspend_ready_q.delete(later)),
          tostring(admin.suspend_ready_q.delete(later)), tostring(admin.suspend.delete(bounce)) }
        return table.concat(lines, ' ')";
    assert_eq!(
        bench.eval(text).await,
        "2 s->t@smtp_client 10m 2026-01-31T12:10:00Z 30s 5m d.com 0 true true false false"
    );
    let holds = Holds::of(&bench.host);
    let now = bench.host.clock().now();
    let hold = holds.path("s->t@smtp_client", now).unwrap();
    assert_eq!((&*hold.reason, hold.until), ("r1", Time::parse("2026-01-31T12:10:00Z").unwrap()));
    assert_eq!(&*holds.queue(&QueueName::parse("c:t@d.com"), "c:t@d.com", now).unwrap().reason, "r2");
    assert!(holds.bounced(&QueueName::parse("b.com"), "b.com", now).unwrap().suppress_logging);
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_not_understood_say_so() {
    let bench = Bench::of_mail();
    let said = bench.fails("kumo.api.admin.bounce.bounce { domian = 'x', reason = 'y' }").await;
    assert!(
        said.contains(
            "kumo.api.admin.bounce.bounce: deserialize error: unknown field `domian`, expected one of `campaign`"
        ) && said.contains("while processing {\"domian\":\"x\",\"reason\":\"y\"}"),
        "{said}"
    );
    let said = bench.fails("kumo.api.admin.suspend.suspend { domain = 'x' }").await;
    assert!(said.contains("missing field `reason`"), "{said}");
    let said = bench.fails("kumo.api.admin.suspend_ready_q.delete 'x'").await;
    assert!(said.contains("invalid id `x`: expected a UUID"), "{said}");
}
