//! The power is cut at random moments, from the first start on: the box starts each time, what it
//! remembers is the old or the new, and no file system is damaged.
//!
//! QEMU is killed and loses nothing of what the box has written. So this tests the order in which kernel
//! and programs write, and not a card that loses or tears what it was given.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use super::cards::{Desk, ROOT, STATE, seal, set_up};
use super::partitions::{check_ext4, checksum};
use crate::machine::{End, Fitted, Machine, SwitchedOff};
use crate::service::Service;

/// How often, unless this variable says otherwise: a cut takes half a minute of this machine.
const CUTS: u32 = 6;
const CUTS_VARIABLE: &str = "JAUDIOSYNC_POWER_CUTS";

/// first-boot gives up after ten starts.
const CUTS_OF_FIRST_BOOT: u32 = 8;

/// By the box's time: when the kernel has a root; about when first-boot has come to its end, which takes
/// longer where it makes ssh's keys; and when a usual start has.
const WITH_ROOT_S: f64 = 1.5;
const FIRST_BOOT_S: f64 = 16.0;
const START_S: f64 = 20.0;

/// What is remembered at the latest when it was set this long ago: the service waits for 2 s without a
/// change, and 5 s after the last time (service/state_writer.rs); a sync takes as long again.
const REMEMBERED_AFTER_S: f64 = 12.0;

/// A layout of a card.
struct Layout {
    options: &'static [&'static str],
    /// The number of the partition with the box's state.
    state: u64,
    /// Nothing is written to the root after the first start.
    root_is_read_only: bool,
}

/// A series of power cuts at random moments.
pub struct Series {
    pub seed: u64,
    pub cuts: u32,
    pub random: fastrand::Rng,
}

impl Series {
    /// Begins one of so many cuts, unless the variable has another number, and prints its seed.
    pub fn of(cuts: u32) -> Self {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
        let cuts = env::var(CUTS_VARIABLE).ok().and_then(|count| count.parse().ok()).unwrap_or(cuts);
        println!("seed {seed}, {cuts} cuts");
        Self { seed, cuts, random: fastrand::Rng::with_seed(seed) }
    }
}

/// Volumes of which one must be remembered, the last confirmed one first.
struct Remembered(Vec<u8>);

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn power_cuts_from_the_first_start_on_are_survived() {
    survive(&Layout { options: &[], state: ROOT, root_is_read_only: false });
}

#[test]
#[ignore = "needs an emulated Raspberry Pi: scripts/emulated-pi"]
fn power_cuts_of_a_card_that_is_only_read_are_survived() {
    survive(&Layout { options: &["--appliance"], state: STATE, root_is_read_only: true });
}

fn survive(layout: &Layout) {
    let Series { seed, cuts, mut random } = Series::of(CUTS);
    let mut off = SwitchedOff::from(Desk::new().flash(layout.options));
    let mut is_set_up = false;
    for cut in 1..=CUTS_OF_FIRST_BOOT.min(cuts / 3) {
        let after_s = WITH_ROOT_S + random.f64() * (FIRST_BOOT_S - WITH_ROOT_S);
        let (then, end) = Machine::on_for(off, Fitted::JUMPER, after_s);
        off = then;
        let root = check_ext4(off.card(), ROOT, "the root");
        println!("first start, cut {cut}: after {after_s:.2} s, {end:?}, {root:?}");
        // What cmdline.txt says of the next start is decided in one step.
        is_set_up = !off.card().boot_partition().unwrap().text("cmdline.txt").contains("first-boot");
        if is_set_up {
            break;
        }
    }
    if !is_set_up {
        off = set_up(off);
    }
    if layout.root_is_read_only {
        off = seal(off);
    }
    let root = layout.root_is_read_only.then(|| checksum(off.card(), ROOT));
    let mut remembered = Remembered(Vec::new());
    let mut played = 0;
    for cut in 1..=cuts {
        let after_s = random.f64() * 2.0 * START_S;
        let what = format!("cut {cut}, seed {seed}");
        if after_s < START_S {
            let end;
            (off, end) = Machine::on_for(off, Fitted::JUMPER, WITH_ROOT_S + after_s);
            assert_eq!(end, End::PowerCut, "{what}");
        } else {
            played += 1;
            off = play_and_cut(off, &mut remembered, &mut random, &what);
        }
        let state = check_ext4(off.card(), layout.state, &what);
        println!("cut {cut}: at {after_s:.2} of {:.0} s, {state:?}, volumes {:?}", 2.0 * START_S, remembered.0);
        if let Some(root) = &root {
            assert_eq!(checksum(off.card(), ROOT), *root, "{what}: something has written to the root");
        }
    }
    let mut machine = Machine::boot_with(off, Fitted::JUMPER);
    let service = Service::of_system(&mut machine);
    remembered.check(&mut machine, &service, "after the last cut");
    let log = machine.run("cat /boot/firmware/jaudiosync/first-boot.log").stdout;
    assert_eq!(log.matches("done; the Pi starts again").count(), 1, "it sets itself up once: {log}");
    println!("{cuts} cuts, {played} of them while the service ran, are survived");
}

/// Boots a box, checks what it remembers, and changes the volume until the power is cut.
fn play_and_cut(off: SwitchedOff, remembered: &mut Remembered, random: &mut fastrand::Rng, what: &str) -> SwitchedOff {
    let mut machine = Machine::boot_with(off, Fitted::JUMPER);
    let service = Service::of_system(&mut machine);
    remembered.check(&mut machine, &service, what);
    assert_eq!(machine.try_run("ls /var/lib/jaudiosync | grep damaged").stdout, "", "{what}");
    assert_eq!(machine.try_run("dmesg | grep -i 'ext4-fs error'").stdout, "", "{what}");
    for _ in 0..random.u8(1..4) {
        let volume = random.u8(10..100);
        machine.run(&format!("jaudiosync volume {volume}"));
        remembered.0.push(volume);
        let wait_s = random.f64() * REMEMBERED_AFTER_S * 1.5;
        machine.sleep(wait_s);
        if wait_s > REMEMBERED_AFTER_S {
            remembered.0 = vec![volume];
        }
    }
    machine.cut_power()
}

impl Remembered {
    #[track_caller]
    fn check(&mut self, machine: &mut Machine, service: &Service, what: &str) {
        let volume = service.status(machine).volume.percent;
        assert!(self.0.is_empty() || self.0.contains(&volume), "{what}: {volume} %, after {:?}", self.0);
        self.0 = vec![volume];
    }
}
