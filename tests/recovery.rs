//! Whatever interrupts a player, it resumes where the timetable is. Judged in recordings of two
//! players, only one of which is interrupted. The bounds are 1 ms, as these tests run on shared
//! machines; the lags are printed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use jaudiosync_measure::{Recorder, Recording, Sink, VirtualCard};
use support::Sandbox;
use support::hearing::{BOUND_MS, first_heard_s, sleep_until};
use support::playing::{Playing, bursts, lag_ms, named, this_second};

/// Seconds within which a player must be heard again.
const SILENCE_S: f64 = 3.0;

/// Makes a sandbox with one track of 40 s.
fn long_track() -> Sandbox {
    let sandbox = Sandbox::new();
    bursts(77, 48_000, 40, [1.0, 1.0]).encode(&sandbox.music().join("long.mp3"), &["-V", "2", "--tt", "Long"]);
    sandbox.playlist("long.mp3\n");
    sandbox
}

/// Returns the lags of the quarter seconds from an instant on in which both play.
#[track_caller]
fn assert_in_phase(what: &str, recording: &Recording, from_utc_s: f64, to_utc_s: f64) {
    let steps = ((to_utc_s - from_utc_s) * 4.0) as usize;
    let lags: Vec<f64> =
        (0..steps).filter_map(|step| lag_ms(recording, from_utc_s + 0.25 * step as f64, 0.25)).collect();
    assert!(lags.len() * 10 >= steps * 9, "{what}: both are heard in {} of {steps} quarter seconds", lags.len());
    let worst = |lags: &[f64]| lags.iter().fold(0.0_f64, |worst, lag| worst.max(lag.abs()));
    println!("{what}: first {:+.4} ms, largest {:.4} ms", lags[0], worst(&lags));
    let later = lags.get(8..).unwrap_or_default();
    println!("{what}: largest two seconds later {:.4} ms", worst(later));
    assert!(worst(&lags) < BOUND_MS, "{what}: {lags:?}");
}

#[test]
fn a_killed_player_that_is_started_again_is_in_phase() {
    let sandbox = long_track();
    let card = VirtualCard::start().unwrap();
    let recorder = Recorder::start(&card).unwrap();
    let start_s = this_second() + 4;
    let time = named(start_s);
    let _left = Playing::start(&sandbox, &card, Sink::Left, &["-t", &time]);
    let mut right = Playing::start(&sandbox, &card, Sink::Right, &["-t", &time]);
    right.wait_for("At:");
    sleep_until(start_s as f64 + 3.3);
    right.signal("-KILL");
    drop(right);
    let restarted_s = start_s as f64 + 4.0;
    sleep_until(restarted_s);
    let _right = Playing::start(&sandbox, &card, Sink::Right, &["-t", &time]);
    sleep_until(restarted_s + 10.0);
    let recording = recorder.finish().unwrap();
    let heard_s = first_heard_s(&recording, &recording.right, restarted_s);
    println!("killed: heard again after {:.2} s", heard_s - restarted_s);
    assert!(heard_s - restarted_s < SILENCE_S, "silent for {} s", heard_s - restarted_s);
    assert_in_phase("killed", &recording, heard_s, restarted_s + 9.5);
}

#[test]
fn a_stopped_player_that_continues_is_in_phase() {
    let sandbox = long_track();
    let card = VirtualCard::start().unwrap();
    let recorder = Recorder::start(&card).unwrap();
    let start_s = this_second() + 4;
    let time = named(start_s);
    let _left = Playing::start(&sandbox, &card, Sink::Left, &["-t", &time]);
    let right = Playing::start(&sandbox, &card, Sink::Right, &["-t", &time]);
    let stopped_s = start_s as f64 + 2.0;
    sleep_until(stopped_s);
    right.signal("-STOP");
    sleep_until(stopped_s + 5.0);
    right.signal("-CONT");
    sleep_until(stopped_s + 14.0);
    let recording = recorder.finish().unwrap();
    // It may only be heard again where it belongs: nothing left in its buffers is played at the
    // wrong place.
    let heard_s = first_heard_s(&recording, &recording.right, stopped_s + 1.0);
    println!("stopped: heard again {:.2} s after it went on", heard_s - stopped_s - 5.0);
    assert!(heard_s >= stopped_s + 5.0, "heard while it was stopped");
    assert!(heard_s - stopped_s - 5.0 < SILENCE_S, "silent for {} s", heard_s - stopped_s - 5.0);
    assert_in_phase("stopped", &recording, heard_s, stopped_s + 13.5);
}

