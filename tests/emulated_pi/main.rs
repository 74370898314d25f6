//! The program as it is installed on a box, cross-compiled, on an emulated Raspberry Pi with the real drivers under it.
//!
//! `scripts/emulated-pi` prepares what is needed and runs them all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod clock_comparison;
mod installed;
mod machine;
mod player;
mod recording;

use std::thread::sleep;
use std::time::Duration;

use clock_comparison::ClockComparison;
use installed::{installed_box, track};
use machine::{Contact, Machine, SdCard};
use player::{Begun, Player};
use recording::{Recorder, Recording};

/// As for all that is measured on shared machines.
const BOUND_MS: f64 = 1.0;
/// On top come so many of the box's wake-ups: they make the player's readings of the loopback card late, and those of the
/// real-time clock. A card whose position can be read at any instant knows nothing of them.
const WAKE_UPS: f64 = 3.0;

/// How much of a track is heard before it is judged: more than the second that it is found by.
const HEARD: Duration = Duration::from_secs(2);

/// Any day, at noon.
const SOME_UTC_S: u64 = 1_796_558_400;

#[test]
fn the_real_time_clock_is_read() {
    let mut machine = installed_box();
    let told = machine.run("jaudiosync time --rtc /dev/i2c-1 --json").stdout;
    println!("{told}");
    let told: serde_json::Value = serde_json::from_str(told.trim()).unwrap();
    assert_eq!(told["rtc"]["answers"], true);
    assert_eq!(told["rtc"]["is_writable"], true);
    assert!(told["rtc"]["edge_sigma_ms"].as_f64().unwrap() < BOUND_MS);
}

#[test]
fn contacts_that_are_closed_outside_are_read() {
    let mut machine = installed_box();
    let closed = |machine: &mut Machine| machine.run("pi-probe levels").stdout.trim().to_owned();
    assert_eq!(closed(&mut machine), "none");
    machine.pins().press(Contact::Start);
    assert_eq!(closed(&mut machine), "Start");
    machine.pins().press(Contact::VolumeDown);
    machine.pins().press(Contact::Jumper);
    assert_eq!(closed(&mut machine), "Volume down,Start,jumper");
    Contact::ALL.into_iter().for_each(|contact| machine.pins().release(contact));
    assert_eq!(closed(&mut machine), "none");
}

#[test]
fn by_the_system_clock_a_track_is_heard_on_time() {
    let mut machine = installed_box();
    machine.run(&format!("date -s @{SOME_UTC_S}"));
    let recorder = Recorder::start(&mut machine);
    let begun = Player::start(&mut machine, "").next_whole_track(&machine);
    sleep(HEARD);
    let recording = recorder.finish(&mut machine);
    let due_raw_ns = recording.raw_ns_of_system_clock(begun.utc_s as f64 * 1e9);
    assert_on_time(&recording, &begun, due_raw_ns);
}

/// Nothing but the RTC tells this box the time, which it has from this machine: so here the whole of it is judged, from the
/// bus to the sound.
#[test]
fn by_the_real_time_clock_a_track_is_heard_on_time() {
    let mut machine = installed_box();
    let compared = ClockComparison::make(&mut machine);
    println!("this machine's clock and the box's are compared to {:.3} ms", compared.bound_ns / 1e6);
    let recorder = Recorder::start(&mut machine);
    let begun = Player::start(&mut machine, "--clock rtc").next_whole_track(&machine);
    sleep(HEARD);
    let recording = recorder.finish(&mut machine);
    assert_on_time(&recording, &begun, compared.raw_ns(begun.utc_s as f64 * 1e9));
}

#[track_caller]
fn assert_on_time(recording: &Recording, begun: &Begun, due_raw_ns: f64) {
    let heard_raw_ns = recording.heard_raw_ns(&track(begun.track), due_raw_ns).expect("it is heard");
    let late_ms = (heard_raw_ns - due_raw_ns) / 1e6;
    let wake_up_ms = recording.wake_up_ms();
    println!("track {} is heard {late_ms:+.3} ms late; a wake-up takes {wake_up_ms:.3} ms", begun.track);
    assert!(late_ms.abs() < BOUND_MS + WAKE_UPS * wake_up_ms, "{late_ms} ms late");
}

#[test]
fn the_sound_card_can_be_made_slow() {
    let mut machine = installed_box();
    machine.run("pi-probe rate-shift 10");
    let recorder = Recorder::start(&mut machine);
    sleep(4 * HEARD);
    let recording = recorder.finish(&mut machine);
    println!("{:+.1} ppm", recording.rate_error_ppm());
    assert!((recording.rate_error_ppm() + 100.0).abs() < 20.0);
}

#[test]
fn files_go_in_and_out_unchanged() {
    let mut machine = Machine::boot(SdCard::new());
    machine.push(&track(0), "/tmp/a file");
    assert!(machine.pull("/tmp/a file") == std::fs::read(track(0)).unwrap());
}

#[test]
fn a_power_cut_leaves_what_was_synced() {
    let mut machine = Machine::boot(SdCard::new());
    machine.run("echo kept >/root/synced && sync && echo lost >/root/unsynced");
    let mut machine = Machine::boot(machine.cut_power());
    assert_eq!(machine.run("cat /root/synced").stdout, "kept\n");
    assert_ne!(machine.try_run("cat /root/unsynced").stdout, "lost\n");
    machine.run("dmesg | grep -q 'EXT4-fs.*recovery complete'");
}

#[test]
fn it_restarts_and_switches_itself_off() {
    let mut machine = Machine::boot(SdCard::new());
    machine.run("echo kept >/root/unsynced");
    machine.reboot();
    assert_eq!(machine.run("cat /root/unsynced").stdout, "kept\n");
    let mut machine = Machine::boot(machine.shut_down());
    assert_eq!(machine.run("cat /root/unsynced").stdout, "kept\n");
    assert_eq!(machine.try_run("dmesg | grep 'EXT4-fs.*recovery'").stdout, "");
    machine.quit();
}
