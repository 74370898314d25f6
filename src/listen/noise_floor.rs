//! What a compressed recording holds besides pulses: the power of its noise at each frequency.

use super::compress::RATE_HZ;
use super::transform::Transform;

/// Samples that are looked at together: 43 ms, most of which hold no pulse.
const FRAME: usize = 1024;
/// As many frames as this say enough.
const FRAMES: usize = 4000;

/// Between the sweeps of a clean recording, AAC leaves exact silence, and round it what is not noise:
/// nothing counts as quieter than this part of the mean power.
const LEAST: f64 = 1e-4;

/// The power of noise by frequency.
#[derive(Debug, Clone)]
pub struct NoiseFloor {
    /// Per bin of a frame of [`FRAME`] samples.
    power: Vec<f64>,
}

impl NoiseFloor {
    /// Measures it as the median over the recording, which short pulses hardly change.
    pub fn measure(compressed: &[f32]) -> Self {
        let transform = Transform::<f64>::new(FRAME);
        let step = (compressed.len() / FRAMES).max(FRAME / 2);
        let mut by_bin = vec![Vec::new(); transform.bins()];
        for start in (0..compressed.len().saturating_sub(FRAME)).step_by(step) {
            let windowed: Vec<f64> = compressed[start..start + FRAME]
                .iter()
                .enumerate()
                .map(|(n, x)| f64::from(*x) * (std::f64::consts::PI * (n as f64 + 0.5) / FRAME as f64).sin().powi(2))
                .collect();
            for (powers, x) in by_bin.iter_mut().zip(transform.spectrum(&windowed)) {
                powers.push(x.norm_sqr());
            }
        }
        let mean = |powers: &Vec<f64>| powers.iter().sum::<f64>() / powers.len().max(1) as f64;
        let of_all = by_bin.iter().map(mean).sum::<f64>() / by_bin.len() as f64;
        let least: Vec<f64> = by_bin.iter().map(|powers| LEAST * f64::midpoint(mean(powers), 0.1 * of_all)).collect();
        Self { power: by_bin.into_iter().map(median).zip(least).map(|(power, least)| power.max(least)).collect() }
    }

    /// Returns the power at a frequency, in units that are the same at every frequency.
    pub fn at(&self, frequency_hz: f64) -> f64 {
        let place = frequency_hz * FRAME as f64 / RATE_HZ as f64;
        let bin = (place.max(0.0) as usize).min(self.power.len() - 2);
        let part = (place - bin as f64).clamp(0.0, 1.0);
        self.power[bin] * (1.0 - part) + self.power[bin + 1] * part
    }

    /// Returns the largest power at any frequency.
    pub fn largest(&self) -> f64 {
        self.power.iter().copied().fold(0.0, f64::max)
    }
}

/// Returns the median; 0 of nothing.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}
