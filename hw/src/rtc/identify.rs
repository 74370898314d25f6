//! Which chip answers at the DS3231's address, judged by what its registers hold.
//!
//! Several other clocks, and a motion sensor, have the same address, and a write that sets a DS3231
//! does harm to them: it would stop a PCF8523. So the registers are read in one transfer that is
//! longer than the register space of any of these clocks. Their register pointers begin again after
//! the last register, each after its own number of registers, and what they hold has bits that are
//! always zero. Nothing here reads or writes anything.
//!
//! Sources: the datasheets of the DS3231 and the DS3231M ("Address Map": after 12h the pointer
//! wraps to 00h), the DS1307 and the DS1338 (RAM from 08h to 3Fh, then 00h), the DS1337 (0Fh), the
//! DS1339 (10h), the PCF8523 ("Register organization": 00h to 13h) and the MPU-6050 (WHO_AM_I at
//! 75h); the register names of drivers/rtc/rtc-ds1307.c and rtc-pcf8523.c in Linux.

use std::fmt;

use super::registers::{
    CONTROL, CONTROL_CONV, LAST, SECONDS, STATUS, STATUS_EN32KHZ, STATUS_OSF, TEMPERATURE, decode_time,
};

/// Registers in an image: all 64 of a DS1307, and enough of the next pass to see that it is one.
pub(super) const IMAGE_REGISTERS: usize = 84;

/// The registers from 0x00 on as one transfer has read them.
pub(super) type RegisterImage = [u8; IMAGE_REGISTERS];

/// How many registers each clock has before its pointer begins again.
const DS1337_REGISTERS: usize = 16;
const DS1339_REGISTERS: usize = 17;
pub(super) const DS3231_REGISTERS: usize = LAST as usize + 1;
pub(super) const PCF8523_REGISTERS: usize = 20;
pub(super) const DS1307_REGISTERS: usize = 64;

/// Bits of a DS3231 that always read as 0 (datasheet, figure 1).
const DS3231_ZERO_BITS: [(u8, u8); 8] = [
    (SECONDS, 0x80),
    (0x01, 0x80),
    (0x02, 0x80),
    (0x03, 0xF8),
    (0x04, 0xC0),
    (0x05, 0x60),
    (STATUS, 0x70),
    (LAST, 0x3F),
];

/// The PCF8523's first time register; seven follow each other as seconds, minutes, hours, days,
/// weekdays, months, years.
pub(super) const PCF8523_SECONDS: usize = 0x03;

/// The register with which an MPU-6050 names itself, and the names of it and its successors.
pub(super) const WHO_AM_I: u8 = 0x75;
const MOTION_SENSORS: [u8; 4] = [0x68, 0x70, 0x71, 0x73];

/// A chip at the DS3231's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Chip {
    /// The one that is wanted. A DS3231M has the same registers.
    #[default]
    Ds3231,
    /// A clock without temperature compensation, and with RAM where a DS3231 has its status. A
    /// DS1338 cannot be told from a DS1307.
    Ds1307,
    /// A DS1337, which has neither a temperature nor a battery input.
    Ds1337,
    /// A DS1339, as on a PiJuice.
    Ds1339,
    /// A clock whose registers lie elsewhere: on Adafruit's PiRTC, and many HATs.
    Pcf8523,
    /// A motion sensor such as an MPU-6050.
    MotionSensor,
    /// Something else.
    Unknown,
}

impl fmt::Display for Chip {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ds3231 => "DS3231",
            Self::Ds1307 => "DS1307 or DS1338",
            Self::Ds1337 => "DS1337",
            Self::Ds1339 => "DS1339",
            Self::Pcf8523 => "PCF8523",
            Self::MotionSensor => "motion sensor (MPU-6050 or a relative)",
            Self::Unknown => "chip that is not known here",
        })
    }
}

