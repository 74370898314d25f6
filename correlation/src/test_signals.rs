//! Signals for tests that can be delayed exactly, by any fraction of a frame.

use std::f64::consts::{PI, TAU};

/// Returns something like music: notes that begin and decay, each a few harmonics, delayed by
/// `delay_s`.
pub fn music(rate_hz: u32, seconds: f64, delay_s: f64, gain: f64) -> Vec<f32> {
    const NOTES_HZ: [f64; 7] = [110.0, 164.81, 220.0, 261.63, 329.63, 440.0, 659.26];
    let rate = f64::from(rate_hz);
    (0..(seconds * rate) as usize)
        .map(|n| {
            let t = n as f64 / rate - delay_s + 1.0;
            let beat = (t / 0.23).floor();
            let sum: f64 = (0..4)
                .map(|back| {
                    let beat = beat - f64::from(back);
                    let age = t - beat * 0.23;
                    let note = NOTES_HZ[(beat * 3.0) as usize * 5 % 7];
                    let envelope = (-4.0 * age).exp() * (1.0 - (-300.0 * age).exp());
                    let harmonics: f64 = (1..=6).map(|h| (TAU * note * f64::from(h) * age).sin() / f64::from(h)).sum();
                    envelope * harmonics
                })
                .sum();
            (gain * 0.3 * sum) as f32
        })
        .collect()
}

/// Returns noise up to 0.85 of half the rate, always the same, delayed by `delay_frames`.
pub fn noise(length: usize, delay_frames: f64, gain: f64) -> Vec<f32> {
    // Random numbers through a windowed sinc, evaluated at the delayed places.
    const REACH: i64 = 24;
    (0..length as i64)
        .map(|n| {
            let t = n as f64 - delay_frames;
            let middle = t.floor() as i64;
            let sum: f64 = (middle - REACH + 1..=middle + REACH)
                .map(|k| {
                    let x = t - k as f64;
                    let sinc = if x.abs() < 1e-9 { 0.85 } else { (0.85 * PI * x).sin() / (PI * x) };
                    random(k) * sinc * f64::midpoint(1.0, (PI * x / (REACH as f64 + 1.0)).cos())
                })
                .sum();
            (gain * sum) as f32
        })
        .collect()
}

/// Returns the number from -1 to 1 that belongs to `index` (splitmix64).
fn random(index: i64) -> f64 {
    let mut z = (index as u64).wrapping_add(1 << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}
