use serde_json::json;

use super::*;
use crate::decide::fixture::*;
use crate::decide::{Batch, Change};
use crate::shaping::{Action, Rule};

const HASH: &str = "0101010101010101010101010101010101010101010101010101010101010101";

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn p1_the_shapes_that_existing_hosts_read() {
    let all = [
        Action::Suspend,
        Action::SuspendTenant,
        Action::SuspendCampaign,
        Action::Bounce,
        Action::BounceTenant,
        Action::BounceCampaign,
    ];
    let mut world = World::new(Book::one(rule(1, &all)));
    world.send(&Sent::new("m1", 1000), 1000);
    let expires = "1970-01-01T00:18:20Z";
    let ready = world.state.ready_suspensions(at(1000));
    let expected = json!({
        "rule_hash": HASH, "site_name": PATH, "reason": "automation rule: slow", "source": "ip1", "expires": expires,
    });
    assert_eq!(json(&ready), json!([expected.clone()]));
    let slot = Slot::Path(PATH.into());
    let hold = world.state.hold(&slot, at(1000)).unwrap();
    assert_eq!(json(&hold), json!({"ReadyQSuspension": expected.clone()}));
    assert_eq!(json(&hold.into_old()), json!({"ReadyQ": expected}));
    let tenant = json!({
        "rule_hash": HASH, "tenant": "t1", "domain": "example.com", "campaign": null,
        "reason": "automation rule: slow tenant=t1 domain=example.com", "expires": expires,
    });
    let campaign = json!({
        "rule_hash": HASH, "tenant": "t1", "domain": "example.com", "campaign": "c1",
        "reason": "automation rule: slow tenant=t1 domain=example.com campaign=c1", "expires": expires,
    });
    let sched = world.state.sched_suspensions(at(1000));
    assert_eq!(json(&sched), json!([tenant, campaign]));
    let hold = Hold::Sched(sched[0].clone());
    assert_eq!(json(&hold), json!({"SchedQSuspension": tenant}));
    assert_eq!(json(&hold.into_old()), json!({"SchedQ": tenant}));
    let bounces = world.state.bounces(at(1000));
    let bounce = |tenant: Value, campaign: Value, reason: &str| {
        let reason = format!("automation rule: slow domain=example.com{reason}");
        json!({"rule_hash": HASH, "domain": "example.com", "tenant": tenant, "campaign": campaign, "reason": reason, "expires": expires})
    };
    let domain = bounce(json!(null), json!(null), "");
    let expected = json!([
        domain,
        bounce(json!("t1"), json!(null), " tenant=t1"),
        bounce(json!("t1"), json!("c1"), " tenant=t1 campaign=c1"),
    ]);
    assert_eq!(json(&bounces), expected);
    let hold = Hold::Bounce(bounces[0].clone());
    assert_eq!(
        (json(&hold), hold.into_old()),
        (json!({"SchedQBounce": domain}), None),
        "the older stream has no bounces"
    );
    assert!(world.state.ready_suspensions(at(1100)).is_empty(), "what has ended is skipped");
    assert!(world.state.sched_suspensions(at(1100)).is_empty() && world.state.bounces(at(1100)).is_empty());
}

#[test]
fn p1_sorted_by_end_then_key() {
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend, Action::SuspendTenant, Action::BounceCampaign])));
    for (n, secs, path, queue) in
        [(1, 1002, "b", "c:t@a"), (2, 1001, "c", "c:t@b"), (3, 1001, "a", "c:s@b"), (4, 1001, "d", "b:s@b")]
    {
        world.send(&Sent::new(&format!("m{n}"), secs).with("site", path).with("queue", queue), 1002);
    }
    let ready: Vec<_> = world.state.ready_suspensions(at(1002)).into_iter().map(|one| one.site_name).collect();
    assert_eq!(ready, ["a", "c", "d", "b"].map(Arc::from));
    let sched: Vec<_> = world
        .state
        .sched_suspensions(at(1002))
        .into_iter()
        .map(|one| format!("{} {}", one.tenant, one.domain))
        .collect();
    assert_eq!(sched, ["s b", "t b", "t a"]);
    let bounces = world
        .state
        .bounces(at(1002))
        .into_iter()
        .map(|one| format!("{:?} {:?}", one.tenant.unwrap(), one.campaign.unwrap()));
    assert_eq!(bounces.collect::<Vec<_>>(), [r#""s" "b""#, r#""s" "c""#, r#""t" "c""#, r#""t" "c""#]);
}

#[test]
fn p1_of_several_rules_the_latest_end_is_told() {
    let long = Rule { duration: secs(500), regex: vec!["slow d".into()], ..rule(2, &[Action::Suspend]) };
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend])).with("*", long, true));
    world.send(&Sent::new("m1", 1000), 1000);
    let [one] = &world.state.ready_suspensions(at(1000))[..] else { panic!() };
    assert_eq!((&*one.reason, one.expires), ("automation rule: slow d", at(1500)));
}

