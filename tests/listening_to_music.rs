//! `jaudiosync listen --music` from outside: recordings of a ride whose truth is known.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::f64::consts::{PI, TAU};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use support::Sandbox;

const RATE_HZ: u32 = 48_000;
/// How long a track is, in s.
const TRACK_S: f64 = 45.0;
/// Where in the track a recording begins, and how long it lasts, in s.
const FROM_S: f64 = 12.34;
const LENGTH_S: f64 = 24.0;
/// How exact each arrival has to be, in ms.
const EXACT_MS: f64 = 0.03;

/// Returns something like music: a bass, chords, and drums that are noise.
fn music(seed: u64, seconds: f64) -> Vec<f32> {
    let rate = f64::from(RATE_HZ);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut sound = vec![0.0_f64; (seconds * rate) as usize];
    let mut at_s = 0.0;
    while at_s < seconds {
        let beat_s = 0.2 + 0.15 * random.f64();
        let notes: Vec<f64> = (0..4).map(|_| 110.0 * 2_f64.powf(f64::from(random.u8(0..36)) / 12.0)).collect();
        let drum = random.f64();
        let first = (at_s * rate) as usize;
        let mut before = 0.0;
        for (n, sample) in sound.iter_mut().skip(first).take((0.5 * rate) as usize).enumerate() {
            let t = n as f64 / rate;
            let chord: f64 = notes
                .iter()
                .map(|note| (1..=8).map(|h| (TAU * note * f64::from(h) * t).sin() / f64::from(h)).sum::<f64>())
                .sum();
            let noise = random.f64() - 0.5;
            let bright = noise - 0.5 * before;
            before = noise;
            *sample += 0.06 * chord * (-5.0 * t).exp() + drum * bright * (-25.0 * t).exp();
        }
        at_s += beat_s;
    }
    let largest = sound.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    sound.iter().map(|x| (0.8 * x / largest) as f32).collect()
}

fn write_wav(path: &Path, samples: &[f32]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    samples.iter().for_each(|x| writer.write_sample((x.clamp(-1.0, 1.0) * 32_767.0) as i16).unwrap());
    writer.finalize().unwrap();
}

fn ffmpeg(from: &Path, to: &Path, options: &[&str]) {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-i"]).arg(from).args(options).arg(to);
    assert!(command.status().expect("ffmpeg: scripts/setup --tests installs it").success());
}

/// A Music folder with two tracks, and the second one as a box plays it.
struct Ride {
    sandbox: Sandbox,
    played: Vec<f32>,
}

static RIDE: LazyLock<Ride> = LazyLock::new(|| {
    let sandbox = Sandbox::new();
    for (name, seed) in [("one", 1), ("two", 2)] {
        let wav = sandbox.path().join("track.wav");
        write_wav(&wav, &music(seed, TRACK_S));
        ffmpeg(&wav, &sandbox.music().join(format!("{name}.mp3")), &["-b:a", "128k"]);
    }
    sandbox.playlist("one.mp3\ntwo.mp3\n");
    let decoded = sandbox.path().join("decoded.wav");
    ffmpeg(&sandbox.music().join("two.mp3"), &decoded, &["-ac", "1", "-ar", "48000"]);
    let samples = hound::WavReader::open(decoded).unwrap().into_samples::<i16>();
    let played = samples.map(|x| f32::from(x.unwrap()) / 32_768.0).collect();
    Ride { sandbox, played }
});

/// How finely places between samples are divided.
const PHASES: usize = 2048;

/// The weights of the 32 samples around a place, for every phase.
static TAPS: LazyLock<Vec<[f32; 32]>> = LazyLock::new(|| {
    let tap = |phase: usize, index: usize| {
        let x = index as f64 - 15.0 - phase as f64 / PHASES as f64;
        let sinc = if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) };
        (sinc * (0.5 + 0.5 * (PI * x / 17.0).cos())) as f32
    };
    (0..=PHASES).map(|phase| std::array::from_fn(|index| tap(phase, index))).collect()
});

/// Returns the value of a signal between its samples.
fn between(signal: &[f32], place: f64) -> f64 {
    let whole = place.floor();
    let taps = &TAPS[((place - whole) * PHASES as f64).round() as usize];
    let from = whole as usize - 15;
    f64::from(signal[from..from + 32].iter().zip(taps).map(|(x, tap)| x * tap).sum::<f32>())
}

/// Makes a recording of sounds that arrive so much later, in ms, and so loud, by a clock that is so
/// fast, with noise as loud as a part of them.
fn record(name: &str, arrivals: &[(f64, f64)], clock_ppm: f64, noise: f64) -> PathBuf {
    let rate = f64::from(RATE_HZ);
    let mut random = fastrand::Rng::with_seed(name.bytes().map(u64::from).sum());
    let step = 1.0 / (1.0 + clock_ppm * 1e-6);
    let mut sound: Vec<f64> = (0..(LENGTH_S * rate) as usize)
        .map(|n| {
            let place = |late_ms: f64| FROM_S * rate + n as f64 * step - late_ms * 1e-3 * rate;
            arrivals.iter().map(|(late_ms, gain)| gain * between(&RIDE.played, place(*late_ms))).sum()
        })
        .collect();
    let rms = |sound: &[f64]| (sound.iter().map(|x| x * x).sum::<f64>() / sound.len() as f64).sqrt();
    // A street: more of it at low frequencies.
    let mut low = 0.0;
    let mut street: Vec<f64> = (0..sound.len())
        .map(|_| {
            let white = random.f64() - 0.5;
            low = 0.98 * low + 0.15 * white;
            low + 0.3 * white
        })
        .collect();
    let scale = noise * rms(&sound) / rms(&street);
    street.iter_mut().for_each(|x| *x *= scale);
    sound.iter_mut().zip(&street).for_each(|(x, noise)| *x += noise);
    let largest = sound.iter().fold(1e-9_f64, |a, b| a.max(b.abs()));
    let samples: Vec<f32> = sound.iter().map(|x| (0.9 * x / largest) as f32).collect();
    let wav = RIDE.sandbox.path().join(format!("{name}.wav"));
    write_wav(&wav, &samples);
    let m4a = RIDE.sandbox.path().join(format!("{name}.m4a"));
    ffmpeg(&wav, &m4a, &["-c:a", "aac", "-b:a", "64k"]);
    m4a
}

