//! How clean a tone came out. Pure.

use std::f64::consts::TAU;

/// How far the true frequency may be from the nominal one, in Hz and relative; the larger counts.
const SEARCH_HZ: f64 = 1.5;
const SEARCH_RELATIVE: f64 = 0.002;

/// Returns everything except the tone itself (distortion, noise, hum; not DC), relative to the
/// tone, in dB: the lower, the cleaner.
///
/// `samples` hold a tone of about `tone_hz`, within 1.5 Hz or 0.2 %. Every whole second is measured
/// by itself (or all samples, if there is less than a second): the best fitting sine, of any
/// frequency, amplitude and phase, is the tone, the rest the residue. The result is infinite if
/// there is no tone, and NaN if there is nothing to measure: no samples, or a frequency that is not
/// between 0 and half the rate.
#[must_use]
pub fn thd_plus_noise_db(samples: &[f32], rate_hz: u32, tone_hz: f64) -> f64 {
    let rate = f64::from(rate_hz);
    if samples.len() < 16 || !(tone_hz > 0.0 && tone_hz < rate / 2.0) {
        return f64::NAN;
    }
    let second = samples.len().min(rate_hz as usize);
    let (mut tone, mut rest) = (0.0, 0.0);
    for second in samples.chunks_exact(second) {
        let (tone_energy, rest_energy) = split(second, tone_hz, rate);
        tone += tone_energy;
        rest += rest_energy;
    }
    if tone <= 0.0 { f64::INFINITY } else { 10.0 * (rest / tone).log10() }
}

/// Returns the energies of the best sine near `tone_hz` and of the rest.
fn split(samples: &[f32], tone_hz: f64, rate: f64) -> (f64, f64) {
    let mean = samples.iter().map(|&x| f64::from(x)).sum::<f64>() / samples.len() as f64;
    let samples: Vec<f64> = samples.iter().map(|&x| f64::from(x) - mean).collect();
    let fit = |hz: f64| Sine::fit(&samples, TAU * hz / rate);
    // The fit is one smooth hill, as wide as the inverse of the duration: step over it finely
    // enough to meet it, then climb it by ever smaller parabolas.
    let width = rate / samples.len() as f64;
    let reach = SEARCH_HZ.max(SEARCH_RELATIVE * tone_hz).max(width);
    let steps = (4.0 * reach / width).ceil() as i32;
    let candidates = (-steps..=steps).map(|i| tone_hz + reach * f64::from(i) / f64::from(steps));
    let best = candidates.map(|hz| (fit(hz).explained, hz)).max_by(|a, b| a.0.total_cmp(&b.0));
    let mut hz = best.map_or(tone_hz, |(_, hz)| hz);
    for distance in [4.0, 32.0, 256.0, 2048.0].map(|part| width / part) {
        let [before, here, after] = [hz - distance, hz, hz + distance].map(|hz| fit(hz).explained);
        let curvature = before - 2.0 * here + after;
        if curvature < 0.0 {
            hz += (distance * 0.5 * (before - after) / curvature).clamp(-distance, distance);
        }
    }
    let sine = fit(hz);
    (sine.energy, sine.residue(&samples))
}

/// A sine fitted by least squares: `cosine * cos(step * n) + sine * sin(step * n) + constant`.
struct Sine {
    step: f64,
    cosine: f64,
    sine: f64,
    constant: f64,
    /// The energy of the sine alone.
    energy: f64,
    /// How much of the samples' energy the sine and the constant explain.
    explained: f64,
}

impl Sine {
    fn fit(samples: &[f64], step: f64) -> Self {
        let [mut c1, mut s1, mut cc, mut cs, mut x1, mut xc, mut xs] = [0.0; 7];
        for (&x, (c, s)) in samples.iter().zip(rotation(step)) {
            c1 += c;
            s1 += s;
            cc += c * c;
            cs += c * s;
            x1 += x;
            xc += x * c;
            xs += x * s;
        }
        let count = samples.len() as f64;
        let ss = count - cc;
        let [cosine, sine, constant] = solve([[cc, cs, c1, xc], [cs, ss, s1, xs], [c1, s1, count, x1]]);
        let energy = cosine * cosine * cc + 2.0 * cosine * sine * cs + sine * sine * ss;
        let explained = cosine * xc + sine * xs + constant * x1;
        Self { step, cosine, sine, constant, energy, explained }
    }

