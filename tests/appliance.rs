//! The appliance from outside: boxes in processes of their own, with their buttons pressed and
//! their sound recorded. The bounds are 1 ms, as these tests run on shared machines; the measured
//! values are printed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Command;

use jaudiosync::control::protocol;
use jaudiosync::control::protocol::{PlayState, TimeState};
use jaudiosync_measure::Sink;
use support::hearing::{BOUND_MS, Stage, assert_in_phase, first_heard_s, heard, loudest, sleep_until, slot_s};
use support::now_s;
use support::simulated_mixer::USB_SPEAKER;
use support::undisturbed::undisturbed;

#[test]
fn start_pressed_on_two_boxes_seven_seconds_apart() {
    undisturbed(|| {
        let stage = Stage::new();
        let mut left = stage.switch_on("left", Sink::Left, false);
        let mut right = stage.switch_on("right", Sink::Right, false);
        let pressed_s = now_s();
        left.hand("press start");
        sleep_until(pressed_s + 7.0);
        right.hand("press start");
        let both_s = slot_s(&right);
        assert!((5.0..20.0).contains(&(both_s - pressed_s - 7.0)), "the next slot of the grid");
        assert!(left.status().play.common && right.status().play.common);
        let until_s = both_s + 12.0;
        sleep_until(until_s + 0.5);
        let anchor_utc_s = stage.anchor_utc_s;
        let recording = stage.finish();
        assert_eq!(loudest(&recording, &recording.right, pressed_s + 8.0, both_s - 0.01), 0.0, "heard before its slot");
        assert_in_phase("start 7 s apart", &recording, both_s, until_s);
        let (late_ms, _) = heard(&recording, &recording.right, anchor_utc_s, both_s + 5.0, 1.0).expect("it plays");
        println!("start 7 s apart: {late_ms:+.4} ms late on the common timetable");
        assert!(late_ms.abs() < BOUND_MS, "{late_ms} ms");
    });
}

#[test]
fn switched_on_with_the_jumper_twenty_seconds_apart_and_one_loses_its_power() {
    undisturbed(|| {
        let stage = Stage::new();
        let began_s = now_s();
        let left = stage.switch_on("left", Sink::Left, true);
        sleep_until(began_s + 20.0);
        let right = stage.switch_on("right", Sink::Right, true);
        let both_s = slot_s(&right);
        sleep_until(both_s + 8.3);
        right.cut_power();
        let back_s = now_s();
        // The jumper was removed, too: the session is rejoined all the same, and at once.
        let right = stage.switch_on("right", Sink::Right, false);
        sleep_until(back_s + 9.0);
        assert!(left.status().play.common && right.status().play.common);
        assert_eq!(left.end().code(), Some(0));
        assert_eq!(right.end().code(), Some(0));
        let recording = stage.finish();
        assert_in_phase("jumper 20 s apart", &recording, both_s, both_s + 8.0);
        let heard_s = first_heard_s(&recording, &recording.right, back_s + 0.3);
        println!("power lost: heard {:.2} s after it is back", heard_s - back_s);
        assert!(heard_s - back_s < 3.0, "silent for {} s", heard_s - back_s);
        assert_in_phase("power lost", &recording, heard_s, back_s + 8.5);
    });
}

