//! The system clock as a map from the raw clock: what UTC follows where another daemon owns the
//! clock.

use std::collections::VecDeque;

use jaudiosync_hw::clocks::ClockPair;
use jaudiosync_hw::system_clock::MAX_FREQUENCY;
use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, Utc};

/// Readings are stored this far apart, and for this long: a reading is good to about 0.1 µs, so
/// that over 8 s the rate is known to about 0.02 ppm, while a change of the rate, which a time
/// daemon makes at most every few seconds, is soon followed.
const SPACING: Span = Span::from_ms(250);
const WINDOW: Span = Span::from_seconds(8);

/// A rate is taken only from readings at least this far apart; before that, the rate is assumed to
/// be the raw clock's.
const MIN_BASELINE: Span = Span::from_ms(500);

/// A reading this far from where the last ones lead is a step of the system clock, and the earlier
/// readings no longer count.
const STEP: Span = Span::MILLISECOND;

/// Follows the system clock wherever it goes, even where it is wrong: it is the reference.
#[derive(Debug, Default, Clone)]
pub struct SystemClockFollower {
    readings: VecDeque<ClockPair>,
    steps: u64,
}

impl SystemClockFollower {
    /// Absorbs a reading and returns the map that goes through it. Call it about once a second, or
    /// more often.
    pub fn update(&mut self, reading: ClockPair) -> ClockMap<Raw, Utc> {
        let expected = self.extrapolate(reading.raw).unwrap_or(reading.utc);
        if (reading.utc - expected).abs() > STEP {
            self.readings.clear();
            self.steps += 1;
        }
        if self.readings.back().is_none_or(|last| reading.raw - last.raw >= SPACING) {
            self.readings.push_back(reading);
        }
        while self.readings.front().is_some_and(|first| reading.raw - first.raw > WINDOW) {
            self.readings.pop_front();
        }
        self.map_through(reading)
    }

    /// Returns how many times the system clock was stepped.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    fn map_through(&self, reading: ClockPair) -> ClockMap<Raw, Utc> {
        // No oscillator and no time daemon produces a rate beyond the kernel's own limit.
        let limit_ppb = MAX_FREQUENCY.ppb();
        let rate_ppb = self.rate_ppb(reading).unwrap_or(0.0).clamp(-limit_ppb, limit_ppb);
        ClockMap { from: reading.raw, to: reading.utc, rate: Rate::from_ppb(rate_ppb) }
    }

    /// Returns the rate over the window that ends with `reading`.
    fn rate_ppb(&self, reading: ClockPair) -> Option<f64> {
        let first = self.readings.front()?;
        let raw = reading.raw - first.raw;
        let gained = reading.utc - first.utc - raw;
        (raw >= MIN_BASELINE).then(|| gained.ns_f64() / raw.ns_f64() * 1e9)
    }

    fn extrapolate(&self, raw: Instant<Raw>) -> Option<Instant<Utc>> {
        let last = *self.readings.back()?;
        Some(self.map_through(last).apply(raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant<Utc> = Instant::from_second(1_790_000_000);

    /// Follows a clock of this rate, which was stepped, for `seconds`, and returns the map at the
    /// end.
    fn follow(
        follower: &mut SystemClockFollower,
        from: Span,
        seconds: i64,
        rate_ppb: f64,
        step: Span,
    ) -> ClockMap<Raw, Utc> {
        let mut map = None;
        for tick in 0..seconds * 50 {
            let since = from + Span::from_ms(20) * tick;
            let utc = START + step + since + since.scaled(rate_ppb * 1e-9);
            map = Some(follower.update(ClockPair { raw: Instant::ZERO + since, utc }));
        }
        map.unwrap()
    }

    #[test]
    fn the_rate_of_the_clock_is_found() {
        let hundred = Span::from_seconds(100);
        let map = follow(&mut SystemClockFollower::default(), hundred, 10, 100_000.0, Span::ZERO);
        assert!((map.rate.ppb() - 100_000.0).abs() < 1.0, "{map:?}");
    }

    #[test]
    fn a_step_is_followed_at_once_and_does_not_affect_the_rate() {
        let mut follower = SystemClockFollower::default();
        follow(&mut follower, Span::ZERO, 10, 5_000.0, Span::ZERO);
        let step = Span::from_ms(70);
        let map = follow(&mut follower, Span::from_seconds(10), 5, 5_000.0, step);
        assert_eq!(follower.steps(), 1);
        assert!((map.rate.ppb() - 5_000.0).abs() < 1.0, "{map:?}");
        let since = map.from - Instant::ZERO;
        assert_eq!(map.to, START + step + since + since.scaled(5e-6));
    }
}
