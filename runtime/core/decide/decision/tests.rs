use serde_json::json;

use super::deed::cut;
use super::*;
use crate::decide::fixture::*;
use crate::decide::window::Window;
use crate::shaping::{Action, RuleId};

fn counted(name: u8, count: u64, period: u64, actions: &[Action]) -> Rule {
    Rule { trigger: threshold(count, period), ..rule(name, actions) }
}

/// Name of the action, and what became of it.
fn summary(decision: &Decision) -> Vec<(&'static str, What)> {
    decision.effects.iter().map(|one| (crate::decide::effect::action_name(&one.effect.action), one.what)).collect()
}

#[test]
fn t1_each_match_acts_and_the_effect_ends_at_its_time_plus_duration() {
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend])));
    let decision = world.send(&Sent::new("m1", 1000), 1005);
    assert_eq!((summary(&decision), decision.matched), (vec![("Suspend", What::Started)], 1));
    let started = &decision.effects[0];
    assert_eq!((started.until, started.effect.begin, started.effect.latest), (at(1100), at(1005), at(1000)));
    let decision = world.send(&Sent::new("m2", 1010), 1012);
    assert_eq!(summary(&decision), [("Suspend", What::Prolonged)]);
    let prolonged = &decision.effects[0].effect;
    assert_eq!((prolonged.until, prolonged.begin, prolonged.latest), (at(1110), at(1005), at(1010)));
    assert_eq!((&*prolonged.cause.id, prolonged.cause.time, prolonged.cause.counted), ("m2", at(1010), 1));
}

#[test]
fn what_matches_nothing_changes_nothing() {
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend])));
    let decision = world.send(&Sent::new("m1", 1000).with("response", json!({"code": 250, "content": "ok"})), 1000);
    assert_eq!((decision.matched, decision.changes.len(), decision.no_site), (0, 0, false));
    let future = world.send(&Sent::new("m1", 5000).with("response", json!({"code": 250, "content": "ok"})), 1000);
    assert_eq!((future.changes.len(), future.clamped), (0, false), "what matches nothing is not remembered");
}

#[test]
fn r3_no_record_shortens_an_effect_and_one_that_is_past_starts_none() {
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend])));
    world.send(&Sent::new("m1", 1000), 1000);
    assert_eq!(world.send(&Sent::new("m2", 999), 1000).changes, []);
    assert_eq!(world.send(&Sent::new("m3", 1000), 1000).changes, [], "the same end changes nothing");
    assert_eq!(world.ends(1000), [("Suspend".into(), 1100)]);
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend])));
    assert_eq!(world.send(&Sent::new("m1", 1000), 1100).changes, [], "its end is now");
    assert_eq!(world.send(&Sent::new("m2", 1001), 1100).effects.len(), 1);
}

#[test]
fn r3_an_effect_that_ended_starts_anew_whether_its_removal_came_or_not() {
    for expire in [false, true] {
        let mut world = World::new(Book::one(rule(1, &[Action::Suspend])));
        world.send(&Sent::new("m1", 1000), 1000);
        if expire {
            world.expire(1100);
        }
        let decision = world.send(&Sent::new("m2", 1100), 1100);
        assert_eq!(summary(&decision), [("Suspend", What::Started)]);
        assert_eq!(decision.effects[0].effect.begin, at(1100));
    }
}

#[test]
fn r3_a_time_ahead_of_the_clock_is_set_to_now_once() {
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend])));
    let ahead = Sent::new("m1", 1500);
    let decision = world.send(&ahead, 1000);
    assert!(decision.clamped);
    assert_eq!(world.ends(1000), [("Suspend".into(), 1100)]);
    let again = world.send(&ahead, 1050);
    assert_eq!((again.changes.len(), again.clamped), (0, false), "R1: sent again later it is the same record");
    assert_eq!(world.expire(1499).len(), 1, "the effect");
    assert_eq!(world.expire(1599), []);
    assert_eq!(world.expire(1600).len(), 1, "the memory of the record");
    assert_eq!(world.send(&ahead, 1600).changes, [], "by then it is past");
    let on_time = World::new(Book::one(rule(1, &[Action::Suspend]))).send(&Sent::new("m1", 1000), 1000);
    assert!(!on_time.clamped);
}

