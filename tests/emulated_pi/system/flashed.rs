//! An image is made, flashed and started twice: then it is a box.

use jaudiosync::control::protocol::PlayState;

use super::cards::{Desk, set_up, wait_until_started};
use super::journal::warnings;
use crate::clock_comparison::ClockComparison;
use crate::installed::boot;
use crate::machine::{Board, Contact, Fitted, Machine, SoundCard};
use crate::recorded_outside::{Heard, recording_began};
use crate::recording::Recorder;
use crate::service::{CONFIG_WITHOUT_BOARD, Service, common_timetable, late_ms};

/// The largest deviation from the timetable.
const BOUND_MS: f64 = 0.3;

/// A short press: longer than reading it takes.
const PRESS_S: f64 = 0.3;

/// systemd's own measure of a unit's sandbox, from 0 to 10: less is better.
const EXPOSURE: f64 = 2.5;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFlBr3lhFJUbCCMBtH4LhMNLEmNqtRO3kLXSQ8CrHhX6 me@laptop\n";

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn a_card_sets_itself_up_and_plays_where_all_boxes_are() {
    let desk = Desk::new();
    desk.write("id.pub", KEY);
    let card = desk.flash(&[
        "--user",
        "rider",
        "--password-hash",
        "$6$salt$hash",
        "--ssh-key",
        "id.pub",
        "--wifi",
        "Ride",
        "the pedals",
        "--country",
        "DE",
        "--time-zone",
        "Europe/Berlin",
    ]);
    let mut machine = boot(set_up(card), Fitted::JUMPER);
    let service = Service::of_system(&mut machine);
    let recorder = Recorder::start(&mut machine);
    let compared = ClockComparison::make(&mut machine);
    let slot_utc_s = service.slot_utc_s(&mut machine) as f64;
    machine.sleep_until(slot_utc_s + 8.0);
    let status = service.status(&mut machine);
    assert!(status.play.common && status.board.jumper == Some(true), "{status:#?}");
    let recording = recorder.finish(&mut machine);
    let timetable = common_timetable();
    let begins_ms = late_ms(&recording, &compared, &timetable, slot_utc_s + 0.1);
    let later_ms = late_ms(&recording, &compared, &timetable, slot_utc_s + 6.0);
    println!("heard {begins_ms:+.3} ms late at first, {later_ms:+.3} later");
    assert!(begins_ms.abs() < BOUND_MS && later_ms.abs() < BOUND_MS);
    assert_is_set_up(&mut machine);
    assert_is_well(&mut machine);
    steer_by_buttons(machine, &service);
}

/// Asserts that the box has what `scripts/image` was given for it.
fn assert_is_set_up(machine: &mut Machine) {
    let said = |machine: &mut Machine, command: &str| machine.run(command).stdout.trim().to_owned();
    assert_eq!(said(machine, "hostname"), "bike-1");
    assert_eq!(said(machine, "id -nu 1000"), "rider");
    assert!(said(machine, "id -nG rider").split(' ').any(|group| group == "jaudiosync"));
    assert_eq!(said(machine, "cat /home/rider/.ssh/authorized_keys"), KEY.trim());
    assert_eq!(said(machine, "readlink /etc/localtime"), "/usr/share/zoneinfo/Europe/Berlin");
    assert!(said(machine, "nmcli --terse --fields NAME connection show").contains("jaudiosync-1"));
    assert!(said(machine, "cat /boot/firmware/cmdline.txt").contains("cfg80211.ieee80211_regdom=DE"));
}

/// Asserts that nothing is wrong with the box but what the emulator lacks.
fn assert_is_well(machine: &mut Machine) {
    wait_until_started(machine);
    println!("{}", machine.run("systemd-analyze time; systemd-analyze critical-chain jaudiosync.service").stdout);
    let doctor = machine.try_run("jaudiosync doctor").stdout;
    let complaints: Vec<&str> = doctor.lines().filter(|line| line.starts_with("!!")).collect();
    assert!(matches!(complaints[..], [clock] if clock.contains("never been compared with a reference")), "{doctor}");
    let warnings = warnings(machine);
    let due = ["stands in for the DS3231", "its RTC was never compared"];
    let ours = warnings.iter().filter(|warning| !due.iter().any(|words| warning.contains(words)));
    assert_eq!(ours.collect::<Vec<_>>(), Vec::<&String>::new());
    let exposure = machine.run("systemd-analyze security jaudiosync.service | tail -n 1").stdout;
    let level = exposure.split(' ').find_map(|word| word.parse::<f64>().ok());
    assert!(level.is_some_and(|level| level <= EXPOSURE), "{exposure}");
    let rights = machine.run("grep -E '^(CapEff|Seccomp|NoNewPrivs):' /proc/$(pidof jaudiosync)/status").stdout;
    // CAP_SYS_TIME alone: capability.h.
    assert!(rights.contains("CapEff:\t0000000002000000") && rights.contains("Seccomp:\t2"), "{rights}");
    assert!(rights.contains("NoNewPrivs:\t1"), "{rights}");
    let opened = machine.run("ls -l /proc/$(pidof jaudiosync)/map_files /proc/$(pidof jaudiosync)/fd").stdout;
    assert!(opened.contains("/dev/gpiomem") && opened.contains("/dev/i2c-1"), "{opened}");
}

/// Works the buttons, and holds Stop until the box has switched itself off.
fn steer_by_buttons(mut machine: Machine, service: &Service) {
    machine.hold(Contact::VolumeUp, PRESS_S);
    service.wait_until(&mut machine, "louder", |status| status.volume.percent == 55);
    machine.hold(Contact::Stop, PRESS_S);
    service.wait_until(&mut machine, "stopped", |status| status.play.state == PlayState::Stopped);
    machine.hold(Contact::Start, PRESS_S);
    service.slot_utc_s(&mut machine);
    machine.pins().press(Contact::Stop);
    machine.wait_until_off();
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn a_usb_card_that_is_plugged_in_later_is_taken() {
    let desk = Desk::new();
    desk.write("box.toml", CONFIG_WITHOUT_BOARD);
    let off = set_up(desk.flash(&[]));
    let mut machine = boot(off, Fitted { board: Board::Virt, sound: Some(SoundCard::UsbLater), ..Fitted::NOTHING });
    let mut service = Service::of_system(&mut machine);
    machine.run("jaudiosync start");
    assert!(!service.status(&mut machine).dac.present);
    for _ in 0..2 {
        machine.plug_usb_sound();
        let plugged = machine.system_clock();
        service.wait_for(&mut machine, "the sound card is there: Audio");
        let status = service.wait_until(&mut machine, "playing", |status| status.phase.is_some());
        println!("it plays {:.1} s after it was plugged in", (machine.system_clock() - plugged).seconds());
        assert!(status.dac.present && status.play.state == PlayState::Playing, "{status:#?}");
        let heard = Heard::next(&mut machine);
        heard.assert_in_place(recording_began(&mut machine));
        machine.pull_usb_sound();
        service.wait_until(&mut machine, "without a card", |status| !status.dac.present);
    }
    machine.shut_down();
}
