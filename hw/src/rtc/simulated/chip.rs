//! The chip behind the bus: its registers, what is latched when, and what a write does.

use super::calendar;
use super::model::Ds3231Model;
use super::oscillator::Oscillator;
use crate::rtc::registers::{
    AGING_OFFSET, ALARM_1, CONTROL, CONTROL_CONV, CONTROL_EOSC, CONTROL_INTCN, CONTROL_RS, LAST, SECONDS, STATUS,
    STATUS_ALARMS, STATUS_EN32KHZ, STATUS_OSF, TEMPERATURE,
};
use crate::world::World;

const NS_PER_S: i64 = 1_000_000_000;
/// Time registers: 0x00 to 0x06.
const TIME_REGISTERS: usize = 7;
/// Bits that exist in them (datasheet, figure 1); the others read as 0.
const TIME_BITS: [u8; TIME_REGISTERS] = [0x7F, 0x7F, 0x7F, 0x07, 0x3F, 0x9F, 0xFF];
/// Control and status after a first power-on.
const CONTROL_AT_POWER_ON: u8 = 0x1C;
const STATUS_AT_POWER_ON: u8 = STATUS_OSF | STATUS_EN32KHZ;
/// Status: a conversion is under way.
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
    /// The time registers, and how many seconds since the reset of the countdown chain they have counted.
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
    pub(super) fn new(model: Ds3231Model, to_conversion_ns: i64, world: &dyn World) -> Self {
        let now_ns = world.true_ns();
        let chip_ns = now_ns.saturating_add(model.offset_ns);
        let time = calendar::at(chip_ns.div_euclid(NS_PER_S));
        let elapsed_ns = chip_ns.rem_euclid(NS_PER_S);
        Self {
            time,
            counted_s: 0,
            latched: time,
            alarms: [0; _],
            control: CONTROL_AT_POWER_ON,
            status: STATUS_EN32KHZ,
            aging_offset: 0,
            pointer: 0,
            oscillator: Oscillator::new(model, now_ns, elapsed_ns, to_conversion_ns, world.temperature_c()),
            power: Power::Main,
        }
    }

    /// Brings the registers up to now, which it returns.
    pub(super) fn catch_up(&mut self, world: &dyn World) -> i64 {
        let now_ns = world.true_ns();
        if matches!(self.power, Power::Halted | Power::None) {
            return now_ns;
        }
        if self.oscillator.next_conversion_ns() <= now_ns {
            self.oscillator.convert_until(now_ns, world.temperature_c(), self.aging_offset);
        }
        let elapsed_s = self.oscillator.elapsed_ns(now_ns).div_euclid(NS_PER_S);
        if elapsed_s > self.counted_s {
            calendar::advance(&mut self.time, elapsed_s - self.counted_s);
            self.counted_s = elapsed_s;
        }
        now_ns
    }

    /// A START or repeated START: the user buffers take over the time.
    pub(super) fn latch(&mut self, world: &dyn World) {
        self.catch_up(world);
        self.latched = self.time;
    }

    pub(super) fn set_pointer(&mut self, register: u8) {
        // What the chip does beyond its last register, the datasheet does not say.
        self.pointer = if register > LAST { SECONDS } else { register };
    }

    /// Whether the pointer goes on at 0 with the next byte, which latches the time once more.
    pub(super) fn is_at_last_register(&self) -> bool {
        self.pointer == LAST
    }

    /// The master reads a byte.
    pub(super) fn read(&mut self, world: &dyn World) -> u8 {
        let value = match usize::from(self.pointer) {
            time if time < TIME_REGISTERS => self.latched[time],
            _ => self.register(self.pointer),
        };
        self.step_pointer(world);
        value
    }

    /// The chip acknowledges a byte that the master wrote.
    pub(super) fn write(&mut self, value: u8, world: &dyn World) {
        let now_ns = self.catch_up(world);
        match self.pointer {
            SECONDS => {
                self.oscillator.reset(now_ns);
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
                    self.oscillator.ask_for_conversion(now_ns);
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

    /// What a register holds, as of the last look at the time.
    pub(super) fn register(&self, register: u8) -> u8 {
        let is_busy = self.oscillator.is_conversion_asked();
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

    /// Puts anything into a register that can be written, also what cannot be written there.
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

    /// Another program sets the time, as the kernel's driver does.
    pub(super) fn set_by_someone_else(&mut self, rtc_s: i64, now_ns: i64) {
        self.oscillator.reset(now_ns);
        self.counted_s = 0;
        self.time = calendar::at(rtc_s);
        self.status &= !STATUS_OSF;
    }

    /// The main power goes, and the battery may be out as well.
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

    /// The main power comes back.
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
            self.oscillator.start(world.true_ns(), world.temperature_c(), self.aging_offset);
            self.counted_s = 0;
        }
        self.power = Power::Main;
    }

    pub(super) fn is_on_the_bus(&self) -> bool {
        self.power == Power::Main
    }

    /// The chip's time in ns since the Unix epoch, if its registers hold one and it runs.
    pub(super) fn chip_ns(&self, now_ns: i64) -> Option<i64> {
        if matches!(self.power, Power::Halted | Power::None) {
            return None;
        }
        let phase_ns = self.oscillator.elapsed_ns(now_ns) - self.counted_s * NS_PER_S;
        calendar::rtc_s(self.time).map(|rtc_s| rtc_s * NS_PER_S + phase_ns)
    }

    /// When the next second begins, at the rate of now.
    pub(super) fn next_edge_true_ns(&self) -> i64 {
        self.oscillator.true_ns_at((self.counted_s + 1) * NS_PER_S)
    }

    pub(super) fn gives_1hz(&self) -> bool {
        self.is_on_the_bus() && self.control & (CONTROL_INTCN | CONTROL_RS) == 0
    }

    pub(super) fn rate_ppb(&self) -> f64 {
        self.oscillator.rate_ppb()
    }
}