#[test]
fn r3_records_ahead_are_remembered_as_long_as_any_rule_needs() {
    let mut world = World::new(
        Book::one(rule(1, &[Action::Suspend])).with("*", counted(2, 2, 300, &[Action::Suspend]), true).with(
            "*",
            counted(3, 2, 200, &[Action::Suspend]),
            true,
        ),
    );
    let until = |world: &World| {
        (0..2_000_000)
            .step_by(100)
            .find(|now| world.state.expire(at(*now)).iter().any(|c| matches!(c, Change::Unclamped { .. })))
    };
    world.send(&Sent::new("m1", 1500), 1000);
    assert_eq!(until(&world), Some(1500 + 300 + 100));
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend])));
    world.send(&Sent::new("m1", i64::MAX / 1_000_000), 1000);
    assert_eq!(until(&world), Some(1000 + 7 * 86_400 + 100), "but seven days at most");
}

#[test]
fn r3_of_too_many_records_ahead_the_one_that_would_go_first_goes() {
    let mut state = State::default();
    for n in 0..100 {
        assert_eq!(state.excess_clamp(), None);
        let until = Time::from_micros(2_000_000_000_i64 + i64::try_from(n).unwrap());
        state.apply(&Change::Clamped { identity: n, time: at(1000), until });
    }
    let book = Book::one(rule(1, &[Action::Suspend]));
    let decision = decide(&state, &book, &Sent::new("m1", 5000).record(), at(1000));
    assert_eq!(decision.changes[0], Change::Unclamped { identity: 0 });
    assert!(matches!(decision.changes[1], Change::Clamped { .. }));
    decision.changes.iter().for_each(|change| {
        state.apply(change);
    });
    assert_eq!(state.excess_clamp(), Some(1));
}

#[test]
fn t2_n_matches_within_the_period_that_ends_at_the_newest() {
    let mut world = World::new(Book::one(counted(1, 3, 60, &[Action::Suspend])));
    assert_eq!(world.send(&Sent::new("m1", 1000), 1000).effects.len(), 0);
    assert_eq!(world.send(&Sent::new("m2", 1030), 1030).effects.len(), 0);
    assert_eq!(world.send(&Sent::new("m3", 1060), 1060).effects.len(), 0, "the first is a whole period old");
    let decision = world.send(&Sent::new("m4", 1065), 1070);
    assert_eq!(summary(&decision), [("Suspend", What::Started)]);
    let effect = &decision.effects[0].effect;
    assert_eq!((effect.until, effect.latest, effect.cause.counted), (at(1165), at(1065), 3));
    let late = world.send(&Sent::new("m5", 1040), 1071);
    assert_eq!((late.effects.len(), late.changes.len()), (0, 1), "it counts, and the end is the newest's");
}

#[test]
fn t2_a_late_match_that_completes_them_ends_with_the_newest() {
    let mut world = World::new(Book::one(counted(1, 2, 60, &[Action::Suspend])));
    world.send(&Sent::new("m1", 1050), 1050);
    assert_eq!(world.send(&Sent::new("m0", 990), 1055).changes, [], "a period older than the newest");
    let decision = world.send(&Sent::new("m2", 991), 1060);
    let effect = &decision.effects[0].effect;
    assert_eq!((effect.until, effect.latest, effect.cause.time), (at(1150), at(1050), at(991)));
}

