use super::*;

const ASK: Ask = Ask { count: 2, hold: 2, period: Duration::from_secs(10) };

fn pair(secs: i64, identity: u64) -> Pair {
    Pair { time: Time::from_secs(secs), identity }
}

fn window(pairs: &[(i64, u64)]) -> Window {
    let mut window = Window::default();
    for (secs, identity) in pairs {
        window.insert(pair(*secs, *identity));
    }
    window
}

fn held(window: &Window) -> Vec<(i64, u64)> {
    window.pairs().map(|pair| (pair.time.micros() / 1_000_000, pair.identity)).collect()
}

fn counts(gone: &[(i64, u64)], newest: i64, acts: bool) -> Offer {
    let gone = gone.iter().map(|(secs, identity)| pair(*secs, *identity)).collect();
    Offer::Counts { gone, newest: Time::from_secs(newest), acts }
}

#[test]
fn t2_the_first_counts_and_the_second_acts() {
    assert_eq!(window(&[]).offer(pair(100, 1), ASK), counts(&[], 100, false));
    assert_eq!(window(&[(100, 1)]).offer(pair(109, 2), ASK), counts(&[], 109, true));
    assert_eq!(window(&[]).offer(pair(100, 1), Ask { count: 1, ..ASK }), counts(&[], 100, true));
}

#[test]
fn t2_what_is_a_period_older_than_the_newest_counts_for_nothing() {
    assert_eq!(window(&[(100, 1)]).offer(pair(90, 2), ASK), Offer::Nothing);
    assert_eq!(window(&[(100, 1)]).offer(pair(91, 2), ASK), counts(&[], 100, true));
    assert_eq!(window(&[(100, 1)]).offer(pair(110, 2), ASK), counts(&[(100, 1)], 110, false));
    assert_eq!(window(&[(100, 1)]).offer(pair(109, 2), ASK), counts(&[], 109, true));
}

#[test]
fn r1_the_same_pair_does_nothing() {
    assert_eq!(window(&[(100, 1), (105, 2)]).offer(pair(100, 1), ASK), Offer::Nothing);
    assert_eq!(window(&[(100, 1), (105, 2)]).offer(pair(105, 2), ASK), Offer::Nothing);
    assert_eq!(window(&[(100, 1), (105, 2)]).offer(pair(105, 1), ASK), counts(&[(100, 1)], 105, true));
    assert_eq!(window(&[(100, 1)]).offer(pair(100, 2), ASK), counts(&[], 100, true));
}

#[test]
fn t2_the_greatest_are_held() {
    assert_eq!(window(&[(100, 1), (105, 2)]).offer(pair(106, 3), ASK), counts(&[(100, 1)], 106, true));
    assert_eq!(window(&[(100, 1), (105, 2)]).offer(pair(103, 3), ASK), counts(&[(100, 1)], 105, true));
    assert_eq!(window(&[(100, 1), (105, 2)]).offer(pair(99, 3), ASK), Offer::Nothing, "it may have been there before");
    assert_eq!(window(&[(100, 5), (105, 2)]).offer(pair(100, 4), ASK), Offer::Nothing, "identity settles ties");
    assert_eq!(window(&[(100, 5), (105, 2)]).offer(pair(100, 6), ASK), counts(&[(100, 5)], 105, true));
    let more = Ask { hold: 3, ..ASK };
    assert_eq!(window(&[(100, 1), (105, 2)]).offer(pair(99, 3), more), counts(&[], 105, true));
    assert_eq!(window(&[(99, 1), (100, 1), (105, 2)]).offer(pair(98, 3), more), Offer::Nothing);
    assert_eq!(window(&[(96, 1), (100, 1), (105, 2)]).offer(pair(107, 3), more), counts(&[(96, 1)], 107, true));
    assert_eq!(window(&[(96, 1), (97, 1), (105, 2)]).offer(pair(107, 3), more), counts(&[(96, 1), (97, 1)], 107, true));
    assert_eq!(
        window(&[(96, 1), (97, 1), (105, 2)]).offer(pair(120, 3), more),
        counts(&[(96, 1), (97, 1), (105, 2)], 120, false)
    );
}

#[test]
fn t3_pairs_are_kept_in_order_inline_and_not() {
    let mut window = window(&[(5, 1), (3, 1)]);
    assert!(matches!(window, Window::Few(2, _)), "{window:?}");
    assert_eq!(held(&window), [(3, 1), (5, 1)]);
    window.insert(pair(4, 1));
    assert!(matches!(window, Window::Many(_)));
    window.insert(pair(4, 1));
    window.insert(pair(6, 1));
    assert_eq!((held(&window), window.len()), (vec![(3, 1), (4, 1), (5, 1), (6, 1)], 4));
    assert_eq!(window.newest(), Some(Time::from_secs(6)));
    window.remove(pair(4, 2));
    window.remove(pair(4, 1));
    assert_eq!(held(&window), [(3, 1), (5, 1), (6, 1)]);
    assert!(window.contains(pair(3, 1)) && !window.contains(pair(4, 1)) && !window.contains(pair(9, 9)));
}

#[test]
fn t3_removing_from_the_two_that_lie_inline() {
    for (gone, left) in [((3, 1), vec![(5, 1)]), ((5, 1), vec![(3, 1)]), ((4, 1), vec![(3, 1), (5, 1)])] {
        let mut window = window(&[(5, 1), (3, 1)]);
        window.remove(pair(gone.0, gone.1));
        assert_eq!((held(&window), window.len()), (left.clone(), left.len()));
    }
    let mut window = window(&[(5, 1)]);
    window.insert(pair(7, 1));
    assert_eq!(held(&window), [(5, 1), (7, 1)]);
    window.remove(pair(5, 1));
    window.remove(pair(7, 1));
    assert_eq!((held(&window), window.newest(), window.len()), (vec![], None, 0));
}

#[test]
fn t3_a_window_of_two_is_small() {
    assert!(size_of::<Window>() <= 40, "{}", size_of::<Window>());
}
