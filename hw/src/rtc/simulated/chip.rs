//! The chip behind the bus: its registers, what is latched when, and what a write does.

use jaudiosync_time::{ClockMap, Instant, Rate, Rtc, Span, True};

use super::calendar;
use super::model::Ds3231Model;
use super::oscillator::Oscillator;
use crate::rtc::registers::{
    AGING_OFFSET, ALARM_1, CONTROL, CONTROL_CONV, CONTROL_EOSC, CONTROL_INTCN, CONTROL_RS, LAST, SECONDS, STATUS,
    STATUS_ALARMS, STATUS_EN32KHZ, STATUS_OSF, TEMPERATURE,
};
use crate::world::World;

/// Time registers: 0x00 to 0x06.
const TIME_REGISTERS: usize = 7;
/// Bits that exist in them (datasheet, figure 1); the others read as 0.
const TIME_BITS: [u8; TIME_REGISTERS] = [0x7F, 0x7F, 0x7F, 0x07, 0x3F, 0x9F, 0xFF];
/// Control and status after a first power-on.
const CONTROL_AT_POWER_ON: u8 = 0x1C;
const STATUS_AT_POWER_ON: u8 = STATUS_OSF | STATUS_EN32KHZ;
/// Status: a conversion is in progress.
const STATUS_BSY: u8 = 1 << 2;

/// What the chip runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    Main,
    Battery,
    /// On its battery with the oscillator disabled (EOSC).
    Halted,
    None,
}

pub(super) struct Chip {
    /// The time registers, and how many seconds they have counted since the countdown chain was
    /// reset.
    time: [u8; TIME_REGISTERS],
    counted_s: i64,
    /// The user buffers: what the time registers were at the last START.
    latched: [u8; TIME_REGISTERS],
    alarms: [u8; (CONTROL - ALARM_1) as usize],
    control: u8,
    status: u8,
    aging_offset: i8,
    pointer: u8,
    oscillator: Oscillator,
    power: Power,
}

impl Chip {
    pub(super) fn new(model: Ds3231Model, to_conversion: Span, world: &dyn World) -> Self {
        let now = world.true_time();
        // An ideal chip shows true UTC.
        let rtc = ClockMap::<True, Rtc>::with_offset(now, model.offset, Rate::ZERO).to;
        let time = calendar::at(rtc.second());
        Self {
            time,
            counted_s: 0,
            latched: time,
            alarms: [0; _],
            control: CONTROL_AT_POWER_ON,
            status: STATUS_EN32KHZ,
            aging_offset: 0,
            pointer: 0,
            oscillator: Oscillator::new(model, now, rtc.since_second(), to_conversion, world.temperature_c()),
            power: Power::Main,
        }
    }

    /// Brings the registers up to the true time, which it returns.
    pub(super) fn catch_up(&mut self, world: &dyn World) -> Instant<True> {
        let now = world.true_time();
        if matches!(self.power, Power::Halted | Power::None) {
            return now;
        }
        if self.oscillator.next_conversion() <= now {
            self.oscillator.convert_until(now, world.temperature_c(), self.aging_offset);
        }
        let elapsed_s = self.oscillator.chain_at(now).second();
        if elapsed_s > self.counted_s {
            calendar::advance(&mut self.time, elapsed_s - self.counted_s);
            self.counted_s = elapsed_s;
        }
        now
    }

    /// Handles a START or repeated START: the user buffers take over the time.
    pub(super) fn latch(&mut self, world: &dyn World) {
        self.catch_up(world);
        self.latched = self.time;
    }

    pub(super) fn set_pointer(&mut self, register: u8) {
        // The datasheet does not say what the chip does beyond its last register.
        self.pointer = if register > LAST { SECONDS } else { register };
    }

    /// Returns whether the pointer wraps to 0 with the next byte, which latches the time again.
    pub(super) fn is_at_last_register(&self) -> bool {
        self.pointer == LAST
    }

    /// Returns the byte that the master reads.
    pub(super) fn read(&mut self, world: &dyn World) -> u8 {
        let value = match usize::from(self.pointer) {
            time if time < TIME_REGISTERS => self.latched[time],
            _ => self.register(self.pointer),
        };
        self.step_pointer(world);
        value
    }