#[test]
fn t2_the_duration_has_no_say_in_the_counting() {
    let short = Rule { duration: secs(10), ..counted(1, 2, 3600, &[Action::Suspend]) };
    let mut world = World::new(Book::one(short));
    assert_eq!(world.send(&Sent::new("m1", 1000), 4000).changes.len(), 1, "its own effect would have ended");
    assert_eq!(world.send(&Sent::new("m2", 3995), 4000).effects.len(), 1);
    let decision = world.send(&Sent::new("m3", 3980), 4001);
    assert_eq!((decision.changes.len(), decision.effects.len()), (1, 0));
}

#[test]
fn t2_each_path_and_each_rule_has_its_window() {
    let book = Book::one(counted(1, 2, 60, &[Action::Suspend])).with("*", counted(2, 2, 60, &[Action::Suspend]), true);
    let mut world = World::new(book);
    world.send(&Sent::new("m1", 1000), 1000);
    assert_eq!(world.state.window_count(), 2);
    let other =
        Sent::new("m2", 1001).with("site", "ip2->(mx1|mx2).example.com@smtp_client").with("egress_source", "ip2");
    assert_eq!(world.send(&other, 1001).effects.len(), 0);
    assert_eq!(world.state.window_count(), 4);
    assert_eq!(world.send(&Sent::new("m3", 1002), 1002).effects.len(), 2);
    world.expire(1002 + 100 + 60 + 60);
    assert_eq!(world.state.window_count(), 0, "T3");
}

#[test]
fn t2_where_keys_lie_below_the_path_64_late_ones_are_known_again() {
    let sent = |n: i64, tenant: &str| Sent::new(&format!("m{n}"), n).with("queue", format!("{tenant}@example.com"));
    for (actions, held) in
        [(vec![Action::SuspendTenant], 66), (vec![Action::Suspend], 2), (vec![Action::Suspend, Action::Bounce], 66)]
    {
        let mut world = World::new(Book::one(counted(1, 2, 1000, &actions)));
        for n in 1..=80 {
            let decision = decide(&world.state, &world.book, &sent(n, "t").record(), at(100));
            decision.changes.iter().for_each(|change| {
                world.state.apply(change);
            });
        }
        assert_eq!(world.state.counts.window(&RuleId([1; 32]), PATH).map(Window::len), usize::try_from(held).ok());
        let early = decide(&world.state, &world.book, &sent(80 - held, "late").record(), at(100));
        assert_eq!(early.changes, [], "it may have been here before");
        let late = sent(81 - held, "late").with("nodeid", "n2");
        let late = decide(&world.state, &world.book, &late.record(), at(100));
        assert_eq!(late.effects.len(), usize::from(actions[0] == Action::SuspendTenant));
    }
}

#[test]
fn r1_the_same_record_again_changes_nothing_also_when_newer_ones_came() {
    let actions = [Action::SuspendTenant, Action::Bounce, set("connection_limit", 3)];
    let mut world = World::new(Book::one(counted(1, 2, 60, &actions)).with("*", rule(2, &actions), true));
    let all: Vec<Sent> = (0..20).map(|n| Sent::new(&format!("m{n}"), 1000 + n * 7)).collect();
    for (sent, n) in all.iter().zip(0..) {
        world.send(sent, 1000 + n * 7);
    }
    for sent in &all {
        assert_eq!(decide(&world.state, &world.book, &sent.record(), at(1140)).changes, []);
    }
}

