//! The program as it is installed on a box, cross-compiled, on an emulated Raspberry Pi with the
//! real drivers under it.
//!
//! `scripts/emulated-pi` prepares everything and runs them all. `appliance` is the service as
//! riders use it, `faults` what it does if something is wrong, `eeprom` what it remembers on a
//! read-only root, `clocks` how it follows clocks that
//! run fast, `long_files` how it joins a set of hours, `sound_cards` how it plays on USB and HDA
//! cards, `pins` how it shares the header, `processor_time` what playing costs; here is what the
//! board itself does. In `system` it runs on a whole Debian with systemd, as `scripts/image` makes it a box.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod appliance;
mod clock_comparison;
mod clocks;
mod eeprom;
mod faults;
mod installed;
mod long_files;
mod long_set;
mod machine;
mod pins;
mod processor_time;
mod recorded_outside;
mod recording;
mod service;
mod sound_cards;
#[path = "../support/mod.rs"]
mod support;
mod system;
#[path = "../support/time_servers.rs"]
mod time_servers;

use installed::{installed_box, track};
use machine::{Contact, Machine, SdCard};
// Of which the time servers get their ports.
use support::free_address;

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
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
    // Files go in and out unchanged, and so do recordings.
    machine.push(&track(0), "/tmp/a file");
    assert!(machine.pull("/tmp/a file") == std::fs::read(track(0)).unwrap());
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn a_power_cut_leaves_what_was_synced_and_it_restarts_and_switches_itself_off() {
    let mut machine = Machine::boot(SdCard::new());
    machine.run("echo kept >/root/synced && sync && echo lost >/root/unsynced");
    let mut machine = Machine::boot(machine.cut_power());
    assert_eq!(machine.run("cat /root/synced").stdout, "kept\n");
    assert_ne!(machine.try_run("cat /root/unsynced").stdout, "lost\n");
    machine.run("dmesg | grep -q 'EXT4-fs.*recovery complete'");
    machine.run("echo kept >/root/unsynced");
    machine.reboot();
    assert_eq!(machine.run("cat /root/unsynced").stdout, "kept\n");
    let mut machine = Machine::boot(machine.shut_down());
    assert_eq!(machine.try_run("dmesg | grep 'EXT4-fs.*recovery'").stdout, "");
}