#[test]
fn p1_ending_early_is_told_as_an_end_that_is_now() {
    let long = Rule { duration: secs(500), ..rule(2, &[Action::Suspend]) };
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend])).with("*", long, true));
    let decision = world.send(&Sent::new("m1", 1000), 1000);
    let end = |world: &World, now| {
        let told = match world.state.notice(&world.touched[0], at(now)) {
            Some(Hold::Ready(one)) => Some(one.expires),
            _ => None,
        };
        assert_eq!(world.state.notice_end(&world.touched[0], at(now)), told);
        told
    };
    assert_eq!(end(&world, 1000), Some(at(1500)));
    world.cancel(decision.effects[1].id, 1010);
    assert_eq!(end(&world, 1010), Some(at(1100)), "the other rule's holds on");
    world.cancel(decision.effects[0].id, 1020);
    assert_eq!(end(&world, 1020), Some(at(1020)));
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend])));
    world.send(&Sent::new("m1", 1000), 1000);
    world.expire(1100);
    assert_eq!(end(&world, 1100), None, "its end was told before");
}

#[test]
fn p2_a_view_has_all_the_facts() {
    let mut world = World::new(Book::one(rule(1, &[set("max_message_rate", "1/s")])));
    let id = world.send(&Sent::new("m1", 1000), 1004).effects[0].id;
    world.apply(&[world.state.clock_jumped(at(1105), 100_000_000)]);
    let view = world.state.view(id, at(1105)).unwrap();
    let expected = json!({
        "kind": "override",
        "key": id.to_string(),
        "value": {
            "action": "SetConfig",
            "rule": {"id": HASH, "pattern": "slow", "scope": "default", "origin": {"file": "shaping.toml", "line": 1, "column": 1}},
            "path": PATH, "site": SITE, "source": "ip1", "domain": "example.com", "tenant": null, "campaign": null,
            "option": "max_message_rate", "value": "1/s", "rolled": true, "reason": "automation rule: slow",
            "begin": "1970-01-01T00:18:24Z", "latest": "1970-01-01T00:18:20Z", "until": "1970-01-01T00:20:00Z",
            "record": {"id": "m1", "response": "421 4.7.0 slow down", "time": "1970-01-01T00:18:20Z", "counted": 1},
            "seq": 1,
        },
    });
    assert_eq!(json(&view), expected, "times are told on today's wall clock (C2)");
    assert_eq!(serde_json::from_value::<View>(json(&view)).unwrap(), view);
    assert_eq!(world.state.views(at(1105)), [view]);
    assert_eq!(world.state.views(at(1200)), []);
    for (kind, text) in
        [(EffectKind::Suspension, "suspension"), (EffectKind::Bounce, "bounce"), (EffectKind::Override, "override")]
    {
        assert_eq!((kind.as_str(), json(&kind)), (text, json!(text)));
    }
}

#[test]
fn a11_an_effect_outlives_its_rule_and_says_so() {
    let long = Rule { duration: secs(500), ..rule(2, &[Action::Suspend]) };
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend])).with("*", long, true));
    world.send(&Sent::new("m1", 1000), 1000);
    world.book = Book::one(rule(2, &[]));
    let listed = world.state.list(&world.book, at(1000));
    let found: Vec<_> = listed.iter().map(|one| (one.view.value.rule.id.0[0], one.rule_gone, one.holds)).collect();
    assert_eq!(found, [(1, true, false), (2, false, true)]);
    let value = json(&listed[0]);
    assert_eq!(
        (&value["kind"], &value["rule_gone"], &value["value"]["action"]),
        (&json!("suspension"), &json!(true), &json!("Suspend"))
    );
    assert!(world.state.list(&world.book, at(1500)).is_empty());
}

#[test]
fn what_was_touched_names_what_it_competes_for() {
    let all = [
        Action::Suspend,
        Action::SuspendTenant,
        Action::Bounce,
        set("connection_limit", 1),
        set_domain("connection_limit", 1),
    ];
    let mut world = World::new(Book::one(rule(1, &all)));
    world.send(&Sent::new("m1", 1000), 1000);
    let (source, option): (Arc<str>, Arc<str>) = ("ip1".into(), "connection_limit".into());
    let selector = |tenant: Option<&str>| Selector {
        domain: "example.com".into(),
        tenant: tenant.map(Into::into),
        campaign: None,
    };
    let slots: Vec<Slot> = world.touched.iter().map(|touched| touched.slot.clone()).collect();
    let expected = [
        Slot::Path(PATH.into()),
        Slot::Queues(selector(Some("t1"))),
        Slot::Bounces(selector(None)),
        Slot::Site { site: SITE.into(), source: source.clone(), option: option.clone() },
        Slot::Domain { domain: "example.com".into(), source, option },
    ];
    assert_eq!(slots, expected);
    assert_eq!(world.state.hold(&slots[3], at(1000)), None, "overrides reach existing hosts in a file");
    world.rows.delete(b"none");
    assert!(world.apply_none(&Change::Unclamped { identity: 1 }));
}

impl World {
    fn apply_none(&mut self, change: &Change) -> bool {
        self.apply(std::slice::from_ref(change));
        self.touched.is_empty()
    }
}