#[test]
fn r2_each_recipient_domain_is_looked_up_and_a_rule_counts_once() {
    let set_rate = set("max_message_rate", "1/s");
    let book = Book::one(counted(1, 2, 60, &[Action::Suspend, set_rate.clone()]))
        .with("b.example", rule(2, std::slice::from_ref(&set_rate)), true)
        .with("c.example", rule(3, &[set_rate]), false);
    let mut world = World::new(book);
    let to = json!(["u@a.example", "v@A.Example", "w@b.example", "Postmaster"]);
    let decision = world.send(&Sent::new("m1", 1000).with("recipient", to.clone()), 1000);
    assert_eq!((decision.matched, decision.effects.len()), (2, 1), "rule 1 has seen one record, not two");
    let decision = world.send(&Sent::new("m2", 1001).with("recipient", to), 1001);
    let domains: Vec<(u8, &str)> =
        decision.effects.iter().map(|one| (one.effect.rule.id.0[0], &*one.effect.domain)).collect();
    assert_eq!(domains, [(1, ""), (1, "a.example"), (1, "b.example"), (2, "b.example")]);
    let nobody = world.send(&Sent::new("m3", 1002).with("recipient", "postmaster"), 1002);
    assert_eq!((nobody.matched, nobody.changes.len()), (0, 0));
}

#[test]
fn r4_without_a_site_nothing_counts_and_nothing_begins() {
    let all = [
        Action::Suspend,
        Action::SuspendTenant,
        set("connection_limit", 1),
        set_domain("connection_limit", 1),
        Action::Bounce,
    ];
    let mut world = World::new(Book::one(rule(1, &all)).with("*", counted(2, 1, 60, &all), true));
    let decision = world.send(&Sent::new("m1", 1000).with("site", ""), 1000);
    assert!(decision.no_site);
    assert_eq!((decision.matched, decision.changes.len(), decision.effects.len()), (0, 0, 0));
    assert_eq!(world.state.window_count(), 0);
}

#[test]
fn r5_what_the_mail_host_made_up_is_told_to_the_rules() {
    let made_up = Sent::new("m1", 1000).with("response", json!({"code": 451, "content": "KumoMTA internal: slow"}));
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend])));
    assert_eq!(world.send(&made_up, 1000).matched, 0);
    let mut world = World::new(Book::one(Rule { match_internal: true, ..rule(1, &[Action::Suspend]) }));
    assert_eq!(world.send(&made_up, 1000).matched, 1);
}

#[test]
fn s6_a_pattern_that_gave_up_is_said_once() {
    let exceeded = vec![Arc::new(rule(1, &[])), Arc::new(rule(2, &[]))];
    let book = Book { exceeded, ..Book::default() };
    let decision =
        World::new(book).send(&Sent::new("m1", 1000).with("recipient", json!(["a@x.example", "b@y.example"])), 1000);
    assert_eq!(decision.exceeded.iter().map(|rule| rule.id.0[0]).collect::<Vec<_>>(), [1, 2]);
}

/// What the actions do for a record of this queue.
fn by_queue(actions: &[Action], queue: &str) -> (Vec<[String; 4]>, Vec<Why>) {
    let mut world = World::new(Book::one(rule(1, actions)));
    let decision = world.send(&Sent::new("m1", 1000).with("queue", queue), 1000);
    let text = |t: &Option<Arc<str>>| t.as_deref().unwrap_or("-").to_owned();
    let effects = decision.effects.iter().map(|one| {
        let effect = &one.effect;
        let name = crate::decide::effect::action_name(&effect.action).to_owned();
        [name, effect.domain.to_string(), text(&effect.tenant), text(&effect.campaign)]
    });
    (effects.collect(), decision.skipped.iter().map(|one| one.why).collect())
}

fn row(name: &str, domain: &str, tenant: &str, campaign: &str) -> [String; 4] {
    [name, domain, tenant, campaign].map(str::to_owned)
}

#[test]
fn a2_suspensions_of_scheduled_queues() {
    let all = [Action::SuspendTenant, Action::SuspendCampaign];
    let (effects, skipped) = by_queue(&all, "c:t@d.example!r.example");
    assert_eq!(effects, [row("SuspendTenant", "d.example", "t", "-"), row("SuspendCampaign", "d.example", "t", "c")]);
    assert_eq!(skipped, []);
    let (effects, _) = by_queue(&all, "t@d.example");
    assert_eq!(effects, [row("SuspendTenant", "d.example", "t", "-")], "without a campaign both are one");
    let (effects, skipped) = by_queue(&all, "c:@d.example");
    assert_eq!((effects, skipped), (vec![], vec![Why::NoTenant, Why::NoTenant]));
}

