//! What the system clock and the raw clock showed in the last seconds: turns stamps of the system
//! clock, such as gpsd's and the kernel's of a datagram, into readings of the raw clock. Pure.

use std::collections::VecDeque;

use jaudiosync_hw::clocks::ClockPair;
use jaudiosync_time::{Instant, Raw, Span, Utc};

/// A stamp may be this old when it comes: gpsd reports a pulse within the second, and a datagram
/// waits in the socket until it is read.
pub(crate) const OLDEST_STAMP: Span = Span::from_seconds(2);

/// Readings are stored for this long.
const KEPT: Span = Span::from_seconds(3);

/// Readings are stored this far apart, however many come: those of a flood must not push out the
/// older ones, without which no stamp is converted.
const SPACING: Span = Span::from_ms(5);

/// At most this many readings are stored.
const MOST_READINGS: usize = 1000;

/// Between two readings the clocks may differ by what a daemon slews at most (1000 ppm) and by an
/// error of the reading; if they differ by more, the system clock was set.
const LARGEST_SLEW: f64 = 1e-3;
const HITCH_NS: f64 = 20_000.0;

/// How far one reading of both clocks may be off, in ns.
const READING_NS: f64 = 1_000.0;

/// A moment on the raw clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RawMoment {
    pub raw: Instant<Raw>,
    /// How far off that may be, in ns.
    pub bound_ns: f64,
}

/// The readings, oldest first.
#[derive(Debug, Default)]
pub(crate) struct ClockHistory {
    readings: VecDeque<ClockPair>,
}

impl ClockHistory {
    /// Absorbs a reading. A few per second are enough. If the system clock was set, earlier
    /// readings are forgotten.
    pub(crate) fn push(&mut self, reading: ClockPair) {
        if let Some(last) = self.readings.back() {
            let elapsed = reading.raw - last.raw;
            if elapsed <= Span::ZERO {
                return;
            }
            if gain(last, &reading).abs().ns_f64() > HITCH_NS + elapsed.ns_f64() * LARGEST_SLEW {
                self.readings.clear();
            }
        }
        let before_last = self.readings.len().checked_sub(2).and_then(|index| self.readings.get(index));
        if before_last.is_some_and(|before_last| reading.raw - before_last.raw < SPACING) {
            self.readings.pop_back();
        }
        self.readings.push_back(reading);
        while self.readings.len() > MOST_READINGS
            || self.readings.get(1).is_some_and(|second| reading.raw - second.raw > KEPT)
        {
            self.readings.pop_front();
        }
    }

    /// Returns what the raw clock showed when the system clock showed `stamp`, or `None` if that
    /// was not within the last 2 s, or the system clock was set since, or the readings do not reach
    /// that far back.
    pub(crate) fn raw_at(&self, stamp: Instant<Utc>) -> Option<RawMoment> {
        let (first, last) = (self.readings.front()?, self.readings.back()?);
        let oldest = last.utc - OLDEST_STAMP;
        // If the clock was set just before the first reading, a stamp from before could look like
        // one from after.
        if first.utc > oldest || stamp < oldest || stamp > last.utc {
            return None;
        }
        let after = self.readings.partition_point(|reading| reading.utc < stamp).max(1);
        let (from, to) = (self.readings.get(after - 1)?, self.readings.get(after)?);
        let since = stamp - from.utc;
        let gained = gain(from, to).ns_f64();
        let raw = from.raw + since - Span::from_ns_f64(gained * since.ns_f64() / (to.utc - from.utc).ns_f64());
        // Where between the two readings the rate changed is not known.
        let usual = gain(first, last).ns_f64() * (to.raw - from.raw).ns_f64() / (last.raw - first.raw).ns_f64();
        Some(RawMoment { raw, bound_ns: READING_NS + (gained - usual).abs() })
    }
}

/// Returns by how much more the system clock moved from one reading to another than the raw clock.
fn gain(from: &ClockPair, to: &ClockPair) -> Span {
    to.utc - from.utc - (to.raw - from.raw)
}

#[cfg(test)]
mod tests {
    use jaudiosync_time::{Instant, Span};
    use proptest::prelude::*;

    use super::*;

    /// UTC when the raw clock is at its zero.
    const START: Instant<Utc> = Instant::from_second(1_790_000_000);
    const STEP: Span = Span::from_ms(200);

    fn pair(since: Span, rate_ppm: f64) -> ClockPair {
        ClockPair { raw: Instant::ZERO + since, utc: START + since + since.scaled(rate_ppm * 1e-6) }
    }

    const NS: Span = Span::from_ns(1);

    fn history(readings: impl IntoIterator<Item = ClockPair>) -> ClockHistory {
        let mut history = ClockHistory::default();
        readings.into_iter().for_each(|reading| history.push(reading));
        history
    }

