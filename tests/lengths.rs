//! The lengths from headers and scans agree with what symphonia decodes, frame for frame.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::File;
use std::path::Path;

use support::{Sandbox, Signal};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

/// Returns the frames that symphonia decodes; `gapless` removes the encoder's delay and padding.
fn decoded_frames(path: &Path, gapless: bool) -> u64 {
    let file = Box::new(File::open(path).unwrap());
    let stream = MediaSourceStream::new(file, MediaSourceStreamOptions::default());
    let mut hint = Hint::new();
    hint.with_extension("mp3");
    let options = FormatOptions::default();
    let mut format = symphonia::default::get_probe().probe(&hint, stream, options, MetadataOptions::default()).unwrap();
    let track = format.default_track(TrackType::Audio).unwrap();
    let parameters = track.codec_params.as_ref().unwrap().audio().unwrap().clone();
    let options = AudioDecoderOptions::default().gapless(gapless);
    let mut decoder = symphonia::default::get_codecs().make_audio_decoder(&parameters, &options).unwrap();
    let mut frames = 0;
    while let Some(packet) = format.next_packet().unwrap() {
        frames += decoder.decode(&packet).unwrap().frames() as u64;
    }
    frames
}

#[test]
fn lengths_agree_with_symphonia() {
    let sandbox = Sandbox::new();
    let rates = [8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
    let kinds: [(&str, &[&str]); 5] = [
        ("cbr-tagged", &["-b", "64"]),
        ("cbr-untagged", &["-b", "64", "-t"]),
        ("vbr-tagged", &["-V", "4"]),
        ("vbr-untagged", &["-V", "4", "-t"]),
        ("abr-id3", &["--abr", "56", "--tt", "Title", "--ta", "Artist", "--add-id3v2", "--pad-id3v2-size", "30000"]),
    ];
    let mut list = String::new();
    for rate_hz in rates {
        for channels in [1, 2] {
            for (kind, options) in kinds {
                let name = format!("{rate_hz}-{channels}-{kind}.mp3");
                let frames = rate_hz as usize * 2 + 1234;
                let mode = if channels == 1 { "m" } else { "j" };
                let khz = (f64::from(rate_hz) / 1000.0).to_string();
                let options = [options, &["-m", mode, "--resample", &khz]].concat();
                Signal::tone(rate_hz, channels, frames, 300.0).encode(&sandbox.music().join(&name), &options);
                list.push_str(&name);
                list.push('\n');
            }
        }
    }
    sandbox.playlist(&list);
    let listed = sandbox.list(&[]);
    for (name, track) in list.lines().zip(listed["tracks"].as_array().unwrap()) {
        let frames = track["frames"].as_u64().unwrap();
        // Without a header symphonia guesses the length from the first frames' bit rate, and with
        // `gapless` cuts off anything beyond it; so there everything that it decodes counts.
        let is_tagged = !name.contains("untagged");
        assert_eq!(frames, decoded_frames(&sandbox.music().join(name), is_tagged), "{name}");
        let rate_hz: u64 = name.split('-').next().unwrap().parse().unwrap();
        assert_eq!(track["rate_hz"].as_u64().unwrap(), rate_hz, "{name}");
        if is_tagged {
            assert_eq!(frames, rate_hz * 2 + 1234, "{name}: a LAME header gives back the very length");
        }
    }
}