#[test]
fn stop_resume_volume_and_starting_over() {
    undisturbed(|| {
        let stage = Stage::new();
        let mut made = stage.switch_on("box", Sink::Both, false);

        // Held for 2 s, Start begins from the first track. A busy machine may see less of the hold.
        made.hand("press start 4");
        let status = made.wait_until("waiting", |status| status.play.state == PlayState::WaitingForSlot);
        let anchor_s = status.play.anchor_utc_s.unwrap();
        assert!(!status.play.common && [5, 20, 35, 50].contains(&(anchor_s % 60)));
        let fresh_s = anchor_s as f64;
        sleep_until(fresh_s + 3.2);
        // One step up; then held, from 35 %.
        made.hand("press volume-up");
        sleep_until(fresh_s + 5.2);
        assert_eq!(made.status().volume.percent, 55);
        made.ask(protocol::Command::Volume { percent: Some(35), by: None });
        sleep_until(fresh_s + 7.2);
        made.hand("press volume-up 2.0");
        sleep_until(fresh_s + 11.2);
        let held = made.status().volume.percent;
        // At once, after half a second, and then every 0.15 s: twelve steps, or eleven.
        assert!((90..=95).contains(&held), "{held} %");
        let stopped_s = now_s();
        made.hand("press stop");
        let status = made.wait_until("stopped", |status| status.play.state == PlayState::Stopped);
        let position = status.play.stopped_at.expect("a position");
        assert!((position.offset_s - (stopped_s - fresh_s)).abs() < 0.3, "{position:?}");
        made.wait_until("saved", |_| stage.state("box").join("position.json").exists());
        assert!(!stage.state("box").join("session.json").exists(), "a session that was stopped is not rejoined");

        let words = made.ask(protocol::Command::Resume {}).into_message().unwrap();
        assert!(words.starts_with("begins with track 0 at "), "{words}");
        let resumed_s = slot_s(&made);
        sleep_until(resumed_s + 3.0);
        // Held for 5 s, Stop switches off.
        made.hand("press stop 7");
        assert_eq!(made.wait().code(), Some(100));

        let recording = stage.finish();
        let at = |from_s: f64| heard(&recording, &recording.left, anchor_s, fresh_s + from_s, 1.0).expect("it plays");
        let (late_ms, half) = at(1.5);
        println!("started over: {late_ms:+.4} ms late");
        assert!(late_ms.abs() < BOUND_MS, "{late_ms} ms");
        // The player's volume is the cube of the percentage.
        let expect = |what: &str, loudness: f64, percent: u8| {
            let (is_db, should_db) = (20.0 * (loudness / half).log10(), 60.0 * (f64::from(percent) / 50.0).log10());
            println!("{what}: {is_db:+.2} dB against 50 %, {should_db:+.2} dB would be exact");
            assert!((is_db - should_db).abs() < 0.5, "{what}");
        };
        expect("a step up", at(4.0).1, 55);
        expect("35 %", at(6.0).1, 35);
        expect("after holding", at(10.0).1, held);
        let while_held: Vec<f64> = (0..4)
            .map(|step| {
                heard(&recording, &recording.left, anchor_s, fresh_s + 7.4 + 0.5 * f64::from(step), 0.4).unwrap().1
            })
            .collect();
        assert!(while_held.is_sorted(), "it grows step by step: {while_held:?}");
        // The frames that the card has buffered are heard, then silence.
        assert_eq!(loudest(&recording, &recording.left, stopped_s + 0.4, resumed_s - 3.0), 0.0, "silence after Stop");
        let (late_ms, _) = heard(&recording, &recording.left, resumed_s as i64, resumed_s + 1.0, 1.0)
            .expect("it begins the track again");
        println!("resumed: {late_ms:+.4} ms late");
        assert!(late_ms.abs() < BOUND_MS, "{late_ms} ms");
    });
}

