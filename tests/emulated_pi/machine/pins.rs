//! The box's pins, worked from outside through the registers of its chip: the buttons, the jumper,
//! and one for comparing clocks.
//!
//! QEMU's pins have no outside: a level is set by making the pin an output for a moment, while the
//! box stands still. It stays when the pin is an input again, whatever pull-up was asked for.

use jaudiosync_time::{Instant, Utc};

use super::clock::BoxClock;
use super::monitor::Monitor;
use super::registers::Registers;

/// The chip's GPIO registers: from here on the functions of ten pins each, three bits per pin.
const FUNCTIONS: u64 = 0x3f20_0000;
/// The registers that set and clear outputs, one bit per pin.
const SET: u64 = FUNCTIONS + 0x1c;
const CLEAR: u64 = FUNCTIONS + 0x28;
/// The register of all levels, one bit per pin.
const LEVELS: u64 = FUNCTIONS + 0x34;

const OUTPUT: u32 = 1;

/// A pin on which a box has nothing.
pub const FREE_PIN: u32 = 17;

/// What connects a pin to ground, on the pins that a box has by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    VolumeUp,
    VolumeDown,
    Start,
    Stop,
    Jumper,
}

impl Contact {
    pub const ALL: [Self; 5] = [Self::VolumeUp, Self::VolumeDown, Self::Start, Self::Stop, Self::Jumper];

    fn pin(self) -> u32 {
        match self {
            Self::VolumeUp => 24,
            Self::VolumeDown => 6,
            Self::Start => 5,
            Self::Stop => 16,
            Self::Jumper => 26,
        }
    }
}

/// The pins of a box.
pub struct Pins<'a> {
    pub(super) registers: &'a mut Registers,
    pub(super) monitor: &'a mut Monitor,
    pub(super) clock: BoxClock,
}

impl Pins<'_> {
    /// Opens all contacts but these: there is no pull-up that would do so. The box must stand
    /// still.
    pub(super) fn fit(registers: &mut Registers, closed: &[Contact]) {
        for contact in Contact::ALL {
            set(registers, contact.pin(), !closed.contains(&contact));
        }
    }

    /// Connects the pin to ground.
    pub fn press(&mut self, contact: Contact) {
        self.set(contact.pin(), false);
    }

    /// Releases the pin to the pull-up.
    pub fn release(&mut self, contact: Contact) {
        self.set(contact.pin(), true);
    }

    /// Returns whether the box drives a pin.
    pub fn is_output(&mut self, pin: u32) -> bool {
        let function = self.registers.read(FUNCTIONS + u64::from(pin / 10) * 4);
        function >> (pin % 10 * 3) & 7 == OUTPUT
    }

    /// Returns whether a pin is high, also if the box drives it.
    pub fn is_high(&mut self, pin: u32) -> bool {
        self.registers.read(LEVELS) >> pin & 1 == 1
    }

    /// Sets a pin to a level, and returns the instant at which it changed,
    /// rounded down to microseconds.
    pub fn set(&mut self, pin: u32, high: bool) -> Instant<Utc> {
        self.monitor.execute("stop");
        let changed = self.clock.utc(self.registers);
        set(self.registers, pin, high);
        self.monitor.execute("cont");
        changed
    }
}

fn set(registers: &mut Registers, pin: u32, high: bool) {
    let function = FUNCTIONS + u64::from(pin / 10) * 4;
    let shift = pin % 10 * 3;
    let before = registers.read(function);
    registers.write(function, before & !(7 << shift) | OUTPUT << shift);
    registers.write(if high { SET } else { CLEAR }, 1 << pin);
    registers.write(function, before);
}
