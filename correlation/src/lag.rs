//! How far one channel is behind the other. Pure.

use crate::fit::{MARGIN, best_match};

/// The largest lag that [`lag_by_second`] finds.
const MAX_LAG_MS: f64 = 100.0;
/// An RMS below this counts as silence: -60 dBFS.
const SILENCE_RMS: f64 = 0.001;

/// How far `b` is behind `a`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lag {
    /// In frames; positive if `b` is later.
    pub frames: f64,
    /// How similar the two are at that lag: 1 for identical except for the gain, near 0 for
    /// unrelated.
    pub correlation: f64,
}

/// The lag in one second of a recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SecondLag {
    /// Whole seconds since the recording began.
    pub second: usize,
    /// How far the right channel is behind the left, in milliseconds; `None` if either is silent.
    pub lag_ms: Option<f64>,
    /// See [`Lag::correlation`]; below about 0.5 the two do not play the same, and the lag is
    /// meaningless. 0 in silence.
    pub correlation: f64,
}

/// Returns the lag of `right` relative to `left` in every whole second, found within ±100 ms.
///
/// The result is exact to better than 0.002 ms on music. Only sound that repeats within 100 ms,
/// such as a steady tone, is ambiguous; the smallest lag is then taken.
#[must_use]
pub fn lag_by_second(left: &[f32], right: &[f32], rate_hz: u32) -> Vec<SecondLag> {
    let rate = rate_hz as usize;
    if rate == 0 {
        return Vec::new();
    }
    let max_lag = (MAX_LAG_MS / 1000.0 * f64::from(rate_hz)).round() as usize;
    left.chunks_exact(rate)
        .zip(right.chunks_exact(rate))
        .enumerate()
        .map(|(second, (left, right))| {
            let lag = best_lag(left, right, max_lag);
            SecondLag {
                second,
                lag_ms: lag.map(|l| l.frames / f64::from(rate_hz) * 1000.0),
                correlation: lag.map_or(0.0, |l| l.correlation),
            }
        })
        .collect()
}

/// The lag in one window of a recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowLag {
    /// When the window's middle is, in s since the recording began.
    pub at_s: f64,
    /// How far the right channel is behind the left, in ms; `None` if either is silent.
    pub lag_ms: Option<f64>,
    /// See [`SecondLag::correlation`].
    pub correlation: f64,
}

/// Returns the lag of `right` relative to `left` every `step_s`, in windows of `window_s` around
/// that, found within ±`most_ms`.
///
/// A window must be more than twice as long as the largest lag; otherwise nothing is found in it.
#[must_use]
pub fn lag_by_window(
    left: &[f32],
    right: &[f32],
    rate_hz: u32,
    (step_s, window_s, most_ms): (f64, f64, f64),
) -> Vec<WindowLag> {
    let rate = f64::from(rate_hz);
    let (step, window) = ((step_s * rate).round() as usize, (window_s * rate).round() as usize);
    let length = left.len().min(right.len());
    if step == 0 || window == 0 || length < window {
        return Vec::new();
    }
    let max_lag = (most_ms / 1000.0 * rate).round() as usize;
    (0..=length - window)
        .step_by(step)
        .map(|start| {
            let lag = best_lag(&left[start..start + window], &right[start..start + window], max_lag);
            WindowLag {
                at_s: (start as f64 + window as f64 / 2.0) / rate,
                lag_ms: lag.map(|lag| lag.frames / rate * 1000.0),
                correlation: lag.map_or(0.0, |lag| lag.correlation),
            }
        })
        .collect()
}

/// Returns how far `b` is behind `a`, found within ±`max_lag_frames`; both begin at the same
/// instant.
///
/// The middle of `a` is searched for in `b`, so both must be more than twice as long as the lag.
/// `None` if they are not, if either is silent (below -60 dBFS), or if nothing in `b` resembles
/// `a`.
#[must_use]
pub fn best_lag(a: &[f32], b: &[f32], max_lag_frames: usize) -> Option<Lag> {
    let length = a.len().min(b.len());
    let reach = max_lag_frames.checked_add(MARGIN)?;
    if length <= reach.checked_mul(2)? {
        return None;
    }
    let template = without_mean(&a[reach..length - reach]);
    let signal = without_mean(&b[..length]);
    if rms(&template) < SILENCE_RMS || rms(&signal) < SILENCE_RMS {
        return None;
    }
    let found = best_match(&template, &signal, MARGIN..=MARGIN + 2 * max_lag_frames, Some(reach))?;
    Some(Lag { frames: found.position - reach as f64, correlation: found.correlation })
}

