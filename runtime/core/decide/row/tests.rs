use super::*;
use crate::decide::fixture::{Book, Rows, Sent, World, at, rule, set, threshold};
use crate::decide::{Batch, State};
use crate::shaping::{Action, Rule};

fn world() -> World {
    let counted = Rule { trigger: threshold(3, 50), ..rule(2, &[Action::Bounce]) };
    let book = Book::one(rule(1, &[Action::Suspend, set("connection_limit", 1)])).with("*", counted, false);
    let mut world = World::new(book);
    world.send(&Sent::new("m1", 1000), 1000);
    world.send(&Sent::new("m2", 2000), 1000);
    world.apply(&[world.state.clock_jumped(at(1500), 400_000_000)]);
    world
}

#[test]
fn d1_every_kind_of_row_comes_back() {
    let world = world();
    let mut tags: Vec<u8> = world.rows.0.keys().map(|key| key[0]).collect();
    tags.dedup();
    assert_eq!(tags, b"cefsw", "all kinds are there");
    assert_eq!(world.loaded().essence(), world.state.essence());
    let backwards = State::load(world.rows.0.iter().rev()).unwrap();
    assert_eq!(backwards.essence(), world.state.essence(), "the order of rows is of no matter");
    assert_eq!(world.loaded().skew_micros(), 400_000_000);
    assert_eq!(world.loaded().seq(), world.state.seq());
}

#[test]
fn nothing_at_all_is_an_empty_state() {
    let none: [(&[u8], &[u8]); 0] = [];
    assert_eq!(State::load(none).unwrap().essence(), State::default().essence());
    let mut rows = Rows::default();
    State::write_header(&mut rows);
    assert_eq!(rows.0.len(), 1);
    assert_eq!(State::load(&rows.0).unwrap().essence(), State::default().essence());
}

#[test]
fn another_format_is_refused() {
    let mut rows = world().rows;
    rows.put(b"format", b"1");
    let error = State::load(&rows.0).unwrap_err();
    assert_eq!(error.to_string(), "the stored state has format `1`; this program reads format `2`");
    rows.delete(b"format");
    assert_eq!(State::load(&rows.0).unwrap_err().to_string(), "the stored state has no row `format`");
}

#[test]
fn a_garbled_row_is_named() {
    let good = world().rows;
    for (key, value) in good.0.iter().filter(|(key, _)| key[0] != b'f') {
        for broken in [&b""[..], &b"{"[..], &value[1..], &[value, &b"}"[..]].concat()] {
            let mut rows = good.clone();
            rows.put(key, broken);
            let error = State::load(&rows.0).unwrap_err().to_string();
            assert!(error.starts_with(&format!("row `{}` of the stored state: ", key.escape_ascii())), "{error}");
        }
    }
    for (key, why) in [
        (&b"x"[..], "no row has such a key"),
        (&b""[..], "no row has such a key"),
        (&b"w123"[..], "it is cut short"),
        (&b"e123"[..], "it is no effect id"),
        (&b"c123"[..], "it is no identity"),
    ] {
        let mut rows = good.clone();
        rows.put(key, b"");
        let error = State::load(&rows.0).unwrap_err().to_string();
        assert_eq!(error, format!("row `{}` of the stored state: {why}", key.escape_ascii()));
    }
    let mut rows = good.clone();
    let not_text = [window_key(&RuleId([1; 32]), "", Pair::default()), vec![0xff]].concat();
    rows.put(&not_text, &[0; 8]);
    assert!(State::load(&rows.0).unwrap_err().to_string().contains("invalid utf-8"));
    let mut rows = good.clone();
    let (_, value) = good.0.iter().find(|(key, _)| key[0] == b'e').unwrap();
    rows.put(&effect_key(EffectId(7)), value);
    assert!(State::load(&rows.0).unwrap_err().to_string().contains("it holds another effect, `"));
}

#[test]
fn rows_of_different_kinds_never_have_one_key() {
    let pair = Pair { time: Time::from_micros(-5), identity: 9 };
    let key = window_key(&RuleId([3; 32]), "p", pair);
    assert_eq!((key[0], key.len()), (b'w', 50));
    let row = Row::parse(&key, &window_value(Duration::from_secs(7))).unwrap();
    assert_eq!(row, Row::Pair { rule: RuleId([3; 32]), path: "p".into(), retain: Duration::from_secs(7), pair });
    assert_eq!(window_value(Duration::MAX), u64::MAX.to_be_bytes());
    assert_eq!(effect_key(EffectId(1)).len(), 17);
    assert_eq!(clamp_key(1).len(), 9);
}
