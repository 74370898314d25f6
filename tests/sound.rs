//! The sound stays clean on its way from the MP3 to the DAC's rate, at any speed that the phase
//! lock may choose.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/place_tone.rs"]
mod place_tone;
#[path = "support/player_harness.rs"]
#[allow(dead_code)]
mod player_harness;
#[path = "support/virtual_loader.rs"]
#[allow(dead_code)]
mod virtual_loader;

mod support;

use jaudiosync_time::Span;
use std::f64::consts::TAU;

use jaudiosync::player::decoder::{Decoder, Mix};
use jaudiosync::player::library::{DecodeError, FrameSource};
use jaudiosync::player::resampler::Resampler;
use jaudiosync_hw::dac::Imperfections;
use jaudiosync_measure::thd_plus_noise_db;
use player_harness::PlayerHarness;
use support::Signal;

const TONE_HZ: f64 = 997.0;

/// Rates of the track and the device.
const RATES_HZ: [(u32, u32); 3] = [(44_100, 48_000), (48_000, 44_100), (48_000, 48_000)];

/// Tones as high as encoders usually leave them.
const TONES_HZ: [f64; 7] = [100.0, TONE_HZ, 5_000.0, 10_000.0, 15_000.0, 17_000.0, 18_000.0];

/// A tone that no encoder has touched, at half of full scale.
struct PureTone {
    rate_hz: u32,
    tone_hz: f64,
    frame: i64,
}

impl FrameSource for PureTone {
    fn seek(&mut self, frame: i64) -> Result<(), DecodeError> {
        self.frame = frame;
        Ok(())
    }

    fn read(&mut self, out: &mut [f32]) -> Result<(), DecodeError> {
        for sample in out {
            *sample = (0.5 * (TAU * self.tone_hz * self.frame as f64 / f64::from(self.rate_hz)).sin()) as f32;
            self.frame += 1;
        }
        Ok(())
    }
}

/// Returns four seconds of a mono source, from half a second on, at the device's rate and a speed.
fn play(source: &mut dyn FrameSource, (track_rate_hz, device_rate_hz): (u32, u32), ppm: f64) -> Vec<f32> {
    let mut resampler = Resampler::new(track_rate_hz, device_rate_hz, 1);
    resampler.start_at(0.5 * f64::from(track_rate_hz), source).unwrap();
    let mut samples = Vec::new();
    while samples.len() < 4 * device_rate_hz as usize {
        samples.extend_from_slice(resampler.next_block(1.0 + ppm * 1e-6, source).unwrap());
    }
    samples
}

/// Returns THD+N of a source with a tone, at the device's rate and a speed.
fn noise_db(source: &mut dyn FrameSource, rates_hz: (u32, u32), tone_hz: f64, ppm: f64) -> f64 {
    thd_plus_noise_db(&play(source, rates_hz, ppm), rates_hz.1, tone_hz * (1.0 + ppm * 1e-6))
}

#[test]
fn a_tone_comes_out_clean_at_any_speed() {
    for rates_hz in RATES_HZ {
        for ppm in [0.0, 100.0, -300.0] {
            let noise_db = TONES_HZ.map(|tone_hz| {
                noise_db(&mut PureTone { rate_hz: rates_hz.0, tone_hz, frame: 0 }, rates_hz, tone_hz, ppm)
            });
            println!("{rates_hz:?} at {ppm:+} ppm: THD+N of {TONES_HZ:?} Hz {noise_db:.1?} dB");
            assert!(noise_db.iter().all(|noise_db| *noise_db <= -110.0), "{rates_hz:?} at {ppm} ppm: {noise_db:?} dB");
        }
    }
}

/// A part of a file may have any of the rates of MPEG audio, and the track any other.
#[test]
fn a_tone_comes_out_clean_from_any_rate_at_any_other() {
    const RATES_HZ: [u32; 5] = [8_000, 11_025, 24_000, 44_100, 48_000];
    for rates_hz in RATES_HZ.iter().flat_map(|track| RATES_HZ.map(|device| (*track, device))) {
        let noise_db =
            noise_db(&mut PureTone { rate_hz: rates_hz.0, tone_hz: TONE_HZ, frame: 0 }, rates_hz, TONE_HZ, 0.0);
        assert!(noise_db <= -110.0, "{rates_hz:?}: {noise_db} dB");
    }
}

#[test]
fn what_the_device_cannot_play_is_not_mirrored() {
    let rates_hz = (48_000, 24_000);
    for tone_hz in [13_500.0, 16_000.0, 20_000.0] {
        let samples = play(&mut PureTone { rate_hz: rates_hz.0, tone_hz, frame: 0 }, rates_hz, 0.0);
        let peak_db = 20.0 * samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs())).log10();
        assert!(peak_db <= -110.0, "{tone_hz} Hz: {peak_db} dB");
    }
}

#[test]
fn a_tone_keeps_its_level() {
    for rates_hz in RATES_HZ {
        for tone_hz in TONES_HZ {
            let samples = play(&mut PureTone { rate_hz: rates_hz.0, tone_hz, frame: 0 }, rates_hz, 100.0);
            let mean = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64;
            let level_db = 10.0 * (mean / 0.125).log10();
            assert!(level_db.abs() < 0.1, "{rates_hz:?}, {tone_hz} Hz: {level_db} dB");
        }
    }
}

/// LAME's own noise at 320 kbit/s is some -77 dB in any decoder; the path must not add to it.
#[test]
fn an_mp3_comes_out_as_clean_as_it_was_encoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tone.mp3");
    for rates_hz in RATES_HZ {
        let frames = 6 * rates_hz.0 as usize;
        Signal::tone(rates_hz.0, 2, frames, TONE_HZ).encode(&path, &["-b", "320", "-q", "0"]);
        let mut decoder = Decoder::open(&path, Mix::Mono).unwrap();
        let mut decoded = vec![0.0; 4 * rates_hz.0 as usize];
        decoder.seek(i64::from(rates_hz.0) / 2).unwrap();
        decoder.read(&mut decoded).unwrap();
        let encoded_db = thd_plus_noise_db(&decoded, rates_hz.0, TONE_HZ);
        for ppm in [0.0, 100.0, -300.0] {
            let noise_db = noise_db(&mut decoder, rates_hz, TONE_HZ, ppm);
            println!("{rates_hz:?} at {ppm:+} ppm: encoded {encoded_db:.1} dB, played {noise_db:.1} dB");
            assert!(noise_db <= encoded_db + 0.5, "{rates_hz:?} at {ppm} ppm: {encoded_db} dB became {noise_db} dB");
        }
    }
}

#[test]
fn a_reseek_does_not_click() {
    let mut player = PlayerHarness::new(48_000, Imperfections::default(), -20, Span::ZERO, 3);
    player.keep_sound = true;
    player.run(3.0);
    // 70 ms: the tone continues at quite another place of its period.
    player.utc.to += Span::from_ms(70);
    player.run(2.0);
    assert!(player.events.iter().any(|event| format!("{event:?}").contains("Reseeked")), "{:?}", player.events);
    let left: Vec<f32> = player.sound.chunks_exact(2).map(|pair| pair[0]).collect();
    let first = left.iter().position(|sample| sample.abs() > 0.01).unwrap() + 1000;
    // A click is a corner: the second difference shows it, relative to full scale.
    let corner = left[first..].windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).abs()).fold(0.0, f32::max);
    let corner_db = 20.0 * corner.log10();
    println!("largest corner {corner_db:.1} dB");
    assert!(corner_db < -40.0, "{corner_db} dB");
}
