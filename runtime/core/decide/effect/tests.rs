use std::collections::BTreeSet;

use super::*;
use crate::decide::fixture::{rule, set, set_domain};

#[test]
fn an_id_is_written_as_it_is_read() {
    let id = EffectId(0xabc);
    assert_eq!((id.to_string(), format!("{id:?}")), ("00000000000000000000000000000abc".into(), id.to_string()));
    assert_eq!(id.to_string().parse(), Ok(id));
    for text in [
        "",
        "abc",
        "+0000000000000000000000000000abc",
        "0000000000000000000000000000000abc",
        "zz000000000000000000000000000abc",
    ] {
        let error = text.parse::<EffectId>().unwrap_err();
        assert_eq!(error.to_string(), format!("invalid effect id `{text}`: expected 32 hexadecimal digits"));
    }
}

fn id(name: u8, action: &Action, parts: [&str; 4]) -> EffectId {
    let [path, domain, tenant, campaign] = parts;
    let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
    EffectId::of(&RuleId([name; 32]), action, path, domain, given(tenant), given(campaign))
}

#[test]
fn a1_to_a5_the_key_of_each_action() {
    let base = ["p", "d", "t", "c"];
    let differs = |action: &Action| -> Vec<usize> {
        let changes = [["x", "d", "t", "c"], ["p", "x", "t", "c"], ["p", "d", "x", "c"], ["p", "d", "t", "x"]];
        (0..4).filter(|n| id(1, action, changes[*n]) != id(1, action, base)).collect()
    };
    assert_eq!(differs(&Action::Suspend), [0]);
    for action in
        [Action::SuspendTenant, Action::SuspendCampaign, Action::Bounce, Action::BounceTenant, Action::BounceCampaign]
    {
        assert_eq!(differs(&action), [1, 2, 3], "{action:?}");
    }
    assert_eq!(differs(&set("enable_tls", "Required")), [0, 1]);
    assert_eq!(differs(&set_domain("enable_tls", "Required")), [0, 1]);
}

#[test]
fn the_rule_and_the_action_are_part_of_the_key() {
    let actions = [
        Action::Suspend,
        Action::SuspendTenant,
        Action::SuspendCampaign,
        Action::Bounce,
        Action::BounceTenant,
        Action::BounceCampaign,
        set("connection_limit", 1),
        set("connection_limit", 2),
        set("connection_limit", "1"),
        set("max_ready", 1),
        set_domain("connection_limit", 1),
    ];
    let mut ids = BTreeSet::new();
    for action in &actions {
        ids.insert(id(1, action, ["p", "d", "t", "c"]));
        ids.insert(id(2, action, ["p", "d", "t", "c"]));
    }
    assert_eq!(ids.len(), actions.len() * 2);
    assert_ne!(id(1, &Action::Bounce, ["", "ab", "c", ""]), id(1, &Action::Bounce, ["", "a", "bc", ""]));
}

#[test]
fn stored_ids_stay_what_they_are() {
    let parts = ["ip1->mx@smtp_client", "example.com", "t", "c"];
    let ids = [
        id(1, &Action::Suspend, parts),
        id(1, &Action::SuspendTenant, parts),
        id(1, &set("connection_limit", 1), parts),
    ];
    let ids = ids.map(|id| id.to_string());
    assert_eq!(ids, IDS);
}

const IDS: [&str; 3] =
    ["edf3026d8cfa588ca021b3e46825f91b", "bcdc949575c6333709e8bda0ed740637", "3ecd6fc0215e0419d5f0f6e8c7b6be01"];

#[test]
fn the_facts_of_a_rule() {
    let one = rule(7, &[]);
    let facts = RuleFacts::of(&one);
    assert_eq!((&*facts.pattern, facts.origin.line, facts.id), ("slow", 7, one.id));
    assert!(facts.fit(&one));
    assert!(!facts.fit(&rule(8, &[])));
    let mut moved = one.clone();
    moved.origin.line = 9;
    assert!(!facts.fit(&moved), "the id is the same, the line is not");
    let mut other = one;
    other.id = RuleId([8; 32]);
    assert!(!facts.fit(&other));
}
