//! What a phone makes of the sound at its microphone.

use super::filters::{Biquad, decimate};
use super::noise::rms;

/// The faults of a recorder. Its clock is not among them: the sound is sampled by it from the start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recorder {
    /// Automatic gain control.
    pub has_gain_control: bool,
    /// Cut off at this part of the largest sample.
    pub clips_at: Option<f64>,
    /// 8 kHz, 300 to 3400 Hz, in the logarithmic steps of a telephone.
    pub is_telephone: bool,
    /// Pieces that are missing: from which second, and how long, in s.
    pub gaps_s: Vec<(f64, f64)>,
}

/// The rate at which the sound is sampled, in Hz.
pub const RATE_HZ: u32 = 48_000;

impl Recorder {
    /// Returns what is recorded of a sound at [`RATE_HZ`], and its rate, in Hz.
    pub fn record(&self, mut sound: Vec<f64>) -> (Vec<f32>, u32) {
        Biquad::high_pass(f64::from(RATE_HZ), 80.0).apply(&mut sound);
        if self.has_gain_control {
            control_gain(&mut sound);
        }
        if let Some(part) = self.clips_at {
            let limit = part * sound.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
            sound.iter_mut().for_each(|x| *x = x.clamp(-limit, limit));
        }
        for &(from_s, length_s) in self.gaps_s.iter().rev() {
            let from = ((from_s * f64::from(RATE_HZ)) as usize).min(sound.len());
            let to = (from + (length_s * f64::from(RATE_HZ)) as usize).min(sound.len());
            sound.drain(from..to);
        }
        let mut rate_hz = RATE_HZ;
        if self.is_telephone {
            for _ in 0..2 {
                Biquad::high_pass(f64::from(RATE_HZ), 300.0).apply(&mut sound);
                Biquad::low_pass(f64::from(RATE_HZ), 3400.0).apply(&mut sound);
            }
            sound = decimate(&sound, 6);
            rate_hz /= 6;
        }
        let largest = sound.iter().fold(1e-9_f64, |a, b| a.max(b.abs()));
        let steps = |x: f64| if self.is_telephone { mu_law(x) } else { (x * 32_767.0).round() / 32_768.0 };
        (sound.iter().map(|x| steps(x / largest * 0.98) as f32).collect(), rate_hz)
    }
}

/// Returns the nearest value that the μ-law of telephones has (ITU-T G.711, as a formula).
fn mu_law(x: f64) -> f64 {
    let coded = (255.0 * x.abs()).ln_1p() / 256_f64.ln();
    let coded = (coded * 127.0).round() / 127.0;
    x.signum() * (coded * 256_f64.ln()).exp_m1() / 255.0
}

/// Brings the sound to the same level: quickly when it becomes louder, slowly when it fades.
fn control_gain(sound: &mut [f64]) {
    let target = rms(sound);
    let (attack, release) = (1.0 / (0.01 * f64::from(RATE_HZ)), 1.0 / (0.6 * f64::from(RATE_HZ)));
    let mut level = target;
    for sample in sound {
        let now = sample.abs() * std::f64::consts::FRAC_PI_2;
        level += (now - level) * if now > level { attack } else { release };
        *sample *= (target / level.max(1e-9)).clamp(0.1, 8.0);
    }
}
