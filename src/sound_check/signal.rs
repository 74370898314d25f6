//! The sweep of a sound check.
//!
//! It is exponential: the recorder's clock, which is up to 100 ppm off, and harmonics of a loud
//! speaker leave the arrival where it is (A. Farina: Simultaneous measurement of impulse response and
//! distortion with a swept-sine technique, AES 108, 2000). It begins below the lowest frequency that
//! a telephone passes and ends where AAC at 64 kbit/s still does, with as much energy in every octave:
//! so even 8 kHz, of which 3.4 kHz are left, hold two thirds of it.

use std::f64::consts::{PI, TAU};

/// How long a sweep lasts, in s. With 0.3 s it is 30 dB above noise as loud as itself.
pub const SWEEP_S: f64 = 0.3;
/// Where it begins, in Hz.
pub const LOWEST_HZ: f64 = 350.0;
/// Where it ends, in Hz.
pub const HIGHEST_HZ: f64 = 10_000.0;
/// How long it takes to reach its full amplitude, and to vanish, in s.
const FADE_S: f64 = 0.01;

/// Returns the sweep's value at a time since its beginning, -1 to 1; 0 before it and after it.
///
/// It is of the continuous sweep, so that any rate and any fraction of a frame can be had.
pub fn sweep(since_start_s: f64) -> f64 {
    if !(0.0..=SWEEP_S).contains(&since_start_s) {
        return 0.0;
    }
    let octave_like_s = e_fold_s();
    let phase = TAU * LOWEST_HZ * octave_like_s * (since_start_s / octave_like_s).exp_m1();
    phase.sin() * fade(since_start_s)
}

/// Returns the sweep's frequency at a time since its beginning, in Hz.
pub fn frequency_hz(since_start_s: f64) -> f64 {
    LOWEST_HZ * (since_start_s / e_fold_s()).exp()
}

/// Returns the time in which the frequency grows by a factor of e, in s.
fn e_fold_s() -> f64 {
    SWEEP_S / (HIGHEST_HZ / LOWEST_HZ).ln()
}

/// Returns the amplitude: raised cosines at both ends.
fn fade(since_start_s: f64) -> f64 {
    let from_an_end = since_start_s.min(SWEEP_S - since_start_s);
    if from_an_end >= FADE_S { 1.0 } else { 0.5 - 0.5 * (PI * from_an_end / FADE_S).cos() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_from_the_lowest_to_the_highest_frequency() {
        assert!((frequency_hz(0.0) - LOWEST_HZ).abs() < 1e-9);
        assert!((frequency_hz(SWEEP_S) - HIGHEST_HZ).abs() < 1e-6);
        // Periods between two upward zero crossings in the middle are those of the frequency there.
        let step = 1e-6;
        let crossings: Vec<f64> = (140_000..160_000)
            .map(|n| f64::from(n) * step)
            .filter(|&t| sweep(t) < 0.0 && sweep(t + step) >= 0.0)
            .collect();
        for pair in crossings.windows(2) {
            let frequency = 1.0 / (pair[1] - pair[0]);
            let expected = frequency_hz(f64::midpoint(pair[0], pair[1]));
            assert!((frequency / expected - 1.0).abs() < 0.01, "{frequency} Hz, not {expected} Hz");
        }
        assert!(crossings.len() > 30);
    }

    #[test]
    fn it_begins_and_ends_in_silence() {
        assert_eq!(sweep(-0.001), 0.0);
        assert_eq!(sweep(SWEEP_S + 0.001), 0.0);
        for edge in [0.0, SWEEP_S] {
            assert!(sweep(edge).abs() < 1e-9);
        }
        let peak = (0..48_000).map(|n| sweep(f64::from(n) / 160_000.0).abs()).fold(0.0, f64::max);
        assert!(peak > 0.99 && peak <= 1.0, "{peak}");
    }

    #[test]
    fn two_thirds_of_it_pass_a_telephone() {
        let energy = |from_hz: f64, to_hz: f64| -> f64 {
            (0..30_000)
                .map(|n| f64::from(n) * 1e-5)
                .filter(|&t| (from_hz..to_hz).contains(&frequency_hz(t)))
                .map(|t| sweep(t).powi(2))
                .sum()
        };
        let share = energy(0.0, 3400.0) / energy(0.0, 20_000.0);
        assert!(share > 0.64, "{share}");
    }
}
