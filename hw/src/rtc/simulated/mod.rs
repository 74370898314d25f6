//! A DS3231 simulated down to the bytes on its bus, so that the real driver runs on it: the chip's
//! registers, its oscillator, the bus, and what can go wrong with them. Who reads it, and what
//! follows from that, does not belong here. Beside it, chips that are mistaken for one, and a choice
//! of all of them by name, for a simulated board.
//!
//! Not simulated: alarms going off, the 32 kHz output, and square waves other than 1 Hz.

mod calendar;
mod chip;
mod choice;
mod handle;
mod model;
mod oscillator;
mod shared;
mod transfer;
mod wrong_chip;

pub use choice::{NoSuchChip, SimulatedRtc};
pub use handle::SimulatedDs3231Handle;
pub use model::{BusModel, Ds3231Model, TemperatureResidual};
pub use transfer::{SimulatedBusError, SimulatedDs3231};
pub use wrong_chip::SimulatedWrongChip;

#[cfg(test)]
mod tests;
