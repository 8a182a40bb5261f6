use serde_json::{Value, json};

use crate::decide::fixture::*;
use crate::shaping::{Action, Rule};

/// A rule for one word, with its action, acting so many seconds.
fn on(name: u8, word: &str, action: Action, duration: u64) -> Rule {
    Rule { regex: vec![word.into()], duration: secs(duration), ..rule(name, &[action]) }
}

fn say(word: &str, secs: i64, domain: &str) -> Sent {
    let sent = Sent::new(word, secs).with("response", json!({"code": 421, "content": word}));
    sent.with("recipient", format!("u@{domain}"))
}

fn holds(world: &World, domain: &str, option: &str, now: i64) -> Option<Value> {
    let effect = world.state.effective(domain, SITE, "ip1", option, at(now))?;
    Some(effect.setting().unwrap().value.clone())
}

#[test]
fn a8_the_lower_wins_and_when_it_ends_the_next_holds() {
    let book = Book::one(on(1, "one", set("max_message_rate", "10/s"), 300))
        .with("*", on(2, "two", set("max_message_rate", "100/min"), 50), true)
        .with("*", on(3, "three", set("max_message_rate", "5/s"), 100), true);
    let mut world = World::new(book);
    let rate = |world: &World, now| holds(world, "any.example", "max_message_rate", now);
    assert_eq!(rate(&world, 1000), None);
    for word in ["one", "two", "three"] {
        world.send(&say(word, 1000, "a.example"), 1000);
    }
    assert_eq!(rate(&world, 1049), Some(json!("100/min")));
    assert_eq!(rate(&world, 1050), Some(json!("5/s")), "also before its removal");
    assert_eq!(rate(&world, 1100), Some(json!("10/s")));
    world.expire(1100);
    assert_eq!(rate(&world, 1100), Some(json!("10/s")));
    assert_eq!(rate(&world, 1300), None);
}

#[test]
fn a8_of_other_options_the_latest_wins() {
    let book = Book::one(on(1, "one", set("enable_tls", "Required"), 300)).with(
        "*",
        on(2, "two", set("enable_tls", "Disabled"), 100),
        true,
    );
    let mut world = World::new(book);
    let tls = |world: &World, now| holds(world, "any.example", "enable_tls", now);
    world.send(&say("two", 1001, "a.example"), 1001);
    world.send(&say("one", 1000, "a.example"), 1001);
    assert_eq!(tls(&world, 1001), Some(json!("Disabled")), "it was triggered later, though it came earlier");
    assert_eq!(tls(&world, 1101), Some(json!("Required")));
}

#[test]
fn a8_of_the_site_and_the_domain_the_stricter() {
    let book = Book::one(on(1, "one", set("connection_limit", 5), 300))
        .with("a.example", on(2, "two", set_domain("connection_limit", 9), 300), true)
        .with("b.example", on(3, "three", set_domain("connection_limit", 2), 300), true);
    let mut world = World::new(book);
    world.send(&say("one", 1000, "a.example"), 1000);
    world.send(&say("two", 1001, "a.example"), 1001);
    world.send(&say("three", 1002, "b.example"), 1002);
    let limit = |domain| holds(&world, domain, "connection_limit", 1010);
    assert_eq!(
        (limit("a.example"), limit("b.example"), limit("c.example")),
        (Some(json!(5)), Some(json!(2)), Some(json!(5)))
    );
    let elsewhere =
        |source, site| world.state.effective("b.example", site, source, "connection_limit", at(1010)).is_some();
    assert!(elsewhere("ip1", "mx.other"), "a domain's own override holds at any site");
    assert!(!elsewhere("ip2", SITE), "but for its source alone");
    assert!(world.state.effective("a.example", SITE, "ip2", "connection_limit", at(1010)).is_none());
    assert!(world.state.effective("c.example", "mx.other", "ip1", "connection_limit", at(1010)).is_none());
}

#[test]
fn a8_a_cancelled_winner_makes_way() {
    let book = Book::one(on(1, "one", set("connection_limit", 5), 300)).with(
        "*",
        on(2, "two", set("connection_limit", 9), 300),
        true,
    );
    let mut world = World::new(book);
    let winner = world.send(&say("one", 1000, "a.example"), 1000).effects[0].id;
    world.send(&say("two", 1000, "a.example"), 1000);
    world.cancel(winner, 1010);
    assert_eq!(holds(&world, "a.example", "connection_limit", 1010), Some(json!(9)));
    world.expire(1300);
    assert_eq!(holds(&world, "a.example", "connection_limit", 1300), None);
}