#[test]
fn a5_bounces() {
    let all = [Action::Bounce, Action::BounceTenant, Action::BounceCampaign];
    let (effects, _) = by_queue(&all, "c:t@d.example!r.example");
    let expected = [
        row("Bounce", "d.example", "-", "-"),
        row("BounceTenant", "d.example", "t", "-"),
        row("BounceCampaign", "d.example", "t", "c"),
    ];
    assert_eq!(effects, expected);
    let (effects, _) = by_queue(&all, "t@d.example");
    assert_eq!(effects, expected[..2]);
    let (effects, skipped) = by_queue(&all, "d.example");
    assert_eq!((effects, skipped), (expected[..1].to_vec(), vec![Why::NoTenant, Why::NoTenant]));
    let (effects, skipped) = by_queue(&all, "");
    assert_eq!((effects, skipped), (vec![], vec![Why::NoDomain; 3]), "a rejection has no queue");
}

#[test]
fn a1_a_suspension_is_of_the_path_alone() {
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend])));
    let decision = world.send(&Sent::new("m1", 1000), 1000);
    let effect = &decision.effects[0].effect;
    assert_eq!((&*effect.path, &*effect.site, &*effect.source, &*effect.domain), (PATH, SITE, "ip1", ""));
    let decision = world.send(&Sent::new("m2", 1001).with("recipient", "x@other.example").with("queue", "q"), 1001);
    assert_eq!(summary(&decision), [("Suspend", What::Prolonged)]);
    let nameless = world.send(
        &Sent::new("m3", 1001).with("site", "unspecified->mx@smtp_client").with("egress_source", Value::Null),
        1001,
    );
    assert_eq!(
        (summary(&nameless), &*nameless.effects[0].effect.source),
        (vec![("Suspend", What::Started)], "unspecified")
    );
}

