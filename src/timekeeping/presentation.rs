//! What the rest of the program is shown of UTC: always a little behind the best estimate, so that nothing jumps.
//!
//! Small differences are slewed. A large one would take too long, or the player out of its depth: it waits until nothing
//! plays, and is stepped then.

use super::Timescale;

/// Up to this difference the timescale is slewed. At most the player's own limit for a phase error.
pub const STEP_NS: i64 = 5_000_000;

/// The most that a slew adds to the rate. The player follows with ±300 ppm, of which the sound card's crystal takes
/// up to 150.
const MAX_SLEW: f64 = 100e-6;

/// A small difference decays with this time constant, in seconds.
const TIME_CONSTANT_S: f64 = 10.0;

/// What is shown, and what is held back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// UTC as everybody shall take it.
    pub timescale: Timescale,
    /// By how much the best estimate is ahead of it, in ns.
    pub behind_ns: i64,
    /// The step that was made just now, in ns.
    pub stepped_ns: Option<i64>,
}

/// The timescale that is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Presentation {
    shown: Option<Timescale>,
}

impl Presentation {
    /// Moves what is shown towards the best estimate, or at once to it where UTC may be stepped. To be called each second or
    /// so.
    pub fn update(&mut self, now_raw_ns: i64, best: &Timescale, may_step: bool) -> Shown {
        let best_utc_ns = best.utc_ns(now_raw_ns);
        let Some(shown) = self.shown else {
            return self.show(now_raw_ns, best_utc_ns, best.rate_ppb, 0, None);
        };
        let utc_ns = shown.utc_ns(now_raw_ns);
        let behind_ns = best_utc_ns.saturating_sub(utc_ns);
        if behind_ns.abs() <= STEP_NS {
            let slew = (behind_ns as f64 * 1e-9 / TIME_CONSTANT_S).clamp(-MAX_SLEW, MAX_SLEW);
            return self.show(now_raw_ns, utc_ns, best.rate_ppb + slew * 1e9, behind_ns, None);
        }
        if may_step {
            return self.show(now_raw_ns, best_utc_ns, best.rate_ppb, 0, Some(behind_ns));
        }
        self.show(now_raw_ns, utc_ns, best.rate_ppb, behind_ns, None)
    }

    fn show(&mut self, raw_ns: i64, utc_ns: i64, rate_ppb: f64, behind_ns: i64, stepped_ns: Option<i64>) -> Shown {
        let timescale = Timescale { raw_ns, utc_ns, rate_ppb };
        self.shown = Some(timescale);
        Shown { timescale, behind_ns, stepped_ns }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: i64 = 1_000_000_000;

    fn best(ahead_ns: i64) -> Timescale {
        Timescale { raw_ns: 0, utc_ns: 1_800_000_000 * S + ahead_ns, rate_ppb: 12_000.0 }
    }

    proptest! {
        #[test]
        fn while_music_plays_nothing_jumps_and_a_small_difference_goes_away(
            ahead_ns in -STEP_NS + 1000..STEP_NS - 1000,
        ) {
            let mut presentation = Presentation::default();
            let mut before = presentation.update(0, &best(0), false).timescale;
            for second in 1..200 {
                let now = second * S;
                let shown = presentation.update(now, &best(ahead_ns), false);
                prop_assert_eq!(shown.stepped_ns, None);
                prop_assert!((shown.timescale.utc_ns(now) - before.utc_ns(now)).abs() <= 1, "a jump at {}", second);
                prop_assert!((shown.timescale.rate_ppb - 12_000.0).abs() <= MAX_SLEW * 1e9 + 1e-6);
                before = shown.timescale;
            }
            prop_assert!(presentation.update(200 * S, &best(ahead_ns), false).behind_ns.abs() < 1000);
        }
    }

    #[test]
    fn a_large_correction_waits_until_nothing_plays() {
        let mut presentation = Presentation::default();
        presentation.update(0, &best(0), false);
        let waiting = presentation.update(S, &best(3 * S), false);
        assert_eq!((waiting.behind_ns, waiting.stepped_ns), (3 * S, None));
        assert_eq!(waiting.timescale.utc_ns(S), best(0).utc_ns(S));
        let stepped = presentation.update(2 * S, &best(3 * S), true);
        assert_eq!((stepped.behind_ns, stepped.stepped_ns), (0, Some(3 * S)));
        assert_eq!(stepped.timescale.utc_ns(2 * S), best(3 * S).utc_ns(2 * S));
    }
}
