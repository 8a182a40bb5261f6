//! When records were logged, as far as their times can be believed.

use std::time::Duration;

use kumo_tsa_core::wire::Time;

use super::feed::TOLERANCE;

/// A leap this long may be a wrong clock; a shorter one does little harm, and is rather a pause with something late behind it.
const LEAP: Duration = Duration::from_hours(24);

/// How many of the records behind one are asked whether its time is right.
const WITNESSES: usize = 20;

/// What the times of some records come to.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Settled {
    /// The oldest, but for those that come too late to be in order.
    pub(super) first: Option<Time>,
    pub(super) last: Option<Time>,
    /// How many are older than one before them, but not too old to be put in order.
    pub(super) out_of_order: u64,
    /// How many are older than that.
    pub(super) late: u64,
    /// How many were dated ahead of the time at which they were logged.
    pub(super) ahead: u64,
}

/// Sets the times of records that are dated ahead to when they were logged: a daemon that got them then would have set
/// them to its own time (semantics R3). Else one wrong clock would end all that is in force, for good.
/// Those that come too late to be put in order get the time at which they come: they count at their own, but not before.
///
/// The records before these got to `since`; `now` is the time of this machine.
pub(super) fn settle(times: &mut [Time], since: Option<Time>, now: Time) -> Settled {
    let mut settled = Settled::default();
    let (mut clock, mut rest) = (since, times);
    while let Some((time, after)) = rest.split_first_mut() {
        if clock.is_none_or(|clock| *time > clock.after(LEAP)) && is_ahead(*time, clock, after, now) {
            settled.ahead += 1;
            *time = clock.or_else(|| after.iter().min().copied()).unwrap_or(*time);
        }
        match clock {
            // Too late to be put in order: a daemon gets it when it comes.
            Some(clock) if *time < clock.before(TOLERANCE) => {
                settled.late += 1;
                *time = clock;
            }
            clock => {
                settled.out_of_order += u64::from(clock.is_some_and(|clock| *time < clock));
                settled.first = Some(settled.first.map_or(*time, |first| first.min(*time)));
            }
        }
        clock = clock.max(Some(*time));
        settled.last = settled.last.max(Some(*time));
        rest = after;
    }
    settled
}

/// Whether a record that leaps ahead of the others is wrong about the time: those behind it go on where it leapt from.
fn is_ahead(time: Time, clock: Option<Time>, after: &[Time], now: Time) -> bool {
    // What has not come yet has not been logged either, unless the whole log is of another time.
    if time > now.after(TOLERANCE) && clock.is_some_and(|clock| clock <= now) {
        return true;
    }
    let landed = time.before(LEAP);
    let leapt = clock.map_or(Time::MIN, |clock| clock.before(TOLERANCE));
    let (mut there, mut here) = (0_usize, 0_usize);
    for witness in after.iter().take(WITNESSES) {
        there += usize::from(*witness >= landed);
        here += usize::from((leapt..landed).contains(witness));
    }
    here > there
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;
    const NOW: i64 = 1_000 * DAY;

    fn settled(secs: &[i64], since: Option<i64>) -> (Vec<i64>, Settled) {
        let mut times: Vec<Time> = secs.iter().copied().map(Time::from_secs).collect();
        let settled = settle(&mut times, since.map(Time::from_secs), Time::from_secs(NOW));
        (times.iter().map(|time| time.micros() / 1_000_000).collect(), settled)
    }

    #[test]
    fn r3_one_that_is_ahead_of_those_around_it_counts_when_it_was_logged() {
        for (times, since, expected) in [
            (&[10, 20, 9 * DAY, 30, 40][..], None, &[10, 20, 20, 30, 40][..]),
            (&[9 * DAY, 30, 40], None, &[30, 30, 40]),
            (&[9 * DAY, 30, 40], Some(20), &[20, 30, 40]),
            (&[10, 9 * DAY, 12 * DAY, 30, 40, 50], None, &[10, 10, 10, 30, 40, 50]),
            // Nothing behind it tells, but its time has not come yet.
            (&[10, NOW + DAY], None, &[10, 10]),
        ] {
            let (settled, said) = settled(times, since);
            assert_eq!(settled, expected);
            let ahead = times.iter().zip(expected).filter(|(time, expected)| time != expected).count();
            assert_eq!(said.ahead, ahead as u64, "{times:?}");
            assert_eq!(said.last, expected.iter().copied().map(Time::from_secs).max());
        }
    }

    #[test]
    fn r3_times_that_can_be_right_are_believed() {
        for times in [
            // A week without mail, with one record that came a little late.
            &[10, 20, 7 * DAY, 7 * DAY - 300, 7 * DAY + 5][..],
            // Nothing tells.
            &[10, 20, 9 * DAY],
            // A log of another time.
            &[NOW + HOUR, NOW + 2 * HOUR, NOW + 3 * HOUR],
        ] {
            let (settled, said) = settled(times, None);
            assert_eq!((settled.as_slice(), said.ahead), (times, 0));
            assert_eq!((said.first, said.late), (times.first().copied().map(Time::from_secs), 0));
        }
    }

    #[test]
    fn r3_what_comes_too_late_comes_when_it_comes() {
        for (times, expected) in [
            (&[0, 10, 2000, 20, 1500, 2001][..], &[0, 10, 2000, 2000, 1500, 2001][..]),
            // After a week, and a night, without mail.
            (&[10, 20, 7 * DAY, 25, 7 * DAY + 9], &[10, 20, 7 * DAY, 7 * DAY, 7 * DAY + 9]),
            (&[10, 20, 9 * HOUR, 12, 14, 16], &[10, 20, 9 * HOUR, 9 * HOUR, 9 * HOUR, 9 * HOUR]),
            // Another host's log behind this one.
            (&[10, 2 * DAY, 4 * DAY, -9 * DAY, -8 * DAY], &[10, 2 * DAY, 4 * DAY, 4 * DAY, 4 * DAY]),
        ] {
            let (settled, said) = settled(times, None);
            let late = times.iter().zip(expected).filter(|(time, expected)| time != expected).count();
            assert_eq!((settled.as_slice(), said.late, said.ahead), (expected, late as u64, 0));
            assert_eq!(said.first, times.first().copied().map(Time::from_secs), "late ones do not count");
        }
    }
}
