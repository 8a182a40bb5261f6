//! `kumo.make_throttle`.

use crate::support::Bench;

#[tokio::test(start_paused = true)]
async fn a_policy_throttles_by_itself() {
    let bench = Bench::of_mail();
    let text = "local throttle = kumo.make_throttle('x', '2/min')
        local first, second, third = throttle:throttle(), throttle:throttle(), kumo.make_throttle('x', '2/min'):throttle()
        local other = kumo.make_throttle('y', '2/min'):throttle()
        return table.concat({ tostring(first.throttled), first.limit, first.remaining, first.reset_after,
          tostring(first.retry_after), second.remaining, tostring(third.throttled), third.retry_after,
          tostring(other.throttled), throttle:explain() }, ' ')";
    assert_eq!(bench.eval(text).await, "false 2 1 30 nil 0 true 30 false `2/m`: 2 in 1m, of which 2 may come at once");
    let bad = bench.fails("kumo.make_throttle('x', 'often')").await;
    assert!(bad.contains("kumo.make_throttle: invalid rate `often`: there is no slash"), "{bad}");
}

#[tokio::test(start_paused = true)]
async fn a_policy_sleeps_until_a_rate_allows_it() {
    let bench = Bench::of_mail();
    let began = tokio::time::Instant::now();
    let text = "local throttle = kumo.make_throttle('x', '1/s')
        return tostring(throttle:sleep_if_throttled()) .. tostring(throttle:sleep_if_throttled())";
    assert_eq!(bench.eval(text).await, "falsetrue");
    assert!((1000..1010).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
}
