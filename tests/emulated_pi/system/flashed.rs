//! An image is made, flashed and started twice: then it is a box.

use super::cards::{Desk, set_up, wait_until_started};
use super::journal::warnings;
use crate::clock_comparison::ClockComparison;
use crate::installed::boot;
use crate::machine::{Contact, Fitted};
use crate::recording::Recorder;
use crate::service::{Service, common_timetable, late_ms};

/// The largest deviation from the timetable.
const BOUND_MS: f64 = 0.3;

const JUMPER: Fitted<'_> = Fitted { closed: &[Contact::Jumper], ..Fitted::NOTHING };

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn a_card_sets_itself_up_and_plays_where_all_boxes_are() {
    let desk = Desk::new();
    desk.write(
        "id.pub",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFlBr3lhFJUbCCMBtH4LhMNLEmNqtRO3kLXSQ8CrHhX6 me@laptop\n",
    );
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
    let off = set_up(card);
    let mut machine = boot(off, JUMPER);
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
    wait_until_started(&mut machine);
    println!("{}", machine.run("systemd-analyze time; systemd-analyze critical-chain jaudiosync.service").stdout);
    println!("{}", machine.run("systemd-analyze blame | head -15").stdout);
    println!("{}", machine.run("systemd-analyze security jaudiosync | tail -2; cat /proc/$(pidof jaudiosync)/status | grep -E 'CapEff|Seccomp:|NoNewPrivs|VmRSS|Uid'").stdout);
    println!("{:?}", machine.try_run("jaudiosync doctor"));
    println!("{:#?}", warnings(&mut machine));
    println!("{}", service.log(&mut machine));
    println!("{}", machine.run("journalctl --boot --priority warning --output short-monotonic").stdout);
    assert!(begins_ms.abs() < BOUND_MS && later_ms.abs() < BOUND_MS);
}
