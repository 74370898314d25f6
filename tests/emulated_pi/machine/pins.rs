//! The box's pins, worked from outside through the registers of its chip: the buttons, the jumper, and one by which clocks
//! are compared.
//!
//! QEMU's pins have no outside: a level is made by making the pin an output for a moment. It stays when the pin is an
//! input again, whatever pull-up was asked for. The box must not change the function of a pin at that very moment.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use super::line::Line;

/// The chip's GPIO registers: the function of ten pins each from here on, three bits a pin ...
const FUNCTIONS: u64 = 0x3f20_0000;
/// ... and what sets and clears outputs, one bit a pin.
const SET: u64 = FUNCTIONS + 0x1c;
const CLEAR: u64 = FUNCTIONS + 0x28;

const OUTPUT: u32 = 1;
const TIMEOUT: Duration = Duration::from_secs(20);

/// A pin on which a box has nothing.
pub const FREE_PIN: u32 = 17;

/// What connects a pin to ground, on the pins that a box has them on by default.
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

/// The line to the registers.
pub struct Pins(Line);

impl Pins {
    /// All contacts but these open: there is no pull-up that would see to it.
    pub(super) fn new(line: Line, closed: &[Contact]) -> Self {
        line.set_timeout(TIMEOUT);
        let mut pins = Self(line);
        for contact in Contact::ALL {
            pins.set(contact.pin(), !closed.contains(&contact));
        }
        pins
    }

    /// Presses a button for so long.
    pub fn hold(&mut self, contact: Contact, time: Duration) {
        self.press(contact);
        std::thread::sleep(time);
        self.release(contact);
    }

    /// Connects the pin to ground.
    pub fn press(&mut self, contact: Contact) {
        self.set(contact.pin(), false);
    }

    /// Lets the pull-up have the pin.
    pub fn release(&mut self, contact: Contact) {
        self.set(contact.pin(), true);
    }

    /// Gives a pin a level, and tells between which instants of this machine's clock it changed.
    pub fn set(&mut self, pin: u32, high: bool) -> Range<SystemTime> {
        let function = FUNCTIONS + u64::from(pin / 10) * 4;
        let shift = pin % 10 * 3;
        let before = self.read(function);
        self.write(function, before & !(7 << shift) | OUTPUT << shift);
        let from = SystemTime::now();
        self.write(if high { SET } else { CLEAR }, 1 << pin);
        let to = SystemTime::now();
        self.write(function, before);
        from..to
    }

    fn read(&mut self, address: u64) -> u32 {
        let answer = self.ask(&format!("readl {address:#x}"));
        let digits = answer.trim_start_matches("OK 0x");
        u64::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("QEMU's test socket said: {answer}")) as u32
    }

    fn write(&mut self, address: u64, value: u32) {
        let answer = self.ask(&format!("writel {address:#x} {value:#x}"));
        assert_eq!(answer, "OK", "of QEMU's test socket");
    }

    fn ask(&mut self, request: &str) -> String {
        self.0.send(&format!("{request}\n")).expect("a running QEMU");
        self.0.receive().expect("an answer of QEMU's test socket")
    }
}
