//! `jaudiosync listen` from outside: what it says of recordings, and of files that are none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use jaudiosync::listen::analysis::Known;
use jaudiosync::listen::{AnalyseError, analyse};
use jaudiosync::sound_check::schedule::{BoxNumber, Mark, gap_s};
use jaudiosync::sound_check::signal::sweep;
use serde_json::Value;
use support::Sandbox;

const RATE_HZ: u32 = 48_000;

/// A box in a recording: its number, the seed of its marks, and how late it is, in ms.
type Late = (u8, u64, f64);

/// Returns a recording of boxes, by a clock that is this fast, that begins 7.3 s into a round.
fn recording(boxes: &[Late], seconds: f64, clock_ppm: f64) -> Vec<f32> {
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
fn wav(sandbox: &Sandbox, name: &str, channels: &[&[f32]]) -> String {
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

/// Converts a recording as another recorder would have made it.
fn convert(sandbox: &Sandbox, from: &str, to: &str, options: &[&str]) -> String {
    let to = sandbox.path().join(to);
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-i", from]).args(options).arg(&to);
    assert!(command.status().expect("ffmpeg: scripts/setup --tests installs it").success());
    to.to_str().unwrap().to_owned()
}

fn json(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let run = sandbox.run(&[&["listen", "--json"], arguments].concat());
    run.succeeds();
    serde_json::from_str(&run.stdout).unwrap()
}

#[track_caller]
fn assert_offset(found: &Value, number: u8, ms: f64) {
    let boxes = found["boxes"].as_array().unwrap();
    let one = boxes.iter().find(|one| one["number"] == number).expect("the box");
    let (offset, stated) = (one["offset_ms"].as_f64().unwrap(), one["plus_minus_ms"].as_f64().unwrap());
    assert!((offset - ms).abs() < 0.02 && (offset - ms).abs() <= stated + 1e-9, "{one} instead of {ms}");
}

#[test]
fn every_format_of_a_recorder_says_the_same() {
    let sandbox = Sandbox::new();
    let samples = recording(&[(1, 1, 0.0), (2, 2, 3.7), (5, 3, -1.25)], 45.0, 63.0);
    let silent = vec![0.0; samples.len()];
    let wav = wav(&sandbox, "take.wav", &[&silent, &samples]);
    let files = [
        wav.clone(),
        convert(&sandbox, &wav, "take.m4a", &["-ac", "1", "-b:a", "64k"]),
        convert(&sandbox, &wav, "take.mp3", &["-ac", "1", "-b:a", "96k"]),
        convert(&sandbox, &wav, "take.ogg", &["-c:a", "libvorbis", "-q:a", "3"]),
        convert(&sandbox, &wav, "take.flac", &[]),
        convert(&sandbox, &wav, "alac.m4a", &["-c:a", "alac"]),
        convert(&sandbox, &wav, "slow.wav", &["-ac", "1", "-ar", "16000"]),
    ];
    for file in &files {
        let found = json(&sandbox, &["--reference", "1", file]);
        assert_offset(&found, 1, 0.0);
        assert_offset(&found, 2, 3.7);
        assert_offset(&found, 5, -1.25);
        let ppm = found["recordings"][0]["recorder_clock_ppm"].as_f64().unwrap();
        assert!((ppm - 63.0).abs() < 0.5, "{file}: {ppm} ppm");
    }
    let together = json(&sandbox, &[&files[0], &files[1]]);
    assert_eq!(together["recordings"].as_array().unwrap().len(), 2);
    assert_eq!(together["recordings"][0]["reference"], 1, "the one in the middle");
}

#[test]
fn bytes_from_anywhere_say_what_the_file_says_and_can_be_given_up() {
    let sandbox = Sandbox::new();
    let wav = wav(&sandbox, "take.wav", &[&recording(&[(1, 1, 0.0), (2, 2, 3.7)], 45.0, 63.0)]);
    let bytes = std::fs::read(convert(&sandbox, &wav, "take.m4a", &["-ac", "1", "-b:a", "64k"])).unwrap();
    let analyse = |longest_s, carry_on: &mut dyn FnMut(Option<f64>) -> bool| {
        let name = std::path::Path::new("upload.m4a");
        analyse(std::io::Cursor::new(bytes.clone()), name, longest_s, &Known::default(), carry_on)
    };
    let mut calls = 0;
    let report = analyse(180, &mut |_| {
        calls += 1;
        true
    });
    let report = serde_json::to_value(report.unwrap()).unwrap();
    assert_offset(&report, 2, 3.7);
    assert!(calls > 40, "{calls} calls");
    assert!(matches!(analyse(180, &mut |part| part.is_some_and(|part| part < 0.5)), Err(AnalyseError::Stopped)));
    let long = analyse(30, &mut |_| true).unwrap_err().to_string();
    assert!(long.contains("longer than"), "{long}");
    let nothing =
        jaudiosync::listen::analyse(std::io::Cursor::new(vec![7; 4000]), "".as_ref(), 30, &Known::default(), |_| true);
    assert!(nothing.unwrap_err().to_string().contains("format is not known"));
}

#[test]
fn exact_silence_between_the_sweeps_is_no_sound() {
    let sandbox = Sandbox::new();
    let mut samples = recording(&[(1, 1, 0.0), (2, 2, 3.7), (5, 3, -1.25)], 45.0, 0.0);
    samples.iter_mut().for_each(|sample| *sample = if sample.abs() < 0.006 { 0.0 } else { *sample });
    let wav = wav(&sandbox, "clean.wav", &[&samples]);
    for file in [wav.clone(), convert(&sandbox, &wav, "clean.m4a", &["-b:a", "64k"])] {
        let found = json(&sandbox, &["--reference", "1", &file]);
        assert_offset(&found, 2, 3.7);
        assert_offset(&found, 5, -1.25);
    }
}

#[test]
fn what_a_phone_lost_in_less_than_a_minute_is_not_taken_for_its_clock() {
    let sandbox = Sandbox::new();
    for (name, boxes, lost_at_s, lost_ms) in [
        ("far.wav", &[1, 11][..], 11.0, 2.0),
        ("near.wav", &[1, 2, 3], 11.0, 5.3),
        ("frame.wav", &[1, 2, 3], 31.0, 21.3),
    ] {
        let boxes: Vec<Late> = boxes.iter().map(|number| (*number, u64::from(*number), 0.0)).collect();
        let mut samples = recording(&boxes, 51.0, 0.0);
        let from = (lost_at_s * f64::from(RATE_HZ)) as usize;
        samples.drain(from..from + (lost_ms * 1e-3 * f64::from(RATE_HZ)) as usize);
        let file = wav(&sandbox, name, &[&samples]);
        let run = sandbox.run(&["listen", "--json", "--reference", "1", &file]);
        if run.code == Some(0) {
            let found: Value = serde_json::from_str(&run.stdout).unwrap();
            boxes.iter().for_each(|one| assert_offset(&found, one.0, 0.0));
        } else {
            run.fails(1, &["the recorder lost pieces", "a minute and a half"]);
        }
    }
}

#[test]
fn a_person_reads_what_to_set_and_what_is_assumed() {
    let sandbox = Sandbox::new();
    let file = wav(&sandbox, "take.wav", &[&recording(&[(1, 1, 0.0), (2, 2, 3.7), (3, 3, 0.0)], 45.0, -20.0)]);
    let svg = sandbox.path().join("take.svg");
    let run = sandbox.run(&["listen", &file, "--svg", svg.to_str().unwrap()]);
    run.succeeds();
    for words in ["20.0 ppm slow", "(reference)", "+3.7", "3.70 more", "as it is", "equally far from every box"] {
        assert!(run.stdout.contains(words), "no {words:?} in:\n{}", run.stdout);
    }
    let svg = std::fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("box 2") && !svg.contains("NaN"));

    let known = ["listen", &file, "--latency", "2=1.5", "--distance", "1=1", "--distance", "2=2", "--distance", "3=1"];
    let run = sandbox.run(&known);
    run.succeeds();
    // 1 m is 2.915 ms: of the 3.7 ms, 0.785 remain, and 1.5 ms are set.
    assert!(run.stdout.contains("+0.78") && run.stdout.contains("2.28"), "{}", run.stdout);
    let some = sandbox.run(&["listen", &file, "--distance", "1=1"]);
    some.fails(2, &["--distance 2=M", "--distance 3=M"]);
}

#[test]
fn no_answer_rather_than_a_wrong_one() {
    let sandbox = Sandbox::new();
    let say = |name: &str, samples: &[f32], words: &[&str]| {
        let file = wav(&sandbox, name, &[samples]);
        sandbox.run(&["listen", &file]).fails(1, words);
    };
    say("noise.wav", &recording(&[], 30.0, 0.0), &["no sound check is heard", "jaudiosync sound-check"]);
    say("one.wav", &recording(&[(4, 1, 0.0)], 60.0, 0.0), &["no two boxes", "box 4 is heard"]);
    say("short.wav", &recording(&[(9, 1, 0.0), (12, 2, 0.0)], 12.0, 0.0), &["twice", "a minute or more"]);
    say("silence.wav", &vec![0.0; 480_000], &["only silence"]);
    let quiet: Vec<f32> = recording(&[], 25.0, 0.0).iter().map(|sample| 0.03 * sample).collect();
    say("quiet.wav", &quiet, &["loudest sample is at -78 dB", "go nearer"]);
    say("second.wav", &recording(&[], 1.5, 0.0), &["it is 1.5 s long", "a minute and a half"]);

    // Two boxes with the same number, a box that another ride's may be, and one that is right.
    let samples = recording(&[(1, 1, 0.0), (2, 2, 1.0), (3, 3, 0.0), (3, 4, 9.0), (6, 5, 95.0)], 85.0, 10.0);
    let file = wav(&sandbox, "odd.wav", &[&samples]);
    let found = json(&sandbox, &["--reference", "1", &file]);
    assert_offset(&found, 2, 1.0);
    assert!(found["boxes"].as_array().unwrap().iter().all(|one| one["number"] != 3 && one["number"] != 6), "{found:#}");
    let run = sandbox.run(&["listen", &file]);
    run.succeeds();
    for words in ["box 3: two boxes sound with this number", "box 6: too late"] {
        assert!(run.stdout.contains(words), "no {words:?} in:\n{}", run.stdout);
    }
}

#[test]
fn a_file_that_is_no_recording_is_refused_in_words() {
    let sandbox = Sandbox::new();
    let text = sandbox.path().join("notes.wav");
    std::fs::write(&text, "This is no sound.").unwrap();
    sandbox.run(&["listen", text.to_str().unwrap()]).fails(1, &["it is text, not a recording"]);
    std::fs::write(&text, [7; 5000]).unwrap();
    let run = sandbox.run(&["listen", text.to_str().unwrap()]);
    run.fails(1, &["format is not known", "ffmpeg -i FILE -vn"]);
    assert_eq!(run.stderr.lines().count(), 1, "a library's log: {}", run.stderr);
    std::fs::write(&text, "").unwrap();
    sandbox.run(&["listen", text.to_str().unwrap()]).fails(1, &["it is empty"]);
    std::fs::write(&text, b"#!AMR\n\x04\0").unwrap();
    sandbox.run(&["listen", text.to_str().unwrap()]).fails(1, &["it is an AMR file", "ffmpeg"]);
    sandbox.run(&["listen", "/dev/zero"]).fails(1, &["it is a device"]);
    sandbox.run(&["listen", "no-such-file.m4a"]).fails(1, &["no-such-file.m4a", "No such file"]);
    sandbox.run(&["listen", sandbox.path().to_str().unwrap()]).fails(1, &["directory"]);
    sandbox.run(&["listen"]).fails(2, &["FILE"]);
    sandbox.run(&["listen", "x.wav", "--distance", "1"]).fails(2, &["such as 2=3.5"]);
    sandbox.run(&["listen", "x.wav", "--reference", "17"]).fails(2, &["1 to 16"]);
    let wav = wav(&sandbox, "take.wav", &[&recording(&[(1, 1, 0.0), (2, 2, 1.0)], 45.0, 0.0)]);
    let opus = convert(&sandbox, &wav, "take.opus", &["-c:a", "libopus"]);
    sandbox.run(&["listen", &opus]).fails(1, &["Opus", "ffmpeg"]);
    let low = convert(&sandbox, &wav, "low.wav", &["-ar", "4000"]);
    sandbox.run(&["listen", &low]).fails(1, &["4000 Hz"]);
    // A recording that was cut off in the middle of a byte, and one with bytes of something else.
    let bytes = std::fs::read(&wav).unwrap();
    let m4a = std::fs::read(convert(&sandbox, &wav, "take.m4a", &["-ac", "1"])).unwrap();
    for (name, bytes, words) in [
        ("part.wav", &bytes[..200_000], "of 45 s only 2 s are there"),
        ("part.m4a", &m4a[..m4a.len() / 2], "its end is missing"),
    ] {
        std::fs::write(sandbox.path().join(name), bytes).unwrap();
        sandbox.run(&["listen", sandbox.path().join(name).to_str().unwrap()]).fails(1, &[words]);
    }
    for (name, bytes) in [("cut.wav", &bytes[..1001]), ("cut.m4a", &m4a[..m4a.len() / 2]), ("head.m4a", &m4a[..100])] {
        std::fs::write(sandbox.path().join(name), bytes).unwrap();
        sandbox.run(&["listen", sandbox.path().join(name).to_str().unwrap()]).does_not_panic();
    }
    let mut random = fastrand::Rng::with_seed(9);
    for (kind, whole) in [("wav", &bytes), ("m4a", &m4a)] {
        for n in 0..6 {
            let mut broken = whole.clone();
            let from = random.usize(0..2000);
            broken[from..from + 40].iter_mut().for_each(|byte| *byte = random.u8(..));
            let name = sandbox.path().join(format!("broken-{n}.{kind}"));
            std::fs::write(&name, broken).unwrap();
            sandbox.run(&["listen", name.to_str().unwrap()]).does_not_panic();
        }
    }
}

#[test]
fn what_comes_through_a_pipe_is_heard_whatever_its_format() {
    let sandbox = Sandbox::new();
    let wav = wav(&sandbox, "take.wav", &[&recording(&[(1, 1, 0.0), (2, 2, 3.7)], 45.0, 0.0)]);
    // The index of an M4A file is at its end; a WAV file from a pipe does not say how long it is.
    let m4a = convert(&sandbox, &wav, "take.m4a", &["-ac", "1", "-b:a", "64k"]);
    let streamed = convert(&sandbox, &wav, "streamed.wav", &["-f", "wav", "-fflags", "+bitexact"]);
    let mut streamed_bytes = std::fs::read(streamed).unwrap();
    for place in [4, 40] {
        streamed_bytes[place..place + 4].copy_from_slice(&[0xff; 4]);
    }
    for (bytes, name) in [(std::fs::read(m4a).unwrap(), "-"), (streamed_bytes, "/dev/stdin")] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_jaudiosync"))
            .args(["listen", "--json", "--reference", "1", name])
            .current_dir(sandbox.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_offset(&serde_json::from_slice(&output.stdout).unwrap(), 2, 3.7);
    }
    let mut nothing = Command::new(env!("CARGO_BIN_EXE_jaudiosync"));
    nothing.args(["listen", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let output = nothing.spawn().unwrap().wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing comes through the pipe"), "{output:?}");
}

#[test]
fn a_picture_is_never_drawn_over_the_recording() {
    let sandbox = Sandbox::new();
    let file = wav(&sandbox, "take.wav", &[&recording(&[], 1.0, 0.0), &recording(&[], 1.0, 0.0)]);
    let before = std::fs::read(&file).unwrap();
    let (linked, same) = (sandbox.path().join("link.svg"), sandbox.path().join("same.svg"));
    std::os::unix::fs::symlink(&file, &linked).unwrap();
    std::fs::hard_link(&file, &same).unwrap();
    for svg in [file.as_str(), linked.to_str().unwrap(), same.to_str().unwrap()] {
        sandbox.run(&["listen", &file, "--svg", svg]).fails(2, &["would overwrite the recording"]);
        sandbox.run(&["listen", "--stereo", &file, "--svg", svg]).fails(2, &["would overwrite the recording"]);
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn two_line_outputs_in_one_stereo_recorder() {
    let sandbox = Sandbox::new();
    let boxes = |late_ms: f64| [9, 10, 11, 12, 13].map(|number| (number, 7, late_ms));
    let left = recording(&boxes(0.0), 12.0, 0.0);
    let right = recording(&boxes(0.1234), 12.0, 0.0);
    let file = wav(&sandbox, "desk.wav", &[&left, &right]);
    let found = json(&sandbox, &["--stereo", &file]);
    let median = found["median_ms"].as_f64().unwrap();
    assert!((median - 0.1234).abs() < 0.005, "{median} ms");
    let lags = found["lags"].as_array().unwrap();
    assert!(
        lags.len() > 100
            && lags.windows(2).all(|pair| {
                (pair[1]["at_s"].as_f64().unwrap() - pair[0]["at_s"].as_f64().unwrap() - 0.1).abs() < 1e-6
            })
    );
    let svg = sandbox.path().join("desk.svg");
    let run = sandbox.run(&["listen", "--stereo", &file, "--svg", svg.to_str().unwrap()]);
    run.succeeds();
    assert!(run.stdout.contains("ms behind the left"), "{}", run.stdout);
    assert!(std::fs::read_to_string(svg).unwrap().contains("right behind left"));
    let mono = wav(&sandbox, "mono.wav", &[&left]);
    sandbox.run(&["listen", "--stereo", &mono]).fails(1, &["one channel"]);
    let apart = wav(&sandbox, "apart.wav", &[&left, &vec![0.0; left.len()]]);
    sandbox.run(&["listen", "--stereo", &apart]).fails(1, &["never play the same"]);
}
