//! The handle on a simulated chip: causes faults in it, and knows its true state.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jaudiosync_time::{ClockMap, Instant, Rate, Span, True};

use super::shared::{Shared, lock};
use crate::world::World;

/// Causes faults and reports the truth, for tests and scenarios. Clones belong to the same chip.
#[derive(Clone)]
pub struct SimulatedDs3231Handle {
    world: Arc<dyn World>,
    shared: Arc<Mutex<Shared>>,
}

impl SimulatedDs3231Handle {
    pub(super) fn new(world: Arc<dyn World>, shared: Arc<Mutex<Shared>>) -> Self {
        Self { world, shared }
    }

    /// Leaves the next `transfers` unacknowledged.
    pub fn leave_unanswered(&self, transfers: u32) {
        lock(&self.shared).faults.unanswered_transfers = transfers;
    }

    /// Leaves every transfer unacknowledged until this is reversed: a loose wire.
    pub fn set_silent(&self, is_silent: bool) {
        lock(&self.shared).faults.is_silent = is_silent;
    }

    /// Lets every transfer fail after this time (i2c-bcm2835: 1 s), until called with `None`:
    /// something holds the wires low.
    pub fn set_stuck(&self, timeout: Option<Duration>) {
        lock(&self.shared).faults.stuck_for = timeout.map(Span::from_duration);
    }

    /// Stretches every transfer evenly to this time on the wires, until called with `None`.
    pub fn set_slow(&self, transfer: Option<Duration>) {
        lock(&self.shared).faults.transfer = transfer.map(Span::from_duration);
    }

    /// Cuts the main power: the chip no longer answers. Without a battery the time is lost; with
    /// one the clock goes on, unless its control register says otherwise (EOSC).
    pub fn power_cut(&self, without_battery: bool) {
        let chip = &mut lock(&self.shared).chip;
        chip.catch_up(self.world.as_ref());
        chip.cut_power(without_battery);
    }

    /// Cuts the main power as soon as the chip has acknowledged the next seconds that are written to
    /// it, in the middle of the transfer. There is a battery.
    pub fn cut_power_after_seconds(&self) {
        lock(&self.shared).faults.cut_after_seconds = true;
    }

    /// Returns whether the chip has its main power, and so answers.
    pub fn is_powered(&self) -> bool {
        lock(&self.shared).chip.is_on_the_bus()
    }

    /// Restores the main power. After a time without a battery the clock shows 2000-01-01 00:00:00,
    /// with the oscillator stop flag set.
    pub fn power_on(&self) {
        let chip = &mut lock(&self.shared).chip;
        chip.catch_up(self.world.as_ref());
        chip.restore_power(self.world.as_ref());
    }

    /// Puts any byte into a register from 0x00 to 0x10. Time registers that hold no digits stay as
    /// they are, except for the seconds if those do.
    pub fn corrupt_register(&self, register: u8, value: u8) {
        let chip = &mut lock(&self.shared).chip;
        chip.catch_up(self.world.as_ref());
        chip.corrupt(register, value);
    }

    /// Sets the clock as another program would: this second begins now. The oscillator stop flag is
    /// cleared, as the kernel's driver does.
    pub fn set_by_someone_else(&self, rtc_s: i64) {
        let chip = &mut lock(&self.shared).chip;
        let now = chip.catch_up(self.world.as_ref());
        chip.set_by_someone_else(rtc_s, now);
    }

    /// Lets the chip measure its temperature for the time that has passed. Every transfer does so
    /// as well. Where there is none for long, such as while the box is off, and the weather
    /// changes, call this now and then: the chip sees the temperature only when this is called or
    /// it is used, and takes it to have changed evenly in between.
    pub fn catch_up(&self) {
        lock(&self.shared).chip.catch_up(self.world.as_ref());
    }

    /// Returns the chip's time minus true UTC, including the part of a second that no register
    /// shows; `None` if the clock stands still or its registers hold no time.
    pub fn rtc_minus_utc(&self) -> Option<Span> {
        let chip = &mut lock(&self.shared).chip;
        let now = chip.catch_up(self.world.as_ref());
        chip.rtc_at(now).map(|rtc| ClockMap { from: now, to: rtc, rate: Rate::ZERO }.offset())
    }

    /// Returns by how much the chip is fast now, in ppb, as of its last temperature conversion.
    pub fn rate_ppb(&self) -> f64 {
        let chip = &mut lock(&self.shared).chip;
        chip.catch_up(self.world.as_ref());
        chip.rate_ppb()
    }

    /// Returns the first true nanosecond of the chip's next second. A temperature conversion before
    /// it may still move it by less than 1 µs.
    pub fn next_edge(&self) -> Instant<True> {
        let chip = &mut lock(&self.shared).chip;
        chip.catch_up(self.world.as_ref());
        chip.next_edge()
    }

    /// Returns whether the chip puts out 1 Hz on its pin.
    pub fn gives_1hz(&self) -> bool {
        lock(&self.shared).chip.gives_1hz()
    }

    /// Returns what a register holds, without a transfer.
    pub fn register(&self, register: u8) -> u8 {
        let chip = &mut lock(&self.shared).chip;
        chip.catch_up(self.world.as_ref());
        chip.register(register)
    }

    /// Returns how many transfers there have been.
    pub fn transfers(&self) -> u64 {
        lock(&self.shared).traffic.transfers
    }

    /// Returns for how long the wires have been in use.
    pub fn bus_busy(&self) -> Span {
        lock(&self.shared).traffic.busy
    }
}
