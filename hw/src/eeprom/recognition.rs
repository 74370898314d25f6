//! What is at 0x57? Found out by transfers that cannot change the contents of any memory, and by
//! reads alone where an empty chip may not be adopted.
//!
//! A chip of 256 bytes to 2 KiB (AT24C01 to 24C16) takes one byte of address, an AT24C32 two. To
//! the smaller one the second is data: reading from place 0x0020 the way an AT24C32 wants it may
//! write 0x20 there. Other chips with this address (a pulse oximeter, an ultrasonic sensor) have
//! registers. So:
//!
//! 1. First the chip is only read, without any address: it continues where it is. After power-on
//!    that is its beginning, and this program leaves it there, so one read of a page shows the
//!    signature of a chip that is ours.
//! 2. Otherwise its whole 4 KiB are read in this way. A smaller memory shows its contents more than
//!    once, and a register something that is neither ours nor empty. A chip with contents of its
//!    own is left alone; all but a signature that a power cut has left half written, which is in
//!    its place and the same when read again.
//! 3. A chip that is empty (0xFF everywhere) could still be a smaller one. The two bytes 0x0F, 0xFF
//!    are an address to an AT24C32, which acknowledges the next transfer at once. The smaller one
//!    writes 0xFF over the 0xFF that was just seen at 0x0F, and acknowledges nothing for the
//!    milliseconds that this takes.
//!
//! What remains: a chip that shows 0xFF everywhere, takes any bytes without being busy and is not a
//! memory gets the signature once, does not show it, and is left alone from then on.

use std::fmt::Display;

use embedded_hal::i2c::I2c;

use super::at24c32::failure;
use super::open::Adoption;
use super::{CAPACITY_BYTES, EepromError, PAGE_BYTES, SIGNATURE};

/// Where the memory is on clock modules, with all three address pins high.
pub(super) const ADDRESS: u8 = 0x57;

/// What the first page of a chip holds that is ours. Readable, for people with a hex editor.
pub(super) const SIGNATURE_PAGE: [u8; PAGE_BYTES as usize] = *b"JAudioSync's state, format 1.  \n";

/// The last place of the chip: after reading it the chip is at its beginning. As two bytes of data
/// to a smaller chip, it changes nothing there if that is empty.
const LAST_PLACE: [u8; 2] = (CAPACITY_BYTES - 1).to_be_bytes();
const _: () = assert!(LAST_PLACE[1] == EMPTY, "the byte that a smaller chip would write");

/// What an empty place holds.
const EMPTY: u8 = 0xFF;

/// An empty chip is asked this often whether it is busy: a thread may be preempted for as long as a
/// smaller chip writes, but not each time.
const BUSY_TESTS: usize = 5;

/// A chip that does not acknowledge once may not have heard its address.
const ATTEMPTS: usize = 3;

/// What the chip at 0x57 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recognised {
    /// An AT24C32 with the signature.
    Ours,
    /// An AT24C32 in which there is nothing, but for a signature that a power cut has left half
    /// written.
    Empty,
}

/// Finds out what is at 0x57 on this bus, without changing what a memory holds. An empty chip is
/// asked for its size only if it may be adopted.
///
/// # Errors
/// If nothing answers, or the chip is another one or has contents of its own.
pub(super) fn recognise<I2C>(i2c: &mut I2C, adoption: Adoption) -> Result<Recognised, EepromError>
where
    I2C: I2c,
    I2C::Error: Display,
{
    let mut ring = Vec::with_capacity(usize::from(CAPACITY_BYTES + PAGE_BYTES));
    let mut page = [0; PAGE_BYTES as usize];
    let mut first = read_on(i2c, &mut page);
    for _ in 1..ATTEMPTS {
        if first != Err(EepromError::Busy) {
            break;
        }
        first = read_on(i2c, &mut page);
    }
    first.map_err(|error| if error == EepromError::Busy { EepromError::Absent } else { error })?;
    ring.extend(page);
    while !shows_signature(&ring) {
        if ring.len() >= usize::from(CAPACITY_BYTES) {
            break;
        }
        read_on(i2c, &mut page)?;
        ring.extend(page);
    }
    if shows_signature(&ring) {
        return Ok(Recognised::Ours);
    }
    // The signature may lie across the place at which the reading began.
    let once = ring.len();
    ring.extend_from_within(..usize::from(PAGE_BYTES));
    if shows_signature(&ring) {
        return Ok(Recognised::Ours);
    }
    ring.truncate(once);
    is_empty(i2c, &ring, adoption)
}