fn hear(file: &Path, more: &[&str]) -> Value {
    let music = RIDE.sandbox.music();
    let arguments = ["listen", "--json", "--music", file.to_str().unwrap(), "--music-folder", music.to_str().unwrap()];
    let run = RIDE.sandbox.run(&[&arguments, more].concat());
    run.succeeds();
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["recordings"][0]["parts"].as_array().unwrap().len(), 1, "{json:#}");
    json["recordings"][0]["parts"][0].clone()
}

/// Returns when sounds arrive, in tenths of a millisecond.
fn ms(found: &Value) -> Vec<i64> {
    let arrivals = found["arrivals"].as_array().unwrap();
    arrivals.iter().map(|arrival| (10.0 * arrival["ms"].as_f64().unwrap()).round() as i64).collect()
}

/// Asserts that these arrivals were found, and no others.
#[track_caller]
fn assert_found(found: &Value, late_ms: &[f64]) {
    println!("{found:#}");
    let arrivals = found["arrivals"].as_array().unwrap();
    assert_eq!(arrivals.len(), late_ms.len(), "{found:#}");
    for (arrival, late_ms) in arrivals.iter().zip(late_ms) {
        let (ms, plus_minus_ms) = (arrival["ms"].as_f64().unwrap(), arrival["plus_minus_ms"].as_f64().unwrap());
        println!("{ms:+.4} ms ±{plus_minus_ms:.4} instead of {late_ms} ms");
        assert!((ms - late_ms).abs() < EXACT_MS && (ms - late_ms).abs() <= plus_minus_ms + 1e-9, "{found:#}");
        assert!(plus_minus_ms < 0.1, "{found:#}");
    }
    assert_eq!(found["track"], 1);
    assert!((found["from_s"].as_f64().unwrap() - FROM_S).abs() < 0.1, "{found:#}");
}

#[test]
fn two_boxes_are_heard_apart_in_noise_by_a_clock_that_is_off() {
    let found = hear(&record("near", &[(0.0, 1.0), (0.5, 0.8)], 80.0, 1.0), &[]);
    assert_found(&found, &[0.0, 0.5]);
    assert!((found["recorder_clock_ppm"].as_f64().unwrap() - 80.0).abs() < 2.0, "{found:#}");
    assert_eq!(found["verdict"], "several");
}

#[test]
fn three_boxes_of_which_the_first_is_not_the_loudest() {
    let file = record("far", &[(0.0, 0.6), (3.0, 1.0), (12.0, 0.7)], -80.0, 1.0);
    assert_found(&hear(&file, &["--track", "1", "--at", "12"]), &[0.0, 3.0, 12.0]);
}

#[test]
fn what_a_recorder_loses_is_no_arrival() {
    let whole = record("whole", &[(0.0, 1.0), (3.0, 0.9)], 10.0, 0.3);
    let wav = whole.with_extension("wav");
    let samples: Vec<i16> = hound::WavReader::open(&wav).unwrap().into_samples().map(Result::unwrap).collect();
    let place = samples.len() / 5;
    // 20 ms are missing after the first fifth.
    let rest = samples[..place].iter().chain(&samples[place + 960..]);
    let lossy = RIDE.sandbox.path().join("lossy.wav");
    write_wav(&lossy, &rest.map(|x| f32::from(*x) / 32_767.0).collect::<Vec<_>>());
    assert_eq!(ms(&hear(&lossy, &[])), ms(&hear(&wav, &[])));
}

#[test]
fn one_box_is_said_to_be_one() {
    let found = hear(&record("alone", &[(0.0, 1.0)], 20.0, 0.5), &[]);
    assert_found(&found, &[0.0]);
    assert_eq!(found["verdict"], "one");
}

#[test]
fn what_is_not_of_the_playlist_is_not_found() {
    let ride = &RIDE.sandbox;
    let other = ride.path().join("other.wav");
    write_wav(&other, &music(9, LENGTH_S));
    let music = ride.music();
    let run = |file: &Path, more: &[&str]| {
        let arguments = ["listen", "--music", file.to_str().unwrap(), "--music-folder", music.to_str().unwrap()];
        ride.run(&[&arguments, more].concat())
    };
    run(&other, &[]).fails(1, &["no track of this playlist", "--playlist-name"]);
    let file = record("wrong-track", &[(0.0, 1.0), (3.0, 1.0)], 0.0, 0.3);
    run(&file, &["--track", "0"]).fails(1, &["no track of this playlist"]);
    run(&file, &["--track", "7"]).fails(2, &["0 to 1"]);
    let person = run(&file, &[]);
    person.succeeds();
    assert!(person.stdout.contains("Several sounds arrive") && person.stdout.contains("cannot tell which"));
    let short = ride.path().join("short.wav");
    write_wav(&short, &RIDE.played[..480_000]);
    run(&short, &[]).fails(1, &["too short"]);
}
