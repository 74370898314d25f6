//! Where in a signal a template fits best: normalized cross-correlation by FFT, to a fraction of a
//! frame. Pure.

use std::f64::consts::PI;
use std::ops::RangeInclusive;

use realfft::RealFftPlanner;

/// Frames on either side of a place that are needed to interpolate between the frames there.
pub const MARGIN: usize = 32;
/// Another place fits equally well if its score reaches this part of the best one.
const EQUALLY_GOOD: f64 = 0.999;
/// Such a place is a peak of its own if the score falls below this part of the best one in between.
const VALLEY: f64 = 0.9;

/// The place where a template fits best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Frame of the signal at which the template begins.
    pub position: f64,
    /// -1 to 1; 1 is a perfect fit, whatever the gain.
    pub correlation: f64,
}

/// Fits `template` into `signal` at each of `places` and returns the best fit, or `None` if there
/// is none: in silence, with a template longer than the signal, or with samples that are not
/// finite.
///
/// With `near`, the nearest of several places that fit equally well is taken: a steady tone fits
/// once per period.
pub fn best_match(
    template: &[f64],
    signal: &[f64],
    places: RangeInclusive<usize>,
    near: Option<usize>,
) -> Option<Match> {
    let products = products(template, signal)?;
    let energies = energies(signal, template.len());
    let template_energy: f64 = template.iter().map(|x| x * x).sum();
    // Less than this is rounding error of the running sums.
    let floor = 1e-12 * energies.iter().fold(template_energy, |a, b| a.max(*b));
    let fit = Fit { products, energies, template_energy, floor };
    let places = *places.start()..=(*places.end()).min(fit.products.len() - 1);
    let scores: Vec<f64> = places.clone().map(|k| fit.score(k as f64)).collect();
    let (best, &best_score) = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    if !best_score.is_finite() || best_score <= 0.0 {
        return None;
    }
    let chosen = near.map_or(best, |near| nearest_equal(&scores, best, near.saturating_sub(*places.start())));
    let position = fit.peak_near((places.start() + chosen) as f64);
    Some(Match { position, correlation: fit.score(position) })
}

/// Returns the nearest to `near` of the peaks as high as `scores[best]`.
fn nearest_equal(scores: &[f64], best: usize, near: usize) -> usize {
    let is_peak = |k: usize| {
        scores[k] >= EQUALLY_GOOD * scores[best]
            && (k == 0 || scores[k - 1] <= scores[k])
            && scores.get(k + 1).is_none_or(|next| *next <= scores[k])
    };
    let apart = |k: usize| scores[k.min(best)..=k.max(best)].iter().any(|s| *s < VALLEY * scores[best]);
    let distance = |k: usize| k.abs_diff(near);
    (0..scores.len())
        .filter(|&k| distance(k) < distance(best) && is_peak(k) && apart(k))
        .min_by_key(|&k| distance(k))
        .unwrap_or(best)
}

struct Fit {
    products: Vec<f64>,
    energies: Vec<f64>,
    template_energy: f64,
    floor: f64,
}

impl Fit {
    /// Returns the normalized correlation at a place, which may be between frames.
    fn score(&self, place: f64) -> f64 {
        let energy = linear(&self.energies, place);
        if energy <= self.floor || self.template_energy <= self.floor {
            return 0.0;
        }
        band_limited(&self.products, place) / (energy * self.template_energy).sqrt()
    }

    /// Finds the highest score within a frame of `place`, by golden section.
    fn peak_near(&self, place: f64) -> f64 {
        let last = (self.products.len() - 1) as f64;
        let (mut low, mut high) = ((place - 1.0).max(0.0), (place + 1.0).min(last));
        let ratio = (5_f64.sqrt() - 1.0) / 2.0;
        while high - low > 1e-5 {
            let (a, b) = (high - ratio * (high - low), low + ratio * (high - low));
            if self.score(a) < self.score(b) { low = a } else { high = b }
        }
        f64::midpoint(low, high)
    }
}

