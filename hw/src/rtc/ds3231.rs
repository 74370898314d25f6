//! The driver of the DS3231, for any I2C bus.

use std::fmt::Display;

use embedded_hal::i2c::{Error, ErrorKind, I2c};

use super::registers::{
    ADDRESS, AGING_OFFSET, ALARM_1, ALARM_2, CONTROL, CONTROL_CONV, CONTROL_EOSC, CONTROL_INTCN, CONTROL_RS, LAST,
    SECONDS, STATUS, STATUS_ALARMS, STATUS_EN32KHZ, STATUS_OSF, TEMPERATURE, decode_time, encode_time, from_bcd,
};
use super::{Chip, ChipMark, ChipStamp, Rtc, RtcError, RtcStatus, RtcTime};

/// Registers in one read of the status, from alarm 1 to the temperature.
const STATUS_REGISTERS: usize = (LAST - ALARM_1) as usize + 1;

/// A DS3231 on a bus. [`recognize`](Self::recognize) makes it, once the chip is known to be one.
///
/// The crate ds323x (0.7) is not used for this: it assumes that the control and status registers
/// are as after power-on and writes them back so, which would change the 32 kHz output and the
/// square wave; it takes any bits for digits; and it reads 12 AM as noon and cannot read 12 PM. One
/// burst for the status is also shorter than its four single reads. The tests compare what both
/// write.
#[derive(Debug)]
pub struct Ds3231<I2C> {
    i2c: I2C,
    chip: Chip,
    is_writable: bool,
}

impl<I2C> Ds3231<I2C>
where
    I2C: I2c,
    I2C::Error: Display,
{
    /// Makes the driver for a chip that `probe` has recognized: nothing else may, so that nothing
    /// is ever written to a chip that was not recognized.
    pub(super) fn recognized(i2c: I2C, chip: Chip, is_writable: bool) -> Self {
        Self { i2c, chip, is_writable }
    }

    /// Returns the bus.
    pub fn release(self) -> I2C {
        self.i2c
    }

    /// Turns the 1 Hz square wave on the pin INT/SQW on or off. It falls where a second begins. On
    /// battery alone the pin stays silent.
    ///
    /// # Errors
    /// When the bus or the chip does not answer, or the chip may not be written to.
    pub fn enable_1hz_output(&mut self, is_enabled: bool) -> Result<(), RtcError> {
        self.check_writable()?;
        let [control] = self.read(CONTROL)?;
        let changed =
            if is_enabled { control & !(CONTROL_INTCN | CONTROL_RS) } else { control | CONTROL_INTCN } & !CONTROL_CONV;
        if changed != control { self.write(&[CONTROL, changed]) } else { Ok(()) }
    }

    /// Clears the flags that say that the oscillator has stopped, and lets it run on the battery.
    fn keep_running(&mut self) -> Result<(), RtcError> {
        let [control, status] = self.read(CONTROL)?;
        // An oscillator that stops without main power would lose the time at the next power cut.
        if control & CONTROL_EOSC != 0 {
            self.write(&[CONTROL, control & !(CONTROL_EOSC | CONTROL_CONV)])?;
        }
        if status & STATUS_OSF != 0 {
            // The alarms' flags are written as 1, which leaves them as they are, even any that are
            // set meanwhile.
            self.write(&[STATUS, (status & STATUS_EN32KHZ) | STATUS_ALARMS])?;
        }
        Ok(())
    }

    fn check_writable(&self) -> Result<(), RtcError> {
        if self.is_writable { Ok(()) } else { Err(RtcError::NotWritable) }
    }

    fn read<const N: usize>(&mut self, register: u8) -> Result<[u8; N], RtcError> {
        let mut values = [0; N];
        self.i2c.write_read(ADDRESS, &[register], &mut values).map_err(failure)?;
        Ok(values)
    }

    /// Writes a register's address, and then what it and the following ones are to hold.
    fn write(&mut self, bytes: &[u8]) -> Result<(), RtcError> {
        self.i2c.write(ADDRESS, bytes).map_err(failure)
    }
}

pub(super) fn failure(error: impl Error + Display) -> RtcError {
    match error.kind() {
        ErrorKind::NoAcknowledge(_) => RtcError::NoAnswer,
        _ => RtcError::Bus(error.to_string()),
    }
}

impl<I2C> Rtc for Ds3231<I2C>
where
    I2C: I2c + Send,
    I2C::Error: Display,
{
    fn read_time(&mut self) -> Result<RtcTime, RtcError> {
        let registers = self.read(SECONDS)?;
        Ok(match decode_time(registers) {
            Some(rtc_s) => RtcTime::Valid { rtc_s },
            None => RtcTime::Invalid { registers },
        })
    }

    fn read_second(&mut self) -> Result<u8, RtcError> {
        let [value] = self.read(SECONDS)?;
        from_bcd(value, 59).ok_or(RtcError::BadRegister { register: SECONDS, value })
    }

    fn read_status(&mut self) -> Result<RtcStatus, RtcError> {
        let values: [u8; STATUS_REGISTERS] = self.read(ALARM_1)?;
        let value = |register: u8| values[usize::from(register - ALARM_1)];
        // Ten bits in two's complement, left-aligned in two bytes.
        let quarter_degrees = i16::from_be_bytes([value(TEMPERATURE), value(TEMPERATURE + 1)]) >> 6;
        Ok(RtcStatus {
            oscillator_stopped: value(STATUS) & STATUS_OSF != 0,
            temperature_c: f64::from(quarter_degrees) * 0.25,
            aging_offset: value(AGING_OFFSET).cast_signed(),
            mark: ChipMark([value(ALARM_1), value(ALARM_1 + 1), value(ALARM_1 + 2), value(ALARM_1 + 3)]),
            stamp: ChipStamp([value(ALARM_2), value(ALARM_2 + 1), value(ALARM_2 + 2)]),
        })
    }

    fn set_time(&mut self, rtc_s: i64) -> Result<(), RtcError> {
        self.check_writable()?;
        let [s, m, h, weekday, day, month, year] = encode_time(rtc_s).ok_or(RtcError::YearOutOfRange)?;
        self.write(&[SECONDS, s, m, h, weekday, day, month, year])?;
        self.keep_running()
    }

    fn set_time_with(&mut self, rtc_s: i64, mark: ChipMark, stamp: ChipStamp) -> Result<(), RtcError> {
        self.check_writable()?;
        let [s, m, h, weekday, day, month, year] = encode_time(rtc_s).ok_or(RtcError::YearOutOfRange)?;
        let (ChipMark([a, b, c, d]), ChipStamp([e, f, g])) = (mark, stamp);
        self.write(&[SECONDS, s, m, h, weekday, day, month, year, a, b, c, d, e, f, g])?;
        self.keep_running()
    }

    fn write_stamp(&mut self, stamp: ChipStamp) -> Result<(), RtcError> {
        self.check_writable()?;
        let [e, f, g] = stamp.0;
        self.write(&[ALARM_2, e, f, g])
    }

    fn write_mark(&mut self, mark: ChipMark) -> Result<(), RtcError> {
        self.check_writable()?;
        let [a, b, c, d] = mark.0;
        self.write(&[ALARM_1, a, b, c, d])
    }

    fn is_writable(&self) -> bool {
        self.is_writable
    }

    fn chip(&self) -> Chip {
        self.chip
    }
}

#[cfg(test)]
mod tests;