#[test]
fn a_sound_card_that_goes_away_and_comes_back_is_played_on_in_phase() {
    let sandbox = long_track();
    let mut card = VirtualCard::start().unwrap();
    let start_s = this_second() + 4;
    let time = named(start_s);
    let mut left = Playing::start(&sandbox, &card, Sink::Left, &["-t", &time]);
    let _right = Playing::start(&sandbox, &card, Sink::Right, &["-t", &time]);
    left.wait_for("At:");
    sleep_until(start_s as f64 + 2.0);
    card.restart().unwrap();
    let back_s = this_second() as f64 + 1.0;
    let recorder = Recorder::start(&card).unwrap();
    sleep_until(back_s + 8.0);
    let recording = recorder.finish().unwrap();
    let heard_s = first_heard_s(&recording, &recording.right, 0.0);
    println!("card: heard again {:.2} s after it was back", heard_s - back_s);
    assert!(heard_s - back_s < SILENCE_S, "silent for {} s", heard_s - back_s);
    assert_in_phase("card", &recording, heard_s.max(back_s), back_s + 7.5);
}

#[test]
fn the_output_latency_is_what_is_heard() {
    let sandbox = long_track();
    let card = VirtualCard::start().unwrap();
    let recorder = Recorder::start(&card).unwrap();
    let start_s = this_second() + 4;
    let time = named(start_s);
    let _left = Playing::start(&sandbox, &card, Sink::Left, &["-t", &time, "--output-latency-ms", "-5"]);
    let _right = Playing::start(&sandbox, &card, Sink::Right, &["-t", &time, "--output-latency-ms", "12.5"]);
    sleep_until(start_s as f64 + 4.0);
    let recording = recorder.finish().unwrap();
    let lag = lag_ms(&recording, start_s as f64 + 1.0, 2.0).unwrap();
    println!("latency: right is {lag:+.4} ms behind left, {:+.4} ms from what was set", lag + 17.5);
    assert!((lag + 17.5).abs() < BOUND_MS, "{lag}");
}

#[test]
fn a_player_follows_its_clock_and_not_the_card() {
    let sandbox = long_track();
    let card = VirtualCard::start().unwrap();
    let recorder = Recorder::start(&card).unwrap();
    let start_s = this_second() + 5;
    let time = named(start_s);
    let _left = Playing::start(&sandbox, &card, Sink::Left, &["-t", &time]);
    // Only the system clock is made to run 100 ppm fast; the raw clock stays, as on a machine whose
    // daemon slews. The program `faketime` would run the player as a child of its own, which would
    // outlive a test that ends; so its library is loaded here. The dynamic linker expands $LIB.
    let mut command = sandbox.command();
    command.args(["play", "-t", &time]).env("LD_PRELOAD", "/usr/$LIB/faketime/libfaketimeMT.so.1");
    command.env("FAKETIME", "+0 x1.0001").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let _right = Playing::spawn(command, &card, Sink::Right);
    sleep_until(start_s as f64 + 30.0);
    let recording = recorder.finish().unwrap();
    let lag_at = |second: i64| lag_ms(&recording, (start_s + second) as f64, 1.0).unwrap();
    let first = lag_at(10);
    for second in [15, 20, 25, 28] {
        let grown = first - lag_at(second);
        let expected = 0.1 * (second - 10) as f64;
        println!("clock: {grown:+.4} ms in {} s, {:+.4} ms from what is right", second - 10, grown - expected);
        assert!((grown - expected).abs() < BOUND_MS, "{grown} ms instead of {expected}");
    }
}