    /// Acknowledges a byte that the master wrote.
    pub(super) fn write(&mut self, value: u8, world: &dyn World) {
        let now = self.catch_up(world);
        match self.pointer {
            SECONDS => {
                self.oscillator.reset(now);
                self.counted_s = 0;
                self.time[0] = value & TIME_BITS[0];
            }
            time if usize::from(time) < TIME_REGISTERS => {
                self.time[usize::from(time)] = value & TIME_BITS[usize::from(time)];
            }
            alarm @ ALARM_1..CONTROL => self.alarms[usize::from(alarm - ALARM_1)] = value,
            CONTROL => {
                self.control = value & !CONTROL_CONV;
                if value & CONTROL_CONV != 0 {
                    self.oscillator.command_conversion(now);
                }
            }
            STATUS => {
                let only_cleared = STATUS_OSF | STATUS_ALARMS;
                self.status = (self.status & value & only_cleared) | (value & STATUS_EN32KHZ);
            }
            AGING_OFFSET => self.aging_offset = value.cast_signed(),
            // The temperature cannot be written.
            _ => {}
        }
        self.step_pointer(world);
    }

    fn step_pointer(&mut self, world: &dyn World) {
        if self.pointer == LAST {
            self.pointer = SECONDS;
            self.latch(world);
        } else {
            self.pointer += 1;
        }
    }

    /// Returns what a register holds, as of the last catching up.
    pub(super) fn register(&self, register: u8) -> u8 {
        let is_busy = self.oscillator.is_converting();
        let temperature = (self.oscillator.quarter_degrees() << 6).to_be_bytes();
        match register {
            time if usize::from(time) < TIME_REGISTERS => self.time[usize::from(time)],
            alarm @ ALARM_1..CONTROL => self.alarms[usize::from(alarm - ALARM_1)],
            CONTROL => self.control | if is_busy { CONTROL_CONV } else { 0 },
            STATUS => self.status | if is_busy { STATUS_BSY } else { 0 },
            AGING_OFFSET => self.aging_offset.cast_unsigned(),
            TEMPERATURE => temperature[0],
            LAST => temperature[1],
            _ => 0,
        }
    }

    /// Puts any value into a writable register, even one that could not be written there.
    pub(super) fn corrupt(&mut self, register: u8, value: u8) {
        match register {
            time if usize::from(time) < TIME_REGISTERS => self.time[usize::from(time)] = value,
            alarm @ ALARM_1..CONTROL => self.alarms[usize::from(alarm - ALARM_1)] = value,
            CONTROL => self.control = value & !CONTROL_CONV,
            STATUS => self.status = value & !STATUS_BSY,
            AGING_OFFSET => self.aging_offset = value.cast_signed(),
            _ => {}
        }
    }

    /// Sets the time as another program would, in the way of the kernel's driver.
    pub(super) fn set_by_someone_else(&mut self, rtc_s: i64, now: Instant<True>) {
        self.oscillator.reset(now);
        self.counted_s = 0;
        self.time = calendar::at(rtc_s);
        self.status &= !STATUS_OSF;
    }

    /// Cuts the main power; the battery may be out as well.
    pub(super) fn cut_power(&mut self, without_battery: bool) {
        self.power = if without_battery {
            Power::None
        } else if self.control & CONTROL_EOSC != 0 {
            self.status |= STATUS_OSF;
            Power::Halted
        } else {
            Power::Battery
        };
    }

    /// Restores the main power.
    pub(super) fn restore_power(&mut self, world: &dyn World) {
        if self.power == Power::None {
            self.time = calendar::AT_POWER_ON;
            self.alarms = [0; _];
            self.control = CONTROL_AT_POWER_ON;
            self.status = STATUS_AT_POWER_ON;
            self.aging_offset = 0;
            self.pointer = 0;
        }
        if matches!(self.power, Power::None | Power::Halted) {
            self.oscillator.start(world.true_time(), world.temperature_c(), self.aging_offset);
            self.counted_s = 0;
        }
        self.power = Power::Main;
    }

    pub(super) fn is_on_the_bus(&self) -> bool {
        self.power == Power::Main
    }

    /// Returns what the chip shows, with the part of a second that no register holds; `None` if it
    /// stands still or its registers hold no time.
    pub(super) fn rtc_at(&self, now: Instant<True>) -> Option<Instant<Rtc>> {
        if matches!(self.power, Power::Halted | Power::None) {
            return None;
        }
        let since_second = self.oscillator.chain_at(now) - Instant::from_second(self.counted_s);
        calendar::rtc_s(self.time).map(|rtc_s| Instant::from_second(rtc_s) + since_second)
    }

    /// Returns when the next second begins, at the present rate.
    pub(super) fn next_edge(&self) -> Instant<True> {
        self.oscillator.true_time_at(Instant::from_second(self.counted_s + 1))
    }

    pub(super) fn gives_1hz(&self) -> bool {
        self.is_on_the_bus() && self.control & (CONTROL_INTCN | CONTROL_RS) == 0
    }

    pub(super) fn rate_ppb(&self) -> f64 {
        self.oscillator.rate_ppb()
    }
}