    /// Returns the energy of what is left without it.
    fn residue(&self, samples: &[f64]) -> f64 {
        let fitted = rotation(self.step).map(|(c, s)| self.cosine * c + self.sine * s + self.constant);
        samples.iter().zip(fitted).map(|(x, y)| (x - y) * (x - y)).sum()
    }
}

/// Returns (cos, sin) of 0, step, 2 step, ...
fn rotation(step: f64) -> impl Iterator<Item = (f64, f64)> {
    let (turn_sin, turn_cos) = step.sin_cos();
    std::iter::successors(Some((1.0, 0.0)), move |&(c, s)| {
        Some((c * turn_cos - s * turn_sin, s * turn_cos + c * turn_sin))
    })
}

/// Solves three linear equations, each a row of coefficients and the right side (Gauss; the matrix
/// is positive definite).
fn solve(mut rows: [[f64; 4]; 3]) -> [f64; 3] {
    for pivot in 0..3 {
        let row = rows[pivot];
        for other in (0..3).filter(|&other| other != pivot) {
            let factor = rows[other][pivot] / row[pivot];
            for (value, pivot_value) in rows[other].iter_mut().zip(row) {
                *value -= factor * pivot_value;
            }
        }
    }
    [0, 1, 2].map(|i| rows[i][3] / rows[i][i])
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    fn tone(seconds: f64, hz: f64, more: impl Fn(f64) -> f64) -> Vec<f32> {
        let frames = (seconds * f64::from(RATE)) as usize;
        (0..frames)
            .map(|n| n as f64 / f64::from(RATE))
            .map(|t| (0.5 * (TAU * hz * t + 0.3).sin() + more(t)) as f32)
            .collect()
    }

    #[test]
    fn a_pure_tone_is_clean_whatever_its_exact_frequency() {
        for hz in [998.1, 1000.0, 1000.3, 998.8] {
            let db = thd_plus_noise_db(&tone(2.5, hz, |_| 0.0), RATE, 1000.0);
            assert!(db < -135.0, "{hz} Hz: {db} dB");
        }
    }

    #[test]
    fn a_harmonic_counts_and_dc_does_not() {
        let db = thd_plus_noise_db(&tone(2.0, 1000.01, |t| 0.1 + 0.005 * (TAU * 3000.03 * t).sin()), RATE, 1000.0);
        assert!((db + 40.0).abs() < 0.01, "{db} dB");
    }

    #[test]
    fn a_gap_of_a_few_frames_shows() {
        let mut samples = tone(1.0, 1000.0, |_| 0.0);
        samples.drain(20_000..20_012);
        assert!(thd_plus_noise_db(&samples, RATE, 1000.0) > -20.0);
    }

    #[test]
    fn a_short_piece_is_measured_too() {
        let db = thd_plus_noise_db(&tone(0.1, 441.0, |_| 0.0), RATE, 440.0);
        assert!(db < -120.0, "{db} dB");
    }

    #[test]
    fn nonsense_gives_no_number() {
        let samples = tone(1.0, 1000.0, |_| 0.0);
        assert!(thd_plus_noise_db(&[], RATE, 1000.0).is_nan());
        assert!(thd_plus_noise_db(&samples, RATE, 0.0).is_nan());
        assert!(thd_plus_noise_db(&samples, RATE, 30_000.0).is_nan());
        assert!(thd_plus_noise_db(&samples, 0, 1000.0).is_nan());
        assert_eq!(thd_plus_noise_db(&[0.0; 4800], RATE, 1000.0), f64::INFINITY);
    }
}
