//! The whole way: an ALSA program plays on the virtual card, and the recording shows what came out
//! and when.
//!
//! Needs the packages `pulseaudio` and `libasound2-plugins`. Figures are printed: `cargo test --
//! --nocapture`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod player;

use std::fs;
use std::thread;
use std::time::Duration;

use jaudiosync_measure::{
    Recorder, Recording, Sink, VirtualCard, find_start, first_sound, lag_by_second, thd_plus_noise_db,
};
use player::Program;

#[test]
#[ignore = "not a test: the process of the tests' player"]
fn player_process() {
    player::run();
}

/// Records one player from start to end. Also returns the clicks it announced.
fn record(card: &VirtualCard, sink: Sink, program: Program) -> (Recording, Vec<(u64, f64)>) {
    let recorder = Recorder::start(card).unwrap();
    let clicks = player::finish(player::start(card, sink, program, &[]));
    let recording = recorder.finish().unwrap();
    assert!(!recording.interrupted);
    assert_eq!(recording.left.len(), recording.right.len());
    (recording, clicks)
}

fn peak(channel: &[f32]) -> f32 {
    channel.iter().fold(0.0, |peak, x| peak.max(x.abs()))
}

#[test]
fn each_box_has_a_channel_of_its_own_in_full_amplitude() {
    let card = VirtualCard::start().unwrap();
    let program = Program { sound: "mono-noise", seconds: 1.0, rate_hz: 48_000 };
    let (left, _) = record(&card, Sink::Left, program);
    assert!((peak(&left.left) - 0.5).abs() < 1e-3 && peak(&left.right) == 0.0);
    let (right, _) = record(&card, Sink::Right, program);
    assert!(peak(&right.left) == 0.0 && (peak(&right.right) - 0.5).abs() < 1e-3);
    let (both, _) = record(&card, Sink::Both, program);
    assert_eq!(both.left, both.right);
}

#[test]
fn each_of_several_boxes_has_a_channel_of_its_own_too() {
    let card = VirtualCard::start_for(5).unwrap();
    let program = Program { sound: "mono-noise", seconds: 1.0, rate_hz: 48_000 };
    for number in 0..5 {
        let (recording, _) = record(&card, Sink::Box(number), program);
        for other in 0..5 {
            let peak = peak(recording.channel(other).unwrap());
            assert!((peak - if other == number { 0.5 } else { 0.0 }).abs() < 1e-3, "{number}: {other} has {peak}");
        }
        assert!(recording.channel(5).is_none());
    }
}

#[test]
fn a_recording_can_be_cut_and_nothing_is_lost_in_between() {
    let card = VirtualCard::start().unwrap();
    let recorder = Recorder::start(&card).unwrap();
    let mut playing = player::start(&card, Sink::Both, Program { sound: "noise", seconds: 3.0, rate_hz: 48_000 }, &[]);
    let mut parts = Vec::new();
    while playing.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(700));
        parts.push(recorder.cut().unwrap());
    }
    player::finish(playing);
    parts.push(recorder.finish().unwrap());
    for pair in parts.windows(2) {
        let apart_ns = pair[0].utc_ns_of_frame(pair[0].left.len() as f64) - pair[1].utc_ns_of_frame(0.0);
        assert!(apart_ns.abs() < 1e6, "{apart_ns} ns");
    }
    let whole: Vec<f32> = parts.iter().flat_map(|part| part.left.iter().copied()).collect();
    let reference: Vec<f32> = (0..144_000).map(player::noise).collect();
    let first = find_start(&whole, &reference, 48_000, 0..whole.len()).unwrap().round() as usize;
    assert_eq!(whole[first..first + 143_000], reference[..143_000]);
}

#[test]
fn what_is_played_is_recorded_sample_by_sample() {
    let card = VirtualCard::start().unwrap();
    let (recording, _) = record(&card, Sink::Both, Program { sound: "noise", seconds: 2.0, rate_hz: 48_000 });
    let reference: Vec<f32> = (0..96_000).map(player::noise).collect();
    let start = find_start(&recording.left, &reference, 48_000, 0..recording.left.len()).unwrap();
    let first = start.round() as usize;
    assert!((start - first as f64).abs() < 0.001, "{start}");
    assert_eq!(recording.left[first..first + 95_000], reference[..95_000]);
    let lag = lag_by_second(&recording.left[first..], &recording.right[first..], 48_000)[0];
    assert!((lag.lag_ms.unwrap() - 10.0 / 48.0).abs() < 0.0001, "{lag:?}");
}

