//! Looks which chip is there before anything is written to it: the only way to a driver.

use std::fmt::{Display, Write as _};

use embedded_hal::i2c::I2c;

use super::ds3231::failure;
use super::identify::{Chip, DS3231_REGISTERS, IMAGE_REGISTERS, RegisterImage, WHO_AM_I, identify};
use super::registers::{ADDRESS, SECONDS};
use super::{Ds3231, RtcError};

/// A transfer that fails, or an image that is none, is read again this often: a loose wire must not
/// turn a DS3231 away.
const ATTEMPTS: usize = 3;

/// Which chip may stand in for a DS3231: for tests alone, where an emulator has no DS3231.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StandIn {
    /// None.
    #[default]
    Nothing,
    /// A DS1307 or DS1338 is driven as if it were a DS3231: its RAM lies where a DS3231 has its
    /// alarms, its status and its temperature.
    Ds1307,
}

impl<I2C> Ds3231<I2C>
where
    I2C: I2c,
    I2C::Error: Display,
{
    /// Makes the driver of the chip on this bus if it is a DS3231, or may stand in for one. It is
    /// only read until that is known: each transfer sends one byte, which selects a register.
    ///
    /// # Errors
    /// [`RtcError::WrongChip`] and [`RtcError::UnknownChip`] when another chip answers; otherwise
    /// when the bus or the chip does not answer.
    pub fn recognize(mut i2c: I2C, stand_in: StandIn) -> Result<Self, RtcError> {
        let chip = look(&mut i2c, stand_in)?;
        Ok(Self::recognized(i2c, chip, true))
    }

    /// Does the same for a chip that something else owns: every write gives
    /// [`RtcError::NotWritable`].
    ///
    /// # Errors
    /// As [`recognize`](Self::recognize).
    pub fn recognize_read_only(mut i2c: I2C, stand_in: StandIn) -> Result<Self, RtcError> {
        let chip = look(&mut i2c, stand_in)?;
        Ok(Self::recognized(i2c, chip, false))
    }
}

/// Returns which chip it is, if it may be used.
fn look<I2C: I2c>(i2c: &mut I2C, stand_in: StandIn) -> Result<Chip, RtcError>
where
    I2C::Error: Display,
{
    let mut result = Err(RtcError::NoAnswer);
    for _ in 0..ATTEMPTS {
        result = look_once(i2c, stand_in);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn look_once<I2C: I2c>(i2c: &mut I2C, stand_in: StandIn) -> Result<Chip, RtcError>
where
    I2C::Error: Display,
{
    let mut image = [0; IMAGE_REGISTERS];
    i2c.write_read(ADDRESS, &[SECONDS], &mut image).map_err(failure)?;
    let mut chip = identify(&image, None);
    if chip == Chip::Unknown {
        let mut name = [0];
        i2c.write_read(ADDRESS, &[WHO_AM_I], &mut name).map_err(failure)?;
        chip = identify(&image, Some(name[0]));
    }
    match chip {
        Chip::Ds3231 => Ok(chip),
        Chip::Ds1307 if stand_in == StandIn::Ds1307 => Ok(chip),
        Chip::Unknown => Err(RtcError::UnknownChip { registers: hexadecimal(&image) }),
        other => Err(RtcError::WrongChip(other)),
    }
}

/// Returns the first registers, from which it can be found out what the chip is.
fn hexadecimal(image: &RegisterImage) -> String {
    let mut text = String::new();
    for value in &image[..DS3231_REGISTERS] {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}{value:02x}", if text.is_empty() { "" } else { " " });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
    use embedded_hal_mock::eh1::i2c::{Mock, Transaction};

    fn image(registers: &[u8]) -> Transaction {
        let values = registers.iter().copied().cycle().take(IMAGE_REGISTERS).collect();
        Transaction::write_read(ADDRESS, vec![SECONDS], values)
    }

    const DS3231: [u8; 19] = [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x1C, 0x88, 0, 0x17, 0xC0];

    fn recognized(transfers: &[Transaction], stand_in: StandIn) -> Result<Chip, RtcError> {
        let mut bus = Mock::new(transfers);
        let found = look(&mut bus, stand_in);
        bus.done();
        found
    }

    #[test]
    fn one_read_is_enough_for_a_ds3231() {
        assert_eq!(recognized(&[image(&DS3231)], StandIn::Nothing), Ok(Chip::Ds3231));
    }

    #[test]
    fn a_loose_wire_does_not_turn_a_ds3231_away() {
        let unanswered = image(&DS3231).with_error(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address));
        let mut torn = [0xFF; IMAGE_REGISTERS];
        torn[..40].fill(0);
        let name = Transaction::write_read(ADDRESS, vec![WHO_AM_I], vec![0xFF]);
        let transfers = [unanswered, image(&torn), name, image(&DS3231)];
        assert_eq!(recognized(&transfers, StandIn::Nothing), Ok(Chip::Ds3231));
    }

    #[test]
    fn a_ds1338_passes_only_where_it_may_stand_in() {
        let registers: Vec<u8> = [0x59, 0x08, 0x17, 7, 0x10, 0x02, 0x24, 0x03].into_iter().chain([0; 56]).collect();
        let refused = recognized(&[image(&registers), image(&registers), image(&registers)], StandIn::Nothing);
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("a DS1307 or DS1338 answers") && said.contains("Buy a DS3231"), "{said}");
        assert_eq!(recognized(&[image(&registers)], StandIn::Ds1307), Ok(Chip::Ds1307));
    }

    #[test]
    fn an_unknown_chip_is_reported_with_its_registers() {
        let registers: Vec<u8> = (100..100 + IMAGE_REGISTERS as u8).collect();
        let name = || Transaction::write_read(ADDRESS, vec![WHO_AM_I], vec![1]);
        let transfers = [image(&registers), name(), image(&registers), name(), image(&registers), name()];
        let said = recognized(&transfers, StandIn::Nothing).unwrap_err().to_string();
        assert!(said.contains("64 65 66") && said.contains("not a DS3231"), "{said}");
    }
}
