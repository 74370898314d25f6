//! The responses of the air in each turn, brought to one common shape.
//!
//! All of them get the same filter, which delays no frequency: it evens out what microphone, speakers
//! and recorder do to the spectrum, and leaves out what is mostly noise. An arrival then is a short
//! pulse of known shape, the same for every box.

use std::f64::consts::TAU;

use realfft::num_complex::Complex;

use super::compress::{RATE_HZ, in_band};
use super::transform::Transform;
use super::turns::Turn;

/// Samples of a response: 171 ms at 24 kHz.
pub(super) const LENGTH: usize = 4096;
/// How much of it lies before the place where the turn was found, in samples: 43 ms.
pub(super) const BEFORE: usize = 1024;
/// Samples that fade at both ends.
const FADE: usize = 256;
/// By how much the rate is raised where places between samples matter.
const FINER: usize = 4;
/// The rate there, in Hz.
pub(super) const FINE_HZ: f64 = (RATE_HZ * FINER) as f64;
/// Samples of a response there.
pub(super) const FINE_LENGTH: usize = LENGTH * FINER;
/// The sample of a response there at which the turn was found.
pub(super) const FINE_BEFORE: usize = BEFORE * FINER;

/// How long around the first arrival microphone and speakers ring, in s.
const COMMON_BEFORE_S: f64 = 0.001;
const COMMON_AFTER_S: f64 = 0.003;

/// A response by frequency, from 0 to 12 kHz.
pub(super) type Spectrum = Vec<Complex<f64>>;

/// The response in one turn, of both its sweeps together.
#[derive(Debug, Clone)]
pub(super) struct Response {
    /// When the turn was found, in s of the recording: sample [`FINE_BEFORE`].
    pub(super) at_s: f64,
    /// The mean of both sweeps.
    pub(super) mean: Spectrum,
    /// Half of what they differ by: as much noise as there is in the mean.
    pub(super) difference: Spectrum,
}

impl Response {
    /// Takes the response of a turn; `clock_ppm` is how fast the recorder's clock is. `None` if the
    /// recording does not hold all of it.
    pub(super) fn take(compressed: &[f32], turn: &Turn, clock_ppm: f64, transform: &Transform<f64>) -> Option<Self> {
        let start = turn.at.checked_sub(BEFORE)?;
        let gap = turn.gap_s() * (1.0 + clock_ppm * 1e-6) * RATE_HZ as f64;
        let whole = gap.floor() as usize;
        let first = transform.spectrum(&window(compressed, start)?);
        let second = transform.spectrum(&window(compressed, start + whole)?);
        let second: Spectrum = second.iter().enumerate().map(|(bin, x)| x * turned(bin, gap - whole as f64)).collect();
        // Gain control changes the level in between.
        let power: f64 = second.iter().map(Complex::norm_sqr).sum();
        let common: f64 = first.iter().zip(&second).map(|(a, b)| (a * b.conj()).re).sum();
        let gain = if power > 0.0 { (common / power).clamp(0.2, 5.0) } else { 1.0 };
        let half = |sign: f64| first.iter().zip(&second).map(|(a, b)| (a + b * gain * sign) * 0.5).collect();
        Some(Self { at_s: turn.at as f64 / RATE_HZ as f64, mean: half(1.0), difference: half(-1.0) })
    }

    /// Returns by how much longer than expected the gap between the two sweeps is, in s, found within
    /// ±3 ms.
    pub(super) fn gap_excess_s(&self, shape: &Shape, fine: &Transform<f64>) -> f64 {
        let sweep = |sign: f64| {
            let sum = self.mean.iter().zip(&self.difference).map(|(mean, half)| mean + half * sign).collect();
            early(&shape.apply(&sum), fine)
        };
        delay(&sweep(-1.0), &sweep(1.0), fine).0
    }

    fn energy(&self) -> f64 {
        self.mean.iter().map(Complex::norm_sqr).sum::<f64>().max(f64::MIN_POSITIVE)
    }
}

/// Returns the samples from a place on, with both ends faded.
fn window(compressed: &[f32], start: usize) -> Option<Vec<f64>> {
    let samples = compressed.get(start..start + LENGTH)?;
    Some(faded(samples.iter().map(|x| f64::from(*x))))
}

/// Returns as many samples as a response has, with both ends faded.
pub(super) fn faded(samples: impl Iterator<Item = f64>) -> Vec<f64> {
    let fade = |n: usize| {
        let from_an_end = n.min(LENGTH - 1 - n);
        if from_an_end >= FADE { 1.0 } else { (TAU / 4.0 * (from_an_end as f64 + 0.5) / FADE as f64).sin().powi(2) }
    };
    samples.enumerate().map(|(n, x)| x * fade(n)).collect()
}

/// Returns the factor of a bin that makes a response earlier by this many samples of 24 kHz.
fn turned(bin: usize, samples: f64) -> Complex<f64> {
    Complex::cis(TAU * bin as f64 * samples / LENGTH as f64)
}

