//! Proof by ear from end to end: three boxes play a sound check, one of them late; what they sound
//! like is mixed to one channel, compressed as by a phone, and heard by `jaudiosync listen`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::process::Command;

use jaudiosync::control::Command as Order;
use jaudiosync::control::protocol::PlayState;
use jaudiosync::sound_check::schedule::{BoxNumber, ROUND_S};
use jaudiosync::sound_check::signal::sweep;
use jaudiosync_measure::{Recorder, Recording, Sink, VirtualCard, best_lag};
use serde_json::Value;
use support::hearing::{Stage, heard, sleep_until, slot_s};
use support::service_process::{Make, ServiceProcess};
use support::undisturbed::undisturbed;
use support::{Sandbox, now_s};

/// How late box 3 is made, in ms.
const LATE_MS: f64 = 3.7;
/// What `listen` may be off from what really was in the recording, in ms: how far apart two turns of a
/// player are on a busy machine. Otherwise it is 0.015 ms.
const EXACT_MS: f64 = 0.1;
/// How far apart the players may be on a shared machine, in ms: see `measure/src/virtual_card.rs`.
const SHARED_MS: f64 = 1.0;
/// How long is recorded: every box sounds twice, wherever in a round it begins.
const RECORDED_S: f64 = 44.0;

fn config(number: u8, output_latency_ms: f64) -> String {
    format!(
        "[time]\nsource = \"system\"\n[sound]\noutput_latency_ms = {output_latency_ms}\n[sound_check]\nnumber = {number}\n"
    )
}

/// Records a sound check that has been commanded, and stops it.
fn record(card: &VirtualCard, boxes: &[ServiceProcess]) -> Recording {
    let recorder = Recorder::start(card).unwrap();
    for made in boxes {
        let words = made.ask(Order::SoundCheck { minutes: None, all: false }).into_message().unwrap();
        assert!(words.starts_with("sounds as box "), "{words}");
    }
    let from_s = boxes.iter().map(|made| {
        let status = made.wait_until("in the sound check", |status| status.play.state == PlayState::SoundCheck);
        assert!(status.play.track.is_none());
        now_s()
    });
    // The next slot of the grid is at most 20 s ahead.
    let from_s = from_s.fold(0.0, f64::max) + 20.0;
    sleep_until(from_s + RECORDED_S);
    for made in boxes {
        made.ask(Order::Stop {}).into_message().unwrap();
        made.wait_until("stopped", |status| status.play.state == PlayState::Stopped);
    }
    recorder.finish().unwrap()
}

/// Writes the recording as a phone would have made it: one channel, AAC in M4A.
fn as_m4a(sandbox: &Sandbox, recording: &Recording, name: &str) -> String {
    let wav = sandbox.path().join("recording.wav");
    recording.save_wav(&wav).unwrap();
    let m4a = sandbox.path().join(name);
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i"])
        .arg(&wav)
        .args(["-ac", "1", "-c:a", "aac", "-b:a", "64k"])
        .arg(&m4a)
        .status()
        .expect("ffmpeg: scripts/setup --tests installs it");
    assert!(status.success());
    m4a.to_str().unwrap().to_owned()
}

/// Returns by how much each box is late according to `listen`, in ms against box 1.
fn heard_ms(sandbox: &Sandbox, file: &str) -> [f64; 3] {
    let run = sandbox.run(&["listen", "--json", "--reference", "1", file]);
    run.succeeds();
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    let offset = |number: usize| {
        let found = &json["boxes"][number - 1];
        assert_eq!(found["number"], number, "{json:#}");
        found["offset_ms"].as_f64().unwrap()
    };
    [offset(1), offset(2), offset(3)]
}

/// Lets a box set itself by a recording, and returns what `listen` says of that box.
fn apply(sandbox: &Sandbox, made: &ServiceProcess, file: &str) -> Value {
    let file = sandbox.path().join(file);
    let socket = made.socket();
    let run = sandbox.run(&[
        "listen",
        "--json",
        "--reference",
        "1",
        "--apply",
        "--socket",
        socket.to_str().unwrap(),
        file.to_str().unwrap(),
    ]);
    run.succeeds();
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    let number = made.status().play.box_number.unwrap();
    json["applied"].as_array().unwrap().iter().find(|one| one["number"] == number).expect("the box").clone()
}

