//! What the system clock and the raw clock showed in the last seconds: it turns gpsd's stamps, which are of the system
//! clock, into readings of the raw clock. Pure.

use std::collections::VecDeque;

use jaudiosync_hw::clocks::ClockPair;

/// A stamp may be this old when it comes, in ns: gpsd tells of a pulse within the second.
pub(super) const OLDEST_STAMP_NS: i64 = 2_000_000_000;

/// Readings are kept for this long, in ns.
const KEPT_NS: i64 = 3_000_000_000;

/// More readings than that are not kept, however many lines come.
const MOST_READINGS: usize = 1000;

/// Between two readings the clocks may differ by what a daemon slews at most (1000 ppm) and by a hitch of the reading;
/// beyond, the system clock was set.
const LARGEST_SLEW: f64 = 1e-3;
const HITCH_NS: f64 = 20_000.0;

/// What one reading of both clocks may be off, in ns.
const READING_NS: f64 = 1_000.0;

/// A moment on the raw clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RawMoment {
    pub raw_ns: i64,
    /// How far off that may be, in ns.
    pub bound_ns: f64,
}

/// The readings, oldest first.
#[derive(Debug, Default)]
pub(super) struct ClockHistory {
    readings: VecDeque<ClockPair>,
}

impl ClockHistory {
    /// Takes a reading in. A few a second are enough. If the system clock was set, what was before is forgotten.
    pub(super) fn push(&mut self, reading: ClockPair) {
        if let Some(last) = self.readings.back() {
            let raw_ns = reading.raw.ns().saturating_sub(last.raw.ns());
            if raw_ns <= 0 {
                return;
            }
            let apart_ns = reading.utc.ns().saturating_sub(last.utc.ns()).saturating_sub(raw_ns);
            if (apart_ns as f64).abs() > HITCH_NS + raw_ns as f64 * LARGEST_SLEW {
                self.readings.clear();
            }
        }
        self.readings.push_back(reading);
        while self.readings.len() > MOST_READINGS
            || self.readings.get(1).is_some_and(|second| reading.raw.ns().saturating_sub(second.raw.ns()) > KEPT_NS)
        {
            self.readings.pop_front();
        }
    }

    /// What the raw clock showed when the system clock showed `system_ns`. None if that was not within the last 2 s, or
    /// the system clock was set since, or the readings do not reach that far back.
    pub(super) fn raw_at(&self, system_ns: i64) -> Option<RawMoment> {
        let (first, last) = (self.readings.front()?, self.readings.back()?);
        let oldest_ns = last.utc.ns().saturating_sub(OLDEST_STAMP_NS);
        // Were the clock set just before the first reading, a stamp from before could look like one from after.
        if first.utc.ns() > oldest_ns || system_ns < oldest_ns || system_ns > last.utc.ns() {
            return None;
        }
        let after = self.readings.partition_point(|reading| reading.utc.ns() < system_ns).max(1);
        let (from, to) = (self.readings.get(after - 1)?, self.readings.get(after)?);
        let gain =
            |from: &ClockPair, to: &ClockPair| ((to.utc.ns() - from.utc.ns()) - (to.raw.ns() - from.raw.ns())) as f64;
        let system_gap_ns = (to.utc.ns() - from.utc.ns()) as f64;
        let since_ns = system_ns - from.utc.ns();
        let gain_ns = gain(from, to);
        let raw_ns = from.raw.ns() + since_ns - (gain_ns * since_ns as f64 / system_gap_ns).round() as i64;
        // Where between the two readings the rate changed is not known.
        let usual_gain_ns =
            gain(first, last) * (to.raw.ns() - from.raw.ns()) as f64 / (last.raw.ns() - first.raw.ns()) as f64;
        Some(RawMoment { raw_ns, bound_ns: READING_NS + (gain_ns - usual_gain_ns).abs() })
    }
}

#[cfg(test)]
mod tests {
    use jaudiosync_time::{Instant, Span};
    use proptest::prelude::*;

    use super::*;

    const UTC_NS: i64 = 1_790_000_000_000_000_000;
    const STEP_NS: i64 = 200_000_000;

    fn pair(raw_ns: i64, rate_ppm: f64) -> ClockPair {
        let utc_ns = UTC_NS + raw_ns + (raw_ns as f64 * rate_ppm * 1e-6) as i64;
        ClockPair { raw: Instant::from_ns(raw_ns), utc: Instant::from_ns(utc_ns) }
    }

    fn history(readings: impl IntoIterator<Item = ClockPair>) -> ClockHistory {
        let mut history = ClockHistory::default();
        readings.into_iter().for_each(|reading| history.push(reading));
        history
    }