#[test]
fn a_tone_stays_clean() {
    let card = VirtualCard::start().unwrap();
    let (recording, _) = record(&card, Sink::Left, Program { sound: "tone", seconds: 3.0, rate_hz: 48_000 });
    let first = first_sound(&recording.left, 0.001).unwrap();
    let db = thd_plus_noise_db(&recording.left[first + 4800..first + 4800 + 96_000], 48_000, 1000.0);
    println!("THD+N through the card: {db:.1} dB");
    assert!(db < -130.0, "{db} dB");
}

#[test]
fn the_users_own_alsa_configuration_does_not_interfere() {
    let card = VirtualCard::start().unwrap();
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(".asoundrc"), "pcm.!default { type null }\n").unwrap();
    let recorder = Recorder::start(&card).unwrap();
    let program = Program { sound: "mono-noise", seconds: 0.5, rate_hz: 48_000 };
    let env = [("HOME", home.path().into())];
    player::finish(player::start(&card, Sink::Left, program, &env));
    assert!(first_sound(&recorder.finish().unwrap().left, 0.1).is_some());
}

#[test]
fn after_a_restart_the_card_plays_again() {
    let mut card = VirtualCard::start().unwrap();
    let recorder = Recorder::start(&card).unwrap();
    thread::sleep(Duration::from_millis(500));
    card.restart().unwrap();
    let interrupted = recorder.finish().unwrap();
    assert!(interrupted.interrupted && interrupted.left.len() > 12_000);
    let (again, _) = record(&card, Sink::Right, Program { sound: "mono-noise", seconds: 0.5, rate_hz: 48_000 });
    assert!(first_sound(&again.right, 0.1).is_some());
}

#[test]
fn nothing_remains_of_a_dropped_card() {
    let card = VirtualCard::start().unwrap();
    let recorder = Recorder::start(&card).unwrap();
    let config = card.env(Sink::Both).into_iter().find(|(name, _)| name == "ALSA_CONFIG_PATH").unwrap().1;
    assert!(fs::exists(&config).unwrap());
    drop(card);
    assert!(!fs::exists(&config).unwrap());
    // The recording ends, with or without a first block.
    let _ = recorder.finish();
}

/// The player predicts from ALSA's delay when every click will be heard; the recording shows when
/// it was. Returns the differences in ms, positive if the click came later than predicted.
fn click_errors_ms(card: &VirtualCard, sink: Sink, rate_hz: u32) -> Vec<f64> {
    let (recording, clicks) = record(card, sink, Program { sound: "clicks", seconds: 3.5, rate_hz });
    let channel = if sink == Sink::Right { &recording.right } else { &recording.left };
    // The player assumes the nominal rate from its readings on, which it takes 0.4 s after its
    // start.
    let drift = recording.clock.rate_error_ppm(48_000) * 1e-6;
    let mut from = 0;
    let error_ms = |&(frame, predicted_ns): &(u64, f64)| {
        let loud = from + first_sound(&channel[from..], 0.3).expect("a click");
        let top = (loud..loud + 4).max_by(|&a, &b| channel[a].abs().total_cmp(&channel[b].abs())).unwrap();
        from = top + 1000;
        let drifted_ns = drift * (frame as f64 / f64::from(rate_hz) - 0.4) * 1e9;
        (recording.utc_ns_of_frame(top as f64) - predicted_ns + drifted_ns) / 1e6
    };
    let errors: Vec<f64> = clicks.iter().map(error_ms).collect();
    println!("{sink:?} at {rate_hz} Hz, card {:+.1} ppm: {errors:+.3?} ms", drift * 1e6);
    errors
}

/// Every stream has an error of its own, which is ALSA's; the median of a few streams is that of
/// the recording.
fn clicks_are_played_when_predicted(sink: Sink, rate_hz: u32) {
    let card = VirtualCard::start().unwrap();
    let streams: Vec<Vec<f64>> = (0..3).map(|_| click_errors_ms(&card, sink, rate_hz)).collect();
    let mut first: Vec<f64> = streams.iter().map(|errors| errors[0]).collect();
    first.sort_by(f64::total_cmp);
    assert!(first[1].abs() < 1.0, "{first:?}");
    for errors in streams {
        assert!(errors.len() >= 5);
        assert!(errors.iter().all(|e| (e - errors[0]).abs() < 0.5), "clicks of one stream must agree: {errors:?}");
    }
}

#[test]
fn clicks_on_a_box_are_played_when_predicted() {
    clicks_are_played_when_predicted(Sink::Left, 48_000);
}

#[test]
fn clicks_on_the_card_itself_are_played_when_predicted() {
    clicks_are_played_when_predicted(Sink::Both, 48_000);
}

#[test]
fn clicks_at_another_rate_are_played_when_predicted() {
    clicks_are_played_when_predicted(Sink::Right, 44_100);
}
