//! The memory on the clock module: an AT24C32 beside the DS3231, 4 KiB that survive power cuts, a
//! new SD card and a read-only root. What is saved there is decided elsewhere; here are the chip,
//! how it is recognised, and who has which part of it.
//!
//! It hangs on the RTC's bus. Whoever uses it chooses moments at which no edge is searched for: a
//! transfer of a page takes 3 to 6 ms.

mod at24c32;
mod open;
mod recognition;
mod simulated;

use std::ops::Range;

pub use at24c32::At24c32;
pub use open::{Adoption, open, open_on};
pub use simulated::{Memory, SimulatedEeprom, SimulatedEepromBusError, SimulatedEepromHandle};

/// The chip's size, in bytes (datasheet AT24C32, "Memory Organization").
pub const CAPACITY_BYTES: u16 = 4096;

/// A write stays within a page of this many bytes.
pub const PAGE_BYTES: u16 = 32;

/// The page by which the chip is recognised as ours. Nothing else is written there.
pub const SIGNATURE: Range<u16> = 0..PAGE_BYTES;

/// The two slots of the state: calibration, session, volume. 31 pages each.
pub const STATE_SLOTS: [Range<u16>; 2] = [32..1024, 1024..2016];

/// The part of the short flight recorder.
pub const RECORDER: Range<u16> = 2048..CAPACITY_BYTES;

/// How long the chip writes a page at most, in ms (datasheet, "Write Cycle Time": 10 ms at 5 V, and
/// 20 ms for the oldest parts at 1.8 V).
pub const WRITE_CYCLE_MS: i64 = 20;

/// A memory of [`CAPACITY_BYTES`].
pub trait Eeprom: Send {
    /// Reads from this place on.
    ///
    /// # Errors
    /// [`EepromError::Busy`] while the chip writes a page: try again a few ms later. Otherwise when
    /// the bus or the chip does not answer, or the place is beyond the end.
    fn read(&mut self, at: u16, buffer: &mut [u8]) -> Result<(), EepromError>;

    /// Writes within one page, and does not wait until the chip has done so: for up to
    /// [`WRITE_CYCLE_MS`] it answers nothing. A power cut meanwhile leaves anything in that page,
    /// and nothing else is touched.
    ///
    /// # Errors
    /// As [`read`](Self::read), and if the bytes cross the end of a page. After an error of the bus
    /// the page may have been written or not.
    fn write(&mut self, at: u16, bytes: &[u8]) -> Result<(), EepromError>;
}

/// Leaves the chip at its beginning, by reading its last byte, so that the next program recognises
/// it by one read and not by hundreds. Call this after the last of several transfers.
///
/// # Errors
/// As [`Eeprom::read`].
pub fn rewind(eeprom: &mut dyn Eeprom) -> Result<(), EepromError> {
    eeprom.read(CAPACITY_BYTES - 1, &mut [0])
}

/// Why the memory cannot be used.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum EepromError {
    /// Nothing answers at its address.
    #[error("there is no EEPROM at address 0x57")]
    Absent,
    /// Something answers that is not an AT24C32 which is empty or ours. Nothing was written to it.
    #[error("the chip at address 0x57 is left alone: {0}")]
    LeftAlone(&'static str),
    /// It is empty, and may not be written to now.
    #[error("the EEPROM at address 0x57 is empty; the service will use it if it is an AT24C32")]
    Empty,
    /// It writes a page, or does not acknowledge for another reason.
    #[error("the EEPROM does not acknowledge")]
    Busy,
    /// The transfer failed in another way.
    #[error("the I2C bus failed: {0}")]
    Bus(String),
    /// What was written is not what is there.
    #[error("the EEPROM does not hold what was written to it; it may be worn out or write-protected")]
    Unwritable,
    /// A place beyond the end, or a write across the end of a page: a fault in this program.
    #[error("{0} bytes at {1} of the EEPROM do not fit")]
    OutOfRange(usize, u16),
}

/// Cuts what is to be written into pieces that each stay within a page.
pub fn pieces(at: u16, bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = (at, bytes);
    std::iter::from_fn(move || {
        let (at, bytes) = rest;
        let room = usize::from(PAGE_BYTES - at % PAGE_BYTES);
        let (piece, behind) = bytes.split_at(room.min(bytes.len()));
        rest = (at.saturating_add(piece.len() as u16), behind);
        (!piece.is_empty()).then_some((at, piece))
    })
}

#[cfg(test)]
mod tests;
