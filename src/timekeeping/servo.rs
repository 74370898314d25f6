//! The servo of the system clock, which is an output: what other programs, file dates and the log are shown.
//!
//! It is stepped once when the time becomes known, then slewed by its frequency. Like the player's phase lock the servo has
//! no integrator: the timescale tells at which rate UTC runs, the clock's own rate is measured, and an error decays.

use jaudiosync_hw::clocks::ClockPair;
use jaudiosync_hw::system_clock::MAX_FREQUENCY_PPB;

use super::Timescale;

/// The first time, a difference beyond this is stepped; later only one beyond [`LATE_STEP_NS`], and never while music plays.
const FIRST_STEP_NS: i64 = 1_000_000;
const LATE_STEP_NS: i64 = 500_000_000;

/// An error decays with this time constant, in seconds.
const TIME_CONSTANT_S: f64 = 16.0;

/// The clock's own rate is learnt from the last so many updates.
const RATE_MEMORY: f64 = 8.0;

/// Updates closer together than this tell nothing of a rate.
const MIN_INTERVAL_NS: i64 = 1_000_000_000;

/// What is to be done with the system clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// Set it ahead by so much.
    Step {
        /// In ns; negative sets it back.
        by_ns: i64,
    },
    /// Let it run so much faster than its crystal.
    Frequency {
        /// In parts per billion.
        ppb: f64,
    },
}

/// Steers the system clock to the timescale.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClockServo {
    was_stepped: bool,
    last: Option<(ClockPair, f64)>,
    /// By how much the clock runs faster than the raw clock when its frequency is set to nothing: `tick`, in ppb.
    own_rate_ppb: f64,
    measured: u32,
}

impl SystemClockServo {
    /// Says what to do. To be called each few seconds, and after each step.
    pub fn update(&mut self, clock: ClockPair, timescale: &Timescale, may_step: bool) -> Action {
        self.measure(clock);
        let behind_ns = timescale.utc_ns(clock.raw.ns()).saturating_sub(clock.utc.ns());
        let limit_ns = if self.was_stepped { LATE_STEP_NS } else { FIRST_STEP_NS };
        if behind_ns.abs() > limit_ns && (may_step || !self.was_stepped) {
            self.was_stepped = true;
            self.last = None;
            return Action::Step { by_ns: behind_ns };
        }
        self.was_stepped = true;
        let slew_ppb = behind_ns as f64 / TIME_CONSTANT_S;
        let wanted_ppb = timescale.rate_ppb + slew_ppb - self.own_rate_ppb;
        let ppb = wanted_ppb.clamp(-MAX_FREQUENCY_PPB, MAX_FREQUENCY_PPB);
        self.last = Some((clock, ppb));
        Action::Frequency { ppb }
    }

    fn measure(&mut self, clock: ClockPair) {
        let Some((last, set_ppb)) = self.last else { return };
        let raw_ns = clock.raw.ns().saturating_sub(last.raw.ns());
        if raw_ns < MIN_INTERVAL_NS {
            return;
        }
        let ahead_ns = clock.utc.ns().saturating_sub(last.utc.ns()).saturating_sub(raw_ns);
        let own_ppb = ahead_ns as f64 / raw_ns as f64 * 1e9 - set_ppb;
        // Beyond what tick allows somebody else has set the clock meanwhile.
        if own_ppb.abs() < 20.0 * MAX_FREQUENCY_PPB {
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

    const S: i64 = 1_000_000_000;
    const UTC_NS: i64 = 1_800_000_000 * S;

    fn pair(raw_ns: i64, utc_ns: i64) -> ClockPair {
        ClockPair { raw: Instant::from_ns(raw_ns), utc: Instant::from_ns(utc_ns) }
    }

    proptest! {
        #[test]
        fn a_clock_with_a_wrong_tick_is_stepped_once_and_then_held(
            tick_ppb in -200_000.0..200_000.0_f64, rate_ppb in -50_000.0..50_000.0_f64,
            ahead_ns in -10_i64.pow(18)..10_i64.pow(18),
        ) {
            let timescale = Timescale { raw_ns: 0, utc_ns: UTC_NS, rate_ppb };
            let mut servo = SystemClockServo::default();
            let (mut utc_ns, mut ppb, mut steps) = ((UTC_NS + ahead_ns) as f64 - UTC_NS as f64, 0.0, 0);
            for tick in 0..100_i64 {
                let raw_ns = tick * 4 * S;
                let clock = pair(raw_ns, UTC_NS + utc_ns as i64);
                match servo.update(clock, &timescale, false) {
                    Action::Step { by_ns } => { utc_ns += by_ns as f64; steps += 1; }
                    Action::Frequency { ppb: set } => ppb = set,
                }
                utc_ns += 4e9 * (1.0 + (ppb + tick_ppb) * 1e-9);
            }
            let error_ns = timescale.utc_ns(400 * S) as f64 - UTC_NS as f64 - utc_ns;
            prop_assert!(error_ns.abs() < 2_000.0, "{} ns", error_ns);
            prop_assert_eq!(steps, i32::from(ahead_ns.abs() > FIRST_STEP_NS));
        }
    }

    #[test]
    fn while_music_plays_even_a_large_error_is_slewed() {
        let timescale = Timescale { raw_ns: 0, utc_ns: UTC_NS, rate_ppb: 0.0 };
        let mut servo = SystemClockServo::default();
        servo.update(pair(0, UTC_NS), &timescale, false);
        let late = pair(4 * S, UTC_NS + 5 * S);
        assert!(matches!(servo.update(late, &timescale, false), Action::Frequency { .. }));
        let later = pair(8 * S, UTC_NS + 9 * S);
        assert_eq!(servo.update(later, &timescale, true), Action::Step { by_ns: -S });
    }
}