/// The filter that all responses get, and the pulse that an arrival then is.
pub(super) struct Shape {
    filter: Vec<Complex<f64>>,
    /// The spectrum of an arrival.
    pub(super) band: Vec<f64>,
}

impl Shape {
    /// Designs the filter for these responses, in a recording that reaches up to `highest_hz`.
    pub(super) fn of(responses: &[&Response], highest_hz: f64) -> Self {
        let power = |part: fn(&Response) -> &Spectrum| -> Vec<f64> {
            let mut sum = vec![0.0; LENGTH / 2 + 1];
            for response in responses {
                let energy = response.energy();
                sum.iter_mut().zip(part(response)).for_each(|(sum, x)| *sum += x.norm_sqr() / energy);
            }
            smooth(&sum)
        };
        let (all, noise) = (power(|response| &response.mean), power(|response| &response.difference));
        let tiny = 1e-9 * all.iter().copied().fold(0.0, f64::max) + f64::MIN_POSITIVE;
        let mut band = Vec::with_capacity(all.len());
        let mut filter = Vec::with_capacity(all.len());
        for (bin, (all, noise)) in all.iter().zip(&noise).enumerate() {
            let frequency = bin as f64 * RATE_HZ as f64 / LENGTH as f64;
            let signal = (all - noise).max(0.0);
            let part = in_band(frequency, highest_hz) * signal / (signal + noise + tiny);
            band.push(part);
            filter.push(Complex::new(part / (signal + tiny).sqrt(), 0.0));
        }
        Self { filter, band }
    }

    /// Returns the same filter without what microphone and speakers do to the phase of every arrival.
    ///
    /// `arrivals` are filtered responses of several boxes, and when the first arrival is in each, in
    /// samples of 24 kHz. What they have in common around it is no echo, as echoes differ.
    pub(super) fn with_common_phase(&self, arrivals: &[(&Spectrum, f64)], coarse: &Transform<f64>) -> Self {
        let mut common = vec![Complex::new(0.0, 0.0); LENGTH / 2 + 1];
        for (spectrum, place) in arrivals {
            let centred: Spectrum = spectrum.iter().enumerate().map(|(bin, x)| x * turned(bin, *place)).collect();
            let mut signal = coarse.signal(centred);
            for (n, x) in signal.iter_mut().enumerate() {
                let at_s = if n < LENGTH / 2 { n as f64 } else { n as f64 - LENGTH as f64 } / RATE_HZ as f64;
                let reach_s = if at_s < 0.0 { COMMON_BEFORE_S } else { COMMON_AFTER_S };
                *x *= (TAU / 4.0 * (at_s / reach_s).clamp(-1.0, 1.0)).cos().powi(2);
            }
            let near = normalized(coarse.spectrum(&signal));
            // Polarity differs from speaker to speaker.
            let product: f64 = common.iter().zip(&near).map(|(a, b)| (a * b.conj()).re).sum();
            let sign = if product < 0.0 { -1.0 } else { 1.0 };
            common.iter_mut().zip(&near).for_each(|(sum, x)| *sum += x * sign);
        }
        let without = |(filter, x): (&Complex<f64>, &Complex<f64>)| filter * x.conj() / x.norm().max(f64::MIN_POSITIVE);
        Self { filter: self.filter.iter().zip(&common).map(without).collect(), band: self.band.clone() }
    }

    /// Returns a spectrum after the filter.
    pub(super) fn apply(&self, spectrum: &Spectrum) -> Spectrum {
        spectrum.iter().zip(&self.filter).map(|(x, filter)| x * filter).collect()
    }

    /// Returns the width of the band, in Hz: that of a rectangle with the same pulse.
    pub(super) fn bandwidth_hz(&self) -> f64 {
        let sum: f64 = self.band.iter().sum();
        let squares: f64 = self.band.iter().map(|x| x * x).sum();
        if squares > 0.0 { sum * sum / squares * RATE_HZ as f64 / LENGTH as f64 } else { 0.0 }
    }
}

/// Returns the mean of each bin over a third of an octave.
fn smooth(power: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0];
    sums.extend(power.iter().scan(0.0, |sum, x| {
        *sum += x;
        Some(*sum)
    }));
    let ratio = 2_f64.powf(1.0 / 6.0);
    (0..power.len())
        .map(|bin| {
            let from = (bin as f64 / ratio).floor() as usize;
            let to = ((bin as f64 * ratio).ceil() as usize + 1).min(power.len());
            (sums[to] - sums[from]) / (to - from) as f64
        })
        .collect()
}

/// The responses of one box, made comparable.
pub(super) struct Aligned {
    /// By how much each turn's response is later than the first one's, in s.
    pub(super) delays_s: Vec<f64>,
    /// How similar each one is to the mean of all, up to 1.
    pub(super) similarities: Vec<f64>,
    /// The mean of all, filtered, with its level divided by that of the loudest turn.
    pub(super) mean: Spectrum,
}