    #[test]
    fn a_steady_clock_is_turned_exactly() {
        let history = history((0..20).map(|i| pair(i * STEP_NS, 40.0)));
        let moment = history.raw_at(pair(3_123_456_789, 40.0).utc.ns()).unwrap();
        assert!((moment.raw_ns - 3_123_456_789).abs() <= 2, "{moment:?}");
        assert!(moment.bound_ns < 1_100.0, "{moment:?}");
    }

    #[test]
    fn stamps_of_the_future_and_old_ones_are_refused() {
        let history = history((0..20).map(|i| pair(i * STEP_NS, 0.0)));
        let newest_ns = UTC_NS + 19 * STEP_NS;
        assert!(history.raw_at(newest_ns).is_some());
        assert_eq!(history.raw_at(newest_ns + 1), None);
        assert!(history.raw_at(newest_ns - OLDEST_STAMP_NS).is_some());
        assert_eq!(history.raw_at(newest_ns - OLDEST_STAMP_NS - 1), None);
        for foreign in [0, i64::MIN, i64::MAX] {
            assert_eq!(history.raw_at(foreign), None);
        }
    }

    #[test]
    fn nothing_is_said_until_the_clock_has_been_watched_for_long_enough() {
        let mut history = ClockHistory::default();
        assert_eq!(history.raw_at(UTC_NS), None);
        for i in 0..10 {
            history.push(pair(i * STEP_NS, 0.0));
            assert_eq!(history.raw_at(UTC_NS + i * STEP_NS), None);
        }
        history.push(pair(10 * STEP_NS, 0.0));
        assert!(history.raw_at(UTC_NS + 10 * STEP_NS).is_some());
    }

    #[test]
    fn a_clock_that_is_set_is_not_believed_for_two_seconds() {
        for step_ns in [-3_600_000_000_000, -300_000_000, -2_000_000, 2_000_000, 300_000_000, 3_600_000_000_000] {
            let mut history = history((0..20).map(|i| pair(i * STEP_NS, 0.0)));
            for i in 20..30 {
                let mut reading = pair(i * STEP_NS, 0.0);
                reading.utc += Span::from_ns(step_ns);
                history.push(reading);
                assert_eq!(history.raw_at(reading.utc.ns() - 1), None, "{step_ns} {i}");
            }
        }
    }

    #[test]
    fn a_change_of_rate_is_within_the_bound() {
        let mut readings: Vec<_> = (0..18).map(|i| pair(i * STEP_NS, 0.0)).collect();
        // Half way between the readings a daemon begins to slew by 500 ppm.
        readings.extend((18..20).map(|i| ClockPair {
            raw: Instant::from_ns(i * STEP_NS),
            utc: Instant::from_ns(UTC_NS + i * STEP_NS + (((i - 18) * STEP_NS + STEP_NS / 2) as f64 * 500e-6) as i64),
        }));
        let moment = history(readings).raw_at(UTC_NS + 17 * STEP_NS + STEP_NS / 2).unwrap();
        let error_ns = moment.raw_ns - (17 * STEP_NS + STEP_NS / 2);
        assert!((error_ns as f64).abs() <= moment.bound_ns && moment.bound_ns < 60_000.0, "{error_ns} {moment:?}");
    }

    #[test]
    fn a_flood_of_lines_fills_no_memory() {
        let history = history((0..100_000).map(|i| pair(i * 1_000, 0.0)));
        assert!(history.readings.len() <= MOST_READINGS + 1);
    }

    proptest! {
        #[test]
        fn no_reading_makes_it_panic(
            readings in prop::collection::vec((any::<i64>(), any::<i64>()), 0..20), stamp in any::<i64>()
        ) {
            let pairs = readings.into_iter().map(|(raw_ns, utc_ns)| ClockPair { raw: Instant::from_ns(raw_ns), utc: Instant::from_ns(utc_ns) });
            let _ = history(pairs).raw_at(stamp);
        }

        #[test]
        fn any_stamp_of_the_last_two_seconds_is_turned_back(
            rate_ppm in -500.0..500.0_f64, gaps_ms in prop::collection::vec(1_i64..300, 60), ago_ns in 0..OLDEST_STAMP_NS
        ) {
            let mut raw_ns = 0;
            let mut history = ClockHistory::default();
            for gap_ms in gaps_ms {
                raw_ns += gap_ms * 1_000_000;
                history.push(pair(raw_ns, rate_ppm));
            }
            let asked_ns = pair(raw_ns - ago_ns, rate_ppm);
            if let Some(moment) = history.raw_at(asked_ns.utc.ns()) {
                prop_assert!((moment.raw_ns - asked_ns.raw.ns()).abs() <= 4, "{:?}", moment);
            }
        }
    }
}
