//! The servo of the system clock, which is an output: what other programs, file dates and the log
//! show.
//!
//! It is stepped once when the time becomes known, then slewed by its frequency. Like the player's
//! phase lock the servo has no integrator: the estimate gives the rate of UTC, the clock's own rate
//! is measured, and an error decays.

use jaudiosync_hw::clocks::ClockPair;
use jaudiosync_hw::system_clock::MAX_FREQUENCY;
use jaudiosync_time::{ClockMap, Rate, Raw, Span, Utc};

/// The first time, a difference beyond this is stepped.
const FIRST_STEP_THRESHOLD: Span = Span::from_ms(1);

/// Later only a larger one is stepped, and never while music plays.
const STEP_THRESHOLD: Span = Span::from_ms(500);

/// An error decays with this time constant, in seconds.
const TIME_CONSTANT_S: f64 = 16.0;

/// The clock's own rate is estimated from this many of the last updates.
const RATE_MEMORY: f64 = 8.0;

/// Updates closer together than this show nothing about a rate.
const MIN_INTERVAL: Span = Span::SECOND;

/// A rate far beyond what can be steered, in ppb: another program has set the clock meanwhile.
const MAX_OWN_RATE_PPB: f64 = 20.0 * MAX_FREQUENCY.ppb();

/// What is to be done with the system clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// Set it ahead.
    Step {
        /// By how much; negative sets it back.
        by: Span,
    },
    /// Let it run faster than its crystal, or slower.
    Frequency {
        /// By how much.
        rate: Rate,
    },
}

/// Steers the system clock to UTC.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClockServo {
    /// Whether there was an update: the first one may step at a smaller difference.
    was_updated: bool,
    last: Option<Steered>,
    /// By how much the clock runs faster than the raw clock when its frequency is set to 0: `tick`,
    /// in ppb.
    own_rate_ppb: f64,
    measured: u32,
}

/// A reading of the clock, and the frequency that it was set to then.
#[derive(Debug, Clone, Copy)]
struct Steered {
    clock: ClockPair,
    ppb: f64,
}

impl SystemClockServo {
    /// Decides what to do. Call it every few seconds, and after each step.
    pub fn update(&mut self, clock: ClockPair, utc: &ClockMap<Raw, Utc>, may_step: bool) -> Action {
        self.measure(clock);
        let behind = utc.apply(clock.raw) - clock.utc;
        let is_first = !std::mem::replace(&mut self.was_updated, true);
        let threshold = if is_first { FIRST_STEP_THRESHOLD } else { STEP_THRESHOLD };
        if behind.abs() > threshold && (may_step || is_first) {
            self.last = None;
            return Action::Step { by: behind };
        }
        let slew_ppb = behind.ns_f64() / TIME_CONSTANT_S;
        let wanted_ppb = utc.rate.ppb() + slew_ppb - self.own_rate_ppb;
        let ppb = wanted_ppb.clamp(-MAX_FREQUENCY.ppb(), MAX_FREQUENCY.ppb());
        self.last = Some(Steered { clock, ppb });
        Action::Frequency { rate: Rate::from_ppb(ppb) }
    }

    fn measure(&mut self, clock: ClockPair) {
        let Some(last) = self.last else { return };
        let elapsed = clock.raw - last.clock.raw;
        if elapsed < MIN_INTERVAL {
            return;
        }
        let ahead = clock.utc - last.clock.utc - elapsed;
        let own_ppb = ahead.ns_f64() / elapsed.ns_f64() * 1e9 - last.ppb;
        if own_ppb.abs() < MAX_OWN_RATE_PPB {
            self.measured = self.measured.saturating_add(1);
            self.own_rate_ppb += (own_ppb - self.own_rate_ppb) / f64::from(self.measured).min(RATE_MEMORY);
        }
    }
}

#[cfg(test)]
mod tests {
    use jaudiosync_time::Instant;
    use proptest::prelude::*;

    use super::*;

    const START: Instant<Utc> = Instant::from_second(1_800_000_000);

    fn utc(rate_ppb: f64) -> ClockMap<Raw, Utc> {
        ClockMap { from: Instant::ZERO, to: START, rate: Rate::from_ppb(rate_ppb) }
    }

    fn reading(second: i64, shows: Span) -> ClockPair {
        ClockPair { raw: Instant::from_second(second), utc: START + shows }
    }

    proptest! {
        #[test]
        fn a_clock_with_a_wrong_tick_is_stepped_once_and_then_held(
            tick_ppb in -200_000.0..200_000.0_f64, rate_ppb in -50_000.0..50_000.0_f64,
            ahead_ns in -10_i64.pow(18)..10_i64.pow(18),
        ) {
            let utc = utc(rate_ppb);
            let mut servo = SystemClockServo::default();
            let (mut shows_ns, mut ppb, mut steps) = (ahead_ns as f64, 0.0, 0);
            for tick in 0..100 {
                let clock = reading(tick * 4, Span::from_ns(shows_ns as i64));
                match servo.update(clock, &utc, false) {
                    Action::Step { by } => { shows_ns += by.ns_f64(); steps += 1; }
                    Action::Frequency { rate } => ppb = rate.ppb(),
                }
                shows_ns += 4e9 * (1.0 + (ppb + tick_ppb) * 1e-9);
            }
            let error_ns = (utc.apply(Instant::from_second(400)) - START).ns_f64() - shows_ns;
            prop_assert!(error_ns.abs() < 2_000.0, "{} ns", error_ns);
            prop_assert_eq!(steps, i32::from(ahead_ns.abs() > FIRST_STEP_THRESHOLD.ns()));
        }
    }

    #[test]
    fn while_music_plays_even_a_large_error_is_slewed() {
        let utc = utc(0.0);
        let mut servo = SystemClockServo::default();
        servo.update(reading(0, Span::ZERO), &utc, false);
        let late = reading(4, Span::from_seconds(5));
        assert!(matches!(servo.update(late, &utc, false), Action::Frequency { .. }));
        let later = reading(8, Span::from_seconds(9));
        assert_eq!(servo.update(later, &utc, true), Action::Step { by: -Span::SECOND });
    }
}
