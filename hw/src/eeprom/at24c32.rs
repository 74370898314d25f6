//! The driver: the crate eeprom24x below, and this program's errors.

use std::fmt::Display;

use eeprom24x::addr_size::TwoBytes;
use eeprom24x::page_size::B32;
use eeprom24x::unique_serial::No;
use eeprom24x::{Eeprom24x, SlaveAddr};
use embedded_hal::i2c::{ErrorKind, I2c};

use super::{CAPACITY_BYTES, Eeprom, EepromError};

/// A chip that was recognised, see [`open_on`](super::open_on).
pub struct At24c32<I2C> {
    chip: Eeprom24x<I2C, B32, TwoBytes, No>,
}

impl<I2C> At24c32<I2C>
where
    I2C: I2c,
    I2C::Error: Display,
{
    /// Makes the driver. The chip must be known to be an AT24C32: reading from another one begins
    /// with two bytes that it may take for something to write.
    pub(super) fn new(i2c: I2C) -> Self {
        // All three address pins are high: 0x57.
        Self { chip: Eeprom24x::new_24x32(i2c, SlaveAddr::Alternative(true, true, true)) }
    }
}

/// Returns what an error of the bus means.
pub(super) fn failure(error: impl embedded_hal::i2c::Error + Display) -> EepromError {
    match error.kind() {
        ErrorKind::NoAcknowledge(_) => EepromError::Busy,
        _ => EepromError::Bus(error.to_string()),
    }
}

impl<I2C> Eeprom for At24c32<I2C>
where
    I2C: I2c + Send,
    I2C::Error: Display,
{
    fn read(&mut self, at: u16, buffer: &mut [u8]) -> Result<(), EepromError> {
        let out_of_range = EepromError::OutOfRange(buffer.len(), at);
        if usize::from(at) + buffer.len() > usize::from(CAPACITY_BYTES) {
            return Err(out_of_range);
        }
        self.chip.read_data(at.into(), buffer).map_err(|error| match error {
            eeprom24x::Error::I2C(error) => failure(error),
            _ => out_of_range,
        })
    }

    fn write(&mut self, at: u16, bytes: &[u8]) -> Result<(), EepromError> {
        let out_of_range = EepromError::OutOfRange(bytes.len(), at);
        self.chip.write_page(at.into(), bytes).map_err(|error| match error {
            eeprom24x::Error::I2C(error) => failure(error),
            _ => out_of_range,
        })
    }
}
