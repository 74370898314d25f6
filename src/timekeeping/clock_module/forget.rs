//! Forgetting the calibration that is saved on the clock module.

use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::eeprom::{Eeprom, EepromError, WRITE_CYCLE_MS, rewind};
use jaudiosync_time::Span;

use super::encoding::{VERSION, decode, encode};
use super::state::ModuleState;
use crate::storage::Slots;

/// Forgets the calibration, and leaves everything else. Returns whether there was one. Both slots
/// are written, so that none is left to fall back to.
///
/// # Errors
/// If the chip cannot be read or written to.
pub fn forget_calibration(eeprom: &mut dyn Eeprom, clocks: &dyn Clocks) -> Result<bool, EepromError> {
    let (mut slots, contents) = Slots::read(eeprom)?;
    let state = contents.newest.and_then(|(version, bytes)| decode(version, &bytes));
    let Some(state) = state.filter(|state| state.time.is_some()) else { return Ok(false) };
    let bytes = encode(&ModuleState { time: None, ..state });
    for _ in 0..2 {
        for (at, piece) in slots.writes(VERSION, &bytes).into_iter().flatten() {
            eeprom.write(at, &piece)?;
            clocks.sleep_until(clocks.raw() + Span::from_ms(WRITE_CYCLE_MS));
        }
        slots.written();
    }
    rewind(eeprom)?;
    Ok(true)
}