fn read_on<I2C>(i2c: &mut I2C, page: &mut [u8]) -> Result<(), EepromError>
where
    I2C: I2c,
    I2C::Error: Display,
{
    i2c.read(ADDRESS, page).map_err(failure)
}

/// Returns whether the last two pages contain the signature: those before were examined already.
fn shows_signature(ring: &[u8]) -> bool {
    let tail = ring.len().saturating_sub(2 * SIGNATURE_PAGE.len());
    ring[tail..].windows(SIGNATURE_PAGE.len()).any(|window| window == SIGNATURE_PAGE)
}

/// Judges a chip without a signature by all its contents.
fn is_empty<I2C>(i2c: &mut I2C, ring: &[u8], adoption: Adoption) -> Result<Recognised, EepromError>
where
    I2C: I2c,
    I2C::Error: Display,
{
    match ring.iter().filter(|value| **value != EMPTY).count() {
        0 if adoption == Adoption::Refused => Err(EepromError::Empty),
        0 => takes_two_bytes_of_address(i2c),
        few if few <= SIGNATURE_PAGE.len() && !repeats(ring) && is_half_a_signature(ring) => {
            // Registers would now show something else, or the same at another place.
            let mut again = vec![0; ring.len()];
            for page in again.chunks_mut(usize::from(PAGE_BYTES)) {
                read_on(i2c, page)?;
            }
            match adoption {
                _ if again != ring => Err(SOMETHING_ELSE),
                Adoption::Refused => Err(EepromError::Empty),
                Adoption::Allowed => has_half_a_signature(i2c),
            }
        }
        _ => Err(SOMETHING_ELSE),
    }
}

const SOMETHING_ELSE: EepromError = EepromError::LeftAlone("it holds something else, or is not an AT24C32");

/// Returns whether what was read shows a smaller chip more than once.
fn repeats(ring: &[u8]) -> bool {
    let (first, second) = ring.split_at(ring.len() / 2);
    first == second
}

/// Returns whether all that was read are some bits of the signature, wherever the reading began.
fn is_half_a_signature(ring: &[u8]) -> bool {
    let shows_at = |begin: usize| {
        let rotated = ring.iter().cycle().skip(begin).take(ring.len());
        let wanted = SIGNATURE_PAGE.into_iter().chain(std::iter::repeat(EMPTY));
        rotated.zip(wanted).all(|(value, wanted)| value & wanted == wanted)
    };
    (0..ring.len()).any(shows_at)
}

/// Returns whether an empty chip takes two bytes for an address, and none of them for data.
fn takes_two_bytes_of_address<I2C>(i2c: &mut I2C) -> Result<Recognised, EepromError>
where
    I2C: I2c,
    I2C::Error: Display,
{
    for _ in 0..BUSY_TESTS {
        i2c.write(ADDRESS, &LAST_PLACE).map_err(failure)?;
        match read_on(i2c, &mut [0]) {
            Ok(()) => {}
            Err(EepromError::Busy) => return Err(EepromError::LeftAlone("it is smaller than an AT24C32")),
            Err(error) => return Err(error),
        }
    }
    Ok(Recognised::Empty)
}

/// Returns whether a chip of 4 KiB, which is known by now, holds some bits of the signature in
/// their place: a page is first erased, to ones, and then written.
fn has_half_a_signature<I2C>(i2c: &mut I2C) -> Result<Recognised, EepromError>
where
    I2C: I2c,
    I2C::Error: Display,
{
    let mut contents = vec![0; usize::from(CAPACITY_BYTES)];
    i2c.write_read(ADDRESS, &SIGNATURE.start.to_be_bytes(), &mut contents).map_err(failure)?;
    let (page, rest) = contents.split_at(SIGNATURE_PAGE.len());
    let is_half_written = page.iter().zip(SIGNATURE_PAGE).all(|(value, wanted)| value & wanted == wanted);
    if is_half_written && rest.iter().all(|value| *value == EMPTY) {
        return Ok(Recognised::Empty);
    }
    Err(SOMETHING_ELSE)
}