#[test]
fn a3_a4_overrides_of_a_site_and_of_a_domain() {
    let both = [set("connection_limit", 1), set_domain("connection_limit", 2)];
    let book = Book::default().with("a.example", rule(1, &both), true).with("b.example", rule(1, &both), false);
    let mut world = World::new(book);
    let decision = world.send(&Sent::new("m1", 1000).with("recipient", json!(["u@a.example", "v@b.example"])), 1000);
    let found: Vec<_> =
        decision.effects.iter().map(|one| (&*one.effect.domain, &one.effect.action, one.effect.rolled)).collect();
    let (site, domain) = (&both[0], &both[1]);
    let expected = [
        ("a.example", site, true),
        ("b.example", site, false),
        ("a.example", domain, false),
        ("b.example", domain, false),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a6_an_override_is_for_the_routing_domain() {
    let book = Book::default()
        .with("a.example", rule(1, &[set("connection_limit", 1), set_domain("max_ready", 2)]), false)
        .with("b.example", rule(1, &[set("connection_limit", 1), set_domain("max_ready", 2)]), true);
    let mut world = World::new(book);
    let sent = Sent::new("m1", 1000)
        .with("recipient", json!(["u@a.example", "v@b.example"]))
        .with("queue", "a.example!R.Example");
    let decision = world.send(&sent, 1000);
    let found: Vec<_> = decision.effects.iter().map(|one| (&*one.effect.domain, one.effect.rolled)).collect();
    assert_eq!(found, [("r.example", true), ("r.example", false)], "for the whole site if it is so for any of them");
}

#[test]
fn a6_all_actions_act_and_the_same_one_once() {
    let twice = [Action::Suspend, Action::Suspend, set("max_ready", 1), set("max_ready", 1), set("max_ready", 2)];
    let mut world = World::new(Book::one(rule(1, &twice)));
    let decision = world.send(&Sent::new("m1", 1000), 1000);
    assert_eq!(decision.effects.len(), 3);
    assert_eq!(decision.effects.iter().map(|one| one.effect.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(world.state.seq(), 3);
}

#[test]
fn a9_the_change_of_value_is_said_when_it_begins() {
    let mut book = Book::one(rule(1, &[set("max_message_rate", "100/s")]));
    book.configured.insert("max_message_rate".into(), json!("100/min"));
    let book = book.with(
        "b.example",
        Rule { regex: vec!["slower".into()], ..rule(2, &[set_domain("max_message_rate", "1/s")]) },
        true,
    );
    let mut world = World::new(book);
    let change = |decision: &Decision| decision.effects[0].value.clone();
    let first = world.send(&Sent::new("m1", 1000), 1000);
    let expected = ValueChange { before: Some(json!("100/min")), after: json!("100/s"), loosens: true };
    assert_eq!(change(&first), Some(expected));
    assert_eq!(change(&world.send(&Sent::new("m2", 1001), 1001)), None, "prolonged: the value is what it was");
    let slower = Sent::new("m3", 1002)
        .with("recipient", "u@b.example")
        .with("response", json!({"code": 421, "content": "slower"}));
    let decision = world.send(&slower, 1002);
    assert_eq!(decision.effects.len(), 2);
    assert_eq!(decision.effects[0].value, None, "the site has that value already");
    let expected = ValueChange { before: Some(json!("100/s")), after: json!("1/s"), loosens: false };
    assert_eq!(decision.effects[1].value, Some(expected));
}

#[test]
fn a9_with_no_value_before_nothing_is_loosened() {
    let mut world = World::new(Book::one(rule(1, &[set("max_message_rate", "100/s"), Action::Suspend])));
    let decision = world.send(&Sent::new("m1", 1000), 1000);
    let expected = ValueChange { before: None, after: json!("100/s"), loosens: false };
    assert_eq!(decision.effects[0].value, Some(expected));
    assert_eq!(decision.effects[1].value, None, "a suspension has no value");
}

#[test]
fn a9_an_override_that_does_not_win_changes_no_value() {
    let mut world = World::new(Book::one(rule(
        1,
        &[set("connection_limit", 5), set("connection_limit", 7), set("connection_limit", 3)],
    )));
    let decision = world.send(&Sent::new("m1", 1000), 1000);
    let values: Vec<_> =
        decision.effects.iter().map(|one| one.value.as_ref().map(|v| (v.before.clone(), v.after.clone()))).collect();
    assert_eq!(values, [Some((None, json!(5))), None, Some((Some(json!(5)), json!(3)))]);
}

#[test]
fn a9_a_prolonged_override_of_another_kind_can_win_again() {
    let a = Rule { regex: vec!["aa".into()], ..rule(1, &[set("enable_tls", "Required")]) };
    let b = Rule { regex: vec!["bb".into()], ..rule(2, &[set("enable_tls", "Disabled")]) };
    let mut world = World::new(Book::one(a).with("*", b, true));
    let say = |id: &str, secs, text: &str| Sent::new(id, secs).with("response", json!({"code": 421, "content": text}));
    world.send(&say("m1", 1000, "aa"), 1000);
    world.send(&say("m2", 1001, "bb"), 1001);
    let decision = world.send(&say("m3", 1002, "aa"), 1002);
    let expected = ValueChange { before: Some(json!("Disabled")), after: json!("Required"), loosens: false };
    assert_eq!(
        (summary(&decision), decision.effects[0].value.clone()),
        (vec![("SetConfig", What::Prolonged)], Some(expected))
    );
}

#[test]
fn cancelled_effects_are_a_silent_floor() {
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend])));
    let first = world.send(&Sent::new("m1", 1000), 1000);
    let id = first.effects[0].id;
    assert_eq!(world.state.cancel(id, at(1100)), None, "it has ended by then");
    assert_eq!(world.state.cancel(EffectId(7), at(1010)), None);
    world.cancel(id, 1010);
    assert_eq!((world.touched.len(), world.touched[0].id), (1, id));
    assert_eq!(world.state.seq(), 2);
    assert_eq!(world.ends(1010), []);
    assert_eq!(world.state.cancel(id, at(1010)), None, "it is not in force");
    assert_eq!(world.send(&Sent::new("m1", 1000), 1020).changes, []);
    assert_eq!(world.send(&Sent::new("m2", 990), 1020).changes, []);
    let revived = world.send(&Sent::new("m3", 1005), 1020);
    assert_eq!((summary(&revived), revived.effects[0].effect.begin), (vec![("Suspend", What::Revived)], at(1020)));
    assert_eq!(world.ends(1020), [("Suspend".into(), 1105)]);
    world.cancel(id, 1030);
    let started = world.send(&Sent::new("m4", 1105), 1105);
    assert_eq!(summary(&started), [("Suspend", What::Started)], "its own end had come");
}

