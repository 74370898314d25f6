//! `jaudiosync listen` from outside: what it says of recordings, and of files that are none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Command;

use jaudiosync::listen::analysis::Known;
use jaudiosync::listen::{AnalyseError, analyse};
use serde_json::Value;
use support::Sandbox;
use support::sweeps::{Late, RATE_HZ, recording, wav};

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
    let nothing = jaudiosync::listen::analyse(
        std::io::Cursor::new(b"no recording".to_vec()),
        "".as_ref(),
        30,
        &Known::default(),
        |_| true,
    );
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
    say("silence.wav", &vec![0.0; 480_000], &["no sound check is heard"]);

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
    sandbox.run(&["listen", text.to_str().unwrap()]).fails(1, &["format is not known", "ffmpeg"]);
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
