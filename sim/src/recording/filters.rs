//! Second-order filters, and filters by spectrum.

use std::f64::consts::{SQRT_2, TAU};

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

/// A filter of second order (R. Bristow-Johnson: Cookbook formulae for audio EQ biquad filters).
#[derive(Debug, Clone, Copy)]
pub(super) struct Biquad {
    feed: [f64; 3],
    back: [f64; 2],
}

impl Biquad {
    pub(super) fn high_pass(rate_hz: f64, corner_hz: f64) -> Self {
        let (cos, alpha) = Self::angles(rate_hz, corner_hz);
        let a0 = 1.0 + alpha;
        let side = f64::midpoint(1.0, cos) / a0;
        Self { feed: [side, -2.0 * side, side], back: [-2.0 * cos / a0, (1.0 - alpha) / a0] }
    }

    pub(super) fn low_pass(rate_hz: f64, corner_hz: f64) -> Self {
        let (cos, alpha) = Self::angles(rate_hz, corner_hz);
        let a0 = 1.0 + alpha;
        let side = (1.0 - cos) / 2.0 / a0;
        Self { feed: [side, 2.0 * side, side], back: [-2.0 * cos / a0, (1.0 - alpha) / a0] }
    }

    fn angles(rate_hz: f64, corner_hz: f64) -> (f64, f64) {
        let w = TAU * corner_hz / rate_hz;
        (w.cos(), w.sin() / SQRT_2)
    }

    pub(super) fn apply(self, samples: &mut [f64]) {
        let (mut x1, mut x2, mut y1, mut y2) = (0.0, 0.0, 0.0, 0.0);
        for sample in samples {
            let x = *sample;
            let y = self.feed[0] * x + self.feed[1] * x1 + self.feed[2] * x2 - self.back[0] * y1 - self.back[1] * y2;
            (x2, x1, y2, y1) = (x1, x, y1, y);
            *sample = y;
        }
    }
}

/// Multiplies the spectrum of a signal by `gain` of the frequency in Hz, without any delay.
pub(super) fn shape(samples: &mut Vec<f64>, rate_hz: f64, gain: impl Fn(f64) -> f64) {
    let length = samples.len();
    let size = length.next_power_of_two().max(2);
    change_spectrum(samples, size, size, |bin, x| x * gain(bin as f64 * rate_hz / size as f64));
    samples.truncate(length);
}

/// Convolves a signal with a response.
pub(super) fn convolve(signal: &[f64], response: &[f64]) -> Vec<f64> {
    let length = signal.len() + response.len();
    let size = length.next_power_of_two().max(2);
    let mut planner = RealFftPlanner::<f64>::new();
    let forward = planner.plan_fft_forward(size);
    let mut padded = response.to_vec();
    padded.resize(size, 0.0);
    let mut spectrum = forward.make_output_vec();
    let _ = forward.process(&mut padded, &mut spectrum);
    let mut out = signal.to_vec();
    change_spectrum(&mut out, size, size, |bin, x| x * spectrum[bin]);
    out.truncate(signal.len());
    out
}

/// Lowers the rate by a whole factor; nothing above half the new rate is left.
pub(super) fn decimate(samples: &[f64], factor: usize) -> Vec<f64> {
    let length = samples.len() / factor;
    let small = length.next_power_of_two().max(2);
    let mut out = samples.to_vec();
    change_spectrum(&mut out, small * factor, small, |bin, x| if bin < small / 2 { x } else { Complex::new(0.0, 0.0) });
    out.truncate(length);
    out
}

/// Transforms `samples`, changes each bin, and transforms back to `size_after` samples.
fn change_spectrum(
    samples: &mut Vec<f64>,
    size: usize,
    size_after: usize,
    change: impl Fn(usize, Complex<f64>) -> Complex<f64>,
) {
    let mut planner = RealFftPlanner::<f64>::new();
    let (forward, inverse) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size_after));
    samples.resize(size, 0.0);
    let mut spectrum = forward.make_output_vec();
    let _ = forward.process(samples, &mut spectrum);
    let mut changed: Vec<_> =
        spectrum.iter().take(size_after / 2 + 1).enumerate().map(|(bin, x)| change(bin, *x) / size as f64).collect();
    changed[0].im = 0.0;
    changed[size_after / 2].im = 0.0;
    samples.resize(size_after, 0.0);
    let _ = inverse.process(&mut changed, samples);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(rate_hz: f64, frequency_hz: f64, length: usize) -> Vec<f64> {
        (0..length).map(|n| (TAU * frequency_hz * n as f64 / rate_hz).sin()).collect()
    }

    fn rms(samples: &[f64]) -> f64 {
        (samples.iter().map(|x| x * x).sum::<f64>() / samples.len() as f64).sqrt()
    }

    #[test]
    fn filters_pass_what_they_should() {
        for (frequency_hz, high, low) in
            [(100.0, 0.0, 1.0), (1000.0, 0.5_f64.sqrt(), 0.5_f64.sqrt()), (10_000.0, 1.0, 0.0)]
        {
            for (filter, gain) in [(Biquad::high_pass(48e3, 1e3), high), (Biquad::low_pass(48e3, 1e3), low)] {
                let mut tone = sine(48e3, frequency_hz, 48_000);
                filter.apply(&mut tone);
                assert!((rms(&tone[24_000..]) * 2_f64.sqrt() - gain).abs() < 0.02, "{frequency_hz} Hz");
            }
        }
    }

    #[test]
    fn a_convolution_is_that_of_the_definition() {
        let (signal, response) = (sine(48e3, 700.0, 300), vec![0.5, 0.0, -0.25]);
        let out = convolve(&signal, &response);
        for n in 2..300 {
            assert!((out[n] - (0.5 * signal[n] - 0.25 * signal[n - 2])).abs() < 1e-9);
        }
    }

    #[test]
    fn a_lower_rate_leaves_a_tone_where_it_is() {
        let low = decimate(&sine(48e3, 700.0, 48_000), 6);
        let expected = sine(8e3, 700.0, 8_000);
        assert!(low[1000..7000].iter().zip(&expected[1000..7000]).all(|(a, b)| (a - b).abs() < 1e-3));
    }
}
