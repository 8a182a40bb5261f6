//! `kumo.time`.

use super::Tables;

#[test]
fn times_are_read_and_shown() {
    Tables::new()
        .gives("return tostring(kumo.time.now())", "2026-01-31T12:00:00Z")
        .gives("local t = kumo.time.parse_rfc3339('2026-02-03T05:06:07.25+01:00') return t.year, t.month, t.day, t.hour, t.minute, t.second, t.unix_timestamp, t.unix_timestamp_millis", "2026, 2, 3, 4, 6, 7, 1770091567, 1770091567250")
        .gives("local t = kumo.time.parse_rfc2822('Sat, 31 Jan 2026 13:00:00 +0100') return t.rfc3339, t.rfc2822, t == kumo.time.now()", "2026-01-31T12:00:00Z, Sat, 31 Jan 2026 12:00:00 +0000, true")
        .gives("return kumo.time.now():format('%Y/%m/%d %H-%M-%S'), kumo.time.from_unix_timestamp(0).rfc3339, kumo.time.from_unix_timestamp(1, 500000000).rfc3339", "2026/01/31 12-00-00, 1970-01-01T00:00:00Z, 1970-01-01T00:00:01.5Z")
        .raises("kumo.time.parse_rfc3339('soon')", "kumo.time.parse_rfc3339: invalid time `soon`: expected RFC 3339")
        .raises("kumo.time.parse_rfc2822('soon')", "kumo.time.parse_rfc2822: invalid time `soon`")
        .raises("kumo.time.now():format('%Q')", "invalid time format `%Q`")
        .raises("return kumo.time.from_unix_timestamp(1e30).year", "beyond the years");
}

#[test]
fn spans_are_read_and_added() {
    Tables::new()
        .gives("local d = kumo.time.parse_duration('1h 30m') return tostring(d), d.seconds, d.milliseconds, d.human", "1h 30m, 5400.0, 5400000, 1h 30m")
        .gives("local d = kumo.time.parse_duration return d(90) == d('90s'), d(1) < d(1.5), d'1s' + d'2s', d'1s' - d'3s', -d'1s'", "true, true, 3s, -2s, -1s")
        .gives("local t, d = kumo.time.now(), kumo.time.parse_duration('1 day') return tostring(t + d), tostring(d + t), tostring(t - d), tostring(t + 60), (t + d) - t, t < t + d, t <= t", "2026-02-01T12:00:00Z, 2026-02-01T12:00:00Z, 2026-01-30T12:00:00Z, 2026-01-31T12:01:00Z, 1day, true, true")
        .raises("kumo.time.parse_duration('5 minuts')", "bad argument #1 to `kumo.time.parse_duration`: invalid duration `5 minuts`: unknown unit")
        .raises("kumo.time.parse_duration({})", "expected a duration, got table")
        .raises("return kumo.time.now() + {}", "expected a duration, got table");
}

#[tokio::test(start_paused = true)]
async fn sleeping_takes_the_hosts_time() {
    let code = "local t, timer = kumo.time.now(), kumo.time.start_timer('x')
                kumo.time.sleep(0.5) kumo.time.sleep('1 hour')
                return t.elapsed, kumo.time.now() - t, timer:done() // 1";
    // tokio's timers fire within the millisecond after they are due.
    let shown = Tables::new().run(code).await.unwrap();
    assert_eq!(shown.replace(" 501ms", " 500ms"), "1h 500ms, 1h 500ms, 3600.0");
}