/// Returns which chip has these registers. `who_am_i` is what its register 0x75 holds, where that
/// was read.
pub(super) fn identify(image: &RegisterImage, who_am_i: Option<u8>) -> Chip {
    let begins_again_after = |registers, changing: &[usize]| begins_again(image, registers, changing);
    if is_ds3231(image) {
        Chip::Ds3231
    } else if begins_again_after(PCF8523_REGISTERS, &[0x03, 0x04, 0x05, 0x11, 0x13]) {
        if has_pcf8523_time(image) { Chip::Pcf8523 } else { Chip::Unknown }
    } else if begins_again_after(DS1339_REGISTERS, &[0, 1, 2]) {
        Chip::Ds1339
    } else if begins_again_after(DS1337_REGISTERS, &[0, 1, 2]) {
        Chip::Ds1337
    } else if begins_again_after(DS1307_REGISTERS, &[0, 1, 2]) {
        Chip::Ds1307
    } else if who_am_i.is_some_and(|name| MOTION_SENSORS.contains(&name)) {
        Chip::MotionSensor
    } else {
        Chip::Unknown
    }
}

/// Returns whether all registers but those that may change meanwhile repeat after this many, and
/// differ among themselves: a bus that is held low, or an empty one, repeats after any number.
fn begins_again(image: &RegisterImage, registers: usize, changing: &[usize]) -> bool {
    let is_constant = image.iter().all(|value| *value == image[0]);
    let mut pairs = image.iter().zip(&image[registers..]).enumerate();
    !is_constant && pairs.all(|(index, (value, next))| value == next || changing.contains(&(index % registers)))
}

fn is_ds3231(image: &RegisterImage) -> bool {
    let mut passes = image.chunks(DS3231_REGISTERS);
    let Some(first) = passes.next() else { return false };
    let (mut last, mut is_one) = (first, has_ds3231_bits(first));
    for pass in passes {
        is_one &= pass.iter().enumerate().all(|(register, value)| may_follow(last, register, *value));
        // The last pass is cut short.
        last = if pass.len() == DS3231_REGISTERS { pass } else { last };
    }
    is_one
}

/// Returns whether a pass over the registers has the bits of a DS3231. Any time will do, and any
/// alarm: other programs may have left there what they like. Only a weekday, date and month that
/// are all 0 are none: neither the chip nor any program brings that about, but a bus that is held
/// low does.
fn has_ds3231_bits(pass: &[u8]) -> bool {
    let mut registers = pass.iter().enumerate();
    registers.all(|(register, value)| has_zero_bits(register, *value)) && pass[3..6].iter().any(|value| *value != 0)
}

fn has_zero_bits(register: usize, value: u8) -> bool {
    DS3231_ZERO_BITS.iter().all(|(zero, bits)| usize::from(*zero) != register || value & bits == 0)
}

/// Returns whether a DS3231's register may hold a value some milliseconds after this pass.
fn may_follow(pass: &[u8], register: usize, value: u8) -> bool {
    const YEAR: u8 = 0x06;
    let before = pass[register];
    has_zero_bits(register, value)
        && match register as u8 {
            // A second may have begun, whatever digits it has, and with it a minute, or a year.
            SECONDS => true,
            1..=YEAR => value == before || pass[usize::from(SECONDS)] == 0x59,
            CONTROL => (value ^ before) & !CONTROL_CONV == 0,
            STATUS => (value ^ before) & (STATUS_OSF | STATUS_EN32KHZ) == 0,
            // A conversion may have ended.
            TEMPERATURE => value.wrapping_sub(before).wrapping_add(1) <= 2,
            LAST => true,
            _ => value == before,
        }
}

/// Returns whether the PCF8523's time registers hold a date, once the flag of its oscillator and
/// the bits without a meaning are masked.
fn has_pcf8523_time(image: &RegisterImage) -> bool {
    const BITS: [u8; 7] = [0x7F, 0x7F, 0x3F, 0x3F, 0x07, 0x1F, 0xFF];
    let mut time = [0; 7];
    for (index, bits) in BITS.iter().enumerate() {
        time[index] = image[PCF8523_SECONDS + index] & bits;
    }
    let [seconds, minutes, hours, day, weekday, month, year] = time;
    // In 12-hour mode bit 5 of the hours stands for PM.
    let is_12_hour = image[0] & (1 << 3) != 0;
    let hours = if is_12_hour { hours & 0x1F } else { hours };
    weekday <= 6 && decode_time([seconds, minutes, hours, 1, day, month, year]).is_some()
}

#[cfg(test)]
mod tests;
