//! Turns sweeps into short pulses: a recording of any rate goes in piece by piece, and the response
//! of the air between speaker and microphone comes out, at 24 kHz, as if every sweep had been a
//! click at its beginning.

use realfft::num_complex::Complex;

use super::transform::Transform;
use crate::sound_check::signal::{HIGHEST_HZ, LOWEST_HZ, frequency_hz, sweep};

/// The rate of what comes out, in Hz.
pub const RATE_HZ: usize = 24_000;
/// What is transformed at once, in s. With 8 s, the length has small factors at every usual rate.
const BLOCK_S: usize = 8;
/// How much of it is new, in s. A block also holds what precedes it and a sweep that begins at the end.
const STEP_S: usize = 7;
/// How much of it precedes the new part, in quarters of a second.
const BEFORE_QUARTERS: usize = 1;
/// What is weaker than this part of the sweep's strongest frequency is not amplified in full.
const FLOOR: f32 = 1e-3;

/// Compresses a recording as it comes.
pub struct Compressor {
    rate_hz: usize,
    forward: Transform<f32>,
    inverse: Transform<f32>,
    /// What each bin is multiplied by.
    filter: Vec<Complex<f32>>,
    pending: Vec<f32>,
    samples: usize,
    out: Vec<f32>,
    taken: usize,
}

impl Compressor {
    /// Begins with a recording of this rate.
    pub fn new(rate_hz: u32) -> Self {
        let rate_hz = rate_hz as usize;
        let forward = Transform::new(BLOCK_S * rate_hz);
        let inverse = Transform::new(BLOCK_S * RATE_HZ);
        let filter = filter(rate_hz, &forward, inverse.bins());
        let pending = vec![0.0; BEFORE_QUARTERS * rate_hz / 4];
        Self { rate_hz, forward, inverse, filter, pending, samples: 0, out: Vec::new(), taken: 0 }
    }

    /// Begins with a recording of this rate that is only brought to [`RATE_HZ`] and to the band from 350 Hz
    /// to 10 kHz; nothing is made shorter.
    pub fn plain(rate_hz: u32) -> Self {
        let mut made = Self::new(rate_hz);
        let highest_hz = HIGHEST_HZ.min(0.49 * f64::from(rate_hz));
        let scale = 1.0 / (BLOCK_S * made.rate_hz) as f32;
        for (bin, factor) in made.filter.iter_mut().enumerate() {
            *factor = Complex::new(in_band(bin as f64 / BLOCK_S as f64, highest_hz) as f32 * scale, 0.0);
        }
        made
    }

    /// Takes what has been made so far, and forgets it.
    pub fn take(&mut self) -> Vec<f32> {
        self.taken += self.out.len();
        std::mem::take(&mut self.out)
    }

    /// Takes the samples that follow.
    pub fn push(&mut self, samples: &[f32]) {
        self.pending.extend_from_slice(samples);
        self.samples += samples.len();
        while self.pending.len() >= BLOCK_S * self.rate_hz {
            self.compress_block();
        }
    }

    /// Returns the whole, as long as the recording, or what has not been taken of it.
    pub fn finish(mut self) -> Vec<f32> {
        let length = (self.samples as u128 * RATE_HZ as u128 / self.rate_hz.max(1) as u128) as usize;
        let length = length.saturating_sub(self.taken);
        while self.out.len() < length {
            self.pending.resize(BLOCK_S * self.rate_hz, 0.0);
            self.compress_block();
        }
        self.out.truncate(length);
        self.out
    }

    fn compress_block(&mut self) {
        let spectrum = self.forward.spectrum(&self.pending[..BLOCK_S * self.rate_hz]);
        let product = spectrum.iter().zip(&self.filter).map(|(x, filter)| x * filter).collect();
        let signal = self.inverse.signal(product);
        let first = BEFORE_QUARTERS * RATE_HZ / 4;
        self.out.extend_from_slice(&signal[first..first + STEP_S * RATE_HZ]);
        self.pending.drain(..STEP_S * self.rate_hz);
    }
}

/// Returns what the spectrum of a block is multiplied by: the inverse of the sweep's, within its band.
fn filter(rate_hz: usize, forward: &Transform<f32>, bins: usize) -> Vec<Complex<f32>> {
    let rate = rate_hz as f64;
    // What a recorder's filter leaves below half the rate.
    let highest_hz = HIGHEST_HZ.min(0.49 * rate);
    let samples: Vec<f32> = (0..forward.bins() * 2)
        .map(|n| n as f64 / rate)
        .take_while(|&t| t <= crate::sound_check::signal::SWEEP_S)
        .map(|t| (sweep(t) * falling(frequency_hz(t), 0.94 * highest_hz, highest_hz)) as f32)
        .collect();
    let spectrum = forward.spectrum(&samples);
    let strongest = spectrum.iter().map(Complex::norm_sqr).fold(0.0, f32::max);
    let scale = 1.0 / (BLOCK_S * RATE_HZ) as f32;
    spectrum
        .iter()
        .enumerate()
        .take(bins)
        .map(|(bin, s)| {
            let frequency = bin as f64 / BLOCK_S as f64;
            let band = in_band(frequency, highest_hz) as f32;
            s.conj() * (band * scale / (s.norm_sqr() + FLOOR * strongest))
        })
        .collect()
}

/// Returns how much of a frequency is taken, 0 to 1, if the recording reaches up to `highest_hz`.
pub fn in_band(frequency_hz: f64, highest_hz: f64) -> f64 {
    let rising = 1.0 - falling(frequency_hz, LOWEST_HZ, 1.25 * LOWEST_HZ);
    rising * falling(frequency_hz, 0.9 * highest_hz, highest_hz)
}

/// Returns 1 up to `from`, 0 from `to` on, and half a period of a cosine in between.
fn falling(value: f64, from: f64, to: f64) -> f64 {
    let part = ((value - from) / (to - from)).clamp(0.0, 1.0);
    0.5 + 0.5 * (std::f64::consts::PI * part).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a recording with a sweep at each of these times.
    fn recording(rate_hz: u32, length_s: f64, at_s: &[f64]) -> Vec<f32> {
        let rate = f64::from(rate_hz);
        (0..(length_s * rate) as usize)
            .map(|n| at_s.iter().map(|at| sweep(n as f64 / rate - at)).sum::<f64>() as f32)
            .collect()
    }

    #[test]
    fn every_sweep_becomes_a_pulse_at_its_beginning_at_any_rate() {
        for rate_hz in [8_000, 11_025, 16_000, 44_100, 48_000, 96_000] {
            let at_s = [0.05, 6.9, 7.1, 13.5];
            let mut compressor = Compressor::new(rate_hz);
            recording(rate_hz, 15.0, &at_s).chunks(5_000).for_each(|piece| compressor.push(piece));
            let out = compressor.finish();
            assert_eq!(out.len(), 15 * RATE_HZ);
            for at in at_s {
                let around = (at * RATE_HZ as f64).round() as usize;
                let (peak, _) =
                    (around - 500..around + 500).map(|n| (n, out[n].abs())).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
                assert!(peak.abs_diff(around) <= 1, "{rate_hz} Hz: at {peak}, not {around}");
                let far = (around - 500..around + 500).filter(|n| n.abs_diff(around) > 120);
                let rest = far.map(|n| out[n].abs()).fold(0.0, f32::max);
                assert!(rest < 0.05 * out[peak].abs(), "{rate_hz} Hz: {rest} beside {}", out[peak]);
            }
        }
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert_eq!(Compressor::new(48_000).finish(), Vec::<f32>::new());
    }
}
