use serde_json::json;

use super::*;
use crate::decide::fixture::{at, rule, set};
use crate::decide::{Cause, RuleFacts};
use crate::shaping::Action;

fn compare(option: &str, a: &Value, b: &Value) -> Ordering {
    Strictness::of(option, a).compare(&Strictness::of(option, b))
}

#[test]
fn a8_rates_and_limits_are_weighed_and_nothing_else() {
    for option in ["max_message_rate", "max_connection_rate", "source_selection_rate"] {
        assert_eq!(compare(option, &json!("1/s"), &json!("100/min")), Ordering::Less);
        assert_eq!(compare(option, &json!("60/min,max_burst=1"), &json!("1/s")), Ordering::Equal);
        assert_eq!(compare(option, &json!("60/min"), &json!("1/s")), Ordering::Greater);
    }
    for option in ["connection_limit", "max_deliveries_per_connection"] {
        assert_eq!(compare(option, &json!(9), &json!(10)), Ordering::Less);
        assert_eq!(compare(option, &json!("local:9"), &json!(9)), Ordering::Equal);
        assert_eq!(compare(option, &json!("local:11"), &json!(9)), Ordering::Greater);
    }
    for option in ["enable_tls", "max_ready", "idle_timeout"] {
        assert_eq!(compare(option, &json!(1), &json!(2)), Ordering::Equal);
        assert_eq!(compare(option, &json!("1/s"), &json!("2/s")), Ordering::Equal);
    }
    assert_eq!(
        compare("max_message_rate", &json!("1/s"), &json!("soon")),
        Ordering::Less,
        "what cannot be weighed is last"
    );
    assert_eq!(compare("max_message_rate", &json!("soon"), &json!("1/s")), Ordering::Greater);
}

#[test]
fn a9_what_loosens() {
    let rate = "max_message_rate";
    assert!(loosens(rate, Some(&json!("100/min")), &json!("100/s")));
    assert!(!loosens(rate, Some(&json!("100/s")), &json!("100/min")));
    assert!(!loosens(rate, Some(&json!("60/min")), &json!("60/min")));
    assert!(!loosens(rate, None, &json!("100/s")), "no limit before");
    assert!(!loosens(rate, Some(&Value::Null), &json!("100/s")));
    assert!(loosens("connection_limit", Some(&json!(32)), &json!(33)));
    assert!(!loosens("enable_tls", Some(&json!("Required")), &json!("Disabled")));
}

fn effect(action: Action, latest: i64, until: i64) -> Effect {
    Effect {
        rule: std::sync::Arc::new(RuleFacts::of(&rule(1, &[]))),
        action,
        path: "".into(),
        source: "".into(),
        site: "".into(),
        domain: "".into(),
        tenant: None,
        campaign: None,
        rolled: false,
        begin: at(0),
        latest: at(latest),
        until: at(until),
        cancelled: false,
        cause: Cause { id: "".into(), response: "".into(), time: at(0), counted: 1, identity: 0 },
        seq: 0,
    }
}

#[test]
fn a8_the_strictest_then_the_latest() {
    let place = |id, value: &str, latest, until| {
        Place::of_override(EffectId(id), &effect(set("max_message_rate", value), latest, until))
    };
    let base = place(5, "5/s", 50, 500);
    assert!(place(1, "4/s", 1, 1) < base, "stricter");
    assert!(place(9, "6/s", 99, 999) > base, "looser");
    assert!(place(1, "5/s", 51, 1) < base, "triggered later");
    assert!(place(9, "5/s", 49, 999) > base, "triggered earlier");
    assert!(place(1, "5/s", 50, 501) < base, "ends later");
    assert!(place(9, "5/s", 50, 499) > base, "ends earlier");
    assert!(place(6, "5/s", 50, 500) < base && place(4, "5/s", 50, 500) > base, "the id settles it");
    assert!(place(5, "5/s", 50, 500) == base && base != place(6, "5/s", 50, 500));
    assert_eq!(base.partial_cmp(&place(6, "5/s", 50, 500)), Some(Ordering::Greater));
}

#[test]
fn p1_the_hold_that_ends_last() {
    let place = |id, latest, until| Place::of_hold(EffectId(id), &effect(Action::Suspend, latest, until));
    assert!(place(1, 1, 501) < place(5, 50, 500));
    assert!(place(1, 51, 500) < place(5, 50, 500));
    assert!(place(6, 50, 500) < place(5, 50, 500));
}

#[test]
fn a8_a_group_has_its_winner_first() {
    let place = |id, until| Place::of_hold(EffectId(id), &effect(Action::Suspend, 0, until));
    let ids = |group: &Group| group.ids().map(|id| id.0).collect::<Vec<_>>();
    let mut group = Group::One(place(1, 10));
    assert_eq!(ids(&group), [1]);
    assert!(group.remove(&place(2, 10)), "another is not its own");
    group.insert(place(2, 30));
    group.insert(place(3, 20));
    assert_eq!(ids(&group), [2, 3, 1]);
    assert!(group.remove(&place(2, 30)));
    assert!(group.remove(&place(2, 30)));
    assert_eq!(ids(&group), [3, 1]);
    assert!(group.remove(&place(3, 20)));
    assert!(!group.remove(&place(1, 10)));
    assert!(!Group::One(place(1, 10)).remove(&place(1, 10)));
}
