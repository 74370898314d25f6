//! The phase lock: how fast the music has to be read to stay where the timetable is.
//!
//! There is no integrator to wind up. The model of the DAC's clock and the map to UTC together say
//! where in the track each of the DAC's frames belongs, including future ones; so the lock simply
//! aims at the place that is right [`AIM_S`] from now, and reads at the speed that leads there. The
//! rates of the crystals are thereby fed forward, an error decays exponentially with that time
//! constant, and as playing starts on the exact frame there is no error to begin with.

/// How far ahead the lock aims, in seconds: its time constant. Long against the jitter of the clock
/// model, which must not be heard as vibrato, and short against its wander.
pub const AIM_S: f64 = 2.0;

/// The most that the reading speed may differ from nominal: a quarter of the 1,200 ppm or so at
/// which practised ears begin to notice pitch, and twice what the worst crystals need.
pub const MAX_CORRECTION: f64 = 300e-6;

/// Beyond this phase error playing jumps to the right place instead of slewing to it: at 300 ppm,
/// 5 ms take 17 s, and more would be heard as an echo all that time.
pub const RESEEK_NS: f64 = 5_000_000.0;

/// What to do about the phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Steering {
    /// Read this many of the track's frames for each of the DAC's, relative to nominal (1.0 is
    /// nominal speed).
    Speed(f64),
    /// Fade out, jump to the right place, fade in.
    Reseek,
}

/// Steers by the phase error now and the one to come if the speed were nominal.
///
/// `error_now_s` is by how much the music is late (positive) at the next frame: where it should be
/// minus where it is, in seconds of the track. `drift` is by how much faster than nominal the
/// target moves, as a fraction.
pub fn steer(error_now_s: f64, drift: f64) -> Steering {
    if error_now_s.is_nan() || error_now_s.abs() * 1e9 > RESEEK_NS {
        return Steering::Reseek;
    }
    Steering::Speed(1.0 + (drift + error_now_s / AIM_S).clamp(-MAX_CORRECTION, MAX_CORRECTION))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_error_within_reach_decays_without_overshoot(error_s in -0.0049..0.0049_f64, drift in -250e-6..250e-6_f64) {
            let mut error = error_s;
            for _ in 0..20_000 {
                let Steering::Speed(speed) = steer(error, drift) else { panic!("no reseek within 5 ms") };
                prop_assert!((speed - 1.0).abs() <= MAX_CORRECTION + 1e-12);
                let next = error + 0.005 * (1.0 + drift - speed);
                prop_assert!(next.abs() <= error.abs() + 1e-12 && next * error_s >= -1e-12);
                error = next;
            }
            // At the largest drift the limit leaves just enough to correct the error in these
            // 100 s.
            prop_assert!(error.abs() < 1e-6 || drift.abs() > 200e-6, "{error}");
        }
    }

    #[test]
    fn nonsense_makes_it_jump() {
        assert_eq!(steer(f64::NAN, 0.0), Steering::Reseek);
        assert_eq!(steer(0.006, 0.0), Steering::Reseek);
        assert_eq!(steer(-0.006, 0.0), Steering::Reseek);
    }
}
