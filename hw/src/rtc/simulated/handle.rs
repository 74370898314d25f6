//! The hand on a simulated chip: what goes wrong with it, and what is true of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::transfer::{Shared, lock};
use crate::world::World;

/// Makes faults and tells the truth, for tests and scenarios. Clones are of the same chip.
#[derive(Clone)]
pub struct SimulatedDs3231Handle {
    world: Arc<dyn World>,
    shared: Arc<Mutex<Shared>>,
}

impl SimulatedDs3231Handle {
    pub(super) fn new(world: Arc<dyn World>, shared: Arc<Mutex<Shared>>) -> Self {
        Self { world, shared }
    }

    /// The next transfers are not acknowledged.
    pub fn leave_unanswered(&self, transfers: u32) {
        lock(&self.shared).faults.unanswered_transfers = transfers;
    }

    /// No transfer is acknowledged until this is taken back: a loose wire.
    pub fn set_silent(&self, is_silent: bool) {
        lock(&self.shared).faults.is_silent = is_silent;
    }

    /// Each transfer fails after this time (i2c-bcm2835: 1 s), until `None` is given: something holds the wires low.
    pub fn set_stuck(&self, timeout: Option<Duration>) {
        lock(&self.shared).faults.stuck_for_ns = timeout.map(to_ns);
    }

    /// Each transfer takes this long on the wires, evenly stretched, until `None` is given.
    pub fn set_slow(&self, transfer: Option<Duration>) {
        lock(&self.shared).faults.transfer_ns = transfer.map(to_ns);
    }

    /// The main power goes: nothing is answered. With the battery out, too, the time is lost; with it the clock goes on,
    /// unless its control register says otherwise (EOSC).
    pub fn power_cut(&self, without_battery: bool) {
        let chip = &mut lock(&self.shared).chip;
        chip.catch_up(self.world.as_ref());
        chip.cut_power(without_battery);
    }

    /// The main power is back. After a time without battery the clock shows 2000-01-01 00:00:00 with the oscillator stop
    /// flag up.
    pub fn power_on(&self) {
        let chip = &mut lock(&self.shared).chip;
        chip.catch_up(self.world.as_ref());
        chip.restore_power(self.world.as_ref());
    }

    /// Puts any byte into a register from 0x00 to 0x10. Time registers that are no digits stay as they are, but for the
    /// seconds that are.
    pub fn corrupt_register(&self, register: u8, value: u8) {
        let chip = &mut lock(&self.shared).chip;
        chip.catch_up(self.world.as_ref());
        chip.corrupt(register, value);
    }

    /// Another program sets the clock: a second begins now. The oscillator stop flag is cleared, as the kernel's driver
    /// does.
    pub fn set_by_someone_else(&self, rtc_s: i64) {
        let chip = &mut lock(&self.shared).chip;
        let now_ns = chip.catch_up(self.world.as_ref());
        chip.set_by_someone_else(rtc_s, now_ns);
    }

    /// Lets the chip measure its temperature for the time that has passed. Each transfer does so, too; where there is none
    /// for long, such as when the box is off, and the weather changes, call it now and then: the chip sees only the
    /// temperature of the moments at which it is looked at, and takes it to change evenly between them.
    pub fn catch_up(&self) {
        lock(&self.shared).chip.catch_up(self.world.as_ref());
    }

    /// The chip's time minus true UTC, in ns, with the part of a second that no register shows; nothing if the clock
    /// stands still or its registers hold no time.
    pub fn rtc_minus_utc_ns(&self) -> Option<i64> {
        let chip = &mut lock(&self.shared).chip;
        let now_ns = chip.catch_up(self.world.as_ref());
        chip.chip_ns(now_ns).map(|chip_ns| chip_ns - now_ns)
    }

    /// By how much the chip is fast now, in ppb, as of its last temperature conversion.
    pub fn rate_ppb(&self) -> f64 {
        let chip = &mut lock(&self.shared).chip;
        chip.catch_up(self.world.as_ref());
        chip.rate_ppb()
    }

    /// The first true nanosecond of the chip's next second. A temperature conversion before it may still move it by
    /// less than 1 µs.
    pub fn next_edge_true_ns(&self) -> i64 {
        let chip = &mut lock(&self.shared).chip;
        chip.catch_up(self.world.as_ref());
        chip.next_edge_true_ns()
    }

    /// Whether the chip puts 1 Hz out on its pin.
    pub fn gives_1hz(&self) -> bool {
        lock(&self.shared).chip.gives_1hz()
    }

    /// What a register holds, without a transfer.
    pub fn register(&self, register: u8) -> u8 {
        let chip = &mut lock(&self.shared).chip;
        chip.catch_up(self.world.as_ref());
        chip.register(register)
    }

    /// How many transfers there have been.
    pub fn transfers(&self) -> u64 {
        lock(&self.shared).traffic.transfers
    }

    /// For how long the wires have been in use, in ns.
    pub fn bus_busy_ns(&self) -> i64 {
        lock(&self.shared).traffic.busy_ns
    }
}

fn to_ns(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