#[test]
fn the_response_is_cut_at_a_character() {
    let content = format!("slow {}", "ü".repeat(400));
    let sent = Sent::new("m1", 1000).with("response", json!({"code": 421, "content": content}));
    let decision = World::new(Book::one(rule(1, &[Action::Suspend]))).send(&sent, 1000);
    let response = &decision.effects[0].effect.cause.response;
    assert!(response.starts_with("421 slow ü") && response.len() == 511, "{}", response.len());
    assert_eq!(cut("short"), "short");
}

#[test]
fn c2_a_jump_of_the_wall_clock_ends_and_revives_nothing() {
    for delta in [86_400, -86_400] {
        let mut world =
            World::new(Book::one(rule(1, &[Action::Suspend])).with("*", counted(2, 2, 60, &[Action::Bounce]), true));
        let (first, second) = (Sent::new("m1", 100_000), Sent::new("m2", 100_010));
        world.send(&first, 100_000);
        let jump = world.state.clock_jumped(at(100_005 + delta), delta * 1_000_000);
        world.apply(&[jump]);
        assert_eq!(world.state.skew_micros(), delta * 1_000_000);
        let now = 100_005 + delta;
        assert_eq!(world.expire(now), []);
        assert_eq!(world.ends(now), [("Suspend".into(), 100_100 + delta)]);
        assert_eq!(world.state.next_end(), Some(at(100_100 + delta)));
        assert_eq!(world.send(&first, now).changes, [], "R1: a record from before the jump is known again");
        let decision = world.send(&Sent::new("m2", 100_010 + delta), 100_010 + delta);
        assert_eq!(decision.effects.len(), 2, "the count goes on");
        assert_eq!(decision.effects[0].until, at(100_110 + delta));
        assert_eq!(world.state.cancel(decision.effects[0].id, at(100_110 + delta)), None);
        assert!(world.state.cancel(decision.effects[0].id, at(100_109 + delta)).is_some());
        assert_eq!(world.expire(100_111 + delta).len(), 2);
        let _ = second;
    }
}

#[test]
fn c2_r1_after_the_clock_went_back_a_record_is_known_by_either_reading_of_its_time() {
    let mut world =
        World::new(Book::one(rule(1, &[Action::Suspend])).with("*", counted(2, 2, 600, &[Action::Bounce]), true));
    let first = Sent::new("m1", 1000);
    world.send(&first, 1000);
    world.apply(&[world.state.clock_jumped(at(990), -20_000_000)]);
    // 1000 on the wall is 1020 now, or what it was before the jump.
    assert_eq!(decide(&world.state, &world.book, &first.record(), at(1001)).changes, []);
    let other = decide(&world.state, &world.book, &Sent::new("m2", 1000).record(), at(1001));
    assert_eq!(other.effects.len(), 2);
}