#[test]
fn the_mixer_of_a_card_is_the_volume_if_it_has_one() {
    let stage = Stage::new();
    let config = "[time]\nsource = \"system\"\n[sound]\nmixer_control = \"Master\"\n[volume]\nstartup_percent = 40\n";
    let mut made = stage.switch_on_with(config, "box", Sink::Left, false);
    let shown = || {
        let output = Command::new("amixer").args(["get", "Master"]).envs(stage.card.env(Sink::Left)).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let status = made.wait_until("the mixer found", |status| status.volume.mixer.is_some());
    assert_eq!(status.volume.mixer.as_deref(), Some("Master of default"));
    assert!(shown().contains("[40%]"), "{}", shown());
    made.hand("press volume-down");
    made.wait_until("35 %", |status| status.volume.percent == 35);
    // The sound server takes a while to report the change to amixer.
    made.wait_until("shown", |_| shown().contains("[35%]"));
    // Saved state comes back with the power.
    made.wait_until("saved", |_| stage.state("box").join("volume.json").exists());
    made.cut_power();
    let made = stage.switch_on_with(config, "box", Sink::Left, false);
    assert_eq!(made.status().volume.percent, 35);
}

#[test]
fn a_muted_mixer_of_a_short_range_is_opened_and_what_it_cannot_do_is_heard() {
    let stage = Stage::new();
    let config = "[time]\nsource = \"system\"\n[sound]\nmixer_control = \"Speaker\"\n[volume]\nstartup_percent = 50\n";
    let (mut made, mixer) = stage.switch_on_with_mixer(config, &USB_SPEAKER);
    made.has_or_will_say("Speaker of default was muted; it is switched on");
    let status = made.wait_until("the mixer found", |status| status.volume.mixer.is_some());
    assert_eq!((status.volume.percent, status.volume.db), (50, Some(-18.06)));
    assert_eq!(mixer.read(), [19, 19, 1, 1], "-18 dB");
    let socket = made.socket().to_str().unwrap().to_owned();
    let run =
        |arguments: &[&str]| stage.sandbox.run(&[arguments, &["--socket", &socket]].concat()).succeeds().stdout.clone();
    assert_eq!(run(&["volume"]), "50 % (-18.1 dB)\n");
    let json: serde_json::Value = serde_json::from_str(&run(&["status", "--json"])).unwrap();
    let should =
        serde_json::json!({"percent": 50, "maximum_percent": 100, "mixer": "Speaker of default", "db": -18.06});
    assert_eq!(json["volume"], should);

    made.hand("press start");
    let began_s = slot_s(&made);
    // The control does not sound, so that what the player adds is heard alone.
    sleep_until(began_s + 3.0);
    assert_eq!(run(&["volume", "15"]), "15 % (-49.4 dB)\n");
    sleep_until(began_s + 5.5);
    assert_eq!(run(&["volume", "0"]), "0 %\n");
    sleep_until(began_s + 7.5);
    assert_eq!(mixer.read(), [0, 0, 1, 1]);
    let anchor_s = stage.anchor_utc_s;
    let recording = stage.finish();
    let level = |from_s: f64| heard(&recording, &recording.left, anchor_s, began_s + from_s, 1.0).expect("it plays").1;
    let player_db = 20.0 * (level(4.0) / level(1.5)).log10();
    println!("15 % on a control that ends at -37 dB: {player_db:+.2} dB in the player, -12.43 would be exact");
    assert!((player_db + 12.43).abs() < 0.5);
    assert_eq!(loudest(&recording, &recording.left, began_s + 6.5, began_s + 7.4), 0.0, "0 % is silence");
}

#[test]
fn two_boxes_that_each_know_the_time_from_a_clock_of_their_own() {
    undisturbed(|| {
        let stage = Stage::new();
        // Simulated DS3231s, read over a simulated bus with its delays.
        let left = stage.switch_on_with("", "left", Sink::Left, true);
        let right = stage.switch_on_with("", "right", Sink::Right, true);
        let both_s = slot_s(&left).max(slot_s(&right));
        sleep_until(both_s + 8.5);
        assert_eq!(left.status().time.state, TimeState::Holdover);
        let recording = stage.finish();
        assert_in_phase("clocks of their own", &recording, both_s, both_s + 8.0);
    });
}

#[test]
fn without_a_trusted_time_it_plays_after_a_while_and_reports_that_it_is_not_in_sync() {
    let stage = Stage::new();
    let config = "start.untrusted_wait_s = 4\n[time]\nrtc = \"none\"\n";
    let made = stage.switch_on_with(config, "box", Sink::Left, true);
    let status = made.wait_until("waiting", |status| status.play.state == PlayState::WaitingForTime);
    assert!(status.warnings.iter().any(|warning| warning.contains("no trustworthy time")), "{:?}", status.warnings);
    let status = made.wait_until("playing", |status| status.play.state == PlayState::Playing);
    assert!(status.warnings[0].contains("not in sync"), "{:?}", status.warnings);
    assert!(
        !status.warnings.iter().any(|warning| warning.contains("no trustworthy time")),
        "once: {:?}",
        status.warnings
    );
    assert!(!stage.state("box").join("session.json").exists(), "it is not a session to rejoin");
}