/// Returns the products: `out[k]` is the sum of `template[n] * signal[n + k]` over the template,
/// for every k where it fits in the signal.
fn products(template: &[f64], signal: &[f64]) -> Option<Vec<f64>> {
    if template.is_empty() || template.len() > signal.len() {
        return None;
    }
    // Long enough that wrapping around affects only places that are cut off below.
    let size = signal.len().next_power_of_two().max(2);
    let mut planner = RealFftPlanner::<f64>::new();
    let (forward, inverse) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
    let spectrum = |data: &[f64]| {
        let mut padded = forward.make_input_vec();
        padded[..data.len()].copy_from_slice(data);
        let mut spectrum = forward.make_output_vec();
        forward.process(&mut padded, &mut spectrum).ok().map(|()| spectrum)
    };
    let mut cross: Vec<_> =
        spectrum(signal)?.iter().zip(&spectrum(template)?).map(|(s, t)| s * t.conj() / size as f64).collect();
    // These two are real except for rounding, and the inverse insists on it.
    cross[0].im = 0.0;
    cross[size / 2].im = 0.0;
    let mut out = inverse.make_output_vec();
    inverse.process(&mut cross, &mut out).ok()?;
    out.truncate(signal.len() - template.len() + 1);
    Some(out)
}

/// Returns the sum of squares of every stretch of `length` frames.
fn energies(signal: &[f64], length: usize) -> Vec<f64> {
    let mut sums = vec![0.0];
    sums.extend(signal.iter().scan(0.0, |sum, x| {
        *sum += x * x;
        Some(*sum)
    }));
    sums.iter().zip(&sums[length..]).map(|(from, to)| to - from).collect()
}

fn linear(values: &[f64], place: f64) -> f64 {
    let index = place.floor() as usize;
    let here = values.get(index).copied().unwrap_or(0.0);
    let next = values.get(index + 1).copied().unwrap_or(here);
    here + (next - here) * (place - place.floor())
}

/// Returns the value of a band-limited sequence between its samples: a sinc with a Hann window.
fn band_limited(values: &[f64], place: f64) -> f64 {
    let nearest = place.round();
    if (place - nearest).abs() < 1e-12 {
        return values.get(nearest as usize).copied().unwrap_or(0.0);
    }
    let first = (place.floor() as usize + 1).saturating_sub(MARGIN);
    let reach = MARGIN as f64 + 1.0;
    values
        .iter()
        .enumerate()
        .skip(first)
        .take(2 * MARGIN)
        .map(|(k, value)| {
            let x = place - k as f64;
            let window = f64::midpoint(1.0, (PI * x / reach).cos());
            value * window * (PI * x).sin() / (PI * x)
        })
        .sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn noise(seed: u64, length: usize) -> Vec<f64> {
        let mut state = seed;
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as f64 / f64::from(1_u32 << 30) - 1.0
            })
            .collect()
    }

    #[test]
    fn products_are_those_of_the_definition() {
        let (signal, template) = (noise(1, 50), noise(2, 20));
        let direct: Vec<f64> = (0..=30).map(|k| template.iter().zip(&signal[k..]).map(|(t, s)| t * s).sum()).collect();
        let fast = products(&template, &signal).unwrap();
        assert_eq!(fast.len(), 31);
        assert!(direct.iter().zip(&fast).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn a_piece_of_the_signal_is_found_where_it_was_cut() {
        let signal = noise(3, 4000);
        let template: Vec<f64> = signal[1234..2234].iter().map(|x| x * 0.3).collect();
        let found = best_match(&template, &signal, 0..=3000, None).unwrap();
        assert!((found.position - 1234.0).abs() < 1e-3, "{found:?}");
        assert!((found.correlation - 1.0).abs() < 1e-6);
    }

    #[test]
    fn of_a_tones_many_fits_the_nearest_is_taken() {
        let tone: Vec<f64> = (0..4000).map(|n| (f64::from(n) * 0.1).sin()).collect();
        let found = best_match(&tone[1000..3000], &tone, 0..=2000, Some(1010)).unwrap();
        assert!((found.position - 1000.0).abs() < 0.01, "{found:?}");
    }

    #[test]
    fn nothing_fits_into_silence_or_too_little() {
        let signal = noise(4, 100);
        assert_eq!(best_match(&signal, &vec![0.0; 200], 0..=100, None), None);
        assert_eq!(best_match(&[0.0; 10], &signal, 0..=90, None), None);
        assert_eq!(best_match(&signal, &signal[..50], 0..=50, None), None);
        assert_eq!(best_match(&[], &signal, 0..=50, None), None);
        assert_eq!(best_match(&[f64::NAN; 10], &signal, 0..=90, None), None);
    }
}