fn without_mean(samples: &[f32]) -> Vec<f64> {
    let mean = samples.iter().map(|&x| f64::from(x)).sum::<f64>() / samples.len() as f64;
    samples.iter().map(|&x| f64::from(x) - mean).collect()
}

fn rms(samples: &[f64]) -> f64 {
    (samples.iter().map(|x| x * x).sum::<f64>() / samples.len() as f64).sqrt()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::test_signals::{music, noise};

    const RATE: u32 = 48_000;

    fn lag_ms(left: &[f32], right: &[f32]) -> Vec<Option<f64>> {
        lag_by_second(left, right, RATE).into_iter().map(|s| s.lag_ms).collect()
    }

    #[test]
    fn music_delayed_by_fractions_of_a_frame() {
        for delay_ms in [0.0, 0.003, -0.0104, 0.33, -41.7, 99.0] {
            let left = music(RATE, 2.0, 0.0, 0.8);
            let right = music(RATE, 2.0, delay_ms / 1000.0, 0.1);
            for found in lag_ms(&left, &right) {
                let error = found.unwrap() - delay_ms;
                assert!(error.abs() < 0.002, "{delay_ms} ms: off by {error} ms");
            }
        }
    }

    #[test]
    fn band_limited_noise_delayed_by_fractions_of_a_frame() {
        for delay_frames in [0.25, -0.5, -1234.56] {
            let left = noise(48_000, 0.0, 0.5);
            let right = noise(48_000, delay_frames, 0.03);
            let found = best_lag(&left, &right, 4800).unwrap();
            assert!((found.frames - delay_frames).abs() < 0.02, "{delay_frames}: {found:?}");
            assert!(found.correlation > 0.98, "{found:?}");
        }
    }

    #[test]
    fn another_players_hiss_moves_nothing() {
        let hiss = noise(96_000, 777.0, 0.01);
        let left: Vec<f32> = music(RATE, 2.0, 0.0, 0.5).iter().zip(&hiss).map(|(m, h)| m + h).collect();
        let right = music(RATE, 2.0, 0.0002, 0.5);
        for found in lag_ms(&left, &right) {
            assert!((found.unwrap() - 0.2).abs() < 0.002, "{found:?}");
        }
    }

    #[test]
    fn a_steady_tone_takes_the_smallest_lag() {
        let tone = |delay: f32| -> Vec<f32> {
            (0..48_000).map(|n| 0.5 * ((n as f32 - delay) * 440.0 * std::f32::consts::TAU / 48_000.0).sin()).collect()
        };
        let found = best_lag(&tone(0.0), &tone(20.0), 4800).unwrap();
        assert!((found.frames - 20.0).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn silence_has_no_lag() {
        let left = music(RATE, 3.0, 0.0, 0.5);
        let mut right = left.clone();
        right[48_000..96_000].fill(0.0005);
        let found = lag_ms(&left, &right);
        assert!(found[0].is_some() && found[1].is_none() && found[2].is_some(), "{found:?}");
    }

    #[test]
    fn windows_follow_a_lag_that_changes() {
        let left = music(RATE, 4.0, 0.0, 0.8);
        let mut right = music(RATE, 4.0, 0.0, 0.8);
        let later = music(RATE, 4.0, 0.0021, 0.8);
        right[2 * RATE as usize..].copy_from_slice(&later[2 * RATE as usize..]);
        let found = lag_by_window(&left, &right, RATE, (0.1, 0.4, 20.0));
        assert_eq!(found.len(), 37);
        for window in &found {
            let expected = if window.at_s < 1.8 { 0.0 } else { 2.1 };
            if (window.at_s - 2.0).abs() > 0.25 {
                assert!((window.lag_ms.unwrap() - expected).abs() < 0.002, "{window:?}");
            }
        }
        assert!(lag_by_window(&left, &right, RATE, (0.0, 0.4, 20.0)).is_empty());
    }

    #[test]
    fn unrelated_sound_has_a_low_correlation() {
        let found = best_lag(&noise(48_000, 0.0, 0.5), &noise(48_000, 20_000.0, 0.5), 4800).unwrap();
        assert!(found.correlation < 0.1, "{found:?}");
    }

    #[test]
    fn too_short_or_nonsense_has_no_lag() {
        let short = noise(1000, 0.0, 0.5);
        assert_eq!(best_lag(&short, &short, 4800), None);
        assert_eq!(best_lag(&short, &[], 10), None);
        assert_eq!(best_lag(&short, &short, usize::MAX), None);
        assert_eq!(best_lag(&[f32::NAN; 48_000], &[f32::NAN; 48_000], 100), None);
        assert_eq!(lag_by_second(&short, &short, RATE), []);
        assert_eq!(lag_by_second(&short, &short, 0), []);
    }
}
