//! The service as riders use it: jumper, buttons, volume, power cuts.

use std::time::{SystemTime, UNIX_EPOCH};

use jaudiosync::control::protocol::PlayState;
use jaudiosync_time::Instant;

use crate::clock_comparison::ClockComparison;
use crate::installed::{boot, installed_card};
use crate::machine::{Contact, Fitted, Machine, SoundCard};
use crate::recording::Recorder;
use crate::service::{CONFIG, Service, common_timetable, late_ms};

/// The largest deviation from the timetable.
const BOUND_MS: f64 = 0.3;

/// A short press: longer than reading it takes.
const PRESS_S: f64 = 0.3;

const POWER_CUTS: u32 = 10;

/// Prints memory and processor time of the service over some seconds, as the box itself counts
/// them.
fn print_usage(machine: &mut Machine, what: &str) {
    const SECONDS: u32 = 8;
    let ticks = "awk '{ print $14 + $15 }' /proc/$(pidof jaudiosync)/stat";
    let usage = machine.run(&format!("{ticks}; sleep {SECONDS}; {ticks}; grep VmHWM /proc/$(pidof jaudiosync)/status"));
    let lines: Vec<&str> = usage.stdout.lines().collect();
    let [before, after, memory] = lines[..] else { panic!("{usage:?}") };
    let ticks = after.parse::<f64>().unwrap() - before.parse::<f64>().unwrap();
    println!("{what}: {:.1} % of one of the box's cores, {memory}", ticks / f64::from(SECONDS));
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn with_the_jumper_it_sets_the_clock_from_the_rtc_and_plays_where_all_boxes_are() {
    let mut machine = boot(installed_card(Some(CONFIG)), Fitted::JUMPER);
    let mut service = Service::of_boot(&mut machine);
    let recorder = Recorder::start(&mut machine);
    let compared = ClockComparison::make(&mut machine);
    // The kernel started in 1970.
    service.wait_for(&mut machine, "the system clock is stepped by +");
    let slot_utc_s = service.slot_utc_s(&mut machine) as f64;
    machine.sleep_until(slot_utc_s + 2.5);
    print_usage(&mut machine, "playing");
    let status = service.status(&mut machine);
    assert!(status.play.common && status.board.jumper == Some(true), "{status:#?}");
    let wrong_ms = compared.system_clock_ahead_ms(&mut machine);
    println!("the system clock is {wrong_ms:+.3} ms wrong");
    assert!(wrong_ms.abs() < BOUND_MS);
    let recording = recorder.finish(&mut machine);
    let timetable = common_timetable();
    let begins_ms = late_ms(&recording, &compared, &timetable, slot_utc_s + 0.1);
    let later_ms = late_ms(&recording, &compared, &timetable, slot_utc_s + 6.0);
    println!(
        "heard {begins_ms:+.3} ms late at first, {later_ms:+.3} later; a wake-up takes {:.3}",
        recording.wake_up_ms()
    );
    assert!(begins_ms.abs() < BOUND_MS && later_ms.abs() < BOUND_MS);
    assert_eq!(recording.loudest(Instant::ZERO, compared.raw_at_s(slot_utc_s - 0.05)), 0.0, "silence before its slot");
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn without_the_jumper_it_waits_for_start_and_the_buttons_do_what_they_are_for() {
    let config = format!("{CONFIG}sound.mixer_card = \"Audio\"\n[board]\ntones = false\n");
    let mut machine = boot(installed_card(Some(&config)), Fitted { sound: Some(SoundCard::Usb), ..Fitted::default() });
    let mut service = Service::of_boot(&mut machine);
    // The card comes later than the service, as USB cards do.
    machine.run("modprobe -a phy-generic dwc2 snd-usb-audio");
    service.wait_for(&mut machine, "the volume is Audio Output Volume Control of hw:1");
    // QEMU's control goes from -128 to 8 dB in steps of half a decibel.
    let assert_volume_db = |machine: &mut Machine, db: f64| {
        let printed = machine.run("pi-probe mixer hw:Audio").stdout;
        let is_db: f64 = printed.split_whitespace().last().unwrap().parse().unwrap();
        assert!((is_db - db).abs() < 0.5, "{db} dB: {printed}");
    };
    assert_volume_db(&mut machine, -18.06);
    let compared = ClockComparison::make(&mut machine);
    let recorder = Recorder::start(&mut machine);
    let began_utc_s = machine.utc_s();
    machine.hold(Contact::VolumeUp, PRESS_S);
    machine.hold(Contact::Start, PRESS_S);
    let slot_utc_s = service.slot_utc_s(&mut machine) as f64;
    // 55 %.
    assert_volume_db(&mut machine, -15.58);
    machine.sleep_until(slot_utc_s + 4.0);
    machine.hold(Contact::Stop, PRESS_S);
    service.wait_for(&mut machine, "stopped");
    let stopped_utc_s = machine.utc_s();
    assert_eq!(service.status(&mut machine).play.state, PlayState::Stopped);
    machine.sleep_until(stopped_utc_s + 1.5);
    let recording = recorder.finish(&mut machine);
    let raw = |utc_s: f64| compared.raw_at_s(utc_s);
    assert_eq!(recording.loudest(raw(began_utc_s), raw(slot_utc_s - 0.05)), 0.0, "silence before its slot");
    assert_eq!(recording.loudest(raw(stopped_utc_s + 0.5), raw(stopped_utc_s + 1.4)), 0.0, "silence after Stop");
    let late_ms = late_ms(&recording, &compared, &common_timetable(), slot_utc_s + 1.0);
    println!("Start: heard {late_ms:+.3} ms late; a wake-up takes {:.3} ms", recording.wake_up_ms());
    assert!(late_ms.abs() < BOUND_MS);

    machine.pins().press(Contact::Stop);
    let mut machine = Machine::boot(machine.wait_until_off());
    let service = Service::of_boot(&mut machine);
    let status = service.status(&mut machine);
    assert_eq!(status.play.state, PlayState::Stopped, "what was stopped stays so");
    assert_eq!(status.volume.percent, 55);
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn ten_power_cuts_at_random_moments_are_survived() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut machine = boot(installed_card(Some(CONFIG)), Fitted::JUMPER);
    let service = Service::of_boot(&mut machine);
    let slot_utc_s = service.slot_utc_s(&mut machine) as f64;
    machine.sleep_until(slot_utc_s + 1.0);
    for cut in 1..=POWER_CUTS {
        machine.sleep(random.f64() * 4.0);
        // The jumper is removed with the power.
        machine = Machine::boot(machine.cut_power());
        let service = Service::of_boot(&mut machine);
        // A phase error is reported only while something is heard, or is just about to be.
        let status = service.wait_until(&mut machine, "playing again", |status| status.phase.is_some());
        assert!(status.play.common, "cut {cut}: {status:#?}");
        assert_eq!(machine.try_run("ls /var/lib/jaudiosync | grep damaged").stdout, "", "cut {cut}");
        assert_eq!(machine.try_run("dmesg | grep -i 'ext4-fs error'").stdout, "", "cut {cut}");
        let late_ms = late_now_ms(&mut machine);
        println!("after power cut {cut}: heard {late_ms:+.3} ms late");
        assert!(late_ms.abs() < BOUND_MS, "cut {cut}");
    }
    let ride = machine.run("jaudiosync doctor --last-ride --json").stdout;
    let ride: serde_json::Value = serde_json::from_str(&ride).unwrap();
    assert_eq!(ride["power_cuts"], POWER_CUTS, "the flight recorder has them all: {ride}");
}

/// Returns by how much later than on the timetable a box that plays is heard from now on, in ms.
fn late_now_ms(machine: &mut Machine) -> f64 {
    let recorder = Recorder::start(machine);
    let from_utc_s = machine.utc_s();
    let compared = ClockComparison::make(machine);
    // Longer than the gap between two tracks and what is searched for.
    machine.sleep_until(from_utc_s + 3.5);
    let recording = recorder.finish(machine);
    late_ms(&recording, &compared, &common_timetable(), from_utc_s)
}
