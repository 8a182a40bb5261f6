use crate::decide::fixture::*;
use crate::decide::*;
use crate::shaping::{Action, Rule};

#[test]
fn expire_finds_what_is_over_and_only_once() {
    let counted = Rule { trigger: threshold(2, 60), ..rule(2, &[Action::Suspend]) };
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend])).with("*", counted, true));
    world.send(&Sent::new("m1", 960), 960);
    assert_eq!((world.state.effect_count(), world.state.window_count()), (1, 1));
    assert_eq!(world.state.next_end(), Some(at(1060)));
    assert_eq!(world.expire(1059), []);
    let ended = world.expire(1060);
    assert!(matches!(ended[..], [Change::Ended(_)]), "{ended:?}");
    assert_eq!(world.touched.len(), 1);
    assert_eq!((world.touched[0].kind, &world.touched[0].slot), (EffectKind::Suspension, &Slot::Path(PATH.into())));
    assert_eq!((world.expire(1060), world.state.next_end(), world.state.effect_count()), (vec![], None, 0));
    assert!(matches!(world.expire(1140)[..], [Change::Window(_)]));
    assert_eq!(world.rows.0.len(), 1);
}

#[test]
fn d1_a_decision_writes_a_row_for_each_thing_however_much_is_counted() {
    let counted = Rule { trigger: threshold(1000, 1_000_000), ..rule(1, &[Action::Suspend]) };
    let mut world = World::new(Book::one(counted));
    for n in 0..1010 {
        let decision = decide(&world.state, &world.book, &Sent::new("m", 1000 + n).record(), at(1000 + n));
        let mut rows = Rows::default();
        for change in &decision.changes {
            change.write(&mut rows);
            change.write(&mut world.rows);
            world.state.apply(change);
        }
        assert_eq!(rows.0.len(), 1 + usize::from(n >= 999));
    }
    assert_eq!(world.rows.0.len(), 1 + 1000 + 1);
    assert_eq!(world.loaded().essence(), world.state.essence());
}

#[test]
fn ending_what_is_not_there_touches_nothing() {
    let mut state = State::default();
    assert_eq!(state.apply(&Change::Ended(EffectId(1))), None);
    assert_eq!(state.apply(&Change::Unclamped { identity: 1 }), None);
    assert_eq!(state.essence(), State::default().essence());
}

#[test]
fn a_rule_that_moved_in_its_file_tells_its_new_line() {
    let mut moved = rule(1, &[Action::Suspend, Action::Bounce]);
    let mut world = World::new(Book::one(moved.clone()));
    world.send(&Sent::new("m1", 1000), 1000);
    moved.origin.line = 77;
    world.book = Book::one(moved);
    let decision = world.send(&Sent::new("m2", 1001), 1001);
    assert_eq!(decision.effects[0].effect.rule.origin.line, 77);
    let again = world.send(&Sent::new("m3", 1002), 1002);
    assert!(
        std::sync::Arc::ptr_eq(&again.effects[0].effect.rule, &decision.effects[1].effect.rule),
        "facts are shared"
    );
    let loaded = world.loaded();
    let rules: Vec<_> = loaded.effects.values().map(|effect| &effect.rule).collect();
    assert!(std::sync::Arc::ptr_eq(rules[0], rules[1]), "also when they come from the store");
}

#[test]
fn effects_are_found_by_id() {
    let mut world = World::new(Book::one(rule(1, &[Action::Suspend])));
    let id = world.send(&Sent::new("m1", 1000), 1000).effects[0].id;
    assert_eq!(world.state.effect(id).map(|effect| effect.id()), Some(id));
    assert!(world.state.effect(EffectId(3)).is_none());
    assert_eq!(world.state.view(id, at(1099)).map(|view| view.key), Some(id.to_string()));
    assert_eq!(world.state.view(id, at(1100)), None);
    assert_eq!((world.state.end(id, at(1099)), world.state.end(id, at(1100))), (Some(at(1100)), None));
}

#[test]
fn a_state_without_counts_shows_and_ends_what_is_in_force() {
    let counted = Rule { trigger: threshold(3, 50), ..rule(2, &[Action::Bounce]) };
    let book = Book::one(rule(1, &[Action::Suspend, set("connection_limit", 1)])).with("*", counted, false);
    let mut world = World::new(book);
    world.send(&Sent::new("m1", 1000), 1000);
    world.apply(&[world.state.clock_jumped(at(1400), 400_000_000)]);
    let shown = world.state.without_counts();
    assert_eq!((world.state.window_count(), shown.window_count()), (1, 0));
    assert_eq!(shown.views(at(1401)), world.state.views(at(1401)), "on the same axis");
    assert_eq!(shown.ready_suspensions(at(1401)), world.state.ready_suspensions(at(1401)));
    assert_eq!(shown.ready_suspensions(at(1401)).len(), 1, "what holds a slot is known");
    assert_eq!((shown.seq(), shown.next_end()), (world.state.seq(), world.state.next_end()));
    assert!(shown.next_end().is_some());
    let facts = |state: &State| state.rules.keys().copied().collect::<Vec<_>>();
    assert_eq!(facts(&shown), facts(&world.state));
    assert_eq!(facts(&shown).len(), 1);
}
