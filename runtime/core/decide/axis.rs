//! The time that state lives on, apart from the wall clock (semantics C2).

use crate::wire::Time;

/// How many jumps are remembered; those before are read as the oldest remembered one says.
const REMEMBERED: usize = 16;

/// A jump of the wall clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
struct Jump {
    /// What the wall clock would have shown without the jump.
    from: i64,
    /// What it showed after it.
    to: i64,
    /// Wall time minus state time, before it, in microseconds.
    skew: i64,
}

/// The relation of state time to wall time.
///
/// State time runs evenly: a wall clock that jumps changes the offset alone, so no effect ends or revives by it. A wall time
/// from before a jump keeps the state time that it had, so a record that is sent again is known again.
#[derive(Clone, PartialEq, Eq, Default, Debug, serde::Serialize, serde::Deserialize)]
pub struct Axis {
    skew_micros: i64,
    jumps: Vec<Jump>,
}

impl Axis {
    /// Wall time minus state time, in microseconds.
    pub fn skew_micros(&self) -> i64 {
        self.skew_micros
    }

    /// The present moment, which is after all jumps.
    pub(super) fn now(&self, wall: Time) -> Time {
        wall.shifted(self.skew_micros.saturating_neg())
    }

    /// A moment of state time on today's wall clock.
    pub(super) fn wall(&self, state: Time) -> Time {
        state.shifted(self.skew_micros)
    }

    /// The moment that a wall time told, which may lie before jumps.
    pub(super) fn moment(&self, wall: Time) -> Time {
        let mut skew = self.skew_micros;
        for jump in self.jumps.iter().rev() {
            if wall.micros() >= jump.to {
                break;
            }
            skew = jump.skew;
            if wall.micros() > jump.from {
                // The clock went forward over this time: no moment had it, the jump's own is the nearest.
                return Time::from_micros(jump.from).shifted(skew.saturating_neg());
            }
        }
        wall.shifted(skew.saturating_neg())
    }

    /// The other moments that a wall time may have told: after the clock went back, it showed the same times again.
    pub(super) fn other_moments(&self, wall: Time) -> impl Iterator<Item = Time> {
        let micros = wall.micros();
        let back = self.jumps.iter().filter(move |jump| jump.to <= micros && micros <= jump.from);
        back.map(move |jump| wall.shifted(jump.skew.saturating_neg()))
    }

    /// The axis after the wall clock jumped by `delta_micros` and now shows `wall`.
    pub(super) fn jumped(&self, wall: Time, delta_micros: i64) -> Self {
        let mut axis = self.clone();
        let from = wall.shifted(delta_micros.saturating_neg()).micros();
        axis.jumps.push(Jump { from, to: wall.micros(), skew: self.skew_micros });
        if axis.jumps.len() > REMEMBERED {
            axis.jumps.remove(0);
        }
        axis.skew_micros = self.skew_micros.saturating_add(delta_micros);
        axis
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Time {
        Time::from_secs(secs)
    }

    #[test]
    fn c2_without_a_jump_both_times_are_one() {
        let axis = Axis::default();
        assert_eq!((axis.now(at(5)), axis.wall(at(5)), axis.moment(at(5))), (at(5), at(5), at(5)));
        assert_eq!(axis.other_moments(at(5)).count(), 0);
        assert_eq!(axis.skew_micros(), 0);
    }

    #[test]
    fn c2_forward_what_was_before_keeps_its_moment() {
        // At 1000 the clock jumps to 1500.
        let axis = Axis::default().jumped(at(1500), 500_000_000);
        assert_eq!(axis.skew_micros(), 500_000_000);
        assert_eq!(axis.now(at(1500)), at(1000));
        assert_eq!(axis.wall(at(1000)), at(1500));
        assert_eq!(axis.moment(at(999)), at(999));
        assert_eq!(axis.moment(at(1000)), at(1000));
        assert_eq!(axis.moment(at(1001)), at(1000), "a time that was skipped");
        assert_eq!(axis.moment(at(1499)), at(1000));
        assert_eq!(axis.moment(at(1500)), at(1000));
        assert_eq!(axis.moment(at(1501)), at(1001));
        assert_eq!(axis.other_moments(at(1200)).count(), 0);
    }

    #[test]
    fn c2_backward_the_time_shown_twice_has_two_moments() {
        // At 1000 the clock jumps to 400.
        let axis = Axis::default().jumped(at(400), -600_000_000);
        assert_eq!(axis.now(at(400)), at(1000));
        assert_eq!(axis.moment(at(399)), at(399));
        assert_eq!(axis.moment(at(400)), at(1000));
        assert_eq!(axis.moment(at(1000)), at(1600));
        assert_eq!(axis.moment(at(1001)), at(1601));
        let other = |secs| axis.other_moments(at(secs)).collect::<Vec<_>>();
        assert_eq!(other(399), []);
        assert_eq!(other(400), [at(400)]);
        assert_eq!(other(1000), [at(1000)]);
        assert_eq!(other(1001), []);
    }

    #[test]
    fn c2_jumps_add_up_and_the_oldest_are_forgotten() {
        let mut axis = Axis::default();
        for n in 1..=20 {
            // Each forward by 100 s, at state times 1000, 2000, ...
            axis = axis.jumped(at(n * 1000 + n * 100), 100_000_000);
        }
        assert_eq!(axis.jumps.len(), 16);
        assert_eq!(axis.skew_micros(), 2_000_000_000);
        assert_eq!(axis.moment(at(20 * 1000 + 20 * 100 + 7)), at(20_007));
        assert_eq!(axis.moment(at(19 * 1000 + 19 * 100 + 7)), at(19_007));
        assert_eq!(axis.moment(at(5 * 1000 + 5 * 100 + 7)), at(5_007));
        assert_eq!(axis.moment(at(4 * 1000 + 4 * 100 + 7)), at(4_007), "as the oldest jump that is remembered says");
        assert_eq!(axis.moment(at(3 * 1000 + 3 * 100 + 7)), at(2_907), "told by the skew before that jump");
    }
}
