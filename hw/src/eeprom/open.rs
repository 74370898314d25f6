//! Opening: recognise the chip, and sign one that is empty.

use std::fmt::Display;
use std::path::Path;

use embedded_hal::i2c::I2c;
use jaudiosync_time::Span;

use super::at24c32::At24c32;
use super::recognition::{ADDRESS, Recognised, SIGNATURE_PAGE, recognise};
use super::{Eeprom, EepromError, SIGNATURE, WRITE_CYCLE_MS, rewind};
use crate::clocks::Clocks;
use crate::rtc::{self, RtcError};

/// The bus of the HAT's own EEPROM: never touched.
const HAT_BUS: &str = "i2c-0";

/// Whether an empty chip may be signed, and so made ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adoption {
    /// It may: the service, beside a DS3231 that it has recognised.
    Allowed,
    /// It may not: commands that only show something.
    Refused,
}

/// Opens the memory beside a DS3231 that was recognised on this bus, such as `/dev/i2c-1`. A chip
/// that is ours takes some ms, any other up to a second.
///
/// # Errors
/// If there is none, or the chip is another one; then nothing was changed in it.
pub fn open(path: &Path, adoption: Adoption, clocks: &dyn Clocks) -> Result<Box<dyn Eeprom>, EepromError> {
    if path.file_name().is_some_and(|name| name == HAT_BUS) {
        return Err(EepromError::LeftAlone("it is on the bus of the HAT's own EEPROM"));
    }
    let bus = rtc::own_address(path, ADDRESS).map_err(|error| match error {
        RtcError::NotWritable => EepromError::LeftAlone("a driver of the kernel owns it"),
        error => EepromError::Bus(error.to_string()),
    })?;
    Ok(Box::new(open_on(bus, adoption, clocks)?))
}

/// Does the same on any bus.
///
/// # Errors
/// As [`open`].
pub fn open_on<I2C>(mut i2c: I2C, adoption: Adoption, clocks: &dyn Clocks) -> Result<At24c32<I2C>, EepromError>
where
    I2C: I2c + Send,
    I2C::Error: Display,
{
    let recognised = recognise(&mut i2c, adoption)?;
    let mut chip = At24c32::new(i2c);
    rewind(&mut chip)?;
    match recognised {
        Recognised::Ours => Ok(chip),
        Recognised::Empty => sign(chip, clocks),
    }
}

/// Signs an empty chip, and reads that back.
fn sign<I2C>(mut chip: At24c32<I2C>, clocks: &dyn Clocks) -> Result<At24c32<I2C>, EepromError>
where
    I2C: I2c + Send,
    I2C::Error: Display,
{
    chip.write(SIGNATURE.start, &SIGNATURE_PAGE)?;
    clocks.sleep_until(clocks.raw() + Span::from_ms(WRITE_CYCLE_MS));
    let mut written = [0; SIGNATURE_PAGE.len()];
    chip.read(SIGNATURE.start, &mut written)?;
    if written == SIGNATURE_PAGE { Ok(chip) } else { Err(EepromError::Unwritable) }
}
