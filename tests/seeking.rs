//! A track can be joined at any frame: the samples there are those read on the way from the
//! beginning.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use jaudiosync::player::decoder::{Decoder, Known, Mix};
use jaudiosync::player::library::FrameSource;
use support::playing::bursts;

const SECONDS: usize = 4;

#[test]
fn joining_in_the_middle_is_exact_to_the_frame() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp3");
    let kinds: [(&str, &[&str]); 4] = [
        ("CBR", &["-b", "64"]),
        ("CBR without a header", &["-b", "64", "-t"]),
        ("VBR", &["-V", "3"]),
        ("VBR without a header", &["-V", "3", "-t"]),
    ];
    for rate_hz in [8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000_u32] {
        for (kind, options) in kinds {
            let khz = (f64::from(rate_hz) / 1000.0).to_string();
            let options = [options, &["-m", "j", "--resample", &khz]].concat();
            bursts(5, rate_hz, SECONDS, [1.0, 0.7]).encode(&path, &options);
            let frames = rate_hz as usize * SECONDS - 2000;
            let mut whole = vec![0.0; 2 * frames];
            Decoder::open(&path, Mix::Stereo).unwrap().read(&mut whole).unwrap();
            assert!(whole.iter().any(|sample| sample.abs() > 0.05), "{kind} at {rate_hz} Hz is silent");
            for start in [1, 575, 576, 1152, 5000, frames / 2, frames - 1000, 3] {
                let mut decoder = Decoder::open(&path, Mix::Stereo).unwrap();
                decoder.seek(start as i64).unwrap();
                let mut part = vec![0.0; 2 * 500];
                decoder.read(&mut part).unwrap();
                let difference = whole[2 * start..2 * start + 1000]
                    .iter()
                    .zip(&part)
                    .fold(0.0_f32, |largest, (a, b)| largest.max((a - b).abs()));
                assert!(difference < 1e-6, "{kind} at {rate_hz} Hz from frame {start}: {difference}");
            }
        }
    }
}

#[test]
fn before_the_beginning_and_after_the_end_there_is_silence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp3");
    bursts(5, 44_100, 1, [1.0, 1.0]).encode(&path, &["-b", "128"]);
    let mut decoder = Decoder::open(&path, Mix::Mono).unwrap();
    let mut samples = vec![1.0; 44_100 + 200];
    decoder.seek(-100).unwrap();
    decoder.read(&mut samples).unwrap();
    assert!(samples[..100].iter().all(|&sample| sample == 0.0));
    assert!(samples[100..44_200].iter().any(|&sample| sample != 0.0));
    assert!(samples[44_200..].iter().all(|&sample| sample == 0.0));
    decoder.seek(1_000_000).unwrap();
    decoder.read(&mut samples).unwrap();
    assert!(samples.iter().all(|&sample| sample == 0.0));
}

#[test]
fn there_is_silence_however_far_outside_a_place_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp3");
    bursts(5, 44_100, 1, [1.0, 1.0]).encode(&path, &["-b", "128"]);
    // At another rate, too, as a wrong index may give.
    for rate_hz in [44_100, 8000, 48_000] {
        let known = Known { rate_hz: Some(rate_hz), ..Known::default() };
        let mut decoder = Decoder::open_known(&path, Mix::Stereo, known).unwrap();
        let mut samples = vec![1.0; 2 * 500];
        for place in [i64::MIN, -1_000_000, 1_000_000, i64::MAX / 2, i64::MAX] {
            decoder.seek(place).unwrap();
            decoder.read(&mut samples).unwrap();
            decoder.read(&mut samples).unwrap();
            assert!(samples.iter().all(|&sample| sample == 0.0), "sound at {place}");
        }
    }
}
