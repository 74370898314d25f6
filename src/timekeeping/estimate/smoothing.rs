//! The output of UTC: always a little behind the best estimate, so that nothing jumps.
//!
//! Differences are slewed. A large one would take too long: it is stepped as soon as nothing plays,
//! and slewed until then.

use jaudiosync_time::{ClockMap, Instant, Rate, Raw, Span, Utc};

/// A larger difference is stepped as soon as nothing plays. It is at most the player's own limit for
/// a phase error.
pub const STEP: Span = Span::from_ms(5);

/// The most that a slew adds to the rate. The player follows within ±300 ppm, of which the sound
/// card's crystal takes up to 150.
const MAX_SLEW: f64 = 100e-6;

/// A small difference decays with this time constant, in seconds.
const TIME_CONSTANT_S: f64 = 10.0;

/// Moves the UTC that everything uses towards the best estimate. It alone decides whether UTC is
/// slewed or stepped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Smoother {
    output: ClockMap<Raw, Utc>,
    best: ClockMap<Raw, Utc>,
    /// By how much the best estimate was ahead of the output at its reading.
    behind: Span,
}

impl Smoother {
    /// Begins with the first estimate, unchanged.
    pub fn new(first: ClockMap<Raw, Utc>) -> Self {
        Self { output: first, best: first, behind: Span::ZERO }
    }

    /// Slews the output towards a newer estimate. Call it every second or so.
    pub fn update(&mut self, now: Instant<Raw>, best: ClockMap<Raw, Utc>) {
        let output = self.output.apply(now);
        self.best = best.anchored_at(now);
        self.behind = self.best.to - output;
        let slew = (self.behind.seconds() / TIME_CONSTANT_S).clamp(-MAX_SLEW, MAX_SLEW);
        let rate = Rate::from_ppb(best.rate.ppb() + slew * 1e9);
        self.output = ClockMap { from: now, to: output, rate };
    }

    /// Returns whether the difference is too large to be slewed.
    pub fn is_step_due(&self) -> bool {
        self.behind.abs() > STEP
    }

    /// Steps the output to the best estimate if that is due. Returns by how much.
    pub fn step(&mut self) -> Option<Span> {
        if !self.is_step_due() {
            return None;
        }
        self.output = self.best;
        Some(std::mem::take(&mut self.behind))
    }

    /// Moves the output to the best estimate at once, because nothing plays that would be heard to
    /// jump.
    pub fn catch_up(&mut self) {
        self.output = self.best;
        self.behind = Span::ZERO;
    }

    /// Returns the UTC that everything should use.
    pub fn output(&self) -> ClockMap<Raw, Utc> {
        self.output
    }

    /// Returns by how much the best estimate is ahead of the output.
    pub fn behind(&self) -> Span {
        self.behind
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE_PPB: f64 = 12_000.0;

    fn best(ahead: Span) -> ClockMap<Raw, Utc> {
        let to = Instant::from_second(1_800_000_000) + ahead;
        ClockMap { from: Instant::ZERO, to, rate: Rate::from_ppb(RATE_PPB) }
    }

    fn at(second: i64) -> Instant<Raw> {
        Instant::from_second(second)
    }

    proptest! {
        #[test]
        fn while_music_plays_nothing_jumps_and_a_small_difference_goes_away(
            ahead_ns in -STEP.ns() + 1000..STEP.ns() - 1000,
        ) {
            let ahead = Span::from_ns(ahead_ns);
            let mut smoother = Smoother::new(best(Span::ZERO));
            for second in 1..200 {
                let before = smoother.output();
                smoother.update(at(second), best(ahead));
                prop_assert!(!smoother.is_step_due());
                let jump = smoother.output().to - before.apply(at(second));
                prop_assert!(jump.abs() <= Span::from_ns(1), "a jump at {}", second);
                let slew_ppb = smoother.output().rate.ppb() - RATE_PPB;
                prop_assert!(slew_ppb.abs() <= MAX_SLEW * 1e9 + 1e-6);
            }
            smoother.update(at(200), best(ahead));
            prop_assert!(smoother.behind().abs() < Span::MICROSECOND);
        }
    }

    #[test]
    fn a_large_correction_waits_until_it_may_step() {
        let mut smoother = Smoother::new(best(Span::ZERO));
        let ahead = Span::SECOND * 3;
        smoother.update(at(1), best(ahead));
        assert_eq!(smoother.behind(), ahead);
        assert_eq!(smoother.output().to, best(Span::ZERO).apply(at(1)));
        assert_eq!(smoother.step(), Some(ahead));
        assert_eq!(smoother.output().to, best(ahead).apply(at(1)));
        assert_eq!((smoother.behind(), smoother.step()), (Span::ZERO, None));
    }
}