/// Aligns the responses of one box, the first of which is the reference. Empty input gives an empty
/// mean.
pub(super) fn align(responses: &[&Response], shape: &Shape, fine: &Transform<f64>) -> Aligned {
    let filtered: Vec<Spectrum> = responses.iter().map(|response| normalized(shape.apply(&response.mean))).collect();
    let early: Vec<Spectrum> = filtered.iter().map(|spectrum| early(spectrum, fine)).collect();
    let mut delays = vec![0.0; responses.len()];
    let mut similarities = vec![1.0; responses.len()];
    let mut mean = filtered.first().cloned().unwrap_or_default();
    let mut early_mean = early.first().cloned().unwrap_or_default();
    for _ in 0..3 {
        for (index, spectrum) in early.iter().enumerate() {
            (delays[index], similarities[index]) = delay(spectrum, &early_mean, fine);
        }
        let origin = delays.first().copied().unwrap_or(0.0);
        delays.iter_mut().for_each(|delay| *delay -= origin);
        mean = aligned_mean(&filtered, &delays, &similarities, LENGTH as f64 / RATE_HZ as f64);
        early_mean = aligned_mean(&early, &delays, &similarities, FINE_LENGTH as f64 / FINE_HZ);
    }
    Aligned { delays_s: delays, similarities, mean }
}

/// Returns the mean of spectra, each made earlier by its delay. `length_s` is what a spectrum's bins
/// are the inverse of.
pub(super) fn aligned_mean(spectra: &[Spectrum], delays_s: &[f64], weights: &[f64], length_s: f64) -> Spectrum {
    let bins = spectra.first().map_or(0, Vec::len);
    let total: f64 = weights.iter().map(|w| w.max(0.0)).sum::<f64>().max(f64::MIN_POSITIVE);
    let mut mean = vec![Complex::new(0.0, 0.0); bins];
    for ((spectrum, delay_s), weight) in spectra.iter().zip(delays_s).zip(weights) {
        for (bin, (mean, x)) in mean.iter_mut().zip(spectrum).enumerate() {
            *mean += x * Complex::cis(TAU * bin as f64 * delay_s / length_s) * (weight.max(0.0) / total);
        }
    }
    mean
}

/// Returns a spectrum divided by its norm.
pub(super) fn normalized(spectrum: Spectrum) -> Spectrum {
    let norm = spectrum.iter().map(Complex::norm_sqr).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    spectrum.into_iter().map(|x| x / norm).collect()
}

/// Returns the fine spectrum of what lies between 6 ms before and 20 ms after the place where a turn
/// was found: there is most sound and least noise.
fn early(spectrum: &Spectrum, fine: &Transform<f64>) -> Spectrum {
    let mut signal = fine.signal(spectrum.clone());
    let (from_s, to_s, fade_s) = (-0.006, 0.020, 0.002);
    for (n, x) in signal.iter_mut().enumerate() {
        let at_s = (n as f64 - FINE_BEFORE as f64) / FINE_HZ;
        let inside_s = (at_s - from_s).min(to_s - at_s);
        *x *= (0.5 + inside_s / fade_s).clamp(0.0, 1.0);
    }
    normalized(fine.spectrum(&signal))
}

/// Returns by how much `this` is later than `reference`, in s, found within ±3 ms, and how similar
/// they then are.
fn delay(this: &Spectrum, reference: &Spectrum, fine: &Transform<f64>) -> (f64, f64) {
    let energy = |spectrum: &Spectrum| spectrum.iter().map(Complex::norm_sqr).sum::<f64>();
    let norm = (energy(this) * energy(reference)).sqrt().max(f64::MIN_POSITIVE);
    let product = this.iter().zip(reference).map(|(a, b)| a * b.conj() / (2.0 * norm)).collect();
    let correlation = fine.signal(product);
    let reach = (0.003 * FINE_HZ) as i64;
    let value = |n: i64| correlation[n.rem_euclid(FINE_LENGTH as i64) as usize];
    let best = (-reach..=reach).max_by(|a, b| value(*a).total_cmp(&value(*b))).unwrap_or(0);
    let (between, height) = parabola(value(best - 1), value(best), value(best + 1));
    ((best as f64 + between) / FINE_HZ, height)
}

/// Returns where the parabola through three values at -1, 0 and 1 has its extremum, within ±1, and
/// its value there.
pub(super) fn parabola(before: f64, here: f64, after: f64) -> (f64, f64) {
    let curvature = before - 2.0 * here + after;
    if curvature.abs() < f64::MIN_POSITIVE {
        return (0.0, here);
    }
    let place = (0.5 * (before - after) / curvature).clamp(-1.0, 1.0);
    (place, here - 0.25 * (before - after) * place)
}
