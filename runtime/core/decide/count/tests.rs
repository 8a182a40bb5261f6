use super::*;
use crate::decide::window::Pair;

fn change(rule: u8, path: &str, add: Option<i64>, remove: &[i64]) -> WindowChange {
    let pair = |secs: i64| Pair { time: Time::from_secs(secs), identity: secs.unsigned_abs() };
    WindowChange {
        rule: RuleId([rule; 32]),
        path: path.into(),
        retain: Duration::from_mins(2),
        add: add.map(pair),
        remove: remove.iter().copied().map(pair).collect(),
    }
}

fn overdue(counts: &Counts, secs: i64) -> Vec<(u8, String, usize)> {
    let overdue = counts.overdue(Time::from_secs(secs));
    overdue.map(|change| (change.rule.0[0], change.path.to_string(), change.remove.len())).collect()
}

#[test]
fn t3_windows_are_dropped_when_they_can_act_no_more_and_not_before() {
    let mut counts = Counts::default();
    counts.apply(&change(1, "p", Some(600), &[]));
    counts.apply(&change(1, "p", Some(540), &[]));
    counts.apply(&change(1, "q", Some(660), &[]));
    counts.apply(&change(2, "p", Some(600), &[]));
    assert_eq!(counts.len(), 3);
    assert_eq!(overdue(&counts, 720), [], "its own end, and up to a minute of grace");
    assert_eq!(overdue(&counts, 779), []);
    assert_eq!(overdue(&counts, 780), [(1, "p".into(), 2), (2, "p".into(), 1)]);
    assert_eq!(overdue(&counts, 840).len(), 3);
    for change in counts.overdue(Time::from_secs(780)).collect::<Vec<_>>() {
        counts.apply(&change);
    }
    assert_eq!((counts.len(), overdue(&counts, 780)), (1, vec![]));
    assert!(counts.path("p").is_none() && counts.path("q").is_some(), "names go with their windows");
    assert_eq!(overdue(&counts, 900), [(1, "q".into(), 1)]);
}

#[test]
fn t3_a_newer_pair_puts_the_drop_off_and_its_removal_puts_it_back() {
    let mut counts = Counts::default();
    counts.apply(&change(1, "p", Some(600), &[]));
    counts.apply(&change(1, "p", Some(700), &[]));
    assert_eq!(overdue(&counts, 780), []);
    counts.apply(&change(1, "p", None, &[700]));
    assert_eq!(overdue(&counts, 780), [(1, "p".into(), 1)]);
    counts.apply(&change(1, "p", None, &[600]));
    assert_eq!((counts.len(), overdue(&counts, 9_999)), (0, vec![]));
    counts.apply(&change(1, "p", None, &[600]));
    assert_eq!(counts.len(), 0, "there is nothing to remove");
    assert_eq!(counts.essence(), Vec::<String>::new());
}

#[test]
fn t3_each_rule_has_its_own_time() {
    let mut counts = Counts::default();
    counts.apply(&change(1, "p", Some(600), &[]));
    counts.apply(&WindowChange { retain: Duration::from_secs(1), ..change(2, "p", Some(600), &[]) });
    assert_eq!(overdue(&counts, 660), [(2, "p".into(), 1)]);
    assert_eq!(counts.window(&RuleId([2; 32]), "p").map(Window::len), Some(1));
    assert!(counts.window(&RuleId([2; 32]), "q").is_none());
    assert!(counts.window(&RuleId([3; 32]), "p").is_none());
}