/// Returns by how much each box was late in the lossless recording, in ms against box 1: the median of
/// its turns, each found by the first sweep alone, at the second on which it had to be.
fn true_ms(recording: &Recording) -> [f64; 3] {
    let rate_hz = f64::from(recording.rate_hz);
    let lead = (0.05 * rate_hz) as usize;
    let expected: Vec<f32> =
        (0..(0.4 * rate_hz) as usize + lead).map(|n| sweep((n as f64 - lead as f64) / rate_hz) as f32).collect();
    let both: Vec<f32> = recording.left.iter().zip(&recording.right).map(|(a, b)| a + b).collect();
    let first_s = (recording.utc_ns_of_frame(0.0) * 1e-9).ceil() as i64;
    let last_s = first_s + (both.len() as f64 / rate_hz) as i64;
    let late = |number: u8| {
        let number = BoxNumber::new(number).unwrap();
        let mut turns: Vec<f64> = (first_s + 1..last_s)
            .filter(|utc_s| utc_s.rem_euclid(ROUND_S) == number.second())
            .filter_map(|utc_s| {
                let place = recording.frame_at_utc_ns(utc_s as f64 * 1e9);
                let from = place.floor() as usize - lead;
                // The second sweep begins 0.33 s after the first, at the earliest.
                let heard = both.get(from..from + lead + (0.32 * rate_hz) as usize)?;
                let lag = best_lag(&expected[..heard.len()], heard, lead / 4)?;
                (lag.correlation > 0.9).then_some((lag.frames - place.fract()) / rate_hz * 1000.0)
            })
            .collect();
        assert!(turns.len() >= 2, "box {number}: {turns:?}");
        turns.sort_by(f64::total_cmp);
        turns[turns.len() / 2]
    };
    let (one, two, three) = (late(1), late(2), late(3));
    [0.0, two - one, three - one]
}

#[test]
fn a_box_that_sounds_late_is_found_corrected_and_found_right() {
    undisturbed(|| {
        let sandbox = Sandbox::with_one_track();
        let card = VirtualCard::start().unwrap();
        let switch_on = |number: u8, sink: Sink| {
            let config = config(number, if number == 3 { -LATE_MS } else { 0.0 });
            let make = Make { name: &format!("box-{number}"), jumper: false, config: &config };
            ServiceProcess::switch_on(&sandbox, &card, sink, &make).ready()
        };
        let boxes = [switch_on(1, Sink::Left), switch_on(2, Sink::Right), switch_on(3, Sink::Right)];
        assert_eq!(boxes[2].status().play.box_number, Some(3));

        let recorded = |file: &str| {
            let recording = record(&card, &boxes);
            let heard = heard_ms(&sandbox, &as_m4a(&sandbox, &recording, file));
            let truth = true_ms(&recording);
            println!("{file}: heard {heard:.4?} ms, in the lossless recording {truth:.4?} ms");
            for number in 0..3 {
                assert!((heard[number] - truth[number]).abs() < EXACT_MS, "box {}", number + 1);
            }
            heard
        };
        let heard = recorded("before.m4a");
        assert!((heard[2] - LATE_MS).abs() < SHARED_MS && heard[1].abs() < SHARED_MS, "{heard:?}");

        // Each box sets itself by the recording, and by a recording once.
        for (index, made) in boxes.iter().enumerate() {
            let applied = apply(&sandbox, made, "before.m4a");
            let by_ms = applied["by_ms"].as_f64().unwrap();
            assert!((by_ms - heard[index]).abs() < 0.001 || (by_ms == 0.0 && heard[index].abs() < 0.1), "{applied}");
        }
        let again = apply(&sandbox, &boxes[2], "before.m4a");
        assert!(again["message"].as_str().unwrap().contains("applied before"), "{again}");
        assert_eq!(again["by_ms"], 0.0, "{again}");
        let set_ms = boxes[2].status().dac.output_latency_ms;
        assert!((set_ms - (heard[2] - LATE_MS)).abs() < 0.001, "{set_ms}");
        // A reload, as after any change of the configuration, leaves it.
        boxes[2].ask(Order::Reload {}).into_message().unwrap();
        assert!((boxes[2].status().dac.output_latency_ms - set_ms).abs() < 1e-9);

        let heard = recorded("after.m4a");
        assert!(heard.iter().all(|late_ms| late_ms.abs() < SHARED_MS), "{heard:?}");
        assert!(Path::new(&sandbox.path().join("after.m4a")).exists());
    });
}

#[test]
fn the_music_goes_on_in_its_place_after_a_sound_check() {
    let stage = Stage::new();
    let mut made = stage.switch_on("box", Sink::Both, false);
    made.hand("press start");
    sleep_until(slot_s(&made) + 2.0);
    made.wait_until("playing", |status| status.play.state == PlayState::Playing);
    let until_s = (now_s() / 60.0).floor() * 60.0 + 120.0;
    let words = made.ask(Order::SoundCheck { minutes: Some(1), all: false }).into_message().unwrap();
    assert!(words.starts_with("sounds as box "), "{words}");
    made.wait_until("in the sound check", |status| status.play.state == PlayState::SoundCheck);
    sleep_until(until_s - 1.0);
    assert_eq!(made.status().play.state, PlayState::SoundCheck);
    sleep_until(until_s + 1.0);
    let status = made.wait_until("playing again", |status| status.play.state == PlayState::Playing);
    assert!(status.play.common);
    // Not where the track ends: its slot is 121 s.
    let place_s = (now_s() + 2.0 - stage.anchor_utc_s as f64).rem_euclid(121.0);
    let from_s = now_s() + 2.0 + if place_s > 117.0 { 5.0 } else { 0.0 };
    sleep_until(from_s + 1.5);
    let anchor_utc_s = stage.anchor_utc_s;
    let recording = stage.finish();
    let (late_ms, _) = heard(&recording, &recording.left, anchor_utc_s, from_s, 1.0).expect("it plays");
    println!("after the sound check: {late_ms:+.4} ms late");
    assert!(late_ms.abs() < SHARED_MS, "{late_ms} ms");
}