    #[test]
    fn a_steady_clock_is_turned_exactly() {
        let history = history((0..20).map(|i| pair(STEP * i, 40.0)));
        let moment = history.raw_at(pair(Span::from_ns(3_123_456_789), 40.0).utc).unwrap();
        assert!((moment.raw - Instant::from_ns(3_123_456_789)).ns().abs() <= 2, "{moment:?}");
        assert!(moment.bound_ns < 1_100.0, "{moment:?}");
    }

    #[test]
    fn stamps_of_the_future_and_old_ones_are_refused() {
        let history = history((0..20).map(|i| pair(STEP * i, 0.0)));
        let newest = START + STEP * 19;
        assert!(history.raw_at(newest).is_some());
        assert_eq!(history.raw_at(newest + NS), None);
        assert!(history.raw_at(newest - OLDEST_STAMP).is_some());
        assert_eq!(history.raw_at(newest - OLDEST_STAMP - NS), None);
        for foreign in [Instant::ZERO, Instant::MIN, Instant::MAX] {
            assert_eq!(history.raw_at(foreign), None);
        }
    }

    #[test]
    fn no_stamp_is_converted_until_the_clock_has_been_watched_for_long_enough() {
        let mut history = ClockHistory::default();
        assert_eq!(history.raw_at(START), None);
        for i in 0..10 {
            history.push(pair(STEP * i, 0.0));
            assert_eq!(history.raw_at(START + STEP * i), None);
        }
        history.push(pair(STEP * 10, 0.0));
        assert!(history.raw_at(START + STEP * 10).is_some());
    }

    #[test]
    fn a_clock_that_is_set_is_not_believed_for_two_seconds() {
        for step_ns in [-3_600_000_000_000, -300_000_000, -2_000_000, 2_000_000, 300_000_000, 3_600_000_000_000] {
            let mut history = history((0..20).map(|i| pair(STEP * i, 0.0)));
            for i in 20..30 {
                let mut reading = pair(STEP * i, 0.0);
                reading.utc += Span::from_ns(step_ns);
                history.push(reading);
                assert_eq!(history.raw_at(reading.utc - NS), None, "{step_ns} {i}");
            }
        }
    }

    #[test]
    fn a_change_of_rate_is_within_the_bound() {
        let mut readings: Vec<_> = (0..18).map(|i| pair(STEP * i, 0.0)).collect();
        // Half way between the readings a daemon begins to slew by 500 ppm.
        readings.extend((18..20).map(|i| ClockPair {
            raw: Instant::ZERO + STEP * i,
            utc: START + STEP * i + (STEP * (i - 18) + STEP / 2).scaled(500e-6),
        }));
        let moment = history(readings).raw_at(START + STEP * 17 + STEP / 2).unwrap();
        let error = moment.raw - (Instant::ZERO + STEP * 17 + STEP / 2);
        assert!(error.ns_f64().abs() <= moment.bound_ns && moment.bound_ns < 60_000.0, "{error:?} {moment:?}");
    }

    #[test]
    fn a_flood_of_lines_does_not_fill_the_memory() {
        let history = history((0..100_000).map(|i| pair(Span::MICROSECOND * i, 0.0)));
        assert!(history.readings.len() <= MOST_READINGS + 1);
    }

    #[test]
    fn a_flood_leaves_the_readings_that_stamps_need() {
        let history = history((0..20_000).map(|i| pair(Span::from_us(200) * i, 30.0)));
        assert!(history.readings.len() < 700, "{}", history.readings.len());
        for ago in [Span::ZERO, Span::from_us(300), Span::from_ms(40), Span::from_ms(1_999)] {
            let asked = pair(Span::from_us(200) * 19_999 - ago, 30.0);
            let moment = history.raw_at(asked.utc).unwrap();
            assert!((moment.raw - asked.raw).ns().abs() <= 2, "{moment:?}");
        }
    }

    proptest! {
        #[test]
        fn no_reading_makes_it_panic(
            readings in prop::collection::vec((any::<i64>(), any::<i64>()), 0..20), stamp in any::<i64>()
        ) {
            let pairs = readings.into_iter().map(|(raw_ns, utc_ns)| ClockPair { raw: Instant::from_ns(raw_ns), utc: Instant::from_ns(utc_ns) });
            let _ = history(pairs).raw_at(Instant::from_ns(stamp));
        }

        #[test]
        fn any_stamp_of_the_last_two_seconds_is_turned_back(
            rate_ppm in -500.0..500.0_f64, gaps_ms in prop::collection::vec(1_i64..300, 60), ago_ns in 0..OLDEST_STAMP.ns()
        ) {
            let mut since = Span::ZERO;
            let mut history = ClockHistory::default();
            for gap_ms in gaps_ms {
                since += Span::from_ms(gap_ms);
                history.push(pair(since, rate_ppm));
            }
            let asked = pair(since - Span::from_ns(ago_ns), rate_ppm);
            if let Some(moment) = history.raw_at(asked.utc) {
                prop_assert!((moment.raw - asked.raw).ns().abs() <= 4, "{:?}", moment);
            }
        }
    }
}
