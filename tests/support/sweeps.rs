//! Recordings of a sound check as arithmetic makes them, with known truth.

use jaudiosync::sound_check::schedule::{BoxNumber, Mark, gap_s};
use jaudiosync::sound_check::signal::sweep;

use super::Sandbox;

pub const RATE_HZ: u32 = 48_000;

/// A box in a recording: its number, the seed of its marks, and how late it is, in ms.
pub type Late = (u8, u64, f64);

/// Returns a recording of boxes, by a clock that is this fast, that begins 7.3 s into a round.
pub fn recording(boxes: &[Late], seconds: f64, clock_ppm: f64) -> Vec<f32> {
    let rate = f64::from(RATE_HZ) * (1.0 + clock_ppm * 1e-6);
    // Every recording has a noise of its own.
    let mut random = fastrand::Rng::with_seed(boxes.iter().fold(5, |seed, one| seed ^ one.2.to_bits().rotate_left(9)));
    let mut samples: Vec<f32> = (0..(seconds * rate) as usize).map(|_| 0.01 * (random.f32() - 0.5)).collect();
    let began_s = 1_800_000_007.3;
    for &(number, seed, late_ms) in boxes {
        let number = BoxNumber::new(number).unwrap();
        for round in 0..=(seconds / 20.0) as i64 + 1 {
            let utc_s = 1_800_000_000 + 20 * round + number.second();
            let gap = gap_s(number, Mark::of_turn(seed, utc_s));
            let at_s = utc_s as f64 - began_s + late_ms / 1000.0;
            let first = (at_s * rate).floor().max(0.0) as usize;
            for n in first..(first + (0.9 * rate) as usize).min(samples.len()) {
                let t = n as f64 / rate - at_s;
                samples[n] += (0.3 * (sweep(t) + sweep(t - gap))) as f32;
            }
        }
    }
    samples
}

/// Writes channels as a WAV file, and returns its path.
pub fn wav(sandbox: &Sandbox, name: &str, channels: &[&[f32]]) -> String {
    let path = sandbox.path().join(name);
    let spec = hound::WavSpec {
        channels: channels.len() as u16,
        sample_rate: RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for n in 0..channels[0].len() {
        for channel in channels {
            writer.write_sample((channel[n].clamp(-1.0, 1.0) * 32_767.0) as i16).unwrap();
        }
    }
    writer.finalize().unwrap();
    path.to_str().unwrap().to_owned()
}
