//! What else is heard.

use std::f64::consts::TAU;

use fastrand::Rng;

use super::filters::shape;
use crate::randomness::normal;

/// The period of the noises' textures, in samples: what modulates them does not repeat.
const PERIOD: usize = 1 << 18;

/// Returns the noise of a street: mostly low, with cars that pass.
pub fn traffic(random: &mut Rng, rate_hz: f64, length: usize) -> Vec<f64> {
    // Tyres: flat to 1 kHz, falling above; engines below 200 Hz.
    let texture = texture(random, rate_hz, |f| {
        let tyres = 1.0 / (1.0 + (f / 1000.0).powi(2));
        let engines = 4.0 / (1.0 + (f / 120.0).powi(2));
        if f < 30.0 { 0.0 } else { tyres + engines }
    });
    let cars: Vec<(f64, f64, f64)> = (0..length / (6.0 * rate_hz) as usize + 1)
        .map(|_| (random.f64() * length as f64 / rate_hz, 0.5 + 2.5 * random.f64(), 0.5 + 2.0 * random.f64()))
        .collect();
    (0..length)
        .map(|n| {
            let at = n as f64 / rate_hz;
            let near: f64 = cars.iter().map(|(when, near, width)| near / (1.0 + ((at - when) / width).powi(2))).sum();
            texture[n % PERIOD] * (0.4 + near)
        })
        .collect()
}

/// Returns the noise of a crowd: many voices, each with its syllables.
pub fn crowd(random: &mut Rng, rate_hz: f64, length: usize) -> Vec<f64> {
    let mut sum = vec![0.0; length];
    for _ in 0..12 {
        let formant_hz = 400.0 + 1200.0 * random.f64();
        let voice = texture(random, rate_hz, |f| {
            let body = (-((f / formant_hz).ln() / 0.7).powi(2)).exp();
            let hiss = 0.12 / (1.0 + ((f - 4500.0) / 1800.0).powi(2));
            body + hiss
        });
        let (syllables_hz, phase, slow_hz) = (3.0 + 3.0 * random.f64(), TAU * random.f64(), 0.1 + 0.3 * random.f64());
        let gain = 0.3 + random.f64();
        for (n, sample) in sum.iter_mut().enumerate() {
            let at = n as f64 / rate_hz;
            let syllable = (TAU * syllables_hz * at + phase).sin().max(0.0);
            let turn = 0.5 + 0.5 * (TAU * slow_hz * at + 2.0 * phase).sin();
            *sample += gain * voice[n % PERIOD] * syllable * turn;
        }
    }
    sum
}

/// Returns one period of noise with a spectrum; it goes on where it began.
fn texture(random: &mut Rng, rate_hz: f64, gain: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut noise: Vec<f64> = (0..PERIOD).map(|_| normal(random)).collect();
    shape(&mut noise, rate_hz, gain);
    noise
}

/// Returns the root mean square.
pub fn rms(samples: &[f64]) -> f64 {
    (samples.iter().map(|x| x * x).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}
